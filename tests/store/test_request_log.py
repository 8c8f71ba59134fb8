"""The request log's rows: a reader that follows by number misses none, whoever writes; the old and the too many go."""

import asyncio

import asyncpg

from daozhang.core.request_log import Line
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore
from tests.store.kit import merchant


def lines(of: str, bucket: int, first: int, count: int, at_ms: int = 1_000) -> list[Line]:
    return [Line(bucket, of, at_ms, f"req_{first + at}", "key_1", "GET", "/v1/payments", 200, 1, "", "en") for at in range(count)]


async def test_a_reader_that_follows_misses_nothing_of_any_process(store: PgStore, dsn: str) -> None:
    m = merchant()
    others = [await PgStore.open(dsn, Seal(b"k" * 32), connections=2) for _ in range(3)]
    seen: list[str] = []

    async def write(one: PgStore, lane: int) -> None:
        for batch in range(30):
            await one.write(lines(m.id, m.bucket, lane * 10_000 + batch * 5, 5))

    async def follow() -> None:
        last = 0
        while len(seen) < 450:
            page = await store.lines(m.id, after=last, limit=100)
            seen.extend(row["request_id"] for row in page.rows)
            last = max([last, *(row["no"] for row in page.rows)])
            await asyncio.sleep(0)

    try:
        async with asyncio.timeout(60):
            await asyncio.gather(follow(), *(write(one, lane) for lane, one in enumerate(others)))
    finally:
        for one in others:
            await one.close()
    assert len(set(seen)) == len(seen) == 450


async def test_a_batch_waits_for_the_one_before_it(store: PgStore, link: asyncpg.Connection) -> None:
    """The order of numbers is the order of commits: proven by holding a writer's turn open."""
    m = merchant()
    async with link.transaction():
        await link.execute("select pg_advisory_xact_lock($1::bigint)", 0x64617A6C)
        write = asyncio.create_task(store.write(lines(m.id, m.bucket, 1, 1)))
        await asyncio.sleep(0.2)
        assert not write.done()
    await write
    assert [row["request_id"] for row in (await store.lines(m.id)).rows] == ["req_1"]


async def test_the_old_and_the_too_many_are_swept(store: PgStore, link: asyncpg.Connection) -> None:
    m = merchant()
    await store.write(lines(m.id, m.bucket, 0, 10, at_ms=1_000))
    await store.write(lines(m.id, m.bucket, 10, 10, at_ms=9_000))
    assert not await store.sweep(5_000, 1_000_000)
    assert {row["at_ms"] for row in (await store.lines(m.id)).rows} == {9_000}
    await store.sweep(5_000, 4)
    left = [row["request_id"] for row in (await store.lines(m.id)).rows]
    assert left == ["req_19", "req_18", "req_17", "req_16"]


async def test_refusals_are_found_by_an_index_of_their_own(store: PgStore, link: asyncpg.Connection) -> None:
    m = merchant()
    await store.write(lines(m.id, m.bucket, 0, 3_000))
    await store.write([line._replace(status=503, request_id="req_no") for line in lines(m.id, m.bucket, 0, 2)])
    await link.execute("analyze request_log")
    found = await store.lines(m.id, status="5xx")
    assert [row["request_id"] for row in found.rows] == ["req_no"] * 2 and not found.has_more
    assert (await store.lines(m.id, status="404")).rows == []
    plan = await link.fetch(
        "explain select no from request_log where bucket = $1 and merchant = $2 and status / 100 = 5 and status >= 400 order by no desc limit 51",
        m.bucket, m.id,
    )  # fmt: skip
    assert "request_log_refused" in "\n".join(row[0] for row in plan)
