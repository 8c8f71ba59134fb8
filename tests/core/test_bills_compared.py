"""A channel's bill beside our payments: what is missing, extra or of another amount, against a small channel made up here."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from daozhang.channels.plug import BillLink, NoBill
from daozhang.core.bill import BadBill, BillKind, BillLine, Poison
from daozhang.core.directory import Page
from daozhang.core.faults import MaybeArrived
from daozhang.core.ids import out_request_no, out_trade_no, ulid
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Exchange, HttpRequest
from daozhang.core.refund import Refund, RefundKind, RefundState
from daozhang.flow import bills
from daozhang.sim.every import new_payment

DAY = "2026-11-23"
START = bills._start_ms(DAY)
NOON = START + 12 * 3_600_000


def payment(number: int, amount: int = 1000, at: int = NOON, **more: Any) -> Payment:
    given = {"state": State.PAID, "captured_fen": amount, "paid_ms": at, "created_ms": at - 5000, **more}
    return replace(new_payment(), id=f"pay_01JD8{number:021d}", amount_fen=amount, channel="small", merchant="mer", livemode=False, **given)


def refund(number: int, of: Payment, amount: int = 300, at: int = NOON, **more: Any) -> Refund:
    given = {"state": RefundState.SUCCEEDED, "decided_ms": at + 2000, "merchant": of.merchant, **more}
    return Refund(f"rfd_{ulid(at, number.to_bytes(9), 0)}", 0, payment=of.id, amount_fen=amount, kind=RefundKind.REFUND, reason="",
                  created_ms=at, not_before_ms=0, **given)  # fmt: skip


def back_line(number: int, what: Refund, amount: int = 0, **more: Any) -> BillLine:
    """As in a file that names the payment of a refund only by the channel's own number of it."""
    given = {"order_no": "", "trade_no": "T1", **more}
    return BillLine(number, BillKind.REFUND, refund_no=out_request_no(what.id), amount_fen=amount or what.amount_fen, fee_fen=-1, at_ms=NOON, **given)


def line(number: int, what: Payment | str, amount: int = 1000, kind: BillKind = BillKind.PAY) -> BillLine:
    order = what if isinstance(what, str) else out_trade_no(what.id)
    return BillLine(number, kind, order, "T", "R" if kind is BillKind.REFUND else "", amount, 6, NOON)


class Small:
    """A channel that tells of two requests: where the file lies, and the file."""

    def __init__(self, answers: list[Exchange], content: bytes = b"") -> None:
        self.answers, self.content, self.asked = answers, content, list[HttpRequest]()

    def ask_bill(self, account: Any, day: str, kind: str, now_ms: int) -> HttpRequest:
        return HttpRequest("GET", f"http://channel/{day}/{kind}", (), b"", 1000)

    def read_bill_reply(self, account: Any, exchange: Exchange) -> BillLink:
        if exchange.status != 200:
            raise NoBill("20002", "No Bill Exist")
        return BillLink("http://channel/file", "aa", self.content)

    def fetch_bill(self, account: Any, link: BillLink, now_ms: int) -> HttpRequest | None:
        return None if link.content else HttpRequest("GET", link.url, (), b"", 1000)

    async def call(self, request: HttpRequest) -> Exchange:
        self.asked.append(request)
        return self.answers.pop(0)


def house(small: Small | None = None, ours: Iterable[Payment] = (), now: int = START + 2 * 86_400_000, shift: int = 0,
          given_back: Iterable[Refund] = ()) -> Any:  # fmt: skip
    held = sorted(ours, key=lambda one: one.id, reverse=True)
    backs = sorted(given_back, key=lambda one: one.id, reverse=True)

    async def refunds(merchant: str, *, cursor: str = "", limit: int) -> Page:
        rows = [one for one in backs if one.merchant == merchant and (not cursor or one.id < cursor)]
        return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else "", len(rows) > limit)

    async def back(refund_id: str) -> Refund | None:
        return next((one for one in backs if one.id == refund_id), None)
    async def payments(merchant: str, *, cursor: str = "", limit: int, created_from_ms: int, created_to_ms: int) -> Page:
        assert merchant == "mer"
        rows = [one for one in held if one.merchant == merchant and created_from_ms <= one.created_ms < created_to_ms and (not cursor or one.id < cursor)]
        return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else "", len(rows) > limit)

    async def known(payment_id: str) -> Payment | None:
        return next((one for one in held if one.id == payment_id), None)

    async def account_for(merchant: str, channel: str, livemode: bool) -> Any:
        return SimpleNamespace(id="acc")

    channel = SimpleNamespace(name="small", wire=small or object(), keys=None, manifest={"bill_day_begins_ms": shift})
    return SimpleNamespace(channel=lambda name: channel, shelf=SimpleNamespace(account=lambda row: row), account_for=account_for, net=small,
                           clock=SimpleNamespace(now_ms=lambda: now), reading=SimpleNamespace(payments=payments, refunds=refunds),
                           store=SimpleNamespace(payment=known, refund=back))  # fmt: skip


