"""Payers and their phones: what a payer does with a code or a QR, in both languages."""

from typing import NamedTuple


class Behaviour(NamedTuple):
    """``reply`` to the pay request: paid, typing, or a refusing sub_code. Then, after so long, the payer acts."""

    zh: str
    en: str
    reply: str = "paid"
    after_ms: int = 0
    act: str = ""


BEHAVIOURS: dict[str, Behaviour] = {
    "pays": Behaviour("马上付成功(超过1000元要输密码)", "pays at once (over 1000 yuan a password is asked)"),
    "types_password": Behaviour("8秒后输对密码", "types the right password after 8 s", "typing", 8_000, "pay"),
    "types_slowly": Behaviour("25秒后输对密码", "types the right password after 25 s", "typing", 25_000, "pay"),
    "mistypes_then_pays": Behaviour(
        "先输错,15秒后输对", "mistypes, then the right one after 15 s", "typing", 15_000, "pay"
    ),
    "pays_at_deadline": Behaviour("第59秒才付", "pays at second 59", "typing", 59_000, "pay"),
    "wrong_password": Behaviour("一直输错密码", "never finds the right password", "typing"),
    "hesitates": Behaviour("一直犹豫,不付也不取消", "hesitates, neither pays nor cancels", "typing"),
    "cancels": Behaviour("6秒后取消支付", "cancels after 6 s", "typing", 6_000, "cancel"),
    "no_balance": Behaviour("余额不足", "balance too low", "ACQ.BUYER_BALANCE_NOT_ENOUGH"),
    "card_no_balance": Behaviour("银行卡余额不足", "card balance too low", "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH"),
    "card_declined": Behaviour("银行卡被拒绝", "the bank declines the card", "ACQ.BUYER_BANKCARD_DECLINED"),
    "day_limit": Behaviour("超过日限额", "over the daily limit", "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR"),
    "month_limit": Behaviour("超过月限额", "over the monthly limit", "ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR"),
    "code_expired": Behaviour("付款码已过期", "the code has expired", "ACQ.PAYMENT_AUTH_CODE_INVALID"),
    "frozen": Behaviour("付款账户被限制", "the payer's account is restricted", "ACQ.BUYER_ENABLE_STATUS_FORBID"),
    "risk": Behaviour("被风控拒绝", "refused by risk control", "ACQ.PAYMENT_REQUEST_HAS_RISK"),
}
PASSWORD_OVER_FEN = 100_000
REFUSED = "refused:"


def of(name: str, amount_fen: int) -> Behaviour:
    """The behaviour for this amount: a large one asks everybody for a password. ``refused:CODE``: this very refusal."""
    if name.startswith(REFUSED):
        return Behaviour("渠道拒绝了这笔", "the channel refuses this one", name.removeprefix(REFUSED))
    found = BEHAVIOURS[name]
    return BEHAVIOURS["types_password"] if found.reply == "paid" and amount_fen > PASSWORD_OVER_FEN else found
