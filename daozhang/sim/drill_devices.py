"""The devices of a drill: one terminal and one speaker for each till. They tell of themselves now and then; the dead say nothing.

`DrillFleet` answers what the product asks about devices; nothing in it says why a device is as it is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daozhang.core.fleet import Announcement, Device, DeviceState, Standing
from daozhang.core.ports import Event
from daozhang.sim.drill_faults import AtWork, Place
from daozhang.sim.loop import VirtualClock

_KEEPALIVE = 1.5  # heartbeats after which the gateway says that a device is gone
_TELLS = 0.85  # of the things a device could tell of itself, it tells so many
_SAYS_WHY = 0.7  # of those that come back tell why they were away
_ALWAYS_SAY_WHY = ("dns", "tls")


@dataclass(eq=False)
class Box:
    """One device. ``quiet``: what it never tells."""

    device: Device
    place: Place
    state: DeviceState
    usual: dict[str, Any]
    ill: dict[str, Any] = field(default_factory=dict)
    gone: AtWork | None = None
    gone_ms: int = 0
    loses: float = 0.0
    restarted_ms: int = 0
    lost_by: str = ""


class DrillFleet:
    """Devices, their last words, and what became of announcements."""

    def __init__(self, clock: VirtualClock, dice: Any, loss: float, heartbeat_s: float, skew_s: float) -> None:
        self._clock, self._dice, self._loss, self._beat_ms, self._skew_s = clock, dice, loss, round(heartbeat_s * 1000), skew_s
        self.boxes: dict[str, Box] = {}
        self._at: dict[tuple[str, str], list[Box]] = defaultdict(list)
        self._speaks: dict[str, Box] = {}
        self._said: dict[str, list[Announcement]] = defaultdict(list)
        self.resting = False  # the drill is over
        self.on_played: Callable[[str, int], None] = lambda payment, at_ms: None

    def add(self, device: Device, place: Place) -> Box:
        now, d = self._clock.now_ms(), self._dice
        usual = {"battery": d.randint(30, 100), "mains": d.random() < 0.6, "signal_dbm": d.randint(-100, -60), "rtt_ms": d.randint(20, 300),
                 "loss": round(d.uniform(0, 0.02), 3), "sim": "active", "data_left_mb": 500, "software": place.software,
                 "skew_ms": round(d.uniform(-1, 1) * self._skew_s * 1000)}  # fmt: skip
        told = {name: value for name, value in usual.items() if d.random() < _TELLS}
        state = DeviceState(device.id, 1, True, "gw", now - 3_600_000, 0, "", now, reported=dict(told))
        box = Box(device, place, state, told)
        self.boxes[device.id] = box
        self._at[device.merchant, device.store].append(box)
        if device.speaks:
            self._speaks[device.till] = box
        return box

    # -- what the product asks ---------------------------------------------------------------------------------------------

    async def devices_at(self, merchant: str, store: str) -> Sequence[Device]:
        return [box.device for box in self._at[merchant, store]]

    async def device_states(self, devices: Sequence[Device]) -> dict[str, DeviceState]:
        return {one.id: self.boxes[one.id].state for one in devices}

    async def announcements_of(self, payment: str) -> Sequence[Announcement]:
        return list(self._said.get(payment, ()))

    # -- what the devices do -------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Every device tells of itself in its own rhythm."""
        loop = asyncio.get_running_loop()
        for box in self.boxes.values():
            loop.call_later(self._dice.uniform(0, self._beat_ms / 1000), self._beat, box)
        await loop.create_future()

    def _beat(self, box: Box) -> None:
        if self.resting:
            return
        asyncio.get_running_loop().call_later(self._beat_ms / 1000, self._beat, box)
        now = self._clock.now_ms()
        if box.gone is not None:
            if box.state.online and now - box.state.heard_ms > _KEEPALIVE * self._beat_ms:
                box.state = replace(box.state, online=False, offline_ms=now, offline_why="keepalive")
            return
        # The connection itself is kept alive below; a heartbeat that is lost is only news that is missing.
        lost = self._dice.random() < max(self._loss, box.loses)
        reported = box.state.reported if lost else {**box.state.reported, **box.usual, **box.ill, **self._since(box, now)}
        box.state = replace(box.state, heard_ms=box.state.heard_ms if lost and box.loses else now, online=True, reported=reported)

    def _since(self, box: Box, now: int) -> dict[str, Any]:
        if not box.restarted_ms:
            return {}
        told: dict[str, Any] = {"uptime_s": (now - box.restarted_ms) // 1000}
        return told | ({"lost_by": box.lost_by} if box.lost_by else {})

    def fall_ill(self, box: Box, one: AtWork) -> None:
        told = {name: value for name, value in one.report.items() if name not in ("standing", "how")}
        box.ill |= told
        box.loses = max(box.loses, float(told.get("loss", 0.0)))
        if "standing" in one.report:
            box.device = replace(box.device, standing=Standing(one.report["standing"]))

    def get_well(self, box: Box, one: AtWork) -> None:
        """What it told while it was ill it now tells as it is."""
        for name in one.report:
            if name in box.ill:
                del box.ill[name]
                box.usual.setdefault(name, {"battery": 80, "mains": True, "loss": 0.0, "skew_ms": 0, "rtt_ms": 80, "sim": "active",
                                            "data_left_mb": 500, "software": box.place.software}.get(name, "ok"))  # fmt: skip
        box.loses = 0.0
        if "standing" in one.report:
            box.device = replace(box.device, standing=Standing.ACTIVE)

    def go(self, box: Box, one: AtWork) -> None:
        if box.gone is None:
            box.gone, box.gone_ms = one, self._clock.now_ms()

    def come_back(self, box: Box, one: AtWork) -> None:
        """It tells how long it runs, and mostly why it was away; a device that had no power has begun anew."""
        if box.gone is not one:
            return
        now, why = self._clock.now_ms(), one.fault.play.returns
        box.gone = None
        box.restarted_ms = now - self._dice.randint(5_000, 50_000) if why == "power" else now - self._dice.randint(4, 20) * 3_600_000
        box.lost_by = why if why in _ALWAYS_SAY_WHY or self._dice.random() < _SAYS_WHY else ""
        offline = box.state.offline_ms or now
        box.state = replace(box.state, online_ms=now, offline_ms=offline, offline_why=box.state.offline_why or "keepalive")
        self._beat_now(box, now)

    def _beat_now(self, box: Box, now: int) -> None:
        box.state = replace(box.state, online=True, heard_ms=now, reported={**box.state.reported, **box.usual, **box.ill, **self._since(box, now)})

    # -- speakers --------------------------------------------------------------------------------------------------------------

    def unbind(self, box: Box) -> None:
        """It is bound to no till that sells."""
        self._speaks.pop(box.device.till, None)
        box.device = replace(box.device, till=f"{box.device.till}-elsewhere")

    def bind(self, box: Box) -> None:
        box.device = replace(box.device, till=box.device.till.removesuffix("-elsewhere"))
        self._speaks[box.device.till] = box

    def hear(self, event: Event, till: str, amount_fen: int, channel: str) -> None:
        """What the outbox says is spoken, when the speaker of the till is there and can be heard."""
        box = self._speaks.get(till)
        if event.type != "payment.paid" or box is None:
            return
        now = self._clock.now_ms()
        said = self._said[event.subject]
        said.append(Announcement(f"ann_{event.subject[4:]}", event.bucket, event.merchant, box.device.id, event.subject, "paid", amount_fen,
                                 channel, event.at_ms, now))  # fmt: skip
        asyncio.get_running_loop().call_later(self._dice.uniform(0.2, 1.2), self._speak, box, said)

    def _speak(self, box: Box, said: list[Announcement]) -> None:
        now = self._clock.now_ms()
        if box.gone is not None:
            asyncio.get_running_loop().call_later(5.0, self._speak, box, said)  # it is told when it is back
            return
        if box.ill.get("mute"):
            said[0] = replace(said[0], delivered_ms=now, why="muted")
            return
        said[0] = replace(said[0], delivered_ms=now, played_ms=now)
        self.on_played(said[0].payment, now)
