"""Virtual time: an asyncio loop that waits for nothing. When all is idle, the clock jumps to the next due time."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any


class Stuck(Exception):
    """Nothing is ready and nothing is due: the world would wait for ever."""


class Call:
    """A callback that waits for its turn. What a real loop keeps for debugging is left out: it was a sixth of all the work."""

    __slots__ = ("_args", "_call", "_cancelled", "_context", "_when")

    def __init__(self, when: float, call: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self._when, self._call, self._args, self._cancelled = when, call, args, False
        self._context = copy_context() if context is None else context

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time` is simulated, and no selector is ever asked: there are no sockets. A callback that raises ends the run."""

    def __init__(self, start_ms: int) -> None:
        super().__init__()
        self._virtual_s = start_ms / 1000
        self._next: deque[Call] = deque()
        self._later: list[tuple[float, int, Call]] = []
        self._numbers = 0  # calls of one time come in the order in which they were asked for

    def time(self) -> float:
        return self._virtual_s

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        call = Call(self._virtual_s, callback, args, context)
        self._next.append(call)
        return call

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        return self.call_at(self._virtual_s + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        call = Call(when, callback, args, context)
        self._numbers += 1
        heapq.heappush(self._later, (when, self._numbers, call))
        return call

    def _run_once(self) -> None:
        """Run all that is ready, and what that makes ready; then jump to the next timer."""
        ready = self._next
        while ready:
            call = ready.popleft()
            if not call._cancelled:
                call._context.run(call._call, *call._args)
            if self._stopping:  # type: ignore[attr-defined]
                return
        later = self._later
        while later and later[0][2]._cancelled:
            heapq.heappop(later)
        if not later:
            raise Stuck("nothing is ready and nothing is due")
        self._virtual_s = max(self._virtual_s, later[0][0])
        while later and later[0][0] <= self._virtual_s:
            ready.append(heapq.heappop(later)[2])


class VirtualClock:
    """The Clock port over a `VirtualLoop`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return round(self._loop._virtual_s * 1000)

    def monotonic_ms(self) -> float:
        return self._loop._virtual_s * 1000

    async def sleep_until(self, at_ms: int) -> None:
        if at_ms <= self.now_ms():
            return
        woken: asyncio.Future[None] = self._loop.create_future()
        call = self._loop.call_at(at_ms / 1000, _wake, woken)
        try:
            await woken
        finally:
            call.cancel()


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


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
