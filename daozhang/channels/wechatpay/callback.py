"""Callbacks of WeChat Pay: APIv3 (signed in the headers, sealed in the body) and v2 (XML). Dossier 2.1, 2.2.

Code payments are never pushed; QRs and refunds are. A wrong signature that the channel sends on purpose is refused
like any other.
"""

import json
from collections.abc import Mapping
from typing import Any

from daozhang.channels.plug import BadNotify, Heard, Judged, ProbeNotify
from daozhang.channels.wechatpay import sign, v2, v3, verdict
from daozhang.channels.wechatpay.account import Account
from daozhang.channels.wechatpay.texts import redacted
from daozhang.core.evidence import Finding, Proves
from daozhang.core.payment import Payment


def hear(content_type: str, query: str, body: bytes) -> Heard:
    """What came in. An APIv3 callback does not even name its order before it is unsealed. Raises BadNotify."""
    if body.lstrip()[:1] == b"<":
        return v2.hear(body)
    message = v3.parsed(body)
    if message is None or message.get("resource_type") != "encrypt-resource" or not message.get("id"):
        raise BadNotify("neither a sealed JSON object nor XML")
    if not isinstance(message.get("resource"), dict):
        raise BadNotify("no sealed resource")
    return Heard({}, {"id": str(message["id"]), "event_type": str(message.get("event_type", ""))}, body, sealed=True)


def unseal(account: Account, heard: Heard, headers: Mapping[str, str], now_ms: int) -> Heard:
    """Verify and open. Raises BadNotify (ProbeNotify): nothing of an unverified callback is looked at."""
    why = sign.why_not(account.trusted, headers, heard.raw, now_ms)
    if why == "probe":
        raise ProbeNotify("a probe: a wrong signature on purpose")
    if why:
        raise BadNotify(f"the signature does not hold ({why})")
    resource = (v3.parsed(heard.raw) or {}).get("resource", {})
    parts = [resource.get(name) or "" for name in ("nonce", "associated_data", "ciphertext")]
    if resource.get("algorithm") != "AEAD_AES_256_GCM" or not all(isinstance(part, str) for part in parts):
        raise BadNotify("sealed in a way that is not documented")
    plain = sign.opened(account.apiv3_key, *parts)
    told = v3.parsed(plain) if plain is not None else None
    if told is None or plain is None:
        raise BadNotify("it was not sealed with our key")
    names = {"app_id": account.appid, "order_no": str(told.get("out_trade_no", ""))}
    return Heard(names, {**heard.fields, "resource": plain.decode("utf-8", "replace")}, heard.raw)


def judge(account: Account, heard: Heard, payment: Payment | None) -> Judged:
    """Of an unsealed (so verified) callback: merchant, order, amount, in that order; then the table."""
    if "resource" not in heard.fields:
        return v2.judge(account, heard, payment)
    told: dict[str, Any] = json.loads(heard.fields["resource"])
    event, order_no = heard.fields["event_type"], heard.names["order_no"]
    state = str(told.get("trade_state", "")) if event.startswith("TRANSACTION.") else event
    code, row = verdict.look_up("notify", state)
    detail = redacted(told) | {"notify_id": heard.fields["id"][:64], "event_type": event[:64]}
    base = Finding(code=code, hint=row.hint, text=row.zh, detail=detail)
    mine = {"mchid": account.mchid, "sp_mchid": account.mchid, "sub_mchid": account.sub_mchid}
    if any(told[name] != mine[name] for name in mine if name in told) or not mine.keys() & told.keys():
        return Judged(True, order_no, base.but(alarm="seller"))
    own_app = {"appid": account.appid, "sp_appid": account.appid, "sub_appid": account.sub_appid or told.get("sub_appid")}
    if any(told[name] != own_app[name] for name in own_app if name in told):
        return Judged(True, order_no, base.but(alarm="app"))
    if payment is None:
        return Judged(True, order_no, base.but(alarm="order"))
    if event.startswith("REFUND."):
        return Judged(True, order_no, base, about_refund=True)
    if row.proves is not Proves.CAPTURED:
        return Judged(True, order_no, base)
    return Judged(True, order_no, v3.capture(payment, base, told))


def thanks(believed: bool) -> tuple[int, str, bytes]:
    """APIv3 looks at the status only; v2 wants these words. Anything else brings the callback again."""
    if believed:
        words = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
        return 200, "text/xml; charset=utf-8", words
    return 500, "application/json; charset=utf-8", b'{"code":"FAIL","message":"not believed"}'
