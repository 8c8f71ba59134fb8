"""The faults F1 to F20 of the proof, each with the one command that stages it and what people see: the docs are made of this."""

from dataclasses import dataclass
from typing import Any

ALL = ("alipay", "wechatpay", "unionpay")
DAY = "yyyy-MM-dd"  # the day of the payment, in China


@dataclass(frozen=True)
class Step:
    """One mode of a twin that is switched on; ``for_s`` 0 lasts until somebody calls it off."""

    mode: str
    op: str = ""
    for_s: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class Staged:
    """One fault. ``payer``: how the payer behaves who makes it visible; ``qr``: it shows on a QR that we display;
    ``bill``: it shows the day after, when the day's bill is fetched.
    """

    number: str
    zh: str
    en: str
    steps: tuple[Step, ...]
    till_zh: str
    till_en: str
    office_zh: str
    office_en: str
    payer: str = "pays"
    qr: bool = False
    bill: bool = False
    channels: tuple[str, ...] = ALL

    def command(self, channel: str) -> str:
        """What an engineer types."""
        return f"daozhang chaos stage {self.number} --channel {short(channel)}"

    def after(self, channel: str) -> tuple[str, ...]:
        """What shows it once the payment is made."""
        if not self.bill:
            return ()
        return "daozhang clock advance 36h", f"daozhang bill fetch --channel {short(channel)} --date {DAY}"

    def payment(self, channel: str) -> str:
        """The payment that shows it."""
        if self.qr:
            return f"daozhang pay 12.50 --qr --wallet {short(channel)}"
        return f"daozhang pay 12.50 --wallet {short(channel)} --behaviour {self.payer}"

    def stage(self, twin: Any, now_ms: int) -> None:
        """Switch it on in a twin."""
        for step in self.steps:
            twin.chaos(step.mode, now_ms, step.share, step.for_s * 1000, step.op, "")


def short(channel: str) -> str:
    """The word that people type for a channel."""
    return "wechat" if channel == "wechatpay" else channel


def find(number: str) -> Staged | None:
    return next((one for one in STAGED if one.number == number.upper()), None)


def of_mode(mode: str) -> str:
    """The numbers of the faults in which a mode takes part."""
    return " ".join(one.number for one in STAGED if any(step.mode == mode for step in one.steps))


