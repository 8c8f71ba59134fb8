"""Lists and searches: what they find, that they find nothing of others, and that an index serves each of them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import pytest

from daozhang.core.evidence import Finding, Op, Proves, answered
from daozhang.core.payment import Payment, State
from daozhang.core.refund import RefundState
from daozhang.store.store import PgStore
from tests.store.kit import NOW, attempt, merchant, refund_begun, refund_step, sent, step, taken, tick

MINUTE = 60_000


def ids(rows: list[Any]) -> list[str]:
    return [row.id for row in rows]


async def some(store: PgStore, count: int = 6) -> tuple[Any, list[Payment]]:
    m = merchant()
    made = [await sent(store, attempt(m, till=f"till_{at % 2}{m.id}")) for at in range(count)]
    return m, made


async def test_pages_newest_first(store: PgStore) -> None:
    m, made = await some(store)
    first = await store.payments(m.id, limit=4)
    assert ids(first.rows) == ids(made[:1:-1])
    assert first.has_more
    rest = await store.payments(m.id, limit=4, cursor=first.next_cursor)
    assert ids(rest.rows) == ids(made[1::-1])
    assert not rest.has_more
    assert (await store.payments(merchant().id)).rows == []


async def test_every_filter(store: PgStore) -> None:
    m, made = await some(store)
    made[0] = await store.apply(step(made[0], State.PAID))
    made[1] = await store.apply(step(made[1], State.CLOSED))
    assert ids((await store.payments(m.id, state="paid")).rows) == [made[0].id]
    assert ids((await store.payments(m.id, state="closed")).rows) == [made[1].id]
    assert ids((await store.payments(m.id, state="sent")).rows) == ids(made[:1:-1])
    assert (await store.payments(m.id, state="' or true --")).rows == []
    assert ids((await store.payments(m.id, till=made[0].till)).rows) == ids(made[4::-2])
    assert ids((await store.payments(m.id, order_no=made[3].merchant_order_no)).rows) == [made[3].id]
    page = await store.payments(m.id, created_from_ms=made[2].created_ms, created_to_ms=made[4].created_ms)
    assert ids(page.rows) == [made[3].id, made[2].id]
    assert ids(await store.unresolved(m.id)) == ids(made[2:])
    assert ids(await store.unresolved(m.id, till=made[0].till)) == ids(made[2::2])


@pytest.mark.parametrize("length", [4, 8, 20])
async def test_a_number_is_found_by_its_tail(store: PgStore, length: int) -> None:
    m = merchant()
    one = await sent(store, attempt(m, "order-No-%_0042" + "x" * 8))
    one = await store.apply(step(one, State.PAID, trade_no="2026112322001412340500987654"))
    await taken(store, attempt(m))
    for number in (one.id, one.merchant_order_no, one.trade_no):
        assert ids(await store.lookup(m.id, no_tail=number[-length:])) == [one.id]
        assert await store.lookup(m.id, no_tail="~" + number[-length + 1 :]) == []
        assert await store.lookup(merchant().id, no_tail=number[-length:]) == []
    assert await store.lookup(m.id, no_tail="%%%%") == []


async def test_a_payment_is_found_by_amount_and_time(store: PgStore) -> None:
    m = merchant()
    made = [await sent(store, attempt(m, amount=990 + at % 2, at_ms=NOW + at * 10 * MINUTE)) for at in range(8)]
    around: dict[str, Any] = {"from_ms": NOW + 15 * MINUTE, "to_ms": NOW + 65 * MINUTE}
    assert ids(await store.lookup(m.id, amount_fen=990, **around)) == [made[6].id, made[4].id, made[2].id]
    assert await store.lookup(m.id, amount_fen=992, **around) == []
    assert await store.lookup(m.id, amount_fen=990, till="another", **around) == []
    assert ids(await store.lookup(m.id, no_tail=made[2].id[-6:], amount_fen=990, **around)) == [made[2].id]


async def test_a_twin_has_another_number_but_the_same_till_amount_and_hour(store: PgStore) -> None:
    m = merchant()
    paid = await taken(store, attempt(m, at_ms=NOW))
    for unlike in (
        attempt(m, at_ms=NOW + 20 * MINUTE),
        attempt(m, at_ms=NOW + MINUTE, amount=1251),
        attempt(m, at_ms=NOW + MINUTE, till="till_2"),
        attempt(merchant(), at_ms=NOW + MINUTE),
    ):
        await taken(store, unlike)
    await sent(store, attempt(m, at_ms=NOW + MINUTE))
    assert await store.possible_twin(paid, 15 * MINUTE) is None
    twin = await taken(store, attempt(m, at_ms=NOW - 14 * MINUTE))
    assert await store.possible_twin(paid, 15 * MINUTE) == twin.id
    assert await store.possible_twin(paid, 13 * MINUTE) is None


async def test_refunds_in_pages(store: PgStore) -> None:
    m = merchant()
    p = await taken(store, attempt(m, amount=1000))
    made = []
    for _ in range(5):
        begun = refund_begun(p, 100)
        p = await store.apply(begun)
        assert begun.refund is not None
        made.append(begun.refund.id)
    first = await store.refunds(m.id, limit=3)
    assert (ids(first.rows), first.has_more) == (made[:1:-1], True)
    assert ids((await store.refunds(m.id, limit=3, cursor=first.next_cursor)).rows) == made[1::-1]
    assert ids((await store.refunds(m.id, payment=p.id)).rows) == made[::-1]
    assert (await store.refunds(m.id, payment="pay_x")).rows == []
    assert (await store.refunds(merchant().id)).rows == []
    assert ids(await store.refunds_of(p.id)) == made
    stored = await store.refund(made[0])
    assert stored is not None
    await store.apply(refund_step(p, stored, RefundState.SENT))
    assert (await store.refund(made[0])) != stored


async def test_unknown_and_foreign_ids_find_nothing(store: PgStore) -> None:
    for ident in ("", "pay_", "pay_x", "pay_" + "0" * 26, "x" * 500, "pay_" + "U" * 26, "支付", "pay_\0", "\ud83d"):
        assert await store.payment(ident) is None
        assert await store.refund(ident) is None
        assert await store.evidence(ident) == []
        assert await store.refunds_of(ident) == []
        assert await store.account(ident) is None


async def test_what_no_database_can_hold_is_not_in_it(store: PgStore) -> None:
    m, made = await some(store, 1)
    for bad in ("nul \0", "half \ud83d"):
        assert await store.accounts_by_app("alipay", bad) == []
        assert await store.key_by_hash(bad) is None
        assert await store.key(m.id, bad) is None
        assert await store.sale(m.id, bad) == []
        assert await store.till(m.id, bad) is None
        assert await store.lookup(m.id, no_tail=bad) == []
        assert (await store.payments(m.id, order_no=bad)).rows == []
        assert (await store.payments(m.id, cursor=bad)).rows == []
    assert ids(await store.lookup(m.id, no_tail="DZ" + made[0].id[4:])) == [made[0].id]


async def test_an_answer_with_a_strange_text_is_kept(store: PgStore) -> None:
    """A proof is not lost because its explanation holds a NUL: what was said is kept as far as it can be."""
    p = await sent(store, attempt(merchant()))
    finding = Finding(
        Proves.CAPTURED, "10000\0", "好 \ud83d\0", detail={"sub\0": ["\0", {"a": "\udfff"}]}, trade_no="2026\0"
    )
    change = step(p, State.PAID, trade_no=finding.trade_no)
    heard = answered(p.id, 2, tick(), "alipay", Op.QUERY, finding)
    paid = await store.apply(replace(change, evidence=(heard,)))
    assert paid.trade_no == "2026\ufffd"
    assert (await store.evidence(p.id))[1] == heard
    assert heard.detail == {"sub\ufffd": ["\ufffd", {"a": "\ufffd"}]}


async def test_alarms_newest_first(store: PgStore) -> None:
    for at in range(3):
        await store.alarm("wrong_amount", f"s{at}\0", tick(), {"said": "nul \0 half \ud83d and 中文", "at": at})
    page = await store.alarms(limit=2)
    assert [row["subject"] for row in page.rows] == ["s2\ufffd", "s1\ufffd"]
    assert page.has_more
    rest = await store.alarms(limit=1, cursor=page.next_cursor)
    assert rest.rows[0]["detail"]["at"] == 0


async def test_an_index_serves_every_question(
    store: PgStore, link: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement of every reading method, planned as if tables were large: no table is read from end to end."""
    asked: list[tuple[str, tuple[Any, ...]]] = []
    real = store._pool._pool

    class Listening:
        def __getattr__(self, name: str) -> Any:
            async def call(text: str, *given: Any) -> Any:
                asked.append((text, given))
                return await getattr(real, name)(text, *given)

            return call

    m, made = await some(store, 2)
    p = made[0]
    monkeypatch.setattr(store._pool, "_pool", Listening())
    await store.payment(p.id)
    await store.evidence(p.id)
    await store.sale(m.id, "x")
    await store.key(m.id, "x")
    await store.refund("rfd_" + "0" * 26)
    await store.refunds_of(p.id)
    await store.account("acc_" + "0" * 26)
    await store.next_due_ms()
    for state in State:
        await store.payments(m.id, state=state.value)
    await store.payments(m.id, cursor=p.id)
    await store.payments(m.id, till="t", created_from_ms=5, created_to_ms=6)
    await store.payments(m.id, order_no="x")
    await store.unresolved(m.id, till="t")
    await store.lookup(m.id, no_tail="abcd")
    await store.lookup(m.id, amount_fen=5, from_ms=5, to_ms=6)
    await store.possible_twin(p, 5)
    await store.refunds(m.id, payment=p.id, cursor="x")
    await store.events(m.id)
    await store.events(m.id, subject=p.id)
    await store.event(m.id, "evt_1")
    await store.balances(m.id)
    await store.alarms()
    await store.merchant(m.id)
    await store.merchants("", 5)
    await store.shop(m.id, "x")
    await store.shops(m.id, "", 5)
    await store.till(m.id, "x")
    await store.tills(m.id, "", 5)
    await store.keys(m.id)
    await store.key_by_hash("0" * 64)
    await store.accounts(m.id)
    await store.account_for(m.id, "alipay", False)
    await store.accounts_by_app("alipay", "x")
    await store.claim(5, 5, 5)
    await store._in_the_way(step(replace(p), State.UNKNOWN))
    await link.execute("set enable_seqscan = off")
    seen = set()
    for text, given in asked:
        if "dz_claim" in text:
            text = (await link.fetchval("select prosrc from pg_proc where proname = 'dz_claim'")).strip()
            for at, name in enumerate(("p_now", "p_bucket", "p_most", "p_lease_ms"), 1):
                text = text.replace(name, f"${at}" + ("::smallint" if name == "p_bucket" else ""))
        plan = "\n".join(row[0] for row in await link.fetch(f"explain {text}", *given))
        assert "Seq Scan" not in plan, (text, plan)
        seen |= {
            word
            for row in plan.splitlines()
            for word in row.split()
            if word.startswith(("payment_", "timer_", "event_"))
        }
    assert {"payment_by_tail", "payment_open", "payment_otherwise", "payment_of_till"} <= seen, seen
    assert seen & {"payment_sale_lock", "payment_of_sale"}, seen  # few rows here: any index over the ended ones is as cheap


