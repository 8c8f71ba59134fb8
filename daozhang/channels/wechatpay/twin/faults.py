"""Everything that can be made to go wrong on these wires, by one command each; and the channel's own refusals."""

from dataclasses import dataclass
from typing import NamedTuple


class Mode(NamedTuple):
    zh: str
    en: str
    ops: str = ""  # the operations it concerns, when it is not all of them


_ANY_PAY = "pay native"
_ANY_UNDO = "reverse close"
MODES: dict[str, Mode] = {
    "lost_before": Mode("请求在到达前丢失", "the request is lost before it arrives"),
    "lost_after": Mode("已处理,应答丢失", "carried out, the reply is lost"),
    "timeout": Mode("已处理,一直不应答", "carried out, and never answered"),
    "late_reply": Mode("已处理,8秒后才应答", "carried out, answered after 8 s"),
    "late_arrival": Mode("请求20秒后才到达", "the request arrives 20 s late", _ANY_PAY),
    "reset_before": Mode("未处理,连接被断开", "not carried out, the connection is reset"),
    "reset_after": Mode("已处理,连接被断开", "carried out, the connection is reset"),
    "system_error_charged": Mode("系统错误,但已扣款", "system error, and the payer was charged"),
    "system_error_clean": Mode("系统错误,未扣款", "system error, nothing was done"),
    "bank_error_charged": Mode("银行系统异常,但已扣款", "bank error, and the payer was charged", _ANY_PAY),
    "error_500": Mode("已处理,应答 HTTP 500", "carried out, answered with HTTP 500"),
    "brown_out": Mode("半数请求超时、异常或500", "half of all requests time out or fail"),
    "slow": Mode("每次应答慢2秒", "each answer takes 2 s longer"),
    "maintenance": Mode("维护中,HTTP 503", "under maintenance, HTTP 503"),
    "garbage": Mode("应答不是本协议的内容", "the answer is not of this wire"),
    "truncated": Mode("应答只到一半", "half the answer, then closed"),
    "drip": Mode("应答每秒一个字节", "one byte of the answer a second"),
    "forged": Mode("应答签名是伪造的", "the answer is signed by somebody else"),
    "signtest": Mode("微信支付故意发错签名(探测验签)", "a wrong signature on purpose, to see whether we look"),
    "unsigned": Mode("应答没有签名", "the answer is not signed"),
    "wrong_amount_reply": Mode("应答里的金额不对", "the answer names another amount"),
    "wrong_order_reply": Mode("应答里的单号不对", "the answer names another order"),
    "unknown_code": Mode("从未见过的结果码", "a code that nobody has ever seen"),
    "unknown_enum": Mode("应答里有没见过的状态值", "a state that nobody has ever seen, in a signed answer"),
    "new_field": Mode("应答里多了新字段", "a field that nobody has ever seen, in a signed answer"),
    "retyped": Mode("应答里的数字和文字互换", "numbers as texts and texts as numbers, in a signed answer"),
    "nulls": Mode("应答里的字段是空值", "empty values in a signed answer"),
    "not_found": Mode("查询说订单不存在", "the query says that there is no such order", "query"),
    "query_stale": Mode("查询一直说用户支付中", "the query says that the payer has not paid", "query"),
    "typing_forever": Mode("顾客一直在输密码", "the payer types for ever", _ANY_PAY),
    "undo_refused": Mode("支付中不能撤销", "the undo is refused: the payer is paying", _ANY_UNDO),
    "undo_lost": Mode("撤销请求丢失", "the undo is lost", _ANY_UNDO),
    "undo_retry": Mode("撤销要求重试(recall=Y)", "the undo asks to be repeated (recall=Y)", "reverse"),
    "success_after_cancel": Mode("撤销成功后又扣款", "a charge after an accepted undo", _ANY_UNDO),
    "success_long_after": Mode("撤销成功30秒后又扣款", "a charge half a minute after an accepted undo", _ANY_UNDO),
    "undo_race": Mode("撤销与顾客确认同时到达", "the payer confirms in the moment of the undo", _ANY_UNDO),
    "rate_limit": Mode("调用次数超限", "too many calls"),
    "refund_lost": Mode("退款已处理,应答丢失", "the refund is done, the reply is lost", "refund"),
    "refund_no_balance": Mode("商户余额不足,不能退款", "the merchant's balance is too low", "refund"),
    "refund_abnormal": Mode("退款异常,到不了顾客卡里", "the refund cannot reach the payer's card", "refund"),
    "notify_lost": Mode("回调丢失", "callbacks are lost", "notify"),
    "notify_double": Mode("回调重复", "each callback comes twice", "notify"),
    "notify_early": Mode("回调先于应答", "the callback comes before the reply", "notify"),
    "notify_late": Mode("回调晚60秒", "the callback comes 60 s late", "notify"),
    "notify_twenty": Mode("回调一次来20份", "each callback comes twenty times at once", "notify"),
    "notify_reordered": Mode("退款通知先于付款通知", "the refund's callback comes before the payment's", "notify"),
    "notify_15h": Mode("回调晚15小时", "the callback comes 15 hours late", "notify"),
    "notify_wrong_amount": Mode("回调金额不对", "the callback names another amount", "notify"),
    "notify_wrong_seller": Mode("回调商户号不对", "the callback names another merchant", "notify"),
    "notify_wrong_app": Mode("回调AppID不对", "the callback names another app", "notify"),
    "notify_forged": Mode("回调签名是伪造的", "the callback is signed by somebody else", "notify"),
    "notify_signtest": Mode("回调故意带错签名(探测验签)", "a callback with a wrong signature on purpose", "notify"),
    "rotating": Mode("平台证书轮换中:新旧证书轮流签名", "platform certificates are being changed: old and new sign by turns"),
    "clock_skew": Mode("渠道时钟快1小时,拒绝我们的时间戳", "the channel refuses our timestamps"),
    "bill_missing": Mode("对账单少一行", "the bill lacks a line", "bill"),
    "bill_extra": Mode("对账单多一行", "the bill has a line too many", "bill"),
    "bill_amount": Mode("对账单一行金额不对", "a line of the bill names another amount", "bill"),
    "bill_not_ready": Mode("对账单还没有生成", "the bill is not ready yet", "bill"),
    "bill_cut": Mode("对账单只到一半", "the bill ends in the middle", "bill"),
    "bill_twice": Mode("同一单号被扣两次,对账单有两行", "one order number was charged twice, and the bill has two lines", "bill"),
    "bill_poison": Mode("对账单里有读不懂的行和重复的行", "the bill has a line that cannot be read, and a line again", "bill"),
}
_ALIKE = {"cancel": "reverse", "precreate": "native"}
FUZZ = ("unknown_enum", "new_field", "retyped", "nulls")
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
        ops = [_ALIKE.get(word, word) for word in (self.op or MODES[self.mode].ops).split()]
        return (
            now_ms < self.until_ms
            and (not ops or op in ops or ("pay" in ops and op in ("native", "jsapi")))
            and self.order in ("", order)
            and draw < self.share
        )


