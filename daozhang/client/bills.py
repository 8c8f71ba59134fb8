"""What is told of a channel's bill."""

from msgspec import Struct

from daozhang.client import words as say


class BillTotal(Struct):
    """What the lines of one kind add up to, in fen."""

    lines: int
    amount: int
    fee: int


class UnreadableLine(Struct):
    line: int
    why: str


class BillDifference(Struct):
    """One order, or one refund, that the bill and we do not tell alike. ``near_midnight``: it may stand in the neighbouring day's
    bill; ``trade_nos``: the channel's numbers of an order that it has charged more than once.
    """

    order_no: str
    amount: int
    payment: str | None = None
    merchant_order_no: str | None = None
    status: str | None = None
    paid_at: say.Time | None = None
    amount_in_bill: int | None = None
    near_midnight: bool | None = None
    trade_nos: list[str] | None = None
    refund_no: str | None = None
    refund: str | None = None


class BillDifferences(Struct):
    """``count`` is whole; ``data`` may hold the first of them only."""

    count: int
    data: list[BillDifference]


class BillRefunds(Struct):
    """By refund number and amount. ``missing``: given back here, not in the bill; ``extra``: in the bill, not proven here."""

    same: int
    missing: BillDifferences
    extra: BillDifferences
    amount: BillDifferences


class BillComparison(Struct):
    """By order number and amount. ``missing``: charged here, not in the bill; ``extra``: in the bill, not charged here.

    ``refunds``: of the list of all trades only.
    """

    same: int
    missing: BillDifferences
    extra: BillDifferences
    amount: BillDifferences
    refunds: BillRefunds | None = None


class Bill(Struct):
    """A channel's bill of a day, read and laid beside our payments. ``file``: as it came, in base64, where it was asked for."""

    object: str
    channel: str
    date: str
    kind: str
    bytes: int
    sha256: str
    lines: int
    kinds: dict[str, BillTotal]
    unreadable: int
    unreadable_lines: list[UnreadableLine]
    comparison: BillComparison | None
    file: str | None = None
