"""The v3 REST wire (dossier 1.5): its headers, its signatures, and its replies told in the words of the v2 gateway.

A v3 error has no ``isv.`` or ``aop.`` before the gateway's codes and no class of codes beside them; both come from the
table, so that a verdict is the same on both wires. A 200 for a code payment that names no time of payment is told apart:
nobody has documented how v3 says "waiting", so it counts as unknown and is asked about.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from daozhang.channels.alipay import sign, verdict
from daozhang.channels.alipay.account import Account
from daozhang.channels.alipay.envelope import Unbelieved, by_status, key_of, text_of
from daozhang.core.ports import Exchange, HttpRequest

UNSAID = "10000+unsaid"  # accepted, and not said whether paid


def write(
    account: Account, method: str, biz: Mapping[str, Any], now_ms: int, deadline_ms: int, notify_url: str = "",
    nonce: str = "", get: bool = False,
) -> HttpRequest:  # fmt: skip
    """The business content is the body; of a GET it is the query. ``nonce`` tells two requests of one moment apart."""
    path = "/v3/" + method.replace(".", "/")
    if get:
        path += "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in biz.items())
    content = {**biz, "notify_url": notify_url} if notify_url else biz
    body = "" if get else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    told = [f"app_id={account.app_id}"]
    if account.sns is not None:
        told.append(f"app_cert_sn={account.sns.app}")
    auth = ",".join([*told, f"nonce={nonce}", f"timestamp={now_ms}"])
    verb = "GET" if get else "POST"
    message = f"{auth}\n{verb}\n{path}\n{body}\n" + (f"{account.app_auth_token}\n" if account.app_auth_token else "")
    signature = base64.b64encode(account.key.sign(message.encode())).decode()
    headers = [("Authorization", f"ALIPAY-SHA256withRSA {auth},sign={signature}"), ("alipay-request-id", nonce),
               ("Accept", "application/json")]  # fmt: skip
    if not get:
        headers.append(("Content-Type", "application/json"))
    if account.sns is not None:
        headers.append(("alipay-root-cert-sn", account.sns.root))
    if account.app_auth_token:
        headers.append(("alipay-app-auth-token", account.app_auth_token))
    base = account.gateway.removesuffix("/gateway.do")
    return HttpRequest(verb, base + path, tuple(headers), body.encode(), deadline_ms)


def read(account: Account, method: str, exchange: Exchange) -> dict[str, Any]:
    """The reply in the words of v2, once its signature holds. Raises Unbelieved."""
    headers = {name.lower(): value for name, value in exchange.headers}
    signature = headers.get("alipay-signature", "")
    if not signature and exchange.status != 200:
        raise by_status(exchange)
    text = text_of(exchange)
    message = f"{headers.get('alipay-timestamp', '')}\n{headers.get('alipay-nonce', '')}\n{text}\n"
    if not sign.holds(message.encode(), signature, key_of(account, headers.get("alipay-sn", ""))):
        raise Unbelieved("RESPONSE_SIGNATURE_INVALID", alarm="signature")
    reply = _object(text)
    if exchange.status == 200:
        unsaid = method == "alipay.trade.pay" and not reply.get("gmt_payment")
        return {**reply, "code": UNSAID if unsaid else "10000"}
    if exchange.status < 400:
        raise by_status(exchange)
    return _failure(str(reply.get("code", ""))[:128], str(reply.get("message", ""))[:256])


def _failure(code: str, message: str) -> dict[str, Any]:
    if code.startswith(("ACQ.", "AQC.")):
        return {"code": "40004", "sub_code": code, "sub_msg": message}
    exact = verdict.gateway_code(code)
    main, _, sub = exact.partition("/")
    return {"code": main, "sub_code": sub, "sub_msg": message}


def _object(text: str) -> dict[str, Any]:
    """Raises Unbelieved; a name that stands twice makes an object nobody can believe."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Unbelieved("HTTP_BODY_UNREADABLE") from None
    if not isinstance(value, dict):
        raise Unbelieved("HTTP_BODY_UNREADABLE")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
