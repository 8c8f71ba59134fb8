"""The settlement file of a clearing day: asked for (76/01), and taken out of the reply that brings it (dossier 3.1)."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import urlencode

from daozhang.channels.plug import BillLink, NoBill
from daozhang.channels.unionpay import sign, verdict
from daozhang.channels.unionpay.account import Account
from daozhang.channels.unionpay.texts import digits, ms_of_digits
from daozhang.core.ports import Exchange, HttpRequest

_DEADLINE_MS = 60_000
_FORM = (("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),)


def ask_bill(account: Account, day: str, kind: str, now_ms: int) -> HttpRequest:
    """The file of the clearing day ``yyyy-MM-dd``, which begins at 23:00 of the day before; ``kind`` is UnionPay's fileType."""
    fields = {
        "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "certId": account.cert_id, "bizType": "000000",
        "txnType": "76", "txnSubType": "01", "accessType": account.access_type, "merId": account.mer_id,
        "txnTime": digits(now_ms), "settleDate": day[5:7] + day[8:10], "fileType": kind or "00",
    }  # fmt: skip
    fields |= {name: value for name, value in account.more.items() if name == "acqInsCode"}
    fields["signature"] = sign.sign(fields, account.key)
    return HttpRequest("POST", account.files, _FORM, urlencode(fields).encode(), _DEADLINE_MS)


def read_bill_reply(account: Account, exchange: Exchange) -> BillLink:
    """The file lies in the reply. Raises NoBill, also for what cannot be believed."""
    reply = _believed(account, exchange)
    if (reply.get("merId"), reply.get("txnType")) != (account.mer_id, "76"):
        raise NoBill("RESPONSE_MISMATCH", "the reply is about somebody else, or about something else")
    if reply["respCode"] != "00":
        row = verdict.look_up("file", reply["respCode"])[1]
        raise NoBill(reply["respCode"], row.zh or reply.get("respMsg", "")[:256])
    try:
        content = base64.b64decode("".join(reply.get("fileContent", "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise NoBill("HTTP_BODY_UNREADABLE", "fileContent is not base64") from None
    if not content:
        raise NoBill("HTTP_BODY_UNREADABLE", "no fileContent")
    return BillLink("", content=content)


def _believed(account: Account, exchange: Exchange) -> Mapping[str, str]:
    """The certificate must have been in force at the time that the reply names, which is signed too."""
    if exchange.fault is not None:
        raise NoBill(exchange.fault.code, "no answer")
    if exchange.status != 200:
        raise NoBill(f"HTTP_{exchange.status}", "")
    try:
        reply = sign.parse(exchange.body.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError:
        reply = None
    if reply is None or "respCode" not in reply:
        raise NoBill("HTTP_BODY_UNREADABLE", "not a reply of this wire")
    if not account.believes(reply, ms_of_digits(reply.get("txnTime", ""))):
        raise NoBill("RESPONSE_SIGNATURE_INVALID", "the signature does not hold")
    return reply


def fetch_bill(account: Account, link: BillLink, now_ms: int) -> HttpRequest | None:
    """Nothing is left to fetch."""
    return None
