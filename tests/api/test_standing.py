"""Settlement accounts, code plates, webhook endpoints and releases at the doors: from what is told to the cause that is named."""

import asyncio
import os
import time
from typing import Any

from daozhang.cli.link import Link
from daozhang.cli.plays import Stage, of_kill
from daozhang.cli.say import Talk
from daozhang.cli.trigger import named_in
from daozhang.diagnosis.cause import PEOPLE
from tests.api.test_doors import _other_merchant, is_problem
from tests.api.test_incidents import EVERYTHING_BUT
from tests.conftest import System

ACCOUNT = "/v1/settlement_account"


def told_of(system: System, kind: str) -> list[tuple[str | None, str | None]]:
    """What the merchant's programs heard last of it: the cause that was named, and the one that was withdrawn."""
    rows, cursor, more = list[dict[str, Any]](), "", True
    while more:
        told = system.call("GET", f"/v1/events?limit=100&cursor={cursor}")[1]
        rows += [row for row in told["data"] if row["type"] == f"{kind}.cause_named"]
        cursor, more = told["next_cursor"], told["has_more"]
    data = [row["data"] for row in sorted(rows, key=lambda row: row["timestamp"])][-2:]
    return [((one["cause"] or {}).get("id"), one["withdrawn"]) for one in data]


def test_an_operator_enters_what_is_known_and_the_cause_follows(system: System) -> None:
    merchant = str(asyncio.run(_other_merchant(system, EVERYTHING_BUT))["api_key"])
    nothing = system.call("GET", ACCOUNT, api_key=merchant)[1]
    assert nothing["cause"] is None and nothing["payout"] is None and nothing["pending"] is None and nothing["at"] is None
    is_problem(system.call("PUT", ACCOUNT, {"hold": True}, api_key=merchant)[1], "not_allowed")
    status, told = system.call("PUT", ACCOUNT, {"payout": "returned", "payout_code": "AC04", "pending": 900})
    assert status == 200 and told["cause"]["id"] == "payee.settlement_account_invalid" and set(told["next_step"]) == set(PEOPLE)
    assert system.call("GET", ACCOUNT)[1]["cause"]["id"] == told["cause"]["id"]
    assert system.call("GET", ACCOUNT, api_key=merchant)[1]["cause"] is None  # another merchant's account is not this one's
    assert system.call("PUT", ACCOUNT, {})[1]["cause"] is None
    assert told_of(system, "settlement_account") == [(told["cause"]["id"], None), (None, told["cause"]["id"])]
    for bad in ({"cutoff": "25:00"}, {"payout": "lost"}, {"pending": -1}, {"pending_since": "yesterday"}, {"closed_days": ["1 May"]}):
        is_problem(system.call("PUT", ACCOUNT, bad)[1], "bad_field")


def test_a_plate_is_checked_against_its_own_text(system: System) -> None:
    place = f"/v1/tills/{system.state['till']}/plate"
    told = system.call("GET", place)[1]
    assert (told["cause"], told["reads"], told["own"]) == (None, None, told["url"])
    assert system.call("POST", f"{place}/check", {"text": told["url"]})[1]["cause"] is None
    assert system.call("PUT", place, {"text": "https://pay.example/t/1"})[1]["cause"]["id"] == "payee.code_swapped"  # what was read last is another's
    assert system.call("POST", f"{place}/check", {"text": "https://elsewhere.example/9"})[1]["cause"]["id"] == "payee.code_swapped"
    assert system.call("GET", place)[1]["next_step"]["cashier"]["zh"]
    assert system.call("POST", f"{place}/check", {"text": "https://pay.example/t/1"})[1]["cause"] is None
    assert system.call("GET", "/v1/tills/till_x/plate")[0] == 404
    assert told_of(system, "plate") == [("payee.code_swapped", None), (None, "payee.code_swapped")]


def test_what_is_refused_at_the_door_names_its_cause(system: System) -> None:
    assert system.call("GET", ACCOUNT, api_key="sk_nobody")[1]["cause"] == "integration.signature"
    order = f"T-{os.urandom(6).hex()}"
    system.pay(order=order)
    method = {"type": "pay_by_code", "code": system.code()}
    body = {"amount": 1250, "merchant_order_no": order, "till": system.state["till"], "method": method}
    assert system.call("POST", "/v1/payments", body)[1]["cause"] == "operator.duplicate_scan"
    wanted: dict[str, Any] = {"amount": 9_876_543, "time": "2026-01-01T00:00:00+08:00", "within_s": 60}
    assert system.call("POST", "/v1/payments/lookup", wanted)[1]["cause"] == "payer.claim_not_found"


def test_the_same_from_the_command_line(system: System) -> None:
    """In both languages; what nobody told is said to be not known."""
    try:
        code, out, _ = system.cli("account", "set", "--hold", "--pending", "125000", "--lang", "zh")
        assert code == 0 and "funds.held" in out and "收银员" in out and "出款 不知道" in out
        code, out, _ = system.cli("account", "show", "--lang", "en")
        assert code == 0 and "DZ-FND-04" in out and "to be settled" in out and "cashier" in out
    finally:
        assert "nothing is known to be wrong" in system.cli("account", "set", "--lang", "en")[1]
    assert system.cli("plate", "own", "https://pay.example/t/1")[0] == 0
    assert "payee.code_swapped" in system.cli("plate", "check", "https://elsewhere.example/9")[1]
    assert "payee.code_swapped" in system.cli("plate")[1]
    assert "payee.code_swapped" not in system.cli("plate", "check", "https://pay.example/t/1")[1]
    code, out, _ = system.cli("trigger", "operator.duplicate_scan", "--lang", "zh")
    assert code == 0 and "DZ-OPR-06" in out and "开发" in out


def test_from_a_noted_release_to_its_cause(own_system: System) -> None:
    """A fresh house is no release; one that is noted explains what is dark right afterwards."""
    rows = own_system.call("GET", "/v1/releases")[1]["data"]
    assert [row["by"] for row in rows] == ["start"]
    code, out, _ = own_system.cli("release", "note", "9.9.9-test", "--says", "new queue")
    assert code == 0 and "9.9.9-test" in out
    assert own_system.cli("release", "note", "9.9.9-test")[0] == 1  # a version is at work first once
    time.sleep(2.6)  # every process has read the books since
    stage = Stage(Talk(own_system.data, False, "en"), Link(own_system.data), 1250, 60)
    told = of_kill(stage, {"channel": "wechatpay"})
    assert named_in(told, "us.release") == "why_no_information"
    assert told["why_no_information"]["ranked"][0]["id"] == "us.release"
    assert any("changed shortly before" in step["says"]["en"] for step in told["why_no_information"]["steps"])


def test_a_refusal_at_the_command_line_says_what_where_and_how_once(system: System) -> None:
    code, _, said = system.cli("incident", "show", "inc_unknown", "--lang", "zh")
    assert code == 1 and said.count("核对编号") == 1
    code, _, said = system.cli("account", "set", "--pending-since", "yesterday", "--lang", "zh")
    assert code == 1 and "/pending_since" in said
