"""Carries roll-outs on, beside the janitor: leased, looked at, moved. Whoever dies in between, the rows know the rest."""

import asyncio
import logging
from collections.abc import Sequence

from daozhang.core.faults import Conflict, Fault
from daozhang.core.ids import ulid
from daozhang.core.ports import Clock, Rand
from daozhang.core.rollout import Rollout, Rollouts
from daozhang.devices import rolling

log = logging.getLogger("daozhang.roller")
_LOOK_S = 1.0
_LEASE_MS = 1_000  # as long as a look may take; then another process may take it up


class Roller:
    """Runs until ``stop``."""

    def __init__(self, store: Rollouts, clock: Clock, rand: Rand) -> None:
        self._store, self._clock, self._rand = store, clock, rand
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.round()
            except (Fault, OSError) as why:
                log.warning("roll-outs are looked at later", extra={"why": repr(why)})
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def round(self) -> Sequence[Rollout]:
        """One look at each that nobody else is looking at; the ones that were looked at."""
        found = await self._store.rollouts_due(self._clock.now_ms(), _LEASE_MS)
        for one in found:
            try:
                await self._one(one)
            except Conflict:
                continue  # a person was faster: paused or ended
        return found

    async def _one(self, rollout: Rollout) -> None:
        members, kpi = await self._store.members(rollout), await self._store.kpi(rollout)
        now = self._clock.now_ms()
        move = rolling.look(rollout, members, kpi, now)
        if move.rollout == rollout and not move.moved and not move.tell:
            return
        commands = {device: f"cmd_{ulid(now, self._rand.bytes(9), rollout.bucket)}" for device in move.tell}
        await self._store.move_rollout(rollout, move, now, commands)
        if move.event:
            log.info(move.event, extra={"rollout": rollout.id, "stage": move.rollout.stage, "why": move.rollout.why})
