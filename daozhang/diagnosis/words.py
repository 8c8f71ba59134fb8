"""The words for people: the verdict, one next step for each, and by when. Chinese and English say the same."""

from datetime import UTC, datetime, timedelta, timezone

from daozhang.core.payment import Payment, State
from daozhang.core.verdict import Judgement, Verdict, contradicted, refused_back
from daozhang.diagnosis import verdicts as say
from daozhang.diagnosis.cause import Steps, Words
from daozhang.diagnosis.name import Named

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOP_ZONE = timezone(timedelta(hours=8))
# While the payer types, or when a person must follow up, the verdict's own words come first for the two at the till.
_FAR_FROM_TILL = ("support", "operations")


def verdict_words(judged: Judgement) -> Words:
    """The verdict as every surface writes it (1-product section 4)."""
    return say.VERDICT[judged.verdict]


def next_steps(payment: Payment, judged: Judgement, named: Named, trade: str) -> dict[str, Words]:
    """One sentence for each of the six people, from the general to the exact.

    The verdict speaks first; a cause makes it more exact, and never more permissive: its words for a proven end belong
    to *not paid* alone, which follows from evidence. ``trade``: goods can be held back, consumed cannot.
    """
    steps: dict[str, Words] = dict(say.STEPS[judged.verdict])
    match judged.verdict:
        case Verdict.PAID:
            steps |= _of_paid(payment, trade)
        case Verdict.NOT_PAID if named.why_no_money is not None:
            steps |= named.why_no_money.cause.next
        case Verdict.CHECKING:
            steps |= _meanwhile(named)
            if payment.state is State.REVERSING:
                steps |= say.REVERSING
            if trade == "consumed":
                steps["cashier"] = say.CONSUMED
        case Verdict.LATER | Verdict.WAITING_CUSTOMER:
            found = _meanwhile(named)
            steps |= {person: found[person] for person in _FAR_FROM_TILL if person in found}
    if payment.state is State.SURPLUS:
        steps |= _of_surplus(payment, judged)
    return steps


def _of_surplus(p: Payment, judged: Judgement) -> Steps:
    if judged.verdict is Verdict.RETURNED:
        return say.SURPLUS_RETURNED
    return say.SURPLUS_REFUSED if refused_back(p) else say.SURPLUS


def _meanwhile(named: Named) -> Steps:
    return named.why_no_information.cause.meanwhile if named.why_no_information is not None else {}


def _of_paid(p: Payment, trade: str) -> Steps:
    """A question goes before everything; what was given back goes before what came late."""
    if p.question:
        return say.QUESTIONS[p.question]
    if p.refunding_fen:
        return say.REFUNDING
    if p.state is State.REFUNDED:
        return say.REFUNDED
    if p.state is State.PARTLY_REFUNDED:
        return say.PARTLY_REFUNDED
    if p.late:
        return say.LATE
    return {"cashier": say.CONSUMED_PAID} if trade == "consumed" else {}


def by_when(payment: Payment, judged: Judgement) -> Words | None:
    """What happens next and when (the shop's wall time); an action is promised, never an outcome. None: nothing more."""
    if judged.verdict is Verdict.LATER:
        return {
            "zh": "系统会隔一段时间再查,每次查到什么都显示在这里",
            "en": "we go on asking at intervals; what we learn is shown here",
        }
    if not judged.resolve_by_ms:
        return None
    at = _clock(judged.resolve_by_ms, payment.created_ms)
    if payment.question:
        return {
            "zh": f"{at} 前没有回答,就按商户设置处理",
            "en": f"without an answer by {at} the merchant's setting applies",
        }
    if contradicted(payment):
        return {"zh": f"渠道又说收到了这笔钱,{at} 前会再核实一次", "en": f"the channel now says that the money came; we verify again by {at}"}
    if payment.state is State.CREATED:
        return {"zh": f"还没有发给渠道,{at} 前会再核实", "en": f"not yet sent to the channel; we check again by {at}"}
    if payment.state is State.SURPLUS:
        return {"zh": f"{at} 前会再办一次退回", "en": f"we try again to give it back by {at}"}
    if payment.state is State.REVERSING:
        return {
            "zh": f"正在撤销,{at} 前会再向渠道核实一次",
            "en": f"it is being undone; we verify with the channel again by {at}",
        }
    return {
        "zh": f"系统一直在查,{at} 前仍没有结果就撤销这笔并再核实",
        "en": f"we keep asking; without a result by {at} we undo this payment and verify again",
    }


def _clock(at_ms: int, from_ms: int) -> str:
    """``10:43:07``, with the date when it is another day for the shop."""
    at, start = ((_EPOCH + timedelta(seconds=ms // 1000)).astimezone(_SHOP_ZONE) for ms in (at_ms, from_ms))
    return f"{at:%H:%M:%S}" if at.date() == start.date() else f"{at:%m-%d %H:%M:%S}"
