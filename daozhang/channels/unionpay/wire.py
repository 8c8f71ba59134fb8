"""ACP 5.1.0, our side: requests written, replies and notifies read (dossier 3.1).

An order is named by our number *and* the time of its request, the same at every repeat, query and reversal. Reading
never raises for what came over the wire: what cannot be believed proves nothing.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from daozhang.channels import form
from daozhang.channels.plug import BadNotify, Heard, Judged, Question
from daozhang.channels.unionpay import sign, verdict
from daozhang.channels.unionpay.account import Account, WrongDoor, open_account
from daozhang.channels.unionpay.file import ask_bill, fetch_bill, read_bill_reply
from daozhang.channels.unionpay.texts import clearing_day, digits, redacted, trace_ms
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import NotSent
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.must import must
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import Exchange, HttpRequest
from daozhang.core.refund import RefundKind

__all__ = [
    "Account", "WrongDoor", "ask_bill", "describe", "fetch_bill", "hear", "judge", "open_account", "read", "read_bill_reply",
    "thanks", "write",
]  # fmt: skip

_FORM = (("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),)
# The documents' own word for "send me no notify".
_NO_NOTIFY = "http://www.specialUrl.com"
_ASKING = (Op.QUERY, Op.REFUND_QUERY)


# -- asking ----------------------------------------------------------------------------------------------------------


def write(account: Account, q: Question) -> HttpRequest:
    """One signed form."""
    order, time = _named(q)
    kind, sub = _kind(q)
    fields = {
        "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "certId": account.cert_id, "bizType": "000000",
        "txnType": kind, "txnSubType": sub, "accessType": account.access_type, "merId": account.mer_id, "orderId": order,
        "txnTime": time, **_content(account, q),
    }  # fmt: skip
    if q.op in _ASKING:
        fields |= {name: value for name, value in account.more.items() if name == "acqInsCode"}
    else:
        fields |= {"channelType": "08", **account.more}
    fields["signature"] = sign.sign(fields, account.key)
    path = "/gateway/api/queryTrans.do" if q.op in _ASKING else "/gateway/api/backTransReq.do"
    return HttpRequest("POST", account.origin + path, _FORM, form.write(fields).encode(), q.deadline_ms)


def _named(q: Question) -> tuple[str, str]:
    """Number and time of the order that the question is about: a refund is an order of its own."""
    if q.refund is not None:
        return out_request_no(q.refund.id), digits(q.refund.created_ms)
    return out_trade_no(q.payment.id), digits(q.payment.created_ms)


def _kind(q: Question) -> tuple[str, str]:
    match q.op:
        case Op.PAY:
            return "01", "06" if q.payment.method is Method.PAY_BY_CODE else "07"
        case Op.REVERSE | Op.CLOSE:
            return "99", "01"
        case Op.REFUND:
            return "31" if _is_undo(q) else "04", "00"
        case _:
            return "00", "00"


def _is_undo(q: Question) -> bool:
    """The cashier's undo: all of the money, on the clearing day of the payment. Everything else is a refund."""
    refund, payment = q.refund, q.payment
    whole = refund is not None and refund.kind is RefundKind.UNDO and refund.amount_fen == payment.amount_fen
    return refund is not None and whole and clearing_day(refund.created_ms) == clearing_day(payment.created_ms)


def _content(account: Account, q: Question) -> dict[str, str]:
    if q.op is Op.REFUND:
        must(q.refund is not None and q.payment.trade_no, "a refund names the channel's number of the payment")
        amount = q.refund.amount_fen if q.refund is not None else 0
        return {"txnAmt": str(amount), "origQryId": q.payment.trade_no, "backUrl": _NO_NOTIFY}
    if q.op is not Op.PAY:
        return {}
    p = q.payment
    content = {"txnAmt": str(p.amount_fen), "currencyCode": "156", "backUrl": q.notify_url or _NO_NOTIFY}
    if account.term_id:
        content["termId"] = account.term_id
    if p.method is Method.PAY_BY_CODE:
        must(q.code, "a code payment is asked with the payer's code")
        return content | {"qrNo": q.code}
    # The channel closes the order too, should nobody of ours be left to reverse it.
    return content | {"payTimeout": digits(p.window_end_ms)}


# -- reading replies ---------------------------------------------------------------------------------------------------


def read(account: Account, q: Question, exchange: Exchange) -> Finding:
    """Certificate and signature first, then order and amount, then what the table says the answer proves."""
    return _read(account, q, exchange).but(trail=exchange.trail)


