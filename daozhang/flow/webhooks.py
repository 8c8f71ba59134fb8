"""Telling programs: each endpoint's events in order, at least once, and nobody waits for somebody else's slow server."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from daozhang.core import standard_webhook
from daozhang.core.addresses import Forbidden, Target, parse
from daozhang.core.faults import Fault, Unavailable
from daozhang.core.ports import Clock, Proc, Rand
from daozhang.core.texts import rfc3339
from daozhang.core.webhook import (
    BREAKS_AFTER,
    DISABLE_AFTER_MS,
    PING,
    SLOWED,
    WARN_AFTER_MS,
    Attempt,
    Endpoint,
    Endpoints,
    Outcome,
    Round,
    Wanted,
    next_ms,
    pause_ms,
)

log = logging.getLogger("daozhang.webhooks")
_encode = msgspec.json.Encoder(enc_hook=str).encode
LEASE_MS = 40_000  # longer than a round with time-outs; a dead worker's endpoints wait at most so long
_HOLD_MS = 30_000  # then the endpoint is let go, so that another worker may have it
_PAGE = 100
_AT_ONCE = 8  # deliveries in flight to one endpoint
_ENDPOINTS = 500  # endpoints in hand at a time
_LOOK_MS = 150


class Carrier(Protocol):
    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome: ...


def wanted_type(kind: str, types: tuple[str, ...]) -> bool:
    """Whether an endpoint asked for such events: ``payment.*``, ``refund.succeeded``; none named: all."""
    return not types or any(kind == one or one == "*" or (one.endswith(".*") and kind.startswith(one[:-1])) for one in types)


def _concerns(one: Wanted, endpoint: Endpoint) -> bool:
    """A ping goes to its endpoint by name, and no endpoint is told of its own failing."""
    event = one.event
    return wanted_type(event.type, endpoint.types) and event.type != PING and event.subject != endpoint.id


def body_of(wanted: Wanted) -> bytes:
    """The same bytes at every attempt: what was true when it happened. What is true now is read from the API."""
    event = wanted.event
    return _encode({"type": event.type, "timestamp": rfc3339(event.at_ms), "data": event.data})


def headers_of(endpoint: Endpoint, event_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Signed with every secret that is in force, so that a rotation loses nothing."""
    at_s = now_ms // 1000
    signatures = " ".join(standard_webhook.sign(secret, event_id, at_s, body) for secret in endpoint.keys_at(now_ms))
    return {"Content-Type": "application/json", "User-Agent": "daozhang-webhooks", "webhook-id": event_id,
            "webhook-timestamp": str(at_s), "webhook-signature": signatures}  # fmt: skip


