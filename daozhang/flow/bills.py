"""A channel's bill of a day: asked for with the merchant's account, fetched, read, and laid beside our own payments.

A simple comparison by number and amount. It moves nothing: what differs is told, and people or reconciliation decide.
"""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from daozhang.channels.plug import BillLink, NoBill
from daozhang.core.bill import BillKind, BillLine, Poison
from daozhang.core.faults import Fault
from daozhang.core.ids import out_request_no, out_trade_no, payment_of, refund_of, ulid
from daozhang.core.payment import Payment
from daozhang.core.ports import HttpRequest
from daozhang.core.refund import Refund, RefundState
from daozhang.core.texts import rfc3339
from daozhang.flow.house import House
from daozhang.flow.renew import known_keys

CHINA = timezone(timedelta(hours=8))
MOST_BYTES = 64 << 20
_DAY_MS = 86_400_000
_PIECE = 1 << 16
_EARLIER_MS = 2 * _DAY_MS  # a payment is captured so long after it was made, at most, in nearly every case
_EDGE_MS = 15 * 60_000  # so near to midnight the channel may count it to the neighbouring day
_PAGE = 200
Rows = list[dict[str, Any]]
_MOST_TOLD = 200  # of each kind of difference; the counts are always whole


class BadDay(Fault):
    """The day is none, or not over yet."""


@dataclass(frozen=True, slots=True)
class Bill:
    """One file as it came, believed by its signature or its hash."""

    channel: str
    day: str
    kind: str
    link: BillLink
    content: bytes = field(repr=False)


@dataclass
class Read:
    """What a file says in all: ``orders`` holds, by our order number, what was paid and what went back.

    ``trades``: our order number by the channel's number of a charge; ``twice``: orders that were charged more than once;
    ``backs``: by our refund number, what went back, and of which order (as far as the file tells).
    """

    lines: int = 0
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    poison: list[dict[str, Any]] = field(default_factory=list)
    poisoned: int = 0
    orders: dict[str, list[int]] = field(default_factory=dict)
    trades: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    backs: dict[str, BillLine] = field(default_factory=dict)
    _said: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def add(self, line: BillLine | Poison) -> None:
        again = self._again(line) if isinstance(line, BillLine) else 0
        if again:
            line = Poison(line.line, f"it says the same as line {again}")
        if isinstance(line, Poison):
            self.poisoned += 1
            if len(self.poison) < _MOST_TOLD:
                self.poison.append({"line": line.line, "why": line.why})
            return
        self.lines += 1
        total = self.kinds.setdefault(line.kind.value, {"lines": 0, "amount": 0, "fee": 0})
        total["lines"] += 1
        total["amount"] += line.amount_fen
        total["fee"] += line.fee_fen
        if line.kind is BillKind.PAY and line.order_no:
            self._charged(line)
        elif line.kind is not BillKind.OTHER:
            self._went_back(line)

    def _again(self, line: BillLine) -> int:
        """The number of the line that has said the very same before; 0 for the first. Fees may be alike, charges are not."""
        if line.kind is BillKind.OTHER or not line.trade_no:
            return 0
        said = (line.kind, line.order_no, line.trade_no, line.refund_no, line.amount_fen, line.at_ms)
        first = self._said.setdefault(said, line.line)
        return first if first != line.line else 0

    def _charged(self, line: BillLine) -> None:
        total = self.orders.setdefault(line.order_no, [0, 0])
        if total[0]:
            self.twice.add(line.order_no)
        total[0] += line.amount_fen
        self.trades[line.trade_no] = line.order_no

    def _went_back(self, line: BillLine) -> None:
        """Some files name the payment of a refund only by the channel's own number of it."""
        order_no = line.order_no or self.trades.get(line.trade_no, "")
        if order_no:
            self.orders.setdefault(order_no, [0, 0])[1] += line.amount_fen
        if line.refund_no:
            self.backs[line.refund_no] = replace(line, order_no=order_no)

    def numbers(self, order_no: str) -> dict[str, list[str]]:
        """The channel's numbers of an order that was charged more than once."""
        found = [trade for trade, order in self.trades.items() if order == order_no] if order_no in self.twice else []
        return {"trade_nos": found} if found else {}

    def told(self) -> dict[str, Any]:
        return {"lines": self.lines, "kinds": self.kinds, "unreadable": self.poisoned, "unreadable_lines": self.poison}


