"""Everything that can be made to go wrong on this wire, by one command each."""

from dataclasses import dataclass
from typing import NamedTuple


class Mode(NamedTuple):
    zh: str
    en: str
    ops: str = ""  # the operations it concerns, when it is not all of them


_ANY_PAY = "pay precreate create"
MODES: dict[str, Mode] = {
    "lost_before": Mode("请求在到达前丢失", "the request is lost before it arrives"),
    "lost_after": Mode("已处理,应答丢失", "carried out, the reply is lost"),
    "timeout": Mode("已处理,一直不应答", "carried out, and never answered"),
    "late_reply": Mode("已处理,8秒后才应答", "carried out, answered after 8 s"),
    "late_arrival": Mode("请求20秒后才到达", "the request arrives 20 s late", _ANY_PAY),
    "reset_before": Mode("未处理,连接被断开", "not carried out, the connection is reset"),
    "reset_after": Mode("已处理,连接被断开", "carried out, the connection is reset"),
    "system_error_charged": Mode("系统异常,但已扣款", "system error, and the payer was charged"),
    "system_error_clean": Mode("系统异常,未扣款", "system error, nothing was done"),
    "error_500": Mode("已处理,应答 HTTP 500", "carried out, answered with HTTP 500"),
    "brown_out": Mode("半数请求超时、异常或500", "half of all requests time out or fail"),
    "slow": Mode("每次应答慢2秒", "each answer takes 2 s longer"),
    "maintenance": Mode("维护中,HTTP 503", "under maintenance, HTTP 503"),
    "garbage": Mode("应答不是本协议的内容", "the answer is not of this wire"),
    "truncated": Mode("应答只到一半", "half the answer, then closed"),
    "drip": Mode("应答每秒一个字节", "one byte of the answer a second"),
    "forged": Mode("应答签名是伪造的", "the answer is signed by somebody else"),
    "unsigned": Mode("应答没有签名", "the answer is not signed"),
    "wrong_amount_reply": Mode("应答里的金额不对", "the answer names another amount"),
    "wrong_order_reply": Mode("应答里的单号不对", "the answer names another order"),
    "unknown_code": Mode("从未见过的结果码", "a code that nobody has ever seen"),
    "unknown_enum": Mode("应答里有没见过的状态值", "a state that nobody has ever seen, in a signed answer"),
    "new_field": Mode("应答里多了新字段", "a field that nobody has ever seen, in a signed answer"),
    "retyped": Mode("应答里的数字和文字互换", "numbers as texts and texts as numbers, in a signed answer"),
    "nulls": Mode("应答里的字段是空值", "empty values in a signed answer"),
    "not_found": Mode("查询说交易不存在", "the query says that there is no such order", "query"),
    "query_stale": Mode("查询一直说等待付款", "the query says that the payer has not paid", "query"),
    "typing_forever": Mode("顾客一直在输密码", "the payer types for ever", _ANY_PAY),
    "undo_refused": Mode("拒绝撤销", "the undo is refused", "cancel close"),
    "undo_lost": Mode("撤销请求丢失", "the undo is lost", "cancel close"),
    "undo_retry": Mode("撤销要求重试", "the undo asks to be repeated", "cancel"),
    "success_after_cancel": Mode("撤销成功后又扣款", "a charge after an accepted undo", "cancel"),
    "success_long_after": Mode("撤销成功30秒后又扣款", "a charge half a minute after an accepted undo", "cancel"),
    "undo_race": Mode("撤销与顾客确认同时到达", "the payer confirms in the moment of the undo", "cancel close"),
    "rate_limit": Mode("调用次数超限", "too many calls"),
    "refund_lost": Mode("退款已处理,应答丢失", "the refund is done, the reply is lost", "refund"),
    "refund_no_balance": Mode("商户余额不足,不能退款", "the seller's balance is too low", "refund"),
    "refund_refused": Mode("拒绝退款", "the refund is refused", "refund"),
    "token_expired": Mode("服务商的授权令牌已过期", "the service provider's token has expired"),
    "bill_missing": Mode("对账单少一行", "the bill lacks a line", "bill"),
    "bill_extra": Mode("对账单多一行", "the bill has a line too many", "bill"),
    "bill_amount": Mode("对账单一行金额不对", "a line of the bill names another amount", "bill"),
    "bill_not_ready": Mode("对账单还没有生成", "the bill is not ready yet", "bill"),
    "bill_cut": Mode("对账单只到一半", "the bill ends in the middle", "bill"),
    "bill_twice": Mode("同一单号被扣两次,对账单有两行", "one order number was charged twice, and the bill has two lines", "bill"),
    "bill_poison": Mode("对账单里有读不懂的行和重复的行", "the bill has a line that cannot be read, and a line again", "bill"),
    "notify_lost": Mode("异步通知丢失", "notifies are lost", "notify"),
    "notify_double": Mode("异步通知重复", "each notify comes twice", "notify"),
    "notify_early": Mode("通知先于应答", "the notify comes before the reply", "notify"),
    "notify_late": Mode("通知晚60秒", "the notify comes 60 s late", "notify"),
    "notify_twenty": Mode("异步通知一次来20份", "each notify comes twenty times at once", "notify"),
    "notify_reordered": Mode("退款通知先于付款通知", "the refund's notify comes before the payment's", "notify"),
    "notify_15h": Mode("异步通知晚15小时", "the notify comes 15 hours late", "notify"),
    "notify_wrong_amount": Mode("通知金额不对", "the notify names another amount", "notify"),
    "notify_wrong_seller": Mode("通知收款方不对", "the notify names another seller", "notify"),
    "notify_wrong_app": Mode("通知应用不对", "the notify names another app", "notify"),
    "notify_forged": Mode("通知签名是伪造的", "the notify is signed by somebody else", "notify"),
    "clock_skew": Mode("渠道时钟快1小时,拒绝我们的时间戳", "the channel refuses our timestamps"),
}
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
