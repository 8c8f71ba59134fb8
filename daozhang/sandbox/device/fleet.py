"""Many simulated devices at once, with faults by name; every happening is one line."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from daozhang.core.texts import rfc3339
from daozhang.devices.announcing import verified
from daozhang.ports.clock import RealClock
from daozhang.sandbox.device.box import FAULTS, Box
from daozhang.sandbox.device.download import Downloads, Torn
from daozhang.sandbox.device.radio import ClockBehind, Malformed, Radio, Refused

_SLOW_S = 4.0
_LOSS = 0.3
_TORN_S = 2.0
_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.3, 5.0
Tell = Callable[[dict[str, Any]], None]


class Device:
    """One device: its box, its radio, its faults. ``told`` is the answer of the enrolment; ``ahead_ms``: how far the
    sandbox's clock was moved, for a device whose clock is right there."""

    def __init__(self, told: dict[str, Any], faults: frozenset[str], tell: Tell, ahead_ms: int = 0) -> None:
        unknown = faults - FAULTS
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(sorted(FAULTS))}")
        self._clock, self._ahead_ms = RealClock(), ahead_ms
        self._tell = tell
        self._faults = faults
        self._told = told
        self.box = Box(told["device"], told.get("sign_key", ""), faults, firmware_key=told.get("firmware_key", ""), type=told.get("type", "speaker"))
        self.radio = Radio(told, self._heard, self._believed_ms if "years" in faults else None)
        self._downloads = Downloads(tear="torn" in faults)
        self._behind = ""
        self._dark = asyncio.Event()
        self._spoken = 0

    def _now_ms(self) -> int:
        return self._clock.now_ms() + self._ahead_ms

    def _believed_ms(self) -> int:
        return self.box.clock(self._now_ms())

    async def run(self) -> None:
        """Connected whenever possible, for ever."""
        pause = _FIRST_PAUSE_S
        beating = asyncio.create_task(self._beat())
        try:
            while True:
                await self._powered()
                before = self.radio.connects
                try:
                    await self.radio.session()
                except (OSError, Refused, Malformed, TimeoutError) as why:
                    if isinstance(why, ClockBehind):
                        self._behind = str(why)
                    self._tell({"device": self.box.device, "event": "offline", "why": str(why) or type(why).__name__})
                if "battery" in self._faults and self.box.battery == 0:
                    self._tell({"device": self.box.device, "event": "dead"})
                    return
                pause = _FIRST_PAUSE_S if self.radio.connects > before else min(pause * 2, _MOST_PAUSE_S)
                await asyncio.sleep(pause * (0.5 + random.random()))
        finally:
            beating.cancel()

    async def cut_power(self, at_s: float, for_s: float) -> None:
        await asyncio.sleep(at_s)
        self._tell({"device": self.box.device, "event": "power cut", "for_s": for_s})
        self._dark.set()
        self.box.power_cut()
        self.radio.cut()
        await asyncio.sleep(for_s)
        self._dark.clear()
        self._tell({"device": self.box.device, "event": "power back"})

    async def _powered(self) -> None:
        while self._dark.is_set():
            await asyncio.sleep(0.05)

    async def _heard(self, kind: str, payload: bytes) -> bool:
        if "loss" in self._faults and random.random() < _LOSS:
            return False
        if "slow" in self._faults:
            await asyncio.sleep(_SLOW_S)
        if kind == "cmd":
            await self._fetch_image(payload)
        if kind == "config" and self._behind:  # in again: what kept it away, in its own words
            self.radio.say("evidence", {"lost_by": "clock", "says": self._behind, "clock": rfc3339(self._believed_ms())})
            self._behind = ""
        for topic, table in self.box.hears(kind, payload, self._now_ms()):
            self.radio.say(topic, table)
        for one in self.box.spoken[self._spoken :]:
            self._tell({"device": self.box.device, "event": "spoke", "announce_id": one.announce_id, "late": one.late,
                        "text": one.text})  # fmt: skip
        self._spoken = len(self.box.spoken)
        return True

    async def _fetch_image(self, payload: bytes) -> None:
        """Over HTTPS (HTTP on this machine), and only what a command that we checked names."""
        table = verified(payload, self.box.sign_key) or {}
        args = table.get("args") or {}
        if table.get("command") != "update" or not self._told.get("api"):
            return
        sha256 = str(args.get("sha256"))
        where = args.get("url") or f"{self._told['api']}/device_images/{sha256}"
        try:
            image = await asyncio.to_thread(self._downloads.image, str(where), sha256)
        except Torn as torn:
            self._tell({"device": self.box.device, "event": "download cut", "at": torn.at, "of": torn.of, "runs": self.box.slots.running})
            self._dark.set()
            self.box.power_cut()
            asyncio.get_running_loop().call_later(_TORN_S, self._dark.clear)
            raise ConnectionError("the power went in the middle of a download") from None
        if image is not None:
            self.box.images = {sha256: image}
            self._tell({"device": self.box.device, "event": "image", "version": args.get("version"), "went_on_at": self._downloads.began_at})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if not self._dark.is_set():
                self.radio.say("heartbeat", self.box.heartbeat(self._now_ms()))
                if "misbound" in self._faults:
                    other = self._told["topics"]["heartbeat"].replace(self._told["merchant"], "mer_of_somebody_else")
                    self.radio.say(other, {"n": 0})
                if "battery" in self._faults and self.box.battery == 0:
                    self.radio.cut()
            await asyncio.sleep(4.5 if self._faults else 19.5)


async def simulate(held: list[dict[str, Any]], faults: frozenset[str], power_cut: str, for_s: float, tell: Tell) -> None:
    """Run all devices; 0 seconds: until cancelled. Raises ValueError for faults and times that are none."""
    cut = [float(part) for part in power_cut.split(":")] if power_cut else []
    if cut and len(cut) != 2:
        raise ValueError("--power-cut is SECOND:SECONDS")
    devices = [Device(told, faults, tell) for told in held]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.run()) for device in devices]
        tasks += [group.create_task(device.cut_power(*cut)) for device in devices] if cut else []
        if for_s:
            await asyncio.sleep(for_s)
            for task in tasks:
                task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        tell({"event": "end", "spoken": sum(len(device.box.spoken) for device in devices)})