async def fetch(house: House, merchant: str, channel: str, livemode: bool, day: str, kind: str = "") -> Bill:
    """Ask, fetch, and nothing else. Raises BadDay, NoBill, NoAccount, BadKey, WrongDoor."""
    _over(day, house.clock.now_ms())
    found = house.channel(channel)
    wire: Any = found.wire
    if not hasattr(wire, "ask_bill"):
        raise NoBill("not_offered", "bills of this channel cannot be asked for")
    row = await house.account_for(merchant, found.name, livemode)
    account = house.shelf.account(row)
    told = await house.net.call(_large(wire.ask_bill(account, day, kind, house.clock.now_ms())))
    await known_keys(house, found.name, row.id, account, told.headers)
    link = wire.read_bill_reply(account, told)
    request = wire.fetch_bill(account, link, house.clock.now_ms())
    content = link.content if request is None else await _content(house, request)
    return Bill(found.name, day, kind, link, content)


async def _content(house: House, request: HttpRequest) -> bytes:
    exchange = await house.net.call(_large(request))
    if exchange.fault is not None:
        raise NoBill(exchange.fault.code, "the file did not come whole")
    if exchange.status != 200:
        raise NoBill(f"HTTP_{exchange.status}", "the file was not given")
    return exchange.body


def _large(request: HttpRequest) -> HttpRequest:
    return replace(request, most_bytes=MOST_BYTES)


def _over(day: str, now_ms: int) -> None:
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise BadDay("a day is written yyyy-MM-dd") from None
    if day != wanted.isoformat() or wanted >= datetime.fromtimestamp(now_ms / 1000, CHINA).date():
        raise BadDay("a bill is of a day of China that is over, written yyyy-MM-dd")


def lines_of(reader: Any, bill: Bill) -> Iterator[BillLine | Poison]:
    """A file's lines by its channel's module ``bill``. Raises BadBill, perhaps only at the end.

    Readers of files whose lines tell no year take the day too.
    """
    pieces = (bill.content[at : at + _PIECE] for at in range(0, len(bill.content), _PIECE))
    more = {"day": bill.day} if "day" in inspect.signature(reader.read).parameters else {}
    lines: Iterator[BillLine | Poison] = reader.read(pieces, sha1=bill.link.sha1, **more)
    return lines


def add_up(lines: Iterable[BillLine | Poison]) -> Read:
    """Raises BadBill: then nothing of it is to be believed."""
    read = Read()
    for line in lines:
        read.add(line)
    return read


async def compare(house: House, merchant: str, livemode: bool, bill: Bill, read: Read) -> dict[str, Any]:
    """``missing``: charged here and not in the bill; ``extra``: the other way round; ``amount``: both, and not the same.

    Money that the bill itself gives back in full is no difference where we know of no charge.
    """
    shift = int(house.channel(bill.channel).manifest.get("bill_day_begins_ms", 0))
    start = _start_ms(bill.day) + shift
    ours = await _ours(house, merchant, livemode, bill.channel, start, start + _DAY_MS)
    missing, extra, amount, same = [], [], [], 0
    for number, payment in ours.items():
        if number not in read.orders:
            edge = min(payment.paid_ms - start, start + _DAY_MS - payment.paid_ms) < _EDGE_MS
            missing.append({**_told(payment), "near_midnight": edge})
    for number, (paid, back) in read.orders.items():
        if not paid:
            continue
        known = ours.get(number) or await _known(house, merchant, number)
        if known is None or not known.captured_fen:
            if paid != back:
                named = {"payment": known.id, "status": known.state.value} if known else {}
                extra.append({"order_no": number, "amount": paid, **named, **read.numbers(number)})
        elif known.captured_fen != paid:
            amount.append({**_told(known), "amount_in_bill": paid, **read.numbers(number)})
        else:
            same += 1
    refunds = await _refunds(house, merchant, livemode, bill, read, start) if not bill.kind else None
    return {**_differences(same, missing, extra, amount), "refunds": refunds}


