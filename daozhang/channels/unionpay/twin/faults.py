"""Everything that can be made to go wrong on this wire, by one command each; and the words of the gateway's codes."""

from dataclasses import dataclass
from typing import NamedTuple


class Mode(NamedTuple):
    zh: str
    en: str
    ops: str = ""  # the operations it concerns, when it is not all of them


_ANY_PAY = "pay apply"
MODES: dict[str, Mode] = {
    "lost_before": Mode("请求在到达前丢失", "the request is lost before it arrives"),
    "lost_after": Mode("已处理,应答丢失", "carried out, the reply is lost"),
    "timeout": Mode("已处理,一直不应答", "carried out, and never answered"),
    "late_reply": Mode("已处理,8秒后才应答", "carried out, answered after 8 s"),
    "late_arrival": Mode("请求20秒后才到达", "the request arrives 20 s late", _ANY_PAY),
    "reset_before": Mode("未处理,连接被断开", "not carried out, the connection is reset"),
    "reset_after": Mode("已处理,连接被断开", "carried out, the connection is reset"),
    "system_error_charged": Mode("应答04,但已受理", "answered with 04, and carried out"),
    "system_error_clean": Mode("应答04,未受理", "answered with 04, nothing was done"),
    "error_500": Mode("已处理,应答 HTTP 500", "carried out, answered with HTTP 500"),
    "brown_out": Mode("半数请求超时、异常或500", "half of all requests time out or fail"),
    "slow": Mode("每次应答慢2秒", "each answer takes 2 s longer"),
    "maintenance": Mode("维护中,HTTP 503", "under maintenance, HTTP 503"),
    "garbage": Mode("应答不是本协议的内容", "the answer is not of this wire"),
    "truncated": Mode("应答只到一半", "half the answer, then closed"),
    "drip": Mode("应答每秒一个字节", "one byte of the answer a second"),
    "forged": Mode("应答签名对不上", "the signature is of another message"),
    "stranger": Mode("应答用自造证书签名", "the answer is signed with a home-made certificate"),
    "wrong_company": Mode("应答证书属于别的公司", "the certificate of the answer names another company"),
    "unsigned": Mode("应答没有签名", "the answer is not signed"),
    "wrong_amount_reply": Mode("应答里的金额不对", "the answer names another amount"),
    "wrong_order_reply": Mode("应答里的单号不对", "the answer names another order"),
    "unknown_code": Mode("从未见过的应答码", "a code that nobody has ever seen"),
    "unknown_enum": Mode("应答里有没见过的状态值", "a state that nobody has ever seen, in a signed answer"),
    "new_field": Mode("应答里多了新字段", "a field that nobody has ever seen, in a signed answer"),
    "retyped": Mode("应答里的金额写成了元", "amounts as yuan with a point, in a signed answer"),
    "nulls": Mode("应答里的字段是空值", "empty values in a signed answer"),
    "not_found": Mode("查询说查无此交易", "the query says that there is no such order", "query"),
    "query_stale": Mode("查询一直说等待付款", "the query says that the payer has not paid", "query"),
    "query_unknown": Mode("查询一直说状态未明(04)", "the query says that the state is unknown (04)", "query"),
    "typing_forever": Mode("顾客一直在输密码", "the payer types for ever", _ANY_PAY),
    "undo_refused": Mode("拒绝冲正", "the reversal is refused", "reverse"),
    "undo_lost": Mode("冲正请求丢失", "the reversal is lost", "reverse"),
    "undo_retry": Mode("冲正状态未明,未执行", "the reversal's state is unknown, and it was not done", "reverse"),
    "success_after_cancel": Mode("冲正成功后又扣款", "a charge after an accepted reversal", "reverse"),
    "success_long_after": Mode("冲正成功30秒后又扣款", "a charge half a minute after an accepted reversal", "reverse"),
    "undo_race": Mode("撤销与顾客确认同时到达", "the payer confirms in the moment of the undo", "reverse"),
    "rate_limit": Mode("操作过于频繁(37)", "asked too often (37)"),
    "refund_lost": Mode("退货已处理,应答丢失", "the refund is done, the reply is lost", "refund undo"),
    "notify_lost": Mode("后台通知丢失", "notifies are lost", "notify"),
    "notify_double": Mode("后台通知重复", "each notify comes twice", "notify"),
    "notify_early": Mode("通知先于应答", "the notify comes before the reply", "notify"),
    "notify_late": Mode("通知晚60秒", "the notify comes 60 s late", "notify"),
    "notify_twenty": Mode("后台通知一次来20份", "each notify comes twenty times at once", "notify"),
    "notify_reordered": Mode("退款通知先于付款通知", "the refund's notify comes before the payment's", "notify"),
    "notify_15h": Mode("后台通知晚15小时", "the notify comes 15 hours late", "notify"),
    "notify_wrong_amount": Mode("通知金额不对", "the notify names another amount", "notify"),
    "notify_wrong_seller": Mode("通知商户号不对", "the notify names another merchant", "notify"),
    "notify_forged": Mode("通知签名对不上", "the notify's signature is of another message", "notify"),
    "notify_stranger": Mode("通知用自造证书签名", "the notify is signed with a home-made certificate", "notify"),
    "clock_skew": Mode("渠道时钟不对,拒绝我们的时间", "the channel refuses our times", _ANY_PAY),
    "bill_missing": Mode("对账文件少一行", "the settlement file lacks a line", "file"),
    "bill_extra": Mode("对账文件多一行", "the settlement file has a line too many", "file"),
    "bill_amount": Mode("对账文件有一行金额不对", "a line of the settlement file has another amount", "file"),
    "bill_not_ready": Mode("对账文件还没有生成", "the settlement file is not there yet", "file"),
    "bill_cut": Mode("对账文件只到一半", "the settlement file ends in the middle", "file"),
    "bill_twice": Mode("同一单号被扣两次,对账文件有两行", "one order number was charged twice, and the settlement file has two lines", "file"),
    "bill_poison": Mode("对账文件里有读不懂的行和重复的行", "the settlement file has a line that cannot be read, and a line again", "file"),
}
WORDS = {
    "00": "成功[0000000]", "A6": "有缺陷的成功", "04": "交易状态未明,请查询对账结果", "05": "交易已受理,请稍后查询交易结果",
    "12": "重复交易", "33": "交易金额超限", "34": "查无此交易", "35": "原交易不存在或状态不正确", "36": "与原交易信息不符",
    "37": "已超过最大查询次数或操作过于频繁", "38": "银联风险受限", "39": "交易不在受理时间范围内", "60": "交易失败,详情请咨询您的发卡行",
    "61": "输入的卡号无效,请确认后输入", "63": "卡状态不正确", "64": "卡上的余额不足", "67": "密码输入次数超限", "69": "您的输入超时,交易失败",
    "73": "支付卡已超过有效期", "98": "文件不存在",
}  # fmt: skip


class Failed(Exception):
    """A business failure: one of the gateway's codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


CHARGED_AFTER_MS = {"success_after_cancel": 2_000, "success_long_after": 30_000}  # after an accepted undo
COPIES = {"notify_double": 2, "notify_twenty": 20}


def held_back(mode: str, about_payment: bool) -> int:
    """How long a fault keeps a notify back (ms), once; only that of the payment, when the order is turned round."""
    if mode == "notify_reordered" and not about_payment:
        return 0
    return {"notify_late": 60_000, "notify_reordered": 60_000, "notify_15h": 15 * 3_600_000}.get(mode, 0)


@dataclass
class Chaos:
    """One mode that is on."""

    mode: str
    share: float
    until_ms: int
    op: str
    order: str

    def concerns(self, op: str, order: str, now_ms: int, draw: float) -> bool:
        ops = self.op or MODES[self.mode].ops
        return (
            now_ms < self.until_ms
            and (not ops or op in ops.split())
            and self.order in ("", order)
            and draw < self.share
        )
