"""APIv3 as the channel speaks it: which request asks for what, and how each answer is written (dossier 2.2)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from daozhang.channels.twin import Heard, Said, Wire
from daozhang.channels.wechatpay.twin import fuzz
from daozhang.channels.wechatpay.twin.books import Order, Refund
from daozhang.channels.wechatpay.twin.faults import Failed
from daozhang.channels.wechatpay.twin.gate import Gate, Turned, sealed
from daozhang.channels.wechatpay.twin.trade import beijing

_PAY = r"/v3/pay/(partner/)?transactions"
_ROUTES = [
    ("POST", re.compile(rf"{_PAY}/codepay"), "pay"),
    ("POST", re.compile(rf"{_PAY}/native"), "native"),
    ("POST", re.compile(rf"{_PAY}/jsapi"), "jsapi"),
    ("GET", re.compile(rf"{_PAY}/id/(?P<transaction_id>[^/]+)"), "query"),
    ("GET", re.compile(rf"{_PAY}/out-trade-no/(?P<out_trade_no>[^/]+)"), "query"),
    ("POST", re.compile(rf"{_PAY}/out-trade-no/(?P<out_trade_no>[^/]+)/reverse"), "reverse"),
    ("POST", re.compile(rf"{_PAY}/out-trade-no/(?P<out_trade_no>[^/]+)/close"), "close"),
    ("POST", re.compile(r"/v3/refund/domestic/refunds"), "refund"),
    ("GET", re.compile(r"/v3/refund/domestic/refunds/(?P<out_refund_no>[^/]+)"), "refund_query"),
    ("GET", re.compile(r"/v3/certificates"), "certificates"),
    ("GET", re.compile(r"/v3/bill/tradebill"), "bill"),
    ("GET", re.compile(r"/v3/bill/fundflowbill"), "bill"),
    ("GET", re.compile(r"/v3/billdownload/file"), "download"),
]
STATES = {
    "SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "未支付", "CLOSED": "已关闭", "REVOKED": "已撤销",
    "USERPAYING": "用户支付中，需要输入密码", "PAYERROR": "支付失败", "BLOCKED": "已撤销",
}  # fmt: skip
_JSON = ("Content-Type", "application/json; charset=utf-8")
_FUNDS = ("UNSETTLED", "AVAILABLE")
_ASKED_BY_NAME = ("out_trade_no", "transaction_id", "out_refund_no")


@dataclass(frozen=True)
class Call:
    """One request that came through a door. ``signer`` and ``clock_ms`` are how, and when, its answer is to be signed."""

    op: str
    args: dict[str, Any]
    signer: str
    path: str = ""
    partner: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    clock_ms: int = 0

    @property
    def order(self) -> str:
        return str(self.args.get("out_trade_no") or self.args.get("transaction_id") or "")[:64]


class DoorV3:
    """``rand`` gives bytes for nonces and request ids."""

    def __init__(self, appid: str, mchid: str, gate: Gate, rand: Callable[[int], bytes]) -> None:
        self._appid, self._mchid, self.gate, self._rand = appid, mchid, gate, rand

    # -- coming in -----------------------------------------------------------------------------------------------------------

    def open(self, heard: Heard, target: str) -> Call:
        """Raises Turned (not believed) and Failed (believed, and wrong)."""
        headers = {name.lower(): value for name, value in heard.headers}
        let = self.gate.pass_(heard.method, target, headers, heard.body, heard.at_ms, heard.real_ms)
        for method, path, op in _ROUTES:
            found = path.fullmatch(let.path)
            if found is not None and method == heard.method:
                query = dict(parse_qsl(let.query, keep_blank_values=True))
                named = {name: value for name, value in found.groupdict().items() if name in _ASKED_BY_NAME}
                partner = "/partner/" in let.path
                return Call(op, named | self._args(op, heard.body, query, partner, let.signer), let.signer, let.path,
                            partner, query, let.clock_ms)  # fmt: skip
        raise Failed("param", "接口不存在")

    def _args(self, op: str, body: bytes, query: Mapping[str, str], partner: bool, signer: str) -> dict[str, Any]:
        fields = _object(body) if body else dict(query)
        self._whose(op, fields, partner)
        amount = fields.get("amount")
        amount = amount if isinstance(amount, dict) else {}
        if op == "refund":
            if amount.get("currency") != "CNY" or fields.get("funds_account", "UNSETTLED") not in _FUNDS:
                raise Failed("param", "参数错误: currency, funds_account")
            return {name: fields.get(name, "") for name in (*_ASKED_BY_NAME, "notify_url", "sub_mchid")} | {
                "funds": fields.get("funds_account", "UNSETTLED"), "refund_fen": amount.get("refund"), "total_fen": amount.get("total")}  # fmt: skip
        if op not in ("pay", "native", "jsapi"):
            return {"sub_mchid": fields.get("sub_mchid", ""), "sub_appid": fields.get("sub_appid", "")}
        payer, scene = fields.get("payer"), fields.get("scene_info")
        payer = payer if isinstance(payer, dict) else None
        if op == "pay" and not (payer and isinstance(scene, dict)):
            raise Failed("param", "参数错误: payer, scene_info")
        known_by = [name for name in (("sp_openid", "sub_openid") if partner else ("openid",)) if payer and payer.get(name)]
        openid = str(payer[known_by[0]]) if payer and known_by else ""
        if "sub_openid" in known_by[:1] and not fields.get("sub_appid"):
            raise Failed("param", "参数错误: sub_openid需要sub_appid")
        if op == "jsapi" and not openid:
            raise Failed("param", "参数错误: payer")
        if op != "pay" and not str(fields.get("notify_url", "")).startswith("http"):
            raise Failed("param", "参数错误: notify_url")
        if amount.get("currency", "CNY") != "CNY":
            raise Failed("param", "参数错误: currency")
        return {
            "out_trade_no": fields.get("out_trade_no"), "amount_fen": amount.get("total"),
            "description": fields.get("description"), "attach": fields.get("attach", ""),
            "notify_url": fields.get("notify_url", ""), "sub_mchid": fields.get("sub_mchid", ""),
            "sub_appid": fields.get("sub_appid", ""), "payer_of": "sub_openid" if "sub_openid" in known_by[:1] else "",
            "auth_code": payer.get("auth_code", "") if payer else "",
            "expires_ms": _expiry(fields.get("time_expire")), "api": "v3", "signer": signer, "openid": openid,
        }  # fmt: skip

    def _whose(self, op: str, fields: Mapping[str, Any], partner: bool) -> None:
        """Every request names the merchant that signed it, in the words of its mode."""
        if op in ("refund", "refund_query", "certificates", "bill", "download"):
            return
        mchid, appid = ("sp_mchid", "sp_appid") if partner else ("mchid", "appid")
        needs_app = op in ("pay", "native", "jsapi", "reverse")
        if fields.get(mchid) != self._mchid or (needs_app and fields.get(appid) != self._appid):
            raise Failed("not_mine")
        if partner and not str(fields.get("sub_mchid", "")).isdigit():
            raise Failed("param", "参数错误: sub_mchid")

    # -- going out -----------------------------------------------------------------------------------------------------------

    def turned(self, turned: Turned, heard: Heard) -> Said:
        signer = self.gate.signer({name.lower(): value for name, value in heard.headers})
        return self._said(401, {"code": "SIGN_ERROR", "message": turned.zh}, signer, heard.at_ms)

    def failed(self, call: Call | None, failed: Failed, now: int, signer: str = "", spoil: str = "") -> Said:
        body = {"code": failed.how.v3, "message": failed.zh}
        return self._said(failed.how.status, body, call.signer if call else signer, call.clock_ms if call else now, spoil)

    def done(self, call: Call, order: Order, refund: Refund | None, spoil: str = "") -> Said:
        """The answer to what was carried out."""
        if call.op == "close":
            return self._said(204, None, call.signer, call.clock_ms, spoil)
        if call.op in ("native", "jsapi"):
            made = {"code_url" if call.op == "native" else "prepay_id": order.qr}
            return self._said(200, made, call.signer, call.clock_ms, spoil)
        if call.op == "reverse":
            return self._said(200, self._who(order) | {"out_trade_no": order.out_trade_no}, call.signer, call.clock_ms, spoil)
        if refund is not None:
            return self._said(200, self.refund(order, refund), call.signer, call.clock_ms, spoil)
        status = 202 if call.op == "pay" and order.state == "USERPAYING" else 200
        return self._said(status, self.transaction(order), call.signer, call.clock_ms, spoil)

    def again(self, call: Call, order: str, spoil: str = "") -> Said:
        """The undo is not finished: asks to be repeated."""
        body = {**self._names(str(call.args.get("sub_mchid") or ""), ""), "out_trade_no": order, "recall": "Y"}
        return self._said(200, body, call.signer, call.clock_ms, spoil)

    def plain(self, body: Mapping[str, Any], call: Call, spoil: str = "") -> Said:
        return self._said(200, body, call.signer, call.clock_ms, spoil)

    def _said(self, status: int, body: Mapping[str, Any] | None, signer: str, now: int, spoil: str = "") -> Said:
        raw = b"" if body is None else json.dumps(fuzz.fuzzed(body, spoil), ensure_ascii=False, separators=(",", ":")).encode()
        request_id = ("Request-ID", self._rand(16).hex().upper())
        headers = (_JSON, request_id, *self.gate.seal(signer, raw, now, self._rand(16).hex(), spoil))
        return Said(status, headers, raw, 0, Wire.WHOLE)

    # -- the objects ---------------------------------------------------------------------------------------------------------

    def _who(self, order: Order) -> dict[str, Any]:
        return self._names(order.sub_mchid, order.sub_appid)

    def _names(self, sub_mchid: str, sub_appid: str) -> dict[str, Any]:
        """The merchant's own, or the service provider's and its sub-merchant's."""
        if not sub_mchid:
            return {"appid": self._appid, "mchid": self._mchid}
        names = {"sp_appid": self._appid, "sp_mchid": self._mchid, "sub_mchid": sub_mchid}
        return names | ({"sub_appid": sub_appid} if sub_appid else {})

    def transaction(self, order: Order) -> dict[str, Any]:
        """Only a paid order names amounts and payer."""
        state = "REVOKED" if order.state == "BLOCKED" else order.state
        told = {**self._who(order), "out_trade_no": order.out_trade_no, "trade_type": order.trade_type,
                "trade_state": state, "trade_state_desc": STATES[state], "attach": order.attach}  # fmt: skip
        if state not in ("SUCCESS", "REFUND"):
            return told
        name = (order.payer_of or "sp_openid") if order.sub_mchid else "openid"
        told |= {
            "transaction_id": order.transaction_id, "bank_type": order.bank_type,
            "success_time": rfc3339(order.paid_ms), "payer": {name: order.openid},
            "amount": {"total": order.amount_fen, "payer_total": order.amount_fen - order.coupon_fen, "currency": "CNY",
                       "payer_currency": "CNY"},
        }  # fmt: skip
        if order.coupon_fen:
            told["promotion_detail"] = [{"coupon_id": "109519", "name": "商家立减", "scope": "GLOBAL", "type": "NOCASH",
                                         "amount": order.coupon_fen, "merchant_contribute": order.coupon_fen,
                                         "currency": "CNY"}]  # fmt: skip
        return told

    def refund(self, order: Order, refund: Refund) -> dict[str, Any]:
        told = {
            "refund_id": refund.refund_id, "out_refund_no": refund.out_refund_no, "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no, "channel": "ORIGINAL", "user_received_account": "支付用户零钱",
            "create_time": rfc3339(refund.created_ms), "status": refund.status, "funds_account": refund.funds,
            "amount": {"total": order.amount_fen, "refund": refund.amount_fen, "payer_total": order.amount_fen - order.coupon_fen,
                       "payer_refund": refund.amount_fen, "settlement_refund": refund.amount_fen,
                       "settlement_total": order.amount_fen - order.coupon_fen, "discount_refund": 0, "currency": "CNY"},
        }  # fmt: skip
        return told | ({"success_time": rfc3339(refund.done_ms)} if refund.done_ms else {})

    def callback(self, order: Order, refund: Refund | None, spoil: str) -> tuple[str, bytes]:
        """What is sealed in a callback: ``transaction`` or ``refund``, and the text."""
        if refund is None:
            told = self.transaction(order)
        else:
            told = {**self._who(order), **self.refund(order, refund), "refund_status": refund.status}
            for name in ("appid", "sp_appid", "sub_appid", "status", "channel", "create_time", "funds_account"):
                told.pop(name, None)
        if spoil == "notify_wrong_amount":
            told = told | {"amount": told["amount"] | {"total": 1, "payer_total": 1}}
        if spoil == "notify_wrong_seller":
            told = told | {name: "1999999999" for name in ("mchid", "sp_mchid") if name in told}
        if spoil == "notify_wrong_app":
            told = told | {name: "wx9999999999999999" for name in ("appid", "sp_appid") if name in told}
        return "transaction" if refund is None else "refund", json.dumps(told, ensure_ascii=False).encode()


