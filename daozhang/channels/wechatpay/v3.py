"""APIv3, our side: requests written and replies read (dossier 2.2). Reading never raises for what came over the wire."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, TypeGuard

from daozhang.channels.plug import Question
from daozhang.channels.wechatpay import plate, sign, verdict
from daozhang.channels.wechatpay.account import Account
from daozhang.channels.wechatpay.texts import ms_of_rfc3339_text, redacted, rfc3339_beijing
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import NotSent
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.must import must
from daozhang.core.payment import Method, Payment, Undone
from daozhang.core.ports import Exchange, HttpRequest

_AFTER_WINDOW_MS = 120_000  # the channel closes a QR by itself this long after we meant to


# -- asking ----------------------------------------------------------------------------------------------------------


def write(account: Account, q: Question) -> HttpRequest:
    """One signed request."""
    method, target, fields = _request(account, q)
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")) if fields is not None else ""
    return signed(account, method, target, body, q.now_ms, nonce_of(q), q.deadline_ms)


def signed(
    account: Account, method: str, target: str, body: str, now_ms: int, nonce: str, deadline_ms: int
) -> HttpRequest:
    """Any request of this wire."""
    timestamp = str(now_ms // 1000)
    text = sign.request_text(method, target, timestamp, nonce, body)
    headers = [
        ("Authorization", sign.authorization(account.mchid, account.serial_no, timestamp, nonce, text, account.key)),
        ("Accept", "application/json"),
        ("User-Agent", "daozhang"),
    ]
    if body:
        headers.append(("Content-Type", "application/json"))
    if account.public_key_id:
        headers.append(("Wechatpay-Serial", account.public_key_id))  # asks for replies signed with this key
    return HttpRequest(method, account.origin + target, tuple(headers), body.encode(), deadline_ms)


def nonce_of(q: Question) -> str:
    """Another one for every question ever asked; what is signed keeps it from being guessed to any use."""
    p, refund = q.payment, q.refund
    tries = f"{p.sends}/{p.queries}/{p.undo_tries}/{refund.tries if refund else 0}"
    return sha256(f"{p.id}|{q.op.value}|{q.now_ms}|{tries}|{refund.id if refund else ''}".encode()).hexdigest()[:32]


def _request(account: Account, q: Question) -> tuple[str, str, dict[str, Any] | None]:
    base = "/v3/pay/partner/transactions" if account.sub_mchid else "/v3/pay/transactions"
    number = out_trade_no(q.payment.id)
    match q.op:
        case Op.PAY if q.payment.method is Method.PAY_BY_CODE:
            return "POST", f"{base}/codepay", _codepay(account, q)
        case Op.PAY if q.payment.method is Method.PLATE:
            return "POST", f"{base}/jsapi", _native(account, q) | {"payer": plate.payer(account, q)}
        case Op.PAY:
            return "POST", f"{base}/native", _native(account, q)
        case Op.QUERY:
            which = f"id/{q.payment.trade_no}" if q.payment.trade_no else f"out-trade-no/{number}"
            mine = {name: value for name, value in _who(account).items() if name.endswith("mchid")}
            return "GET", f"{base}/{which}?" + "&".join(f"{name}={value}" for name, value in mine.items()), None
        case Op.REVERSE:
            return "POST", f"{base}/out-trade-no/{number}/reverse", _who(account)
        case Op.CLOSE:
            mine = {name: value for name, value in _who(account).items() if name.endswith("mchid")}
            return "POST", f"{base}/out-trade-no/{number}/close", mine
        case Op.REFUND:
            return "POST", "/v3/refund/domestic/refunds", _refund(account, q)
        case _:
            must(q.refund is not None, "a refund is asked about by its number")
            sub = f"?sub_mchid={account.sub_mchid}" if account.sub_mchid else ""
            refund_no = out_request_no(q.refund.id) if q.refund else ""
            return "GET", f"/v3/refund/domestic/refunds/{refund_no}{sub}", None


def _who(account: Account) -> dict[str, Any]:
    """Whose money: the merchant's own numbers, or those of a service provider and its sub-merchant."""
    if not account.sub_mchid:
        return {"appid": account.appid, "mchid": account.mchid}
    who = {"sp_appid": account.appid, "sp_mchid": account.mchid, "sub_mchid": account.sub_mchid}
    return who | ({"sub_appid": account.sub_appid} if account.sub_appid else {})


