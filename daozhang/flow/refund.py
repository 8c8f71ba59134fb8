"""Giving money back: the flow around `core.refund`, with the same commits, leases and merges as a payment."""

import asyncio
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence, Finding, Op, answered, asked
from daozhang.core.faults import Conflict, Fault
from daozhang.core.ledger import fee_back, of_refund
from daozhang.core.manners import Manners
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Change, Event, Key
from daozhang.core.refund import (
    MOST_PARTS,
    UNDER_WAY,
    AskRefund,
    Refund,
    RefundKind,
    RefundState,
    learn,
    plan,
    refunding,
    surplus_again_ms,
)
from daozhang.flow.find_out import ask, hour_ms
from daozhang.flow.house import GRACE_MS, House
from daozhang.flow.pen import event

_DAY_MS = 86_400_000
_STAYS_MS = 4_000  # a pause so short is waited out; the janitor comes only when we have died meanwhile
_EVENT = {RefundState.SUCCEEDED: "refund.succeeded", RefundState.FAILED: "refund.failed",
          RefundState.WAITING_FUNDS: "refund.waiting_funds"}  # fmt: skip


class NotRefundable(Fault):
    """The payment cannot be given back: ``why`` is not_received, too_late or too_many_parts."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class OverRefund(Fault):
    """More than is left. ``left_fen`` counts refunds under way as given."""

    def __init__(self, left_fen: int) -> None:
        super().__init__(f"{left_fen} fen are left to give back")
        self.left_fen = left_fen


async def begin(
    house: House, payment: Payment, amount_fen: int | None, kind: RefundKind, reason: str, key: Key | None, wait_ms: int
) -> Refund:
    """Write a refund down and ask the channel; wait at most ``wait_ms`` for its end. None: all that is left.

    Raises NotRefundable, OverRefund, KeyUsed, Unavailable. The refund goes on whatever happens to the caller.
    """
    for _ in range(5):
        refund, change = await _written(house, payment, amount_fen, kind, reason, key)
        try:
            await house.store.apply(change)
            break
        except Conflict:
            fresh = await house.store.payment(payment.id)
            if fresh is None:
                raise
            payment = fresh
    else:
        raise Conflict("others keep moving the payment")
    work = asyncio.ensure_future(drive_refund(house, refund.id))
    house.proc.hold(work)  # what it meets is the timer's to repeat
    await asyncio.wait({work}, timeout=wait_ms / 1000)
    return await house.store.refund(refund.id) or refund


async def _written(
    house: House, payment: Payment, amount_fen: int | None, kind: RefundKind, reason: str, key: Key | None
) -> tuple[Refund, Change]:
    now = house.clock.now_ms()
    manners = house.channel(payment.channel).manners
    allowed = {State.SURPLUS} if kind is RefundKind.SURPLUS else {State.PAID, State.PARTLY_REFUNDED}
    if payment.state is State.REFUNDED:
        raise OverRefund(0)
    if payment.state not in allowed:
        raise NotRefundable("not_received")
    if now - payment.created_ms > manners.refund_days * _DAY_MS:
        raise NotRefundable("too_late")
    left = payment.refundable_fen
    amount = left if amount_fen is None else amount_fen
    if not 0 < amount <= left:
        raise OverRefund(left)
    earlier = await house.store.refunds_of(payment.id)
    if len(earlier) >= MOST_PARTS:
        raise NotRefundable("too_many_parts")
    free = max((other.last_ask_ms or other.created_ms for other in earlier), default=0) + manners.refund_gap_ms
    refund = Refund(
        house.new_id("rfd", payment.bucket), payment.bucket, payment.merchant, payment.id, amount, kind, reason,
        now, max(now, free if earlier else now),
    )  # fmt: skip
    after = changed(payment, refunding_fen=payment.refunding_fen + amount)
    if kind is not RefundKind.SURPLUS and payment.question:
        after = changed(after, question="", answer_by_ms=0)
    told = Event("refund.created", payment.merchant, payment.bucket, refund.id, now, _told(refund, after))
    postings = tuple(of_refund(None, refund, payment))
    return refund, Change(
        after, (), postings, (told,), after.recheck_ms, key, refund, refund.not_before_ms + GRACE_MS, wake=True
    )


async def drive_refund(house: House, refund_id: str) -> Refund | None:
    """Carry one refund on from its row until it rests or ends."""
    refund = await house.store.refund(refund_id)
    payment = await house.store.payment(refund.payment) if refund is not None else None
    if refund is None or payment is None or refund.state not in UNDER_WAY:
        return refund
    row = await house.account(payment.account)
    channel = house.channel(payment.channel)
    errand = _Errand(house, payment, refund, channel.manners, bool(channel.manifest["fee_returned_on_refund"]))
    account = house.shelf.account(row)
    talk = refunding(refund, channel.manners, house.clock.now_ms())
    try:
        wish = next(talk)
        while True:
            if isinstance(wish, AskRefund):
                errand.lines.append(asked(payment.id, 0, house.clock.now_ms(), house.who, wish.op, refund.id))
                await errand.commit(wish.refund, wish.deadline_ms + GRACE_MS)
                finding = await ask(house, account, wish.op, errand.payment, wish.deadline_ms, refund=errand.refund)
                errand.hear(wish.op, finding)
                wish = talk.send((finding, house.clock.now_ms()))
                continue
            stays = wish.until_ms - house.clock.now_ms() <= _STAYS_MS
            await errand.commit(wish.refund, wish.until_ms + (GRACE_MS if stays else 0))
            if not stays:
                return errand.refund
            await house.clock.sleep_until(wish.until_ms)  # the pause between two refunds of one order
            wish = talk.send((Finding(), house.clock.now_ms()))
    except StopIteration as end:
        try:
            return await errand.commit(end.value, 0)
        except Conflict:
            return await errand.merge()
    except Conflict:
        return await errand.merge()


class _Errand:
    """The refund and its payment as stored, and the lines that are not yet durable."""

    def __init__(self, house: House, payment: Payment, refund: Refund, manners: Manners, fee_returned: bool) -> None:
        self.house, self.payment, self.refund = house, payment, refund
        self.manners, self._fee_returned = manners, fee_returned
        self.lines: list[Evidence] = []
        self._heard: tuple[Op, Finding] | None = None

    def hear(self, op: Op, finding: Finding) -> None:
        self._heard = op, finding
        now = self.house.clock.now_ms()
        self.lines.append(answered(self.payment.id, 0, now, self.payment.channel, op, finding, self.refund.id))

    async def commit(self, after: Refund, timer_ms: int) -> Refund:
        """One phase of the refund; when only the payment moved meanwhile, the phase is written over its new version."""
        for _ in range(8):
            after = changed(after, version=self.refund.version)
            change = self._change(after, timer_ms)
            try:
                self.payment = await self.house.store.apply(change)
                break
            except Conflict:
                payment = await self.house.store.payment(self.payment.id)
                refund = await self.house.store.refund(self.refund.id)
                if payment is None or refund is None or refund.version != self.refund.version:
                    raise  # another worker carries this refund on
                self.payment = payment
        else:
            raise Conflict("others keep moving the payment")
        self.refund = changed(change.refund or after, version=self.refund.version + 1)
        self.lines.clear()
        self._heard = None
        self.house.waiters.wake(self.payment.id)
        return self.refund

    async def merge(self) -> Refund:
        """Another worker carries the refund on. What we heard and could not write down is learned over its newer version."""
        for _ in range(5):
            refund = await self.house.store.refund(self.refund.id)
            payment = await self.house.store.payment(self.payment.id)
            if refund is None or payment is None:
                raise Conflict("the refund was never stored")
            if self._heard is None or refund.state not in UNDER_WAY:
                return refund
            self.refund, self.payment = refund, payment
            now, (op, finding) = self.house.clock.now_ms(), self._heard
            after = learn(refund, op, finding, now)
            self.lines.clear()
            self.hear(op, finding)
            step = plan(after, self.manners, now)
            try:
                return await self.commit(after, step[1] if step else 0)
            except Conflict:
                continue
        raise Conflict("others keep moving the refund")

    def _change(self, after: Refund, timer_ms: int) -> Change:
        before, payment, now = self.refund, self.payment, self.house.clock.now_ms()
        first = payment.evidence_n + 1
        lines = tuple(changed(line, n=first + at) for at, line in enumerate(self.lines))
        told: list[Event] = []
        if after.state is RefundState.SUCCEEDED and before.state is not RefundState.SUCCEEDED:
            after = changed(after, fee_back_fen=fee_back(payment, after.amount_fen, self._fee_returned))
        postings = tuple(of_refund(before.state, after, payment))
        beside = changed(_settled(payment, before, after, now), evidence_n=payment.evidence_n + len(lines))
        if after.state is not before.state and after.state in _EVENT:
            kind, data = _EVENT[after.state], _told(after, beside)
            told.append(Event(kind, payment.merchant, payment.bucket, after.id, now, data))
        if beside.state is not payment.state:
            told.append(event("payment.refunded", beside, now))
        keep = min((at for at in (beside.recheck_ms, hour_ms(beside, now)) if at), default=0)
        return Change(beside, lines, postings, tuple(told), keep, None, after, timer_ms, wake=True)


def _settled(payment: Payment, before: Refund, after: Refund, now: int) -> Payment:
    """The payment beside a refund that has just ended. A surplus stays nobody's: it is given back again later."""
    if before.state not in UNDER_WAY or after.state in UNDER_WAY:
        return payment
    left = changed(payment, refunding_fen=payment.refunding_fen - after.amount_fen)
    if after.state is RefundState.FAILED:
        return changed(left, answer_by_ms=surplus_again_ms(payment.decided_ms, now)) if payment.state is State.SURPLUS else left
    left = changed(left, refunded_fen=payment.refunded_fen + after.amount_fen)
    if payment.state is State.SURPLUS:
        return changed(left, answer_by_ms=0)
    return left.to(State.REFUNDED if left.refunded_fen == left.captured_fen else State.PARTLY_REFUNDED)


def _told(refund: Refund, payment: Payment) -> dict[str, Any]:
    return {
        "refund": refund.id,
        "payment": payment.id,
        "merchant_order_no": payment.merchant_order_no,
        "amount": refund.amount_fen,
        "kind": refund.kind.value,
        "status": refund.state.value,
        "amount_refunded": payment.refunded_fen,
    }


async def look(house: House, payment_id: str) -> None:
    """Carry on every refund of a payment that is due (a notify spoke of one)."""
    payment = await house.store.payment(payment_id)
    if payment is None:
        return
    manners, now = house.channel(payment.channel).manners, house.clock.now_ms()
    for refund in await house.store.refunds_of(payment_id):
        due = plan(refund, manners, now)
        if due is not None and due[1] <= now:
            await drive_refund(house, refund.id)
