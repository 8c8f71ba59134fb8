"""PostgreSQL is killed in the middle of batches: nothing acknowledged is lost, nothing is applied twice (P11)."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace

import asyncpg
import pytest

from daozhang.core.faults import Conflict, Fault, KeyUsed, SaleTaken, Unavailable
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Key
from daozhang.store import batch
from daozhang.store.batch import Lane
from daozhang.store.embedded import Embedded
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore
from daozhang.store.thin import written
from tests.store.kit import attempt, merchant, sent, step

SEAL = Seal(b"k" * 32)


async def nobody(_change: object) -> str:
    return ""


async def test_a_batch_sent_again_is_applied_once(dsn: str, store: PgStore, link: asyncpg.Connection) -> None:
    """The answer is lost after the commit: the same batch under the same number answers what it answered then."""
    lane = Lane(dsn, store._in_the_way)
    m = merchant()
    known = await sent(store, attempt(m, "held"))
    changes = [
        step(attempt(m), State.SENT),
        step(attempt(m, "held"), State.SENT),
        step(replace(known, version=7), State.UNKNOWN),
    ]
    text = batch._encode([written(change) for change in changes]).decode()
    first = await link.fetchval(batch._APPLY, lane._id, 1, text)
    again = await link.fetchval(batch._APPLY, lane._id, 1, text)
    assert first == again
    assert [row[:2] for row in batch._decode(first)] == [(2, "not_new"), (3, "conflict")]
    assert (await store.payment(changes[0].payment.id)) == replace(changes[0].payment, version=1)
    assert len(await store.evidence(changes[0].payment.id)) == 1
    await link.fetchval(batch._APPLY, lane._id, 3, "[]")
    with pytest.raises(asyncpg.SerializationError, match="overtaken"):
        await link.fetchval(batch._APPLY, lane._id, 2, text)
    await lane.close()


async def test_recovery_syncs_once_and_not_each_file(link: asyncpg.Connection) -> None:
    """Fifteen hundred syncs on a shared disk are four seconds in which no payment is taken."""
    only_linux_can = "syncfs" if sys.platform == "linux" else "fsync"
    assert await link.fetchval("show recovery_init_sync_method") == only_linux_can


async def test_a_batch_that_is_still_being_committed_is_waited_for(
    dsn: str, store: PgStore, link: asyncpg.Connection
) -> None:
    lane = Lane(dsn, nobody)
    change = step(attempt(merchant()), State.SENT)
    text = batch._encode([written(change)]).decode()
    other = await asyncpg.connect(dsn)
    try:
        async with link.transaction():
            first = await link.fetchval(batch._APPLY, lane._id, 1, text)
            second = asyncio.ensure_future(other.fetchval(batch._APPLY, lane._id, 1, text))
            await asyncio.sleep(0.2)
            assert not second.done()
        assert await second == first == "[]"
        assert len(await store.evidence(change.payment.id)) == 1
    finally:
        await other.close()
        await lane.close()


async def test_connections_are_cut_again_and_again(dsn: str, link: asyncpg.Connection) -> None:
    """Back ends are ended under load, from outside, at any moment: every caller gets the truth."""
    store = await PgStore.open(dsn, SEAL)
    m = merchant()
    cuts = rounds = 0

    async def cut() -> None:
        nonlocal cuts
        while True:
            await asyncio.sleep(0.11 + cuts % 5 * 0.02)
            cuts += await link.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where query like 'select dz_apply%' and pid <> pg_backend_pid()"
            )

    cutting = asyncio.ensure_future(cut())
    try:
        while cuts < 12 and rounds < 100:
            rounds += 1
            told = await asyncio.gather(*(sent(store, attempt(m)) for _ in range(60)))
            told = await asyncio.gather(*(store.apply(step(p, State.PAID)) for p in told))
            for p in told:
                assert await store.payment(p.id) == p
                assert [line.n for line in await store.evidence(p.id)] == [1, 2]
    finally:
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
        await store.close()
    assert cuts >= 12
    assert await link.fetchval("select count(*) from transfer join payment p on p.id = dz_payment(payment) where merchant = $1", m.id) == rounds * 60 * 3


async def test_the_server_is_killed_under_load(own_server: Embedded) -> None:
    store = await PgStore.open(own_server.dsn, SEAL)
    m = merchant()
    acknowledged: dict[str, int] = {}
    unknown: set[str] = set()
    stop = False

    async def cashier(name: int) -> None:
        at = 0
        while not stop:
            at += 1
            p = attempt(m, f"{name}-{at}")
            try:
                p = await sent(store, p, key=Key(p.merchant_order_no, "f" * 64))
                acknowledged[p.id] = 1
                p = await store.apply(step(p, State.PAID))
                acknowledged[p.id] = 2
            except Unavailable:
                unknown.add(p.id)
            except (Conflict, SaleTaken, KeyUsed) as wrong:
                pytest.fail(f"{p.id}: {wrong!r}")  # nobody else touches these payments

    cashiers = [asyncio.ensure_future(cashier(name)) for name in range(40)]
    for _ in range(5):
        await asyncio.sleep(0.4)
        os.kill(own_server.pid, signal.SIGKILL)
        await own_server.wait()
        await own_server.start()
    await asyncio.sleep(0.4)
    stop = True
    await asyncio.gather(*cashiers)
    assert len(acknowledged) > 200
    for ident, version in acknowledged.items():
        stored = await store.payment(ident)
        assert stored is not None
        assert stored.version == version or (ident in unknown and stored.version == version + 1)
        assert [line.n for line in await store.evidence(ident)] == list(range(1, stored.version + 1))
    assert await store.trial_balance() == 0
    link = await asyncpg.connect(own_server.dsn)
    paid = await link.fetchval("select coalesce(sum(captured_fen), 0)::bigint from payment")
    doubt = await link.fetchval("select coalesce(sum(amount_fen), 0)::bigint from payment where state = 'sent'")
    twice = await link.fetch("select payment, kind from transfer group by payment, kind having count(*) > 1")
    await link.close()
    balances = await store.balances(m.id)
    assert (balances["clearing:alipay"], balances["in_doubt:alipay"], twice) == (paid, doubt, [])
    await store.close()


async def test_callers_are_told_within_seconds_when_the_database_stays_away(own_server: Embedded) -> None:
    store = await PgStore.open(own_server.dsn, SEAL)
    m = merchant()
    p = await sent(store, attempt(m))
    await own_server.stop()
    began = time.monotonic()
    told = await asyncio.gather(
        store.payment(p.id), store.claim(1, 1, 1), *(sent(store, attempt(m)) for _ in range(50)), return_exceptions=True
    )
    assert time.monotonic() - began < 8
    assert all(isinstance(one, Unavailable) for one in told)
    await own_server.start()
    assert await store.payment(p.id) == p
    assert isinstance(await sent(store, attempt(m)), Payment)
    await store.close()


async def test_a_server_that_hangs_is_not_waited_for(own_server: Embedded) -> None:
    """Stopped, not dead: the connection stands and nothing comes. Afterwards the truth is found by reading."""
    store = await PgStore.open(own_server.dsn, SEAL)
    p = await sent(store, attempt(merchant()))
    link = await asyncpg.connect(own_server.dsn)
    pids = [
        row["pid"] for row in await link.fetch("select pid from pg_stat_activity where query like 'select dz_apply%'")
    ]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    os.kill(own_server.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(Unavailable):
            await store.apply(step(p, State.UNKNOWN))
        assert time.monotonic() - began < 8
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    stored = await store.payment(p.id)
    assert stored is not None
    try:
        stored = await store.apply(step(stored, State.PAID))
    except Fault:
        stored = await store.payment(p.id)
    assert stored is not None
    assert [line.n for line in await store.evidence(p.id)] == list(range(1, stored.version + 1))
    await link.close()
    await store.close()


async def test_closing_tells_those_who_wait(dsn: str) -> None:
    store = await PgStore.open(dsn, SEAL)
    work = [asyncio.ensure_future(sent(store, attempt(merchant()))) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    told = await asyncio.gather(*work, return_exceptions=True)
    assert all(isinstance(one, (Payment, Unavailable)) for one in told)
    with pytest.raises(Unavailable):
        await sent(store, attempt(merchant()))
