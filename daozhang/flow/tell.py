"""Telling: the same five things on every surface, and the shop's acknowledgement that it has heard (promises P5, P7, P8)."""

import json
from collections.abc import Sequence
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.directory import Merchant
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict
from daozhang.core.ids import out_trade_no
from daozhang.core.payment import OPEN, Method, Payment
from daozhang.core.refund import Refund, RefundState
from daozhang.core.texts import rfc3339
from daozhang.core.verdict import judge, time_to_information_ms
from daozhang.diagnosis.facts import NOBODY_LOOKED, Around
from daozhang.diagnosis.history import remembered
from daozhang.diagnosis.name import CauseNamed, name_causes
from daozhang.diagnosis.words import by_when, next_steps, verdict_words
from daozhang.flow import late
from daozhang.flow.doorkeeper import MAINTENANCE, OPERATIONAL, state_of
from daozhang.flow.find_out import Gone, due_ms
from daozhang.flow.house import House
from daozhang.flow.lookout import look_around
from daozhang.flow.pen import Pen
from daozhang.watch.texts import clock

answer = late.answer
NoQuestion = late.NoQuestion
_DARK_MS = 5_000  # unproven for longer than this is dark


def picture(
    payment: Payment,
    evidence: Sequence[Evidence] | None,
    refunds: Sequence[Refund],
    now_ms: int,
    merchant: Merchant | None,
    around: Around | None = None,
    incident: str = "",
    warning: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The payment as every surface shows it (4-surfaces 9.2). ``evidence`` None: the causes name no evidence ids."""
    judged = judge(payment)
    looked = around is not None and around.crowd is not None
    named = remembered(name_causes(payment, evidence, now_ms, around or NOBODY_LOOKED), evidence, looked)
    trade = merchant.trade if merchant is not None else "goods"
    told: dict[str, Any] = {
        "id": payment.id,
        "object": "payment",
        "livemode": payment.livemode,
        "amount": payment.amount_fen,
        "amount_refunded": payment.refunded_fen,
        "amount_received": payment.received_fen,
        "fee": payment.fee_fen,
        "currency": payment.currency,
        "merchant_order_no": payment.merchant_order_no,
        "subject": payment.subject,
        "status": payment.state.value,
        "verdict": judged.verdict.value,
        "verdict_words": verdict_words(judged),
        "money": judged.money.value,
        "method": {"type": payment.method.value, "channel": payment.channel, "code_mask": payment.code_mask or None,
                   **_shown(payment)},
        "why_no_information": cause_picture(named.why_no_information),
        "why_no_money": cause_picture(named.why_no_money),
        "next_step": next_steps(payment, judged, named, trade),
        "by_when": by_when(payment, judged),
        "safe_to_retry": judged.safe_to_retry,
        "resolve_by": rfc3339(judged.resolve_by_ms),
        "tti_ms": time_to_information_ms(payment) or None,
        "late_success": payment.late,
        "question": payment.question or None,
        "channel_refs": {"out_trade_no": out_trade_no(payment.id), "trade_no": payment.trade_no or None},
        "decided_by": f"evd_{payment.id[4:]}_{payment.decided_by}" if payment.decided_by else None,
        "refunds": [refund_picture(refund) for refund in refunds],
        "merchant": payment.merchant,
        "store": payment.store,
        "till": payment.till,
        "metadata": payment.metadata,
        "announcements": [],
        "incident": incident or None,
        "warning": warning,
        "told_at": rfc3339(payment.told_ms),
        "created_at": rfc3339(payment.created_ms),
        "paid_at": rfc3339(payment.received_ms),
        "decided_at": rfc3339(payment.decided_ms),
    }  # fmt: skip
    if evidence is not None:
        told["evidence"] = [evidence_picture(line) for line in evidence]
    return told


async def described(
    house: House, payment: Payment, merchant: Merchant | None, *, whole: bool = False, deep: bool = False
) -> dict[str, Any]:
    """The payment as told. Evidence is read where it is shown (``whole``), or where a cause has to name it; ``deep``: what
    is known around it too (not where many are told at once)."""
    now = house.clock.now_ms()
    around = await look_around(house.lookout, house.fleet, payment, now) if deep else None
    slow = payment.decided_ms - payment.created_ms > _DARK_MS  # a late proof is explained by the evidence
    needed = whole or around is not None or payment.doubt or payment.refusal or slow
    lines = await house.store.evidence(payment.id) if needed else None
    refunded = payment.refunded_fen or payment.refunding_fen
    given_back = await house.store.refunds_of(payment.id) if refunded or whole else []
    # Only a payment that lacked information can belong to an incident: nothing is read for all others.
    incident = await house.incidents.incident_of(payment.id) if needed and house.incidents is not None else ""
    shown = picture(payment, lines, given_back, now, merchant, around, incident, warning_of(house, payment, now))
    if not whole:
        shown.pop("evidence", None)
    return shown


def warning_of(house: House, payment: Payment, now_ms: int) -> dict[str, Any] | None:
    """While it is open: its channel is known to be unwell. Not a word about this payment, which may be fine."""
    if payment.state not in OPEN or house.lookout is None:
        return None
    state = state_of(house.lookout, "platform", payment.channel, now_ms)
    if state.word == OPERATIONAL:
        return None
    name = house.channel(payment.channel).manifest["words"]
    until = f"{clock(state.until_ms)} 前" if state.until_ms else ""
    zh, en = ("在维护", "is under maintenance") if state.word == MAINTENANCE else ("现在不稳定", "is unstable at the moment")
    by = f" until {clock(state.until_ms)}" if state.until_ms else ""
    return {
        "status": state.word, "until": rfc3339(state.until_ms), "incident": state.incident or None,
        "says": {"zh": f"{name['zh']}{until}{zh},结果可能来得慢", "en": f"{name['en']} {en}{by}: the result may come late"},
    }  # fmt: skip


def cause_picture(named: CauseNamed | None) -> dict[str, Any] | None:
    if named is None:
        return None
    return {
        "id": named.id,
        "number": named.number,
        "class": named.class_,
        "party": named.party,
        "party_name": named.party_name,
        "confidence": named.confidence,
        "probability": named.probability,
        "evidence": list(named.evidence),
        "ruled_out": list(named.ruled_out),
        "says": named.says,
        "ranked": [{"id": cause, "probability": probability} for cause, probability in named.ranked],
        "steps": [{"step": one.step, "says": one.says, "evidence": list(one.evidence)} for one in named.steps],
    }


def evidence_picture(line: Evidence) -> dict[str, Any]:
    """One line of a payment's story, redacted when it was written."""
    return {
        "id": line.id,
        "n": line.n,
        "at": rfc3339(line.at_ms),
        "kind": line.kind,
        "who": line.who,
        "op": line.op or None,
        "proves": line.proves or None,
        "code": line.code or None,
        "text": line.text or None,
        "refund": line.refund or None,
        "detail": line.detail,
    }


def _shown(p: Payment) -> dict[str, Any]:
    """What the payer is shown: a QR; or, of a plate, what the page hands over to the wallet."""
    if p.method is not Method.PLATE or not p.qr:
        return {"qr": p.qr or None, "pay": None}
    return {"qr": None, "pay": json.loads(p.qr) if p.qr.startswith("{") else {"trade_no": p.qr}}


def refund_picture(refund: Refund) -> dict[str, Any]:
    """A refund as the API shows it."""
    return {
        "id": refund.id,
        "object": "refund",
        "payment": refund.payment,
        "amount": refund.amount_fen,
        "kind": refund.kind.value,
        "reason": refund.reason or None,
        "status": refund.state.value,
        "failure": refund.failure,
        "cause": "funds.refund_no_balance" if refund.state is RefundState.WAITING_FUNDS else None,
        "fee_returned": refund.fee_back_fen,
        "created_at": rfc3339(refund.created_ms),
        "decided_at": rfc3339(refund.decided_ms),
    }


async def told(house: House, payment_id: str, by: str) -> Payment:
    """Somebody in the shop has been told and says so. The first acknowledgement of an end counts. Raises Gone."""
    for _ in range(5):
        payment = await house.store.payment(payment_id)
        if payment is None:
            raise Gone(payment_id)
        if not payment.proven or payment.told_ms >= payment.decided_ms:
            return payment
        row = await house.account(payment.account)
        now = house.clock.now_ms()
        pen = Pen(house, payment, row.fee_rate)
        pen.note(Evidence(payment.id, 0, now, "told", by, text=judge(payment).verdict.value))
        manners = house.channel(payment.channel).manners
        try:
            return await pen.commit(changed(payment, told_ms=now), due_ms(payment, manners, now), wake=False)
        except Conflict:
            continue
    raise Conflict("others keep moving the payment")
