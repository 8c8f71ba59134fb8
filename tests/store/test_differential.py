"""The simulated store and PostgreSQL are given the same random work: any difference fails.

So whatever the simulation proves about the flow holds for the store that runs in the shop.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daozhang.core.directory import ApiKey, Merchant, Shop, Till
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict, KeyUsed, SaleTaken
from daozhang.core.ledger import of_payment, of_refund
from daozhang.core.must import Broken
from daozhang.core.payment import Payment, State
from daozhang.core.ports import AccountRow, Change, Due, Event, Key
from daozhang.core.refund import Refund, RefundKind, RefundState
from daozhang.sim import crowd
from daozhang.sim.store import SimStore
from daozhang.store.embedded import Embedded
from daozhang.store.migrate import migrate
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore
from tests.store.kit import NOW, attempt, merchant, new_id, tick

small = st.integers(0, 7)
rarely = st.integers(0, 3).map(lambda n: n == 3)
op = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 1), st.integers(0, 5), st.integers(-2, 2), st.integers(0, 3)),
    st.tuples(st.just("step"), small, st.sampled_from(State), rarely, st.integers(0, 3)),
    st.tuples(
        st.just("step"),
        small,
        st.sampled_from([State.SENT, State.PAID, State.CLOSED, State.NOT_PAID]),
        st.just(False),
        small,
    ),
    st.tuples(st.just("spoil"), small, st.integers(0, 11)),
    st.tuples(st.just("give back"), small, st.integers(0, 4), rarely, st.integers(-2, 2)),
    st.tuples(st.just("refund"), small, small, st.sampled_from(RefundState), rarely),
    st.tuples(st.just("claim"), st.integers(0, 12)),
    st.tuples(st.just("release"), small),
)


met: Counter[str] = Counter()  # how often each outcome came up: work that meets none of them would prove nothing


class Both:
    """Two stores side by side. ``known``: the payments as last stored, ``old``: as stored once before."""

    def __init__(self, real: PgStore) -> None:
        self.real, self.sim = real, SimStore()
        self.shops = [merchant(), merchant()]
        self.known: list[Payment] = []
        self.old: dict[str, Payment] = {}
        self.refunds: list[Refund] = []
        self.due: list[Due] = []
        self.names: dict[str, str] = {}

    async def apply(self, change: Change) -> Payment | None:
        told = await asyncio.gather(self.real.apply(change), self.sim.apply(change), return_exceptions=True)
        real, sim = self._words(told[0]), self._words(told[1])
        assert real == sim, change
        met[type(told[0]).__name__] += 1
        return told[0] if isinstance(told[0], Payment) else None

    @staticmethod
    def _words(told: Payment | BaseException) -> object:
        if isinstance(told, SaleTaken):
            return "sale taken", told.payment
        if isinstance(told, KeyUsed):
            return "key used", told.made, told.fingerprint
        if isinstance(told, (Conflict, Broken)):
            return type(told).__name__
        assert isinstance(told, Payment), told
        return told

    async def agree(self) -> None:
        """Everything that can be read is the same on both sides."""
        real, sim = self.real, self.sim
        for p in self.known:
            assert await real.payment(p.id) == await sim.payment(p.id)
            assert await real.evidence(p.id) == await sim.evidence(p.id)
            assert await real.refunds_of(p.id) == await sim.refunds_of(p.id)
            for refund in await sim.refunds_of(p.id):
                assert await real.refund(refund.id) == await sim.refund(refund.id) == refund
            assert await real.sale(p.merchant, p.merchant_order_no) == await sim.sale(p.merchant, p.merchant_order_no)
            for tail in (p.id[-4:], p.id[-9:], p.merchant_order_no[-4:], "DZ" + p.id[4:]):
                assert await real.lookup(p.merchant, no_tail=tail) == await sim.lookup(p.merchant, no_tail=tail)
            assert await real.possible_twin(p, 60_000) == await sim.possible_twin(p, 60_000)
            assert _told(await real.events(p.merchant, subject=p.id)) == _told(
                await sim.events(p.merchant, subject=p.id)
            )
        for shop in self.shops:
            assert await real.balances(shop.id) == await sim.balances(shop.id)
            assert await real.unresolved(shop.id) == await sim.unresolved(shop.id)
            assert _told(await real.events(shop.id)) == _told(await sim.events(shop.id))
            for state in ("", "paid", "closed", "sent"):
                page = await real.payments(shop.id, state=state, limit=2)
                assert page == await sim.payments(shop.id, state=state, limit=2)
                if page.has_more:
                    rest = await real.payments(shop.id, state=state, limit=9, cursor=page.next_cursor)
                    assert rest == await sim.payments(shop.id, state=state, limit=9, cursor=page.next_cursor)
            assert (await real.refunds(shop.id, limit=2)) == (await sim.refunds(shop.id, limit=2))
            for key in ("k1", "k2"):
                assert await real.key(shop.id, key) == await sim.key(shop.id, key)
        assert await real.next_due_ms() == await sim.next_due_ms()
        assert await sim.trial_balance() == await real.trial_balance() == 0

    # -- the operations ---------------------------------------------------------------------------------------------------

    async def begin(self, shop: int, order: int, key: int, timer: int) -> None:
        p = attempt(self.shops[shop], f"order-{order}", amount=1000 + order, till=f"till_{order % 2}")
        await self._write(p, _step(p, State.SENT if order else State.CREATED, timer, _key(key)))

    async def step(self, at: int, state: State, stale: bool, timer: int) -> None:
        if self.known:
            p = self._one(at, stale)
            await self._write(p, _step(p, state, timer, None))

    async def spoil(self, at: int, how: int) -> None:
        """A change that the schema must refuse, or nearly so."""
        if not self.known:
            return
        p = self._one(at, False)
        line = Evidence(p.id, p.evidence_n + 1, tick(), "asked", "us")
        spoilt: list[dict[str, Any]] = [
            {"refunded_fen": 1}, {"refunding_fen": p.captured_fen + 1}, {"captured_fen": p.amount_fen}, {"captured_fen": 1},
            {"fee_fen": -1}, {"refunding_fen": -1}, {"evidence_n": -1}, {"decided_by": p.evidence_n + 1}, {},
        ]  # fmt: skip
        changes = [Change(replace(p, **more)) for more in spoilt]
        changes += [
            Change(p, (replace(line, n=max(p.evidence_n, 1)),)),
            Change(p, (replace(line, kind="said"),)),
            Change(replace(p, id=new_id("pay", p.bucket), version=0, state=State.PAID), (line,)),
        ]
        await self._write(p, changes[how])

    async def give_back(self, at: int, amount: int, stale: bool, key: int) -> None:
        if not self.known:
            return
        p = self._one(at, stale)
        fen = (1, 500, p.amount_fen, 0, p.refundable_fen)[amount]
        refund = Refund(new_id("rfd", p.bucket), p.bucket, p.merchant, p.id, fen, RefundKind.REFUND, "", tick(), NOW)
        after = replace(p, refunding_fen=p.refunding_fen + fen)
        told = (Event("refund.created", p.merchant, p.bucket, refund.id, tick(), {}),) if key != -2 else ()
        change = Change(after, (), tuple(of_refund(None, refund, p)), told, 0, _key(key), refund, 5)
        if await self._write(p, change):
            self.refunds.append(replace(refund, version=1))

    async def refund(self, at: int, payment: int, state: RefundState, stale: bool) -> None:
        if not self.refunds:
            return
        r = self.refunds[at % len(self.refunds)]
        mine = next(p for p in self.known if p.id == r.payment)
        p = self._one(payment, False) if payment == 7 else mine
        ends = state in (RefundState.SUCCEEDED, RefundState.FAILED)
        moved = replace(r, state=state, version=r.version - stale, decided_ms=9 if ends else 0, tries=r.tries + 1)
        after = p
        if ends:
            back = r.amount_fen if state is RefundState.SUCCEEDED else 0
            after = replace(p, refunding_fen=p.refunding_fen - r.amount_fen, refunded_fen=p.refunded_fen + back)
            if back:
                after = replace(
                    after, state=State.REFUNDED if after.refunded_fen == p.captured_fen else State.PARTLY_REFUNDED
                )
        postings = tuple(of_refund(r.state, moved, p)) if r.state is not state else ()
        told = (Event("refund.moved", p.merchant, p.bucket, r.id, tick(), {}),)
        if await self._write(p, Change(after, (), postings, told, 0, None, moved, 0 if ends else 6)):
            self.refunds[self.refunds.index(r)] = replace(moved, version=moved.version + 1)

    async def claim(self, now_ms: int) -> None:
        real, sim = [await one.claim(now_ms, 1_000, 600_000) for one in (self.real, self.sim)]
        assert sorted(real, key=lambda due: due.subject) == sorted(sim, key=lambda due: due.subject)
        self.due += real

    async def release(self, at: int) -> None:
        if self.due:
            for one in (self.real, self.sim):
                await one.release(self.due[at % len(self.due)])

    def _one(self, at: int, stale: bool) -> Payment:
        p = self.known[at % len(self.known)]
        return self.old.get(p.id, p) if stale else p

    async def _write(self, before: Payment, change: Change) -> bool:
        stored = await self.apply(change)
        if stored is None:
            return False
        for at, p in enumerate(self.known):
            if p.id == stored.id:
                self.old[p.id] = p
                self.known[at] = stored
                return True
        self.known.append(stored)
        return True


def _told(page: Any) -> list[tuple[Any, ...]]:
    return [(row.type, row.subject, row.at_ms, row.data) for row in page.rows] + [page.has_more]


def _key(number: int) -> Key | None:
    return Key(f"k{number}", str(number) * 64) if number > 0 else None


def _step(p: Payment, state: State, timer: int, key: Key | None) -> Change:
    """A step as the flow would make it, also where the table forbids it."""
    n = p.evidence_n + 1
    after = replace(p, state=state, evidence_n=n)
    if state in (State.PAID, State.SURPLUS) and not p.captured_fen:
        after = replace(after, captured_fen=p.amount_fen, received_fen=p.amount_fen)
    if after.proven and not p.proven:
        after = replace(after, decided_ms=NOW, decided_by=n)
    lines = (Evidence(p.id, n, tick(), "answered", "alipay", "query", detail={"名": n}),)
    told = (Event(f"payment.{state.value}", p.merchant, p.bucket, p.id, tick(), {"n": n}),)
    return Change(after, lines, tuple(of_payment(p.state, after)), told, timer, key)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of its own (timers are compared whole), and the loop on which the store lives."""
    with asyncio.Runner() as runner:
        server = Embedded(tmp_path_factory.mktemp("beside") / "d")
        runner.run(migrate(runner.run(server.start())))
        store = runner.run(PgStore.open(server.dsn, Seal(b"k" * 32)))
        link = runner.run(asyncpg.connect(server.dsn))
        yield runner, store, link
        runner.run(link.close())
        runner.run(store.close())
        runner.run(server.stop())