def compared(lines: Iterable[BillLine | Poison], ours: Iterable[Payment], **more: Any) -> dict[str, Any]:
    bill = bills.Bill("small", DAY, "", BillLink(""), b"")
    return asyncio.run(bills.compare(house(ours=ours, **more), "mer", False, bill, bills.add_up(lines)))


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    return told["same"], told["missing"]["count"], told["extra"]["count"], told["amount"]["count"]


def test_what_is_the_same_is_only_counted() -> None:
    ours = [payment(number) for number in range(450)]
    assert counts(compared([line(at, one) for at, one in enumerate(ours, 1)], ours)) == (450, 0, 0, 0)


def test_missing_extra_and_another_amount_are_told_by_order_number() -> None:
    same, gone, other, open_ = payment(1), payment(2), payment(3), payment(4, state=State.UNKNOWN, captured_fen=0, paid_ms=0)
    told = compared([line(1, same), line(2, other, 990), line(3, open_), line(4, "STRANGER", 70)], [same, gone, other, open_])
    assert counts(told) == (1, 1, 2, 1)
    assert told["missing"]["data"][0]["payment"] == gone.id and told["missing"]["data"][0]["near_midnight"] is False
    assert told["amount"]["data"][0] | {"amount": 1000, "amount_in_bill": 990, "payment": other.id} == told["amount"]["data"][0]
    assert [row.get("status") for row in told["extra"]["data"]] == ["unknown", None]
    assert told["extra"]["data"][1] == {"order_no": "STRANGER", "amount": 70}


def test_money_that_the_bill_gives_back_itself_is_no_difference() -> None:
    never = payment(1, state=State.REVERSED, captured_fen=0, paid_ms=0)
    assert counts(compared([line(1, never), line(2, never, kind=BillKind.UNDO)], [never])) == (0, 0, 0, 0)
    assert counts(compared([line(1, never), line(2, never, 400, BillKind.REFUND)], [never])) == (0, 0, 1, 0)
    back = payment(2, state=State.REFUNDED)
    assert counts(compared([line(1, back), line(2, back, kind=BillKind.REFUND)], [back])) == (1, 0, 0, 0)


def test_refunds_are_laid_beside_ours_by_their_number() -> None:
    paid = payment(1)
    same, gone, other, open_ = (refund(at, paid) for at in range(1, 5))
    open_ = replace(open_, state=RefundState.UNKNOWN, decided_ms=0)
    theirs = refund(5, replace(paid, merchant="another"))
    day = 86_400_000
    elsewhere = [refund(6, paid, at=START - 5000), refund(7, paid, at=START + day - 1000, decided_ms=START + day + 1000),
                 refund(8, replace(payment(2), channel="big"))]  # fmt: skip
    charge = replace(line(1, paid), trade_no="T1")
    lines = [charge, back_line(2, same), back_line(3, other, 200), back_line(4, open_), back_line(5, theirs)]
    told = compared(lines, [paid, replace(payment(2), channel="big")], given_back=[same, gone, other, open_, theirs, *elsewhere])
    assert counts(told) == (1, 0, 0, 0) and counts(told["refunds"]) == (1, 1, 2, 1)
    assert [row["refund"] for row in told["refunds"]["missing"]["data"]] == [gone.id]
    assert told["refunds"]["amount"]["data"][0] | {"refund": other.id, "amount": 300, "amount_in_bill": 200} == told["refunds"]["amount"]["data"][0]
    unproven, stranger = told["refunds"]["extra"]["data"]
    assert unproven["status"] == "unknown" and unproven["order_no"] == out_trade_no(paid.id)
    assert "refund" not in stranger and stranger["refund_no"] == out_request_no(theirs.id)


def test_a_charge_that_its_own_refund_line_gives_back_is_no_difference_even_without_our_number() -> None:
    never = payment(1, state=State.REVERSED, captured_fen=0, paid_ms=0)
    lines = [replace(line(1, never), trade_no="T1"), back_line(2, refund(1, never, 1000))]
    assert counts(compared(lines, [never])) == (0, 0, 0, 0)


def test_hundreds_of_refunds_of_a_day_are_all_found() -> None:
    paid = payment(1)
    made = [refund(at, paid, 1) for at in range(450)]
    assert counts(compared([line(1, paid), *(back_line(at, one) for at, one in enumerate(made, 2))], [paid], given_back=made)["refunds"]) == (450, 0, 0, 0)


def test_an_order_that_the_channel_charged_twice_is_told_with_both_numbers() -> None:
    paid = payment(1)
    told = compared([replace(line(1, paid), trade_no="T1"), replace(line(2, paid), trade_no="T2")], [paid])
    row = told["amount"]["data"][0]
    assert counts(told) == (0, 0, 0, 1) and row["amount_in_bill"] == 2000 and row["trade_nos"] == ["T1", "T2"]
    stranger = compared([replace(line(1, "S"), trade_no="T1"), replace(line(2, "S"), trade_no="T2")], [])["extra"]["data"][0]
    assert stranger == {"order_no": "S", "amount": 2000, "trade_nos": ["T1", "T2"]}


