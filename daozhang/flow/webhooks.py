"""Telling programs: each endpoint's events in order, at least once, and nobody waits for somebody else's slow server."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from daozhang.core.addresses import Forbidden, Target, parse
from daozhang.core.faults import Fault, Unavailable
from daozhang.core.ports import Clock, Proc, Rand
from daozhang.core.webhook import ATTEMPTS_LIVE_MS, BREAKS_AFTER, Endpoint, Endpoints, Outcome, Wanted
from daozhang.flow.webhook_message import Describe, Objects, body_of, headers_of, nothing_more
from daozhang.flow.webhook_round import Health, concerns, stories_of, written

log = logging.getLogger("daozhang.webhooks")
LEASE_MS = 40_000  # longer than a round with time-outs; a dead worker's endpoints wait at most so long
ROUND_MS = 20_000  # nothing is begun after it: with the last time-out a round is still shorter than the lease
_HOLD_MS = 30_000  # then the endpoint is let go, so that another worker may have it,
_SHARE_MS = 1_000  # and so early where others are in hand: who has less to do looks sooner
_PAGE = 100
_AT_ONCE = 8  # deliveries in flight to one endpoint
_ENDPOINTS = 500  # endpoints in hand at a time
_FAILING = 100  # of them, those whose last delivery failed: the dead never take the places of the living
_LOOK_MS, _LOOK_AGAIN_MS = 150, 50  # a little rest even after a find: what comes meanwhile is found together
_LOOK_FAILING_MS = 1_000  # those that failed are left alone for longer anyway
_LOOKS_SHARE = 4  # a look that took long, at very many endpoints, is followed by a rest this many times as long,
_LOOK_MOST_MS = 450  # but not a long one
_SWEEP_MS = 3_600_000
_LAST_WORDS_MS = 2_500  # what is in flight when we are stopped may end in its own time


class Carrier(Protocol):
    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome: ...

    def outside_s(self) -> int:
        """Seconds since 1970 by the clocks of those who receive."""


class Pump:
    """Runs until `stop`; ``busy`` counts endpoints in hand."""

    def __init__(
        self, store: Endpoints, carrier: Carrier, clock: Clock, rand: Rand, proc: Proc, describe: Describe = nothing_more
    ) -> None:
        self._store, self._carrier, self._clock, self._rand, self._proc = store, carrier, clock, rand, proc
        self._describe = describe
        self._stopping = self._cut_off = False
        self._failing = 0
        self._swept_ms = 0
        self._look_failing_ms = 0.0
        self.busy = 0

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        while not self._stopping:
            began = self._clock.monotonic_ms()
            rest_ms = _LOOK_AGAIN_MS if await self.round() else _LOOK_MS
            took_ms = round((self._clock.monotonic_ms() - began) * _LOOKS_SHARE)
            await self._clock.sleep_until(self._clock.now_ms() + min(max(rest_ms, took_ms), _LOOK_MOST_MS))
            await self._sweep()

    async def wind_up(self) -> None:
        """After `stop`: wait a little for what is in flight. What is cut off then counts as not tried."""
        end = self._clock.monotonic_ms() + _LAST_WORDS_MS
        while self.busy and self._clock.monotonic_ms() < end:
            await self._clock.sleep_until(self._clock.now_ms() + 20)
        self._cut_off = True

    async def _sweep(self) -> None:
        """Attempts are kept for a month."""
        now = self._clock.now_ms()
        if now - self._swept_ms >= _SWEEP_MS:
            self._swept_ms = now
            try:
                await self._store.sweep_attempts(now - ATTEMPTS_LIVE_MS)
            except Fault as why:
                log.warning("old attempts will be swept later", extra={"why": repr(why)})

    async def round(self) -> int:
        """Take what endpoints have work and start on them; how many."""
        begun = await self._begin(_ENDPOINTS - self.busy, False)
        now = self._clock.monotonic_ms()
        if now >= self._look_failing_ms:
            self._look_failing_ms = now + _LOOK_FAILING_MS
            begun += await self._begin(_FAILING - self._failing, True)
        return begun

    async def _begin(self, most: int, failing: bool) -> int:
        if most <= 0:
            return 0
        try:
            claimed = await self._store.claim_endpoints(self._clock.now_ms(), most, LEASE_MS, failing=failing)
        except Unavailable as why:
            log.warning("the store is not to be had", extra={"why": str(why)})
            return 0
        for endpoint in claimed:
            self.busy += 1
            self._failing += failing
            self._proc.spawn(self._tend(endpoint, failing), f"webhooks of {endpoint.id}")
        return len(claimed)

    async def _tend(self, endpoint: Endpoint, failing: bool) -> None:
        """Round after round until there is nothing to send, it is blocked, or it was held long enough."""
        began = self._clock.monotonic_ms()
        try:
            after: Endpoint | None = endpoint
            while after is not None and not self._stopping and not self._held_enough(began):
                endpoint, after = after, await self._serve(after)
            if after is not None:
                await self._store.let_go(after)
        except (Fault, OSError) as why:
            log.warning("an endpoint will be tried again", extra={"endpoint": endpoint.id, "why": repr(why)})
        finally:
            self.busy -= 1
            self._failing -= failing

    def _held_enough(self, began: float) -> bool:
        return self._clock.monotonic_ms() - began >= (_SHARE_MS if self.busy > 1 else _HOLD_MS)

    async def _serve(self, endpoint: Endpoint) -> Endpoint | None:
        """One round. None when there is nothing more to do now: it was let go, or somebody else holds it."""
        most = 1 if endpoint.failures >= BREAKS_AFTER else _PAGE
        fresh, found, more = await self._store.wanted(endpoint, self._clock.now_ms(), most)
        if fresh is None:
            await self._store.let_go(endpoint)
            return None
        endpoint = fresh
        health = Health(endpoint.failures, endpoint.failing_since_ms)
        to_send = [one for one in found if not one.fresh or concerns(one, endpoint)]
        await self._deliver(endpoint, to_send, health)
        given = written(endpoint, found, to_send, health, self._clock.now_ms(), more)
        if not await self._store.finish_round(endpoint, given, self._clock.now_ms()):
            return None
        if given.told:
            log.warning(given.told, extra={"endpoint": endpoint.id, "merchant": endpoint.merchant, "failures": health.failures})
        return None if given.let_go else replace(endpoint, state=given.state, failures=given.failures)

    async def _deliver(self, endpoint: Endpoint, wanted: Sequence[Wanted], health: Health) -> None:
        """Several at a time, each payment's own events one after the other."""
        queue = stories_of(wanted)
        queue.reverse()
        objects = await self._describe(endpoint.merchant, [one.event for one in wanted])
        end = self._clock.monotonic_ms() + ROUND_MS

        def over() -> bool:
            return health.stops or self._stopping or self._clock.monotonic_ms() >= end

        async def lane() -> None:
            while queue and not over():
                story = queue.pop()
                for at, one in enumerate(story):
                    if over() or not await self._attempt(endpoint, one, objects, health, story[at + 1 :]):
                        break

        await asyncio.gather(*(lane() for _ in range(min(_AT_ONCE, len(queue)))))

    async def _attempt(self, endpoint: Endpoint, one: Wanted, objects: Objects, health: Health, later: Sequence[Wanted]) -> bool:
        """Whether the story may go on at once."""
        began = self._clock.now_ms()
        outcome = await self._send(endpoint, one, objects, began)
        if outcome.taken:
            health.taken(one, began, outcome)
            return True
        if self._cut_off:
            return False
        health.failed(one, began, self._clock.now_ms(), outcome, self._rand.bytes(1)[0] / 255)
        if one.attempts == 0 and one.seq in health.again:
            health.hold_back(later, one)
            return False
        return True

    async def _send(self, endpoint: Endpoint, one: Wanted, objects: Objects, now_ms: int) -> Outcome:
        try:
            target = parse(endpoint.url, plain_allowed=not endpoint.livemode)
        except Forbidden as why:
            return Outcome(0, f"forbidden: {why}")
        body = body_of(one.event, objects)
        headers = headers_of(endpoint, one.event.id, body, now_ms, self._carrier.outside_s())
        return await self._carrier.post(target, headers, body, endpoint.livemode)
