"""Payers and their phones: what a payer does with a code or a QR, in both languages."""

from typing import NamedTuple


class Behaviour(NamedTuple):
    """``now``: paid, typing, or a code that the payment fails with. Then, after so long, the payer acts.

    A failure is told by the query: the gateway's reply says only that the payment was taken.
    """

    zh: str
    en: str
    now: str = "paid"
    after_ms: int = 0
    act: str = ""


BEHAVIOURS: dict[str, Behaviour] = {
    "pays": Behaviour("马上付成功(超过1000元要输密码)", "pays at once (over 1000 yuan a password is asked)"),
    "types_password": Behaviour("8秒后输对密码", "types the right password after 8 s", "typing", 8_000, "pay"),
    "types_slowly": Behaviour("25秒后输对密码", "types the right password after 25 s", "typing", 25_000, "pay"),
    "mistypes_then_pays": Behaviour("先输错,15秒后输对", "mistypes, then the right one after 15 s", "typing", 15_000, "pay"),
    "pays_at_deadline": Behaviour("第59秒才付", "pays at second 59", "typing", 59_000, "pay"),
    "wrong_password": Behaviour("密码输错次数超限", "types a wrong password too often", "typing", 12_000, "67"),
    "hesitates": Behaviour("一直犹豫,不付也不取消", "hesitates, neither pays nor cancels", "typing"),
    "cancels": Behaviour("6秒后取消支付", "cancels after 6 s", "typing", 6_000, "69"),
    "defective": Behaviour("有缺陷的成功(A6)", "a defective success (A6)", "A6"),
    "no_balance": Behaviour("余额不足", "balance too low", "64"),
    "card_declined": Behaviour("发卡行拒绝", "the issuing bank declines", "60"),
    "card_expired": Behaviour("银行卡已过期", "the card has expired", "73"),
    "single_limit": Behaviour("超过单笔限额", "over the limit of one payment", "33"),
    "frozen": Behaviour("卡状态不正确", "the card is not in order", "63"),
    "risk": Behaviour("被风控拒绝", "refused by risk control", "38"),
    "code_expired": Behaviour("付款码无效或已过期", "the code is used or has expired", "61"),
}
PASSWORD_OVER_FEN = 100_000


def of(name: str, amount_fen: int) -> Behaviour:
    """The behaviour for this amount: a large one asks everybody for a password."""
    found = BEHAVIOURS[name]
    return BEHAVIOURS["types_password"] if found.now == "paid" and amount_fen > PASSWORD_OVER_FEN else found
