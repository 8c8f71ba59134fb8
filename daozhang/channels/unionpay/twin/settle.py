"""The settlement file of a clearing day, type ZM: fixed columns of GBK bytes with a space between them (dossier 3.3).

Amounts are fen, padded with zeros; the two of the fee and of the settlement begin with C (to the merchant) or D (from it).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from daozhang.channels.unionpay.twin.books import Back, Books, Order
from daozhang.channels.unionpay.twin.trade import beijing, clearing_day

RATE = 38  # parts of 10,000
COLUMNS = (
    ("tradeNo", 3), ("acqInsCode", 11), ("sendInsCode", 11), ("traceNo", 6), ("txnTime", 10), ("payCardNo", 19),
    ("txnAmt", 12), ("merCatCode", 4), ("termType", 2), ("queryId", 21), ("oldPayType", 2), ("orderId", 32),
    ("payCardType", 2), ("origTraceNo", 6), ("origTime", 10), ("merCharge", 13), ("settleAmt", 13), ("payType", 4),
    ("groupMerCode", 15), ("txnType", 2), ("txnSubType", 2), ("bizType", 6), ("accType", 2), ("billType", 4),
    ("billNo", 32), ("interactMode", 1), ("origQryId", 21), ("merId", 15), ("accountType", 1), ("subMerId", 15),
    ("subMerAbbr", 32), ("subMerAmt", 13), ("settleNetAmt", 13), ("termId", 8), ("merReserved", 32), ("discountAmt", 13),
    ("invoiceAmt", 13), ("insAdditionCharge", 12), ("installmentNum", 2), ("tradeMedia", 1), ("reserved", 131),
)  # fmt: skip
_KINDS = {"pay": ("S22", "01", "06"), "apply": ("S22", "01", "07"), "reverse": ("S65", "99", "01"),
          "undo": ("S35", "31", "00"), "refund": ("S30", "04", "00")}  # fmt: skip


class Moved(NamedTuple):
    """One line of the day: a payment, its reversal, an undo or a refund."""

    kind: str
    at_ms: int
    order: Order
    back: Back | None = None
    amount_fen: int = 0

    @property
    def fee(self) -> int:
        """Of the merchant, in fen, rounded half up; given back with the money."""
        return (self.amount_fen * RATE + 5_000) // 10_000


def moved(books: Books, day: str) -> list[Moved]:
    """Everything of one clearing day (``MMdd``), in order. A payment reversed on its own day stands there twice."""
    found: list[Moved] = []
    for order in books.orders.values():
        if order.captured_fen:
            found.append(Moved(order.kind, order.paid_ms, order, None, order.amount_fen))
        if order.captured_fen and order.state == "REVERSED":
            found.append(Moved("reverse", order.closed_ms, order, None, order.amount_fen))
    for back in books.backs.values():
        found.append(Moved(back.kind, back.created_ms, books.orders[back.orig], back, back.amount_fen))
    return sorted((line for line in found if clearing_day(line.at_ms) == day), key=lambda line: (line.at_ms, line.order.order_id))


def spoilt(found: list[Moved], mode: str) -> list[Moved]:
    """What a wrong file holds."""
    if mode == "bill_missing":
        return found[1:]
    if mode == "bill_extra" and found:
        stranger = replace(found[0].order, order_id="DZ00000000000000000000000000", query_id="4" * 21)
        return [*found, found[0]._replace(order=stranger)]
    if mode == "bill_amount" and found:
        return [found[0]._replace(amount_fen=found[0].amount_fen + 1), *found[1:]]
    if mode == "bill_twice" and found:
        return [found[0], found[0]._replace(order=replace(found[0].order, query_id="9" * 21)), *found[1:]]
    if mode == "bill_poison" and found:
        broken = found[0]._replace(order=replace(found[0].order, order_id="读不懂"))
        return [found[0], broken, found[0], *found[1:]]
    return found


def write(found: list[Moved], mer_id: str) -> bytes:
    """The whole file, CR LF after each line."""
    return b"".join(line + b"\r\n" for line in lines(found, mer_id))


def lines(found: list[Moved], mer_id: str) -> Iterator[bytes]:
    for line in found:
        values = _values(line, mer_id)
        yield b" ".join(_column(values.get(name, ""), width) for name, width in COLUMNS)


def _values(line: Moved, mer_id: str) -> dict[str, str]:
    order, back = line.order, line.back
    code, kind, sub = _KINDS[line.kind]
    into = line.kind in ("pay", "apply")
    query, trace, number = (back.query_id, back.trace_no, back.order_id) if back else (order.query_id, order.trace_no, order.order_id)
    net = line.amount_fen - line.fee
    values = {
        "tradeNo": code, "acqInsCode": order.acq_ins_code or "48020000", "sendInsCode": "00049992", "traceNo": f"{trace:06d}",
        "txnTime": f"{beijing(line.at_ms):%m%d%H%M%S}", "payCardNo": order.payer[:19], "txnAmt": f"{line.amount_fen:012d}",
        "merCatCode": "5411", "termType": "08", "queryId": query, "orderId": number, "payCardType": "01",
        "merCharge": f"{'D' if into else 'C'}{line.fee:012d}", "settleAmt": f"{'C' if into else 'D'}{net:012d}",
        "payType": "0001", "txnType": kind, "txnSubType": sub, "bizType": "000000", "accType": "01", "merId": mer_id,
        "settleNetAmt": f"{'C' if into else 'D'}{net:012d}", "discountAmt": f"C{0:012d}", "termId": "00000001",
        "interactMode": "1", "merReserved": "沙箱", "subMerId": order.sub_mer_id,
        "subMerAmt": f"{'C' if into else 'D'}{net:012d}" if order.sub_mer_id else "",
    }  # fmt: skip
    if not into:
        values |= {"origTraceNo": f"{order.trace_no:06d}", "origTime": f"{beijing(order.paid_ms):%m%d%H%M%S}",
                   "origQryId": order.query_id}  # fmt: skip
    return values


def _column(value: str, width: int) -> bytes:
    raw = value.encode("gb18030")[:width]
    return raw + b" " * (width - len(raw))