def _order(account: Account, q: Question) -> dict[str, Any]:
    p = q.payment
    what = (" ".join(p.subject.split()) or "payment")[:42]  # 127 bytes, and a Chinese letter has three
    return _who(account) | {
        "description": what,
        "out_trade_no": out_trade_no(p.id),
        "amount": {"total": p.amount_fen, "currency": p.currency},
    }


def _codepay(account: Account, q: Question) -> dict[str, Any]:
    must(q.code, "a code payment is asked with the payer's code")
    scene = {"device_id": q.payment.till[-32:], "store_info": {"id": q.payment.store[-32:]}}
    return _order(account, q) | {"payer": {"auth_code": q.code}, "scene_info": scene}


def _native(account: Account, q: Question) -> dict[str, Any]:
    expires = rfc3339_beijing(q.payment.window_end_ms + _AFTER_WINDOW_MS)
    return _order(account, q) | {"notify_url": q.notify_url, "time_expire": expires}


def _refund(account: Account, q: Question) -> dict[str, Any]:
    must(q.refund is not None, "a refund is asked with its number")
    refund, p = q.refund, q.payment
    fields: dict[str, Any] = {"sub_mchid": account.sub_mchid} if account.sub_mchid else {}
    if refund is not None:
        amount = {"refund": refund.amount_fen, "total": p.amount_fen, "currency": p.currency}
        fields |= {"out_trade_no": out_trade_no(p.id), "out_refund_no": out_request_no(refund.id), "amount": amount,
                   "reason": (refund.reason or refund.kind.value)[:26]}  # fmt: skip
        fields |= {"notify_url": q.notify_url} if q.notify_url else {}
    return fields


# -- reading replies ---------------------------------------------------------------------------------------------------


def read(account: Account, q: Question, exchange: Exchange) -> Finding:
    """Signature first, then order number, merchant and amount, then what the table says the answer proves."""
    if exchange.fault is not None:
        return without_answer(exchange)
    headers = {name.lower(): value for name, value in exchange.headers}
    why = sign.why_not(account.trusted, headers, exchange.body, q.now_ms)
    if why == "missing" and exchange.status >= 500:
        hint = "platform.maintenance" if exchange.status == 503 else "platform.degraded"
        return nothing(f"HTTP_{exchange.status}", hint, exchange)
    if why:
        alarm = "" if why == "probe" else "signature"  # the channel's own test of us is no cause for alarm
        unread = nothing("RESPONSE_SIGNATURE_INVALID", "info.reply_unreadable", exchange, alarm=alarm)
        return unread.but(detail=unread.detail | {"why": why})
    reply = parsed(exchange.body) if exchange.body else {}
    if reply is None:
        return nothing("HTTP_BODY_UNREADABLE", "info.reply_unreadable", exchange)
    p = q.payment
    taken = p.undo_out or p.undone in (Undone.UNPAID, Undone.ABSENT, Undone.PAID)
    code, row = verdict.of_v3(q.op, p.method.shown, taken, exchange.status, reply)
    text = str(reply.get("message") or reply.get("trade_state_desc") or "")[:256]
    base = Finding(code=code, text=text, hint=row.hint, detail=redacted(reply))
    if not _of_this_order(account, q, row.proves, reply):
        return base.but(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm="order_number")
    return _with_amounts(account, q, row.proves, base, reply)


def without_answer(exchange: Exchange) -> Finding:
    never, code = isinstance(exchange.fault, NotSent), exchange.fault.code if exchange.fault else ""
    proves = Proves.NOT_SENT if never else Proves.NOTHING
    return Finding(proves, code, hint="us.egress" if never else "info.reply_lost")