_PAID = ("一次到账播报,金额正确", "paid, announced once, with the right amount")
STAGED = (
    Staged("F1", "已扣款,应答丢失", "the reply is lost after the charge", (Step("lost_after", "pay"),),
           "先显示“确认中”,查询后显示已到账,只播报一次", "confirming at first, then paid by a query, announced once",
           "证据里有一次没有应答的请求和一次查询", "the evidence shows a request without an answer, and a query"),
    Staged("F2", "请求没到渠道", "the request is lost before it arrives", (Step("lost_before", "pay"),),
           "先显示“确认中”,再显示未扣款、可以重新收款", "confirming, then not charged: charge again",
           "渠道账上没有钱", "the channel's books keep no money"),
    Staged("F3", "顾客25秒后才输对密码", "the right password after 25 s", (),
           "等待顾客输密码,然后已到账", "waiting for the payer's password, then paid",
           "按渠道规定的间隔查询", "queries at the gaps that the channel allows", payer="types_slowly"),
    Staged("F4", "顾客一直不确认,撤销后又扣款", "never confirmed, and charged after the undo", (Step("success_after_cancel", "", 90),),
           "到时撤销;事后扣款会问货给了没有,没有回答就自动退款", "undone at the deadline; the late charge is asked about, and given back when nobody answers",
           "“迟到的到账”通知,账面净额为零", "a late-success event; net zero in the books", payer="hesitates"),
    Staged("F5", "撤销与顾客确认同时到达", "the undo and the confirmation in one moment", (Step("undo_race"),),
           "只会是已到账或已退回、未扣款之一", "either paid, or given back or never charged: one of them",
           "两边账本一致", "both books agree", payer="hesitates"),
    Staged("F6", "已扣款,查询却说等待付款(三分钟)", "charged, and queries say waiting for three minutes",
           (Step("query_stale", "query", 180), Step("notify_lost", "", 180)),
           "一直是“确认中,请勿重复收款”,直到撤销把钱退回或查到到账", "confirming, do not charge again, until the undo gives it back or a query shows it",
           "没有第二次扣款", "no second charge", payer="types_password"),
    Staged("F7", "渠道维护,HTTP 503", "the channel is under maintenance", (Step("maintenance", "", 40),),
           "确认中;恢复后得到结论", "confirming; decided once the channel is back",
           "503 页面不是应答,不据此下结论", "the page is no answer, and nothing is concluded from it"),
    Staged("F8", "半数请求失败", "half of all requests fail", (Step("brown_out", "", 300),),
           "确认中,然后得到结论", "confirming, then decided",
           "查询变少而不是变多", "queries become fewer, not more"),
    Staged("F9", "应答要8秒", "answers take 8 s", (Step("late_reply", "", 300),),
           "确认中,然后得到结论", "confirming, then decided",
           "其他渠道不受影响", "the other channels are as fast as before"),
    Staged("F10", "同一通知一次来20份", "one notify twenty times at once", (Step("notify_twenty"),), *_PAID,
           "记一次账,20次都答成功", "one posting, twenty times received", qr=True),
    Staged("F11", "退款通知先于付款通知", "the refund's notify before the payment's", (Step("notify_reordered"),), *_PAID,
           "状态不倒退", "no state goes backwards", qr=True),
    Staged("F12", "通知晚15小时", "the notify comes 15 h late", (Step("notify_15h"),),
           "查询早已得到结论", "a query has decided long before", "迟到的通知不再改变什么", "the late notify changes nothing", qr=True),
    Staged("F13", "通知先于应答", "the notify comes before the reply", (Step("notify_early"),), *_PAID,
           "通知和应答只记一次账", "notify and reply make one posting", channels=("alipay", "unionpay")),
    Staged("F14", "通知金额不对", "the notify names another amount", (Step("notify_wrong_amount"),),
           "按查询的结论显示", "shows what the query proves", "隔离并告警,不答成功", "quarantined, an alarm, never answered as received", qr=True),
    Staged("F15", "平台证书轮换,新旧轮流签名", "platform certificates change: old and new sign by turns", (Step("rotating"),), *_PAID,
           "遇到不认识的证书就去取,再验签;公钥模式和证书模式都一样", "a certificate that is not known is fetched, then the reply is verified: in public-key and in certificate mode",
           channels=("wechatpay",)),
    Staged("F16", "故意的错误签名", "a wrong signature on purpose", (Step("signtest", "pay"),), *_PAID,
           "不相信,再问一次", "not believed; asked again", channels=("wechatpay",)),
    Staged("F17", "账单还没有生成", "the bill is not there yet", (Step("bill_not_ready"),),
           "无影响", "nothing", "取账单的命令说明还没有账单,不当成“没有差异”", "whoever fetches it is told that there is no bill yet, never that nothing differs", bill=True),
    Staged("F17B", "账单文件只到一半", "the bill's file ends in the middle", (Step("bill_cut"),),
           "无影响", "nothing", "整个文件都不采信,说明为什么", "nothing of the file is believed, and it is told why", bill=True),
    Staged("F18", "账单有毒:读不懂的行、重复的行、名称里有逗号", "a poisoned bill: a line that cannot be read, a line again, commas in a name", (Step("bill_poison"),),
           "无影响", "nothing", "坏行按行号列出、不计入,其余照常对账,退出码5", "bad lines are told by their numbers and not counted, the rest is compared; exit code 5", bill=True),
    Staged("F19", "应答里有没见过的状态值", "a state that nobody has ever seen", (Step("unknown_enum", "pay"),),
           "先“确认中”,查询后已到账", "confirming, then paid by a query", "不会当成已到账", "never taken for paid"),
    Staged("F20", "撤销后重收,渠道又把第一笔扣了", "charged again after an undo, and then the first is charged too",
           (Step("success_long_after", "", 90),),
           "多扣的一笔自动退回,并告诉各方", "the surplus charge goes back by itself, and everybody is told",
           "“多扣”记录与退款", "a surplus payment and its refund", payer="hesitates"),
    Staged("F20B", "同一单号扣了两次,只有账单看得出", "one order number was charged twice, and only the bill shows it", (Step("bill_twice"),),
           "无影响", "nothing", "对账列出这一单、两笔的金额和渠道的两个交易号", "the comparison tells the order, what both charges make, and the channel's two numbers", bill=True),
)  # fmt: skip
