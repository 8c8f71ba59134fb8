"""What goes wrong around the flow: the wire, the store and the processes, all from one seed."""

import asyncio
from collections import Counter
from contextvars import ContextVar
from typing import Any

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
        return self.storm and self.dice.random() < share

    def crash_point(self) -> bool:
        """Every await of a port is one: the process may be gone at the next breath. True when it is."""
        if not self.storm or self.dice.random() >= self.crash:
            return False
        process = here.get()
        if process is None:
            return False
        self.struck["crash"] += 1
        process.crash()
        return True


class FrailStore(SimStore):
    """The simulated store behind a line that breaks: not written, or written and nobody is told (commit unknown)."""

    def __init__(self, weather: Weather, clock: VirtualClock, town: Any) -> None:
        super().__init__(self._breath)
        self._weather, self._clock, self._town = weather, clock, town

    async def _breath(self) -> None:
        """Others may come between, or not; while the weather is bad it may take long, or be the last."""
        w = self._weather
        if w.crash_point():
            await asyncio.sleep(0)
        if not w.storm:
            return
        luck = w.dice.random()
        if luck < 0.05:
            await asyncio.sleep(luck * 0.8)
        elif luck < 0.5:
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
        if w.crash_point():
            await asyncio.sleep(0)
        return stored

    def _set_timer(self, subject: str, bucket: int, at_ms: int) -> None:
        super()._set_timer(subject, bucket, at_ms)
        if at_ms:
            self._town.nudge(at_ms)


_FATES = ("lost_before", "lost_after", "duplicate", "slow", "truncated", "reset", "refused")


class StormNet:
    """Requests travel by themselves: a caller that dies takes neither its request nor the channel's work with it.

    ``twins`` by host and port.
    """

    def __init__(self, twins: dict[str, Twin], clock: VirtualClock, weather: Weather, asks: Any) -> None:
        self._twins, self._clock, self._weather, self._asks = twins, clock, weather, asks

    async def call(self, request: HttpRequest) -> Exchange:
        w, loop, began = self._weather, asyncio.get_running_loop(), self._clock.now_ms()
        if w.crash_point():
            await asyncio.sleep(0)
        fate = w.dice.choice(_FATES) if w.strikes(w.wire) else ""
        dark = w.dark if w.storm and began < w.dark_until_ms else ""
        if fate or dark:
            w.struck[f"wire {fate or 'dark'}"] += 1
        if fate == "refused" or dark == "both":
            await asyncio.sleep(0.001)
            return Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 1.0})
        self._asks(request, began)
        answer: asyncio.Future[Said | None] = loop.create_future()
        end = loop.call_at((began + request.deadline_ms) / 1000, _settle, answer, None)
        if fate != "lost_before" and dark != "out":
            back = None if fate == "lost_after" or dark == "in" else answer
            loop.call_later(self._late(fate), self._arrive, request, back, fate)
        try:
            said = await answer
        finally:
            end.cancel()
        if said is None:
            return Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={"sent_body": 0.3, "failed": float(request.deadline_ms)})
        if w.crash_point():
            await asyncio.sleep(0)
        return self._back(said, fate, began)

    def _late(self, fate: str) -> float:
        luck: float = self._weather.dice.random()
        return 0.5 + 3.5 * luck if fate == "slow" else 0.005 + 0.055 * luck

    def _arrive(self, request: HttpRequest, answer: "asyncio.Future[Said | None] | None", fate: str) -> None:
        """The request is with the channel; its reply, where one leaves, is on its way. ``answer`` None: nobody will hear it.

        Our link sends once, and TLS lets nobody repeat it on the way: a duplicate is made behind the channel's gate, of what
        the gate let in.
        """
        twin = self._twins[request.url.split("/", 3)[2]]
        said = twin.handle(Heard(request.method, request.url, request.headers, request.body, self._clock.now_ms()))
        if fate == "duplicate" and "fault" not in (twin._journal.requests or [{}])[-1]:  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_later(self._weather.dice.random(), self._arrive, request, None, "")
        if answer is not None and said.wire not in (Wire.NO_REPLY, Wire.DRIP):
            asyncio.get_running_loop().call_later(self._late(fate) + said.delay_ms / 1000, _settle, answer, said)

    def _back(self, said: Said, fate: str, began: int) -> Exchange:
        trail: dict[str, Any] = {"connected": 0.1, "sent_headers": 0.2, "sent_body": 0.3}
        if said.wire is Wire.RESET or fate == "reset":
            return Exchange(fault=MaybeArrived("CONNECTION_RESET_AFTER_SEND"), trail=trail)
        if said.wire is Wire.TRUNCATED or fate == "truncated":
            return Exchange(said.status, fault=Unreadable("HTTP_BODY_TRUNCATED"), trail=trail)
        return Exchange(said.status, said.headers, said.body, trail={**trail, "done": float(self._clock.now_ms() - began)})


def _settle(answer: "asyncio.Future[Said | None]", said: Said | None) -> None:
    if not answer.done():
        answer.set_result(said)
