"""An outage on the running system: found, published, told to its merchant, shown on its payments, and over when it is over."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import System


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


def test_an_outage_is_an_incident_from_its_first_minute_to_its_end(own_system: System) -> None:
    system = own_system
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
