"""What a receipt says, for 58 and 80 mm paper: proven payments, and the slip for one that is not proven yet (待查小票).

Texts of strangers are printed as text: whatever could steer a printer or turn a line around is taken out here, once, for
every form of the receipt.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from daozhang.core.ids import out_trade_no
from daozhang.core.money import yuan_of_fen
from daozhang.core.payment import Method, Payment
from daozhang.core.texts import rfc3339
from daozhang.core.verdict import Verdict, judge
from daozhang.devices.announcing import WALLETS

COLUMNS = {58: 32, 80: 48}
_EIGHT_HOURS_MS = 8 * 3_600_000
_STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")

_TITLES = {
    Verdict.PAID: ("收款凭证", "RECEIPT"),
    Verdict.NOT_PAID: ("未收款", "NOT PAID"),
    Verdict.RETURNED: ("已撤销", "UNDONE"),
}
_PROOF_SLIP = ("待查小票", "PAYMENT BEING CHECKED")
_SAYS = {
    Verdict.PAID: ("收款成功", "Paid"),
    Verdict.NOT_PAID: ("没收到钱", "Not paid"),
    Verdict.RETURNED: ("已撤销,钱退顾客", "Undone: the money goes back to the payer"),
    Verdict.WAITING_CUSTOMER: ("等顾客付款", "Waiting for the payer"),
    Verdict.CHECKING: ("正在核实,请勿重复付款", "Being checked: do not pay again"),
    Verdict.LATER: ("暂无结果,请勿重复付款", "No result yet: do not pay again"),
}
_SCAN = {
    False: ("扫码看这笔付款:", "Scan to see this payment:"),
    True: ("扫码看最新结果,请勿重复付款:", "Scan to see the result; do not pay again:"),
}
_WAYS = {Method.PAY_BY_CODE: ("付款码", "payer's code"), Method.PAY_BY_QR: ("扫码", "shop's QR"),
         Method.PLATE: ("码牌", "code plate")}


_NEVER_FIRST = "。,、;:?!)」』》”’"  # no line begins with one of these


def clean(text: str) -> str:
    """A stranger's text, fit for paper: no control bytes, no invisible or turning marks, no letters beyond the paper's."""
    return _BEYOND.sub("□", _STEERS.sub("?", text))


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a text, or a name and a value at the two edges. ``style``: "", title, big."""

    left: str
    right: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """``qr``: the address of the payer's page; a till that scans it finds the payment. ``slip``: nothing is proven yet."""

    rows: tuple[Row, ...]
    qr: str
    slip: bool
    lang: str = "zh"


def receipt_of(payment: Payment, merchant: str, store: str, now_ms: int, lang: str, page: str) -> Receipt:
    """The receipt for what is known now. ``page``: the payer's page of it, which goes on to tell what becomes known later."""
    at = 0 if lang == "zh" else 1
    judged = judge(payment)
    slip = judged.verdict not in _TITLES
    title = _TITLES.get(judged.verdict, _PROOF_SLIP)[at]
    wallet = WALLETS.get(payment.channel, (payment.channel, payment.channel))[at]

    def say(zh: str, en: str) -> str:
        return zh if at == 0 else en

    rows = [
        Row(title, style="title"), Row(clean(store or merchant)), Row(""),
        Row(f"{yuan_of_fen(payment.amount_fen)} {say('元', 'CNY')}", style="big"),
        Row(_SAYS[judged.verdict][at]), Row(""),
        Row(say("商品", "For"), clean(payment.subject)), Row(say("支付方式", "Paid with"), f"{wallet} {_WAYS[payment.method][at]}"),
        Row(say("商户单号", "Order"), clean(payment.merchant_order_no)), Row(say("支付单号", "Payment"), out_trade_no(payment.id)),
    ]  # fmt: skip
    if payment.trade_no:
        rows.append(Row(say("渠道单号", "Channel no."), clean(payment.trade_no)))
    rows.append(Row(say("时间", "Time"), wall(payment.received_ms or payment.created_ms)))
    if payment.refunded_fen:
        rows.append(Row(say("已退", "Refunded"), yuan_of_fen(payment.refunded_fen)))
    if slip:
        rows += [Row(""), *(Row(text) for text in _slip_words(judged.resolve_by_ms, at))]
    rows += [Row(say("打印", "Printed"), wall(now_ms)), Row(""), Row(_SCAN[slip][at])]
    return Receipt(tuple(rows), page, slip, lang)


def _slip_words(by_ms: int, at: int) -> tuple[str, ...]:
    when = wall(by_ms)[11:] if by_ms else ""
    if at == 0:
        by = f"我们会在 {when} 前再次查证。" if when else "我们会继续查证,最迟以次日账单为准。"
        return ("本单尚未查到结果,不是收款凭证。", by, "如已扣款而未成交,款项会原路退回。")
    by = f"We ask again before {when}." if when else "We keep asking; the next day's bill decides at the latest."
    return ("No result yet: this is no receipt.", by, "Money taken for a sale that fails goes back the way it came.")


def wall(at_ms: int) -> str:
    """The time on the shop's wall (+08:00), to the second."""
    text = rfc3339(at_ms + _EIGHT_HOURS_MS) or ""
    return text[:19].replace("T", " ")


# -- plain text --------------------------------------------------------------------------------------------------------------


def width(text: str) -> int:
    """Columns on paper: Chinese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def wrapped(text: str, columns: int) -> list[str]:
    """Broken wherever the paper ends; never wider than it. A closing mark takes the letter before it along."""
    lines, line, used = [], "", 0
    for letter in text:
        takes = width(letter)
        if used + takes > columns:
            along = line[-1:] if letter in _NEVER_FIRST and len(line) > 1 else ""
            lines.append(line.removesuffix(along))
            line, used = along, width(along)
        line, used = line + letter, used + takes
    return [*lines, line]


def lines_of(row: Row, columns: int) -> list[str]:
    if not row.right:
        return wrapped(row.left, columns)
    gap = columns - width(row.left) - width(row.right)
    if gap >= 1:
        return [row.left + " " * gap + row.right]
    return [*wrapped(row.left, columns), *(" " * (columns - width(part)) + part for part in wrapped(row.right, columns))]


def text_of(receipt: Receipt, columns: int) -> str:
    """The receipt as plain text."""
    lines: list[str] = []
    for row in receipt.rows:
        found = lines_of(row, columns)
        centred = row.style in ("title", "big")
        lines += [(" " * ((columns - width(line)) // 2) + line) if centred else line for line in found]
    return "\n".join([*lines, *wrapped(receipt.qr, columns), ""])


def pictured(rows: Sequence[Row]) -> list[dict[str, str]]:
    """For programs that lay it out themselves."""
    return [{"left": row.left, "right": row.right, "style": row.style} for row in rows]
