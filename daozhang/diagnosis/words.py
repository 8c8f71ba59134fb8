"""The words for people: the verdict, one next step for each, and by when. Chinese and English say the same."""

from datetime import UTC, datetime, timedelta, timezone

from daozhang.core.payment import Payment, State
from daozhang.core.verdict import Judgement, Verdict
from daozhang.diagnosis.cause import PEOPLE, Words
from daozhang.diagnosis.name import Named

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOP_ZONE = timezone(timedelta(hours=8))

VERDICT: dict[Verdict, Words] = {
    Verdict.PAID: {"zh": "收款成功", "en": "Paid"},
    Verdict.WAITING_CUSTOMER: {"zh": "等顾客付款", "en": "Waiting for the payer"},
    Verdict.CHECKING: {"zh": "正在核实", "en": "Checking"},
    Verdict.LATER: {"zh": "暂无结果,先别重收", "en": "No result yet: do not charge again"},
    Verdict.NOT_PAID: {"zh": "没收到钱", "en": "Not paid"},
    Verdict.RETURNED: {"zh": "已撤销,钱退顾客", "en": "Undone: the money goes back to the payer"},
}

_STEPS: dict[Verdict, dict[str, Words]] = {
    Verdict.PAID: {
        "cashier": {"zh": "可以交货", "en": "Hand over the goods"},
        "payer": {"zh": "付款成功,无需操作", "en": "You have paid; nothing to do"},
        "merchant": {"zh": "无需操作", "en": "Nothing to do"},
        "support": {"zh": "告诉来电人已收款", "en": "Tell the caller that it is paid"},
        "operations": {"zh": "无需操作", "en": "Nothing to do"},
        "developer": {"zh": "完成订单", "en": "Fulfil the order"},
    },
    Verdict.WAITING_CUSTOMER: {
        "cashier": {"zh": "请顾客在手机上完成付款", "en": "Ask the payer to finish on the phone"},
        "payer": {"zh": "请在手机上完成付款", "en": "Please finish the payment on your phone"},
        "merchant": {"zh": "无需操作", "en": "Nothing to do"},
        "support": {
            "zh": "请店里等结论,不要重收",
            "en": "Ask the shop to wait for the verdict and not to charge again",
        },
        "operations": {"zh": "无需操作", "en": "Nothing to do"},
        "developer": {"zh": "继续等待结论", "en": "Keep waiting for the verdict"},
    },
    Verdict.CHECKING: {
        "cashier": {"zh": "先别重收,请稍等", "en": "Do not charge again; please wait"},
        "payer": {"zh": "请先不要再付一次", "en": "Please do not pay again yet"},
        "merchant": {"zh": "无需操作,系统正在核实", "en": "Nothing to do: the system is checking"},
        "support": {
            "zh": "请店里等结论,不要重收",
            "en": "Ask the shop to wait for the verdict and not to charge again",
        },
        "operations": {"zh": "看证据和下一次询问时间", "en": "See the evidence and when we ask next"},
        "developer": {"zh": "不要新建支付,继续等待结论", "en": "Do not create another payment; wait for the verdict"},
    },
    Verdict.LATER: {
        "cashier": {"zh": "先别重收,记下单号", "en": "Do not charge again; note the number"},
        "payer": {"zh": "请先不要再付一次,留好账单", "en": "Please do not pay again yet; keep your bill"},
        "merchant": {"zh": "等系统通知结果", "en": "Wait for the system to tell the result"},
        "support": {"zh": "记录来电,结果出来后回电", "en": "Note the call and call back with the result"},
        "operations": {"zh": "检查渠道,账单会给出结论", "en": "Check the channel; the bill will decide"},
        "developer": {"zh": "订阅事件,等待结论", "en": "Follow the events and wait for the verdict"},
    },
    Verdict.NOT_PAID: {
        "cashier": {"zh": "没收到钱,可以重新收款", "en": "No money came; you may charge again"},
        "payer": {"zh": "您没有被扣款,请重新付款", "en": "You were not charged; please pay again"},
        "merchant": {"zh": "无需操作", "en": "Nothing to do"},
        "support": {"zh": "告诉来电人没有扣款", "en": "Tell the caller that there was no charge"},
        "operations": {"zh": "无需操作", "en": "Nothing to do"},
        "developer": {"zh": "可用新的单号或同一单号再建一笔", "en": "A new attempt may be created"},
    },
    Verdict.RETURNED: {
        "cashier": {"zh": "钱已退回顾客,可重新收款", "en": "The money went back; you may charge again"},
        "payer": {"zh": "已退回,请在支付App里查看", "en": "It was given back; see your payment app"},
        "merchant": {"zh": "无需操作", "en": "Nothing to do"},
        "support": {"zh": "告诉来电人钱已退回", "en": "Tell the caller that the money went back"},
        "operations": {"zh": "无需操作", "en": "Nothing to do"},
        "developer": {"zh": "可再建一笔", "en": "A new attempt may be created"},
    },
}

_QUESTIONS: dict[str, Words] = {
    "late_success": {"zh": "钱后来到了,请选货给了没有", "en": "The money came late: say whether the goods went out"},
    "look_alike": {"zh": "可能收了两次,请核对", "en": "It may have been charged twice: please check"},
}
_CONSUMED: Words = {"zh": "先别重收,请顾客稍等", "en": "Do not charge again; ask the payer to wait"}


def verdict_words(judged: Judgement) -> Words:
    return VERDICT[judged.verdict]


def next_steps(payment: Payment, judged: Judgement, named: Named, trade: str) -> dict[str, Words]:
    """One sentence for each of the six. A cause makes them more exact, and never more permissive than the verdict."""
    steps: dict[str, Words] = dict(_STEPS[judged.verdict])
    found = named.why_no_money or named.why_no_information
    if found is not None and judged.verdict in (Verdict.NOT_PAID, Verdict.CHECKING):
        own = found.cause.next
        for person in PEOPLE:
            says_wait = "先别重收" in own["cashier"]["zh"]
            if person in ("cashier", "payer") and says_wait is judged.safe_to_retry:
                continue  # the cause's words are for the other verdict
            steps[person] = own[person]
    if judged.verdict is Verdict.CHECKING and trade == "consumed":
        steps["cashier"] = _CONSUMED
    if payment.question:
        steps["cashier"] = steps["merchant"] = _QUESTIONS[payment.question]
    if payment.state is State.SURPLUS:
        steps["cashier"] = {"zh": "多收的钱正在自动退回", "en": "The surplus is being given back"}
        steps["payer"] = {"zh": "多付的钱正在退回", "en": "What you paid twice is being given back"}
    return steps


def by_when(payment: Payment, judged: Judgement) -> Words | None:
    """When the next thing happens; an action is promised, never an outcome."""
    if not judged.resolve_by_ms:
        return None
    moment = (_EPOCH + timedelta(milliseconds=judged.resolve_by_ms)).astimezone(_SHOP_ZONE)
    at = f"{moment:%H:%M:%S}"
    if payment.question:
        return {
            "zh": f"{at} 前没有回答,就按商户设置处理",
            "en": f"without an answer by {at} the merchant's setting applies",
        }
    return {
        "zh": f"{at} 前会再查并处理,结果会显示在这里",
        "en": f"we ask again and act by {at}; the result is shown here",
    }