def _read(account: Account, q: Question, exchange: Exchange) -> Finding:
    if exchange.fault is not None:
        never = isinstance(exchange.fault, NotSent)
        hint = "us.egress" if never else "info.reply_lost"
        return Finding(Proves.NOT_SENT if never else Proves.NOTHING, exchange.fault.code, hint=hint)
    if exchange.status != 200:
        hint = "platform.maintenance" if exchange.status == 503 else "platform.degraded"
        return _nothing(f"HTTP_{exchange.status}", hint, exchange)
    try:
        reply = sign.parse(exchange.body.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError:
        reply = None
    if reply is None or "respCode" not in reply:
        return _nothing("HTTP_BODY_UNREADABLE", "info.reply_unreadable", exchange)
    if not account.believes(reply, q.now_ms):
        return _nothing("RESPONSE_SIGNATURE_INVALID", "info.reply_unreadable", exchange, alarm="signature")
    return _read_verified(account, q, reply)


def _nothing(code: str, hint: str, exchange: Exchange, alarm: str = "") -> Finding:
    raw = {"status": exchange.status, "sha256": sha256(exchange.body).hexdigest(), "bytes": len(exchange.body)}
    return Finding(code=code, hint=hint, alarm=alarm, detail=raw)


def _read_verified(account: Account, q: Question, reply: Mapping[str, str]) -> Finding:
    code, row = verdict.of_reply(q.op, q.payment, q.now_ms, reply)
    text = reply.get("origRespMsg") if code.startswith("orig=") else reply.get("respMsg")
    base = Finding(code=code, text=(text or "")[:256], hint=row.hint, detail=redacted(reply))
    # The order's number is the same in a payment, its query and its reversal: the kind must be the one we asked.
    order, time = _named(q)
    asked = {"merId": account.mer_id, "orderId": order, "txnTime": time, "txnType": _kind(q)[0], "txnSubType": _kind(q)[1]}
    wrong = next((name for name, value in asked.items() if reply.get(name) != value), "")
    if wrong:
        alarm = "seller" if wrong == "merId" else "order_number"
        return base.but(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm=alarm)
    return _with_amounts(q, row.proves, base, reply)


def _with_amounts(q: Question, proves: Proves, base: Finding, reply: Mapping[str, str]) -> Finding:
    """Amounts are whole fen; an answer about another amount proves nothing and raises an alarm."""
    wanted = q.refund.amount_fen if q.refund is not None else q.payment.amount_fen
    told = reply.get("txnAmt") or reply.get("settleAmt") or ""
    if proves in (Proves.CAPTURED, Proves.REFUND_DONE):
        amount = _fen(told)
        if amount != wanted:
            return base.but(code="RESPONSE_MISMATCH", alarm="amount", amount_fen=amount)
    elif "txnAmt" in reply and _fen(told) != wanted:
        return base.but(code="RESPONSE_MISMATCH", alarm="amount", amount_fen=_fen(told))
    if proves is Proves.CAPTURED:
        return _capture(q.payment, base, reply)
    if proves is Proves.SHOWN:
        qr = reply.get("qrCode", "")
        return base.but(proves=proves, qr=qr) if qr else base
    return base.but(proves=proves, trade_no=reply.get("queryId", "")[:64])


def _capture(payment: Payment, base: Finding, fields: Mapping[str, str]) -> Finding:
    """Without the channel's number nothing could ever be given back: then it is asked again."""
    number = fields.get("queryId", "")
    if not (number.isascii() and number.isalnum() and len(number) <= 64):
        return base.but(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm="order_number")
    return base.but(proves=Proves.CAPTURED,
        amount_fen=payment.amount_fen,
        received_fen=_fen(fields.get("settleAmt", "")) or payment.amount_fen,
        trade_no=number,
        paid_ms=trace_ms(fields.get("traceTime"), payment.created_ms),
    )


def _fen(text: str) -> int:
    """0 for what is no amount: no order has it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


# -- hearing notifies --------------------------------------------------------------------------------------------------


def hear(content_type: str, query: str, body: bytes) -> Heard:
    """The form as sent, decoded once. A name that stands twice is refused: who signed which?"""
    try:
        fields = form.read(body)
    except ValueError:
        raise BadNotify("not a form in UTF-8, or a field stands twice") from None
    if not fields.get("merId") or not fields.get("signature") or not fields.get("signPubKeyCert"):
        raise BadNotify("no merId, no signature or no certificate")
    return Heard({"app_id": fields["merId"], "order_no": fields.get("orderId", "")}, fields, body)


def judge(account: Account, heard: Heard, payment: Payment | None) -> Judged:
    """Certificate and signature, then merchant, order and amount, in that order; then the table."""
    fields, order_no = heard.fields, heard.names["order_no"]
    code, row = verdict.look_up("notify", fields.get("respCode", ""))
    detail = redacted(fields) | {"notify_id": f"{fields.get('queryId', '')[:32]}/{code[:8]}"}
    base = Finding(code=code, hint=row.hint, text=row.zh, detail=detail)
    if not account.believes(fields, payment.asked_ms if payment is not None else 0):
        return Judged(False, order_no, base.but(alarm="signature"))
    if fields["merId"] != account.mer_id:
        return Judged(True, order_no, base.but(alarm="seller"))
    if payment is None:
        return Judged(True, order_no, base.but(alarm="order"))
    named = (order_no, fields.get("txnTime"), fields.get("txnType"))
    if named != (out_trade_no(payment.id), digits(payment.created_ms), "01"):
        return Judged(True, order_no, base.but(alarm="order"))
    amount = _fen(fields.get("txnAmt", ""))
    if amount != payment.amount_fen:
        return Judged(True, order_no, base.but(alarm="amount", amount_fen=amount))
    return Judged(True, order_no, _capture(payment, base, fields) if row.proves is Proves.CAPTURED else base)


def thanks(believed: bool) -> tuple[int, str, bytes]:
    """The status says it: 200 ends the repeats, anything else brings the notify again."""
    return (200, "text/plain; charset=utf-8", b"ok") if believed else (500, "text/plain; charset=utf-8", b"again")


def describe(message: bytes) -> dict[str, Any] | None:
    """See `daozhang.channels.unionpay.describe`."""
    from daozhang.channels.unionpay import describe as pages

    return pages.describe(message)