@dataclass
class _Health:
    """An endpoint's health as one round goes on."""

    failures: int
    failing_since_ms: int
    blocked_until_ms: int = 0
    gone: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    again: dict[int, tuple[int, int]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    @property
    def stops(self) -> bool:
        return self.gone or bool(self.blocked_until_ms)


class Pump:
    """Runs until `stop`; ``busy`` counts endpoints in hand."""

    def __init__(self, store: Endpoints, carrier: Carrier, clock: Clock, rand: Rand, proc: Proc) -> None:
        self._store, self._carrier, self._clock, self._rand, self._proc = store, carrier, clock, rand, proc
        self._stopping = False
        self.busy = 0

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        while not self._stopping:
            if not await self.round():
                await self._clock.sleep_until(self._clock.now_ms() + _LOOK_MS)

    async def round(self) -> int:
        """Take what endpoints have work and start on them; how many."""
        try:
            free = _ENDPOINTS - self.busy
            claimed = await self._store.claim_endpoints(self._clock.now_ms(), free, LEASE_MS) if free > 0 else []
        except Unavailable as why:
            log.warning("the store is not to be had", extra={"why": str(why)})
            return 0
        for endpoint in claimed:
            self.busy += 1
            self._proc.spawn(self._tend(endpoint), f"webhooks of {endpoint.id}")
        return len(claimed)

    async def _tend(self, endpoint: Endpoint) -> None:
        """Round after round until there is nothing to send, it is blocked, or it was held long enough."""
        until = self._clock.monotonic_ms() + _HOLD_MS
        try:
            while not self._stopping and self._clock.monotonic_ms() < until:
                after = await self._serve(endpoint)
                if after is None:
                    break
                endpoint = after
            await self._store.let_go(endpoint)
        except (Fault, OSError) as why:
            log.warning("an endpoint will be tried again", extra={"endpoint": endpoint.id, "why": repr(why)})
        finally:
            self.busy -= 1

    async def _serve(self, endpoint: Endpoint) -> Endpoint | None:
        """One round. None when there is nothing more to do now, or somebody else holds the endpoint."""
        now = self._clock.now_ms()
        found = await self._store.wanted(endpoint, now, 1 if endpoint.failures >= BREAKS_AFTER else _PAGE)
        if not found:
            return None
        # Read after the events: what happened after a rotation is signed with the new secret too.
        fresh = await self._store.endpoint(endpoint.merchant, endpoint.id)
        if fresh is None or fresh.fence != endpoint.fence or fresh.state == "disabled":
            return None
        endpoint = fresh
        health = _Health(endpoint.failures, endpoint.failing_since_ms)
        to_send = [one for one in found if not one.fresh or _concerns(one, endpoint)]
        await self._deliver(endpoint, to_send, health)
        given = self._round(endpoint, found, {one.seq for one in to_send}, health)
        if not await self._store.finish_round(endpoint, given, self._clock.now_ms()):
            return None
        if health.stops or given.state == "disabled":
            return None
        return replace(endpoint, state=given.state, failures=given.failures, failing_since_ms=given.failing_since_ms)

    async def _deliver(self, endpoint: Endpoint, wanted: list[Wanted], health: _Health) -> None:
        """Several at a time, each payment's own events one after the other."""
        stories: dict[str, list[Wanted]] = defaultdict(list)
        for one in sorted(wanted, key=lambda one: one.seq):
            stories[one.event.subject].append(one)
        queue = list(stories.values())
        queue.reverse()

        async def lane() -> None:
            while queue and not health.stops:
                await self._story(endpoint, queue.pop(), health)

        await asyncio.gather(*(lane() for _ in range(min(_AT_ONCE, len(queue)))))

    async def _story(self, endpoint: Endpoint, story: list[Wanted], health: _Health) -> None:
        """After a failure the payment's later events wait for its repeat: nobody hears the end before the beginning."""
        for at, one in enumerate(story):
            if health.stops:
                return
            taken, retry_ms = await self._attempt(endpoint, one, health)
            if taken:
                continue
            for later in story[at + 1 :]:
                if retry_ms:
                    health.again[later.seq] = (later.attempts, retry_ms + 1)
            return

    async def _attempt(self, endpoint: Endpoint, one: Wanted, health: _Health) -> tuple[bool, int]:
        now = self._clock.now_ms()
        outcome = await self._send(endpoint, one, now)
        n = one.attempts + 1
        if outcome.taken:
            health.failures, health.failing_since_ms = 0, 0
            health.done.add(one.seq)
            health.attempts.append(Attempt(one.seq, n, now, outcome.status, outcome.took_ms, ""))
            return True, 0
        health.failures += 1
        health.failing_since_ms = health.failing_since_ms or now
        at = 0 if outcome.status == 410 else next_ms(n, self._clock.now_ms(), self._rand.bytes(1)[0] / 255, outcome.retry_after_s)
        health.attempts.append(Attempt(one.seq, n, now, outcome.status, outcome.took_ms, outcome.error, at))
        if at:
            health.again[one.seq] = (n, at)
        else:
            health.done.add(one.seq)
        if outcome.status == 410:
            health.gone = True
        elif outcome.status in SLOWED:
            health.blocked_until_ms = self._clock.now_ms() + (min(outcome.retry_after_s, 3600) * 1000 or 30_000)
        elif health.failures >= BREAKS_AFTER:
            health.blocked_until_ms = self._clock.now_ms() + pause_ms(health.failures)
        return False, at

    async def _send(self, endpoint: Endpoint, one: Wanted, now_ms: int) -> Outcome:
        try:
            target = parse(endpoint.url, plain_allowed=not endpoint.livemode)
        except Forbidden as why:
            return Outcome(0, f"forbidden: {why}")
        body = body_of(one)
        return await self._carrier.post(target, headers_of(endpoint, one.event.id, body, now_ms), body, endpoint.livemode)

    def _round(self, endpoint: Endpoint, found: Sequence[Wanted], sent: set[int], health: _Health) -> Round:
        """The cursor moves over all fresh events up to the first that nobody has tried or queued yet."""
        cursor = ""
        for one in found:
            if not one.fresh:
                continue
            if one.seq in sent and one.seq not in health.done and one.seq not in health.again:
                break
            cursor = one.event.cursor
        now = self._clock.now_ms()
        failing_for = now - health.failing_since_ms if health.failing_since_ms else 0
        state = "enabled"
        if health.gone or failing_for >= DISABLE_AFTER_MS:
            state = "disabled"
        elif failing_for and (health.failures >= BREAKS_AFTER or failing_for >= WARN_AFTER_MS):
            state = "failing"
        told = f"webhook_endpoint.{state}" if state != endpoint.state and state != "enabled" else ""
        if told:
            log.warning(told, extra={"endpoint": endpoint.id, "merchant": endpoint.merchant, "failures": health.failures})
        return Round(
            cursor, tuple(health.attempts), tuple((seq, n, at) for seq, (n, at) in health.again.items()), tuple(health.done),
            state, health.failures, health.failing_since_ms, health.blocked_until_ms, told,
        )  # fmt: skip
