"""Incidents, health and maintenance at the doors: who may see and do what; a shut channel and a taken sale say what to do now."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from daozhang.core.texts import ms_of_rfc3339, rfc3339
from tests.api.test_doors import _other_merchant, body_of, is_problem
from tests.conftest import System

SAYS = {"zh": "我们观察到支付宝变慢", "en": "We observe that Alipay is slow"}
EVERYTHING_BUT = frozenset({"payments:read", "payments:write", "events:read", "directory:read"})


def until(ready: Any, within_s: float = 20) -> Any:
    for _ in range(round(within_s / 0.2)):
        if found := ready():
            return found
        time.sleep(0.2)
    raise AssertionError("it never came to be")


def shop(system: System) -> str:
    """A merchant's key without the operators' right."""
    return str(asyncio.run(_other_merchant(system, EVERYTHING_BUT))["api_key"])


def test_a_person_opens_tells_on_publishes_and_closes(system: System) -> None:
    merchant = shop(system)
    status, made = system.call("POST", "/v1/incidents", {"place": "channel", "place_name": "unionpay", "says": SAYS})
    assert status == 201 and made["stage"] == "investigating" and not made["published"] and made["updates"][0]["says"] == SAYS
    assert all(made["next_step"][person]["zh"] for person in ("cashier", "payer", "merchant", "support", "operations", "developer"))
    where = f"/v1/incidents/{made['id']}"
    try:
        assert system.call("GET", where, api_key=merchant)[0] == 404  # a draft does not exist for a shop
        assert made["id"] not in [one["id"] for one in system.call("GET", "/v1/incidents", api_key=merchant)[1]["data"]]
        for path in (f"{where}/publish", f"{where}/updates", f"{where}/resolve"):
            is_problem(system.call("POST", path, {}, api_key=merchant)[1], "not_allowed")
        assert system.call("POST", f"{where}/publish")[1]["published"]
        seen = system.call("GET", where, api_key=merchant)[1]
        assert seen["yours"] == {"shops": 0, "merchants": 0, "payments": 0, "amount": 0} and seen["evidence"] == []
        told = system.call("POST", f"{where}/updates", {"stage": "identified"})[1]
        assert told["stage"] == "identified" and told["updates"][-1]["says"]["en"].startswith("We observe: since ")
        status, refused = system.call("POST", f"{where}/updates", {"stage": "resolved", "says": {"zh": "好了"}})
        assert status == 422 and refused["errors"][0]["pointer"] == "/says"
    finally:
        ended = system.call("POST", f"{where}/resolve", {"says": {"zh": "已恢复", "en": "It is over"}})[1]
    assert ended["stage"] == "resolved" and ended["ended_at"]
    is_problem(system.call("POST", f"{where}/publish")[1], "incident_ended")
    assert system.call("POST", "/v1/incidents", {"place": "channel", "place_name": "nowhere"})[0] == 422


def test_health_and_maintenance(system: System) -> None:
    merchant = shop(system)
    system.pay()
    row = next(one for one in system.call("GET", "/v1/health/channels")[1]["data"] if one["name"] == "alipay")
    assert row["payments"] >= 1 and row["success_rate"] > 0 and row["p95_ms"] and row["words"]["zh"] == "支付宝"
    now = int(time.time() * 1000)
    window = {"party": "bank", "name": "ICBC", "from": rfc3339(now - 60_000), "to": rfc3339(now + 600_000), "says": SAYS}
    is_problem(system.call("POST", "/v1/maintenance", window, api_key=merchant)[1], "not_allowed")
    assert system.call("POST", "/v1/maintenance", {**window, "to": window["from"]})[0] == 422
    assert system.call("POST", "/v1/maintenance", {**window, "party": "platform"})[0] == 422
    status, made = system.call("POST", "/v1/maintenance", window)
    assert status == 201 and made["holds_now"] and made["source"] == "person"
    try:
        assert made["id"] in [one["id"] for one in system.call("GET", "/v1/maintenance", api_key=merchant)[1]["data"]]
        bank = until(lambda: [one for one in system.call("GET", "/v1/health/banks")[1]["data"]
                              if one["name"] == "ICBC" and one["status"] == "under_maintenance"])  # fmt: skip
        assert bank[0]["until"] == made["until_at"]
    finally:
        assert system.call("DELETE", f"/v1/maintenance/{made['id']}")[1]["deleted"]
    assert system.call("DELETE", f"/v1/maintenance/{made['id']}")[0] == 404
    status, told = system.call("POST", "/v1/health/probes", {"channel": "alipay", "place": "shanghai-2", "answered": True, "took_ms": 80})
    assert status == 201 and told["place"] == "shanghai-2"
    assert system.call("POST", "/v1/health/probes", {"channel": "alipay", "place": "here", "answered": True})[0] == 422


@contextmanager
def shut(system: System) -> Iterator[None]:
    """UnionPay's maintenance is announced, and it is felt: nobody gets through."""
    now = int(time.time() * 1000)
    window = {"party": "platform", "name": "unionpay", "from": rfc3339(now - 60_000), "to": rfc3339(now + 600_000)}
    made = system.call("POST", "/v1/maintenance", window)[1]
    system.chaos("maintenance", wallet="unionpay")
    try:
        until(lambda: any(one["name"] == "unionpay" and one["status"] == "under_maintenance"
                          for one in system.call("GET", "/v1/health/channels")[1]["data"]))  # fmt: skip
        until(lambda: begin(system)[0] == 409)
        yield
    finally:
        system.calm()
        system.call("DELETE", f"/v1/maintenance/{made['id']}")