def spoilt(order: Order, mode: str) -> Order:
    """What a wrong answer says of the order."""
    if mode == "wrong_amount_reply":
        return replace(order, amount_fen=9_950)
    if mode == "wrong_order_reply":
        return replace(order, out_trade_no="DZ00000000000000000000000000")
    if mode == "query_stale" and order.state == "SUCCESS":
        return replace(order, state="USERPAYING")
    return order


def rfc3339(at_ms: int) -> str:
    return beijing(at_ms).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def certificates(apiv3_key: str, held: list[tuple[str, str]], nonce: Callable[[], str]) -> dict[str, Any]:
    """The list of platform certificates, each sealed with the APIv3 key; more than one while they are being changed."""
    return {"data": [
        {"serial_no": serial, "effective_time": "2025-01-01T00:00:00+08:00", "expire_time": "2045-01-01T00:00:00+08:00",
         "encrypt_certificate": sealed(apiv3_key, "certificate", pem.encode(), nonce())}
        for serial, pem in held
    ]}  # fmt: skip


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Failed("param", "请求体不是合法的JSON") from None
    if not isinstance(value, dict):
        raise Failed("param", "请求体不是JSON对象")
    return value


def _expiry(text: Any) -> int:
    """Milliseconds of ``time_expire``; 0 when it is left away. Raises Failed."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise Failed("param", "参数错误: time_expire") from None
    if moment.tzinfo is None:
        raise Failed("param", "参数错误: time_expire")
    return round(moment.timestamp() * 1000)
