"""The XML wire of v2, our side (dossier 2.1). A reply's own signature is looked at before anything in it is believed."""

from collections.abc import Mapping
from typing import Any

from daozhang.channels.plug import BadNotify, Heard, Judged, Question
from daozhang.channels.table import Row
from daozhang.channels.wechatpay import plate, sign, v3, verdict, xml
from daozhang.channels.wechatpay.account import Account
from daozhang.channels.wechatpay.texts import digits_beijing, ms_of_digits, redacted
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.must import must
from daozhang.core.payment import Method, Payment, Undone
from daozhang.core.ports import Exchange, HttpRequest

_PATHS = {
    Op.QUERY: "/pay/orderquery",
    Op.REVERSE: "/secapi/pay/reverse",
    Op.CLOSE: "/pay/closeorder",
    Op.REFUND: "/secapi/pay/refund",
    Op.REFUND_QUERY: "/pay/refundquery",
}
_AFTER_WINDOW_MS = 120_000
_MOST_SHOWN = 256


# -- asking ----------------------------------------------------------------------------------------------------------


def write(account: Account, q: Question) -> HttpRequest:
    """One signed request."""
    fields = {"appid": account.appid, "mch_id": account.mchid, "sub_appid": account.sub_appid,
              "sub_mch_id": account.sub_mchid, "nonce_str": v3.nonce_of(q), **_fields(account, q)}  # fmt: skip
    if account.sign_type != "MD5":
        fields["sign_type"] = account.sign_type
    fields["sign"] = sign.sign_v2(fields, account.apiv2_key, account.sign_type)
    headers = (("Content-Type", "text/xml; charset=utf-8"), ("User-Agent", "daozhang"))
    # Only /secapi/ asks for the certificate; one connection for all of an account's requests is worth more than hiding it.
    identity = account.identity if account.origin.startswith("https:") else None
    return HttpRequest("POST", account.origin + _path(q), headers, xml.written(fields), q.deadline_ms, identity)


def _path(q: Question) -> str:
    if q.op is Op.PAY:
        return "/pay/micropay" if q.payment.method is Method.PAY_BY_CODE else "/pay/unifiedorder"
    return _PATHS[q.op]


def _payer(account: Account, q: Question) -> dict[str, str]:
    """As in APIv3, where only the service provider's own app has another name for it."""
    return {name.replace("sp_openid", "openid"): value for name, value in plate.payer(account, q).items()}


def _fields(account: Account, q: Question) -> dict[str, str]:
    p, refund = q.payment, q.refund
    number = out_trade_no(p.id)
    match q.op:
        case Op.PAY:
            order = {"body": (" ".join(p.subject.split()) or "payment")[:42], "out_trade_no": number,
                     "total_fee": str(p.amount_fen), "fee_type": p.currency, "spbill_create_ip": "127.0.0.1",
                     "device_info": p.till[-32:]}  # fmt: skip
            if p.method is Method.PAY_BY_CODE:
                must(q.code, "a code payment is asked with the payer's code")
                return order | {"auth_code": q.code}
            expires = digits_beijing(p.window_end_ms + _AFTER_WINDOW_MS)
            order |= {"notify_url": q.notify_url, "time_expire": expires}
            if p.method is Method.PLATE:
                return order | {"trade_type": "JSAPI", **_payer(account, q)}
            return order | {"trade_type": "NATIVE", "product_id": number}
        case Op.QUERY if p.trade_no:
            return {"transaction_id": p.trade_no}
        case Op.REFUND if refund is not None:
            return {"out_trade_no": number, "out_refund_no": out_request_no(refund.id), "total_fee": str(p.amount_fen),
                    "refund_fee": str(refund.amount_fen), "refund_desc": (refund.reason or refund.kind.value)[:26]}  # fmt: skip
        case Op.REFUND_QUERY if refund is not None:
            return {"out_refund_no": out_request_no(refund.id)}
        case _:
            return {"out_trade_no": number}


# -- reading replies ---------------------------------------------------------------------------------------------------


def read(account: Account, q: Question, exchange: Exchange) -> Finding:
    """Signature, then whose it is, order number and amount, then the table."""
    if exchange.fault is not None:
        return v3.without_answer(exchange)
    if exchange.status != 200:
        hint = "platform.maintenance" if exchange.status == 503 else "platform.degraded"
        return v3.nothing(f"HTTP_{exchange.status}", hint, exchange)
    try:
        reply = xml.read(exchange.body)
    except ValueError:
        return v3.nothing("HTTP_BODY_UNREADABLE", "info.reply_unreadable", exchange)
    if reply.get("return_code") != "SUCCESS" and "sign" not in reply:
        # Not signed by design, so it proves nothing, whatever it says.
        text = reply.get("return_msg", "")[:_MOST_SHOWN]
        code, row = verdict.look_up("v2.return", "RETURN_FAIL", text)
        return Finding(code=code, text=text, hint=row.hint, detail=redacted(reply))
    if not sign.holds_v2(reply, account.apiv2_key, account.sign_type):
        return v3.nothing("RESPONSE_SIGNATURE_INVALID", "info.reply_unreadable", exchange, alarm="signature")
    code, row = _row(q, reply)
    text = (reply.get("err_code_des") or reply.get("trade_state_desc") or reply.get("return_msg") or "")[:_MOST_SHOWN]
    base = Finding(code=code, text=text, hint=row.hint, detail=redacted(reply))
    if not _of_this_order(account, q, row.proves, reply):
        return base.but(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm="order_number")
    return _with_amounts(account, q, row.proves, base, reply)


