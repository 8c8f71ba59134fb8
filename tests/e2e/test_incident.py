"""An outage on the running system: found, published, told to its merchant, shown on its payments, and over when it is over."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.conftest import System
from tests.e2e.listener import Listener, listening


@pytest.fixture
def endpoint() -> Iterator[str]:
    yield from listening()


def delivered(secret: str, kind: str, within_s: float = 60) -> dict[str, Any]:
    """The first message of this kind, its signature checked by the standard's own library."""
    for _ in range(round(within_s / 0.3)):
        for headers, body in Listener.got:
            told = Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
            assert told == json.loads(body)
            if told["type"] == kind:
                return dict(told)
        time.sleep(0.3)
    raise AssertionError([json.loads(body)["type"] for _, body in Listener.got])


def until(system: System, path: str, ready: Any, within_s: float = 60) -> Any:
    """Looks are counted, not seconds."""
    for _ in range(round(within_s / 0.3)):
        told = system.call("GET", path)[1]
        if found := ready(told):
            return found
        time.sleep(0.3)
    raise AssertionError(told)


def crowd(system: System, wallets: list[str]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(12) as people:
        return list(people.map(lambda wallet: system.pay(wallet=wallet, wait_s=1), wallets))


def test_an_outage_is_an_incident_from_its_first_minute_to_its_end(own_system: System, endpoint: str) -> None:
    system = own_system
    status, made = system.call("POST", "/v1/webhook_endpoints", {"url": endpoint, "types": ["incident.opened", "incident.updated", "incident.resolved"]})
    assert status == 201, made
    crowd(system, ["alipay", "wechatpay"] * 10)
    system.chaos("system_error_clean", op="pay")
    dark = [one for one in crowd(system, ["alipay"] * 30 + ["wechatpay"] * 15) if one["method"]["channel"] == "alipay"]
    found = until(system, "/v1/incidents", lambda told: next((one for one in told["data"] if one["published"]), None))
    assert (found["place"], found["place_name"], found["party"], found["party_name"]) == ("channel", "alipay", "platform", "alipay")
    assert found["scope"]["payments"] >= 20 and found["says"]["zh"].startswith("我们观察到") and found["onset_at"] <= found["opened_at"]
    mine = until(system, f"/v1/payments/{dark[0]['id']}", lambda told: told if told["incident"] else None)
    assert mine["incident"] == found["id"]
    news = f"/v1/events?limit=100&subject={found['id']}"
    events = until(system, news, lambda told: told["data"])
    assert events[0]["type"] == "incident.opened" and events[0]["data"]["next_step"]["cashier"]["zh"]
    health = until(system, "/v1/health/channels", lambda told: (rows := {one["name"]: one for one in told["data"]})["alipay"]["incident"] and rows)
    assert health["alipay"]["incident"] == found["id"] and health["wechatpay"]["status"] == "operational"
    system.calm()
    for _ in range(40):  # people go on paying; it is seen that they get through
        crowd(system, ["alipay"] * 6)
        told = system.call("GET", f"/v1/incidents/{found['id']}")[1]
        if told["stage"] == "monitoring":
            break
        time.sleep(1)
    assert told["stage"] == "monitoring" and told["recovered_at"]
    assert "incident.updated" in [one["type"] for one in system.call("GET", news)[1]["data"]]
    status, ended = system.call("POST", f"/v1/incidents/{found['id']}/resolve", {})
    assert status == 200 and ended["stage"] == "resolved", ended
    for kind, stages in (("incident.opened", ("investigating", "identified")), ("incident.updated", ("identified", "monitoring")), ("incident.resolved", ("resolved",))):
        news_of = delivered(made["secret"], kind)["data"]
        assert news_of["incident"] == found["id"] and news_of["stage"] in stages and news_of["party"] == "platform"
        assert news_of["says"]["zh"] and news_of["says"]["en"] and news_of["next_step"]["cashier"]["en"]