async def _run(store: PgStore, link: asyncpg.Connection, ops: list[tuple[Any, ...]]) -> None:
    await link.execute("delete from timer")
    both = Both(store)
    for name, *given_ in ops:
        await getattr(both, name.replace(" ", "_"))(*given_)
    await both.agree()


_quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_quiet, database=None)
@given(ops=st.lists(op, min_size=20, max_size=40))
def test_both_stores_do_and_say_the_same(beside: Any, ops: list[tuple[Any, ...]]) -> None:
    runner, store, link = beside
    runner.run(_run(store, link, ops))


def test_the_work_met_every_outcome() -> None:
    """After the suite above: all five ways a change can end were compared, and often."""
    assert min(met[name] for name in ("Payment", "Conflict", "Broken", "SaleTaken", "KeyUsed")) >= 10, met


@pytest.mark.prove
@pytest.mark.timeout(1800)
@settings(max_examples=1500, deadline=None, suppress_health_check=_quiet, database=None)
@given(ops=st.lists(op, min_size=20, max_size=80))
def test_both_stores_do_and_say_the_same_for_long(beside: Any, ops: list[tuple[Any, ...]]) -> None:
    runner, store, link = beside
    runner.run(_run(store, link, ops))


def test_the_accounts_and_keys_that_the_flow_reads_are_the_same(beside: Any) -> None:
    """Shops, tills, keys, accounts and one refund, read in every way in which the flow reads them."""
    runner, store, _ = beside
    sim = SimStore()

    async def play() -> None:
        m = merchant()
        shop, till = Shop(new_id("sto", m.bucket), m.bucket, m.id, "店", NOW), new_id("till", m.bucket)
        rows = [
            AccountRow(new_id("acc", m.bucket), m.bucket, m.id, channel, False, 38, {"app_id": f"{m.id} {channel}"}, {"key": "secret"})
            for channel in ("alipay", "wechatpay")
        ]
        key = ApiKey(new_id("key", m.bucket), m.bucket, m.id, False, frozenset({"payments"}), sha256(m.id.encode()).hexdigest(), NOW)
        for one in (store, sim):
            await one.add_merchant(m)
            await one.add_shop(shop)
            await one.add_till(Till(till, m.bucket, m.id, shop.id, "1", NOW))
            for row in rows:
                await one.add_account(row, Seal(b"k" * 32).close(row.id, row.secrets))
            await one.add_key(key)
        reads: list[Callable[[Any], Any]] = [
            lambda one: one.shop(m.id, shop.id), lambda one: one.shop("mer_other", shop.id), lambda one: one.till(m.id, till),
            lambda one: one.shops(m.id, "", 5), lambda one: one.tills(m.id, "", 5), lambda one: one.account(rows[0].id),
            lambda one: one.account("acc_none"), lambda one: one.account_for(m.id, "wechatpay", False),
            lambda one: one.account_for(m.id, "alipay", True), lambda one: one.accounts(m.id),
            lambda one: one.accounts_by_app("alipay", f"{m.id} alipay"), lambda one: one.key_by_hash(key.sha256),
            lambda one: one.keys(m.id), lambda one: one.refund("rfd_none"),
        ]  # fmt: skip
        for at, read in enumerate(reads):
            assert await read(store) == await read(sim), at

    runner.run(play())


