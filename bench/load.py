"""A load generator that costs little, so that it measures the others: raw connections, closed or open loop."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from daozhang.ports.link import Link, Reply

_KEEP_S = 2  # servers hang up on idle connections after a few seconds more, and a request in that moment has no answer


class Client:
    """``connections`` kept connections to one place on loopback; a caller takes one, asks, and gives it back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Link] = []

    async def post(self, path: str, headers: str, body: bytes) -> Reply:
        link = self._kept() or await self._connect()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
        try:
            reply = await asyncio.wait_for(link.ask(head, body, _no_mark), 60)
        except BaseException:
            link.abort()
            raise
        if link.usable:
            link.idle_since = time.monotonic()
            self._idle.append(link)
        return reply

    def _kept(self) -> Link | None:
        """The one used last that the other side has not hung up on, nor is about to."""
        while self._idle:
            link = self._idle.pop()
            if link.usable and time.monotonic() - link.idle_since < _KEEP_S:
                return link
            link.abort()
        return None

    def hang_up(self) -> None:
        """Close the connections that nobody uses now."""
        while self._idle:
            self._idle.pop().abort()

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(lambda: Link(_no_mark), "127.0.0.1", self._port)
        return link


def _no_mark(_: object) -> None:
    """Nothing is written down."""


async def closed_loop(call: Callable[[int], Awaitable[None]], count: int, in_flight: int) -> tuple[float, list[float]]:
    """So many at a time: seconds in all, and each call's milliseconds, sorted."""
    left, took = iter(range(count)), []

    async def lane() -> None:
        for at in left:
            began = time.perf_counter()
            await call(at)
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return time.perf_counter() - began, sorted(took)


async def open_loop(
    call: Callable[[int], Awaitable[None]], count: int, per_s: float, seed: int = 1, most: int = 1_000_000
) -> tuple[float, list[float]]:
    """Arrivals as in a shop, whether or not the earlier ones are done; time runs from when each was due.

    With ``most`` under way, an arrival is left out: how many came at all are the times returned. A tool that drowns measures itself.
    """
    chance, took, tasks, failed = random.Random(seed), [], set[asyncio.Task[None]](), []

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (why := task.exception()) is not None:
            failed.append(why)

    async def one(at: int, due: float) -> None:
        await call(at)
        took.append((time.perf_counter() - due) * 1000)

    began = due = time.perf_counter()
    for at in range(count):
        due += chance.expovariate(per_s)
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if len(tasks) < most:
            tasks.add(task := asyncio.create_task(one(at, due)))
            task.add_done_callback(ended)
        elif at % 100 == 0:
            await asyncio.sleep(0)  # behind its time: those under way must go on all the same
    if tasks:
        await asyncio.wait(tasks)
        await asyncio.sleep(0)  # the last of them are written down
    if failed:
        raise failed[0]
    return time.perf_counter() - began, sorted(took)


def at(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(len(took) * share))]
