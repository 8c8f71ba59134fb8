"""What a cashier scanned when it was no payment code: which mistake it is, and what to do, at once and without asking anybody.

The order of the questions matters: a goods barcode is known by its check digit before its first digits are looked at (labels
from a shop's own scales begin with 2 as Alipay's codes do).
"""

import re
from enum import StrEnum
from typing import NamedTuple


class Mistake(StrEnum):
    """Programs see these words as ``scanned``."""

    GOODS_BARCODE = "goods_barcode"
    OWN_RECEIPT = "own_receipt"
    DEVICE_SERIAL = "device_serial"
    MONEY_TRANSFER = "money_transfer"
    SHOPS_QR = "shops_qr"
    LINK = "link"
    DIGITAL_YUAN = "digital_yuan"
    CUT_CODE = "cut_code"
    OLD_CODE = "old_code"
    UNKNOWN_CODE = "unknown_code"


class Words(NamedTuple):
    """What it is, and what to do now."""

    zh: str
    en: str
    step_zh: str
    step_en: str


WORDS: dict[Mistake, Words] = {
    Mistake.GOODS_BARCODE: Words(
        "这是商品条码,不是付款码", "this is a goods barcode, not a payment code",
        "把扫码枪对准顾客手机上的付款码", "point the scanner at the payment code on the payer's phone"),
    Mistake.OWN_RECEIPT: Words(
        "这是小票上的单号,不是付款码", "this is a number from a receipt, not a payment code",
        "收款请扫顾客的付款码;查这笔交易请用“查找”", "to charge, scan the payer's payment code; to look the payment up, use find"),
    Mistake.DEVICE_SERIAL: Words(
        "这是设备序列号,不是付款码", "this is a device's serial number, not a payment code",
        "收款请扫顾客的付款码;绑定设备请到设备页", "to charge, scan the payer's payment code; devices are enrolled elsewhere"),
    Mistake.MONEY_TRANSFER: Words(
        "这是个人收款码(转账用),不是付款码", "this is a code for receiving transfers, not a payment code",
        "请顾客打开“付款码”(不是“收款码”)再扫", "ask the payer to open the payment code, not the receiving code, and scan again"),
    Mistake.SHOPS_QR: Words(
        "这是商家收款的二维码,不是付款码", "this is a shop's QR for collecting, not a payment code",
        "请顾客用手机扫它,或改扫顾客的付款码", "let the payer scan it, or scan the payer's payment code instead"),
    Mistake.LINK: Words(
        "这是网址,不是付款码", "this is a link, not a payment code",
        "请顾客打开钱包里的付款码再扫", "ask the payer to open the payment code in the wallet and scan again"),
    Mistake.DIGITAL_YUAN: Words(
        "这是数字人民币的付款码,本店暂不支持", "this is a payment code of the digital yuan, which is not taken here",
        "请顾客换支付宝、微信或云闪付付款", "ask the payer to pay with Alipay, WeChat or UnionPay"),
    Mistake.CUT_CODE: Words(
        "付款码没有扫完整,位数不对", "the payment code was not read whole: its length is wrong",
        "请顾客刷新付款码、调亮屏幕,再扫一次", "ask the payer to refresh the code and brighten the screen, and scan again"),
    Mistake.OLD_CODE: Words(
        "这个付款码几分钟前已经出示过,现在已失效:可能是截图", "this code was already shown some minutes ago and is dead now: perhaps a screenshot",
        "请顾客打开钱包刷新付款码,不要用截图", "ask the payer to open the wallet and refresh the code; a screenshot does not work"),
    Mistake.UNKNOWN_CODE: Words(
        "不是可识别的付款码,请刷新后再扫", "not a payment code we know; refresh it and scan again",
        "请顾客打开支付宝、微信或云闪付的付款码再扫", "ask the payer to open the payment code of Alipay, WeChat or UnionPay and scan again"),
}  # fmt: skip

_OWN = re.compile(r"DZ[0-9A-HJKMNP-TV-Z]{26}|(?:pay|rfd|ord)_[0-9A-Za-z]+", re.ASCII)
_PAGE = re.compile(r"https?://[^\s/]+/p/([0-7][0-9A-HJKMNP-TV-Z]{25})[A-Z2-7]{26}", re.ASCII)
_DEVICE = re.compile(r"SN[-: ].+|(?:dev|spk)_[0-9A-Za-z]+", re.ASCII)
_LINK = re.compile(r"[a-z][a-z0-9+.-]*://|www\.", re.ASCII | re.IGNORECASE)
_GOODS_DIGITS = (8, 12, 13, 14)  # EAN-8, UPC-A, EAN-13 (ISBN among them), the code on cartons
_DIGITAL_YUAN_DIGITS = (19, 20)
_LEAST_OF_A_CODE, _MOST_OF_A_CODE = 8, 40


def name_mistake(text: str, known: str, prefixes: tuple[str, ...]) -> Mistake:
    """What ``text``, which no channel takes, is.

    ``known``: what a channel's own manifest calls it ("" when none knows it); ``prefixes``: those of all payment codes.
    """
    digits = text.isascii() and text.isdigit()
    if digits and len(text) in _GOODS_DIGITS and has_check_digit(text):
        return Mistake.GOODS_BARCODE
    if known:
        return Mistake(known)
    if _OWN.fullmatch(text) or number_of_page(text):
        return Mistake.OWN_RECEIPT
    if _DEVICE.fullmatch(text):
        return Mistake.DEVICE_SERIAL
    if _LINK.match(text):
        return Mistake.LINK
    if digits and text.startswith("01") and len(text) in _DIGITAL_YUAN_DIGITS:
        return Mistake.DIGITAL_YUAN
    if digits and text.startswith(prefixes) and _LEAST_OF_A_CODE <= len(text) <= _MOST_OF_A_CODE:
        return Mistake.CUT_CODE
    return Mistake.UNKNOWN_CODE


def number_of_page(text: str) -> str:
    """Our order number when this is the address of a payer's page, which a receipt's QR holds; "" when it is none."""
    found = _PAGE.fullmatch(text)
    return f"DZ{found[1]}" if found else ""


def has_check_digit(digits: str) -> bool:
    """The last digit of a goods barcode: weights 3 and 1 from the right, to a multiple of ten."""
    return sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(reversed(digits))) % 10 == 0