def test_every_method_that_the_town_uses_is_compared_here() -> None:
    """A town is played with a store that notes what it is asked; each of those names stands in this file."""
    asked: set[str] = set()

    class Noting(SimStore):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if not name.startswith("_") and inspect.iscoroutinefunction(found):
                asked.add(name)
            return found

    class Town(crowd.Town):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.store.__class__ = type("NotingFrail", (Noting, crowd.FrailStore), {})

    loop = crowd.VirtualLoop(crowd.START_MS)
    loop.set_task_factory(crowd._factory)
    crowd.run(Town(3, crowd.Options(payments=60, theme="late"), loop).play(), loop)
    here = Path(__file__).read_text("utf-8")
    assert {"apply", "claim", "account_for"} <= asked
    assert [name for name in sorted(asked) if f".{name}(" not in here] == []


def test_the_shops_rows_are_the_same(beside: Any) -> None:
    """The directory of both: the same rows, and the same refusal of a second one."""
    runner, store, _ = beside
    sim = SimStore()

    async def play() -> None:
        m: Merchant = merchant()
        for one in (store, sim):
            await one.add_merchant(m)
            with pytest.raises(Conflict):
                await one.add_merchant(m)
            await one.change_merchant(replace(m, name="新", livemode=True))
        assert await store.merchant(m.id) == await sim.merchant(m.id) == replace(m, name="新")
        for at in range(3):
            for one in (store, sim):
                await one.alarm("forged", f"s{at}", at, {"at": at})
        for cursor_of in (store, sim):
            first = await cursor_of.alarms(limit=2)
            rest = await cursor_of.alarms(limit=2, cursor=first.next_cursor)
            assert [row["subject"] for row in first.rows + rest.rows] == ["s2", "s1", "s0"]

    runner.run(play())