def _differences(same: int, missing: Rows, extra: Rows, amount: Rows) -> dict[str, Any]:
    return {"same": same, **{name: {"count": len(rows), "data": rows[:_MOST_TOLD]}
                             for name, rows in (("missing", missing), ("extra", extra), ("amount", amount))}}  # fmt: skip


async def _refunds(house: House, merchant: str, livemode: bool, bill: Bill, read: Read, start: int) -> dict[str, Any]:
    """The same of what went back, by our refund number; only the list of all trades holds all of it."""
    missing, extra, amount, same = [], [], [], 0
    for number, line in read.backs.items():
        known = await _known_refund(house, merchant, number)
        if known is None or known.state is not RefundState.SUCCEEDED:
            named = {"refund": known.id, "payment": known.payment, "status": known.state.value} if known else {}
            extra.append({"order_no": line.order_no, "refund_no": number, "amount": line.amount_fen, **named})
        elif known.amount_fen != line.amount_fen:
            amount.append({**_told_refund(known), "amount_in_bill": line.amount_fen})
        else:
            same += 1
    for refund in await _our_refunds(house, merchant, start):
        payment = await house.store.payment(refund.payment)
        here = payment is not None and (payment.channel, payment.livemode) == (bill.channel, livemode)
        if here and out_request_no(refund.id) not in read.backs:
            edge = min(refund.created_ms - start, start + _DAY_MS - refund.decided_ms) < _EDGE_MS
            missing.append({**_told_refund(refund), "near_midnight": edge})
    return _differences(same, missing, extra, amount)


async def _our_refunds(house: House, merchant: str, start: int) -> list[Refund]:
    """Asked for and proven on this day. One that was under way over midnight may stand in either day's bill."""
    found: list[Refund] = []
    cursor = "rfd_" + ulid(start + _DAY_MS, b"\xff" * 9, 255)
    while True:
        page = await house.reading.refunds(merchant, cursor=cursor, limit=_PAGE)
        for refund in page.rows:
            if refund.state is RefundState.SUCCEEDED and start <= refund.created_ms and refund.decided_ms < start + _DAY_MS:
                found.append(refund)
        if not page.has_more or page.rows[-1].created_ms < start - _EDGE_MS:
            return found
        cursor = page.next_cursor


async def _ours(house: House, merchant: str, livemode: bool, channel: str, start: int, end: int) -> dict[str, Payment]:
    """The merchant's payments at this channel whose charge is proven for this day, by their number at the channel."""
    found: dict[str, Payment] = {}
    cursor = ""
    while True:
        page = await house.reading.payments(merchant, cursor=cursor, limit=_PAGE, created_from_ms=start - _EARLIER_MS, created_to_ms=end)
        for payment in page.rows:
            if payment.channel == channel and payment.livemode == livemode and payment.captured_fen and start <= payment.paid_ms < end:
                found[out_trade_no(payment.id)] = payment
        if not page.has_more:
            return found
        cursor = page.next_cursor


async def _known(house: House, merchant: str, number: str) -> Payment | None:
    named = payment_of(number)
    payment = await house.store.payment(named) if named else None
    return payment if payment is not None and payment.merchant == merchant else None


async def _known_refund(house: House, merchant: str, number: str) -> Refund | None:
    named = refund_of(number)
    refund = await house.store.refund(named) if named else None
    return refund if refund is not None and refund.merchant == merchant else None


def _told_refund(refund: Refund) -> dict[str, Any]:
    return {"order_no": out_trade_no(refund.payment), "refund_no": out_request_no(refund.id), "refund": refund.id,
            "payment": refund.payment, "amount": refund.amount_fen, "status": refund.state.value}  # fmt: skip


def _told(payment: Payment) -> dict[str, Any]:
    return {"order_no": out_trade_no(payment.id), "payment": payment.id, "merchant_order_no": payment.merchant_order_no,
            "amount": payment.captured_fen, "status": payment.state.value, "paid_at": rfc3339(payment.paid_ms)}  # fmt: skip


def _start_ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=CHINA).astimezone(UTC).timestamp()) * 1000
