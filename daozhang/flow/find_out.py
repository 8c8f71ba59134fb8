"""Carrying out what `core.resolve` asks for: commit, ask the channel, learn, commit; a rest is a timer in the store."""

import asyncio
import logging
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence, Finding, Op, Proves
from daozhang.core.faults import Conflict, Fault
from daozhang.core.manners import Manners
from daozhang.core.payment import OPEN, Method, Payment, State
from daozhang.core.ports import Key
from daozhang.core.refund import Refund
from daozhang.core.resolve import Answer, Ask, asking, counted_out, learn, plan, polite_ms, resolve
from daozhang.flow.house import GRACE_MS, House
from daozhang.flow.pen import Pen
from daozhang.flow.renew import known_keys

log = logging.getLogger("daozhang.flow")
_TRIES = 5


class Gone(Fault):
    """No such payment."""


async def drive(
    house: House,
    payment: Payment,
    *,
    code: str = "",
    key: Key | None = None,
    wake: bool = True,
    begun: "asyncio.Future[None] | None" = None,
) -> Payment:
    """Run the procedure from the row until it rests or ends; the payment as stored then.

    ``code`` is the payer's (of a plate: who pays), in memory only. ``begun`` is set once the first phase is durable. Raises SaleTaken and KeyUsed for a new attempt. When another writer
    moved the row meanwhile, what we learned is added to its newer version, and that writer carries on.
    """
    row = await house.account(payment.account)
    manners, account = house.manners(payment.channel), house.shelf.account(row)
    pen = Pen(house, payment, row.fee_rate)
    in_hand = bool(code) or payment.method is Method.PAY_BY_QR
    talk = resolve(payment, manners, house.clock.now_ms(), code_in_hand=in_hand)
    answer: Answer | int | None = None
    heard: tuple[Op, Finding] | None = None  # learned, and not yet durable
    try:
        while True:
            try:
                wish = next(talk) if answer is None else talk.send(answer)
            except StopIteration as end:
                return await pen.commit(end.value, due_ms(end.value, manners, house.clock.now_ms()), wake=wake)
            if isinstance(wish, Ask):
                pen.note_asked(wish.op)
                await pen.commit(wish.payment, wish.deadline_ms + GRACE_MS, key=key, wake=wake)
                key = None
                if begun is not None and not begun.done():
                    begun.set_result(None)
                finding = await ask(house, account, wish.op, pen.stored, wish.deadline_ms, code)
                pen.note_answer(wish.op, finding)
                heard, answer = (wish.op, finding), Answer(finding, house.clock.now_ms())
                continue
            # Only the holder of the payer's code can send again what provably never left: it waits here.
            stays = bool(code) and wish.payment.state is State.SENT
            await pen.commit(wish.payment, wish.until_ms + (GRACE_MS if stays else 0), wake=wake or not stays)
            heard = None
            if not stays:
                return pen.stored
            await house.clock.sleep_until(wish.until_ms)
            answer = house.clock.now_ms()
    except Conflict:
        return await _merge(house, pen, heard, manners)


async def _merge(house: House, pen: Pen, heard: tuple[Op, Finding] | None, manners: Manners) -> Payment:
    """Another writer was faster. Nothing that we heard is lost: it is learned again over the newer version."""
    pen.drop_lines()
    for _ in range(_TRIES):
        fresh = await house.store.payment(pen.stored.id)
        if fresh is None:
            raise Conflict("the payment was never stored")
        pen.stored = fresh
        if heard is None:
            return fresh
        pen.drop_lines()
        pen.note_answer(*heard)
        now = house.clock.now_ms()
        after = learn(fresh, heard[0], heard[1], manners, now)
        try:
            return await pen.commit(after, due_ms(after, manners, now))
        except Conflict:
            continue
    raise Conflict("others keep moving the payment")


def due_ms(p: Payment, m: Manners, now: int) -> int:
    """When the payment next needs somebody: its next question, or the hour its open question to the shop is decided."""
    step = plan(p, m, now, p.method is Method.PAY_BY_QR)
    times = [at for at in ((step[1] or now) if step else 0, hour_ms(p, now)) if at]  # a step without a time is due now (P6)
    return min(times, default=0)


def hour_ms(p: Payment, now: int) -> int:
    """When an open question to the shop is decided without it, or a surplus is to be given back; 0: neither."""
    if p.state is State.SURPLUS and p.refundable_fen > 0:
        return max(p.answer_by_ms or now, 0)
    return p.answer_by_ms if p.question and p.answer_by_ms > 0 else 0


