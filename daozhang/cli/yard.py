"""``daozhang chaos stage`` for the faults of the shop's devices: brought about, watched, and told whether it held."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import click

from daozhang.cli.device import enrolled, run_simulated
from daozhang.cli.link import Link, Sandbox, fresh_key, state_of
from daozhang.cli.register import STEPS
from daozhang.cli.say import FAILED, Oops, Talk
from daozhang.cli.torn import torn
from daozhang.sandbox.staged_devices import OfDevices

_SALE_S, _HEARD_S = 200, 60.0
_EACH = 3  # payments of each part; more would be summed up in one sentence
_CUT_OFF_S = 20.0
_KILLED = -signal.SIGKILL


def stage(talk: Talk, found: OfDevices, for_s: float) -> None:
    """Bring it about; exit code 1 when what has to hold did not. Raises Oops."""
    talk.say(f"{found.number} {found.zh}", f"{found.number} {found.en}")
    link, yard = Link(talk.data), Sandbox(talk.data)
    if found.number == "F26":
        rows = [_sale(talk, link, yard, step, at) for at, step in enumerate(STEPS, 1)]
    elif found.number == "F31":
        rows = asyncio.run(torn(talk, link, _till(link, found.number)))
    elif found.number == "F50":
        rows = asyncio.run(_gateway(talk, link))
    else:
        _speaker(talk, link, found, for_s)
        return
    holds = all(row["holds"] for row in rows)
    talk.document({"fault": found.number, "zh": found.zh, "en": found.en, "holds": holds, "rows": rows})
    talk.show(talk.pick("成立" if holds else "不成立", "holds" if holds else "does not hold"))
    if not holds:
        sys.exit(FAILED)


def _speaker(talk: Talk, link: Link, found: OfDevices, for_s: float) -> None:
    """A simulated speaker with the fault, at a till of its own, until its time is over; it stays known, to be looked at."""
    till = _till(link, found.number)
    device = enrolled(link, "speaker", till)
    name = device["device"]
    talk.say(f"应看到:{found.till_zh};{found.office_zh}", f"to be seen: {found.till_en}; {found.office_en}")
    talk.say(f"收一笔:daozhang pay 12.50 --till {till};看设备:daozhang device show {name}",
             f"take a payment: daozhang pay 12.50 --till {till}; look at it: daozhang device show {name}")  # fmt: skip
    click.echo(json.dumps({"fault": found.number, "event": "staged", "device": name, "till": till}))
    run_simulated(talk, [device] * found.boxes, frozenset(found.faults), found.power_cut, for_s)


def _till(link: Link, name: str) -> str:
    """No other speaker stands there."""
    return str(link.must("POST", "/tills", {"store": link.state["store"], "name": name}, key=fresh_key())["id"])


# -- F26 -------------------------------------------------------------------------------------------------------------------


def _sale(talk: Talk, link: Link, yard: Sandbox, step: tuple[str, str], at: int) -> dict[str, Any]:
    """One sale of one payer: the power goes after this step, then the register starts again."""
    shown = yard.call("POST", "/code", {"wallet": "alipay", "behaviour": "pays"})
    with tempfile.TemporaryDirectory() as folder:
        words = [f"{at}.25", "--keep", f"{folder}/disk", "--code", shown["code"]]
        cut = _register(talk, [*words, "--cut-at", str(at)])
        again = _register(talk, words)
    sale = json.loads(again.stdout) if again.returncode == 0 else {}
    made = link.must("GET", f"/payments?merchant_order_no={sale['order']}")["data"] if sale else []
    charged = [order for order in yard.call("GET", "/books?channel=alipay")["orders"] if order["payer"] == shown["payer"] and order["captured_fen"]]
    holds = (cut.returncode == _KILLED and sale.get("verdict") == "paid" and len(made) == 1 and sale["recovered"] == (at > 2)
             and [order["captured_fen"] - order["returned_fen"] for order in charged] == [at * 100 + 25])  # fmt: skip
    told = {"step": at, "zh": step[0], "en": step[1], "recovered": sale.get("recovered"), "verdict": sale.get("verdict", "unknown"),
            "payments": len(made), "charged": len(charged), "holds": holds}  # fmt: skip
    after = talk.pick("接着收完" if told["recovered"] else "重新开始", "ended" if told["recovered"] else "begun anew")
    talk.show(f"{'✓' if holds else '✗'} {at:2} {talk.word(told)}: {after}, {told['verdict']}, {talk.pick('扣款', 'charged')} ×{told['charged']}")
    return told


def _register(talk: Talk, words: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "daozhang", "device", "sell", *words, "--json", "--data", str(talk.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=_SALE_S, check=False)


# -- F50 -------------------------------------------------------------------------------------------------------------------


async def _gateway(talk: Talk, link: Link) -> list[dict[str, Any]]:
    """A speaker at a till of its own; the gateway loses everything, is cut off from the rest, then from the speaker, one way each."""
    from daozhang.sandbox.device.fleet import simulate
    from daozhang.sandbox.device.relay import DOWN, UP, Relay

    till = _till(link, "F50")
    device = enrolled(link, "speaker", till)
    relay = Relay(device["mqtt"]["host"], device["mqtt"]["port"])
    device["mqtt"] |= {"host": "127.0.0.1", "port": await relay.open(), "use_tls": False}
    parts = (
        _Part("wiped", "数据丢失并被杀死", "wiped and killed", _wiped), _Part("cut_off", "断开20秒", "cut off for 20 s", _cut_off),
        _Part("unheard", "喇叭听得到,说不出,20秒", "the box hears and is not heard for 20 s", lambda *given: _one_way(relay, UP, given[2]), True),
        _Part("deaf", "喇叭说得出,听不到,20秒", "the box is heard and hears nothing for 20 s", lambda *given: _one_way(relay, DOWN, given[2]), True),
    )  # fmt: skip
    spoke: list[dict[str, Any]] = []
    speaker = asyncio.ensure_future(simulate([device], frozenset(), "", 0, lambda line: spoke.append(line) if line["event"] == "spoke" else None))
    try:
        await asyncio.to_thread(_until, lambda: link.must("GET", f"/devices/{device['device']}")["online"], 20)
        return [await asyncio.to_thread(_part, talk, link, till, spoke, part) for part in parts]
    finally:
        speaker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaker
        await relay.close()
        link.must("DELETE", f"/devices/{device['device']}")


class _Part:
    """A part of F50: ``act`` does it and takes the payments that are due meanwhile. ``written``: the gateway itself is well, so
    the shop is told in writing at once that nothing was heard."""

    def __init__(self, name: str, zh: str, en: str, act: Callable[[Talk, Link, Callable[[], None]], float], written: bool = False) -> None:
        self.name, self.zh, self.en, self.act, self.written = name, zh, en, act, written


def _part(talk: Talk, link: Link, till: str, spoke: list[dict[str, Any]], part: _Part) -> dict[str, Any]:
    before, paid = len(spoke), list[str]()
    began = part.act(talk, link, lambda: paid.extend(_paid(link, till) for _ in range(_EACH)))
    heard = _until(lambda: all(_heard(link, one) for one in paid), _HEARD_S)
    took = round(time.monotonic() - began, 1)
    time.sleep(2.0)  # a flood, or a second time, would come now
    said = spoke[before:]
    new = [line["announce_id"] for line in said if not line["late"]]
    written = sum(bool(row["alarmed_at"]) for one in paid for row in link.must("GET", f"/payments/{one}")["announcements"])
    holds = heard and took <= _HEARD_S and len(said) <= _EACH and len(new) == len(set(new)) and (written == _EACH or not part.written)
    told: dict[str, Any] = {"part": part.name, "zh": part.zh, "en": part.en, "due": _EACH, "spoken": len(said), "as_new_twice": len(new) - len(set(new)),
            "in_writing": written, "seconds": took, "holds": holds}  # fmt: skip
    talk.show(f"{'✓' if holds else '✗'} {talk.word(told)}: {talk.pick('应播', 'due')} {_EACH}, {talk.pick('播出', 'spoken')} {len(said)}, {took} s")
    return told


def _wiped(talk: Talk, link: Link, take: Callable[[], None]) -> float:
    """Everything that a broker keeps, and its process, while payments are on their way to the speaker."""
    from daozhang import settings as manual
    from daozhang.app.wipe import wipe_gateway

    with _stopped(talk, signal.SIGKILL):
        take()
        asyncio.run(wipe_gateway(manual.load({"data": talk.data})))
    return time.monotonic()


def _cut_off(talk: Talk, link: Link, take: Callable[[], None]) -> float:
    with _stopped(talk, signal.SIGCONT):
        until = time.monotonic() + _CUT_OFF_S
        take()
        time.sleep(max(until - time.monotonic(), 0))
    return time.monotonic()


def _one_way(relay: Any, way: str, take: Callable[[], None]) -> float:
    """Only one direction of the speaker's line."""
    until = time.monotonic() + _CUT_OFF_S
    relay.hold(way)
    try:
        take()
        time.sleep(max(until - time.monotonic(), 0))
    finally:
        relay.let_go(way)
    return time.monotonic()


