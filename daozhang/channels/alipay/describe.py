"""Any message of this wire, even a broken one, as a person would read it (``daozhang describe``)."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from daozhang.channels.alipay import sign, verdict
from daozhang.core.evidence import Op

_FIELDS = {
    "app_id": ("应用ID", "application"),
    "method": ("接口", "method"),
    "charset": ("字符集", "character set"),
    "sign_type": ("签名算法", "signature algorithm"),
    "timestamp": ("请求时间(北京)", "time of the request, Beijing"),
    "notify_url": ("异步通知地址", "where the notify goes"),
    "out_trade_no": ("商户单号", "our order number"),
    "trade_no": ("支付宝交易号", "Alipay's number"),
    "total_amount": ("订单金额(元)", "amount ordered, yuan"),
    "receipt_amount": ("商家实收(元)", "received by the merchant, yuan"),
    "buyer_pay_amount": ("顾客实付(元)", "paid by the payer, yuan"),
    "subject": ("订单标题", "subject"),
    "scene": ("场景", "scene"),
    "trade_status": ("交易状态", "state of the trade"),
    "code": ("结果码", "result code"),
    "msg": ("结果说明", "result text"),
    "sub_code": ("业务结果码", "business code"),
    "sub_msg": ("业务结果说明", "business text"),
    "action": ("撤销动作", "what the undo did"),
    "retry_flag": ("是否需要重试", "whether to ask again"),
    "refund_amount": ("退款金额(元)", "amount of the refund, yuan"),
    "refund_fee": ("累计退款(元)", "refunded so far, yuan"),
    "out_request_no": ("退款请求号", "our refund number"),
    "fund_change": ("资金是否变化", "whether money moved"),
    "gmt_payment": ("付款时间(北京)", "time of payment, Beijing"),
    "send_pay_date": ("付款时间(北京)", "time of payment, Beijing"),
    "qr_code": ("二维码内容", "text of the QR"),
    "seller_id": ("收款账号", "seller"),
    "notify_id": ("通知编号", "number of the notify"),
    "app_cert_sn": ("应用证书SN", "number of the app's certificate"),
    "alipay_root_cert_sn": ("支付宝根证书SN", "number of Alipay's root certificates"),
    "auth_app_id": ("授权商户的应用ID", "the authorising merchant's app"),
    "bill_type": ("账单类型", "kind of bill"),
    "bill_date": ("账单日期", "day or month of the bill"),
    "bill_download_url": ("账单下载地址", "where the bill lies"),
}
_REST = re.compile(r"(?:GET|POST) /v3/(alipay/[a-z/]+)(?:\?(\S*))?(?: HTTP/\S+)?$", re.MULTILINE)
_HIDDEN = {
    "auth_code": ("付款码", "payment code"),
    "sign": ("签名", "signature"),
    "app_auth_token": ("应用授权令牌", "a merchant's leave to a service provider"),
}
_PAYER = {"buyer_id", "buyer_user_id", "buyer_open_id", "buyer_logon_id", "buyer_user_name"}


def describe(message: bytes) -> dict[str, Any] | None:
    """``{wire, what, fields: [{name, zh, en, value}], signature, proves, notes}``; None when it is not of this wire."""
    text = message.decode("utf-8", "replace").strip()
    return _reply(text) or _rest(text) or _form(text)


def _rest(text: str) -> dict[str, Any] | None:
    """A request of the v3 wire with its first line and headers."""
    found = _REST.match(text)
    if found is None:
        return None
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\n")[1:])}
    auth, mark, _ = headers.get("authorization", "").partition(",sign=")
    told = dict(parse_qsl(found[2] or "")) | _json_object(body)
    app = dict(part.partition("=")[::2] for part in auth.removeprefix("ALIPAY-SHA256withRSA ").split(","))
    return {
        "wire": "alipay.v3",
        "what": found[1].replace("/", "."),
        "fields": _fields({**{name: app[name] for name in ("app_id", "app_cert_sn", "timestamp") if name in app}, **told}),
        "signature": "present" if mark else "missing",
        "proves": "nothing",
        "code": "",
        "notes": [{"zh": "请求本身不证明任何结果", "en": "a request proves nothing by itself"}],
    }


def _reply(text: str) -> dict[str, Any] | None:
    names = [name for name in _response_names() if f'"{name}"' in text]
    if not names:
        return None
    name = names[0]
    cut = sign.signed_object(text, name)
    if cut is None:
        note = {"zh": "应答不完整或不是合法 JSON,不能证明任何结果", "en": "cut off or not JSON: it proves nothing"}
        return {"wire": "alipay.v2", "what": name, "fields": [], "signature": "unreadable", "proves": "nothing",
                "notes": [note]}  # fmt: skip
    reply, signature = cut.value, cut.signature
    op, begun = _response_names()[name]
    code, row = verdict.of_reply(op, begun, reply)
    return {
        "wire": "alipay.v2",
        "what": name,
        "fields": _fields(reply),
        "signature": "present" if signature else "missing",
        "proves": row.proves.value if signature else "nothing",
        "code": code,
        "notes": [{"zh": row.zh or "没有见过的结果码:结果未知", "en": row.en or "a code nobody has seen: unknown"}],
    }


def _response_names() -> dict[str, tuple[Op, str]]:
    return {
        "alipay_trade_pay_response": (Op.PAY, "pay"),
        "alipay_trade_precreate_response": (Op.PAY, "precreate"),
        "alipay_trade_create_response": (Op.PAY, "create"),
        "alipay_trade_query_response": (Op.QUERY, "pay"),
        "alipay_trade_cancel_response": (Op.REVERSE, "pay"),
        "alipay_trade_close_response": (Op.CLOSE, "pay"),
        "alipay_trade_refund_response": (Op.REFUND, "pay"),
        "alipay_trade_fastpay_refund_query_response": (Op.REFUND_QUERY, "pay"),
        "error_response": (Op.PAY, "pay"),
    }


def _form(text: str) -> dict[str, Any] | None:
    head, _, body = text.partition("\n\n")
    source = body.strip() or head
    query = urlsplit(head.split(" ")[1]).query if head.startswith(("POST ", "GET ")) and " " in head else ""
    fields = dict(parse_qsl("&".join(part for part in (query, source) if "=" in part), keep_blank_values=True))
    if "app_id" not in fields or not ({"method", "notify_type"} & fields.keys()):
        return None
    notify = "notify_type" in fields
    biz = _json_object(fields.pop("biz_content", ""))
    code, row = (
        verdict.look_up("notify", fields.get("trade_status", "")) if notify else ("", verdict.look_up("", "")[1])
    )
    return {
        "wire": "alipay.v2",
        "what": "notify" if notify else fields["method"],
        "fields": _fields({**fields, **biz}),
        "signature": "present" if fields.get("sign") else "missing",
        "proves": row.proves.value if notify and fields.get("sign") else "nothing",
        "code": code,
        "notes": [{"zh": "验签通过后才算数", "en": "counts only once the signature holds"}],
    }


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _fields(message: dict[str, Any]) -> list[dict[str, str]]:
    told = []
    for name, value in message.items():
        zh, en = _FIELDS.get(name) or _HIDDEN.get(name) or (name, name)
        hidden = name in _HIDDEN or name in _PAYER
        told.append({"name": name, "zh": zh, "en": en, "value": "••••" if hidden else str(value)[:256]})
    return told
