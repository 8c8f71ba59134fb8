"""The states of a payment attempt, who may follow whom, and the record of one attempt.

This file owns the table. Diagrams and the database's check are made from it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.must import must


class State(StrEnum):
    CREATED = "created"
    SENT = "sent"
    WAITING_PAYER = "waiting_payer"
    UNKNOWN = "unknown"
    REVERSING = "reversing"
    DEFERRED = "deferred"
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    NOT_PAID = "not_paid"
    CLOSED = "closed"
    REVERSED = "reversed"
    SURPLUS = "surplus"


_S = State
_PROVEN_NEXT = {_S.PAID, _S.NOT_PAID, _S.CLOSED, _S.REVERSED, _S.SURPLUS}

# Capture evidence outranks every refusal: not_paid, closed and reversed can still turn into paid (a late
# success) or surplus (a late success while another attempt of the sale is open or paid).
FOLLOWS: dict[State, frozenset[State]] = {
    _S.CREATED: frozenset({_S.SENT}),
    _S.SENT: frozenset({_S.WAITING_PAYER, _S.UNKNOWN, _S.REVERSING, *_PROVEN_NEXT}),
    _S.WAITING_PAYER: frozenset({_S.UNKNOWN, _S.REVERSING, *_PROVEN_NEXT}),
    _S.UNKNOWN: frozenset({_S.WAITING_PAYER, _S.REVERSING, *_PROVEN_NEXT}),
    _S.REVERSING: frozenset({_S.DEFERRED, *_PROVEN_NEXT}),
    _S.DEFERRED: frozenset({_S.REVERSING, *_PROVEN_NEXT}),
    _S.PAID: frozenset({_S.PARTLY_REFUNDED, _S.REFUNDED}),
    _S.PARTLY_REFUNDED: frozenset({_S.REFUNDED}),
    _S.REFUNDED: frozenset(),
    _S.NOT_PAID: frozenset({_S.PAID, _S.SURPLUS}),
    _S.CLOSED: frozenset({_S.PAID, _S.SURPLUS}),
    _S.REVERSED: frozenset({_S.PAID, _S.SURPLUS}),
    _S.SURPLUS: frozenset(),
}

OPEN = frozenset({_S.CREATED, _S.SENT, _S.WAITING_PAYER, _S.UNKNOWN, _S.REVERSING, _S.DEFERRED})
RECEIVED = frozenset({_S.PAID, _S.PARTLY_REFUNDED, _S.REFUNDED})
NOTHING_TAKEN = frozenset({_S.NOT_PAID, _S.CLOSED, _S.REVERSED})
# States that do not hold the sale: a new attempt is possible (promise P3).
SALE_IS_FREE = frozenset({_S.NOT_PAID, _S.CLOSED, _S.REVERSED, _S.REFUNDED, _S.SURPLUS})


class Method(StrEnum):
    PAY_BY_CODE = "pay_by_code"
    PAY_BY_QR = "pay_by_qr"
    PLATE = "plate"  # a static code, no till order: the payer's own phone asks, and the payer confirms there

    @property
    def shown(self) -> bool:
        """The payer is shown something and acts (a QR, a plate's page), and nothing is taken before; else we charge a code."""
        return self is not Method.PAY_BY_CODE


class Undone(StrEnum):
    """What the channel said when it accepted an undo; only a query afterwards decides."""

    NO = ""
    UNPAID = "unpaid"
    PAID = "paid"
    ABSENT = "absent"
    REFUSED = "refused"


@dataclass(frozen=True)
class Payment:
    """One attempt to take one sale's money. Amounts in fen, times in milliseconds of UTC (0: not yet).

    The fields from ``state`` on change, one version at a time; a writer names the version that it read.
    """

    id: str
    bucket: int
    merchant: str
    store: str
    till: str
    merchant_order_no: str
    amount_fen: int
    currency: str
    method: Method
    channel: str
    account: str
    livemode: bool
    subject: str
    code_mask: str
    metadata: dict[str, str]
    created_ms: int

    state: State = State.CREATED
    version: int = 0
    evidence_n: int = 0
    # asking
    sends: int = 0
    send_out: bool = False  # a pay request has left, or may have, and has not been answered
    asked_ms: int = 0
    window_end_ms: int = 0
    queries: int = 0
    last_query_ms: int = 0
    last_answer_ms: int = 0
    absent: int = 0
    blanks: int = 0  # queries in a row that brought nothing
    seen: bool = False  # the channel has shown that it knows the order
    capture_seen: bool = False  # a query or a signed notify has shown a charge that an undo of ours, or an end, speaks against
    # undoing
    give_up: bool = False  # a person asked to undo before the window's end
    undo_tries: int = 0
    undo_out: bool = False  # an undo may be under way without an answer
    undone: Undone = Undone.NO
    last_undo_ms: int = 0
    first_undo_ms: int = 0
    recheck_ms: int = 0  # a proven end is looked at once more at this time
    rechecks: int = 0
    # outcome
    late: bool = False  # captured after we had told a different end, or after an accepted undo
    question: str = ""  # what the shop is asked: late_success, look_alike
    answer_by_ms: int = 0  # of a surplus whose refund was refused: when it is given back once more; -1: nobody can
    captured_fen: int = 0
    payer_paid_fen: int = 0
    received_fen: int = 0
    fee_fen: int = 0
    refunding_fen: int = 0
    refunded_fen: int = 0
    trade_no: str = ""
    paid_ms: int = 0  # of the charge that was last shown; whether it counts, the state says: tell `received_ms`
    decided_ms: int = 0
    decided_by: int = 0  # number of the evidence line that decides
    told_ms: int = 0
    qr: str = ""
    doubt: dict[str, Any] | None = None  # the first answer that proved nothing: {code, hint, op, at_ms}
    refusal: dict[str, Any] | None = None  # the answer that refused: {code, hint, text}

    def to(self, state: State, **changes: Any) -> "Payment":
        """The same attempt in another state; Broken when the table does not allow the step."""
        must(state is self.state or state in FOLLOWS[self.state], f"{self.state} is never followed by {state}")
        return changed(self, state=state, **changes)

    @property
    def proven(self) -> bool:
        """True when evidence has decided: money received, nothing taken, or a surplus found."""
        return self.state not in OPEN

    @property
    def received_ms(self) -> int:
        """When the payer paid; 0 while no capture counts, although a charge may have been shown that an undo speaks against."""
        return self.paid_ms if self.captured_fen else 0

    @property
    def refundable_fen(self) -> int:
        """What is left to give back, counting refunds still under way as given."""
        return self.captured_fen - self.refunded_fen - self.refunding_fen
