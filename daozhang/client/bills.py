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
    """One order that the bill and our payments do not tell alike. ``near_midnight``: it may stand in the neighbouring day's bill."""

    order_no: str
    amount: int
    payment: str | None = None
    merchant_order_no: str | None = None
    status: str | None = None
    paid_at: say.Time | None = None
    amount_in_bill: int | None = None
    near_midnight: bool | None = None


class BillDifferences(Struct):
    """``count`` is whole; ``data`` may hold the first of them only."""

    count: int
    data: list[BillDifference]


class BillComparison(Struct):
    """By order number and amount. ``missing``: charged here, not in the bill; ``extra``: in the bill, not charged here."""

    same: int
    missing: BillDifferences
    extra: BillDifferences
    amount: BillDifferences


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