def _row(q: Question, reply: Mapping[str, str]) -> tuple[str, Row]:
    name = "v2.native" if q.op is Op.PAY and q.payment.method.shown else f"v2.{q.op.value}"
    if q.op is Op.REVERSE and reply.get("recall") == "Y":
        return verdict.look_up(name, "recall=Y")  # it may come with an error code: asking again is what counts
    if reply.get("result_code") != "SUCCESS":
        return verdict.look_up(name, reply.get("err_code") or "result_code=FAIL", reply.get("err_code_des", ""))
    match q.op:
        case Op.QUERY:
            p = q.payment
            undone = p.undo_out or p.undone in (Undone.UNPAID, Undone.ABSENT, Undone.PAID)
            return verdict.of_state(name, undone, reply.get("trade_state", ""))
        case Op.REVERSE:
            return verdict.look_up(name, f"recall={reply.get('recall', '')}")
        case Op.REFUND_QUERY:
            return verdict.look_up(name, reply.get(f"refund_status_{_place(q, reply)}", ""))
        case _:
            return verdict.look_up(name, "SUCCESS")


def _place(q: Question, reply: Mapping[str, str]) -> int:
    """Several refunds of one order come numbered; which of them is ours."""
    wanted = out_request_no(q.refund.id) if q.refund is not None else ""
    return next((at for at in range(50) if reply.get(f"out_refund_no_{at}") == wanted), 0)


_NAMES_ORDER = frozenset({
    Proves.CAPTURED, Proves.RETURNED, Proves.REVOKED, Proves.CLOSED, Proves.REFUND_DONE, Proves.REFUND_REFUSED,
})  # fmt: skip


def _of_this_order(account: Account, q: Question, proves: Proves, reply: Mapping[str, str]) -> bool:
    echoed = reply.get("out_trade_no")
    needed = proves in _NAMES_ORDER or (q.op is Op.QUERY and proves is Proves.WAITING)
    if echoed != out_trade_no(q.payment.id) and (needed or echoed is not None) and q.op is not Op.REFUND:
        return False
    mine = {"appid": account.appid, "mch_id": account.mchid, "sub_mch_id": account.sub_mchid}
    return all(reply[name] == mine[name] for name in mine if name in reply)


def _with_amounts(account: Account, q: Question, proves: Proves, base: Finding, reply: Mapping[str, str]) -> Finding:
    match proves:
        case Proves.CAPTURED:
            return capture(q.payment, base, reply)
        case Proves.SHOWN:
            qr = v3.shown(account, q, reply)
            return base.but(proves=proves, qr=qr) if qr else base
        case Proves.REFUND_DONE | Proves.REFUND_REFUSED if q.op is Op.REFUND_QUERY:
            at = _place(q, reply)
            mine = q.refund is not None and reply.get(f"out_refund_no_{at}") == out_request_no(q.refund.id)
            if not mine or q.refund is None or _fen(reply.get(f"refund_fee_{at}")) != q.refund.amount_fen:
                return base.but(code="RESPONSE_MISMATCH", alarm="amount")
    return base.but(proves=proves, trade_no=reply.get("transaction_id", "")[:32])


def capture(p: Payment, base: Finding, reply: Mapping[str, str]) -> Finding:
    """A charge, read from a reply or a notify."""
    total = _fen(reply.get("total_fee"))
    if total != p.amount_fen or reply.get("fee_type", "CNY") != p.currency:
        return base.but(code="RESPONSE_MISMATCH", alarm="amount", amount_fen=max(total, 0))
    by_payer, settled = _fen(reply.get("cash_fee")), _fen(reply.get("settlement_total_fee"))
    return base.but(proves=Proves.CAPTURED,
        amount_fen=total,
        payer_paid_fen=by_payer if by_payer >= 0 else total,
        received_fen=settled if settled >= 0 else total,
        trade_no=reply.get("transaction_id", "")[:32],
        paid_ms=ms_of_digits(reply.get("time_end")),
    )


def _fen(text: Any) -> int:
    """Whole fen; -1 for anything else."""
    fine = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 12
    return int(text) if fine else -1


# -- hearing notifies --------------------------------------------------------------------------------------------------


def hear(body: bytes) -> Heard:
    try:
        fields = xml.read(body)
    except ValueError as why:
        raise BadNotify(str(why)) from None
    if not fields.get("sign") or not fields.get("mch_id") or not fields.get("out_trade_no"):
        raise BadNotify("sign, mch_id or out_trade_no is missing")
    return Heard({"app_id": fields.get("appid", ""), "order_no": fields["out_trade_no"]}, fields, body)


def judge(account: Account, heard: Heard, payment: Payment | None) -> Judged:
    """Signature, then merchant, order and amount, in that order; then the table."""
    fields, order_no = heard.fields, heard.names["order_no"]
    detail = redacted(fields) | {"notify_id": f"{fields.get('transaction_id', '')[:40]}/{fields.get('time_end', '')[:14]}"}
    base = Finding(code=fields.get("result_code", "")[:32], detail=detail)
    kind = fields.get("sign_type") or account.sign_type
    if kind not in ("MD5", "HMAC-SHA256") or not account.apiv2_key:
        return Judged(False, order_no, base.but(alarm="sign_type"))
    if not sign.holds_v2(fields, account.apiv2_key, kind):
        return Judged(False, order_no, base.but(alarm="signature"))
    if fields.get("mch_id") != account.mchid or fields.get("sub_mch_id", "") != account.sub_mchid:
        return Judged(True, order_no, base.but(alarm="seller"))
    if fields.get("appid", account.appid) != account.appid:
        return Judged(True, order_no, base.but(alarm="app"))
    if payment is None:
        return Judged(True, order_no, base.but(alarm="order"))
    code, row = verdict.look_up("v2.notify", fields.get("result_code", ""))
    base = base.but(code=code, hint=row.hint, text=row.zh)
    return Judged(True, order_no, capture(payment, base, fields) if row.proves is Proves.CAPTURED else base)
