"""The files of the day on both wires: asked for, believed or named, fetched, and read back line by line."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import pytest

from daozhang.channels.plug import BillLink, NoBill
from daozhang.channels.twin import Heard
from daozhang.channels.wechatpay import bill, wire
from daozhang.core.bill import BadBill, BillKind, BillLine
from daozhang.core.faults import MaybeArrived
from daozhang.core.ports import AccountRow, Exchange
from daozhang.sim.world import SeededRand
from tests.channels.wechatpay.kit import WECHAT
from tests.channels.wechatpay.test_bill import DATE, DAY_MS, day

NOW_MS = DAY_MS + 40 * 3_600_000
WAYS: list[dict[str, str]] = [{}, {"api": "v2", "sign_type": "MD5"}, {"api": "v2", "sign_type": "HMAC-SHA256"}]


class Desk:
    """A merchant's account at the real twin, which has had a day."""

    def __init__(self, count: int = 100, sub: str = "", **settings: str) -> None:
        assert WECHAT is not None
        self.twin = WECHAT.twin.make_simulated("s", SeededRand(3).bytes)
        given, secrets = self.twin.simulated_account("s")
        given |= {"gateway": "http://127.0.0.1:9", **settings}
        self.account = wire.open_account(AccountRow("a", 0, "m", "wechatpay", False, 0, given, secrets), WECHAT.manifest)
        books, self.expected = day(count)
        for at, order in enumerate(books.orders.values()):
            of = sub if at % 2 else ""
            self.twin.replay({"kind": "order", "record": asdict(order) | {"sub_mchid": of}})
            if sub and not of:
                self.expected = [line for line in self.expected if line.order_no != order.out_trade_no]

    def call(self, request: Any, now_ms: int) -> Exchange:
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = (*request.headers, ("Host", "127.0.0.1:9"))
        told = self.twin.handle(Heard(request.method, target, headers, request.body, now_ms))
        return Exchange(told.status, told.headers, told.body)

    def link(self, kind: str = "", date: str = DATE, now_ms: int = NOW_MS) -> BillLink:
        return wire.read_bill_reply(self.account, self.call(wire.ask_bill(self.account, date, kind, now_ms), now_ms))

    def lines(self, kind: str = "") -> list[BillLine]:
        link = self.link(kind)
        request = wire.fetch_bill(self.account, link, NOW_MS)
        content = link.content if request is None else self.call(request, NOW_MS).body
        found = list(bill.read([content], sha1=link.sha1))
        assert all(isinstance(line, BillLine) for line in found)
        return [line for line in found if isinstance(line, BillLine)]


@pytest.mark.parametrize("way", WAYS)
def test_the_trades_of_a_day_come_back_exactly(way: dict[str, str]) -> None:
    desk = Desk(**way)
    assert desk.lines() == desk.lines("ALL") == desk.expected
    assert {line.kind for line in desk.lines("SUCCESS")} == {BillKind.PAY}
    assert {line.kind for line in desk.lines("REFUND")} == {BillKind.REFUND, BillKind.UNDO}


@pytest.mark.parametrize("way", WAYS)
def test_the_movements_of_the_account(way: dict[str, str]) -> None:
    desk = Desk(**way)
    assert [line.amount_fen for line in desk.lines("BASIC")] == [line.amount_fen for line in desk.expected]
    assert refused(lambda: desk.lines("FEES")) in ("NO_STATEMENT_EXIST", "20002")
    assert refused(lambda: desk.lines("EVERYTHING")) == "no_such_kind"


@pytest.mark.parametrize("way", WAYS)
def test_a_service_provider_gets_the_lines_of_the_sub_merchant(way: dict[str, str]) -> None:
    desk = Desk(sub="1900000999", sub_mchid="1900000999", **way)
    found = desk.lines()
    assert [(line.order_no, line.refund_no) for line in found] == [(line.order_no, line.refund_no) for line in desk.expected]
    assert found


def refused(act: Any) -> str:
    with pytest.raises(NoBill) as none:
        act()
    return none.value.code


@pytest.mark.parametrize("way", WAYS[:2])
def test_what_is_no_bill_is_named(way: dict[str, str]) -> None:
    desk = Desk(1, **way)
    none = {"20002", "NO_STATEMENT_EXIST"}
    assert refused(lambda: desk.link(now_ms=DAY_MS + 3_600_000)) in none  # the day is not over
    assert refused(lambda: desk.link(date="2026-09-20")) in none
    for mode, codes in (("bill_not_ready", none), ("maintenance", {"HTTP_503"}), ("error_500", {"HTTP_500"})):
        desk.twin.chaos_off()
        desk.twin.chaos(mode, NOW_MS)
        assert refused(desk.link) in codes, mode
    assert refused(lambda: wire.read_bill_reply(desk.account, Exchange(fault=MaybeArrived("READ_TIMEOUT")))) == "READ_TIMEOUT"
    assert refused(lambda: wire.read_bill_reply(desk.account, Exchange(200, (), b"<a"))) != ""


@pytest.mark.parametrize("mode", ["forged", "unsigned", "signtest", "garbage"])
def test_an_address_that_somebody_else_tells_is_not_fetched(mode: str) -> None:
    desk = Desk(1)
    desk.twin.chaos(mode, NOW_MS)
    assert refused(desk.link) == "RESPONSE_SIGNATURE_INVALID"


def test_we_sign_for_our_own_host_only() -> None:
    account = Desk(1).account
    request = wire.fetch_bill(account, BillLink("https://evil.example:1/v3/billdownload/file?token=a%2Fb"), NOW_MS)
    assert request is not None and request.url == "http://127.0.0.1:9/v3/billdownload/file?token=a%2Fb"


@pytest.mark.parametrize("mode", ["bill_missing", "bill_extra", "bill_amount"])
def test_a_wrong_file_reads_well_and_says_something_else(mode: str) -> None:
    desk = Desk(20)
    desk.twin.chaos(mode, NOW_MS)
    assert desk.lines() != desk.expected


def test_a_file_that_changed_on_its_way_is_not_believed() -> None:
    desk = Desk(20)
    link = desk.link()
    request = wire.fetch_bill(desk.account, link, NOW_MS)
    body = desk.call(request, NOW_MS).body
    with pytest.raises(BadBill):
        list(bill.read([body[:40] + bytes([body[40] ^ 1]) + body[41:]], sha1=link.sha1))
