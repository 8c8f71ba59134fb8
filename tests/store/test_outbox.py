"""The outbox never skips a line, also when a transaction that began earlier commits later; and processes wake each other."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from daozhang.core.payment import State
from daozhang.store.reading import parse_cursor
from daozhang.store.store import PgStore
from tests.store.kit import attempt, merchant, sent, step, taken

_INSERT = "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, $3, 'pay_x', 1, '{}')"


async def test_a_line_that_commits_late_is_waited_for(store: PgStore, dsn: str) -> None:
    m = merchant()
    early, late = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        slow = early.transaction()
        await slow.start()
        await early.execute(_INSERT, m.bucket, m.id, "slow")
        await late.execute(_INSERT, m.bucket, m.id, "quick")  # a later number, committed first
        before = await store.events(m.id)
        assert before.rows == []
        await slow.commit()
        after = await store.events(m.id, cursor=before.next_cursor)
        assert [row.type for row in after.rows] == ["slow", "quick"]
    finally:
        await early.close()
        await late.close()


async def test_a_reader_beside_many_writers_sees_every_line_once(store: PgStore, dsn: str) -> None:
    m = merchant()
    links = [await asyncpg.connect(dsn) for _ in range(4)]
    written = 0

    async def write(link: asyncpg.Connection, name: int) -> None:
        nonlocal written
        for at in range(25):
            async with link.transaction():
                await link.execute(_INSERT, m.bucket, m.id, f"{name}-{at}-a")
                await asyncio.sleep(0.002 * (name + 1))
                await link.execute(_INSERT, m.bucket, m.id, f"{name}-{at}-b")
            written += 2

    writers = asyncio.gather(*(write(link, name) for name, link in enumerate(links)))
    seen: list[str] = []
    cursor = ""
    for _ in range(2_000):
        page = await store.events(m.id, cursor=cursor, limit=7)
        seen += [row.type for row in page.rows]
        cursor = page.next_cursor
        if writers.done() and not page.rows and len(seen) >= written:
            break
        await asyncio.sleep(0.003)
    await writers
    for link in links:
        await link.close()
    assert len(seen) == len(set(seen)) == 200


async def test_pages_subjects_and_single_lines(store: PgStore) -> None:
    m = merchant()
    one, two = await taken(store, attempt(m)), await taken(store, attempt(m))
    first = await store.events(m.id, limit=3)
    assert (len(first.rows), first.has_more) == (3, True)
    rest = await store.events(m.id, limit=3, cursor=first.next_cursor)
    assert (len(rest.rows), rest.has_more) == (1, False)
    assert (await store.events(m.id, cursor=rest.next_cursor)).next_cursor == rest.next_cursor
    about = await store.events(m.id, subject=two.id)
    assert [row.type for row in about.rows] == ["payment.sent", "payment.paid"]
    row = about.rows[0]
    assert await store.event(m.id, row.id) == row
    assert row.data["payment"] == two.id
    assert await store.event(merchant().id, row.id) is None
    assert await store.event(m.id, "evt_x") is None
    assert {row.subject for row in first.rows + rest.rows} == {one.id, two.id}


@pytest.mark.parametrize("wrong", ["x", "1", "1-", "-1", "1-2-3", "１-２", "9" * 30 + "-1"])
async def test_a_cursor_that_is_none_of_ours(store: PgStore, wrong: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.events(merchant().id, cursor=wrong)
    assert parse_cursor("") == (0, -1)


async def test_other_processes_are_woken(store: PgStore, dsn: str, link: asyncpg.Connection) -> None:
    other = await PgStore.open(dsn, store._seal)
    heard: asyncio.Queue[str] = asyncio.Queue()
    try:
        await other.listen(heard.put_nowait)
        p = await sent(store, attempt(merchant()))
        p = await store.apply(replace(step(p, State.UNKNOWN), wake=True))
        assert await asyncio.wait_for(heard.get(), 5) == p.id
        # Its connection is taken away: it listens again by itself.
        await link.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
        for _ in range(50):
            p = await store.apply(replace(step(p, State.UNKNOWN), wake=True))
            try:
                assert await asyncio.wait_for(heard.get(), 0.2) == p.id
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("nothing was heard after the connection broke")
    finally:
        await other.close()