async def ask(
    house: House, account: Any, op: Op, payment: Payment, deadline_ms: int, code: str = "", refund: Refund | None = None
) -> Finding:
    """One question over the wire. What goes wrong on our side is never taken for an answer."""
    wire = house.channel(payment.channel).wire
    question = house.question(op, payment, deadline_ms, code, refund)
    try:
        request = wire.write(account, question)
    except Exception as bug:
        log.exception("a request could not be written", extra={"payment": payment.id, "op": op.value})
        return Finding(Proves.NOT_SENT, "REQUEST_NOT_WRITTEN", type(bug).__name__, "us.internal")
    began = house.clock.monotonic_ms()
    exchange = await house.net.call(request)
    await known_keys(house, payment.channel, payment.account, account, exchange.headers)
    try:
        finding = wire.read(account, question, exchange)
    except Exception as bug:
        log.exception("a reply could not be read", extra={"payment": payment.id, "op": op.value})
        finding = Finding(Proves.NOTHING, "REPLY_NOT_READ", type(bug).__name__, "us.internal", trail=exchange.trail)
    house.witness.asked(payment, op, finding, house.clock.monotonic_ms() - began)
    return finding


async def look_now(house: House, payment_id: str, who: str = "") -> Payment:
    """Ask the channel at once if its manners allow it; otherwise the payment as it is known."""
    payment = await house.store.payment(payment_id)
    if payment is None:
        raise Gone(payment_id)
    row = await house.account(payment.account)
    manners = house.channel(payment.channel).manners
    now = house.clock.now_ms()
    if not _may_look(payment, manners, now):
        return payment
    pen = Pen(house, payment, row.fee_rate)
    if who:
        pen.note(Evidence(payment.id, 0, now, "act", who, "resolve"))
    heard: tuple[Op, Finding] | None = None
    try:
        pen.note_asked(Op.QUERY)
        deadline = now + manners.ask_deadline_ms
        await pen.commit(asking(payment, Op.QUERY, manners, now), deadline + GRACE_MS)
        finding = await ask(house, house.shelf.account(row), Op.QUERY, pen.stored, deadline)
        heard = Op.QUERY, finding
        pen.note_answer(*heard)
        now = house.clock.now_ms()
        after = learn(pen.stored, Op.QUERY, finding, manners, now)
        done = await pen.commit(after, due_ms(after, manners, now))
    except Conflict:
        return await _merge(house, pen, heard, manners)
    if done.state is State.REVERSING:
        return await drive(house, done)  # the undo follows the last query at once
    return done


def _may_look(p: Payment, m: Manners, now: int) -> bool:
    """Polite (least gap, threefold budget for questions of people), and nobody is in the middle of asking."""
    polite = now >= polite_ms(p, m) and p.queries < 3 * m.queries_most and not counted_out(p, m)
    in_flight = p.state is State.SENT and p.send_out and now < p.asked_ms + m.pay_deadline_ms
    settled = p.proven and not p.recheck_ms
    return polite and not in_flight and not settled and p.state not in (State.CREATED, State.REVERSING)


async def give_up(house: House, payment_id: str, who: str, wait_ms: int = 5_000) -> Payment:
    """The shop does not want to wait: ask once more, undo at once, and let a query decide (reverse, close)."""
    for _ in range(_TRIES):
        payment = await house.store.payment(payment_id)
        if payment is None:
            raise Gone(payment_id)
        if payment.state not in OPEN or payment.give_up:
            return payment
        row = await house.account(payment.account)
        manners = house.channel(payment.channel).manners
        now = house.clock.now_ms()
        pen = Pen(house, payment, row.fee_rate)
        pen.note(Evidence(payment.id, 0, now, "act", who, "reverse"))
        after = changed(payment, give_up=True)
        in_flight = payment.state is State.SENT and payment.send_out
        try:
            timer = max(now, due_ms(after, manners, now)) if not in_flight else now + manners.pay_deadline_ms + GRACE_MS
            await pen.commit(after, timer)
            break
        except Conflict:
            continue
    house.proc.spawn(_drive_quietly(house, payment_id), f"give up {payment_id}")
    return await wait_for_proof(house, payment_id, wait_ms)


async def _drive_quietly(house: House, payment_id: str) -> None:
    payment = await house.store.payment(payment_id)
    if payment is not None and not (payment.state is State.SENT and payment.send_out):
        await drive(house, payment)


async def wait_for_proof(house: House, payment_id: str, wait_ms: int) -> Payment:
    """The payment once it is proven, or as it is when the time has come."""
    until = house.clock.now_ms() + wait_ms
    while True:
        moved = asyncio.ensure_future(house.waiters.wait(payment_id, until))  # before the look: what changes meanwhile is heard
        try:
            payment = await house.store.payment(payment_id)
            if payment is None:
                raise Gone(payment_id)
            if payment.proven or not await moved:
                return payment if payment.proven else (await house.store.payment(payment_id) or payment)
        finally:
            moved.cancel()
