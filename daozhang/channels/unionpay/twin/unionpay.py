"""The whole twin: gate, faults, orders, replies, notifies. Pure: time comes in with each call."""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels import form
from daozhang.channels.twin import Heard, Push, Refused, Said, Wire
from daozhang.channels.unionpay.twin import faults, fuzz, phones, settle
from daozhang.channels.unionpay.twin.books import Books, Late, Notify
from daozhang.channels.unionpay.twin.faults import WORDS, Failed
from daozhang.channels.unionpay.twin.gate import Gate, Keys, Turned, to_sign
from daozhang.channels.unionpay.twin.trade import NOTIFY_GAPS_MS, Trades, clearing_day

_HTML = (("Content-Type", "text/html;charset=UTF-8"),)
_PATHS = ("/gateway/api/backTransReq.do", "/gateway/api/queryTrans.do", "/")  # files lie on a host of their own, at its root
_FOREVER_MS = 1 << 52
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ECHOED = ("accessType", "bizType", "encoding", "merId", "orderId", "txnTime", "txnType", "txnSubType", "version", "txnAmt",
           "origQryId", "acqInsCode", "subMerId", "reqReserved", "settleDate", "fileType")  # fmt: skip


class UnionpayTwin:
    """See `daozhang.channels.twin.Twin`. ``append`` makes each change of the books durable."""

    name = "unionpay"

    def __init__(
        self, held: Mapping[str, Any], keys: Keys, rand: Callable[[int], bytes],
        append: Callable[[dict[str, Any]], None] = lambda record: None, *, window_s: int | None = 86_400,
    ) -> None:  # fmt: skip
        self._held, self._keys, self._rand = held, keys, rand
        self._mer_id = str(held["mer_id"])
        self._service_ms = 0
        self._journal = Books(append)
        self._trades = Trades(self._journal, rand, self._mer_id)
        self.gate = Gate(self._mer_id, str(held["cert_id"]), keys, window_s)
        self._chaos: list[faults.Chaos] = []
        self._late_success: list[tuple[int, str]] = []

    # -- the wire ------------------------------------------------------------------------------------------------------------

    def handle(self, heard: Heard) -> Said:
        """One request."""
        now = heard.at_ms
        if urlsplit(heard.target).path not in _PATHS and not heard.target.endswith(_PATHS[:2]):
            return Said(404, (("Content-Type", "text/plain"),), b"the gateway is below /gateway/api/")
        self._pass_time(now)
        try:
            let = self.gate.pass_(heard.body, now, heard.real_ms or now)
        except Turned as turned:
            return self._said(self._sealed(turned.fields, {"respCode": turned.code, "respMsg": turned.why}))
        order = let.fields.get("orderId", "")
        about = getattr(self._journal.backs.get(order), "orig", order) or order
        mode = self._mode(let.op, about, now)
        self._log(let.op, order, now, mode)
        said = self._answer(let.op, let.fields, now, mode)
        if self._mode("notify", order, now) == "notify_early":
            for notify in [one for one in self._journal.notifies.values() if one.fields["orderId"] == order]:
                self._journal.put("notify", replace(notify, due_ms=min(notify.due_ms, now)))
            said = replace(said, delay_ms=said.delay_ms + 400)
        return said

    def _answer(self, op: str, asked: Mapping[str, str], now: int, mode: str) -> Said:
        if mode == "brown_out":
            mode = ("lost_after", "system_error_charged", "error_500", "lost_before")[self._rand(1)[0] % 4]
        if mode == "maintenance":
            return Said(503, (("Content-Type", "text/html"),), "<html>系统维护中</html>".encode())
        if mode == "late_arrival":
            self._journal.put("late", Late(asked["orderId"], op, dict(asked), now + 20_000))
            return self._said(b"", wire=Wire.NO_REPLY)
        if mode in ("lost_before", "undo_lost"):
            return self._said(b"", wire=Wire.NO_REPLY)
        if mode == "reset_before":
            return self._said(b"", wire=Wire.RESET)
        return self._spoilt(asked, self._carry_out(op, asked, now, mode), mode)

    def _carry_out(self, op: str, asked: Mapping[str, str], now: int, mode: str) -> dict[str, str]:
        instead = {"system_error_clean": "04", "rate_limit": "37", "not_found": "34", "undo_refused": "39", "undo_retry": "04",
                   "clock_skew": "10"}.get(mode)  # fmt: skip
        if instead:
            return _code(instead)
        if mode == "undo_race":
            self._race(asked["orderId"], now)
        try:
            told = self._business(op, asked, now, mode)
        except Failed as failed:
            return _code(failed.code)
        if mode == "system_error_charged":
            return _code("04")
        if mode in faults.CHARGED_AFTER_MS:
            self._late_success.append((now + faults.CHARGED_AFTER_MS[mode], asked["orderId"]))
        if mode in ("query_stale", "query_unknown"):
            code = "05" if mode == "query_stale" else "04"
            told = {"origRespCode": code, "origRespMsg": WORDS[code], "queryId": told.get("queryId", "")}
        return {**_code("00"), **told}

    def _race(self, number: str, now: int) -> None:
        """The payer confirms in this very moment: half of the time just before the undo, else too late to matter."""
        order = self._journal.orders.get(number)
        if order is not None and order.state == "PAYING" and self._rand(1)[0] % 2:
            self._trades.capture(order, now)

    def _business(self, op: str, asked: Mapping[str, str], now: int, mode: str = "") -> dict[str, str]:
        trades, forced = self._trades, "typing" if mode == "typing_forever" else ""
        match op:
            case "pay":
                return trades.pay(asked, now, forced)
            case "apply":
                return trades.apply(asked, now)
            case "query":
                return trades.query(asked)
            case "reverse":
                return trades.reverse(asked, now)
            case "undo":
                return trades.undo(asked, now)
            case "refund":
                return trades.refund(asked, now)
            case _:
                return self._file(asked, now, mode)

    def _file(self, asked: Mapping[str, str], now: int, mode: str) -> dict[str, str]:
        """The settlement file of a clearing day that is over. Raises Failed."""
        day = asked["settleDate"]
        from_then = {clearing_day(now + hours * 3_600_000) for hours in (0, 24)}
        if mode == "bill_not_ready" or asked["fileType"] != "00" or day in from_then:
            raise Failed("98")
        content = settle.write(settle.spoilt(settle.moved(self._journal, day), mode), self._mer_id)
        raw = zlib.compress(content)
        packed = base64.b64encode(raw[: len(raw) // 2] if mode == "bill_cut" else raw).decode()
        return {"fileName": f"INN{day}99ZM_{self._mer_id}", "fileContent": packed}

    def _spoilt(self, asked: Mapping[str, str], reply: dict[str, str], mode: str) -> Said:
        """The reply on its way back, and what happens to it there."""
        reply = fuzz.fuzzed(reply, mode)
        if mode == "unknown_code":
            reply = {**reply, "respCode": "Z9", "respMsg": "?"}
        if mode == "wrong_amount_reply":
            reply |= {"txnAmt": "9950", **({"settleAmt": "9950"} if "settleAmt" in reply else {})}
        if mode == "wrong_order_reply":
            reply["orderId"] = "DZ00000000000000000000000000"
        body = self._sealed(asked, reply, mode)
        match mode:
            case "lost_after" | "timeout" | "refund_lost":
                return self._said(body, wire=Wire.NO_REPLY)
            case "reset_after":
                return self._said(body, wire=Wire.RESET)
            case "truncated":
                return self._said(body, wire=Wire.TRUNCATED)
            case "drip":
                return self._said(body, wire=Wire.DRIP)
            case "late_reply":
                return self._said(body, delay_ms=8_000)
            case "slow":
                return self._said(body, delay_ms=2_000)
            case "error_500":
                return Said(500, (("Content-Type", "text/html"),), b"<html>500</html>", self._service_ms)
            case "garbage":
                return self._said(b"<html><body>hello</body></html>")
            case _:
                return self._said(body)

    def _said(self, body: bytes, *, delay_ms: int = 0, wire: Wire = Wire.WHOLE) -> Said:
        return Said(200, _HTML, body, delay_ms + self._service_ms, wire)

    def _sealed(self, asked: Mapping[str, str], reply: Mapping[str, str], mode: str = "") -> bytes:
        """What was asked, what is answered, certificate and signature: plain ``k=v`` joined by ``&``, not url-encoded."""
        echoed = {name: asked[name] for name in _ECHOED if asked.get(name)}
        fields = self._signed({**echoed, "version": "5.1.0", "signMethod": "01", **reply}, mode)
        if mode == "unsigned":
            fields = {name: value for name, value in fields.items() if name not in ("signature", "signPubKeyCert")}
        return "&".join(f"{name}={value}" for name, value in fields.items()).encode()

    def _signed(self, fields: dict[str, str], mode: str = "") -> dict[str, str]:
        who = {"stranger": "stranger", "notify_stranger": "stranger", "wrong_company": "company"}.get(mode, "")
        fields = {**fields, "signPubKeyCert": self._keys.certificate(who)}
        message = b"something else" if mode in ("forged", "notify_forged") else to_sign(fields)
        return {**fields, "signature": base64.b64encode(self._keys.sign(message, who)).decode()}

    def _log(self, op: str, order: str, now: int, mode: str) -> None:
        at = f"{_EPOCH + timedelta(milliseconds=now):%Y-%m-%dT%H:%M:%S}.{now % 1000:03d}Z"
        known = self._journal.backs.get(order)
        method = "refund.query" if op == "query" and known is not None else f"trade.{op}"
        self._journal.asked({"at": at, "at_ms": now, "method": method, "out_trade_no": order, **({"fault": mode} if mode else {})})

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _pass_time(self, now: int) -> None:
        self._trades.pass_time(now)
        for late in [late for late in self._journal.late.values() if late.due_ms <= now]:
            self._journal.drop("late", late.order)
            try:
                self._business(late.op, late.fields, late.due_ms)
            except Failed:
                continue
        for due, number in [item for item in self._late_success if item[0] <= now]:
            self._late_success.remove((due, number))
            order = self._journal.orders.get(number)
            if order is not None and order.state == "REVERSED":
                self._trades.capture(replace(order, returned_fen=0, captured_fen=0, fail=""), now)

    def next_due_ms(self) -> int | None:
        times = [late.due_ms for late in self._journal.late.values()] + [due for due, _ in self._late_success]
        times += [notify.due_ms for notify in self._journal.notifies.values()]
        due = self._trades.due()
        return min([*times, due] if due is not None else times, default=None)

    def tick(self, now_ms: int) -> list[Push]:
        """Let time pass; the notifies that leave now."""
        self._pass_time(now_ms)
        pushes: list[Push] = []
        for notify in [one for one in self._journal.notifies.values() if one.due_ms <= now_ms]:
            mode = self._mode("notify", notify.fields["orderId"], now_ms)
            wait_ms = faults.held_back(mode, "origQryId" not in notify.fields)
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
            fields |= {"txnAmt": "1", "settleAmt": "1"}
        if mode == "notify_wrong_seller":
            fields["merId"] = "777999999999999"
        headers = (("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),)
        return Push(notify.push_id, notify.url, headers, form.write(self._signed(fields, mode)).encode())

    def pushed(self, push_id: str, status: int | None, body: bytes, now_ms: int) -> None:
        """HTTP 200 ends the repeats."""
        if status == 200 and push_id in self._journal.notifies:
            self._journal.drop("notify", push_id)

    # -- controls --------------------------------------------------------------------------------------------------------------

    def credentials(self, base_url: str) -> dict[str, Any]:
        names = ("mer_id", "cert_id", "merchant_pfx_base64", "pfx_password", "root_certificate", "middle_certificate")
        return {"base_url": base_url, **{name: self._held[name] for name in names}}

    def account(self, base_url: str) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of a merchant's account at this twin."""
        told = self.credentials(base_url)
        names = ("merchant_pfx_base64", "pfx_password", "root_certificate", "middle_certificate")
        return {"mer_id": told["mer_id"], "gateway": base_url}, {name: told[name] for name in names}

    def simulated_account(self, secret: str) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of an account in a world without RSA."""
        key = f"simulated:{secret}"
        return {"mer_id": self._mer_id}, {"merchant_pfx_base64": key, "root_certificate": key}

    def code(self, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        made = self._trades.issue(behaviour, now_ms)
        return {"code": made.code, "payer": made.payer, "behaviour": behaviour, "expires_at_ms": made.expires_ms}

    def scan(self, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        self._pass_time(now_ms)
        try:
            order = self._trades.scan(qr, behaviour, now_ms)
        except Failed:
            raise Refused("qr_invalid", "二维码无效、已付款或已过期:请让收银台重新出码",
                          "the QR is unknown, paid or expired: let the till show a new one") from None  # fmt: skip
        return {"out_trade_no": order.order_id, "payer": order.payer, "behaviour": behaviour, "state": order.state}

    def act(self, order: str, act: str, now_ms: int) -> None:
        """The payer, whose phone asks for the password, types it (``pay``) or gives up (``cancel``), now."""
        self._pass_time(now_ms)
        known = self._journal.orders.get(order)
        if known is None or known.state != "PAYING" or act not in ("pay", "cancel"):
            raise Refused("nothing_asked", "手机上没有这笔待确认的付款:可能已付、已取消或已过期",
                          "the phone asks nothing about this order: it may be paid, undone or expired")  # fmt: skip
        self._journal.put("order", replace(known, acts_ms=now_ms, act=act if act == "pay" else "69"))
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
        """One small switch: ``service_ms``."""
        if name == "service_ms" and isinstance(value, int) and 0 <= value <= 60_000:
            self._service_ms = value
        else:
            raise Refused(
                "unknown_control", f"没有叫 {name} 的开关,或取值不对", f"no such control, or a bad value: {name}"
            )

    def replay(self, record: dict[str, Any]) -> None:
        self._journal.replay(record)

    def books(self) -> dict[str, Any]:
        """The channel's own truth."""
        backs: dict[str, list[dict[str, Any]]] = {}
        for back in self._journal.backs.values():
            told = {"out_request_no": back.order_id, "amount_fen": back.amount_fen, "kind": back.kind}
            backs.setdefault(back.orig, []).append(told)
        orders = [
            {
                "out_trade_no": order.order_id, "trade_no": order.query_id, "amount_fen": order.amount_fen,
                "captured_fen": order.captured_fen, "returned_fen": order.returned_fen, "state": order.state,
                "times": {"created_ms": order.created_ms, "paid_ms": order.paid_ms or None, "closed_ms": order.closed_ms or None},
                "payer": order.payer, "asks": order.state == "PAYING",
                "refunds": backs.get(order.order_id, []),
            }
            for order in self._journal.orders.values() if order.state != "SHOWN"
        ]  # fmt: skip
        return {"orders": orders, "requests": self._journal.requests}

    def _mode(self, op: str, order: str, now: int) -> str:
        """The fault that strikes this request, the newest first."""
        for chaos in reversed(self._chaos):
            draw = int.from_bytes(self._rand(2), "big") / 65_536
            about_it = chaos.mode.startswith("notify") == (op == "notify")
            if about_it and chaos.concerns(op, order, now, draw):
                return chaos.mode
        return ""


def _code(code: str) -> dict[str, str]:
    return {"respCode": code, "respMsg": WORDS.get(code, "")}


def _known_behaviour(name: str) -> None:
    if name not in phones.BEHAVIOURS:
        raise Refused("unknown_behaviour", f"没有叫 {name} 的付款行为:用 daozhang sandbox behaviours 查看",
                      f"no payer behaves like {name}: see daozhang sandbox behaviours")  # fmt: skip
