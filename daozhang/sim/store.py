"""The simulated store: the same atomic outcomes as PostgreSQL, in memory. Held honest by a differential suite.

No imitation of MVCC: every method happens at once, after a pause that the simulation chooses.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.directory import ApiKey, EventRow, Merchant, Page, Shop, Till
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict, KeyUsed, SaleTaken
from daozhang.core.ids import payment_of
from daozhang.core.ledger import Transfer
from daozhang.core.money import MOST_FEN
from daozhang.core.must import must
from daozhang.core.payment import FOLLOWS, OPEN, RECEIVED, SALE_IS_FREE, Payment, State
from daozhang.core.ports import AccountRow, Change, Due, Event, Key
from daozhang.core.refund import FOLLOWS as REFUND_FOLLOWS
from daozhang.core.refund import UNDER_WAY, Refund, RefundState
from daozhang.sim.timers import Timers

_KINDS = frozenset({"asked", "answered", "notified", "act", "told", "decided"})
_REFUND_ENDS = frozenset(RefundState) - UNDER_WAY


async def _at_once() -> None:
    await asyncio.sleep(0)


class SimStore:
    """Store, Directory and Reading in memory. ``pause`` runs before each method (the simulation's latency or fault)."""

    def __init__(self, pause: Callable[[], Awaitable[None]] = _at_once) -> None:
        self._pause = pause
        self.payments_: dict[str, Payment] = {}
        self.refunds_: dict[str, Refund] = {}
        self.evidence_: dict[str, list[Evidence]] = defaultdict(list)
        self.transfers: list[tuple[str, Transfer]] = []
        self.events_: list[tuple[int, Event]] = []
        self.keys_: dict[tuple[str, str], tuple[Key, str]] = {}
        self.timers = Timers()
        self.alarms_: list[tuple[str, str, int, dict[str, Any]]] = []
        self.balance: dict[tuple[str, str], int] = defaultdict(int)
        self._merchants: dict[str, Merchant] = {}
        self._shops: dict[str, Shop] = {}
        self._tills: dict[str, Till] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._accounts: dict[str, AccountRow] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._of_sale: dict[tuple[str, str], list[str]] = defaultdict(list)  # two indexes, as the schema has them
        self._numbers: dict[str, set[int]] = defaultdict(set)  # of evidence
        self._of_payment: dict[str, list[str]] = defaultdict(list)

    # -- Store ---------------------------------------------------------------------------------------------------------

    async def apply(self, change: Change) -> Payment:
        """In the order in which PostgreSQL finds things out: used keys, versions, steps, invariants, the sale lock."""
        await self._pause()
        change.must_be_of_one_payment()
        after, before = change.payment, self.payments_.get(change.payment.id)
        known = self.keys_.get((after.merchant, change.key.key)) if change.key is not None else None
        if known is not None:
            raise KeyUsed(known[1], known[0].fingerprint)
        if change.refund is not None:
            self._check_refund_version(change.refund, after)
        if after.version > 0:
            if before is None or before.version != after.version:
                raise Conflict(f"version {after.version} is not the stored one")
            must(after.state is before.state or after.state in FOLLOWS[before.state], "states follow the table")
        _check_payment(after)
        if after.version == 0 and before is not None:
            raise Conflict("the payment is already stored")
        self._check_sale(after)
        self._check_lines(change)
        self._write(change, changed(after, version=after.version + 1))
        return self.payments_[after.id]

    def _check_refund_version(self, refund: Refund, payment: Payment) -> None:
        stored = self.refunds_.get(refund.id)
        if (stored.version if stored else 0) != refund.version or (stored is not None and stored.payment != payment.id):
            raise Conflict("the refund has moved")

    def _check_sale(self, after: Payment) -> None:
        if after.state in SALE_IS_FREE:
            return
        for other in self._attempts(after.merchant, after.merchant_order_no):
            if other.id != after.id and other.state not in SALE_IS_FREE:
                raise SaleTaken(other.id)

    def _attempts(self, merchant: str, order_no: str) -> list[Payment]:
        return [self.payments_[ident] for ident in self._of_sale.get((merchant, order_no), ())]

    def _check_lines(self, change: Change) -> None:
        """Evidence, postings and the refund, as the schema wants them."""
        if change.evidence:
            known, fresh = self._numbers[change.payment.id], {line.n for line in change.evidence}
            once = len(fresh) == len(change.evidence) and known.isdisjoint(fresh)
            must(once and min(fresh) > 0, "every evidence number once")
        must(all(line.kind in _KINDS for line in change.evidence), "evidence has a kind")
        must(
            not change.transfers or change.evidence or change.events, "postings take their date from evidence or event"
        )
        for posting in change.transfers:
            must(posting.amount_fen > 0 and posting.debit != posting.credit, "a transfer moves something")
        refund = change.refund
        if refund is None:
            return
        must(refund.amount_fen > 0 and refund.fee_back_fen >= 0, "a refund gives something back")
        must((refund.state in _REFUND_ENDS) == (refund.decided_ms > 0), "an end has its time")
        stored = self.refunds_.get(refund.id)
        if stored is not None:
            was, now = ((r.merchant, r.payment, r.amount_fen, r.kind) for r in (stored, refund))
            must(was == now, "a refund stays what it was")
            must(
                refund.state is stored.state or refund.state in REFUND_FOLLOWS[stored.state], "states follow the table"
            )

    def _write(self, change: Change, stored: Payment) -> None:
        if stored.id not in self.payments_:
            self._of_sale[stored.merchant, stored.merchant_order_no].append(stored.id)
        self.payments_[stored.id] = stored
        self.evidence_[stored.id].extend(change.evidence)
        self._numbers[stored.id].update(line.n for line in change.evidence)
        for transfer in change.transfers:
            self.transfers.append((stored.id, transfer))
            self.balance[stored.merchant, transfer.debit] += transfer.amount_fen
            self.balance[stored.merchant, transfer.credit] -= transfer.amount_fen
        for event in change.events:
            self.events_.append((len(self.events_) + 1, event))
        self._set_timer(stored.id, stored.bucket, change.timer_ms)
        if change.refund is not None:
            refund = changed(change.refund, version=change.refund.version + 1)
            if refund.id not in self.refunds_:
                self._of_payment[refund.payment].append(refund.id)
            self.refunds_[refund.id] = refund
            self._set_timer(refund.id, refund.bucket, change.refund_timer_ms)
        if change.key is not None:
            made = change.refund.id if change.refund is not None else stored.id
            self.keys_[stored.merchant, change.key.key] = (change.key, made)
        if change.wake:
            for listener in self._listeners:
                listener(stored.id)

    def _set_timer(self, subject: str, bucket: int, at_ms: int) -> None:
        self.timers.write(subject, bucket, at_ms)

    def listen(self, callback: Callable[[str], None]) -> None:
        self._listeners.append(callback)

    async def payment(self, payment_id: str) -> Payment | None:
        await self._pause()
        return self.payments_.get(payment_id)

    async def evidence(self, payment_id: str) -> list[Evidence]:
        await self._pause()
        return sorted(self.evidence_.get(payment_id, []), key=lambda line: line.n)

    async def sale(self, merchant: str, merchant_order_no: str) -> list[Payment]:
        await self._pause()
        return sorted(self._attempts(merchant, merchant_order_no), key=lambda p: p.id, reverse=True)

    async def key(self, merchant: str, key: str) -> tuple[Key, str] | None:
        await self._pause()
        return self.keys_.get((merchant, key))

    async def refund(self, refund_id: str) -> Refund | None:
        await self._pause()
        return self.refunds_.get(refund_id)

    async def refunds_of(self, payment_id: str) -> list[Refund]:
        await self._pause()
        return [self.refunds_[ident] for ident in sorted(self._of_payment.get(payment_id, ()))]

    async def account(self, account_id: str) -> AccountRow | None:
        await self._pause()
        return self._accounts.get(account_id)

    async def claim(self, now_ms: int, most: int, lease_ms: int) -> Sequence[Due]:
        """Here a lease ends by the simulation's time."""
        await self._pause()
        return self.timers.claim(now_ms, most, lease_ms)

    async def release(self, due: Due) -> None:
        await self._pause()
        self.timers.release(due)

    async def next_due_ms(self) -> int | None:
        await self._pause()
        return min((d.run_at_ms for d in self.timers.by_subject.values()), default=None)

    async def alarm(self, kind: str, subject: str, at_ms: int, detail: dict[str, Any]) -> None:
        await self._pause()
        self.alarms_.append((kind, subject, at_ms, detail))

    # -- Directory -----------------------------------------------------------------------------------------------------

    async def add_merchant(self, merchant: Merchant) -> None:
        _add(self._merchants, merchant.id, merchant)

    async def change_merchant(self, merchant: Merchant) -> None:
        known = self._merchants.get(merchant.id)
        if known is not None:
            self._merchants[merchant.id] = replace(
                known, name=merchant.name, late_policy=merchant.late_policy, late_after_s=merchant.late_after_s,
                trade=merchant.trade,
            )  # fmt: skip

    async def merchant(self, merchant_id: str) -> Merchant | None:
        return self._merchants.get(merchant_id)

    async def merchants(self, cursor: str, limit: int) -> Page:
        return _page(sorted(self._merchants.values(), key=lambda m: m.id), cursor, limit)

    async def add_shop(self, shop: Shop) -> None:
        _add(self._shops, shop.id, shop)

    async def shop(self, merchant: str, shop_id: str) -> Shop | None:
        found = self._shops.get(shop_id)
        return found if found is not None and found.merchant == merchant else None

    async def shops(self, merchant: str, cursor: str, limit: int) -> Page:
        return _page(
            sorted((s for s in self._shops.values() if s.merchant == merchant), key=lambda s: s.id), cursor, limit
        )

    async def add_till(self, till: Till) -> None:
        _add(self._tills, till.id, till)

    async def till(self, merchant: str, till_id: str) -> Till | None:
        found = self._tills.get(till_id)
        return found if found is not None and found.merchant == merchant else None

    async def tills(self, merchant: str, cursor: str, limit: int) -> Page:
        return _page(
            sorted((t for t in self._tills.values() if t.merchant == merchant), key=lambda t: t.id), cursor, limit
        )

    async def add_key(self, key: ApiKey) -> None:
        _add(self._api_keys, key.id, key)

    async def key_by_hash(self, sha256: str) -> ApiKey | None:
        return next((key for key in self._api_keys.values() if key.sha256 == sha256 and not key.revoked_ms), None)

    async def keys(self, merchant: str) -> list[ApiKey]:
        return sorted((key for key in self._api_keys.values() if key.merchant == merchant), key=lambda key: key.id)

    async def revoke_key(self, merchant: str, key_id: str, at_ms: int) -> bool:
        key = self._api_keys.get(key_id)
        if key is None or key.merchant != merchant or key.revoked_ms:
            return False
        self._api_keys[key_id] = replace(key, revoked_ms=at_ms)
        return True

    async def add_account(self, account: AccountRow, sealed: bytes) -> None:
        _add(self._accounts, account.id, account)

    async def accounts(self, merchant: str) -> list[AccountRow]:
        return sorted((row for row in self._accounts.values() if row.merchant == merchant), key=lambda row: row.id)

    async def account_for(self, merchant: str, channel: str, livemode: bool) -> AccountRow | None:
        want = (merchant, channel, livemode)
        rows = [row for row in self._accounts.values() if (row.merchant, row.channel, row.livemode) == want]
        return max(rows, key=lambda row: row.id, default=None)

    async def accounts_by_app(self, channel: str, app_id: str) -> list[AccountRow]:
        rows = [r for r in self._accounts.values() if r.channel == channel and r.settings.get("app_id") == app_id]
        return sorted(rows, key=lambda row: row.id, reverse=True)[:20]

    # -- Reading -------------------------------------------------------------------------------------------------------

    async def payments(
        self, merchant: str, *, cursor: str = "", limit: int = 50, state: str = "", till: str = "",
        created_from_ms: int = 0, created_to_ms: int = 0, order_no: str = "",
    ) -> Page:  # fmt: skip
        rows = [
            p for p in self.payments_.values()
            if p.merchant == merchant and state in ("", p.state.value) and till in ("", p.till)
            and order_no in ("", p.merchant_order_no) and p.created_ms >= created_from_ms
            and (not created_to_ms or p.created_ms < created_to_ms)
        ]  # fmt: skip
        return _page(sorted(rows, key=lambda p: p.id, reverse=True), cursor, limit, falling=True)

    async def unresolved(self, merchant: str, *, till: str = "", limit: int = 50) -> list[Payment]:
        rows = [
            p for p in self.payments_.values() if p.merchant == merchant and p.state in OPEN and till in ("", p.till)
        ]
        return sorted(rows, key=lambda p: p.id)[:limit]

    async def lookup(
        self, merchant: str, *, no_tail: str = "", amount_fen: int = 0, from_ms: int = 0, to_ms: int = 0, till: str = ""
    ) -> list[Payment]:
        tail = payment_of(no_tail) or no_tail
        found = [
            p for p in self.payments_.values()
            if p.merchant == merchant and till in ("", p.till) and amount_fen in (0, p.amount_fen)
            and (not tail or any(number.endswith(tail) for number in (p.id, p.merchant_order_no, p.trade_no)))
            and (not from_ms or from_ms <= p.created_ms < to_ms)
        ]  # fmt: skip
        return sorted(found, key=lambda p: p.id, reverse=True)[:20]

    async def refunds(self, merchant: str, *, payment: str = "", cursor: str = "", limit: int = 50) -> Page:
        rows = [r for r in self.refunds_.values() if r.merchant == merchant and payment in ("", r.payment)]
        return _page(sorted(rows, key=lambda r: r.id, reverse=True), cursor, limit, falling=True)

    async def events(self, merchant: str, *, cursor: str = "", limit: int = 100, subject: str = "") -> Page:
        rows = [
            EventRow(f"evt_{seq}", str(seq), event.type, event.subject, event.at_ms, event.data)
            for seq, event in self.events_
            if event.merchant == merchant and subject in ("", event.subject) and seq > int(cursor or -1)
        ]
        return Page(rows[:limit], rows[:limit][-1].cursor if rows else cursor, len(rows) > limit)

    async def cursor_at(self, merchant: str, at_ms: int) -> str:
        page = await self.events(merchant, limit=1_000_000)
        return next((row.cursor for row in reversed(page.rows) if row.at_ms < at_ms), "")

    async def event(self, merchant: str, event_id: str) -> EventRow | None:
        page = await self.events(merchant, limit=1_000_000)
        return next((row for row in page.rows if row.id == event_id), None)

    async def balances(self, merchant: str) -> dict[str, int]:
        return {account: fen for (owner, account), fen in self.balance.items() if owner == merchant}

    async def trial_balance(self) -> int:
        return sum(self.balance.values())

    async def alarms(self, *, cursor: str = "", limit: int = 50) -> Page:
        before = int(cursor) if cursor else len(self.alarms_) + 1
        rows = [
            {"seq": at, "kind": kind, "subject": subject, "at_ms": at_ms, "detail": detail}
            for at, (kind, subject, at_ms, detail) in enumerate(self.alarms_, 1)
            if at < before
        ][::-1]
        more = len(rows) > limit
        return Page(rows[:limit], str(rows[limit - 1]["seq"]) if more else "", more)

    async def possible_twin(self, payment: Payment, within_ms: int) -> str | None:
        for p in sorted(self.payments_.values(), key=lambda p: p.id, reverse=True):
            near = abs(p.created_ms - payment.created_ms) <= within_ms
            like = (p.merchant, p.till, p.amount_fen) == (payment.merchant, payment.till, payment.amount_fen)
            if near and like and p.state is State.PAID and p.merchant_order_no != payment.merchant_order_no:
                return p.id
        return None


def _page(rows: Sequence[Any], cursor: str, limit: int, falling: bool = False) -> Page:
    after = [row for row in rows if not cursor or (row.id < cursor if falling else row.id > cursor)]
    return Page(list(after[:limit]), after[limit - 1].id if len(after) > limit else "", len(after) > limit)


def _add(rows: dict[str, Any], ident: str, row: Any) -> None:
    if ident in rows:
        raise Conflict("it exists already")
    rows[ident] = row


def _check_payment(p: Payment) -> None:
    """The invariants that the schema keeps of one row; the differential suite holds both lists together."""
    whole = {0, p.amount_fen}
    must(1 <= p.amount_fen <= MOST_FEN and p.currency == "CNY", "an amount in yuan")
    must(1 <= len(p.merchant_order_no) <= 64, "an order number of at most 64 characters")
    must((p.state in RECEIVED or p.state is State.SURPLUS) == (p.captured_fen > 0), "captured means received")
    must(p.captured_fen in whole, "captured whole or not at all")
    must(min(p.fee_fen, p.refunding_fen, p.refunded_fen, p.evidence_n) >= 0, "nothing below zero")
    must(p.refunding_fen + p.refunded_fen <= p.captured_fen, "no more goes back than came in")
    must(p.state is not State.PAID or p.refunded_fen == 0, "paid: nothing has gone back")
    must(p.state is not State.REFUNDED or p.refunded_fen == p.captured_fen, "refunded: everything has gone back")
    must(p.state is not State.PARTLY_REFUNDED or 0 < p.refunded_fen < p.captured_fen, "partly: some has gone back")
    must(p.state in OPEN or (p.decided_ms > 0 and 1 <= p.decided_by <= p.evidence_n), "an end names its evidence")
