"""Deliveries over the real database with a clock of our own: schedule, order, breaker, leases, replay, and no loss."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from standardwebhooks import Webhook

from daozhang.core.standard_webhook import BadSignature, new_secret, sign, verify
from daozhang.core.webhook import BREAKS_AFTER, DISABLE_AFTER_MS, GAPS_MS, Outcome, Round, next_ms, pause_ms
from daozhang.store.store import PgStore
from tests.store.kit import attempt, past_the_horizon, sent, taken
from tests.store.webhook_kit import Bench, Carrier, Tasks, endpoint


async def test_every_event_once_in_order_and_verified_by_an_independent_library(store: PgStore) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a")
    for _ in range(3):
        await taken(store, attempt(bench.merchant))
    await bench.settle()
    heard, subjects = bench.carrier.ids(), {row.id: row.subject for row in (await store.events(bench.merchant.id)).rows}
    assert sorted(heard) == sorted(subjects) and len(heard) == 6
    for subject in subjects.values():
        assert [event for event in heard if subjects[event] == subject] == [event for event in subjects if subjects[event] == subject]
    for _, ident, headers, body in bench.carrier.sent:
        told = Webhook(mine.secrets[0][0]).verify(body, headers)  # though the platform's clock stands months away
        assert told["type"] == next(row.type for row in (await store.events(bench.merchant.id)).rows if row.id == ident)


def test_tampered_old_early_and_strange_deliveries_are_refused() -> None:
    secret, body = new_secret(bytes(32)), b'{"type":"payment.paid"}'
    signature = sign(secret, "evt_1", 1000, body)
    verify([secret], "evt_1", "1000", f"v1,AAAA {signature} v2,x", body, 1200)
    verify([new_secret(b"o" * 24), secret], "evt_1", "1000", signature, body, 1000)
    for ident, at, given, text, now, why in (
        ("evt_1", "1000", signature, body + b" ", 1000, "wrong"), ("evt_2", "1000", signature, body, 1000, "wrong"),
        ("evt_1", "1001", signature, body, 1000, "wrong"), ("evt_1", "1000", signature, body, 1301, "old"),
        ("evt_1", "1000", signature, body, 699, "early"), ("evt_1", "1000", "", body, 1000, "missing"),
        ("", "1000", signature, body, 1000, "missing"), ("evt_1", "1e3", signature, body, 1000, "wrong"),
        ("evt_1", "1000", "v1a" + signature[2:], body, 1000, "wrong"),
    ):  # fmt: skip
        with pytest.raises(BadSignature) as told:
            verify([secret], ident, at, given, text, now)
        assert told.value.why == why


async def test_the_schedule_is_kept_to_the_end_and_the_owner_is_warned_before_it_is_disabled(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(500, "HTTP 500"))
    await bench.open("/a")
    await sent(store, attempt(bench.merchant))
    await bench.settle()
    began, gaps = bench.clock.now, []
    for _ in range(len(GAPS_MS)):
        rows = (await store.attempts((await store.endpoints(bench.merchant.id))[0])).rows
        gaps.append(rows[0]["next_ms"] - bench.clock.now)
        bench.clock.now = max(rows[0]["next_ms"], bench.clock.now + 300_000)
        await bench.settle()
    assert gaps == list(GAPS_MS)
    first = [event for event in bench.carrier.ids() if event == bench.carrier.ids()[0]]
    assert len(first) == 10 and bench.clock.now - began >= DISABLE_AFTER_MS == sum(GAPS_MS) == (75 * 60 + 35) * 60_000 + 5_000
    (mine,) = await store.endpoints(bench.merchant.id)
    kinds = [row.type for row in (await store.events(bench.merchant.id, limit=1000)).rows]
    assert mine.state == "disabled"
    assert kinds.index("webhook_endpoint.failing") < kinds.index("webhook_endpoint.disabled")
    await store.change_endpoint(replace(mine, state="enabled"), anew=True)
    bench.carrier.rule = lambda url, event: Outcome(200)
    bench.clock.now += 1
    await bench.settle()
    (mine,) = await store.endpoints(bench.merchant.id)
    assert (mine.state, mine.failures) == ("enabled", 0)


def test_jitter_only_lengthens_and_retry_after_is_honoured() -> None:
    assert next_ms(1, 0, 0.0) == 5_000 and 5_000 < next_ms(1, 0, 1.0) <= 5_500
    assert next_ms(1, 0, 0.0, retry_after_s=60) == 60_000
    assert next_ms(10, 0, 0.0) == 0
    assert pause_ms(BREAKS_AFTER - 1) == 0 and pause_ms(BREAKS_AFTER) == 5_000 and pause_ms(99) == 300_000


async def test_a_dead_endpoint_neither_holds_up_others_nor_is_hammered(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(0, "timeout") if url == "/dead" else Outcome(200))
    await bench.open("/a", "/dead")
    for _ in range(30):
        await sent(store, attempt(bench.merchant))
    await bench.settle()
    assert len(bench.carrier.ids("/a")) >= 30
    tried = len(bench.carrier.ids("/dead"))
    assert tried <= BREAKS_AFTER + 8, "the breaker stops what is not in flight yet"
    bench.carrier.rule = lambda url, event: Outcome(200)
    for _ in range(200):
        bench.clock.now += 60_000
        await bench.settle()
    heard = set(bench.carrier.ids("/dead"))
    assert {row.id for row in (await store.events(bench.merchant.id, limit=1000)).rows if row.type.startswith("payment")} <= heard


async def test_after_a_failure_the_payments_later_events_wait(store: PgStore) -> None:
    failed: set[str] = set()

    def once(url: str, event: str) -> Outcome:
        if len(failed) < 1:
            failed.add(event)
            return Outcome(500, "HTTP 500")
        return Outcome(200)

    bench = Bench(store, once)
    await bench.open("/a")
    await taken(store, attempt(bench.merchant))
    await bench.settle()
    assert len(bench.carrier.sent) == 1
    bench.clock.now += 6_000
    await bench.settle()
    assert bench.carrier.ids()[1:] == await bench.events()


async def test_410_ends_it_and_429_slows_it(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(410, "HTTP 410") if url == "/gone" else Outcome(429, "HTTP 429", 90))
    await bench.open("/gone", "/slow")
    await sent(store, attempt(bench.merchant))
    await bench.settle()
    states = {one.url[-5:]: one for one in await store.endpoints(bench.merchant.id)}
    assert states["/gone"].state == "disabled"
    assert states["/slow"].blocked_until_ms == bench.clock.now + 90_000
    bench.clock.now += 89_000
    await bench.settle()
    first = bench.carrier.ids("/slow")
    assert len(first) == len(set(first))  # perhaps it was also told that its neighbour was disabled; nothing came twice
    bench.clock.now += 2_000
    await bench.settle()
    assert bench.carrier.ids("/slow").count(first[0]) == 2


async def test_types_choose_and_a_ping_reaches_only_its_endpoint(store: PgStore) -> None:
    bench = Bench(store)
    await store.add_merchant(bench.merchant)
    await store.add_endpoint(endpoint(bench.merchant, "/paid", ("payment.paid",)))
    await store.add_endpoint(endpoint(bench.merchant, "/all", ("payment.*",)))
    await taken(store, attempt(bench.merchant))
    paid = next(one for one in await store.endpoints(bench.merchant.id) if one.url.endswith("/paid"))
    ping = await store.ping(paid, bench.clock.now)
    await bench.settle()
    events = await bench.events()
    assert sorted(bench.carrier.ids("/paid")) == sorted([events[1], ping])
    assert bench.carrier.ids("/all") == events[:2]


async def test_a_range_is_sent_again(store: PgStore) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a")
    await taken(store, attempt(bench.merchant))
    await bench.settle()
    assert await store.send_again(mine, 0, 1 << 60, (), bench.clock.now) == (2, 0)
    assert await store.send_again(mine, 0, 1 << 60, ("payment.paid",), bench.clock.now) == (1, 0)
    assert await store.send_one(mine, "evt_0", bench.clock.now) is False
    await bench.settle()
    assert sorted(bench.carrier.ids()) == sorted((await bench.events()) * 2)


async def test_a_worker_that_dies_or_comes_back_late_loses_and_overwrites_nothing(store: PgStore, link: asyncpg.Connection) -> None:
    bench = Bench(store)
    await bench.open("/a")
    await taken(store, attempt(bench.merchant))
    late = await bench.claimed()
    rest = await store.claim_endpoints(bench.clock.now, 10_000, 60_000)
    assert late.id not in {one.id for one in rest}, "nobody else gets it before the lease ends"
    for one in rest:
        await store.let_go(one)
    await link.execute("update webhook_endpoint set lease_until = clock_timestamp() - interval '1 s' where id = $1", late.id)
    await bench.settle()
    assert bench.carrier.ids() == await bench.events()
    assert await bench.pump()._serve(late) is None, "nothing is left, and its fence is old"
    assert await store.finish_round(late, Round(cursor="1-1"), bench.clock.now) is False


async def test_two_workers_deliver_each_event_once(store: PgStore) -> None:
    bench = Bench(store)
    await bench.open("/a", "/b")
    for _ in range(20):
        await sent(store, attempt(bench.merchant))
    other = Carrier()
    await asyncio.gather(bench.settle(), bench.settle(other))
    for path in ("/a", "/b"):
        assert sorted(bench.carrier.ids(path) + other.ids(path)) == sorted(await bench.events())


async def backlog(bench: Bench, link: asyncpg.Connection, count: int) -> None:
    """So many events, each of its own payment; and each delivery then takes 25 ms."""
    await link.execute(
        "insert into event (bucket, merchant, type, subject, at_ms, data) select $1, $2, 'x', 's' || n, 1, '{}' from generate_series(1, $3::int) n",
        bench.merchant.bucket, bench.merchant.id, count,
    )  # fmt: skip
    await past_the_horizon(bench.store)

    def slow(url: str, event: str) -> Outcome:
        bench.clock.mono += 25
        return Outcome(204)

    bench.carrier.rule = slow


async def one_look(bench: Bench, carrier: Carrier) -> None:
    tasks = Tasks()
    await bench.pump(carrier, tasks).round()
    await asyncio.gather(*tasks.tasks)


async def test_a_worker_with_several_backlogs_leaves_one_to_who_has_less_to_do(store: PgStore, link: asyncpg.Connection) -> None:
    bench, other = Bench(store), Carrier()
    await bench.open("/a", "/b")
    await backlog(bench, link, 250)
    await one_look(bench, bench.carrier)
    await one_look(bench, other)
    whole = sorted(await bench.events())
    given = {path for path, *_ in other.sent}
    assert len(given) == 1 and 0 < len(other.sent) < 250, "what was let go early, and only the rest of it"
    for path in ("/a", "/b"):
        assert sorted(bench.carrier.ids(path) + other.ids(path)) == whole, "each once, whoever delivered it"


async def test_a_worker_with_one_backlog_keeps_it(store: PgStore, link: asyncpg.Connection) -> None:
    bench = Bench(store)
    await bench.open("/a")
    await backlog(bench, link, 250)
    await one_look(bench, bench.carrier)
    assert len(bench.carrier.ids()) == 250


async def test_a_look_reads_no_whole_table_where_most_events_are_one_merchants(store: PgStore, link: asyncpg.Connection) -> None:
    bench, big = Bench(store), Bench(store)
    await bench.open("/a", "/b", "/c")
    await big.open("/big")
    begun = link.transaction()
    await begun.start()
    try:
        await link.execute(
            "insert into event (bucket, merchant, type, subject, at_ms, data, xact)"
            " select $1, $2, 'x', 's' || n, 1, '{}', '3'::xid8 from generate_series(1, 10000) n",
            big.merchant.bucket, big.merchant.id,
        )  # fmt: skip
        await link.execute("analyze event, webhook_endpoint, webhook_retry")
        await link.fetch("select id from dz_webhook_claim($1, false, 500, 1)", bench.clock.now)
        read = await link.fetchval("select seq_tup_read from pg_stat_xact_user_tables where relname = 'event'")
    finally:
        await begun.rollback()
    assert read == 0
