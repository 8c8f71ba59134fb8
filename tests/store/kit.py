"""Payments, refunds and changes as the flow makes them, for tests of the store."""

import asyncio
import itertools
import os
from dataclasses import replace
from typing import Any

from daozhang.core.directory import Merchant
from daozhang.core.evidence import Evidence
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.ledger import of_payment, of_refund
from daozhang.core.payment import Method, Payment, State
from daozhang.core.ports import Change, Event, Key, Store
from daozhang.core.refund import Refund, RefundKind, RefundState

NOW = 1_790_000_000_000
_ticks = itertools.count()


def tick() -> int:
    """A time later than every one before it."""
    return NOW + next(_ticks)


def new_id(prefix: str, bucket: int, at_ms: int = 0) -> str:
    return f"{prefix}_{ulid(at_ms or tick(), os.urandom(9), bucket)}"


def merchant() -> Merchant:
    ident = new_id("mer", 0)
    return Merchant(ident, bucket_of_merchant(ident), "小李包子铺", False, NOW)


def attempt(
    of: Merchant, order: str = "", *, amount: int = 1250, at_ms: int = 0, till: str = "till_1", **more: Any
) -> Payment:
    """An attempt that is not stored yet."""
    at = at_ms or tick()
    p = Payment(
        new_id("pay", of.bucket, at), of.bucket, of.id, "sto_1", till, order or f"o-{os.urandom(6).hex()}", amount, "CNY",
        Method.PAY_BY_CODE, "alipay", "acc_1", False, "包子", "28••••1234", {"桌": "5"}, at,
    )  # fmt: skip
    return replace(p, **more)


def line(p: Payment, n: int, kind: str = "asked", **more: Any) -> Evidence:
    return Evidence(p.id, n, tick(), kind, "us", "pay", **more)


def event(p: Payment, kind: str) -> Event:
    data = {"payment": p.id, "amount": p.amount_fen, "till": p.till, "channel": p.channel}
    return Event(kind, p.merchant, p.bucket, p.id, tick(), data)


def step(p: Payment, state: State, *, key: Key | None = None, timer_ms: int = 0, **more: Any) -> Change:
    """The change that takes ``p`` as stored to another state, with evidence, postings and an event."""
    n = p.evidence_n + 1
    given: dict[str, Any] = {"evidence_n": n, **more}
    if state in (State.PAID, State.SURPLUS) and not p.captured_fen:
        given = {"captured_fen": p.amount_fen, "received_fen": p.amount_fen, "payer_paid_fen": p.amount_fen, **given}
    if p.to(state).proven and not p.proven:
        given = {"decided_ms": NOW, "decided_by": n, **given}
    after = p.to(state, **given)
    kind = "asked" if state is State.SENT else "answered"
    detail = {"中": "文", "n": n}
    return Change(after, (line(p, n, kind, detail=detail),), tuple(of_payment(p.state, after)),
                  (event(p, f"payment.{state.value}"),), timer_ms, key)  # fmt: skip


async def sent(store: Store, p: Payment, **more: Any) -> Payment:
    return await store.apply(step(p, State.SENT, **more))


async def taken(store: Store, p: Payment) -> Payment:
    """Stored and paid."""
    return await store.apply(step(await sent(store, p), State.PAID))


def refund_begun(p: Payment, amount: int, *, key: Key | None = None) -> Change:
    refund = Refund(new_id("rfd", p.bucket), p.bucket, p.merchant, p.id, amount, RefundKind.REFUND, "退", tick(), NOW)
    after = replace(p, refunding_fen=p.refunding_fen + amount)
    return Change(after, (), tuple(of_refund(None, refund, p)), (event(p, "refund.created"),), 0, key, refund, NOW + 5)


def refund_step(p: Payment, stored: Refund, state: RefundState) -> Change:
    """One step of a refund together with its payment."""
    n = p.evidence_n + 1
    decided = NOW if state in (RefundState.SUCCEEDED, RefundState.FAILED) else 0
    refund = stored.to(state, decided_ms=decided, tries=stored.tries + 1)
    after = replace(p, evidence_n=n)
    if decided:
        after = replace(after, refunding_fen=p.refunding_fen - refund.amount_fen)
    if state is RefundState.SUCCEEDED:
        back = p.refunded_fen + refund.amount_fen
        after = replace(after, refunded_fen=back)
        if p.state is not State.SURPLUS:
            after = after.to(State.REFUNDED if back == p.captured_fen else State.PARTLY_REFUNDED)
    postings = tuple(of_refund(stored.state, refund, p))
    return Change(after, (line(p, n, refund=refund.id),), postings, (), 0, None, refund, 0 if decided else NOW + 9)


async def past_the_horizon(store: Any) -> None:
    """Until no older transaction is open: an event is seen by who follows them only then, and a passing autovacuum holds it up."""
    for _ in range(500):
        if await store._pool.fetchval("select pg_snapshot_xmin(s) = pg_snapshot_xmax(s) from pg_current_snapshot() s"):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("somebody keeps a transaction open")
