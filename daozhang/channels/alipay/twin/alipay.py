"""The whole twin: gate, faults, trades, replies, notifies. Pure: time comes in with each call."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels import form
from daozhang.channels.alipay.twin import bills, faults, fuzz, phones, provider
from daozhang.channels.alipay.twin.bills import Bills
from daozhang.channels.alipay.twin.books import Books, Late, Notify
from daozhang.channels.alipay.twin.door_v2 import Call, DoorV2
from daozhang.channels.alipay.twin.door_v3 import DoorV3
from daozhang.channels.alipay.twin.gate import Gate, Keys, Partner, Turned
from daozhang.channels.alipay.twin.papers import Papers
from daozhang.channels.alipay.twin.trade import NOTIFY_GAPS_MS, Failed, Trades
from daozhang.channels.twin import Heard, Push, Refused, Said, Wire

_OPS = {
    "alipay.trade.pay": "pay", "alipay.trade.precreate": "precreate", "alipay.trade.query": "query",
    "alipay.trade.cancel": "cancel", "alipay.trade.close": "close", "alipay.trade.refund": "refund",
    "alipay.trade.fastpay.refund.query": "refund_query", "alipay.trade.create": "create",
    "alipay.data.dataservice.bill.downloadurl.query": "bill", "alipay.open.auth.token.app": "token",
}  # fmt: skip
_FOREVER_MS = 1 << 52
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AlipayTwin:
    """See `daozhang.channels.twin.Twin`. ``append`` makes each change of the books durable."""

    name = "alipay"

    def __init__(
        self, app_id: str, seller_id: str, keys: Keys, rand: Callable[[int], bytes],
        append: Callable[[dict[str, Any]], None] = lambda record: None, *, pems: Mapping[str, str] | None = None,
        window_s: int | None = 86_400, service_ms: int = 0, papers: Papers | None = None, partner: Partner | None = None,
    ) -> None:  # fmt: skip
        self._app_id, self._seller_id, self._keys, self._rand = app_id, seller_id, keys, rand
        self._pems = dict(pems or {})
        self._service_ms = service_ms
        self._journal = Books(append)
        self._trades = Trades(self._journal, rand, app_id, seller_id)
        self._partner = partner
        self.gate = Gate(app_id, keys, lambda method: method in _OPS, window_s, papers, partner)
        self._v2 = DoorV2(self.gate, keys, papers)
        self._v3 = DoorV3(self.gate, keys, papers, lambda method: method in _OPS, rand)
        self._bills = Bills(self._journal, rand, seller_id)
        self._chaos: list[faults.Chaos] = []
        self._late_success: list[tuple[int, str]] = []

    # -- the wire ------------------------------------------------------------------------------------------------------------

    def handle(self, heard: Heard) -> Said:
        """One request to the gateway, to the REST paths, or for a bill's file."""
        path, now = urlsplit(heard.target).path, heard.at_ms
        if path == bills.PATH:
            return self._bills.file(heard.target, now)
        if path != "/gateway.do" and not path.startswith("/v3/"):
            return Said(404, (("Content-Type", "text/plain"),), b"the gateway is at /gateway.do, REST below /v3/")
        door: DoorV2 | DoorV3 = self._v2 if path == "/gateway.do" else self._v3
        self._pass_time(now)
        try:
            call = door.open(heard)
        except Turned as turned:
            return door.turned(turned, heard)
        op, order = _OPS[call.method], str(call.biz.get("out_trade_no", ""))[:64]
        mode = self._mode(op, order, now)
        self._log(call.method, order, now, mode)
        said = self._answer(door, call, op, heard, mode)
        if self._mode("notify", order, now) == "notify_early":
            for notify in [n for n in self._journal.notifies.values() if n.fields.get("out_trade_no") == order]:
                self._journal.put("notify", replace(notify, due_ms=min(notify.due_ms, now)))
            said = replace(said, delay_ms=said.delay_ms + 400)
        return said

    def _answer(self, door: DoorV2 | DoorV3, call: Call, op: str, heard: Heard, mode: str) -> Said:
        now = heard.at_ms
        if mode == "brown_out":
            mode = ("lost_after", "system_error_charged", "error_500", "lost_before")[self._rand(1)[0] % 4]
        if mode == "clock_skew":
            return door.turned(Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数", call.method), heard)
        if mode == "token_expired" and self._partner is not None and call.app_id == self._partner.app_id:
            return door.turned(Turned("20001", "aop.app-auth-token-time-out", "应用授权令牌已过期", call.method), heard)
        if mode == "maintenance":
            return Said(503, (("Content-Type", "text/html"),), "<html>系统维护中</html>".encode())
        if mode in ("late_arrival",):
            self._journal.put("late", Late(op, dict(call.biz), call.notify_url, now + 20_000, self._for(call)))
            return Said(200, (), b"", wire=Wire.NO_REPLY)
        if mode in ("lost_before", "undo_lost"):
            return Said(200, (), b"", wire=Wire.NO_REPLY)
        if mode == "reset_before":
            return Said(200, (), b"", wire=Wire.RESET)
        reply = self._carry_out(call, op, now, mode)
        return self._spoilt(door, call, reply, mode)

    def _carry_out(self, call: Call, op: str, now: int, mode: str) -> dict[str, Any]:
        biz = call.biz
        error = {
            "code": "20000",
            "msg": "Service Currently Unavailable",
            "sub_code": "aop.ACQ.SYSTEM_ERROR",
            "sub_msg": "系统异常",
        }
        special = {
            "system_error_clean": error,
            "rate_limit": {"code": "40005", "msg": "Call Limited", "sub_code": "isv.app-call-limited", "sub_msg": "应用调用次数超限"},
            "not_found": _failure("ACQ.TRADE_NOT_EXIST", "交易不存在"),
            "undo_refused": _failure("ACQ.CANCEL_NOT_ALLOWED" if op == "cancel" else "ACQ.TRADE_STATUS_ERROR", "不允许撤销"),
            "refund_no_balance": _failure("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足"),
            "refund_refused": _failure("ACQ.TRADE_NOT_ALLOW_REFUND", "当前交易不允许退款"),
        }  # fmt: skip
        if mode in special:
            return special[mode]
        if mode == "undo_retry":
            return {"code": "10000", "msg": "Success", "out_trade_no": biz.get("out_trade_no", ""), "retry_flag": "Y"}
        if mode == "undo_race":
            self._race(str(biz.get("out_trade_no", "")), now)
        try:
            if op == "bill":
                return self._bills.link(biz, now, mode, call.base_url)
            if op == "token":
                return provider.exchange(self._partner, call.app_id, biz, self._app_id, self._seller_id)
            forced = "typing" if mode == "typing_forever" else ""
            reply = self._business(op, biz, call.notify_url, now, forced, self._for(call))
        except Failed as failed:
            reply = {
                "code": failed.code,
                "msg": "Business Failed",
                "sub_code": failed.sub_code,
                "sub_msg": failed.sub_msg,
            }
        if mode == "system_error_charged":
            return error
        if mode in faults.CHARGED_AFTER_MS and reply["code"] == "10000":
            self._late_success.append((now + faults.CHARGED_AFTER_MS[mode], str(biz.get("out_trade_no", ""))))
            return {**{k: v for k, v in reply.items() if k != "action"}, "action": "close"}
        if mode == "query_stale" and reply.get("trade_status") == "TRADE_SUCCESS":
            kept = ("code", "msg", "out_trade_no", "trade_no", "total_amount")
            return {**{name: reply[name] for name in kept}, "trade_status": "WAIT_BUYER_PAY"}
        return reply

    def _race(self, number: str, now: int) -> None:
        """The payer confirms in this very moment: half of the time just before the undo, else too late to matter."""
        order = self._journal.orders.get(number)
        if order is not None and order.state == "WAIT_BUYER_PAY" and self._rand(1)[0] % 2:
            self._trades.capture(order, now)

    def _for(self, call: Call) -> str:
        """The service provider's app that asks for the merchant; empty for the merchant's own."""
        return "" if call.app_id == self._app_id else call.app_id

    def _business(
        self, op: str, biz: Mapping[str, Any], notify_url: str, now: int, forced: str = "", app_id: str = ""
    ) -> dict[str, Any]:
        match op:
            case "pay":
                return self._trades.pay(biz, notify_url, now, forced, app_id)
            case "precreate":
                return self._trades.precreate(biz, notify_url, now, app_id)
            case "create":
                return self._trades.create(biz, notify_url, now, app_id)
            case "query":
                return self._trades.query(biz, now)
            case "cancel":
                return self._trades.cancel(biz, now)
            case "close":
                return self._trades.close(biz, now)
            case "refund":
                return self._trades.refund(biz, now)
            case _:
                return self._trades.refund_query(biz, now)

    def _spoilt(self, door: DoorV2 | DoorV3, call: Call, reply: dict[str, Any], mode: str) -> Said:
        """The reply on its way back, and what happens to it there."""
        reply = fuzz.fuzzed(reply, mode)
        if mode == "unknown_code":
            reply = {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.NEVER_SEEN_BEFORE", "sub_msg": "?"}
        if mode == "wrong_amount_reply":
            reply = {**reply, "total_amount": "99.50"}
        if mode == "wrong_order_reply":
            reply = {**reply, "out_trade_no": "DZ00000000000000000000000000"}
        said = door.said(call, reply, mode if mode in ("forged", "unsigned") else "")
        said = replace(said, delay_ms=self._service_ms)
        wires = {"lost_after": Wire.NO_REPLY, "timeout": Wire.NO_REPLY, "refund_lost": Wire.NO_REPLY, "reset_after": Wire.RESET,
                 "truncated": Wire.TRUNCATED, "drip": Wire.DRIP}  # fmt: skip
        match mode:
            case _ if mode in wires:
                return replace(said, wire=wires[mode])
            case "late_reply":
                return replace(said, delay_ms=said.delay_ms + 8_000)
            case "slow":
                return replace(said, delay_ms=said.delay_ms + 2_000)
            case "error_500":
                return Said(500, (("Content-Type", "text/html"),), b"<html>500</html>", self._service_ms)
            case "garbage":
                return replace(said, body=b"<html><body>hello</body></html>")
            case _:
                return said

    def _log(self, method: str, order: str, now: int, mode: str) -> None:
        at = (_EPOCH + timedelta(milliseconds=now)).isoformat("T", "milliseconds")[:-6] + "Z"
        self._journal.asked(
            {"at": at, "at_ms": now, "method": method, "out_trade_no": order, **({"fault": mode} if mode else {})}
        )

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _pass_time(self, now: int) -> None:
        self._trades.pass_time(now)
        for late in [late for late in self._journal.late if late.due_ms <= now]:
            self._journal.drop("late", str(late.biz.get("out_trade_no", "")))
            try:
                self._business(late.method, late.biz, late.notify_url, late.due_ms, "", late.app_id)
            except Failed:
                continue
        for due, order_no in [item for item in self._late_success if item[0] <= now]:
            self._late_success.remove((due, order_no))
            order = self._journal.orders.get(order_no)
            if order is not None and order.state in ("TRADE_CLOSED", "BLOCKED") and order.amount_fen:
                self._trades.capture(replace(order, returned_fen=0, captured_fen=0), now)

    def next_due_ms(self) -> int | None:
        times = [late.due_ms for late in self._journal.late] + [due for due, _ in self._late_success]
        times += [notify.due_ms for notify in self._journal.notifies.values()]
        due = self._trades.due()
        return min([*times, due] if due is not None else times, default=None)

    def tick(self, now_ms: int) -> list[Push]:
        """Let time pass; the notifies that leave now."""
        self._pass_time(now_ms)
        pushes: list[Push] = []
        for notify in [n for n in self._journal.notifies.values() if n.due_ms <= now_ms]:
            mode = self._mode("notify", notify.fields.get("out_trade_no", ""), now_ms)
            wait_ms = faults.held_back(mode, "gmt_refund" not in notify.fields)
            if wait_ms and not notify.spoil:
                self._journal.put("notify", replace(notify, due_ms=now_ms + wait_ms, spoil="late"))
                continue
            again = now_ms + NOTIFY_GAPS_MS[notify.tries] if notify.tries < len(NOTIFY_GAPS_MS) else 0
            self._journal.put("notify", replace(notify, tries=notify.tries + 1, due_ms=again or _FOREVER_MS))
            if mode == "notify_lost":
                continue
            push = self._push(notify, mode)
            pushes += [push] * faults.COPIES.get(mode, 1)
        return pushes

    def _push(self, notify: Notify, mode: str) -> Push:
        fields = dict(notify.fields)
        if mode == "notify_wrong_amount":
            fields["total_amount"] = "0.01"
        if mode == "notify_wrong_seller":
            fields["seller_id"] = "2088999999999999"
        if mode == "notify_wrong_app":
            fields["app_id"] = "2021999999999999"
        signed = "&".join(f"{key}={fields[key]}" for key in sorted(fields) if fields[key])
        message = b"something else" if mode == "notify_forged" else signed.encode()
        fields |= {"sign_type": "RSA2", "sign": base64.b64encode(self._keys.sign(message)).decode()}
        headers = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
        return Push(notify.push_id, notify.url, headers, form.write(fields).encode())

    def pushed(self, push_id: str, status: int | None, body: bytes, now_ms: int) -> None:
        """Only the seven bytes end the repeats."""
        if status == 200 and body.strip() == b"success" and push_id in self._journal.notifies:
            self._journal.drop("notify", push_id)

    # -- controls --------------------------------------------------------------------------------------------------------------

    def credentials(self, base_url: str) -> dict[str, Any]:
        told = {"gateway": f"{base_url}/gateway.do", "endpoint": base_url, "app_id": self._app_id,
                "seller_id": self._seller_id, **self._pems}  # fmt: skip
        if self._partner is not None:
            told |= {"partner_app_id": self._partner.app_id, "app_auth_token": self._partner.token,
                     "app_auth_code": self._partner.code, "app_refresh_token": self._partner.refresh}  # fmt: skip
        return told

    def account(self, base_url: str) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of a merchant's account at this twin."""
        told = self.credentials(base_url)
        settings = {name: str(told[name]) for name in ("app_id", "seller_id", "gateway")}
        return settings, {"app_private_key": told["app_private_key_pkcs8"], "alipay_public_key": told["alipay_public_key"]}

    def simulated_account(self, secret: str) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of an account in a world without RSA."""
        key = f"simulated:{secret}"
        settings = {"app_id": self._app_id, "seller_id": self._seller_id}
        return settings, {"app_private_key": key, "alipay_public_key": key}

    def code(self, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        code = self._trades.issue(behaviour, now_ms)
        return {"code": code.code, "payer": code.payer, "behaviour": behaviour, "expires_at_ms": code.expires_ms}

    def scan(self, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        self._pass_time(now_ms)
        try:
            order = self._trades.scan(qr, behaviour, now_ms)
        except Failed:
            raise Refused("qr_invalid", "二维码无效、已付款或已过期:请让收银台重新出码",
                          "the QR is unknown, paid or expired: let the till show a new one") from None  # fmt: skip
        return {"out_trade_no": order.out_trade_no, "payer": order.buyer, "behaviour": behaviour, "state": order.state}

    def act(self, order: str, act: str, now_ms: int) -> None:
        """The payer, whose phone asks for the password, types it (``pay``) or gives up (``cancel``), now."""
        self._pass_time(now_ms)
        known = self._journal.orders.get(order)
        if known is None or known.state != "WAIT_BUYER_PAY" or act not in ("pay", "cancel"):
            raise Refused("nothing_asked", "手机上没有这笔待确认的付款:可能已付、已取消或已过期",
                          "the phone asks nothing about this order: it may be paid, undone or expired")  # fmt: skip
        self._journal.put("order", replace(known, acts_ms=now_ms, act=act))
        self._pass_time(now_ms)

    def behaviours(self) -> list[dict[str, str]]:
        return [{"name": name, "zh": it.zh, "en": it.en} for name, it in phones.BEHAVIOURS.items()]

    def modes(self) -> list[dict[str, str]]:
        return [
            {"name": name, "says": f"{it.zh} / {it.en}", "zh": it.zh, "en": it.en} for name, it in faults.MODES.items()
        ]

    def chaos(self, mode: str, now_ms: int, share: float = 1.0, for_ms: int = 0, op: str = "", order: str = "") -> None:
        if mode not in faults.MODES:
            raise Refused(
                "unknown_mode",
                f"没有叫 {mode} 的故障:用 daozhang chaos list 查看",
                f"no fault is called {mode}: see daozhang chaos list",
            )
        if not 0 < share <= 1:
            raise Refused("bad_share", "share 应大于0且不超过1", "share is above 0 and at most 1")
        self._chaos = [chaos for chaos in self._chaos if (chaos.mode, chaos.order) != (mode, order)]
        self._chaos.append(faults.Chaos(mode, share, now_ms + for_ms if for_ms else _FOREVER_MS, op, order))

    def chaos_on(self) -> list[dict[str, Any]]:
        return [asdict(chaos) for chaos in self._chaos]

    def chaos_off(self) -> None:
        self._chaos.clear()

    def control(self, name: str, value: Any) -> None:
        """Small switches: ``service_ms``, ``seller_balance_fen`` and ``certificate_mode`` (no request without SNs)."""
        if name == "service_ms" and isinstance(value, int) and 0 <= value <= 60_000:
            self._service_ms = value
        elif name == "seller_balance_fen" and (value is None or isinstance(value, int)):
            self._journal.seller_balance_fen = value
        elif name == "certificate_mode" and isinstance(value, bool):
            self.gate.strict = value
        else:
            raise Refused(
                "unknown_control", f"没有叫 {name} 的开关,或取值不对", f"no such control, or a bad value: {name}"
            )

    def replay(self, record: dict[str, Any]) -> None:
        self._journal.replay(record)

    def books(self) -> dict[str, Any]:
        """The channel's own truth."""
        orders = [
            {
                "out_trade_no": order.out_trade_no, "trade_no": order.trade_no, "amount_fen": order.amount_fen,
                "captured_fen": order.captured_fen, "returned_fen": order.returned_fen, "state": order.state,
                "times": {"created_ms": order.created_ms, "paid_ms": order.paid_ms or None, "closed_ms": order.closed_ms or None},
                "payer": order.buyer, "asks": order.state == "WAIT_BUYER_PAY",
                "refunds": [{"out_request_no": number, "amount_fen": amount} for number, amount in order.refunds.items()],
            }
            for order in self._journal.orders.values() if order.state not in ("SHOWN", "BLOCKED")
        ]  # fmt: skip
        return {"orders": orders, "requests": self._journal.requests}

    def _mode(self, op: str, order: str, now: int) -> str:
        """The fault that strikes this request, the newest first."""
        for chaos in reversed(self._chaos):
            draw = int.from_bytes(self._rand(2), "big") / 65_536
            if chaos.concerns(op, order, now, draw):
                concerns_notify = chaos.mode.startswith("notify")
                if concerns_notify == (op == "notify"):
                    return chaos.mode
        return ""


def _failure(sub_code: str, sub_msg: str) -> dict[str, Any]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": sub_msg}


def _known_behaviour(name: str) -> None:
    if name not in phones.BEHAVIOURS and not name.startswith(f"{phones.REFUSED}ACQ."):
        raise Refused("unknown_behaviour", f"没有叫 {name} 的付款行为:用 daozhang sandbox behaviours 查看",
                      f"no payer behaves like {name}: see daozhang sandbox behaviours")  # fmt: skip
