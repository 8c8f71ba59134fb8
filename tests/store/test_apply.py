"""One phase of many payments: what is written, what is refused, and who is not harmed by it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from daozhang.core.faults import Conflict, KeyUsed, SaleTaken
from daozhang.core.must import Broken
from daozhang.core.payment import FOLLOWS, OPEN, Payment, State
from daozhang.core.ports import Change, Key
from daozhang.core.refund import FOLLOWS as REFUND_FOLLOWS
from daozhang.core.refund import RefundState
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore
from tests.store.kit import attempt, event, line, merchant, new_id, refund_begun, refund_step, sent, step, taken


async def outcome(work: Awaitable[Payment]) -> Payment | BaseException:
    """What a change came to: the payment, or the fault."""
    (told,) = await asyncio.gather(work, return_exceptions=True)
    return told


async def test_what_is_written_is_read_back_whole(store: PgStore) -> None:
    m = merchant()
    p = attempt(m, doubt={"code": "20000", "at_ms": 5}, refusal=None, qr="https://例/1")
    first = step(p, State.SENT, key=Key(p.id, "f" * 64), timer_ms=77)
    stored = await store.apply(first)
    assert stored == replace(first.payment, version=1)
    assert await store.payment(p.id) == stored
    second = step(stored, State.PAID)
    paid = await store.apply(second)
    assert await store.payment(p.id) == paid == replace(second.payment, version=2)
    assert await store.evidence(p.id) == [*first.evidence, *second.evidence]
    assert await store.key(m.id, p.id) == (Key(p.id, "f" * 64), p.id)
    assert await store.sale(m.id, p.merchant_order_no) == [paid]
    amount = p.amount_fen
    assert await store.balances(m.id) == {
        "clearing:alipay": amount,
        "in_doubt:alipay": 0,
        "payable": -amount,
        "suspense": 0,
    }
    assert [row.type for row in (await store.events(m.id)).rows] == ["payment.sent", "payment.paid"]


async def test_of_twenty_attempts_at_one_sale_one_is_written(store: PgStore, dsn: str) -> None:
    """From two processes at once: in one batch, and across batches."""
    m = merchant()
    other = await PgStore.open(dsn, store._seal)
    try:
        work = [sent((store, other)[at % 2], attempt(m, "one-sale")) for at in range(20)]
        told = await asyncio.gather(*work, return_exceptions=True)
    finally:
        await other.close()
    winners = [p for p in told if isinstance(p, Payment)]
    assert len(winners) == 1
    losers = [fault for fault in told if not isinstance(fault, Payment)]
    assert all(isinstance(fault, SaleTaken) and fault.payment == winners[0].id for fault in losers)


async def test_a_sale_is_free_again_after_a_proven_end(store: PgStore) -> None:
    m = merchant()
    first = await sent(store, attempt(m, "again"))
    refused = await store.apply(step(first, State.NOT_PAID))
    second = await sent(store, attempt(m, "again"))
    with pytest.raises(SaleTaken) as taken_by:
        await store.apply(step(refused, State.PAID))
    assert taken_by.value.payment == second.id
    surplus = await store.apply(step(refused, State.SURPLUS))
    assert surplus.captured_fen == surplus.amount_fen
    assert [p.id for p in await store.sale(m.id, "again")] == [second.id, first.id]


async def test_an_end_and_a_new_attempt_in_one_batch(store: PgStore) -> None:
    """The sale becomes free in the batch that wants it: the new attempt is not lost, whichever is first."""
    m = merchant()
    first = await sent(store, attempt(m, "turn"))
    ended, begun = await asyncio.gather(
        store.apply(step(first, State.CLOSED)), sent(store, attempt(m, "turn")), return_exceptions=True
    )
    assert isinstance(ended, Payment)
    if not isinstance(begun, Payment):
        assert isinstance(begun, SaleTaken)
        assert begun.payment == first.id


async def test_an_older_version_changes_nothing(store: PgStore) -> None:
    p = await sent(store, attempt(merchant()))
    told = await asyncio.gather(*(store.apply(step(p, State.UNKNOWN)) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Payment) for one in told) == 1
    assert sum(isinstance(one, Conflict) for one in told) == 9
    assert (await store.payment(p.id)).version == 2  # type: ignore[union-attr]
    assert len(await store.evidence(p.id)) == 2
    with pytest.raises(Conflict):
        await store.apply(step(replace(p, version=0), State.UNKNOWN))
    with pytest.raises(Conflict):
        await store.apply(step(replace(attempt(merchant()), version=3), State.SENT))


async def test_twenty_refunds_at_once_never_give_back_more_than_came_in(store: PgStore) -> None:
    paid = await taken(store, attempt(merchant(), amount=1000))

    async def begin() -> object:
        p = paid
        while p.refundable_fen >= 300:
            told = await outcome(store.apply(refund_begun(p, 300)))
            if not isinstance(told, Conflict):
                return told
            p = await store.payment(p.id) or p
        return None

    told = await asyncio.gather(*(begin() for _ in range(20)))
    assert sum(isinstance(one, Payment) for one in told) == 3
    stored = await store.payment(paid.id)
    assert stored is not None
    assert stored.refunding_fen == 900
    assert len(await store.refunds_of(paid.id)) == 3
    with pytest.raises(Broken):
        await store.apply(refund_begun(stored, 101))


async def test_a_refund_from_begin_to_end(store: PgStore) -> None:
    m = merchant()
    paid = await taken(store, attempt(m, amount=1000))
    key = Key("again", "a" * 64)
    begun = refund_begun(paid, 400, key=key)
    assert begun.refund is not None
    p = await store.apply(begun)
    assert await store.refund(begun.refund.id) == replace(begun.refund, version=1)
    assert await store.key(m.id, "again") == (key, begun.refund.id)
    for state in (RefundState.SENT, RefundState.UNKNOWN, RefundState.SUCCEEDED):
        stored = await store.refund(begun.refund.id)
        assert stored is not None
        p = await store.apply(refund_step(p, stored, state))
    assert (p.state, p.refunded_fen, p.refunding_fen) == (State.PARTLY_REFUNDED, 400, 0)
    with pytest.raises(Conflict):
        await store.apply(refund_step(p, replace(begun.refund, version=2), RefundState.SENT))
    balances = await store.balances(m.id)
    assert (balances["clearing:alipay"], balances["payable"], balances["refund_suspense"]) == (600, -600, 0)


async def test_nothing_of_another_payment(store: PgStore) -> None:
    """A refund, an evidence line or an event that belongs elsewhere is refused, also when it lies about that."""
    m = merchant()
    one, two = await taken(store, attempt(m)), await taken(store, attempt(m))
    begun = refund_begun(one, 100)
    await store.apply(begun)
    assert begun.refund is not None
    mine = replace(begun.refund, version=1)
    stolen = refund_step(replace(two, refunding_fen=100), mine, RefundState.SENT)
    assert stolen.refund is not None
    with pytest.raises(Broken):
        await store.apply(stolen)
    with pytest.raises(Conflict):
        await store.apply(replace(stolen, refund=replace(stolen.refund, payment=two.id)))
    with pytest.raises(Broken):
        await store.apply(Change(replace(two, queries=1), (line(one, 9),)))
    with pytest.raises(Broken):
        await store.apply(Change(replace(two, queries=1), events=(event(attempt(merchant()), "payment.paid"),)))
    assert await store.refund(mine.id) == mine
    assert await store.payment(two.id) == two


async def test_a_poison_row_harms_nobody(store: PgStore) -> None:
    """Of 64 changes in one batch nine cannot be stored, each for another reason."""
    m = merchant()
    good = [attempt(m) for _ in range(55)]
    p = attempt(m)
    poison = [
        step(replace(p, id=new_id("pay", m.bucket), subject="nul \0 inside"), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), subject="half a pair \ud83d"), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), asked_ms=1 << 63), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), asked_ms=1 << 70), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), amount_fen=0), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), currency="USD"), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), merchant_order_no="x" * 65), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket), queries=1 << 31), State.SENT),
        step(replace(p, id=new_id("pay", m.bucket)), State.SENT),
    ]
    poison[-1] = replace(poison[-1], evidence=(line(poison[-1].payment, 1, "no such kind"),))
    changes = [step(one, State.SENT) for one in good]
    for at, bad in enumerate(poison):
        changes.insert(at * 7, bad)
    told = await asyncio.gather(*(store.apply(change) for change in changes), return_exceptions=True)
    for change, one in zip(changes, told, strict=True):
        if change in poison:
            assert isinstance(one, Broken), (change.payment, one)
            assert await store.payment(change.payment.id) is None
        else:
            assert isinstance(one, Payment)
            assert await store.payment(one.id) == one
    assert await store.trial_balance() == 0


async def test_a_key_is_used_once(store: PgStore, dsn: str) -> None:
    m = merchant()
    key = Key("key-1", "1" * 64)
    other = await PgStore.open(dsn, store._seal)
    try:
        work = [sent((store, other)[at % 2], attempt(m), key=key) for at in range(10)]
        told = await asyncio.gather(*work, return_exceptions=True)
    finally:
        await other.close()
    made = [one for one in told if isinstance(one, Payment)]
    assert len(made) == 1
    for fault in told:
        if not isinstance(fault, Payment):
            assert isinstance(fault, KeyUsed)
            assert (fault.made, fault.fingerprint) == (made[0].id, "1" * 64)
    assert isinstance(await sent(store, attempt(merchant()), key=key), Payment)  # keys belong to merchants


async def test_the_database_knows_who_may_follow_whom(store: PgStore, link: asyncpg.Connection) -> None:
    """Every pair of states, asked of the trigger itself; equal to the table that core/payment.py owns."""
    m = merchant()
    p = await sent(store, attempt(m))
    source = await link.fetchval("select prosrc from pg_proc where proname = 'payment_step_allowed'")
    pairs = {tuple(word.split(">")) for word in source.replace("'", " ").replace(",", " ").split() if ">" in word[1:-1]}
    assert pairs == {(a.value, b.value) for a, after in FOLLOWS.items() for b in after}
    source = await link.fetchval("select prosrc from pg_proc where proname = 'refund_step_allowed'")
    pairs = {tuple(word.split(">")) for word in source.replace("'", " ").replace(",", " ").split() if ">" in word[1:-1]}
    assert pairs == {(a.value, b.value) for a, after in REFUND_FOLLOWS.items() for b in after}
    with pytest.raises(asyncpg.CheckViolationError):
        await link.execute("update payment set state = 'deferred' where bucket = $1 and id = $2", p.bucket, p.id)


@pytest.mark.parametrize("state", [s for s in State if s not in OPEN], ids=str)
async def test_no_end_without_evidence(store: PgStore, state: State) -> None:
    """P1 and P2 in the database: an end names its evidence; a capture has its whole amount."""
    p = await sent(store, attempt(merchant()))
    whole = p.amount_fen if state in (State.PAID, State.SURPLUS, State.PARTLY_REFUNDED, State.REFUNDED) else 0
    for wrong in (
        {"decided_ms": 0, "captured_fen": whole},
        {"decided_by": 0, "captured_fen": whole},
        {"decided_by": 9, "captured_fen": whole},
        {"captured_fen": 0 if whole else p.amount_fen},
        {"captured_fen": p.amount_fen - 1},
    ):
        more: dict[str, Any] = {"decided_ms": 5, "decided_by": 2, **wrong}
        after = replace(p, state=state, evidence_n=2, **more)
        with pytest.raises(Broken):
            await store.apply(Change(after))
    assert await store.payment(p.id) == p


async def test_stories_and_postings_are_never_rewritten(store: PgStore, link: asyncpg.Connection) -> None:
    await sent(store, attempt(merchant()))
    for table in ("evidence", "transfer"):
        for words in (f"update {table} set payment = payment", f"delete from {table}", f"truncate {table}"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await link.execute(words)


async def test_every_evidence_number_once(store: PgStore) -> None:
    p = await sent(store, attempt(merchant()))
    with pytest.raises(Broken):
        await store.apply(Change(replace(p, queries=1), (line(p, 1),)))
    assert await store.payment(p.id) == p


async def test_debits_equal_credits_after_many_changes(store: PgStore, link: asyncpg.Connection) -> None:
    shops = [merchant() for _ in range(4)]

    async def life(at: int) -> None:
        p = await sent(store, attempt(shops[at % 4], amount=100 + at))
        end = (State.PAID, State.NOT_PAID, State.CLOSED, State.REVERSED)[at // 4 % 4]
        p = await store.apply(step(p, end))
        if end is State.PAID and at % 3 == 0:
            begun = refund_begun(p, 50)
            p = await store.apply(begun)
            assert begun.refund is not None
            p = await store.apply(refund_step(p, replace(begun.refund, version=1), RefundState.SENT))
        elif end is not State.PAID and at % 5 == 0:
            await store.apply(step(p, State.PAID))

    await asyncio.gather(*(life(at) for at in range(120)))
    assert await store.trial_balance() == 0
    for shop in shops:
        rows = await link.fetch(
            "with of as (select t.* from transfer t join payment p on p.bucket = t.bucket and p.id = dz_payment(t.payment) where p.merchant = $1)"
            " select account, sum(fen)::bigint as fen from (select debit as account, amount_fen as fen from of"
            " union all select credit, -amount_fen from of) t group by account",
            shop.id,
        )
        assert {row["account"]: row["fen"] for row in rows} == await store.balances(shop.id)


async def test_no_payment_pays_for_those_before_it(dsn: str, link: asyncpg.Connection) -> None:
    """Writing looks everything up by a key: the tables that grow are never read from end to end."""
    grows = ("payment", "refund", "evidence", "transfer", "balance", "timer", "event", "idempotency", "lane")
    scans = "select sum(seq_scan)::bigint from pg_stat_user_tables where relname = any($1)"
    before = await link.fetchval(scans, list(grows))
    store = await PgStore.open(dsn, Seal(b"k" * 32))
    shop = merchant()
    for _ in range(8):  # more often than a plan is made anew
        paid = await asyncio.gather(*(taken(store, attempt(shop)) for _ in range(10)))
        await asyncio.gather(*(store.apply(refund_begun(p, 5, key=Key(p.id, "f" * 64))) for p in paid))
    await store.close()
    for _ in range(50):  # a connection hands in its numbers when it ends
        if (
            await link.fetchval(
                "select count(*) from pg_stat_activity where query like 'select dz_apply%' and pid <> pg_backend_pid()"
            )
            == 0
        ):
            break
        await asyncio.sleep(0.1)
    await link.execute("select pg_stat_clear_snapshot()")
    swept = 1  # the sweep of old lanes when a store is opened
    assert await link.fetchval(scans, list(grows)) - before <= swept


_BOOKS = {
    "payment": "*", "refund": "*", "idempotency": "*", "timer": "*", "balance": "*",
    "evidence": "bucket, dz_payment(payment) as payment, n, at_ms, kind, who, op, proves, code, text, refund, detail",
    "transfer": "bucket, dz_payment(payment) as payment, kind, debit, credit, amount_fen, at_ms",
    "event": "bucket, merchant, type, subject, at_ms, data",
}  # fmt: skip


async def _written(link: asyncpg.Connection, bucket: int, names: dict[str, str]) -> dict[str, list[str]]:
    """All rows of a merchant's bucket, with its ids replaced by what they stand for."""
    told = {}
    for table, columns in _BOOKS.items():
        rows = await link.fetch(f"select to_jsonb(t)::text as t from (select {columns} from {table}) t where bucket = $1", bucket)
        texts = [row["t"] for row in rows if any(made in row["t"] for made in names if made[:3] in ("pay", "mer"))]
        for made, name in names.items():
            texts = [text.replace(made, name) for text in texts]
        told[table] = sorted(texts)
    return told


