"""Plays: how the sandbox makes a cause happen. Each is one function; a cause's file names it and says with what."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from daozhang.cli.device import enrolled
from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Oops, Talk

_FAULT_S = 60
_ACCOUNT_LIVES_S = 5.2  # what a process remembers of an account
_CROWD = 8
_PAYER_TAKES_S = 6
_HEARSAY_S = 0.6  # the processes have told each other what they saw
_DECIDED = ("paid", "not_paid", "returned")


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

    box = Device(held, frozenset(told.get("faults", ())), lambda line: None)
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
    found: dict[str, Any] = stage.link.must("POST", "/payments/lookup", {"no_tail": fresh_key()[-12:]})
    return {"object": "lookup", **found}


PLAYS: Mapping[str, Callable[[Stage, dict[str, Any]], dict[str, Any]]] = {
    "payer": of_payer, "chaos": of_chaos, "qr": of_qr, "crowd": of_crowd, "egress": of_egress, "kill": of_kill,
    "device": of_device, "speaker": of_speaker, "scan": of_scan, "lookup": of_lookup,
}  # fmt: skip
