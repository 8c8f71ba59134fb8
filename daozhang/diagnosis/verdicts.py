"""What every person is told for a verdict alone, before a cause makes it more exact. Chinese and English say the same.

A cashier's sentence has at most 20 Chinese characters and begins with what to do. Nothing here tells anybody to charge
again except under ``not_paid`` and ``returned``, which follow from evidence only.
"""

from daozhang.core.verdict import Verdict
from daozhang.diagnosis.cause import Steps, Words

VERDICT: dict[Verdict, Words] = {
    Verdict.PAID: {"zh": "收款成功", "en": "Paid"},
    Verdict.WAITING_CUSTOMER: {"zh": "等顾客付款", "en": "Waiting for the payer"},
    Verdict.CHECKING: {"zh": "正在核实", "en": "Checking"},
    Verdict.LATER: {"zh": "暂无结果,先别重收", "en": "No result yet: do not charge again"},
    Verdict.NOT_PAID: {"zh": "没收到钱", "en": "Not paid"},
    Verdict.RETURNED: {"zh": "已撤销,钱退顾客", "en": "Undone: the money goes back to the payer"},
}

_NOTHING: Words = {"zh": "无需操作", "en": "Do nothing: no action is needed"}
_WAIT: Words = {"zh": "等结论,无需操作", "en": "Wait for the verdict: no action is needed"}
_SHOP_WAITS: Words = {
    "zh": "请店里等结论,不要重收",
    "en": "Ask the shop to wait for the verdict and not to charge again",
}
_DO_NOT_CREATE: Words = {"zh": "等结论,不要新建支付", "en": "Wait for the verdict: do not create another payment"}

STEPS: dict[Verdict, Steps] = {
    Verdict.PAID: {
        "cashier": {"zh": "收到钱了,可以交货", "en": "Hand over the goods: the money came"},
        "payer": {"zh": "付款成功,请勿再付", "en": "Do not pay again: you have paid"},
        "merchant": _NOTHING,
        "support": {"zh": "告诉来电人已收款", "en": "Tell the caller that it is paid"},
        "operations": _NOTHING,
        "developer": {"zh": "完成订单", "en": "Fulfil the order"},
    },
    Verdict.WAITING_CUSTOMER: {
        "cashier": {"zh": "请顾客在手机上完成付款", "en": "Ask the payer to finish on the phone"},
        "payer": {"zh": "请在手机上完成付款", "en": "Please finish the payment on your phone"},
        "merchant": _WAIT,
        "support": _SHOP_WAITS,
        "operations": _NOTHING,
        "developer": _DO_NOT_CREATE,
    },
    Verdict.CHECKING: {
        "cashier": {"zh": "别让顾客再付,也先别交货", "en": "Do not charge again and do not hand over yet"},
        "payer": {"zh": "请先不要再付一次", "en": "Please do not pay again yet"},
        "merchant": _WAIT,
        "support": _SHOP_WAITS,
        "operations": {"zh": "看证据和下一次询问时间", "en": "See the evidence and when we ask next"},
        "developer": _DO_NOT_CREATE,
    },
    Verdict.LATER: {
        "cashier": {"zh": "先别重收,记下单号", "en": "Do not charge again; note the number"},
        "payer": {"zh": "请先不要再付一次,留好账单", "en": "Please do not pay again yet; keep your bill"},
        "merchant": {"zh": "等系统通知,先别再收这笔", "en": "Wait for our message; do not charge this sale again yet"},
        "support": {"zh": "记录来电,有结论后回电", "en": "Note the call and call back with the verdict"},
        "operations": {"zh": "检查渠道,并核对渠道账单", "en": "Check the channel and compare its bill"},
        "developer": {"zh": "订阅事件等结论,不要新建支付", "en": "Follow the events: do not create another payment"},
    },
    Verdict.NOT_PAID: {
        "cashier": {"zh": "没收到钱,可重新收款", "en": "No money came: you may charge again"},
        "payer": {"zh": "放心,您没有被扣款", "en": "Be assured: you were not charged"},
        "merchant": _NOTHING,
        "support": {"zh": "告诉来电人这笔没有扣款", "en": "Tell the caller that this payment took no money"},
        "operations": _NOTHING,
        "developer": {"zh": "按结论处理,需要时新建一笔", "en": "Act on the verdict; create a new attempt if wanted"},
    },
    Verdict.RETURNED: {
        "cashier": {"zh": "钱退顾客了,可重新收款", "en": "The money goes back to the payer: you may charge again"},
        "payer": {"zh": "已退回,请在您的支付App里查看", "en": "It was given back; look in your payment app"},
        "merchant": _NOTHING,
        "support": {
            "zh": "告诉来电人钱已退回原付款方式",
            "en": "Tell the caller that it went back the way it was paid",
        },
        "operations": _NOTHING,
        "developer": {"zh": "按结论处理,需要时新建一笔", "en": "Act on the verdict; create a new attempt if wanted"},
    },
}

# A meal or fuel cannot be held back: the cashier is not told to keep the goods.
CONSUMED: Words = {"zh": "先别重收,请稍等", "en": "Do not charge again; please wait"}
CONSUMED_PAID: Words = {"zh": "收到钱了", "en": "Finish the sale: the money came"}

