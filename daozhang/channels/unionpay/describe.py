"""Any message of this wire, even a broken one, as a person would read it (``daozhang describe``)."""

from typing import Any
from urllib.parse import parse_qsl

from daozhang.channels.table import Row
from daozhang.channels.unionpay import sign, verdict

_FIELDS = {
    "version": ("版本", "version"),
    "encoding": ("编码", "encoding"),
    "certId": ("证书编号", "number of the certificate"),
    "signMethod": ("签名方法", "how it is signed"),
    "txnType": ("交易类型", "kind"),
    "txnSubType": ("交易子类", "kind, in detail"),
    "bizType": ("产品类型", "product"),
    "channelType": ("渠道类型", "where it comes from"),
    "accessType": ("接入类型", "who connects"),
    "merId": ("商户号", "merchant number"),
    "orderId": ("商户订单号", "our order number"),
    "txnTime": ("订单时间(北京)", "time of the order, Beijing"),
    "txnAmt": ("金额(分)", "amount, fen"),
    "settleAmt": ("清算金额(分)", "amount settled, fen"),
    "settleDate": ("清算日期", "clearing day"),
    "currencyCode": ("币种", "currency"),
    "queryId": ("银联流水号", "UnionPay's number"),
    "origQryId": ("原交易流水号", "UnionPay's number of the payment"),
    "respCode": ("应答码", "code of the reply"),
    "respMsg": ("应答说明", "text of the reply"),
    "origRespCode": ("原交易应答码", "code of the payment"),
    "origRespMsg": ("原交易应答说明", "text of the payment"),
    "qrCode": ("二维码内容", "text of the QR"),
    "payTimeout": ("支付超时(北京)", "payable until, Beijing"),
    "backUrl": ("后台通知地址", "where the notify goes"),
    "termId": ("终端号", "terminal number"),
    "traceNo": ("系统跟踪号", "trace number"),
    "traceTime": ("交易传输时间(北京)", "time of the trace, Beijing"),
}
_HIDDEN = {"qrNo": ("付款码", "payment code"), "signature": ("签名", "signature"), "accNo": ("卡号", "card number"),
           "signPubKeyCert": ("银联证书", "UnionPay's certificate"), "payCardNo": ("卡号", "card number"),
           "customerInfo": ("持卡人信息", "about the payer")}  # fmt: skip
_KINDS = {
    ("01", "06"): ("付款码消费", "payment by code"), ("01", "07"): ("申请二维码", "QR"), ("00", "00"): ("查询", "query"),
    ("99", "01"): ("冲正", "reversal"), ("31", "00"): ("撤销", "undo"), ("04", "00"): ("退货", "refund"),
    ("76", "01"): ("对账文件下载", "settlement file"),
}  # fmt: skip
_OPS = {("01", "06"): "pay", ("01", "07"): "apply", ("00", "00"): "query", ("99", "01"): "reverse", ("31", "00"): "refund",
        ("04", "00"): "refund", ("76", "01"): "file"}  # fmt: skip


def describe(message: bytes) -> dict[str, Any] | None:
    """``{wire, what, fields: [{name, zh, en, value}], signature, proves, notes}``; None when it is not of this wire."""
    text = message.decode("utf-8", "replace").strip()
    head, _, body = text.partition("\n\n")
    source = body.strip() or head
    encoded = "signPubKeyCert=-----BEGIN CERT" not in source
    fields = dict(parse_qsl(source, keep_blank_values=True)) if encoded else sign.parse(source) or _torn(source)
    if "txnType" not in fields or not {"merId", "respCode"} & fields.keys():
        return None
    kind = (fields["txnType"], fields.get("txnSubType", ""))
    zh, en = _KINDS.get(kind, ("未知交易", "an unknown kind"))
    answer = "respCode" in fields
    signed = bool(fields.get("signature"))
    code, row = _row(kind, fields, encoded) if answer else ("", verdict.look_up("", "")[1])
    note = {"zh": "验签通过后才算数", "en": "counts only once the signature holds"}
    meaning = {"zh": row.zh or "没有见过的应答码:结果未知", "en": row.en or "a code nobody has seen: unknown"}
    return {
        "wire": "unionpay.acp",
        "what": f"{zh} / {en}",
        "fields": [_told(name, value) for name, value in fields.items()],
        "signature": "present" if signed else "missing",
        "proves": row.proves.value if signed else "nothing",
        "code": code,
        "notes": [meaning, note] if answer else [note],
    }


def _row(kind: tuple[str, str], fields: dict[str, str], encoded: bool) -> tuple[str, Row]:
    if encoded:
        return verdict.look_up("notify", fields["respCode"])
    op = _OPS.get(kind, "")
    if op == "query" and fields["respCode"] == "00":
        return verdict.look_up("query", f"orig={fields.get('origRespCode', '')}")
    return verdict.look_up(op, fields["respCode"])


def _torn(text: str) -> dict[str, str]:
    """What can still be read of a reply that is cut off."""
    parts = (part.partition("=") for part in text.split("&"))
    return {name: value for name, equals, value in parts if equals}


def _told(name: str, value: str) -> dict[str, str]:
    zh, en = _FIELDS.get(name) or _HIDDEN.get(name) or (name, name)
    return {"name": name, "zh": zh, "en": en, "value": "••••" if name in _HIDDEN else value[:256]}