def test_a_line_that_stands_twice_counts_once_and_is_told() -> None:
    paid = payment(1)
    read = bills.add_up([line(1, paid), line(2, payment(2)), line(3, paid)])
    assert read.poison == [{"line": 3, "why": "it says the same as line 1"}] and read.kinds["pay"]["amount"] == 2000
    fee = BillLine(4, BillKind.OTHER, "", "T", "", 5, 0, NOON)
    assert bills.add_up([fee, replace(fee, line=5)]).poisoned == 0


def test_only_this_merchants_charges_of_this_day_and_channel_are_expected() -> None:
    day = 86_400_000
    late = payment(1, at=START + day - 60_000)
    others = [payment(2, at=START - 1000), payment(3, at=START + day), replace(payment(4), channel="big"), replace(payment(5), livemode=True),
              payment(6, captured_fen=0, paid_ms=0)]  # fmt: skip
    told = compared([], [late, *others])
    assert counts(told) == (0, 1, 0, 0) and told["missing"]["data"][0]["near_midnight"] is True
    shifted = compared([], [payment(7, at=START - 1000), payment(8, at=START + day - 1000)], shift=-3_600_000)
    assert [row["payment"][-1] for row in shifted["missing"]["data"]] == ["7"]
    theirs = replace(payment(9), merchant="another")
    assert "payment" not in compared([line(1, theirs)], [theirs])["extra"]["data"][0]


def test_a_file_is_asked_for_and_fetched_with_room_for_a_long_one() -> None:
    small = Small([Exchange(200), Exchange(200, (), b"file")])
    bill = asyncio.run(bills.fetch(house(small), "mer", "small", False, DAY, "ALL"))
    assert bill.content == b"file" and bill.link.sha1 == "aa" and len(small.asked) == 2
    assert all(request.most_bytes == bills.MOST_BYTES for request in small.asked)
    inside = Small([Exchange(200)], content=b"inside")
    assert asyncio.run(bills.fetch(house(inside), "mer", "small", False, DAY)).content == b"inside" and len(inside.asked) == 1


@pytest.mark.parametrize("answers", [[Exchange(404)], [Exchange(200), Exchange(500)], [Exchange(200), Exchange(fault=MaybeArrived("READ_TIMEOUT"))]])
def test_no_bill_is_said_and_never_an_empty_one(answers: list[Exchange]) -> None:
    with pytest.raises(NoBill) as told:
        asyncio.run(bills.fetch(house(Small(answers)), "mer", "small", False, DAY))
    assert told.value.code in ("20002", "HTTP_500", "READ_TIMEOUT")


@pytest.mark.parametrize("day", ["2026-11-25", "2026-11-26", "20261123", "2026-13-01", "yesterday", ""])
def test_only_a_day_that_is_over_has_a_bill(day: str) -> None:
    with pytest.raises(bills.BadDay):
        asyncio.run(bills.fetch(house(Small([])), "mer", "small", False, day))


def test_a_channel_without_bills_says_so() -> None:
    with pytest.raises(NoBill, match="not_offered"):
        asyncio.run(bills.fetch(house(), "mer", "small", False, DAY))


def test_lines_that_cannot_be_read_are_told_and_a_bad_file_is_believed_in_nothing() -> None:
    read = bills.add_up([line(1, payment(1)), line(2, payment(1), 300, BillKind.REFUND), *(Poison(at, "why") for at in range(3, 500))])
    told = read.told()
    assert told["lines"] == 2 and told["unreadable"] == 497 and len(told["unreadable_lines"]) == 200
    assert told["kinds"] == {"pay": {"lines": 1, "amount": 1000, "fee": 6}, "refund": {"lines": 1, "amount": 300, "fee": 6}}

    def broken() -> Iterator[BillLine]:
        yield line(1, payment(1))
        raise BadBill("the totals are missing")

    with pytest.raises(BadBill):
        bills.add_up(broken())


def test_a_reader_is_given_the_hash_and_where_it_wants_it_the_day() -> None:
    asked: list[dict[str, Any]] = []

    class Plain:
        def read(self, chunks: Iterable[bytes], *, sha1: str = "", packed: bool | None = None) -> Iterator[BillLine]:
            asked.append({"bytes": b"".join(chunks), "sha1": sha1})
            yield line(1, payment(1))

    class Dated:
        def read(self, chunks: Iterable[bytes], *, sha1: str = "", day: str = "") -> Iterator[BillLine]:
            asked.append({"bytes": b"".join(chunks), "sha1": sha1, "day": day})
            yield line(1, payment(1))

    bill = bills.Bill("small", DAY, "", BillLink("", "aa"), b"x" * 200_000)
    for reader in (Plain(), Dated()):
        assert bills.add_up(bills.lines_of(reader, bill)).lines == 1
    assert asked == [{"bytes": bill.content, "sha1": "aa"}, {"bytes": bill.content, "sha1": "aa", "day": DAY}]