@pytest.mark.parametrize("size", [1, 7])
async def test_the_lean_function_writes_what_the_general_one_writes(
    store: PgStore, link: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The same story through both, compared table by table and column by column, numbers of versions and fences included."""
    told = []
    await link.execute("create extension if not exists pg_stat_statements")
    for lean in (True, False):
        if not lean:
            monkeypatch.setattr("daozhang.store.batch._lean", lambda changes: None)
        calls = await link.fetchval("select coalesce(sum(calls), 0) from pg_stat_statements where query like 'select dz_apply_lean%'")
        m = replace(merchant(), bucket=251 + lean)
        begun = [attempt(m, f"o-{at}", at_ms=1_790_000_000_000 + at) for at in range(size)]
        ids = {p.id: f"payment {at}" for at, p in enumerate(begun)} | {m.id: "merchant", f'"bucket": {m.bucket}': "bucket"}
        ids |= {sha256(f"{m.id} {p.id}".encode()).hexdigest()[:32]: f"digest {at}" for at, p in enumerate(begun)}
        steps = [step(p, State.SENT, key=Key(p.id, "f" * 64), timer_ms=9_000 + at) for at, p in enumerate(begun)]
        ends = [State.PAID, State.NOT_PAID, State.UNKNOWN, State.WAITING_PAYER, State.PAID, State.PAID, State.UNKNOWN]
        out = await asyncio.gather(*(store.apply(_at(change, at)) for at, change in enumerate(steps)))
        last = [step(p, ends[at], timer_ms=77 * (not p.to(ends[at]).proven), trade_no=f"T{at}", doubt={"at": at}) for at, p in enumerate(out)]
        await asyncio.gather(*(store.apply(_at(change, at)) for at, change in enumerate(last)))
        told.append(await _written(link, m.bucket, ids))
        more = await link.fetchval("select coalesce(sum(calls), 0) from pg_stat_statements where query like 'select dz_apply_lean%'")
        assert (more > calls) is lean
    assert told[0] == told[1]
    assert size == 1 or all(told[0][table] for table in _BOOKS if table != "refund")


def _at(change: Change, at: int) -> Change:
    """The same change at a time of its own, so that two runs can be compared."""
    now = 1_790_000_100_000 + at
    return replace(
        change,
        evidence=tuple(replace(one, at_ms=now) for one in change.evidence),
        events=tuple(replace(one, at_ms=now) for one in change.events),
    )
