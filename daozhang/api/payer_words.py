"""What a payer reads of a payment, in both languages. Never a reason of the refusal, never a word of the shop's own."""

from dataclasses import dataclass

from daozhang.core.payment import Payment, State
from daozhang.core.verdict import Judgement, Verdict, refused_back

Words = dict[str, str]  # zh and en


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands for the payer. ``kind``: how the page marks it. ``ends``: nothing more is to come by itself.
    ``more``: what else the payer wants to know ("" none)."""

    kind: str
    says: Words
    ends: bool
    more: Words | None = None


_WHEN: Words = {
    "zh": "退到余额一般几分钟,退到银行卡一般1到3个工作日。",
    "en": "A balance has it back within minutes as a rule, a bank card within one to three working days.",
}
_OTHERWISE: Words = {
    "zh": "如果支付App里显示这笔已扣款,请把账单里的商户单号给店里看。",
    "en": "If your payment app shows that this was charged, show the shop the merchant order number in your bill.",
}
_APP_SAYS_PAID: Words = {
    "zh": "支付App里显示已付款也请不要再付:把单号给店里看,我们会继续查。",
    "en": "Do not pay again even if your payment app shows it as paid: show the shop the number. We go on asking.",
}
_REFUSED: Words = {
    "zh": "退款还没有成功,我们会再试。",
    "en": "The refund has not succeeded so far, and we try again.",
}

_PAID = Standing("paid", {"zh": "付款成功", "en": "Paid"}, True)
_IN_PART = Standing("paid", {"zh": "付款成功,已退一部分", "en": "Paid, and a part was returned"}, True, _WHEN)
_RETURNING = Standing("returning", {"zh": "正在退款", "en": "Being returned to you"}, False, _WHEN)
_NOT_BACK = Standing("unknown", {"zh": "多付的还没退成,请不要再付", "en": "Not returned to you yet: do not pay again"}, False, _REFUSED)
_NEVER_BACK = Standing("unknown", _NOT_BACK.says, True, {"zh": "请把单号给店里看,由店里退给您。", "en": "Show the shop the number: the shop has to give it back."})
_RETURNED = Standing("returned", {"zh": "钱已退回", "en": "Returned to you"}, True, _WHEN)
_NOT_CHARGED = Standing("not_charged", {"zh": "没有扣款", "en": "Not charged"}, True, _OTHERWISE)
_WAITING = Standing("waiting", {"zh": "等您在手机上完成付款", "en": "Waiting for you to finish on your phone"}, False)
_UNKNOWN = Standing("unknown", {"zh": "还没查到结果,请不要再付", "en": "Not known yet: do not pay again"}, False, _APP_SAYS_PAID)

PAGE: dict[str, Words] = {
    "title": {"zh": "这笔付款怎么样了", "en": "Where is my payment"},
    "test": {"zh": "测试,没有真的扣款", "en": "Test: no real money moved"},
    "shop": {"zh": "商户", "en": "Shop"},
    "amount": {"zh": "金额", "en": "Amount"},
    "returned": {"zh": "已退", "en": "Returned"},
    "time": {"zh": "时间", "en": "Time"},
    "wallet": {"zh": "支付方式", "en": "Paid with"},
    "number": {"zh": "支付单号", "en": "Payment number"},
    "do": {"zh": "现在怎么做", "en": "What to do now"},
    "next": {"zh": "接下来", "en": "What happens next"},
    "whom": {"zh": "有疑问找谁", "en": "Whom to ask"},
    "seen": {"zh": "查看时间", "en": "As of"},
    "again": {"zh": "再看一次", "en": "Look again"},
    "languages": {"zh": "语言", "en": "Language"},
    "genuine": {
        "zh": "本页只说明这笔付款的状态,不会向您收钱,也不会要您的密码或验证码。",
        "en": "This page tells how the payment stands. It never asks for money, a password or a code.",
    },
}
ASK: Words = {
    "zh": "请问{shop}的店员,给他看支付单号(尾号 {tail})。",
    "en": "Ask the staff of {shop}, and show them the payment number (it ends in {tail}).",
}
# Where there is no payment to be shown, by the status of the answer.
TROUBLE: dict[int, tuple[Words, Words]] = {
    404: ({"zh": "这个链接无效或已过期", "en": "This link is not valid, or it is too old"},
          {"zh": "请把小票或支付App里的账单给店里看。", "en": "Show the shop your receipt or the bill in your payment app."}),
    429: ({"zh": "看的人太多", "en": "Too many at once"},
          {"zh": "请过几秒再看,不要再付一次。", "en": "Look again in a few seconds, and do not pay again."}),
    503: ({"zh": "现在查不到", "en": "We cannot look it up at the moment"},
          {"zh": "请不要再付一次,过一会儿再看。", "en": "Do not pay again; look once more in a while."}),
}  # fmt: skip


def standing(p: Payment, judged: Judgement) -> Standing:
    """A refund under way goes before what was given back; what is not proven is never called anything else."""
    match judged.verdict:
        case Verdict.PAID if p.refunding_fen:
            return _RETURNING
        case Verdict.PAID if p.state is State.REFUNDED:
            return _RETURNED
        case Verdict.PAID:
            return _IN_PART if p.state is State.PARTLY_REFUNDED else _PAID
        case Verdict.RETURNED:
            return _RETURNED
        case Verdict.NOT_PAID:
            return _NOT_CHARGED
        case Verdict.WAITING_CUSTOMER:
            return _WAITING
        case Verdict.CHECKING if refused_back(p):
            return _NOT_BACK if judged.resolve_by_ms else _NEVER_BACK
        case Verdict.CHECKING | Verdict.LATER:
            return _RETURNING if p.state is State.SURPLUS else _UNKNOWN
