"""What devices said, written down in groups: what came while the last group was written goes together next."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from daozhang.core.faults import Fault
from daozhang.core.fleet import Beat, Fact, Fleet, Heard
from daozhang.core.must import Broken

log = logging.getLogger("daozhang.gateway")
_MOST_WAITING = 50_000
_AGAIN_S = 0.3


class Ink:
    """Collects; ``then`` is called once a line is durable. ``full``: who sends more shall be slowed down."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._heard: list[Heard] = []
        self._beats: dict[str, Beat] = {}
        self._facts: list[Fact] = []
        self._then: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="gateway ink")

    @property
    def full(self) -> bool:
        return len(self._heard) + len(self._facts) + len(self._beats) >= _MOST_WAITING

    def heard(self, one: Heard, then: Callable[[], None] | None = None) -> None:
        self._heard.append(one)
        self._after(then)

    def beat(self, one: Beat, then: Callable[[], None] | None = None) -> None:
        earlier = self._beats.get(one.device)
        merged = one if earlier is None else Beat(one.device, one.bucket, one.at_ms, earlier.reported | one.reported)
        self._beats[one.device] = merged
        self._after(then)

    def fact(self, one: Fact, then: Callable[[], None] | None = None) -> None:
        self._facts.append(one)
        self._after(then)

    def _after(self, then: Callable[[], None] | None) -> None:
        if then is not None:
            self._then.append(then)
        self._wake.set()

    async def close(self) -> None:
        """Write what is left, within a few seconds."""
        self._wake.set()
        for _ in range(50):
            if not (self._heard or self._beats or self._facts or self._then):
                break
            await asyncio.sleep(0.05)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            heard, self._heard = self._heard, []
            beats, self._beats = self._beats, {}
            facts, self._facts = self._facts, []
            then, self._then = self._then, []
            await self._write(heard, list(beats.values()), facts)
            for call in then:
                call()

    async def _write(self, heard: list[Heard], beats: list[Beat], facts: list[Fact]) -> None:
        """Until it is written: an acknowledgement is not given before, and none is lost while the database is away."""
        todo: list[tuple[Any, list[Any]]] = [(self._fleet.heard, heard), (self._fleet.beats, beats), (self._fleet.facts, facts)]
        for write, lines in todo:
            while lines:
                try:
                    await write(lines)
                    break
                except Broken as why:
                    log.error("what devices said was refused by the store", extra={"why": str(why), "lines": len(lines)})
                    break
                except (Fault, OSError) as why:
                    log.warning("what devices said is written later", extra={"why": repr(why), "lines": len(lines)})
                    await asyncio.sleep(_AGAIN_S)
