"""v2 as the channel speaks it: flat XML and a keyed digest (dossier 2.1)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from daozhang.channels.twin import Heard, Said
from daozhang.channels.wechatpay.twin import fuzz
from daozhang.channels.wechatpay.twin.books import Order, Refund
from daozhang.channels.wechatpay.twin.door_v3 import STATES, Call
from daozhang.channels.wechatpay.twin.faults import Failed
from daozhang.channels.wechatpay.twin.gate import Turned
from daozhang.channels.wechatpay.twin.trade import BEIJING, beijing

PATHS = {
    "/pay/micropay": "pay", "/pay/unifiedorder": "native", "/pay/orderquery": "query", "/secapi/pay/reverse": "reverse",
    "/pay/closeorder": "close", "/secapi/pay/refund": "refund", "/pay/refundquery": "refund_query",
    "/pay/downloadbill": "bill", "/pay/downloadfundflow": "bill",
}  # fmt: skip
_XML = (("Content-Type", "text/xml; charset=utf-8"),)
_V2_REFUNDS = {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}
_WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)


def digest(fields: Mapping[str, str], key: str, kind: str) -> str:
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name]) + f"&key={key}"
    if kind == "HMAC-SHA256":
        return hmac.digest(key.encode(), text.encode(), "sha256").hex().upper()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


class DoorV2:
    def __init__(self, appid: str, mchid: str, key: str, rand: Callable[[int], bytes]) -> None:
        self._appid, self._mchid, self._key, self._rand = appid, mchid, key, rand

    # -- coming in -----------------------------------------------------------------------------------------------------------

    def open(self, heard: Heard, path: str) -> Call:
        """Raises Turned (the unsigned return_code FAIL) and Failed."""
        if path.startswith("/secapi/") and heard.peer == "none":
            raise Turned("证书校验错误:此接口需要商户API证书")
        if heard.method != "POST":
            raise Turned("请使用post方法")
        fields = _fields(heard.body)
        kind = fields.get("sign_type") or "MD5"
        if kind not in ("MD5", "HMAC-SHA256"):
            raise Turned("sign_type参数错误")
        if fields.get("mch_id") != self._mchid or fields.get("appid") != self._appid:
            raise Turned("appid和mch_id不匹配")
        if not fields.get("nonce_str"):
            raise Turned("缺少参数 nonce_str")
        if not hmac.compare_digest(digest(fields, self._key, kind).encode(), fields.get("sign", "").encode()):
            raise Turned("签名错误")
        op = PATHS[path]
        kind_of_trade = fields.get("trade_type", "NATIVE")
        if op == "native" and kind_of_trade not in ("NATIVE", "JSAPI"):
            return Call(op, {}, kind, path, False, fields)  # this twin has no apps: a wrong parameter
        asked = "jsapi" if op == "native" and kind_of_trade == "JSAPI" else op
        return Call(asked, _args(op, fields, kind), kind, path, False, fields)

    # -- going out -----------------------------------------------------------------------------------------------------------

    def turned(self, turned: Turned) -> Said:
        return Said(200, _XML, _written({"return_code": "FAIL", "return_msg": turned.zh}))

    def failed(self, call: Call, failed: Failed, spoil: str = "") -> Said:
        told = {"result_code": "FAIL", "err_code": failed.how.v2, "err_code_des": failed.zh}
        if call.op == "reverse":
            told["recall"] = "Y" if failed.name in ("paying", "system") else "N"
        if call.op == "bill":
            return Said(200, _XML, _written({"return_code": "FAIL", "return_msg": failed.zh, "error_code": failed.how.v2}))
        return self._said(told, call, spoil)

    def done(self, call: Call, order: Order, refund: Refund | None, spoil: str = "") -> Said:
        if call.op == "pay" and order.state == "USERPAYING":
            told = {"result_code": "FAIL", "err_code": "USERPAYING", "err_code_des": "需要用户输入支付密码"}
            return self._said(told, call, spoil)
        told = {"result_code": "SUCCESS"}
        match call.op:
            case "pay" | "query":
                told |= self.transaction(order, state=call.op == "query")
            case "native":
                told |= {"trade_type": "NATIVE", "prepay_id": f"wx{order.qr[-12:]}", "code_url": order.qr}
            case "jsapi":
                told |= {"trade_type": "JSAPI", "prepay_id": order.qr}
            case "reverse":
                told |= {"recall": "N"}
            case "refund" if refund is not None:
                told |= {
                    "transaction_id": order.transaction_id, "out_trade_no": order.out_trade_no,
                    "out_refund_no": refund.out_refund_no, "refund_id": refund.refund_id,
                    "refund_fee": str(refund.amount_fen), "total_fee": str(order.amount_fen),
                    "cash_fee": str(order.amount_fen - order.coupon_fen),
                }  # fmt: skip
            case "refund_query" if refund is not None:
                told |= _refunds(order, refund, call)
        return self._said(told, call, spoil)

    def again(self, call: Call, spoil: str = "") -> Said:
        told = {"result_code": "FAIL", "err_code": "SYSTEMERROR", "err_code_des": "请再次撤销", "recall": "Y"}
        return self._said(told, call, spoil)

    def _said(self, told: Mapping[str, str], call: Call, spoil: str = "") -> Said:
        fields = {"return_code": "SUCCESS", "return_msg": "OK", "appid": self._appid, "mch_id": self._mchid,
                  "nonce_str": self._rand(16).hex(), **fuzz.xml(told, spoil)}  # fmt: skip
        fields |= {name: call.query[name] for name in ("sub_mch_id", "sub_appid") if call.query.get(name)}
        if spoil != "unsigned":
            wrong = spoil in ("forged", "signtest")
            fields["sign"] = digest(fields, "somebody else's" if wrong else self._key, call.signer)
        return Said(200, _XML, _written(fields))

    def transaction(self, order: Order, *, state: bool) -> dict[str, str]:
        """Only a paid order names amounts and payer; only a query names the state."""
        word = "REVOKED" if order.state == "BLOCKED" else order.state
        told = {"out_trade_no": order.out_trade_no, "attach": order.attach}
        if state:
            told |= {"trade_state": word, "trade_state_desc": STATES[word]}
        if word not in ("SUCCESS", "REFUND"):
            return told
        told |= {
            "sub_openid" if order.payer_of else "openid": order.openid, "is_subscribe": "N", "trade_type": order.trade_type, "bank_type": order.bank_type,
            "fee_type": "CNY", "total_fee": str(order.amount_fen), "cash_fee": str(order.amount_fen - order.coupon_fen),
            "transaction_id": order.transaction_id, "time_end": f"{beijing(order.paid_ms):%Y%m%d%H%M%S}",
        }  # fmt: skip
        if order.coupon_fen:
            told |= {"coupon_fee": str(order.coupon_fen), "settlement_total_fee": str(order.amount_fen - order.coupon_fen)}
        return told

    def callback(self, order: Order, spoil: str) -> bytes:
        """A notify of a paid QR, signed with the kind of digest that its order was asked with."""
        fields = {"return_code": "SUCCESS", "appid": self._appid, "mch_id": self._mchid, "result_code": "SUCCESS",
                  "nonce_str": self._rand(16).hex(), "sub_mch_id": order.sub_mchid, "sub_appid": order.sub_appid,
                  **self.transaction(order, state=False)}  # fmt: skip
        if order.signer == "HMAC-SHA256":
            fields["sign_type"] = order.signer
        if spoil == "notify_wrong_amount":
            fields["total_fee"] = "1"
        if spoil == "notify_wrong_seller":
            fields["mch_id"] = "1999999999"
        if spoil == "notify_wrong_app":
            fields["appid"] = "wx9999999999999999"
        wrong = spoil in ("notify_forged", "notify_signtest")
        fields["sign"] = digest(fields, "somebody else's" if wrong else self._key, order.signer or "MD5")
        return _written(fields)

    def refund_callback(self, order: Order, refund: Refund, spoil: str) -> bytes:
        """A notify of a refund: what it says is sealed with a key made from the merchant's, and nothing is signed."""
        told = {
            "transaction_id": order.transaction_id, "out_trade_no": order.out_trade_no, "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no, "total_fee": str(order.amount_fen),
            "refund_fee": "1" if spoil == "notify_wrong_amount" else str(refund.amount_fen),
            "settlement_refund_fee": str(refund.amount_fen), "refund_status": _V2_REFUNDS.get(refund.status, refund.status),
            "success_time": f"{beijing(refund.done_ms):%Y-%m-%d %H:%M:%S}" if refund.done_ms else "",
            "refund_recv_accout": "支付用户零钱", "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS", "refund_request_source": "API",
        }  # fmt: skip
        key = "0" * 32 if spoil in ("notify_forged", "notify_signtest") else self._key
        fields = {"return_code": "SUCCESS", "appid": self._appid, "mch_id": self._mchid, "sub_mch_id": order.sub_mchid,
                  "nonce_str": self._rand(16).hex(), "req_info": _shut(_inner(told), key)}  # fmt: skip
        return _written(fields)


