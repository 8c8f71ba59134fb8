"""The v2 gateway: one signed request, one signed reply (dossier 1.1)."""

import json
from collections.abc import Mapping
from typing import Any

from daozhang.channels import form
from daozhang.channels.alipay import sign
from daozhang.channels.alipay.account import Account
from daozhang.channels.alipay.envelope import Unbelieved, by_status, key_of, text_of
from daozhang.channels.alipay.texts import beijing_text
from daozhang.core.ports import Exchange, HttpRequest

_FORM = (("Content-Type", "application/x-www-form-urlencoded;charset=utf-8"), ("Accept", "text/html"))


def write(
    account: Account, method: str, biz: Mapping[str, Any], now_ms: int, deadline_ms: int, notify_url: str = ""
) -> HttpRequest:
    """Common parameters and signature in the query, ``biz_content`` in the form body."""
    params = {
        "app_id": account.app_id,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": beijing_text(now_ms),
        "version": "1.0",
    }
    if account.sns is not None:
        params |= {"app_cert_sn": account.sns.app, "alipay_root_cert_sn": account.sns.root}
    if account.app_auth_token:
        params["app_auth_token"] = account.app_auth_token
    if notify_url:
        params["notify_url"] = notify_url
    text = json.dumps(biz, ensure_ascii=False, separators=(",", ":"))
    params["sign"] = sign.sign({**params, "biz_content": text}, account.key)
    url = f"{account.gateway}?{form.write(params)}"
    return HttpRequest("POST", url, _FORM, form.write({"biz_content": text}).encode("ascii"), deadline_ms)


def read(account: Account, method: str, exchange: Exchange) -> dict[str, Any]:
    """The reply's object, once its signature holds. Raises Unbelieved."""
    if exchange.status != 200:
        raise by_status(exchange)
    cut = sign.signed_object(text_of(exchange), method.replace(".", "_") + "_response", "error_response")
    if cut is None:
        raise Unbelieved("HTTP_BODY_UNREADABLE")
    if not sign.holds(cut.text.encode(), cut.signature, key_of(account, cut.certificate)):
        raise Unbelieved("RESPONSE_SIGNATURE_INVALID", alarm="signature")
    return cut.value
