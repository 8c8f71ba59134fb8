"""Double entry as transfers: every row names one debited and one credited account, so debits equal credits by shape.

Accounts of a merchant (a balance is debits minus credits):
``in_doubt:CHANNEL`` and ``suspense``  money that may have moved, visible from the moment a request may have left us;
``clearing:CHANNEL``  what the channel owes; ``payable`` what is the merchant's; ``fee_income`` what is kept;
``refund_suspense``  what is on its way back to payers.
"""

from dataclasses import dataclass

from daozhang.core.changed import changed
from daozhang.core.fees import fee_fen
from daozhang.core.money import share
from daozhang.core.must import must
from daozhang.core.payment import NOTHING_TAKEN, OPEN, RECEIVED, Payment, State
from daozhang.core.refund import UNDER_WAY, Refund, RefundKind, RefundState


@dataclass(frozen=True, slots=True)
class Transfer:
    """``amount_fen`` > 0 moves from the credited to the debited account, for one stated reason."""

    kind: str
    debit: str
    credit: str
    amount_fen: int


def _transfer(kind: str, debit: str, credit: str, amount_fen: int) -> list[Transfer]:
    must(amount_fen >= 0, "a transfer never runs backwards")
    return [Transfer(kind, debit, credit, amount_fen)] if amount_fen else []


def of_payment(before: State, after: Payment) -> list[Transfer]:
    """The postings of one step of a payment. Steps inside the open states move nothing."""
    amount = after.amount_fen
    in_doubt, clearing = f"in_doubt:{after.channel}", f"clearing:{after.channel}"
    if before is State.CREATED and after.state is State.SENT:
        return _transfer("doubt", in_doubt, "suspense", amount)
    if before in OPEN and after.state is State.PAID:
        discount = amount - after.received_fen
        return [
            *_transfer("capture", clearing, in_doubt, after.received_fen),
            *_transfer("discount", "payable", in_doubt, discount),
            *_transfer("earned", "suspense", "payable", amount),
            *_transfer("fee", "payable", "fee_income", after.fee_fen),
        ]
    if before in OPEN and after.state in NOTHING_TAKEN:
        return _transfer("released", "suspense", in_doubt, amount)
    if before in NOTHING_TAKEN and after.state is State.PAID:
        return [
            *_transfer("late_capture", clearing, "payable", after.received_fen),
            *_transfer("fee", "payable", "fee_income", after.fee_fen),
        ]
    if before in NOTHING_TAKEN and after.state is State.SURPLUS:
        return _transfer("surplus", clearing, "suspense", after.received_fen)
    return []


def with_fee(before: State, after: Payment, rate: int) -> Payment:
    """Snapshot the fee when a capture is proven; ``rate`` in parts of 100,000."""
    if after.state is State.PAID and before not in RECEIVED:
        return changed(after, fee_fen=fee_fen(after.received_fen, rate))
    return after


def of_refund(before: RefundState | None, after: Refund, payment: Payment) -> list[Transfer]:
    """The postings of one step of a refund; ``before`` is None when it is written down."""
    surplus = after.kind is RefundKind.SURPLUS
    clearing = f"clearing:{payment.channel}"
    if before is None:
        return [] if surplus else _transfer("refund", "payable", "refund_suspense", after.amount_fen)
    if before not in UNDER_WAY or after.state in UNDER_WAY:
        return []
    if after.state is RefundState.FAILED:
        return [] if surplus else _transfer("refund_failed", "refund_suspense", "payable", after.amount_fen)
    if surplus:
        return _transfer("surplus_returned", "suspense", clearing, after.amount_fen)
    return [
        *_transfer("refund_done", "refund_suspense", clearing, after.amount_fen),
        *_transfer("fee_back", "fee_income", "payable", after.fee_back_fen),
    ]


def fee_back(payment: Payment, refund_fen: int, returned: bool) -> int:
    """The part of the fee that comes back with a refund; the parts of a full refund add up to the fee exactly."""
    if not returned:
        return 0
    before, after = payment.refunded_fen, payment.refunded_fen + refund_fen
    return share(payment.fee_fen, after, payment.captured_fen) - share(payment.fee_fen, before, payment.captured_fen)