def _inner(told: Mapping[str, str]) -> bytes:
    return b"<root>" + _written(told).removeprefix(b"<xml>").removesuffix(b"</xml>") + b"</root>"


def _shut(plain: bytes, key: str) -> str:
    """AES-256-ECB with the small hexadecimal MD5 of the key, as this old wire wants it."""
    padder = PKCS7(128).padder()
    secret = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()
    shutter = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
    return base64.b64encode(shutter.update(padder.update(plain) + padder.finalize()) + shutter.finalize()).decode()


def _refunds(order: Order, refund: Refund, call: Call) -> dict[str, str]:
    """One refund by its own number, or all of an order's, numbered from 0."""
    wanted = [refund] if call.args.get("out_refund_no") else list(order.refunds.values())
    told = {"transaction_id": order.transaction_id, "out_trade_no": order.out_trade_no,
            "total_fee": str(order.amount_fen), "refund_count": str(len(wanted))}  # fmt: skip
    for at, one in enumerate(wanted):
        told |= {f"out_refund_no_{at}": one.out_refund_no, f"refund_id_{at}": one.refund_id,
                 f"refund_fee_{at}": str(one.amount_fen), f"refund_channel_{at}": "ORIGINAL",
                 f"refund_status_{at}": _V2_REFUNDS.get(one.status, one.status)}  # fmt: skip
    return told


