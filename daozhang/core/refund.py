"""Giving money back: the states of one refund, and the procedure that carries it to a proven end.

Same shape as a payment's resolve: `refunding` asks and never does; the same refund number at every try, so that the
channel can tell a repeat from a second refund. An unknown refund is never called failed.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.must import must


class RefundState(StrEnum):
    CREATED = "created"
    SENT = "sent"
    UNKNOWN = "unknown"
    WAITING_FUNDS = "waiting_funds"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_S = RefundState
FOLLOWS: dict[RefundState, frozenset[RefundState]] = {
    _S.CREATED: frozenset({_S.SENT}),
    _S.SENT: frozenset({_S.UNKNOWN, _S.WAITING_FUNDS, _S.SUCCEEDED, _S.FAILED}),
    _S.UNKNOWN: frozenset({_S.WAITING_FUNDS, _S.SUCCEEDED, _S.FAILED}),
    _S.WAITING_FUNDS: frozenset({_S.UNKNOWN, _S.SUCCEEDED, _S.FAILED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
}
UNDER_WAY = frozenset({_S.CREATED, _S.SENT, _S.UNKNOWN, _S.WAITING_FUNDS})
_SURPLUS_AGAIN_MS = 60_000
MOST_PARTS = 50  # dossier 1-product 6b: at most 50 partial refunds of one payment


class RefundKind(StrEnum):
    """Why money goes back: asked by a person, undone by the cashier, a surplus capture, a late success given back."""

    REFUND = "refund"
    UNDO = "undo"
    SURPLUS = "surplus"
    LATE_SUCCESS = "late_success"


@dataclass(frozen=True)
class Refund:
    """One refund of one payment. Amounts in fen, times in milliseconds of UTC."""

    id: str
    bucket: int
    merchant: str
    payment: str
    amount_fen: int
    kind: RefundKind
    reason: str
    created_ms: int
    not_before_ms: int  # the channel wants a pause between two refunds of one order
    state: RefundState = RefundState.CREATED
    version: int = 0
    tries: int = 0
    out: bool = False  # some try may have arrived without an answer
    last_ask_ms: int = 0
    queried: bool = False  # the last question was a refund query
    refused_then: int = 0  # queries after a refusal that still show no refund
    fee_back_fen: int = 0
    decided_ms: int = 0
    failure: dict[str, Any] | None = None

    def to(self, state: RefundState, **changes: Any) -> "Refund":
        """The same refund in another state; Broken when the table does not allow the step."""
        must(
            state is self.state or state in FOLLOWS[self.state], f"a refund's {self.state} is never followed by {state}"
        )
        return changed(self, state=state, **changes)


def surplus_again_ms(found_ms: int, now: int) -> int:
    """When a surplus whose refund was refused is given back once more (promise P3): after as long again as it has been known,
    at least a minute. That is eighteen tries in ninety days."""
    return now + max(now - found_ms, _SURPLUS_AGAIN_MS)


@dataclass(frozen=True, slots=True)
class AskRefund:
    refund: Refund
    op: Op
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class RestRefund:
    refund: Refund
    until_ms: int


RefundTalk = Generator[AskRefund | RestRefund, tuple[Finding, int], Refund]


def refunding(refund: Refund, m: Manners, now_ms: int) -> RefundTalk:
    """Ask until the refund is proven done or proven refused. A rest is answered with ``(Finding(), time of waking)``."""
    now = now_ms
    while (step := plan(refund, m, now)) is not None:
        op, at_ms = step
        if at_ms > now:
            _, now = yield RestRefund(refund, at_ms)
            continue
        refund = asking(refund, op, now)
        finding, now = yield AskRefund(refund, op, now + m.ask_deadline_ms)
        refund = learn(refund, op, finding, now)
    return refund


def plan(r: Refund, m: Manners, now: int) -> tuple[Op, int] | None:
    """The next question of a refund and its time; None when it is proven."""
    match r.state:
        case RefundState.CREATED:
            return Op.REFUND, max(now, r.not_before_ms)
        case RefundState.SENT if r.out:
            return Op.REFUND_QUERY, max(now, r.last_ask_ms + m.refund_query_ms)
        case RefundState.SENT:
            return Op.REFUND, r.last_ask_ms + m.refund_gap_ms  # provably never left
        case RefundState.WAITING_FUNDS:
            return Op.REFUND, r.last_ask_ms + m.funds_again_ms[min(r.tries, len(m.funds_again_ms)) - 1]
        case RefundState.UNKNOWN:
            again = m.refund_again_ms[min(r.tries, len(m.refund_again_ms)) - 1]
            if not r.queried or r.refused_then:
                return Op.REFUND_QUERY, r.last_ask_ms + max(m.refund_query_ms, again if r.queried else 0)
            return Op.REFUND, r.last_ask_ms + max(m.refund_gap_ms, again)
        case _:
            return None


def asking(r: Refund, op: Op, now: int) -> Refund:
    """The refund as it must be durable before the question leaves."""
    if op is Op.REFUND_QUERY:
        return changed(r, last_ask_ms=now, queried=True)
    state = RefundState.SENT if r.state is RefundState.CREATED else r.state
    return r.to(state, tries=r.tries + 1, out=True, last_ask_ms=now, queried=False)


def learn(r: Refund, op: Op, f: Finding, now: int) -> Refund:
    """The refund after one answer. Only a readable, verified answer ends it."""
    if r.state not in UNDER_WAY:
        return r
    first = r.tries == 1 and r.state is RefundState.SENT
    failure = {"code": f.code, "hint": f.hint, "text": f.text}
    match f.proves:
        case Proves.REFUND_DONE:
            return r.to(RefundState.SUCCEEDED, decided_ms=now, out=False, failure=None)
        case Proves.NOT_SENT if op is Op.REFUND and first:
            return changed(r, out=False, tries=0)
        case Proves.REFUND_NO_FUNDS if op is Op.REFUND:
            return r.to(RefundState.WAITING_FUNDS, failure=failure)
        case Proves.REFUND_REFUSED if op is Op.REFUND and first:
            return r.to(RefundState.FAILED, decided_ms=now, out=False, failure=failure)
        case Proves.REFUND_REFUSED if op is Op.REFUND:
            # An earlier try may have had no answer: the refusal may only mean "already done". The query decides.
            return r.to(RefundState.UNKNOWN, refused_then=max(r.refused_then, 1), failure=failure)
        case Proves.REFUND_REFUSED if op is Op.REFUND_QUERY:
            # The body of a query says that this very refund has ended without money for the payer.
            return r.to(RefundState.FAILED, decided_ms=now, out=False, failure=failure)
        case Proves.REFUND_PENDING if op is Op.REFUND_QUERY and r.refused_then:
            if r.refused_then >= 2:
                return r.to(RefundState.FAILED, decided_ms=now, out=False)
            return changed(r, refused_then=r.refused_then + 1)
        case _ if r.state is RefundState.WAITING_FUNDS and op is Op.REFUND:
            return r.to(RefundState.UNKNOWN)
        case _ if r.state is RefundState.SENT:
            return r.to(RefundState.UNKNOWN)
        case _:
            return r
