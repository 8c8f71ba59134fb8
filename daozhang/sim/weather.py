"""What goes wrong around the flow: the wire, the store and the processes, all from one seed."""

import asyncio
from collections import Counter
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels.twin import Heard, Said, Twin, Wire
from daozhang.core.faults import MaybeArrived, NotSent, Unavailable, Unreadable
from daozhang.core.payment import Payment
from daozhang.core.ports import Change, Exchange, HttpRequest
from daozhang.sim.loop import VirtualClock
from daozhang.sim.store import SimStore

here: ContextVar[Any] = ContextVar("here", default=None)  # the simulated process whose code is running


class Weather:
    """``storm`` is true in the safety phase; each fault that strikes is counted in ``struck``."""

    def __init__(self, dice: Any, wire: float, store: float, crash: float) -> None:
        self.dice, self.wire, self.store, self.crash = dice, wire, store, crash
        self.storm, self.dark_until_ms, self.dark = True, 0, ""
        self.struck: Counter[str] = Counter()

    def strikes(self, share: float) -> bool:
        return self.storm and share > 0 and self.dice.random() < share

    def crash_point(self) -> None:
        """Every await of a port is one: the process may be gone at the next breath."""
        process = here.get()
        if process is not None and self.strikes(self.crash):
            self.struck["crash"] += 1
            process.crash()


class FrailStore(SimStore):
    """The simulated store behind a line that breaks: not written, or written and nobody is told (commit unknown)."""

    def __init__(self, weather: Weather, clock: VirtualClock, town: Any) -> None:
        super().__init__(self._breath)
        self._weather, self._clock, self._town = weather, clock, town

    async def _breath(self) -> None:
        w = self._weather
        w.crash_point()
        if w.strikes(0.05):
            await asyncio.sleep(w.dice.random() * 0.04)
        else:
            await asyncio.sleep(0)

    async def apply(self, change: Change) -> Payment:
        w = self._weather
        if w.strikes(w.store):
            w.struck["store away"] += 1
            raise Unavailable("the store is away")
        stored = await super().apply(change)
        self._town.saw(change, stored, self._clock.now_ms())
        if w.strikes(w.store):
            w.struck["commit unknown"] += 1
            raise Unavailable("the line broke after the commit")
        w.crash_point()
        await asyncio.sleep(0)
        return stored

    def _set_timer(self, subject: str, bucket: int, at_ms: int) -> None:
        super()._set_timer(subject, bucket, at_ms)
        if at_ms:
            self._town.nudge(at_ms)


_FATES = ("lost_before", "lost_after", "duplicate", "slow", "truncated", "reset", "refused")


class StormNet:
    """Requests travel by themselves: a caller that dies takes neither its request nor the channel's work with it."""

    def __init__(self, twins: dict[int, Twin], clock: VirtualClock, weather: Weather, asks: Any) -> None:
        self._twins, self._clock, self._weather, self._asks = twins, clock, weather, asks

    async def call(self, request: HttpRequest) -> Exchange:
        w, loop, began = self._weather, asyncio.get_running_loop(), self._clock.now_ms()
        w.crash_point()
        fate = w.dice.choice(_FATES) if w.strikes(w.wire) else ""
        dark = w.dark if w.storm and began < w.dark_until_ms else ""
        if fate:
            w.struck[f"wire {fate}"] += 1
        if fate == "refused" or dark == "both":
            await asyncio.sleep(0.001)
            return Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 1.0})
        self._asks(request, began)
        arrived: asyncio.Future[Said] = loop.create_future()
        if fate != "lost_before" and dark != "out":
            loop.call_later(self._late(fate), self._arrive, request, arrived)
            if fate == "duplicate":
                loop.call_later(self._late("") + w.dice.random(), self._arrive, request, None)
        try:
            async with asyncio.timeout(request.deadline_ms / 1000):
                said = await arrived
                if fate == "lost_after" or dark == "in" or said.wire in (Wire.NO_REPLY, Wire.DRIP):
                    await loop.create_future()
                await asyncio.sleep(self._late(fate) + said.delay_ms / 1000)
        except TimeoutError:
            return Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={"sent_body": 0.3, "failed": float(request.deadline_ms)})
        w.crash_point()
        return self._back(said, fate, began)

    def _late(self, fate: str) -> Any:
        dice = self._weather.dice
        return float(dice.uniform(0.5, 4.0) if fate == "slow" else dice.uniform(0.005, 0.06))

    def _arrive(self, request: HttpRequest, arrived: "asyncio.Future[Said] | None") -> None:
        twin = self._twins[urlsplit(request.url).port or 0]
        said = twin.handle(Heard(request.method, request.url, request.headers, request.body, self._clock.now_ms()))
        if arrived is not None and not arrived.done():
            arrived.set_result(said)

    def _back(self, said: Said, fate: str, began: int) -> Exchange:
        trail: dict[str, Any] = {"connected": 0.1, "sent_headers": 0.2, "sent_body": 0.3}
        if said.wire is Wire.RESET or fate == "reset":
            return Exchange(fault=MaybeArrived("CONNECTION_RESET_AFTER_SEND"), trail=trail)
        if said.wire is Wire.TRUNCATED or fate == "truncated":
            return Exchange(said.status, fault=Unreadable("HTTP_BODY_TRUNCATED"), trail=trail)
        return Exchange(said.status, said.headers, said.body, trail={**trail, "done": float(self._clock.now_ms() - began)})