def _args(op: str, fields: Mapping[str, str], kind: str) -> dict[str, Any]:
    named = {name: fields[name] for name in ("out_trade_no", "transaction_id", "out_refund_no") if fields.get(name)}
    named |= {"sub_mchid": fields.get("sub_mch_id", ""), "sub_appid": fields.get("sub_appid", "")}
    if op == "refund":
        return named | {"refund_fen": _whole(fields.get("refund_fee")), "total_fen": _whole(fields.get("total_fee")),
                        "notify_url": fields.get("notify_url", "")}  # fmt: skip
    if op not in ("pay", "native"):
        return named
    return named | {
        "amount_fen": _whole(fields.get("total_fee")), "description": fields.get("body"), "attach": fields.get("attach", ""),
        "auth_code": fields.get("auth_code", ""), "notify_url": fields.get("notify_url", ""),
        "openid": fields.get("openid") or fields.get("sub_openid", ""),
        "payer_of": "sub_openid" if fields.get("sub_openid") and not fields.get("openid") else "", "expires_ms": _moment(fields.get("time_expire")),
        "api": "v2", "signer": kind,
    }  # fmt: skip


def _whole(text: str | None) -> int | None:
    return int(text) if text and _WHOLE.fullmatch(text) else None


def _moment(text: str | None) -> int:
    if not text:
        return 0
    try:
        return round(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp() * 1000)
    except ValueError:
        raise Failed("param", "参数错误: time_expire") from None


def _fields(body: bytes) -> dict[str, str]:
    if not body:
        raise Turned("post数据为空")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Turned("编码格式错误") from None
    if "<!" in text.replace("<![CDATA[", ""):
        raise Turned("XML格式错误")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, RecursionError):
        raise Turned("XML格式错误") from None
    fields = {element.tag: element.text or "" for element in root}
    if root.tag != "xml" or len(fields) != len(root) or any(len(element) for element in root):
        raise Turned("XML格式错误")
    return fields


def _written(fields: Mapping[str, str]) -> bytes:
    """CDATA around every value, as the channel writes it."""
    parts = (f"<{name}><![CDATA[{value.replace(']]>', '')}]]></{name}>" for name, value in fields.items() if value)
    return f"<xml>{''.join(parts)}</xml>".encode()
