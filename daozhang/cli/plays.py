"""Plays: how the sandbox makes a cause happen. Each is one function; a cause's file names it and says with what."""

import asyncio
import contextlib
import http.server
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from daozhang.cli.device import enrolled
from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Oops, Talk
from daozhang.core.texts import rfc3339

_FAULT_S = 60
_ACCOUNT_LIVES_S = 5.2  # what a process remembers of an account
_CROWD = 8
_PAYER_TAKES_S = 6
_HEARSAY_S = 0.6  # the processes have told each other what they saw
_DECIDED = ("paid", "not_paid", "returned")
_LONG_AGO_MS = 180 * 86_400_000
_SHOP_ZONE_MS = 8 * 3_600_000
_TOLD_WITHIN_S = 20
_HEARD_OF_RELEASE_S = 2.6  # every process has read the books since
_RELEASE_IS_OLD_S = 960


@dataclass(frozen=True)
class Stage:
    """What a play is given: who speaks, the running system, the amount in fen, and how long to wait at most."""

    talk: Talk
    link: Link
    amount: int
    wait_s: float


def play(stage: Stage, told: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a cause's ``[stage]``; the payment or the device that it led to. Raises Oops."""
    name = str(told.get("play"))
    if name not in PLAYS:
        raise Oops(f"没有这种演法:{name}", f"there is no such play: {name}", code=2)
    return PLAYS[name](stage, {key: value for key, value in told.items() if key != "play"})


@contextlib.contextmanager
def fault(stage: Stage, channel: str, mode: str, op: str, beside: str = "") -> Iterator[None]:
    """A fault at a channel for as long as the block runs; then everything is well again."""
    try:
        if mode:
            stage.link.sandbox("POST", "/chaos", {"channel": channel, "mode": mode, "op": op, "share": 1.0, "for_s": _FAULT_S})
        if beside:
            stage.link.sandbox("POST", "/chaos", {"channel": channel, "mode": beside, "share": 1.0, "for_s": _FAULT_S})
        yield
    finally:
        if mode or beside:
            stage.link.sandbox("DELETE", "/chaos")


def pay(stage: Stage, channel: str, behaviour: str, wait_s: float = 6, qr: bool = False, till: str = "") -> dict[str, Any]:
    link, key = stage.link, fresh_key()
    method: dict[str, Any] = {"type": "pay_by_qr", "channel": channel}
    if not qr:
        made = link.sandbox("POST", "/code", {"wallet": channel, "behaviour": behaviour})
        method = {"type": "pay_by_code", "code": made["code"]}
    body = {"amount": stage.amount, "merchant_order_no": f"TRG-{key[4:20]}", "till": till or link.state.get("till", ""),
            "method": method, "wait_s": wait_s}  # fmt: skip
    told: dict[str, Any] = link.must("POST", "/payments", body, key=key)
    return told


def whole(stage: Stage, payment: str) -> dict[str, Any]:
    told: dict[str, Any] = stage.link.must("GET", f"/payments/{payment}/trace")
    return told


def of_payer(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A payer does something, and nothing is broken."""
    return of_chaos(stage, {"mode": "", "op": "", **told})


def of_chaos(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A fault at the channel, only while this one request is asked (``stays_s``: for so long of the sandbox's time).

    ``then``: refund or reverse. ``look_after_s``: look so much later, before its end; it is brought to its end all the same.
    """
    channel, seen = str(told.get("channel", "alipay")), None
    with fault(stage, channel, str(told.get("mode", "")), str(told.get("op", ""))):
        made = pay(stage, channel, str(told.get("behaviour", "pays")), float(told.get("wait_s", 1)))
        if told.get("then") == "refund":
            stage.link.must("POST", "/refunds", {"payment": made["id"], "wait_s": 3}, key=fresh_key())
            seen = whole(stage, made["id"])
        if told.get("look_after_s"):
            advance(stage, float(told["look_after_s"]))
            seen = whole(stage, made["id"])
        advance(stage, float(told.get("stays_s", 0)))
    if told.get("then") == "reverse":
        stage.link.must("POST", f"/payments/{made['id']}/reverse", {"wait_s": 5}, key=fresh_key())
    settle(stage, made["id"])
    return seen or whole(stage, made["id"])


def advance(stage: Stage, seconds: float) -> None:
    if seconds:
        stage.link.must("POST", "/sandbox/clock/advance", {"seconds": seconds})


def settle(stage: Stage, payment: str) -> dict[str, Any]:
    """Bring it to its proven end: the sandbox's clock goes forward, so nobody waits for a window to be over."""
    end = time.monotonic() + stage.wait_s
    told = whole(stage, payment)
    while told["verdict"] not in _DECIDED and time.monotonic() < end:
        advance(stage, 10)
        time.sleep(0.1)
        told = whole(stage, payment)
    return told


def of_qr(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """The payer scans our QR and pays; the notify is lost or late, so that a query brings the result."""
    channels = told.get("channels", ["alipay"])
    wanted = [channel for channel in channels for _ in range(int(told.get("each", 1)))]
    with contextlib.ExitStack() as stack:
        for channel in channels:
            stack.enter_context(fault(stage, channel, str(told["mode"]), "notify"))
        with ThreadPoolExecutor(_CROWD) as crowd:
            shown = list(crowd.map(lambda channel: pay(stage, channel, "", 1, qr=True), wanted))
        advance(stage, _PAYER_TAKES_S)
        made = [_scanned(stage, one) for one in shown]
        ends = [settle(stage, one["id"]) for one in made]
        advance(stage, float(told.get("later_s", 0)))
    if told.get("later_s"):
        _until(lambda: any(line["kind"] == "notified" for line in whole(stage, ends[0]["id"])["evidence"]), 10)
    time.sleep(_HEARSAY_S)
    return whole(stage, ends[0]["id"])


def _scanned(stage: Stage, made: dict[str, Any]) -> dict[str, Any]:
    _until(lambda: bool(whole(stage, made["id"])["method"]["qr"]), 5)
    method = whole(stage, made["id"])["method"]
    stage.link.sandbox("POST", "/scan", {"wallet": method["channel"], "qr": method["qr"], "behaviour": "pays"})
    return made


def of_crowd(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """Many payments at once: those of the sick channels are dark, those of the others are fine."""
    sick, well = told["sick"], told.get("well", [])
    with contextlib.ExitStack() as stack:
        for channel in sick:
            stack.enter_context(fault(stage, channel, str(told["mode"]), str(told.get("op", ""))))
        made = _many(stage, [channel for channel in (*sick, *well) for _ in range(_CROWD)], 2)
        seen = whole(stage, made[0]["id"])
    settle(stage, seen["id"])
    for channel in sick:
        pay(stage, channel, "pays", 2)  # it is well again, and that is seen
    return seen


def _many(stage: Stage, channels: list[str], wait_s: float) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(_CROWD) as crowd:
        made = list(crowd.map(lambda channel: pay(stage, channel, "pays", wait_s), channels))
    time.sleep(_HEARSAY_S)
    return made


def of_egress(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """Our way out is broken for all channels: the merchant's accounts point where nobody answers."""
    accounts = stage.link.sandbox("GET", "/accounts")
    try:
        for channel, given in accounts.items():
            settings = {name: _elsewhere(value, str(told["how"])) for name, value in given["settings"].items()}
            _account(stage, channel, settings, given["secrets"])
        time.sleep(_ACCOUNT_LIVES_S)
        made = _many(stage, [channel for channel in accounts for _ in range(_CROWD // 2)], 4)
    finally:
        for channel, given in accounts.items():
            _account(stage, channel, given["settings"], given["secrets"])
        time.sleep(_ACCOUNT_LIVES_S)
    return whole(stage, made[0]["id"])


def _elsewhere(value: str, how: str) -> str:
    if not value.startswith("http://"):
        return value
    host = value.removeprefix("http://").partition("/")[0]
    return value.replace(f"http://{host}", "http://127.0.0.1:9" if how == "refused" else f"https://{host}")


def _account(stage: Stage, channel: str, settings: dict[str, str], secrets: dict[str, str]) -> None:
    stage.link.must("POST", "/channel_accounts", {"channel": channel, "settings": settings, "secrets": secrets})


def of_kill(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """Our own process dies between a question and its answer; another one carries on."""
    channel = str(told["channel"])
    with fault(stage, channel, "timeout", "pay"):
        made = pay(stage, channel, "pays", 0.3)
        for pid in stage.link.state["pids"]["serve"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _until(lambda: _answers(stage.link), 30)
    return settle(stage, made["id"])


def _answers(link: Link) -> bool:
    try:
        return link.call("GET", "/status", timeout=2)[0] == 200
    except Oops:
        return False


def of_device(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A device of the till says what it says of itself; ``leave``: then it is gone without a word; ``many``: with its
    neighbours; ``revoked``: it is no longer bound."""
    held = [enrolled(stage.link, str(told.get("type", "pos")), "") for _ in range(int(told.get("many", 1)))]
    try:
        seen = asyncio.run(_speak(stage, held, told))
    finally:
        for one in held:
            stage.link.must("DELETE", f"/devices/{one['device']}")
    return _device(stage, held[0]["device"]) if told.get("revoked") else seen


async def _speak(stage: Stage, held: list[dict[str, Any]], told: dict[str, Any]) -> dict[str, Any]:
    from daozhang.sandbox.device.box import Box
    from daozhang.sandbox.device.radio import Radio

    async def nothing(_kind: str, _payload: bytes) -> bool:
        return True

    radios = [Radio(one, nothing) for one in held]
    lines = [asyncio.ensure_future(radio.session()) for radio in radios]
    while not all(radio.connects for radio in radios):
        await asyncio.sleep(0.05)
    now = _now_ms(stage)
    for radio, one in zip(radios, held, strict=True):
        said = Box(one["device"]).heartbeat(now) | dict(told.get("report", {}))
        said["clock_ms"] = now + int(said.pop("clock_ahead_ms", 0))
        radio.say("heartbeat", said)
    for one in held:
        await asyncio.to_thread(_heard_of, stage, one["device"])
    if told.get("leave"):
        for radio, one in zip(radios, held, strict=True):
            radio.cut()
            await asyncio.to_thread(_gone, stage, one["device"])
    seen = await asyncio.to_thread(_device, stage, held[0]["device"])
    for line in lines:
        line.cancel()
    await asyncio.gather(*lines, return_exceptions=True)
    return seen


def _now_ms(stage: Stage) -> int:
    return int(stage.link.sandbox("GET", "/clock")["now_ms"])


def _gone(stage: Stage, device: str) -> None:
    _until(lambda: not _device(stage, device)["online"], 10)


def _heard_of(stage: Stage, device: str) -> None:
    _until(lambda: bool(_device(stage, device)["reported"]), 10)


def _device(stage: Stage, device: str) -> dict[str, Any]:
    told: dict[str, Any] = stage.link.must("GET", f"/devices/{device}")
    return told


def _until(done: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not done() and time.monotonic() < end:
        time.sleep(0.1)


def of_speaker(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A speaker of the shop that cannot be heard, and a payment that nobody acknowledges."""
    till = stage.link.state["till"]
    other = stage.link.must("POST", "/tills", {"store": stage.link.state["store"], "name": "2号收银台"})["id"] if told.get("elsewhere") else till
    held = enrolled(stage.link, "speaker", other)
    try:
        return asyncio.run(_unheard(stage, held, told, till))
    finally:
        stage.link.must("DELETE", f"/devices/{held['device']}")


async def _unheard(stage: Stage, held: dict[str, Any], told: dict[str, Any], till: str) -> dict[str, Any]:
    from daozhang.sandbox.device.fleet import Device

    ahead_ms = int(await asyncio.to_thread(lambda: stage.link.sandbox("GET", "/clock")["offset_ms"]))
    box = Device(held, frozenset(told.get("faults", ())), lambda line: None, ahead_ms)
    life = asyncio.ensure_future(box.run())
    await asyncio.to_thread(_heard_of, stage, held["device"])
    if told.get("leave"):
        life.cancel()
        box.radio.cut()
        await asyncio.gather(life, return_exceptions=True)
        await asyncio.to_thread(_until, lambda: not _device(stage, held["device"])["online"], 10)
    made = await asyncio.to_thread(pay, stage, "alipay", "pays")
    await asyncio.sleep(1.0)
    await asyncio.to_thread(advance, stage, 4)
    seen = await asyncio.to_thread(whole, stage, made["id"])
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    return seen


def of_scan(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """The cashier scans something else; nothing is asked and nothing is written down."""
    key = fresh_key()
    body = {"amount": stage.amount, "merchant_order_no": f"TRG-{key[4:20]}", "till": stage.link.state.get("till", ""),
            "method": {"type": "pay_by_code", "code": str(told["code"])}}  # fmt: skip
    _, problem = stage.link.call("POST", "/payments", body, key=key)
    return {"object": "problem", **problem}


def of_lookup(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """The payer shows a number that belongs to no payment of this shop."""
    wanted: dict[str, Any] = {"no_tail": fresh_key()[-12:]}
    if told.get("by") == "time":  # or remembers an amount and a time at which nobody paid that
        wanted = {"amount": 9_999_900 + secrets.randbelow(100), "time": rfc3339(_now_ms(stage) - _LONG_AGO_MS), "within_s": 60}
    found: dict[str, Any] = stage.link.must("POST", "/payments/lookup", wanted)
    return {"object": "lookup", **found}


def of_twice(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """The cashier takes the same sale a second time while the first is paid; the second is refused."""
    first = pay(stage, "alipay", "pays")
    made = stage.link.sandbox("POST", "/code", {"wallet": "alipay", "behaviour": "pays"})
    body = {"amount": stage.amount, "merchant_order_no": first["merchant_order_no"], "till": stage.link.state.get("till", ""),
            "method": {"type": "pay_by_code", "code": made["code"]}}  # fmt: skip
    _, problem = stage.link.call("POST", "/payments", body, key=fresh_key())
    return {"object": "problem", **problem}


def of_plate_payment(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A payer is on a code plate's page with this amount, and the wallet does not let it through: nobody pays."""
    key = fresh_key()
    body = {"amount": int(told["amount"]), "merchant_order_no": f"TRG-{key[4:20]}", "till": stage.link.state.get("till", ""),
            "method": {"type": "plate", "wallet": str(told.get("channel", "wechatpay")), "payer": "payer-of-the-sandbox"}, "wait_s": 1}  # fmt: skip
    made = stage.link.must("POST", "/payments", body, key=key)
    settle(stage, made["id"])
    return whole(stage, made["id"])


def of_plate(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """Somebody checks the code plate in the shop, and it reads as something else; afterwards it is put right."""
    place, own = f"/tills/{stage.link.state['till']}/plate", "https://pay.example/till/1"
    stage.link.must("PUT", place, {"text": own})
    seen: dict[str, Any] = stage.link.must("POST", f"{place}/check", {"text": str(told["reads"])}, key=fresh_key())
    stage.link.must("POST", f"{place}/check", {"text": own}, key=fresh_key())
    return seen


def of_funds(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """An operator enters what is known of the settlement account; afterwards nothing is known, as before."""
    now = _now_ms(stage)
    facts = {name: value for name, value in told.items() if name != "closed_today"}
    if told.get("closed_today"):
        facts["closed_days"] = [str(rfc3339(now + _SHOP_ZONE_MS))[:10]]
    if "cutoff" in told:
        facts["pending_since"] = rfc3339(now)
    stage.link.must("PUT", "/settlement_account", facts)
    try:
        seen: dict[str, Any] = stage.link.must("GET", "/settlement_account")
    finally:
        stage.link.must("PUT", "/settlement_account", {})
    return seen


def of_webhook(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """A program of the merchant answers so, whatever we tell it; the endpoint as it is after that, and then it is taken away."""
    with _answering(int(told["answers"])) as url:
        made = stage.link.must("POST", "/webhook_endpoints", {"url": url, "types": ["test.ping"]}, key=fresh_key())
        place = f"/webhook_endpoints/{made['id']}"
        try:
            stage.link.must("POST", f"{place}/test", {}, key=fresh_key())
            _until(lambda: bool(stage.link.must("GET", place)["failures"]), min(stage.wait_s, _TOLD_WITHIN_S))
            seen: dict[str, Any] = stage.link.must("GET", place)
        finally:
            stage.link.must("DELETE", place)
    return seen


@contextlib.contextmanager
def _answering(status: int) -> Iterator[str]:
    """A small web server on this machine that answers every request with one status."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server, ThreadPoolExecutor(1) as beside:
        beside.submit(server.serve_forever, 0.1)
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()


def of_release(stage: Stage, told: dict[str, Any]) -> dict[str, Any]:
    """Our software was changed just now, and its process dies over a payment. Afterwards the change is long ago."""
    version = f"trigger-{fresh_key()[-8:]}"
    stage.link.must("POST", "/releases", {"version": version, "says": "daozhang trigger us.release"}, key=fresh_key())
    time.sleep(_HEARD_OF_RELEASE_S)
    seen = of_kill(stage, told)
    advance(stage, _RELEASE_IS_OLD_S)
    return seen


PLAYS: Mapping[str, Callable[[Stage, dict[str, Any]], dict[str, Any]]] = {
    "payer": of_payer, "chaos": of_chaos, "qr": of_qr, "crowd": of_crowd, "egress": of_egress, "kill": of_kill,
    "device": of_device, "speaker": of_speaker, "scan": of_scan, "lookup": of_lookup, "twice": of_twice, "plate_payment": of_plate_payment,
    "plate": of_plate, "funds": of_funds, "webhook": of_webhook, "release": of_release,
}  # fmt: skip
