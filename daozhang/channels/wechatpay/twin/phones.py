"""Payers and their phones: what a payer does with a code or a QR, in both languages."""

from typing import NamedTuple


class Behaviour(NamedTuple):
    """``reply`` to the pay request: paid, typing, or the name of a failure. Then, after so long, the payer acts."""

    zh: str
    en: str
    reply: str = "paid"
    after_ms: int = 0
    act: str = ""
    bank: str = "OTHERS"
    coupon_fen: int = 0


BEHAVIOURS: dict[str, Behaviour] = {
    "pays": Behaviour("马上付成功(超过1000元要输密码)", "pays at once (over 1000 yuan a password is asked)"),
    "pays_by_card": Behaviour("用银行卡付,退款要等", "pays by card: a refund takes its time", bank="CMB_DEBIT"),
    "pays_with_coupon": Behaviour("用了1元商家券", "uses a merchant's coupon of 1 yuan", coupon_fen=100),
    "types_password": Behaviour("8秒后输对密码", "types the right password after 8 s", "typing", 8_000, "pay"),
    "types_slowly": Behaviour("25秒后输对密码", "types the right password after 25 s", "typing", 25_000, "pay"),
    "mistypes_then_pays": Behaviour(
        "先输错,15秒后输对", "mistypes, then the right one after 15 s", "typing", 15_000, "pay"
    ),
    "pays_at_deadline": Behaviour("第44秒才付", "pays at second 44", "typing", 44_000, "pay"),
    "pays_too_late": Behaviour("第52秒才付,撤销赶在前面", "would pay at second 52: the undo is faster", "typing", 52_000, "pay"),
    "wrong_password": Behaviour("一直输错密码", "never finds the right password", "typing"),
    "hesitates": Behaviour("一直犹豫,不付也不取消", "hesitates, neither pays nor cancels", "typing"),
    "cancels": Behaviour("6秒后取消支付", "cancels after 6 s", "typing", 6_000, "cancel"),
    "bank_fails": Behaviour("输密码后银行扣款失败", "the bank fails after the password", "typing", 6_000, "fail"),
    "no_balance": Behaviour("余额不足", "balance too low", "not_enough"),
    "card_declined": Behaviour("交易被拒绝", "the trade is refused", "trade_error"),
    "day_limit": Behaviour("超过限额", "over a limit", "rule_limit"),
    "code_expired": Behaviour("付款码已过期", "the code has expired", "code_invalid"),
    "frozen": Behaviour("付款账户异常", "the payer's account is abnormal", "account_error"),
    "bank_timeout": Behaviour("银行系统异常,未扣款", "a fault at the bank, nothing charged", "bank"),
}
PASSWORD_OVER_FEN = 100_000
CARD_OF = "card:"


def of(name: str, amount_fen: int) -> Behaviour:
    """The behaviour for this amount: a large one asks everybody for a password. ``card:BANK_TYPE``: pays by this bank's card."""
    found = BEHAVIOURS["pays"]._replace(bank=name.removeprefix(CARD_OF)) if name.startswith(CARD_OF) else BEHAVIOURS[name]
    large = found.reply == "paid" and amount_fen > PASSWORD_OVER_FEN
    return BEHAVIOURS["types_password"]._replace(bank=found.bank, coupon_fen=found.coupon_fen) if large else found