REVERSING: Steps = {
    "cashier": {"zh": "先别重收,正在撤销这笔", "en": "Do not charge again: we are undoing this payment"},
    "payer": {"zh": "请先不要再付,这笔正在撤销", "en": "Please do not pay again yet: this payment is being undone"},
}
REFUNDING: Steps = {
    "cashier": {"zh": "退款处理中,不要重复退", "en": "Do not refund again: the refund is under way"},
    "payer": {"zh": "退款处理中,请留意支付App", "en": "Watch your payment app: the refund is under way"},
    "support": {"zh": "告诉来电人退款在处理", "en": "Tell the caller that the refund is under way"},
    "developer": {"zh": "等退款结果,不要重复提交", "en": "Wait for the refund: do not submit it again"},
}
REFUNDED: Steps = {
    "cashier": {"zh": "已全部退款,不要再退", "en": "Do not refund again: all was given back"},
    "payer": {"zh": "已退款,请在您的支付App里查看", "en": "Look in your payment app: it was given back"},
    "support": {"zh": "告诉来电人已全部退款", "en": "Tell the caller that all was given back"},
    "developer": {"zh": "按已退款处理订单", "en": "Treat the order as refunded"},
}
PARTLY_REFUNDED: Steps = {
    "cashier": {
        "zh": "已退一部分,再退先看余额",
        "en": "Check what is left before another refund: a part was given back",
    },
    "payer": {"zh": "部分已退,请在您的支付App里查看", "en": "Look in your payment app: a part was given back"},
    "support": {"zh": "告诉来电人已退的金额", "en": "Tell the caller how much was given back"},
    "developer": {"zh": "按部分退款处理订单", "en": "Treat the order as refunded in part"},
}
LATE: Steps = {
    "cashier": {"zh": "补报:这笔钱晚到,已收款", "en": "Note: this money came late; it is received"},
    "support": {"zh": "告诉来电人这笔晚到,已收款", "en": "Tell the caller that it came late and is received"},
    "developer": {"zh": "按晚到的成功处理订单", "en": "Handle the order as a late success"},
}
QUESTIONS: dict[str, Steps] = {
    "late_success": {
        "cashier": {"zh": "钱晚到了,请选货给了没有", "en": "Say whether the goods went out: the money came late"},
        "payer": {"zh": "请勿再付,店里正在确认这笔", "en": "Do not pay again: the shop is confirming this payment"},
        "merchant": {"zh": "确认货给了没有:给了留款,没给退款", "en": "Say whether the goods went out: keep the money or give it back"},
        "support": {"zh": "请店里回答货给了没有", "en": "Ask the shop whether the goods went out"},
        "developer": {"zh": "等店里回答后再处理订单", "en": "Handle the order after the shop's answer"},
    },
    "look_alike": {
        "cashier": {"zh": "核对是否同一笔收了两次", "en": "Check whether one sale was charged twice"},
        "payer": {"zh": "请勿再付,店里正在核对", "en": "Do not pay again: the shop is checking"},
        "merchant": {"zh": "核对这两笔是不是同一单", "en": "Check whether the two payments are one sale"},
        "support": {"zh": "请店里核对这两笔", "en": "Ask the shop to compare the two payments"},
        "developer": {"zh": "等店里回答后再处理订单", "en": "Handle the order after the shop's answer"},
    },
}  # fmt: skip
SURPLUS: Steps = {
    "cashier": {"zh": "多收的钱在自动退,别再收", "en": "Do not charge again: the surplus is being given back"},
    "payer": {"zh": "请勿再付,多付的正在退回", "en": "Do not pay again: what was paid twice is being given back"},
    "merchant": {"zh": "等多收的款自动退回", "en": "Wait: the surplus is being given back by itself"},
    "support": {"zh": "告诉来电人多付的正在退回", "en": "Tell the caller that the surplus is being given back"},
    "operations": {"zh": "看这笔多收退款是否完成", "en": "See whether the refund of the surplus completes"},
    "developer": _DO_NOT_CREATE,
}
SURPLUS_REFUSED: Steps = {
    "cashier": {"zh": "别再收:多收的还没退成", "en": "Do not charge again: the surplus could not be given back yet"},
    "payer": {"zh": "请勿再付,多付的还没退成,请联系店里", "en": "Do not pay again, and ask the shop: what was paid twice is not back yet"},
    "merchant": {"zh": "查渠道账户能否退款:多收的被拒退", "en": "Check whether the channel lets this account refund: it refused the surplus"},
    "support": {"zh": "告诉来电人渠道拒绝了退回,还没退成", "en": "Tell the caller that the channel refused, and nothing is back yet"},
    "operations": {"zh": "查渠道为何拒绝退款,必要时人工退", "en": "Find out why the channel refuses the refund, and give it back by hand if it must be"},
    "developer": _DO_NOT_CREATE,
}
SURPLUS_RETURNED: Steps = {
    "cashier": {"zh": "多收的已退,看这单另一笔", "en": "See the sale's other payment: the surplus was given back"},
    "payer": {
        "zh": "多付的已退,请在您的支付App里查看",
        "en": "Look in your payment app: what was paid twice was given back",
    },
    "support": {"zh": "告诉来电人多付的已退回", "en": "Tell the caller that the surplus was given back"},
    "developer": {"zh": "看这单另一笔支付的结论", "en": "See the verdict of the sale's other payment"},
}
