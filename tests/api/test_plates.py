"""A static code plate: a signed address, a page without strangers, and orders that the payer's wallet really pays."""

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daozhang.api import plates
from daozhang.api.problem import KINDS
from tests.api.test_incidents import shut, until
from tests.conftest import System

FILES = ("page.css", "page.js", "words.js")


def asked(system: System, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """As a payer's browser asks: without a key."""
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}{path}", None if body is None else json.dumps(body).encode(), given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


@pytest.fixture
def plate(system: System) -> Iterator[str]:
    """The door of the demo till's plate; a moment is left before and after, for it may not be asked without end."""
    time.sleep(1.1)
    yield f"/v1/plates/{signed(system)['token']}"


def signed(system: System) -> dict[str, Any]:
    status, told = system.call("GET", f"/v1/tills/{system.state['till']}/plate")
    assert status == 200
    return dict(told)


def ordered(system: System, plate: str, wallet: str, payer: str = "", amount: int = 880, key: str = "") -> tuple[int, Any]:
    body = {"amount": amount, "wallet": wallet, "payer": payer, "wait_s": 1}
    return asked(system, "POST", f"{plate}/payments", body, Idempotency_Key=key or os.urandom(8).hex())


def test_the_sign_leads_to_a_page_of_ours_alone(system: System) -> None:
    told = signed(system)
    assert told["url"] == f"http://127.0.0.1:{system.base_port}/plate/{told['token']}" and told["picture"].startswith("data:image/svg+xml;base64,")
    with urllib.request.urlopen(told["url"]) as reply:
        page, policy = reply.read().decode(), reply.headers["Content-Security-Policy"]
        assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert sorted(re.findall(r'(?:src|href)="([^"]+)"', page)) == ["/plate/files/page.css", "/plate/files/page.js", "data:,"]
    assert "default-src 'none'" in policy and not re.search(r"https?:|\*|unsafe", policy)
    for name in FILES:
        with urllib.request.urlopen(f"http://127.0.0.1:{system.base_port}/plate/files/{name}") as reply:
            text = reply.read().decode()
        assert not re.search(r"https?://\w|url\(|@import|innerHTML|eval\(", text), name
    assert len(plates.routes()) == len(FILES) + 1


def test_a_token_that_we_never_gave_opens_nothing(system: System, plate: str) -> None:
    token = plate.rpartition("/")[2]
    assert asked(system, "GET", plate)[1]["shop"]
    changed = [token[:at] + ("1" if token[at] != "1" else "2") + token[at + 1 :] for at in range(0, len(token), 7)]
    for wrong in (*changed, token[:-1], token + "0", token.lower(), "x"):
        assert asked(system, "GET", f"/v1/plates/{wrong}")[0] == 404, wrong
    assert ordered(system, f"/v1/plates/{changed[0]}", "alipay")[0] == 404
    assert system.call("GET", "/v1/tills/till_01M8HJ00CSQWC9A24082TNFM5M/plate")[0] == 404


def test_the_wallet_that_opens_the_page_is_known_by_what_it_says_of_itself(system: System, plate: str) -> None:
    agents = {"Mozilla/5.0 (iPhone) MicroMessenger/8.0.50": "wechatpay", "Mozilla/5.0 (Linux) AlipayClient/10.5": "alipay",
              "Mozilla/5.0 (iPhone) UnionPay/1.0 CloudPay": "unionpay", "Mozilla/5.0 (X11) Firefox/130": None}  # fmt: skip
    for agent, wallet in agents.items():
        told = asked(system, "GET", plate, User_Agent=agent)[1]
        assert told["wallet"] == wallet and told["livemode"] is False
    assert {one["name"] for one in told["wallets"]} == {"alipay", "wechatpay", "unionpay"}
    assert all(one["words"]["zh"] and one["words"]["en"] for one in told["wallets"])


