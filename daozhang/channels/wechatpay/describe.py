"""Any message of these wires, even a broken one, as a person would read it (``daozhang describe``)."""

from typing import Any

from daozhang.channels.table import UNSEEN, Row
from daozhang.channels.wechatpay import v3, verdict, xml

_FIELDS = {
    "appid": ("应用AppID", "application"), "sp_appid": ("服务商AppID", "application of the service provider"),
    "mchid": ("商户号", "merchant number"), "mch_id": ("商户号", "merchant number"),
    "sp_mchid": ("服务商商户号", "merchant number of the service provider"),
    "sub_mchid": ("子商户号", "sub-merchant"), "sub_mch_id": ("子商户号", "sub-merchant"),
    "out_trade_no": ("商户单号", "our order number"), "transaction_id": ("微信支付单号", "WeChat Pay's number"),
    "out_refund_no": ("商户退款单号", "our refund number"), "refund_id": ("微信退款单号", "WeChat Pay's refund number"),
    "trade_type": ("交易类型", "kind of trade"), "trade_state": ("交易状态", "state of the trade"),
    "trade_state_desc": ("交易状态说明", "state in words"), "bank_type": ("付款银行", "bank"),
    "success_time": ("支付完成时间", "time of payment"), "time_end": ("支付完成时间(北京)", "time of payment, Beijing"),
    "amount.total": ("订单金额(分)", "amount ordered, fen"), "amount.payer_total": ("顾客实付(分)", "paid by the payer, fen"),
    "amount.refund": ("退款金额(分)", "amount of the refund, fen"), "total_fee": ("订单金额(分)", "amount ordered, fen"),
    "cash_fee": ("现金支付(分)", "paid in money, fen"), "refund_fee": ("退款金额(分)", "amount of the refund, fen"),
    "description": ("商品描述", "what is bought"), "body": ("商品描述", "what is bought"),
    "notify_url": ("回调地址", "where the callback goes"), "code_url": ("二维码内容", "text of the QR"),
    "code": ("错误码", "code"), "message": ("错误说明", "text"), "status": ("退款状态", "state of the refund"),
    "return_code": ("通信标识", "communication"), "return_msg": ("通信说明", "communication in words"),
    "result_code": ("业务结果", "result"), "err_code": ("错误码", "code"), "err_code_des": ("错误说明", "text"),
    "recall": ("是否需要再次撤销", "whether to undo again"), "event_type": ("通知类型", "kind of callback"),
    "id": ("通知编号", "number of the callback"), "create_time": ("通知时间", "time of the callback"),
    "summary": ("摘要", "summary"), "nonce_str": ("随机串", "nonce"), "sign_type": ("签名算法", "signature algorithm"),
}  # fmt: skip
_HIDDEN = {
    "auth_code": ("付款码", "payment code"), "payer.auth_code": ("付款码", "payment code"),
    "sign": ("签名", "signature"), "resource.ciphertext": ("密文", "sealed content"),
}  # fmt: skip
_PAYER = ("openid", "payer.openid", "payer.sp_openid", "payer.sub_openid", "sub_openid", "user_received_account")


def describe(message: bytes) -> dict[str, Any] | None:
    """``{wire, what, fields, signature, proves, code, notes}``; None when it is not of these wires."""
    text = message.decode("utf-8", "replace").strip()
    body = text.partition("\n\n")[2].strip() if text.startswith(("POST ", "GET ", "HTTP/")) else text
    if body.startswith("<xml"):
        return _old(body)
    if not body.startswith("{"):
        return None
    found = v3.parsed(body.encode())
    if found is None:
        mine = '"trade_state"' in body or '"encrypt-resource"' in body
        note = {"zh": "报文不完整或不是合法 JSON,不能证明任何结果", "en": "cut off or not JSON: it proves nothing"}
        return _told("wechatpay.v3", "?", [], "in the headers", "nothing", "", note) if mine else None
    return _new(found)


def _new(found: dict[str, Any]) -> dict[str, Any] | None:
    if found.get("resource_type") == "encrypt-resource":
        note = {"zh": "验签并用APIv3密钥解密后才算数", "en": "counts only once the signature holds and it is opened"}
        return _told("wechatpay.v3", "callback", _fields(found), "in the headers", "nothing", str(found.get("event_type")), note)
    if "trade_state" in found and ("mchid" in found or "sp_mchid" in found):
        code, row = verdict.look_up("query", str(found["trade_state"]))
        return _told("wechatpay.v3", "transaction", _fields(found), "in the headers", row.proves.value, code, _note(row))
    if "out_refund_no" in found and "refund_id" in found:
        code, row = verdict.look_up("refund_query", str(found.get("status")))
        return _told("wechatpay.v3", "refund", _fields(found), "in the headers", row.proves.value, code, _note(row))
    if {"code", "message"} <= found.keys() and isinstance(found["code"], str):
        rows = [row for row in verdict.rows() if row["code"] == found["code"] and row["op"] == "pay"]
        row = verdict.look_up("pay", found["code"])[1] if rows else UNSEEN
        return _told("wechatpay.v3", "error", _fields(found), "in the headers", row.proves.value, found["code"], _note(row))
    ours = {"mchid", "sp_mchid"} & found.keys() and {"out_trade_no", "appid", "sp_appid"} & found.keys()
    if ours or str(found.get("code_url", "")).startswith("weixin://"):
        note = {"zh": "请求或受理应答:本身不证明收款", "en": "a request, or the answer that it was taken up: no payment is proven"}
        return _told("wechatpay.v3", "order", _fields(found), "in the headers", "nothing", "", note)
    return None


def _old(body: str) -> dict[str, Any] | None:
    try:
        fields = xml.read(body.encode())
    except ValueError:
        note = {"zh": "报文不完整或不是合法 XML,不能证明任何结果", "en": "cut off or not XML: it proves nothing"}
        return _told("wechatpay.v2", "?", [], "unreadable", "nothing", "", note)
    if not {"mch_id", "return_code"} & fields.keys():
        return None
    signed = "present" if fields.get("sign") else "missing"
    if "return_code" not in fields:
        note = {"zh": "请求:本身不证明收款", "en": "a request: no payment is proven"}
        return _told("wechatpay.v2", "request", _fields(fields), signed, "nothing", "", note)
    op = "v2.query" if "trade_state" in fields else "v2.reverse" if "recall" in fields else "v2.pay"
    code = fields.get("trade_state") or fields.get("err_code") or ("SUCCESS" if "transaction_id" in fields else "")
    row = verdict.look_up(op, code)[1] if signed == "present" else UNSEEN
    return _told("wechatpay.v2", "reply", _fields(fields), signed, row.proves.value, code, _note(row))


def _note(row: Row) -> dict[str, str]:
    return {"zh": row.zh or "没有见过的结果码:结果未知", "en": row.en or "a code nobody has seen: unknown"}


def _told(wire: str, what: str, fields: list[dict[str, str]], signature: str, proves: str, code: str,
          note: dict[str, str]) -> dict[str, Any]:  # fmt: skip
    return {"wire": wire, "what": what, "fields": fields, "signature": signature, "proves": proves, "code": code,
            "notes": [note]}  # fmt: skip


def _fields(message: dict[str, Any], before: str = "") -> list[dict[str, str]]:
    told = []
    for key, value in message.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and len(before) < 40:
            told += _fields(value, f"{name}.")
            continue
        zh, en = _FIELDS.get(name) or _HIDDEN.get(name) or (name, name)
        hidden = name in _HIDDEN or name in _PAYER
        told.append({"name": name, "zh": zh, "en": en, "value": "••••" if hidden else str(value)[:256]})
    return told
