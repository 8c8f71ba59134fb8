"""The whole twin: doors, faults, trades, replies, callbacks, bills. Pure: time comes in with each call."""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from daozhang.channels.twin import Heard, Push, Refused, Said, Wire
from daozhang.channels.wechatpay.twin import bills, door_v2, door_v3, faults, phones
from daozhang.channels.wechatpay.twin.books import Books, Late, Notify, Order, Refund
from daozhang.channels.wechatpay.twin.door_v2 import DoorV2
from daozhang.channels.wechatpay.twin.door_v3 import Call, DoorV3
from daozhang.channels.wechatpay.twin.faults import Failed
from daozhang.channels.wechatpay.twin.gate import Gate, Keys, Turned, sealed
from daozhang.channels.wechatpay.twin.trade import NOTIFY_GAPS_MS, Trades, beijing

_FOREVER_MS = 1 << 52
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BILL_LIVES_MS = 300_000
_READY_HOUR = 10  # the next day, Beijing
_SPOILT = ("forged", "unsigned", "signtest")
Outcome = tuple[Order, Refund | None]


class WechatTwin:
    """See `daozhang.channels.twin.Twin`. ``append`` makes each change of the books durable."""

    name = "wechatpay"

    def __init__(
        self, held: Mapping[str, Any], keys: Keys, rand: Callable[[int], bytes],
        append: Callable[[dict[str, Any]], None] = lambda record: None, *, window_s: int | None = 300, service_ms: int = 0,
    ) -> None:  # fmt: skip
        self.held: Final = dict(held)
        self._appid, self._mchid, self._keys, self._rand = held["appid"], held["mchid"], keys, rand
        self._service_ms = service_ms
        self._journal = Books(append)
        self._trades = Trades(self._journal, rand)
        self.gate = Gate(self._mchid, held["serial_no"], keys, window_s)
        self._v3 = DoorV3(self._appid, self._mchid, self.gate, rand)
        self._v2 = DoorV2(self._appid, self._mchid, held["apiv2_key"], rand)
        self._chaos: list[faults.Chaos] = []
        self._late_success: list[tuple[int, str]] = []
        self._files: dict[str, tuple[bytes, int]] = {}  # download token -> file, until when

    # -- the wire ------------------------------------------------------------------------------------------------------------

    def handle(self, heard: Heard) -> Said:
        """One request of either wire."""
        parts = urlsplit(heard.target)
        now = heard.at_ms
        self._pass_time(now)
        old = parts.path in door_v2.PATHS
        if not old and not parts.path.startswith("/v3/"):
            return Said(404, (("Content-Type", "text/plain"),), b"the wires are below /v3/, /pay/ and /secapi/")
        door: Any = self._v2 if old else self._v3
        try:
            call = door.open(heard, parts.path if old else heard.target)
        except Turned as turned:
            return self._v2.turned(turned) if old else self._v3.turned(turned, heard)
        except Failed as failed:
            if old:
                return self._v2.failed(Call("pay", {}, "MD5"), failed)
            return self._v3.failed(None, failed, now, self.gate.signer({n.lower(): v for n, v in heard.headers}))
        shift = now - heard.real_ms if heard.real_ms else 0
        if 0 < call.args.get("expires_ms", 0) <= now < call.args["expires_ms"] + shift:
            call.args["expires_ms"] += shift  # said by a client that lives in the time outside
        mode = self._mode(call.op, call.order, now)
        self._log(old, call, now, mode)
        if mode == "rotating" and not old and "platform" in self.held:  # the simulated twin has no certificates to tell
            call = replace(call, signer=self._by_turns(call.signer))
        said = self._answer(old, call, heard, mode)
        if call.op == "refund" and self._mode("notify", call.order, now) == "notify_early":
            said = self._early(call.order, said, now)
        return replace(said, delay_ms=said.delay_ms + self._service_ms)

    def _by_turns(self, asked: str) -> str:
        """Old and new certificates; beside the public key, as while a merchant moves to it, where that was asked for."""
        signers = list(dict.fromkeys([*self._keys.platform_serials, asked]))
        return signers[self._rand(1)[0] % len(signers)]

    def _early(self, order: str, said: Said, now: int) -> Said:
        """The callback leaves before the reply."""
        for notify in [notify for notify in self._journal.notifies.values() if notify.order == order]:
            self._journal.put("notify", replace(notify, due_ms=min(notify.due_ms, now)))
        return replace(said, delay_ms=said.delay_ms + 400)

    def _answer(self, old: bool, call: Call, heard: Heard, mode: str) -> Said:
        now = heard.at_ms
        if call.op in ("certificates", "download"):
            return self._paper(call, now)
        if mode == "brown_out":
            mode = ("lost_after", "system_error_charged", "error_500", "lost_before")[self._rand(1)[0] % 4]
        if mode == "clock_skew":
            turned = Turned("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
            return self._v2.turned(turned) if old else self._v3.turned(turned, heard)
        if mode == "maintenance":
            return Said(503, (("Content-Type", "text/html"),), "<html>系统维护中</html>".encode())
        if mode == "late_arrival":
            self._journal.put("late", Late(call.op, call.order, call.args, now + 20_000))
        if mode in ("late_arrival", "lost_before", "undo_lost"):
            return Said(200, (), b"", 0, Wire.NO_REPLY)
        if mode == "reset_before":
            return Said(200, (), b"", 0, Wire.RESET)
        try:
            if call.op == "bill":
                return self._on_its_way(self._bill(old, call, heard, mode), mode)
            return self._on_its_way(self._carry_out(old, call, now, mode), mode)
        except Failed as failed:
            spoil = mode if mode in _SPOILT else ""
            said = self._v2.failed(call, failed, spoil) if old else self._v3.failed(call, failed, now, "", spoil)
            return self._on_its_way(said, mode)

    def _carry_out(self, old: bool, call: Call, now: int, mode: str) -> Said:
        """The business, and what is said of it. Raises Failed."""
        refusals = {"system_error_clean": "system", "rate_limit": "too_often", "not_found": "not_exist",
                    "undo_refused": "paying", "refund_no_balance": "refund_balance", "unknown_code": "never_seen"}  # fmt: skip
        if mode in refusals and mode != "unknown_code":
            raise Failed(refusals[mode])
        if mode == "undo_retry":
            return self._v2.again(call) if old else self._v3.again(call, call.order)
        if mode == "undo_race":
            self._race(call.order, now)
        order, refund = self._business(call.op, call.args, now, mode)
        if mode in ("system_error_charged", "bank_error_charged", "unknown_code"):
            raise Failed({"bank_error_charged": "bank", "unknown_code": "never_seen"}.get(mode, "system"))
        if mode in faults.CHARGED_AFTER_MS:
            self._late_success.append((now + faults.CHARGED_AFTER_MS[mode], order.out_trade_no))
        told = door_v3.spoilt(order, mode)
        if refund is not None and mode == "wrong_amount_reply":
            refund = replace(refund, amount_fen=refund.amount_fen + 1)
        spoil = mode if mode in (*_SPOILT, *faults.FUZZ) else ""
        return self._v2.done(call, told, refund, spoil) if old else self._v3.done(call, told, refund, spoil)

    def _race(self, number: str, now: int) -> None:
        """The payer confirms in this very moment: half of the time just before the undo, else too late to matter."""
        order = self._journal.orders.get(number)
        if order is not None and order.state == "USERPAYING" and self._rand(1)[0] % 2:
            self._trades.capture(order, now)

    def _business(self, op: str, args: Mapping[str, Any], now: int, mode: str = "") -> Outcome:
        match op:
            case "pay":
                return self._trades.pay(args, now, "typing" if mode == "typing_forever" else ""), None
            case "native" | "jsapi":
                return self._trades.native(args, now, op.upper()), None
            case "query":
                return self._trades.query(args, now), None
            case "reverse":
                return self._trades.reverse(args, now), None
            case "close":
                return self._trades.close(args, now), None
            case "refund":
                return self._trades.refund(args, now, mode == "refund_abnormal")
            case _:
                return self._trades.refund_query(args, now)

    @staticmethod
    def _on_its_way(said: Said, mode: str) -> Said:
        """What happens to a reply on its way back."""
        match mode:
            case "lost_after" | "timeout" | "refund_lost":
                return replace(said, wire=Wire.NO_REPLY)
            case "reset_after":
                return replace(said, wire=Wire.RESET)
            case "truncated":
                return replace(said, wire=Wire.TRUNCATED)
            case "drip":
                return replace(said, wire=Wire.DRIP)
            case "late_reply":
                return replace(said, delay_ms=8_000)
            case "slow":
                return replace(said, delay_ms=2_000)
            case "error_500":
                return Said(500, (("Content-Type", "text/html"),), b"<html>500</html>")
            case "garbage":
                return replace(said, headers=(("Content-Type", "text/html"),), body=b"<html><body>hello</body></html>")
            case _:
                return said

    def _log(self, old: bool, call: Call, now: int, mode: str) -> None:
        at = (_EPOCH + timedelta(milliseconds=now)).isoformat("T", "milliseconds")[:-6] + "Z"
        number = self._journal.by_transaction.get(call.order, call.order)
        method = f"{'v2' if old else 'v3'}.{call.op.replace('_', '.') if call.op.startswith('refund') else f'trade.{call.op}'}"
        self._journal.asked(
            {"at": at, "at_ms": now, "method": method, "out_trade_no": number, **({"fault": mode} if mode else {})}
        )

    # -- papers --------------------------------------------------------------------------------------------------------------

    def _paper(self, call: Call, now: int) -> Said:
        """The certificates, and the download of a file (which is not signed)."""
        if call.op == "certificates":
            held = [(serial, self.held["platform"][serial]["certificate"]) for serial in self._keys.platform_serials]
            listed = door_v3.certificates(self.held["apiv3_key"], held, lambda: self._rand(6).hex())
            return self._v3.plain(listed, call)
        content, until_ms = self._files.get(call.query.get("token", ""), (b"", 0))
        if now > until_ms:
            return self._v3.failed(call, Failed("refund_missing", "下载链接无效或已过期"), now)
        return Said(200, (("Content-Type", "application/octet-stream"),), content)

    def _bill(self, old: bool, call: Call, heard: Heard, mode: str) -> Said:
        """v2 answers with the file, APIv3 with where it lies for five minutes. Raises Failed."""
        now, date = heard.at_ms, str(call.query.get("bill_date", ""))
        if old and len(date) == 8:
            date = f"{date[:4]}-{date[4:6]}-{date[6:]}"
        flow, sub = "flow" in call.path, call.query.get("sub_mch_id" if old else "sub_mchid", "")
        kind = str(call.query.get("account_type") or "BASIC").upper() if flow else str(call.query.get("bill_type") or "ALL")
        content = self._content(flow, date, kind, sub, now, mode)
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        packed = gzip.compress(content, mtime=0) if call.query.get("tar_type") == "GZIP" else content
        packed = packed[: len(packed) // 2] if mode == "bill_cut" else packed
        if old:
            return Said(200, (("Content-Type", "text/plain"),), packed)
        token = self._rand(16).hex()
        self._files = {name: file for name, file in self._files.items() if file[1] > now}
        self._files[token] = packed, now + _BILL_LIVES_MS
        host = next((value for name, value in heard.headers if name.lower() == "host"), "127.0.0.1")
        url = f"http://{host}/v3/billdownload/file?token={token}"
        spoil = mode if mode in _SPOILT else ""
        return self._v3.plain({"hash_type": "SHA1", "hash_value": digest, "download_url": url}, call, spoil)

    def _content(self, flow: bool, date: str, kind: str, sub: str, now: int, mode: str) -> bytes:
        """``sub``: only what one sub-merchant took."""
        try:
            day = datetime.strptime(date, "%Y-%m-%d")
        except ValueError:
            raise Failed("param", "参数错误: bill_date") from None
        ready = day + timedelta(days=1, hours=_READY_HOUR)
        if beijing(now).replace(tzinfo=None) < ready or mode == "bill_not_ready":
            raise Failed("no_bill")
        if kind not in (("BASIC", "OPERATION", "FEES") if flow else ("ALL", "SUCCESS", "REFUND")):
            raise Failed("param", "参数错误: account_type" if flow else "参数错误: bill_type")
        found = bills.spoilt(bills.lines(self._journal, date), mode)
        if flow:  # this sandbox keeps one account; nothing happens in the two others
            return bills.fund_flow(found if kind == "BASIC" else [], self._mchid)
        found = [line for line in found if not sub or line.order.sub_mchid == sub]
        return bills.trade_bill(found, kind, self._appid, self._mchid)

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _pass_time(self, now: int) -> None:
        self._trades.pass_time(now)
        for late in [late for late in self._journal.late if late.due_ms <= now]:
            self._journal.drop("late", late.order)
            try:
                self._business(late.op, late.args, late.due_ms)
            except Failed:
                continue
        for due, number in [item for item in self._late_success if item[0] <= now]:
            self._late_success.remove((due, number))
            order = self._journal.orders.get(number)
            if order is not None and order.state in ("REVOKED", "CLOSED") and order.amount_fen:
                self._trades.capture(replace(order, returned_fen=0, captured_fen=0), now)

    def next_due_ms(self) -> int | None:
        times = [late.due_ms for late in self._journal.late] + [due for due, _ in self._late_success]
        times += [notify.due_ms for notify in self._journal.notifies.values()]
        due = self._trades.due()
        return min([*times, due] if due is not None else times, default=None)

    def tick(self, now_ms: int) -> list[Push]:
        """Let time pass; the callbacks that leave now."""
        self._pass_time(now_ms)
        pushes: list[Push] = []
        for notify in [notify for notify in self._journal.notifies.values() if notify.due_ms <= now_ms]:
            mode = self._mode("notify", notify.order, now_ms)
            wait_ms = faults.held_back(mode, not notify.refund)
            if wait_ms and not notify.spoil:
                self._journal.put("notify", replace(notify, due_ms=now_ms + wait_ms, spoil="late"))
                continue
            again = now_ms + NOTIFY_GAPS_MS[notify.tries] if notify.tries < len(NOTIFY_GAPS_MS) else 0
            self._journal.put("notify", replace(notify, tries=notify.tries + 1, due_ms=again or _FOREVER_MS))
            if mode == "notify_lost":
                continue
            push = self._push(notify, mode, now_ms)
            pushes += [push] * faults.COPIES.get(mode, 1)
        return pushes

    def _push(self, notify: Notify, mode: str, now: int) -> Push:
        """Sealed and signed anew for each send; the id stays."""
        order = self._journal.orders[notify.order]
        refund = order.refunds.get(notify.refund)
        if order.api == "v2":
            headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml; charset=utf-8"),)
            body = self._v2.callback(order, mode) if refund is None else self._v2.refund_callback(order, refund, mode)
            return Push(notify.push_id, notify.url, headers, body)
        kind, plain = self._v3.callback(order, refund, mode)
        told = {
            "id": notify.push_id, "create_time": door_v3.rfc3339(notify.created_ms), "resource_type": "encrypt-resource",
            "event_type": notify.event, "summary": door_v3.STATES.get(order.state, ""),
            "resource": {"original_type": kind, **sealed(self.held["apiv3_key"], kind, plain, self._rand(6).hex())},
        }  # fmt: skip
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        spoil = {"notify_forged": "forged", "notify_signtest": "signtest"}.get(mode, "")
        # A certificate may have been changed since the order was made: the newest one signs.
        signer = order.signer if order.signer == self._keys.public_key_id else self._keys.platform_serials[0]
        headers = (("Content-Type", "application/json"), *self.gate.seal(signer, body, now, self._rand(16).hex(), spoil))
        return Push(notify.push_id, notify.url, headers, body)

    def pushed(self, push_id: str, status: int | None, body: bytes, now_ms: int) -> None:
        """What the merchant answered; v2 wants the word in the body, APIv3 the status."""
        notify = self._journal.notifies.get(push_id)
        if notify is None:
            return
        order = self._journal.orders[notify.order]
        taken = status == 200 and b"SUCCESS" in body if order.api == "v2" else status in (200, 204)
        if taken or notify.tries > len(NOTIFY_GAPS_MS):
            self._journal.drop("notify", push_id)

    # -- controls --------------------------------------------------------------------------------------------------------------

    def credentials(self, base_url: str) -> dict[str, Any]:
        """All that any SDK needs. ``v2_tls_base_url`` asks for the client certificate below /secapi/."""
        held, first = self.held, self._keys.platform_serials[0]
        host, _, port = base_url.rpartition(":")
        tls = f"https{host.removeprefix('http')}:{int(port) + held['tls_place']}"
        return {
            "base_url": base_url, "v2_base_url": base_url, "v2_tls_base_url": tls, "appid": self._appid,
            "mchid": self._mchid, "serial_no": held["serial_no"], "private_key": held["private_key"],
            "apiv3_key": held["apiv3_key"], "apiv2_key": held["apiv2_key"], "public_key_id": self._keys.public_key_id,
            "public_key": held["public_key"], "platform_serial": first,
            "platform_certificate": held["platform"][first]["certificate"],
            "client_certificate": held["client_certificate"], "client_key": held["private_key"],
            "server_authority": held["tls"]["certificate"],
        }  # fmt: skip

    def account(self, base_url: str) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of a merchant's account at this twin."""
        told = self.credentials(base_url)
        settings = {name: told[name] for name in ("appid", "mchid", "serial_no", "public_key_id")} | {"gateway": base_url}
        names = ("private_key", "apiv3_key", "apiv2_key", "public_key", "client_certificate", "server_authority")
        return settings, {name: told[name] for name in names}

    def tls(self) -> tuple[str, str]:
        """Our key with its certificate, and whom a client's certificate must come from, all in PEM."""
        return self.held["tls"]["private"] + self.held["tls"]["certificate"], self.held["client_certificate"]

    def simulated_account(self, secret: str) -> tuple[dict[str, str], dict[str, str]]:
        settings = {"appid": self._appid, "mchid": self._mchid, "serial_no": self.held["serial_no"],
                    "public_key_id": self._keys.public_key_id}  # fmt: skip
        key = f"simulated:{secret}"
        return settings, {"private_key": key, "public_key": key, "apiv3_key": self.held["apiv3_key"],
                          "apiv2_key": self.held["apiv2_key"]}  # fmt: skip

    def code(self, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        made = self._trades.issue(behaviour, now_ms)
        return {"code": made.code, "payer": made.payer, "behaviour": behaviour, "expires_at_ms": made.expires_ms}

    def scan(self, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        _known_behaviour(behaviour)
        try:
            order = self._trades.scan(qr, behaviour, now_ms)
        except Failed:
            raise Refused("qr_invalid", "二维码无效、已付款或已过期:请让收银台重新出码",
                          "the QR is unknown, paid or expired: let the till show a new one") from None  # fmt: skip
        return {"out_trade_no": order.out_trade_no, "payer": order.openid, "behaviour": behaviour, "state": order.state}

    def act(self, order: str, act: str, now_ms: int) -> None:
        """The payer, whose phone asks for the password, types it (``pay``) or gives up (``cancel``), now."""
        self._pass_time(now_ms)
        known = self._journal.orders.get(order)
        if known is None or known.state != "USERPAYING" or act not in ("pay", "cancel"):
            raise Refused("nothing_asked", "手机上没有这笔待确认的付款:可能已付、已取消或已过期",
                          "the phone asks nothing about this order: it may be paid, undone or expired")  # fmt: skip
        self._journal.put("order", replace(known, acts_ms=now_ms, act=act))
        self._pass_time(now_ms)

    def behaviours(self) -> list[dict[str, str]]:
        return [{"name": name, "zh": it.zh, "en": it.en} for name, it in phones.BEHAVIOURS.items()]

    def modes(self) -> list[dict[str, str]]:
        return [{"name": name, "says": f"{it.zh} / {it.en}", "zh": it.zh, "en": it.en}
                for name, it in faults.MODES.items()]  # fmt: skip

    def chaos(self, mode: str, now_ms: int, share: float = 1.0, for_ms: int = 0, op: str = "", order: str = "") -> None:
        if mode not in faults.MODES:
            raise Refused("unknown_mode", f"没有叫 {mode} 的故障:用 daozhang chaos list 查看",
                          f"no fault is called {mode}: see daozhang chaos list")  # fmt: skip
        if not 0 < share <= 1:
            raise Refused("bad_share", "share 应大于0且不超过1", "share is above 0 and at most 1")
        self._chaos = [chaos for chaos in self._chaos if (chaos.mode, chaos.order) != (mode, order)]
        self._chaos.append(faults.Chaos(mode, share, now_ms + for_ms if for_ms else _FOREVER_MS, op, order))

    def chaos_on(self) -> list[dict[str, Any]]:
        return [asdict(chaos) for chaos in self._chaos]

    def chaos_off(self) -> None:
        self._chaos.clear()

    def control(self, name: str, value: Any) -> None:
        """Small switches: ``service_ms``, ``seller_balance_fen``, ``rotate_certificate`` (the other one comes first)."""
        if name == "service_ms" and isinstance(value, int) and 0 <= value <= 60_000:
            self._service_ms = value
        elif name == "seller_balance_fen" and (value is None or isinstance(value, int)):
            self._journal.seller_balance_fen = value
        elif name == "rotate_certificate" and value is True:
            self._keys.platform_serials = (*self._keys.platform_serials[1:], self._keys.platform_serials[0])
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
                "out_trade_no": order.out_trade_no, "trade_no": order.transaction_id, "amount_fen": order.amount_fen,
                "captured_fen": order.captured_fen, "returned_fen": order.returned_fen, "state": order.state,
                "times": {"created_ms": order.created_ms, "paid_ms": order.paid_ms or None, "closed_ms": order.closed_ms or None},
                "payer": order.openid, "asks": order.state == "USERPAYING",
                "refunds": [{"out_request_no": number, "amount_fen": refund.amount_fen, "status": refund.status}
                            for number, refund in order.refunds.items()],
            }
            for order in self._journal.orders.values() if order.state != "BLOCKED"
        ]  # fmt: skip
        return {"orders": orders, "requests": self._journal.requests}

    def _mode(self, op: str, order: str, now: int) -> str:
        """The fault that strikes this request, the newest first."""
        number = self._journal.by_transaction.get(order, order)
        for chaos in reversed(self._chaos):
            draw = int.from_bytes(self._rand(2), "big") / 65_536
            about_it = chaos.mode.startswith("notify") == (op == "notify")
            if about_it and chaos.concerns(op, number, now, draw):
                return chaos.mode
        return ""


def _known_behaviour(name: str) -> None:
    if name not in phones.BEHAVIOURS and not name.startswith(phones.CARD_OF):
        raise Refused("unknown_behaviour", f"没有叫 {name} 的付款行为:用 daozhang sandbox behaviours 查看",
                      f"no payer behaves like {name}: see daozhang sandbox behaviours")  # fmt: skip