async def _plan(store: PgStore, link: asyncpg.Connection, ask: Callable[[], Awaitable[Any]]) -> str:
    """How the database answers one question of a merchant in bucket 249, as told by itself."""
    heard: list[tuple[Any, ...]] = []

    class Listening:
        async def fetch(self, *given: Any) -> list[Any]:
            heard.append(given)
            return []

    real, store._pool = store._pool, Listening()  # type: ignore[assignment]
    try:
        await ask()
    finally:
        store._pool = real
    text, _, *more = heard[0]
    return "\n".join(row[0] for row in await link.fetch(f"explain {text}", 249, *more))


async def test_a_small_shop_beside_a_big_one_reads_no_more_than_it_shows(store: PgStore, link: asyncpg.Connection) -> None:
    """Both in one bucket, with what the planner knows of them: lists come in the index's order, so nothing is sorted."""
    big, small = replace(merchant(), bucket=249), replace(merchant(), bucket=249)
    for shop, count in ((big, 20_000), (small, 30)):
        one = await taken(store, attempt(shop, till=f"till_{shop.id}"))
        await link.execute(
            "insert into payment select (jsonb_populate_record(p, jsonb_build_object('id', 'pay_01' || lpad(n::text, 24, '0'),"
            " 'merchant_order_no', n))).* from payment p, generate_series($3::int, $4::int) n where bucket = $1 and id = $2",
            one.bucket, one.id, 1 + (shop is small) * 20_000, count + (shop is small) * 20_000,
        )  # fmt: skip
        await link.execute(
            "insert into event (bucket, merchant, type, subject, at_ms, data) select 249, $1, 'x', 's', n, '{}' from generate_series(1, $2::int) n",
            shop.id, count,
        )  # fmt: skip
    await link.execute("analyze payment, event")
    for shop in (big, small):
        for asked, index in (
            ({}, "payment_of_merchant"), ({"cursor": "pay_01" + "5" * 24}, "payment_of_merchant"), ({"state": "paid"}, "payment_of_merchant"),
            ({"till": f"till_{shop.id}"}, "payment_of_till"), ({"till": f"till_{shop.id}", "state": "paid"}, "payment_of_till"),
        ):  # fmt: skip
            plan = await _plan(store, link, partial(store.payments, shop.id, **asked))
            assert "Sort" not in plan, (asked, plan)
            assert index in plan or (shop is big and "payment_pkey" in plan), (asked, plan)  # one who is nearly all the bucket
        plan = await _plan(store, link, partial(store.events, shop.id, cursor="5-5"))
        assert "event_of_merchant" in plan and "Sort" not in plan, plan
        for ask in (partial(store.payments, shop.id, order_no="x"), partial(store.sale, shop.id, "x")):
            plan = await _plan(store, link, ask)
            assert "payment_sale_lock" in plan and "Seq Scan" not in plan, plan
