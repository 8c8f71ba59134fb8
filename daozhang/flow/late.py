"""A success that comes after another end was told: never dropped; the shop is asked, and then its policy answers (P4)."""


from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict, Fault
from daozhang.core.payment import Payment
from daozhang.core.refund import RefundKind
from daozhang.flow import refund as refunds
from daozhang.flow.find_out import Gone, hour_ms
from daozhang.flow.house import House
from daozhang.flow.pen import Pen


class NoQuestion(Fault):
    """The payment has no open question to the shop."""


async def answer(house: House, payment_id: str, goods_handed_over: bool, who: str) -> Payment:
    """The shop says whether the goods went out: then the money is kept, otherwise given back.

    Raises Gone, NoQuestion.
    """
    for _ in range(5):
        payment = await house.store.payment(payment_id)
        if payment is None:
            raise Gone(payment_id)
        if not payment.question:
            raise NoQuestion(payment_id)
        act = "keep" if goods_handed_over else "give_back"
        try:
            stored = await _close_question(house, payment, who, act)
            break
        except Conflict:
            continue
    else:
        raise Conflict("others keep moving the payment")
    if goods_handed_over:
        return stored
    await refunds.begin(house, stored, None, RefundKind.LATE_SUCCESS, payment.question, None, 3_000)
    return await house.store.payment(payment_id) or stored


async def answer_by_policy(house: House, payment: Payment) -> None:
    """Nobody answered in time: the merchant's policy does, and everyone is told."""
    merchant = await house.directory.merchant(payment.merchant)
    keep = merchant is not None and merchant.late_policy == "keep"
    await answer(house, payment.id, keep, "policy")


async def _close_question(house: House, payment: Payment, who: str, act: str) -> Payment:
    return await _note(house, payment, who, act, payment.question, changed(payment, question="", answer_by_ms=0))


async def _note(house: House, payment: Payment, who: str, act: str, text: str, after: Payment) -> Payment:
    row = await house.account(payment.account)
    pen = Pen(house, payment, row.fee_rate)
    pen.note(Evidence(payment.id, 0, house.clock.now_ms(), "act", who, act, text=text))
    return await pen.commit(after, payment.recheck_ms)


async def return_surplus(house: House, payment: Payment) -> Payment | None:
    """A second capture of a sale goes back to the payer by itself (promise P3). None: nothing is left to do for it.

    Where the channel refuses, it is tried again (`core.refund.surplus_again_ms`); when no refund can be made any more, that is
    written down, told as an alarm, and left to people.
    """
    if not 0 < hour_ms(payment, now := house.clock.now_ms()) <= now:
        return payment if hour_ms(payment, now) else None
    if payment.answer_by_ms:
        await house.store.alarm("payment.surplus_refused", payment.id, now, {"amount_fen": payment.refundable_fen})
    try:
        await refunds.begin(house, payment, None, RefundKind.SURPLUS, "surplus capture", None, 0)
        return payment
    except refunds.NotRefundable as why:
        await house.store.alarm("payment.surplus_stays", payment.id, now, {"why": why.why, "amount_fen": payment.refundable_fen})
        await _note(house, payment, "us", "surplus_stays", why.why, changed(payment, answer_by_ms=-1))
        return None
