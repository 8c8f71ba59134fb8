"""Leases: nobody is forgotten, nobody is tended twice at once, and who comes back late does no harm."""

import asyncio
from dataclasses import replace

import asyncpg

from daozhang.core.payment import State
from daozhang.core.ports import Due
from daozhang.store.store import PgStore
from tests.store.kit import attempt, merchant, refund_begun, sent, step, taken

FAR = 4_000_000_000_000  # due times of these tests lie where no other test looks
LEASE_MS = 300


async def mine(store: PgStore, now_ms: int, subjects: set[str], lease_ms: int = LEASE_MS) -> list[Due]:
    return [due for due in await store.claim(now_ms, 100_000, lease_ms) if due.subject in subjects]


async def test_a_lease_holds_until_it_ends(store: PgStore) -> None:
    p = await sent(store, attempt(merchant()), timer_ms=5_000)
    assert await mine(store, 4_999, {p.id}) == []
    (due,) = await mine(store, 5_000, {p.id})
    assert (due.subject, due.bucket, due.run_at_ms) == (p.id, p.bucket, 5_000)
    assert await mine(store, 5_000, {p.id}) == []
    await asyncio.sleep(LEASE_MS / 1000 + 0.05)
    (again,) = await mine(store, 5_000, {p.id})
    assert again.fence > due.fence
    await store.release(due)  # comes back too late
    await asyncio.sleep(LEASE_MS / 1000 + 0.05)
    (third,) = await mine(store, 5_000, {p.id})
    await store.release(third)
    await asyncio.sleep(LEASE_MS / 1000 + 0.05)
    assert await mine(store, 5_000, {p.id}) == []


async def test_a_commit_moves_the_timer_and_ends_the_lease(store: PgStore) -> None:
    p = await sent(store, attempt(merchant()), timer_ms=5_000)
    (due,) = await mine(store, 5_000, {p.id}, 60_000)
    p = await store.apply(step(p, State.UNKNOWN, timer_ms=6_000))
    await store.release(due)  # belongs to the phase before: it must not take the new timer away
    (moved,) = await mine(store, 6_000, {p.id}, 60_000)
    assert moved.run_at_ms == 6_000
    await store.apply(step(p, State.PAID, timer_ms=0))
    assert await mine(store, FAR, {p.id}) == []


async def test_a_refund_has_a_timer_of_its_own(store: PgStore) -> None:
    paid = await taken(store, attempt(merchant()))
    begun = refund_begun(paid, 100)
    assert begun.refund is not None
    await store.apply(replace(begun, refund_timer_ms=7_000, timer_ms=8_000))
    assert [due.subject for due in await mine(store, 7_000, {paid.id, begun.refund.id})] == [begun.refund.id]
    assert [due.subject for due in await mine(store, 8_000, {paid.id, begun.refund.id})] == [paid.id]


async def test_many_workers_share_without_overlap(store: PgStore, dsn: str) -> None:
    shops = [merchant() for _ in range(12)]
    ids = {(await sent(store, attempt(shops[at % 12]), timer_ms=9_000 + at)).id for at in range(60)}
    other = await PgStore.open(dsn, store._seal)
    try:
        rounds = await asyncio.gather(*((store, other)[at % 2].claim(9_100, 10_000, 60_000) for at in range(8)))
    finally:
        await other.close()
    claimed = [due.subject for found in rounds for due in found if due.subject in ids]
    assert sorted(claimed) == sorted(ids)


async def test_no_more_than_asked_for_and_the_earliest_first(store: PgStore) -> None:
    m = merchant()
    p = [await sent(store, attempt(m), timer_ms=10 + at) for at in range(5)]
    found = [due for due in await store.claim(14, 3, 60_000) if due.subject in {one.id for one in p}]
    assert [due.subject for due in found] == [one.id for one in p[:3]]


async def test_the_next_due_time_counts_what_is_leased(store: PgStore, link: asyncpg.Connection) -> None:
    p = await sent(store, attempt(merchant()), timer_ms=1)
    assert await store.next_due_ms() == 1
    (due,) = await mine(store, 1, {p.id}, 60_000)
    assert await store.next_due_ms() == 1
    await store.release(due)
    assert await store.next_due_ms() == await link.fetchval("select min(run_at_ms) from timer")
