"""Waiting for a payment's proof: a change that comes while the books are read is not missed."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from daozhang.flow.find_out import wait_for_proof
from daozhang.flow.house import House
from daozhang.flow.waiters import Waiters


class Clock:
    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    async def sleep_until(self, when_ms: int) -> None:
        await asyncio.sleep(max(when_ms - self.now_ms(), 0) / 1000)


class Books:
    """The first look is answered as it was when it was asked; the change and its bell come before the answer does."""

    def __init__(self, waiters: Waiters) -> None:
        self._waiters, self.looks = waiters, 0

    async def payment(self, ident: str) -> Any:
        self.looks += 1
        first = self.looks == 1
        await asyncio.sleep(0.01)
        if first:
            self._waiters.wake(ident)
            await asyncio.sleep(0.01)
        return SimpleNamespace(id=ident, proven=not first)


async def test_a_change_while_the_books_are_read_is_heard() -> None:
    clock = Clock()
    waiters = Waiters(cast(Any, clock))
    house = SimpleNamespace(clock=clock, waiters=waiters, store=Books(waiters))
    found = await asyncio.wait_for(wait_for_proof(cast(House, house), "pay_x", 60_000), 5)
    assert found.proven and house.store.looks == 2 and not waiters._events
