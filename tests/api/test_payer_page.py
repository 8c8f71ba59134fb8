"""The payer's page of a payment: whole without a script, in the payer's words, and nothing but what concerns the payer."""

import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from daozhang.api import payer_words
from daozhang.api.payer import PayerPage
from daozhang.core.faults import Unavailable
from daozhang.core.ids import ulid
from daozhang.core.payment import Method, Payment, State
from daozhang.core.verdict import Verdict, judge
from tests.conftest import System

NOW = 1_795_401_698_000
ONE = Payment(
    "pay_" + ulid(NOW, bytes(9), 7), 7, "mer_1", "sto_1", "till_1", "A-1", 1250, "CNY", Method.PAY_BY_CODE, "alipay", "acc_1", False,
    "豆浆", "28••••8841", {}, NOW,
)  # fmt: skip
CAPTURED = {State.PAID, State.PARTLY_REFUNDED, State.REFUNDED, State.REVERSED, State.SURPLUS}
KINDS = {
    State.CREATED: "unknown", State.SENT: "unknown", State.UNKNOWN: "unknown", State.REVERSING: "unknown", State.DEFERRED: "unknown",
    State.WAITING_PAYER: "waiting", State.PAID: "paid", State.PARTLY_REFUNDED: "paid", State.REFUNDED: "returned",
    State.REVERSED: "returned", State.SURPLUS: "returning", State.NOT_PAID: "not_charged", State.CLOSED: "not_charged",
}  # fmt: skip


