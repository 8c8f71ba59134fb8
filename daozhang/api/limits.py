"""How much one caller may ask, and when we say no early: an honest 503 at once is better than an answer too late."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from daozhang.api.problem import Problem
from daozhang.core.ports import Clock

_TICK_S = 0.02
_SMOOTH = 0.3
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


class Gate:
    """In front of every door that begins something with money.

    ``lag_ms`` is how late this process runs what is due, ``queue_ms`` how long the oldest write has waited for its turn: with
    every request more that is let in, all would wait longer. A request that is refused here has written nothing and asked
    nobody.
    """

    def __init__(
        self, most_lag_ms: int, most_under_way: int, most_queue_ms: int = 3_000, queue_ms: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._most_lag_ms, self._most, self._most_queue_ms, self._queue_ms = most_lag_ms, most_under_way, most_queue_ms, queue_ms
        self._task: asyncio.Task[None] | None = None
        self.lag_ms = 0.0
        self.under_way = 0
        self.refused = 0

    def enter(self) -> None:
        """Raises Problem."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch(), name="lag")
        queue_ms = self._queue_ms()
        if self.lag_ms > self._most_lag_ms or self.under_way >= self._most or queue_ms > self._most_queue_ms:
            self.refused += 1
            far = self.lag_ms > 2 * self._most_lag_ms or queue_ms > self._most_queue_ms
            raise Problem("overloaded", headers={"Retry-After": "2" if far else "1"})
        self.under_way += 1

    def leave(self) -> None:
        self.under_way -= 1

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            late_ms = (loop.time() - due) * 1000
            self.lag_ms += _SMOOTH * (late_ms - self.lag_ms)
