"""One line of a channel's bill, in our words; each channel's reader makes them, reconciliation compares them."""

from dataclasses import dataclass
from enum import StrEnum

from daozhang.core.faults import Fault


class BillKind(StrEnum):
    """What a line moved."""

    PAY = "pay"
    REFUND = "refund"
    UNDO = "undo"  # a reversal or an undo that the channel lists as a line of its own
    OTHER = "other"  # fees, transfers, withdrawals of a fund-flow bill


@dataclass(frozen=True, slots=True)
class BillLine:
    """Amounts in fen, always positive; ``fee_fen`` is negative when the channel gives a fee back.

    ``at_ms`` is in UTC. ``line`` is the line's number in the file, from 1. ``order_no`` is our number at the channel,
    ``refund_no`` our refund's number (empty for a payment).
    """

    line: int
    kind: BillKind
    order_no: str
    trade_no: str
    refund_no: str
    amount_fen: int
    fee_fen: int
    at_ms: int
    bank: str = ""
    state: str = ""  # the channel's own word


@dataclass(frozen=True, slots=True)
class Poison:
    """A line that cannot be read: kept beside the others with its number and why, never guessed at."""

    line: int
    why: str


class BadBill(Fault):
    """The file as a whole cannot be believed (hash, size, encoding, header, totals); ``line`` 0 means the file."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.why, self.line = why, line