def page(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """As a phone asks: without a key."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode(), {name.lower(): value for name, value in reply.headers.items()}
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(), {name.lower(): value for name, value in refused.headers.items()}


def address(system: System, payment: str) -> str:
    status, told = system.call("GET", f"/v1/receipts/{payment}")
    assert status == 200
    return str(told["qr"])


def state(body: str) -> tuple[str, str]:
    found = re.search(r'class="state"[^>]* data-kind="(\w+)"[^>]*>([^<]+)<', body)
    assert found, body
    return found[1], found[2]


@pytest.mark.parametrize("where", State)
def test_each_state_is_told_to_the_payer_in_both_languages(where: State) -> None:
    captured = 1250 if where in CAPTURED else 0
    payment = replace(ONE, state=where, captured_fen=captured, received_fen=captured)
    stands = payer_words.standing(payment, judge(payment))
    assert stands.kind == KINDS[where] and stands.says["zh"] and stands.says["en"]
    unproven = judge(payment).verdict in (Verdict.CHECKING, Verdict.LATER)
    if unproven and where is not State.SURPLUS:
        assert "不要再付" in stands.says["zh"] and "do not pay again" in stands.says["en"]
    assert stands.ends == (stands.kind in ("paid", "returned", "not_charged"))
    assert (stands.kind == "paid") <= (judge(payment).verdict is Verdict.PAID)


def test_a_refund_on_its_way_is_being_returned() -> None:
    payment = replace(ONE, state=State.PAID, captured_fen=1250, received_fen=1250, refunding_fen=400)
    stands = payer_words.standing(payment, judge(payment))
    assert (stands.kind, stands.ends) == ("returning", False)
    back = replace(payment, state=State.SURPLUS, refunding_fen=0, refunded_fen=1250)
    assert payer_words.standing(back, judge(back)).kind == "returned"


@pytest.mark.parametrize("again_ms", [NOW + 60_000, -1])
def test_a_surplus_that_the_channel_refused_to_return_is_not_called_on_its_way(again_ms: int) -> None:
    refused = replace(ONE, state=State.SURPLUS, captured_fen=1250, received_fen=1250, answer_by_ms=again_ms)
    stands = payer_words.standing(refused, judge(refused))
    assert (stands.kind, stands.ends) == ("unknown", again_ms < 0) and stands.more is not None and ("我们会再试" in stands.more["zh"]) == (again_ms > 0)
    assert "还没退成" in stands.says["zh"] and "do not pay again" in stands.says["en"]
    once_more = replace(refused, refunding_fen=1250, answer_by_ms=0)
    assert payer_words.standing(once_more, judge(once_more)).kind == "returning"


def test_a_paid_payment_on_its_page(system: System) -> None:
    paid = system.pay(subject="secret goods", order=f"ORDER-{os.urandom(4).hex()}")
    url = address(system, paid["id"])
    status, body, headers = page(url, Accept_Language="en")
    assert status == 200 and state(body) == ("paid", "Paid") and '<html lang="en">' in body
    for shown in ("¥12.50", paid["channel_refs"]["out_trade_no"], "Do not pay again: you have paid", "Ask the staff of", "Test: no real money moved"):
        assert shown in body, shown
    assert state(page(url, Accept_Language="zh-CN,zh;q=0.9")[1]) == ("paid", "付款成功")
    assert state(page(url + "?lang=zh", Accept_Language="en")[1]) == ("paid", "付款成功")
    hidden = ("secret goods", paid["merchant_order_no"], paid["method"]["code_mask"], paid["merchant"], paid["till"], paid["store"],
              paid["channel_refs"]["trade_no"], "fee", "evidence")  # fmt: skip
    assert [one for one in hidden if one in body] == []
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"] and 'name="robots" content="noindex' in body
    assert "default-src 'none'" in headers["content-security-policy"] and not re.search(r"https?:", body)
    title = re.search("<title>(.*)</title>", body)
    assert title and "12.50" not in title[1] and paid["id"][4:] not in title[1]


def test_a_slips_page_changes_when_the_truth_comes(system: System) -> None:
    system.chaos("lost_after", op="pay")
    system.chaos("notify_lost")
    system.chaos("lost_before", op="query")
    open_one = system.pay(wait_s=0.5)
    _, slip = system.call("GET", f"/v1/receipts/{open_one['id']}")
    assert slip["slip"] is True and "待查小票" in slip["text"]
    kind, words = state(page(slip["qr"] + "?lang=zh")[1])
    assert kind == "unknown" and "不要再付" in words
    body = page(slip["qr"] + "?lang=en")[1]
    assert "do not pay again" in state(body)[1] and "What happens next" in body and 'data-ends="0"' in body
    system.calm()
    assert system.until_decided(open_one["id"])["verdict"] == "paid"
    assert state(page(slip["qr"] + "?lang=zh")[1]) == ("paid", "付款成功")


def test_a_refused_payment_tells_no_reason(system: System) -> None:
    refused = system.until_decided(system.pay("no_balance")["id"])
    assert refused["verdict"] == "not_paid"
    for lang in ("zh", "en"):
        body = page(f"{address(system, refused['id'])}?lang={lang}")[1]
        assert state(body)[0] == "not_charged"
        assert not re.search("余额|balance is|insufficient|密码错|wrong password", body.replace("A balance has it back", ""))


def test_what_was_given_back_is_told(system: System) -> None:
    paid = system.pay()
    system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 250, "wait_s": 5})
    body = page(f"{address(system, paid['id'])}?lang=zh")[1]
    assert state(body) == ("paid", "付款成功,已退一部分") and "¥2.50" in body


def test_a_token_that_we_never_gave_opens_nothing(system: System) -> None:
    url = address(system, system.pay()["id"])
    base, _, token = url.rpartition("/")
    changed = [token[:at] + ("B" if token[at] != "B" else "C") + token[at + 1 :] for at in range(0, len(token), 5)]
    other = address(system, system.pay()["id"]).rpartition("/")[2]
    for wrong in (*changed, token[:26], token[:-1], token + "A", token.lower(), token[:26] + other[26:], "x", "%00"):
        status, body, headers = page(f"{base}/{wrong}", Accept_Language="en")
        assert status == 404 and "not valid" in body and "noindex" in headers["x-robots-tag"], wrong
    assert page(url)[0] == 200 and len(token) == 52


def test_one_payment_is_not_looked_at_without_end(system: System) -> None:
    url = address(system, system.pay()["id"])
    found = [page(url, Accept_Language="zh") for _ in range(25)]
    assert {status for status, _, _ in found} == {200, 429}
    refused = next(one for one in found if one[0] == 429)
    assert "不要再付" in refused[1] and refused[2]["retry-after"] == "1"
    time.sleep(1.1)
    assert page(url)[0] == 200


def test_the_files_know_nobody_else() -> None:
    for file in (Path(payer_words.__file__).parent / "payer").iterdir():
        assert not re.search(r"https?://\w|url\(|@import|innerHTML|eval\(", file.read_text("utf-8")), file.name


def test_trouble_never_lets_anybody_pay_twice() -> None:
    for status in (429, 503):
        says, step = payer_words.TROUBLE[status]
        assert "不要再付" in step["zh"] and "do not pay again" in step["en"].lower() and says["zh"] and says["en"]


class Shelf:
    """A house that has one payment, or a fault."""

    def __init__(self, found: Payment | Exception | None) -> None:
        self._found = found

    async def payment(self, ident: str) -> Payment | None:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


async def asked(found: Payment | Exception | None, now_ms: int) -> tuple[int, str]:
    clock = SimpleNamespace(now_ms=lambda: now_ms, monotonic_ms=lambda: 0.0)
    house: Any = SimpleNamespace(clock=clock, store=Shelf(found), notify_base="", witness=SimpleNamespace(served=lambda *_: None))
    pages = PayerPage(house, b"a secret")
    scope = {"type": "http", "method": "GET", "path": "/p/x", "query_string": b"lang=en", "headers": [], "path_params": {"token": pages.token(ONE.id)}}
    reply = await pages.get(Request(scope))
    return reply.status_code, bytes(reply.body).decode()


async def test_a_link_lives_for_ninety_days() -> None:
    status, body = await asked(ONE, NOW + 90 * 86_400_000 + 1)
    assert status == 404 and "too old" in body and "12.50" not in body
    assert (await asked(None, NOW))[0] == 404


@pytest.mark.parametrize("fault", [Unavailable("the store is away"), RuntimeError("a bug of ours")])
async def test_a_fault_of_ours_says_do_not_pay_again_and_nothing_else(fault: Exception) -> None:
    status, body = await asked(fault, NOW)
    assert status == 503 and "Do not pay again" in body and "store" not in body and "bug" not in body