@pytest.mark.parametrize(("wallet", "payer"), [("alipay", "2088102177846880"), ("wechatpay", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"), ("alipay", ""),
                                               ("wechatpay", ""), ("unionpay", "")])  # fmt: skip
def test_an_order_of_a_plate_is_really_paid(system: System, plate: str, wallet: str, payer: str) -> None:
    key = os.urandom(8).hex()
    status, made = ordered(system, plate, wallet, payer, key=key)
    for _ in range(30):
        if made["qr"] or made["pay"]:
            break
        time.sleep(0.5)
        status, made = asked(system, "GET", f"{plate}/payments/{made['id']}")
    assert (made["qr"] is None) == bool(payer) and (made["pay"] is None) == (not payer), made
    assert made["amount"] == 880 and made["wallet"] == wallet and made["verdict"] == "waiting_customer"
    assert not made.keys() & {"merchant", "metadata", "fee", "evidence", "channel_refs"}, "nothing of the shop's"
    number = made["qr"] or made["pay"].get("trade_no") or made["pay"]["package"].removeprefix("prepay_id=")
    assert system.call("POST", "/v1/sandbox/scan", {"wallet": wallet, "qr": number, "behaviour": "pays"})[0] == 200
    assert system.until_decided(made["id"])["verdict"] == "paid"
    status, told = asked(system, "GET", f"{plate}/payments/{made['id']}")
    assert (status, told["verdict"], told["qr"]) == (200, "paid", made["qr"])
    time.sleep(0.5)
    assert ordered(system, plate, wallet, payer, key=key)[1]["id"] == made["id"], "the same key, the same order"
    assert ordered(system, plate, wallet, payer, amount=881, key=key)[1]["code"] == "idempotency_key_reused"
    whole = system.call("GET", f"/v1/payments/{made['id']}")[1]
    assert whole["method"]["type"] == ("plate" if payer else "pay_by_qr") and whole["till"] == system.state["till"]


def test_a_payer_sees_only_what_a_plate_has_begun(system: System, plate: str) -> None:
    other = system.pay()
    for ident in (other["id"], "pay_x", "x", "pay_01M8HJ00CSQWC9A24082TNFM5M"):
        assert asked(system, "GET", f"{plate}/payments/{ident}")[0] == 404
    for body in ({"wallet": "alipay"}, {"amount": 0, "wallet": "alipay"}, {"amount": 12.5, "wallet": "alipay"}, {"amount": 1, "wallet": "cash"}):
        assert asked(system, "POST", f"{plate}/payments", body, Idempotency_Key=os.urandom(8).hex())[1]["code"] == "bad_field", body
        time.sleep(0.25)
    assert asked(system, "POST", f"{plate}/payments", {"amount": 1, "wallet": "alipay"})[1]["code"] == "key_missing"


def test_one_plate_is_not_asked_without_end(system: System, plate: str) -> None:
    found = [asked(system, "GET", plate) for _ in range(40)]
    assert {status for status, _ in found} == {200, 429} and {told.get("code") for status, told in found if status == 429} == {"slow_down"}


def test_a_shut_channel_is_told_to_the_payer(system: System, plate: str) -> None:
    with shut(system):
        status, told = until(lambda: (answer := ordered(system, plate, "unionpay", key=os.urandom(8).hex()))[0] == 409 and answer)
    assert (status, told["code"], told["channel"]) == (409, "channel_shut", "unionpay")
    assert told["next_step"]["zh"].startswith("请换") and told["next_step"]["en"].startswith("Pay with")


def test_only_refusals_before_any_order_say_that_nothing_was_charged() -> None:
    """What may come when an order is durable already (moved, unavailable, internal, anything new) is no such word."""
    script = (Path(plates.__file__).parent / "plate" / "page.js").read_text()
    said = set(re.findall(r'"(\w+)"', re.search(r"BEFORE_ANY_ORDER = \[([^]]+)]", script)[1]))  # type: ignore[index]
    assert said <= KINDS.keys() and not said & {"moved", "unavailable", "internal", "overloaded", "account_unusable", "idempotency_key_reused"}
