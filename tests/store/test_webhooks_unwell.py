"""Receivers and workers that are not well: slow ones, those that refuse one kind, stops in the middle, two hands at one endpoint."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daozhang.core.addresses import Target
from daozhang.core.payment import State
from daozhang.core.webhook import REPLAY_MOST, Endpoint, Outcome
from daozhang.flow.webhook_message import headers_of, new_signing, public_of
from daozhang.flow.webhooks import LEASE_MS
from daozhang.store.store import PgStore
from tests.store.kit import attempt, sent, step, taken
from tests.store.webhook_kit import Bench, Carrier, Tasks, endpoint

TIMEOUT_MS = 15_000


class Slow(Carrier):
    """Eight at a time, each answering well after so long."""

    def __init__(self, bench: Bench, each_ms: int) -> None:
        super().__init__()
        self._clock, self._each_ms = bench.clock, each_ms

    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
        self._clock.mono += self._each_ms / 8
        return await super().post(target, headers, body, livemode)


async def test_a_slow_receiver_gets_each_event_once_and_no_round_outlives_its_lease(store: PgStore) -> None:
    bench = Bench(store)
    await bench.open("/a")
    for _ in range(90):
        await sent(store, attempt(bench.merchant))
    slow, mine, rounds = Slow(bench, 4_000), await bench.claimed(), 0
    after: Endpoint | None = mine
    while after is not None:
        began = bench.clock.mono
        after = await bench.pump(slow)._serve(after)
        assert bench.clock.mono - began + TIMEOUT_MS < LEASE_MS
        rounds += 1
    assert rounds > 1
    assert sorted(slow.ids()) == sorted(await bench.events())


async def test_a_kind_that_is_always_refused_does_not_hold_back_the_end(store: PgStore) -> None:
    bench = Bench(store)
    await bench.open("/a")
    await taken(store, attempt(bench.merchant))
    first, paid = await bench.events()
    bench.carrier.rule = lambda url, event: Outcome(400, "HTTP 400") if event == first else Outcome(200)
    await bench.settle()
    assert bench.carrier.ids() == [first], "the quick repeat is waited for"
    bench.clock.now += 5_100
    await bench.settle()
    assert bench.carrier.ids() == [first, first, paid]


async def test_a_stop_in_the_middle_counts_as_not_tried_and_the_next_worker_goes_on_at_once(store: PgStore) -> None:
    bench, never = Bench(store), asyncio.Event()
    (mine,) = await bench.open("/a")
    for _ in range(20):
        await sent(store, attempt(bench.merchant))

    class Hangs(Carrier):
        begun = 0

        async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
            self.begun += 1
            if self.begun <= 5:
                return await super().post(target, headers, body, livemode)
            await never.wait()
            return Outcome(0, "CUT_OFF")

    tasks, carrier = Tasks(), Hangs()
    pump = bench.pump(carrier, tasks)
    await pump.round()
    while len(carrier.sent) < 5:
        await asyncio.sleep(0.01)
    pump.stop()
    await pump.wind_up()
    never.set()
    await asyncio.gather(*tasks.tasks)
    now = await store.endpoint(bench.merchant.id, mine.id)
    assert now is not None and (now.state, now.failures) == ("enabled", 0)
    attempts = (await store.attempts(mine, limit=100)).rows
    assert len(attempts) == 5 and all(row["status"] == 204 for row in attempts)
    await bench.settle()
    assert sorted(carrier.ids() + bench.carrier.ids()) == sorted(await bench.events()), "each once, none lost"


async def test_nobody_is_disabled_who_was_not_warned_a_day_before(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(500, "HTTP 500"))
    (mine,) = await bench.open("/a")
    await sent(store, attempt(bench.merchant))
    await bench.settle()
    bench.clock.now += 80 * 3_600_000  # the worker was away for long
    warned_ms = bench.clock.now
    await bench.settle()
    now = await store.endpoint(bench.merchant.id, mine.id)
    assert now is not None and now.state == "failing"
    for _ in range(40):
        bench.clock.now += 3_600_000
        await sent(store, attempt(bench.merchant))
        await bench.settle()
    kinds = {row.type: row for row in (await store.events(bench.merchant.id, limit=1000)).rows}
    assert kinds["webhook_endpoint.disabled"].at_ms - warned_ms >= 24 * 3_600_000
    told = kinds["webhook_endpoint.failing"].data
    assert told["endpoint"] == mine.id and told["error"] == "HTTP 500" and told["url"] == mine.url


async def test_others_are_told_that_one_is_failing_and_it_is_not_told_itself(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(0, "timeout") if url == "/dead" else Outcome(200))
    await bench.open("/a", "/dead")
    for _ in range(12):
        await sent(store, attempt(bench.merchant))
    for _ in range(3):
        await bench.settle()
    failing = next(row.id for row in (await store.events(bench.merchant.id, limit=1000)).rows if row.type == "webhook_endpoint.failing")
    assert failing in bench.carrier.ids("/a")
    bench.carrier.rule = lambda url, event: Outcome(200)
    for _ in range(40):
        bench.clock.now += 600_000
        await bench.settle()
    assert failing not in bench.carrier.ids("/dead")
    assert {event for event in await bench.events() if event != failing} <= set(bench.carrier.ids("/dead"))


async def test_a_replay_sends_what_the_endpoint_asked_for_and_goes_on_where_one_wish_ends(
    store: PgStore, link: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a", types=("payment.*",))
    for _ in range(3):
        await taken(store, attempt(bench.merchant))
    insert = "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, 'device.online', 'd', 5, '{}')"
    await link.execute(insert, bench.merchant.bucket, bench.merchant.id)
    now = bench.clock.now
    assert await store.send_again(mine, 0, 1 << 60, (), now) == (6, 0)
    assert await store.send_again(mine, 0, 1 << 60, ("payment.*", "refund.*"), now) == (6, 0)
    assert await store.send_again(mine, 0, 1 << 60, ("payment.paid",), now) == (3, 0)
    assert await store.send_again(mine, 0, 1 << 60, ("device.*",), now) == (0, 0)
    assert await store.send_again(replace(mine, types=()), 0, 6, ("*",), now) == (1, 0)
    monkeypatch.setattr("daozhang.store.webhooks.REPLAY_MOST", 4)
    times = [row.at_ms for row in (await store.events(bench.merchant.id)).rows if row.type.startswith("payment")]
    assert await store.send_again(mine, 0, 1 << 60, (), now) == (4, sorted(times)[4])
    assert REPLAY_MOST >= 1000


async def test_what_happens_now_does_not_wait_for_a_long_replay(store: PgStore, link: asyncpg.Connection) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a")
    await link.execute(
        "insert into event (bucket, merchant, type, subject, at_ms, data) select $1, $2, 'old.one', 's' || n, 1, '{}'"
        " from generate_series(1, 400) n",
        bench.merchant.bucket, bench.merchant.id,
    )  # fmt: skip
    await bench.settle()
    bench.carrier.sent.clear()
    await store.send_again(mine, 0, 1 << 60, (), bench.clock.now)
    await sent(store, attempt(bench.merchant))
    (new,) = [row.id for row in (await store.events(bench.merchant.id, limit=1000)).rows if row.type == "payment.sent"]
    await bench.pump()._serve(await bench.claimed())
    assert new in bench.carrier.ids() and len(bench.carrier.ids()) < 100


async def test_two_who_change_an_endpoint_at_once_lose_no_secret(store: PgStore) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a")
    fresh = replace(mine, secrets=(("whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3", 0), *mine.secrets))
    assert await store.change_secrets(fresh)
    assert not await store.change_secrets(replace(mine, secrets=())), "it was read before the other changed it"
    await store.change_endpoint(replace(mine, description="x"), anew=False)
    (now,) = await store.endpoints(bench.merchant.id)
    assert now.secrets == fresh.secrets and now.description == "x"


async def test_a_ping_goes_out_at_once_to_an_endpoint_that_is_left_alone(store: PgStore) -> None:
    bench = Bench(store, lambda url, event: Outcome(0, "timeout"))
    (mine,) = await bench.open("/a")
    for _ in range(20):
        await sent(store, attempt(bench.merchant))
    await bench.settle()
    bench.carrier.sent.clear()
    await bench.settle()
    assert bench.carrier.sent == []
    ping = await store.ping(mine, bench.clock.now)
    await bench.settle()
    assert bench.carrier.ids() == [ping]


async def test_the_dead_do_not_take_the_places_of_the_living(store: PgStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daozhang.flow.webhooks._FAILING", 2)
    dead = [Bench(store, lambda url, event: Outcome(0, "timeout")) for _ in range(6)]
    for bench in dead:
        await bench.open("/dead")
        for _ in range(6):
            await sent(store, attempt(bench.merchant))
        await bench.settle()
    healthy, hangs, tasks = Bench(store), asyncio.Event(), Tasks()
    await healthy.open("/a")
    await sent(store, attempt(healthy.merchant))
    healthy.clock.now = dead[0].clock.now + 3_600_000

    class Carries(Carrier):
        async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
            if target.path == "/dead":
                self.sent.append((target.path, headers["webhook-id"], headers, body))
                await hangs.wait()
                return Outcome(0, "timeout")
            return await super().post(target, headers, body, livemode)

    carrier = Carries()
    pump = healthy.pump(carrier, tasks)
    for _ in range(3):
        await pump.round()
    events = await healthy.events()  # endpoints of other tests may be served beside these
    while not set(carrier.ids("/a")) & set(events):
        await asyncio.sleep(0.01)
    assert [one for one in carrier.ids("/a") if one in events] == events
    assert len(carrier.ids("/dead")) <= 2
    hangs.set()
    await asyncio.gather(*tasks.tasks)


async def test_the_payment_itself_is_told_as_it_is_now(store: PgStore) -> None:


    bench = Bench(store)
    await bench.open("/a")
    asked: list[list[str]] = []

    async def describe(merchant: str, events: Any) -> dict[str, dict[str, Any]]:
        asked.append([event.type for event in events])
        size = {"payment.sent": 10, "payment.paid": 30_000}[events[0].type] if len(events) == 1 else 10
        return {event.data["payment"]: {"id": event.data["payment"], "status": "paid", "metadata": {"x": "y" * size}} for event in events}

    bench.describe = describe
    p = await sent(store, attempt(bench.merchant))
    await bench.settle()
    told = msgspec.json.decode(bench.carrier.sent[0][3])
    assert told["type"] == "payment.sent" and told["data"]["payment"] == p.id and told["data"]["object"]["status"] == "paid"

    await store.apply(step(p, State.PAID))
    await bench.settle()
    body = bench.carrier.sent[1][3]
    assert len(body) <= 20_000 and msgspec.json.decode(body)["data"]["object"]["metadata_left_out"] is True
    assert asked == [["payment.sent"], ["payment.paid"]]


def test_an_asymmetric_signature_is_checked_with_the_public_half() -> None:
    signing = new_signing(bytes(range(32)))
    row = Endpoint("we_x", 0, "mer_x", True, "https://x.example/", (), "", "enabled", 1, (("whsec_" + "QUJD" * 8, 0),), signing=signing)
    headers = headers_of(row, "evt_1", b"{}", 5, 1_700_000_000)
    v1, v1a = headers["webhook-signature"].split(" ")
    assert v1.startswith("v1,") and v1a.startswith("v1a,") and public_of(signing).startswith("whpk_") and public_of("") == ""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_of(signing).removeprefix("whpk_")))
    key.verify(base64.b64decode(v1a[4:]), b"evt_1.1700000000.{}")
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(v1a[4:]), b"evt_1.1700000000.{ }")


async def test_old_attempts_are_swept_and_new_ones_stay(store: PgStore) -> None:
    bench = Bench(store)
    (mine,) = await bench.open("/a")
    await sent(store, attempt(bench.merchant))
    await bench.settle()
    await store.sweep_attempts(bench.clock.now)
    assert len((await store.attempts(mine)).rows) == 1
    await store.sweep_attempts(bench.clock.now + 1)
    assert (await store.attempts(mine)).rows == []


async def test_a_signing_key_stays_with_its_endpoint(store: PgStore) -> None:
    bench = Bench(store)
    await store.add_merchant(bench.merchant)
    made = replace(endpoint(bench.merchant, "/a"), signing=new_signing(b"s" * 32))
    await store.add_endpoint(made)
    (read,) = await store.endpoints(bench.merchant.id)
    assert (read.signing, read.secrets) == (made.signing, made.secrets)