@contextlib.contextmanager
def _stopped(talk: Talk, then: signal.Signals) -> Any:
    """Nobody reaches the gateway as long as the block runs; then it goes on, or dies."""
    _until(lambda: _signal(_gateway_pid(talk), signal.SIGSTOP), 30)  # one that has just died is being started again
    pid = _gateway_pid(talk)
    try:
        yield
    finally:
        _signal(pid, then)


def _gateway_pid(talk: Talk) -> int:
    pid = state_of(talk.data)["pids"].get("gateway")
    if not pid:
        raise Oops("没有设备网关在运行:设 gateway = true", "no gateway runs here: set gateway = true")
    return int(pid)


def _signal(pid: int, which: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)
        return True
    return False


def _paid(link: Link, till: str) -> str:
    code = link.sandbox("POST", "/code", {"wallet": "alipay", "behaviour": "pays"})["code"]
    body = {"amount": 1250, "merchant_order_no": f"F50-{os.urandom(6).hex()}", "till": till, "wait_s": 5, "method": {"type": "pay_by_code", "code": code}}
    made = link.must("POST", "/payments", body, key=fresh_key())
    _until(lambda: link.must("GET", f"/payments/{made['id']}")["verdict"] == "paid", _HEARD_S)
    return str(made["id"])


def _heard(link: Link, payment: str) -> bool:
    rows = link.must("GET", f"/payments/{payment}")["announcements"]
    return len(rows) == 1 and rows[0]["state"] in ("played", "summarised")


def _until(holds: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not (found := bool(holds())) and time.monotonic() < end:
        time.sleep(0.1)
    return found
