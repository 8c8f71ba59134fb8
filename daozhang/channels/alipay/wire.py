"""The Alipay wire, our side: what is asked, and what replies and notifies prove (dossier 1.2, 1.4); v2 and v3 carry it.

Reading never raises for what came over the wire: what cannot be believed proves nothing.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from daozhang.channels import form
from daozhang.channels.alipay import sign, v2, v3, verdict
from daozhang.channels.alipay.account import Account, WrongDoor, open_account
from daozhang.channels.alipay.bill_link import ask_bill, fetch_bill, read_bill_reply
from daozhang.channels.alipay.envelope import Unbelieved, nothing, unheard
from daozhang.channels.alipay.texts import beijing_ms, redacted
from daozhang.channels.plug import BadNotify, Heard, Judged, Question
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.money import fen_of_yuan, yuan_of_fen
from daozhang.core.must import must
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import Exchange, HttpRequest

__all__ = [
    "Account", "BadNotify", "Judged", "WrongDoor", "ask_bill", "describe", "fetch_bill", "hear", "judge", "open_account", "read",
    "read_bill_reply", "thanks", "write",
]  # fmt: skip

_METHODS = {
    Op.QUERY: "alipay.trade.query",
    Op.REVERSE: "alipay.trade.cancel",
    Op.CLOSE: "alipay.trade.close",
    Op.REFUND: "alipay.trade.refund",
    Op.REFUND_QUERY: "alipay.trade.fastpay.refund.query",
}
_USER_ID = re.compile(r"2088\d{12}", re.ASCII)
# The channel refuses these four in a subject (dossier 1.2).
_SUBJECT = str.maketrans({"/": " ", "=": " ", "&": " ", "\n": " "})


# -- asking ----------------------------------------------------------------------------------------------------------


def write(account: Account, q: Question) -> HttpRequest:
    """One signed request, on the wire that the account speaks."""
    notify_url = q.notify_url if q.op is Op.PAY else ""
    if account.wire == "v3":
        return v3.write(account, _method(q), _biz(q), q.now_ms, q.deadline_ms, notify_url, _nonce(q))
    return v2.write(account, _method(q), _biz(q), q.now_ms, q.deadline_ms, notify_url)


def _nonce(q: Question) -> str:
    """Two requests of one millisecond about one order and operation would be the same request."""
    about = f"{q.op}|{q.payment.id}|{q.refund.id if q.refund is not None else ''}|{q.now_ms}"
    return sha256(about.encode()).hexdigest()[:32]


def _method(q: Question) -> str:
    return f"alipay.trade.{_begun(q)}" if q.op is Op.PAY else _METHODS[q.op]


def _begun(q: Question) -> str:
    """By the payer's code; by a QR for anybody; or (a static plate's page) for the payer who is known already."""
    if q.payment.method is Method.PAY_BY_CODE:
        return "pay"
    return "create" if q.payer else "precreate"


def _biz(q: Question) -> dict[str, str]:
    p = q.payment
    biz = {"out_trade_no": out_trade_no(p.id)}
    if q.op is Op.PAY:
        biz["total_amount"] = yuan_of_fen(p.amount_fen)
        biz["subject"] = (p.subject.translate(_SUBJECT).strip() or "payment")[:128]
        biz["store_id"] = p.store[-32:]
        biz["terminal_id"] = p.till[-32:]
        # The channel closes the order too, should nobody of ours be left to ask it to.
        minutes = (p.window_end_ms - p.asked_ms) // 60_000 + 2
        biz["timeout_express"] = f"{minutes}m"
        begun = _begun(q)
        if begun == "pay":
            must(q.code, "a code payment is asked with the payer's code")
            biz |= {"scene": "bar_code", "auth_code": q.code, "product_code": "FACE_TO_FACE_PAYMENT"}
        elif begun == "create":
            biz |= {
                "product_code": "FACE_TO_FACE_PAYMENT",
                "buyer_id" if _USER_ID.fullmatch(q.payer) else "buyer_open_id": q.payer,
            }
        else:
            biz |= {"product_code": "QR_CODE_OFFLINE", "qr_code_timeout_express": f"{minutes}m"}
    if q.refund is not None:
        biz["out_request_no"] = out_request_no(q.refund.id)
        if q.op is Op.REFUND:
            biz["refund_amount"] = yuan_of_fen(q.refund.amount_fen)
            biz["refund_reason"] = (q.refund.reason or q.refund.kind.value)[:128]
    return biz


# -- reading replies ---------------------------------------------------------------------------------------------------


def read(account: Account, q: Question, exchange: Exchange) -> Finding:
    """Signature first, then order number and amount, then what the table says the answer proves."""
    finding = _read(account, q, exchange)
    return finding.but(trail=exchange.trail)


def _read(account: Account, q: Question, exchange: Exchange) -> Finding:
    lost = unheard(exchange)
    if lost is not None:
        return lost
    try:
        reply = (v3 if account.wire == "v3" else v2).read(account, _method(q), exchange)
    except Unbelieved as why:
        return nothing(why, exchange)
    return _read_verified(q, reply)


def _read_verified(q: Question, reply: dict[str, Any]) -> Finding:
    p = q.payment
    code, row = verdict.of_reply(q.op, _begun(q) if q.op is Op.PAY else "", reply)
    detail = redacted(reply)
    text = str(reply.get("sub_msg") or reply.get("msg") or "")[:256]
    base = Finding(code=code, text=text, hint=row.hint, detail=detail)
    needs_number = row.proves in _NAMES_ORDER
    echoed = reply.get("out_trade_no")
    if echoed != out_trade_no(p.id) and (needs_number or echoed is not None):
        return base.but(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm="order_number")
    try:
        return _with_amounts(q, row.proves, base, reply)
    except (ValueError, TypeError):
        return base.but(hint="info.reply_unreadable", alarm="amount")


# These settle something: the reply must say which order it speaks of.
_NAMES_ORDER = frozenset({
    Proves.CAPTURED, Proves.RETURNED, Proves.CLOSED, Proves.WAITING, Proves.SHOWN, Proves.UNDONE_PAID,
    Proves.UNDONE_UNPAID, Proves.UNDONE_ABSENT, Proves.REFUND_DONE,
})  # fmt: skip


def _with_amounts(q: Question, proves: Proves, base: Finding, reply: dict[str, Any]) -> Finding:
    """Amounts are read exactly; an answer about another amount proves nothing and raises an alarm."""
    p = q.payment
    if proves is Proves.CAPTURED:
        amount = fen_of_yuan(reply["total_amount"]) if "total_amount" in reply else 0
        if amount != p.amount_fen:
            return base.but(code="RESPONSE_MISMATCH", alarm="amount", amount_fen=amount)
        return base.but(proves=proves,
            amount_fen=amount,
            payer_paid_fen=_optional_fen(reply, "buyer_pay_amount", amount),
            received_fen=_optional_fen(reply, "receipt_amount", amount),
            trade_no=str(reply.get("trade_no", ""))[:64],
            paid_ms=beijing_ms(reply.get("gmt_payment") or reply.get("send_pay_date")),
        )
    if proves is Proves.SHOWN:
        qr = reply.get("trade_no" if _begun(q) == "create" else "qr_code")
        return base.but(proves=proves, qr=qr) if isinstance(qr, str) and qr else base
    if proves is Proves.REFUND_DONE and q.refund is not None and q.op is Op.REFUND_QUERY:
        same = reply.get("out_request_no") == out_request_no(q.refund.id)
        if not same or fen_of_yuan(str(reply.get("refund_amount", ""))) != q.refund.amount_fen:
            return base.but(code="RESPONSE_MISMATCH", alarm="amount")
    return base.but(proves=proves, trade_no=str(reply.get("trade_no", ""))[:64])


def _optional_fen(reply: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = reply.get(key)
    return fen_of_yuan(value) if isinstance(value, str) and value else otherwise


# -- hearing notifies --------------------------------------------------------------------------------------------------


def hear(content_type: str, query: str, body: bytes) -> Heard:
    """The form as sent, decoded once. A key that stands twice is refused: who signed which?"""
    try:
        fields = form.read(body)
    except ValueError:
        raise BadNotify("not a form in UTF-8, or a field stands twice") from None
    if not fields.get("app_id") or not fields.get("sign"):
        raise BadNotify("no app_id or no sign")
    return Heard({"app_id": fields["app_id"], "order_no": fields.get("out_trade_no", "")}, fields, body)


def judge(account: Account, heard: Heard, payment: Payment | None) -> Judged:
    """Signature, then application and seller, order and amount, in that order; then the table."""
    fields = heard.fields
    order_no = fields.get("out_trade_no", "")
    detail = redacted(fields)
    status = fields.get("trade_status", "")
    code, row = verdict.look_up("notify", status)
    base = Finding(code=code, hint=row.hint, text=row.zh, detail=detail)
    if fields.get("sign_type") != "RSA2":
        return Judged(False, order_no, base.but(alarm="sign_type"))
    message = sign.canonical_notify(fields).encode()
    if not any(sign.holds(message, fields["sign"], key) for key in account.alipay_keys.values()):
        return Judged(False, order_no, base.but(alarm="signature"))
    if fields.get("app_id") != account.app_id:
        return Judged(True, order_no, base.but(alarm="app"))
    if account.auth_app_id and fields.get("auth_app_id") != account.auth_app_id:
        return Judged(True, order_no, base.but(alarm="app"))
    if fields.get("seller_id") != account.seller_id:
        return Judged(True, order_no, base.but(alarm="seller"))
    if payment is None:
        return Judged(True, order_no, base.but(alarm="order"))
    try:
        amount = fen_of_yuan(fields.get("total_amount", ""))
    except ValueError:
        return Judged(True, order_no, base.but(alarm="amount"))
    if amount != payment.amount_fen:
        return Judged(True, order_no, base.but(alarm="amount", amount_fen=amount))
    return Judged(True, order_no, _notified(base, row.proves, fields, amount), "refund_fee" in fields)


def _notified(base: Finding, proves: Proves, fields: Mapping[str, str], amount: int) -> Finding:
    if proves is not Proves.CAPTURED:
        return base
    try:
        return base.but(proves=proves,
            amount_fen=amount,
            payer_paid_fen=_optional_fen(fields, "buyer_pay_amount", amount),
            received_fen=_optional_fen(fields, "receipt_amount", amount),
            trade_no=fields.get("trade_no", "")[:64],
            paid_ms=beijing_ms(fields.get("gmt_payment")),
        )
    except ValueError:
        return base.but(alarm="amount")


def thanks(believed: bool) -> tuple[int, str, bytes]:
    """The seven bytes that stop the repeats; anything else brings the notify again."""
    return 200, "text/plain; charset=utf-8", b"success" if believed else b"fail"


def describe(message: bytes) -> dict[str, Any] | None:
    """See `daozhang.channels.alipay.describe`."""
    from daozhang.channels.alipay import describe as pages

    return pages.describe(message)