class Failure(NamedTuple):
    """How one refusal is said on both wires."""

    status: int
    v3: str
    v2: str
    zh: str


FAILURES: dict[str, Failure] = {
    "code_invalid": Failure(400, "AUTH_CODE_INVALID", "AUTH_CODE_INVALID", "101 付款码已过期,请用户刷新后再试"),
    "code_wrong": Failure(400, "AUTH_CODE_INVALID", "AUTH_CODE_INVALID", "请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)"),
    "not_enough": Failure(403, "NOTENOUGH", "NOTENOUGH", "余额不足,请用户换一种支付方式"),
    "rule_limit": Failure(403, "RULE_LIMIT", "RULELIMIT", "超过支付限额"),
    "trade_error": Failure(403, "TRADE_ERROR", "TRADE_ERROR", "交易错误"),
    "account_error": Failure(403, "ACCOUNT_ERROR", "ACCOUNTERROR", "用户账户异常"),
    "system": Failure(500, "SYSTEM_ERROR", "SYSTEMERROR", "系统繁忙,请稍后重试"),
    "bank": Failure(500, "BANK_ERROR", "BANKERROR", "银行系统异常"),
    "param": Failure(400, "PARAM_ERROR", "PARAM_ERROR", "参数错误"),
    "not_mine": Failure(400, "APPID_MCHID_NOT_MATCH", "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配"),
    "number_used": Failure(403, "OUT_TRADE_NO_USED", "OUT_TRADE_NO_USED", "商户订单号重复"),
    "order_paid": Failure(400, "ORDERPAID", "ORDERPAID", "该订单已支付"),
    "order_closed": Failure(400, "ORDER_CLOSED", "ORDERCLOSED", "该订单已关闭"),
    "order_reversed": Failure(400, "ORDER_CLOSED", "ORDERREVERSED", "该订单已撤销"),
    "not_exist": Failure(404, "ORDER_NOT_EXIST", "ORDERNOTEXIST", "订单不存在"),
    "paying": Failure(403, "TRADE_ERROR", "TRADE_ERROR", "支付中不能撤销"),
    "too_early": Failure(400, "INVALID_REQUEST", "INVALID_REQUEST", "支付后15秒内不能撤销"),
    "wrong_undo": Failure(400, "INVALID_REQUEST", "INVALID_REQUEST", "该订单不支持此操作"),
    "too_old": Failure(400, "INVALID_REQUEST", "REVERSE_EXPIRE", "订单无法撤销"),
    "not_paid": Failure(400, "INVALID_REQUEST", "TRADE_STATE_ERROR", "订单未支付,不能退款"),
    "refund_missing": Failure(404, "RESOURCE_NOT_EXISTS", "REFUNDNOTEXIST", "退款单不存在"),
    "refund_balance": Failure(403, "NOT_ENOUGH", "NOTENOUGH", "商户可用退款余额不足"),
    "refund_too_much": Failure(400, "PARAM_ERROR", "PARAM_ERROR", "申请退款金额大于订单可退金额"),
    "refund_changed": Failure(400, "INVALID_REQUEST", "REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致"),
    "too_often": Failure(429, "RATELIMIT_EXCEEDED", "FREQUENCY_LIMITED", "请求超过频率限制"),
    "never_seen": Failure(400, "NEVER_SEEN_BEFORE", "NEVER_SEEN_BEFORE", "?"),
    "no_bill": Failure(400, "NO_STATEMENT_EXIST", "20002", "No Bill Exist"),
}  # fmt: skip


class Failed(Exception):
    """A refusal by name; ``zh`` when the name's own words are not enough."""

    def __init__(self, name: str, zh: str = "") -> None:
        super().__init__(name)
        self.name, self.how = name, FAILURES[name]
        self.zh = zh or self.how.zh
