"""How much one caller may ask, and when we say no early: an honest 503 at once is better than an answer too late."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from daozhang.api.problem import Problem
from daozhang.core.ports import Clock

_TURNS = 25  # about as often as a payment waits for the loop
_REST_S = 0.05
_FORGET = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at_ms: float


class Limits:
    """A token bucket for each key: ``per_s`` requests a second, and as many at once."""

    def __init__(self, clock: Clock, per_s: int) -> None:
        self._clock, self._per_s = clock, per_s
        self._buckets: dict[str, _Bucket] = {}
        self.policy = f'"key";q={per_s};w=1'

    def take(self, key_id: str) -> str:
        """The RateLimit header of this request. Raises Problem when the key has asked too much."""
        now = self._clock.monotonic_ms()
        bucket = self._buckets.get(key_id)
        if bucket is None:
            if len(self._buckets) >= _FORGET:
                self._buckets.clear()
            bucket = self._buckets[key_id] = _Bucket(float(self._per_s), now)
        bucket.left = min(self._per_s, bucket.left + (now - bucket.at_ms) / 1000 * self._per_s)
        bucket.at_ms = now
        if bucket.left < 1:
            raise Problem("slow_down", headers={"Retry-After": "1", "RateLimit": '"key";r=0;t=1', "RateLimit-Policy": self.policy})
        bucket.left -= 1
        return f'"key";r={int(bucket.left)};t=1'


@dataclass(frozen=True, slots=True)
class GateLimits:
    """``lag_ms``: the turns that a request takes through this process, all together. ``at_once``: by how many those in hand
    may grow between two measurements. ``queue_ms``: how long a write may wait for its turn at the database. ``under_way``: in
    hand in all."""

    lag_ms: int = 1_500
    at_once: int = 400
    queue_ms: int = 3_000
    under_way: int = 2_000


def too_many(later: str) -> Problem:
    return Problem("overloaded", headers={"Retry-After": later})


class Gate:
    """In front of every door that begins something with money.

    It measures what a request would have before it: it queues up at the loop as often as a request does, again and again, and
    asks how long the oldest write has waited. Between two measurements those in hand grow only by so many: a crowd that comes at
    once is not in hand before it is seen, while those who come as fast as others leave come in however long a measurement takes. A request that is refused here has written nothing
    and asked nobody.
    """

    def __init__(self, limits: GateLimits, queue_ms: Callable[[], float] = lambda: 0.0) -> None:
        self._limits, self._queue_ms = limits, queue_ms
        self._task: asyncio.Task[None] | None = None
        self._took_ms = 0.0
        self._since: float | None = None
        self._let_in = 0
        self.under_way = 0
        self.refused = 0

    def enter(self) -> None:
        """Raises Problem."""
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = loop.create_task(self._watch(), name="gate")
        if later := self.full():
            self.refused += 1
            raise too_many(later)
        self.under_way += 1
        self._let_in += 1

    def full(self) -> str:
        """After how many seconds one may come again; empty: come in."""
        most = self._limits
        late = self.lag_ms > most.lag_ms or self._queue_ms() > most.queue_ms
        if not late and self._let_in < most.at_once and self.under_way < most.under_way:
            return ""
        return "2" if late else "1"

    def leave(self) -> None:
        self.under_way -= 1
        self._let_in = max(self._let_in - 1, 0)

    @property
    def lag_ms(self) -> float:
        """As last measured, or as long as the present measurement has taken already."""
        if self._since is None:
            return self._took_ms
        return max(self._took_ms, (asyncio.get_running_loop().time() - self._since) * 1000)

    async def _watch(self) -> None:
        """While there is anything to do."""
        loop = asyncio.get_running_loop()
        while self.under_way or self._let_in:
            self._since = loop.time()
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self._took_ms, self._since, self._let_in = (loop.time() - self._since) * 1000, None, 0
            await asyncio.sleep(_REST_S)
        self._task, self._took_ms = None, 0.0