def begin(system: System, **headers: str) -> tuple[int, dict[str, Any]]:
    body = body_of(system, wait_s=1, method={"type": "pay_by_code", "code": system.code(wallet="unionpay")})
    return system.call("POST", "/v1/payments", body, headers=headers)


def test_a_shut_channel_refuses_before_anything_is_begun_and_names_what_works(system: System) -> None:
    with shut(system):
        before = len(system.books("unionpay")["orders"])
        _, told = until(lambda: (answer := begin(system))[0] == 409 and answer)
        is_problem(told, "channel_shut")
        assert told["channel"] == "unionpay" and told["cause"] == "platform.maintenance" and "alipay" in told["alternatives"]
        assert ms_of_rfc3339(told["until"]) > time.time() * 1000 and len(told["next_step"]["zh"]) <= 20
        assert len(system.books("unionpay")["orders"]) == before
        assert system.pay()["verdict"] == "paid"  # the others work


def test_a_second_charge_of_an_open_sale_is_told_why_not_and_until_when(system: System) -> None:
    order = f"OPEN-{os.urandom(5).hex()}"
    body = body_of(system, merchant_order_no=order, wait_s=0, method={"type": "pay_by_code", "code": system.code("types_password")})
    status, first = system.call("POST", "/v1/payments", body)
    assert status == 202
    status, told = system.call("POST", "/v1/payments", {**body, "method": {"type": "pay_by_code", "code": system.code()}})
    assert status == 409
    is_problem(told, "sale_taken")
    assert told["payment"] == first["id"] and told["verdict"] in ("checking", "waiting_customer")
    assert len(told["next_step"]["zh"]) <= 20 and ms_of_rfc3339(told["safe_to_retry_by"]) > time.time() * 1000
    paid = system.pay()
    status, told = system.call("POST", "/v1/payments", body_of(system, merchant_order_no=paid["merchant_order_no"]))
    assert (status, told["verdict"], told["safe_to_retry_by"]) == (409, "paid", None)


def test_the_command_line_says_the_same(system: System) -> None:
    code, out, _ = system.cli("incident", "open", "--place", "bank", "--name", "CMB", "--zh", "招行慢", "--en", "CMB is slow", "--json")
    made = json.loads(out)
    assert code == 0 and made["place_name"] == "CMB"
    for words in (("publish",), ("update", "--stage", "monitoring"), ("show",), ("close",)):
        code, out, err = system.cli("incident", words[0], made["id"], *words[1:], "--lang", "en")
        assert code == 0 and made["id"] in out and "CMB" in out, err
    assert made["id"] in system.cli("incident", "ls", "--stage", "resolved")[1]
    assert "alipay" in system.cli("health")[1]
    code, out, _ = system.cli("maintenance", "add", "--channel", "wechat", "--from", "2027-01-01T02:00:00+08:00", "--to", "2027-01-01T03:00:00+08:00", "--json")
    window = json.loads(out)
    assert code == 0 and window["name"] == "wechatpay" and window["id"] in system.cli("maintenance", "ls")[1]
    assert system.cli("maintenance", "rm", window["id"])[0] == 0
    assert system.cli("maintenance", "add", "--from", "x", "--to", "y")[0] == 2


@pytest.mark.parametrize("path", ["/v1/incidents?stage=x", "/v1/incidents?cursor=x", "/v1/maintenance?since=x"])
def test_a_bad_query_is_named(system: System, path: str) -> None:
    assert system.call("GET", path)[0] == 400
