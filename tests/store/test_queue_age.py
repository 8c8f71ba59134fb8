"""How long writes wait for their turn is measured, so that the doors can say no in time."""

import asyncio

import asyncpg

from daozhang.core.payment import State
from daozhang.store.store import PgStore
from tests.store.kit import attempt, merchant, sent, step, tick


async def test_the_oldest_waiting_write_is_known_while_the_database_is_slow(store: PgStore, link: asyncpg.Connection) -> None:
    m = merchant()
    made = await sent(store, attempt(m))
    assert store.queue_ms() == 0.0
    async with link.transaction():
        await link.execute("select 1 from payment where id = $1 for update", made.id)
        blocked = asyncio.create_task(store.apply(step(made, State.UNKNOWN, timer_ms=tick())))
        await asyncio.sleep(0.1)  # this one is on its way and held up by our lock
        behind = asyncio.create_task(sent(store, attempt(m)))
        await asyncio.sleep(0.3)
        waited = store.queue_ms()
        assert not behind.done() and waited > 200
    await asyncio.gather(blocked, behind)
    assert store.queue_ms() == 0.0
