"""The five things that every surface shows about a payment, computed by one function (1-product section 4).

Verdict and money follow from evidence only. Causes and the words for people are found a floor higher
(`daozhang.diagnosis`); `judge` says what may be claimed at all, and until when.
"""

from dataclasses import dataclass
from enum import StrEnum

from daozhang.core.payment import OPEN, Payment, State


class Verdict(StrEnum):
    PAID = "paid"
    WAITING_CUSTOMER = "waiting_customer"
    CHECKING = "checking"
    LATER = "later"
    NOT_PAID = "not_paid"
    RETURNED = "returned"


class Money(StrEnum):
    RECEIVED = "received"
    NOT_RECEIVED = "not_received"
    RETURNED = "returned"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``resolve_by_ms`` is when the next thing happens at the latest (0: nothing more is to happen)."""

    verdict: Verdict
    money: Money
    safe_to_retry: bool
    resolve_by_ms: int


_OF_STATE: dict[State, tuple[Verdict, Money]] = {
    State.CREATED: (Verdict.CHECKING, Money.UNRESOLVED),
    State.SENT: (Verdict.CHECKING, Money.UNRESOLVED),
    State.WAITING_PAYER: (Verdict.WAITING_CUSTOMER, Money.UNRESOLVED),
    State.UNKNOWN: (Verdict.CHECKING, Money.UNRESOLVED),
    State.REVERSING: (Verdict.CHECKING, Money.UNRESOLVED),
    State.DEFERRED: (Verdict.LATER, Money.UNRESOLVED),
    State.PAID: (Verdict.PAID, Money.RECEIVED),
    State.PARTLY_REFUNDED: (Verdict.PAID, Money.RECEIVED),
    State.REFUNDED: (Verdict.PAID, Money.RECEIVED),
    State.NOT_PAID: (Verdict.NOT_PAID, Money.NOT_RECEIVED),
    State.CLOSED: (Verdict.NOT_PAID, Money.NOT_RECEIVED),
    State.REVERSED: (Verdict.RETURNED, Money.RETURNED),
    State.SURPLUS: (Verdict.CHECKING, Money.UNRESOLVED),
}

UNDO_TAKES_MS = 20_000  # from the window's end: an undo, a query after it, and once more of each


def judge(p: Payment) -> Judgement:
    """Verdict, money and whether a new charge is safe, from the proven state alone; while a signed notify speaks against "nothing
    was taken" and no query has decided between them, neither is claimed."""
    verdict, money = _OF_STATE[p.state]
    if contradicted(p):
        return Judgement(Verdict.CHECKING, Money.UNRESOLVED, False, p.recheck_ms + UNDO_TAKES_MS)
    if p.state is State.SURPLUS and p.refunded_fen >= p.captured_fen > 0:
        verdict, money = Verdict.RETURNED, Money.RETURNED
    safe = verdict in (Verdict.NOT_PAID, Verdict.RETURNED) and p.state is not State.SURPLUS
    return Judgement(verdict, money, safe, _resolve_by(p))


def contradicted(p: Payment) -> bool:
    """Told as not taken, and a signed notify says otherwise. Not of a reversed payment: its charge is known and went back, and its notify may come at any time."""
    return p.state in (State.NOT_PAID, State.CLOSED) and p.capture_seen and p.recheck_ms > 0


def refused_back(p: Payment) -> bool:
    """A surplus that the channel has refused to give back, and that is not being given back at this moment."""
    return p.state is State.SURPLUS and p.answer_by_ms != 0 and p.refundable_fen > 0


def _resolve_by(p: Payment) -> int:
    if refused_back(p):
        return p.answer_by_ms + UNDO_TAKES_MS if p.answer_by_ms > 0 else 0
    if p.state not in OPEN:
        return max(p.answer_by_ms, 0)
    if p.state is State.DEFERRED:
        return 0
    start = p.first_undo_ms or p.window_end_ms or p.created_ms
    return start + UNDO_TAKES_MS


def time_to_information_ms(p: Payment) -> int:
    """From the request to the proof; 0 while there is none."""
    return p.decided_ms - p.created_ms if p.decided_ms else 0