def nothing(code: str, hint: str, exchange: Exchange, alarm: str = "") -> Finding:
    raw = {"status": exchange.status, "sha256": sha256(exchange.body).hexdigest(), "bytes": len(exchange.body)}
    return Finding(code=code, hint=hint, alarm=alarm, detail=raw)


def parsed(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# These settle something and come with a body: it must say which order it speaks of.
_NAMES_ORDER = frozenset({
    Proves.CAPTURED, Proves.RETURNED, Proves.REVOKED, Proves.CLOSED, Proves.WAITING, Proves.REFUND_DONE,
    Proves.UNDONE,
})  # fmt: skip


def _of_this_order(account: Account, q: Question, proves: Proves, reply: Mapping[str, Any]) -> bool:
    echoed = reply.get("out_trade_no")
    if echoed != out_trade_no(q.payment.id) and (proves in _NAMES_ORDER or echoed is not None):
        return False
    mine = {**_who(account), "mchid": account.sub_mchid or account.mchid}
    return all(reply[name] == mine[name] for name in ("mchid", "sp_mchid", "sub_mchid") if name in reply and name in mine)


def shown(account: Account, q: Question, reply: Mapping[str, Any]) -> str:
    """The text of a QR; of a plate, what its page hands over. Empty when the reply has neither."""
    on_plate = q.payment.method is Method.PLATE
    found = reply.get("prepay_id" if on_plate else "code_url")
    if not isinstance(found, str) or not found:
        return ""
    return plate.page(account, found[:128], q.now_ms, nonce_of(q)) if on_plate else found


def _with_amounts(account: Account, q: Question, proves: Proves, base: Finding, reply: Mapping[str, Any]) -> Finding:
    """Amounts are read exactly; an answer about another amount proves nothing and raises an alarm."""
    match proves:
        case Proves.CAPTURED:
            return capture(q.payment, base, reply)
        case Proves.SHOWN:
            qr = shown(account, q, reply)
            return base.but(proves=proves, qr=qr) if qr else base
        case Proves.REFUND_DONE | Proves.REFUND_REFUSED if "out_refund_no" in reply or proves is Proves.REFUND_DONE:
            amount = reply.get("amount")
            mine = q.refund is not None and reply.get("out_refund_no") == out_request_no(q.refund.id)
            given = amount.get("refund") if isinstance(amount, dict) else None
            if not mine or q.refund is None or not whole(given) or given != q.refund.amount_fen:
                return base.but(code="RESPONSE_MISMATCH", alarm="amount")
    trade_no = reply.get("transaction_id")
    return base.but(proves=proves, trade_no=trade_no[:32] if isinstance(trade_no, str) else "")


def capture(p: Payment, base: Finding, reply: Mapping[str, Any]) -> Finding:
    """A charge, read from a transaction object of a reply or a callback."""
    amount = reply.get("amount")
    total = amount.get("total") if isinstance(amount, dict) else None
    currency = amount.get("currency", "CNY") if isinstance(amount, dict) else ""
    if not whole(total) or total != p.amount_fen or currency != p.currency:
        return base.but(code="RESPONSE_MISMATCH", alarm="amount", amount_fen=total if whole(total) else 0)
    by_payer = amount.get("payer_total") if isinstance(amount, dict) else None
    trade_no = reply.get("transaction_id")
    return base.but(proves=Proves.CAPTURED,
        amount_fen=total,
        payer_paid_fen=by_payer if whole(by_payer) else total,
        received_fen=max(total - _not_settled(reply), 0),
        trade_no=trade_no[:32] if isinstance(trade_no, str) else "",
        paid_ms=ms_of_rfc3339_text(reply.get("success_time")),
    )


def whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _not_settled(reply: Mapping[str, Any]) -> int:
    """Coupons that the merchant gave without having paid for them (NOCASH) are not settled to it."""
    found = reply.get("promotion_detail")
    coupons = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return sum(one["amount"] for one in coupons if one.get("type") == "NOCASH" and whole(one.get("amount")))
