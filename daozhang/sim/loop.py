"""Virtual time: an asyncio loop that waits for nothing. When all is idle, the clock jumps to the next due time."""

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any


class Stuck(Exception):
    """Nothing is ready and nothing is due: the world would wait for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time` is simulated; the selector is only polled, never waited on."""

    def __init__(self, start_ms: int) -> None:
        super().__init__()
        self._virtual_s = start_ms / 1000
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual_s

    def _run_once(self) -> None:
        """Jump to the next timer when nothing is ready, then run what is ready; no selector is asked: there are no sockets."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck("nothing is ready and nothing is due")
            self._virtual_s = max(self._virtual_s, scheduled[0]._when)
        end = self._virtual_s + self._clock_resolution
        while scheduled and scheduled[0]._when < end:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


class VirtualClock:
    """The Clock port over a `VirtualLoop`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return round(self._loop.time() * 1000)

    def monotonic_ms(self) -> float:
        return self._loop.time() * 1000

    async def sleep_until(self, at_ms: int) -> None:
        while (left := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(left / 1000)


def run(work: Coroutine[Any, Any, Any], loop: VirtualLoop) -> Any:
    """Run one coroutine to its end on virtual time, then end what is left."""
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
