"""Our side of the wire: requests written, replies and notifies read. Reading never raises for what came in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels.plug import BadNotify, Heard, Judged, Question
from daozhang.channels.template import sign, verdict
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import Fault, NotSent
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.payment import Payment
from daozhang.core.ports import AccountRow, Exchange, HttpRequest


class WrongDoor(Fault):
    """A sandbox account pointing at a live host, or a live one at anything else."""


@dataclass(frozen=True, slots=True)
class Account:
    app_id: str
    gateway: str
    key: str = field(repr=False)


def open_account(row: AccountRow, manifest: Mapping[str, Any]) -> Account:
    gateway = str(row.settings.get("gateway", ""))
    loopback = urlsplit(gateway).hostname in ("127.0.0.1", "localhost", "::1")
    if not (gateway in manifest["hosts"]["live"] if row.livemode else loopback):
        raise WrongDoor("the account may not speak to this gateway")
    return Account(str(row.settings["app_id"]), gateway, row.secrets.get("key", ""))


def write(account: Account, q: Question) -> HttpRequest:
    fields: dict[str, Any] = {
        "op": q.op.value,
        "app_id": account.app_id,
        "order": out_trade_no(q.payment.id),
        "at_ms": q.now_ms,
    }
    if q.op is Op.PAY:
        fields |= {"amount": q.payment.amount_fen, "code": q.code, "notify_url": q.notify_url}
    if q.refund is not None:
        fields |= {"refund": out_request_no(q.refund.id), "amount": q.refund.amount_fen}
    body = json.dumps(fields).encode()
    headers = (("Content-Type", "application/json"), ("X-Sign", sign.sign(body, account.key)))
    return HttpRequest("POST", account.gateway, headers, body, q.deadline_ms)


def read(account: Account, q: Question, exchange: Exchange) -> Finding:
    return _read(account, q, exchange).but(trail=exchange.trail)


def _read(account: Account, q: Question, exchange: Exchange) -> Finding:
    if exchange.fault is not None:
        never = isinstance(exchange.fault, NotSent)
        hint = "us.egress" if never else "info.reply_lost"
        return Finding(Proves.NOT_SENT if never else Proves.NOTHING, exchange.fault.code, hint=hint)
    signature = next((value for name, value in exchange.headers if name.lower() == "x-sign"), "")
    if exchange.status != 200 or not sign.holds(exchange.body, signature, account.key):
        return Finding(code=f"HTTP_{exchange.status}", hint="info.reply_unreadable", alarm="signature")
    reply = _object(exchange.body)
    if reply is None or reply.get("order") != out_trade_no(q.payment.id):
        return Finding(code="RESPONSE_MISMATCH", hint="info.reply_unreadable", alarm="order_number")
    return _proves(q.op.value, reply, q.payment)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _proves(op: str, reply: Mapping[str, Any], payment: Payment) -> Finding:
    code = str(reply.get("code", ""))
    proves, hint, text, _ = verdict.look_up(op, code)
    base = Finding(code=code, hint=hint, text=text, detail={"code": code})
    if proves is Proves.CAPTURED:
        if reply.get("amount") != payment.amount_fen or isinstance(reply.get("amount"), bool):
            return base.but(alarm="amount")
        return base.but(proves=proves, amount_fen=payment.amount_fen, trade_no=str(reply.get("trade_no", ""))[:64])
    if proves is Proves.SHOWN:
        return base.but(proves=proves, qr=str(reply["qr"])) if reply.get("qr") else base
    return base.but(proves=proves)


def hear(content_type: str, query: str, body: bytes) -> Heard:
    fields = _object(body)
    if fields is None or not fields.get("app_id") or not fields.get("sign"):
        raise BadNotify("not a signed JSON object")
    return Heard({"app_id": str(fields["app_id"]), "order_no": str(fields.get("order", ""))}, fields, body)


def judge(account: Account, heard: Heard, payment: Payment | None) -> Judged:
    fields = dict(heard.fields)
    signature, order = str(fields.pop("sign")), heard.names["order_no"]
    if not sign.holds(json.dumps(fields, sort_keys=True).encode(), signature, account.key):
        return Judged(False, order, Finding(alarm="signature"))
    if fields.get("app_id") != account.app_id:
        return Judged(True, order, Finding(alarm="app"))
    if payment is None:
        return Judged(True, order, Finding(alarm="order"))
    return Judged(True, order, _proves("notify", fields, payment))


def thanks(believed: bool) -> tuple[int, str, bytes]:
    return 200, "text/plain; charset=utf-8", b"ok" if believed else b"again"


def describe(message: bytes) -> dict[str, Any] | None:
    """A message of this wire as a person would read it; None when it is not one."""
    fields = _object(message)
    if fields is None or "order" not in fields or not {"op", "code"} & fields.keys():
        return None
    told = [
        {"name": name, "zh": name, "en": name, "value": str(value)[:64]}
        for name, value in fields.items()
        if name != "code"
    ]
    note = {"zh": "验签通过后才算数", "en": "counts only once the signature holds"}
    return {"wire": "template", "what": str(fields.get("op", "")), "fields": told, "signature": "in the header",
            "proves": "nothing", "code": "", "notes": [note]}  # fmt: skip
