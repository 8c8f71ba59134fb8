"""Lists and searches. Every query here is served by an index; a test asks the planner."""

from typing import Any

import asyncpg
import msgspec

from daozhang.core.directory import EventRow, Page
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.ids import payment_of as payment_of_number
from daozhang.core.payment import Payment, State
from daozhang.store.directory import page
from daozhang.store.rows import PAYMENT, REFUND, payment_of, refund_of

EVENT = "seq, xact::text::bigint as xact, type, subject, at_ms, data"
_OPEN = "state in ('created', 'sent', 'waiting_payer', 'unknown', 'reversing', 'deferred')"
_OTHERWISE = frozenset({"not_paid", "closed", "reversed", "surplus", "partly_refunded", "refunded"})
_IS_OTHERWISE = "state in ('not_paid', 'closed', 'reversed', 'surplus', 'partly_refunded', 'refunded')"
# All attempts at a sale, by two indexes that together hold each payment once: the sale lock and its counterpart.
_ENDED = "state in ('not_paid', 'closed', 'reversed', 'refunded', 'surplus')"
OF_SALE = (
    f"(select {PAYMENT} from payment where {_ENDED.replace(' in ', ' not in ')}"
    f" union all select {PAYMENT} from payment where {_ENDED}) payment"
)
_STATES = frozenset(state.value for state in State)
_LOOKUP_MOST = 20
_ROOM_MS = 60_000
# The indexes hold a hash of the long names; beside it the name itself is compared, so that a collision shows nothing of others.
_OF_MERCHANT = "hashtext(merchant) = hashtext(?)"
OF_MERCHANTS_SALE = "md5(merchant || ' ' || merchant_order_no)::uuid = md5({0} || ' ' || {1})::uuid"  # the sale lock
_OF_TILL = "hashtext(till) = hashtext(?) and till = ?"
# First the index over the last four characters of all numbers of all payments, then whatever else was asked for.
_BY_TAIL = f"""
with hit as materialized (
    select {PAYMENT} from payment
    where array[
            hashtext(merchant || right(id, 4)), hashtext(merchant || right(merchant_order_no, 4)),
            hashtext(merchant || right(trade_no, 4))
        ] @> array[hashtext($2 || right(?, 4))]
        and (right(id, length(?)) = ? or right(merchant_order_no, length(?)) = ? or right(trade_no, length(?)) = ?)
)
"""
# The column, not the number of the same name that is shown: only the column has an index.
_IN_ORDER = "event_whole.xact, event_whole.seq"
_NEWEST_FIRST = "event_whole.xact desc, event_whole.seq desc"
_LAST_MS = (1 << 48) - 1


class _Query:
    """A select that grows by conditions; only those that are asked for stand in it, so that each finds its index."""

    def __init__(self, select: str, merchant: str) -> None:
        self._select = select
        self.given: list[Any] = []
        self._where: list[str] = []
        self.add("bucket = ?::smallint", bucket_of_merchant(merchant))
        self.add("merchant = ?", merchant)

    def add(self, condition: str, *values: Any) -> None:
        for value in values:
            self.given.append(value)
            condition = condition.replace("?", f"${len(self.given)}", 1)
        self._where.append(condition)

    def text(self, order: str, limit: int) -> str:
        return f"{self._select} where {' and '.join(self._where)} order by {order} limit {limit}"


class PgReading:
    """Mixed into the store; needs its pool."""

    _pool: asyncpg.Pool

    async def payments(
        self, merchant: str, *, cursor: str = "", limit: int = 50, state: str = "", till: str = "",
        created_from_ms: int = 0, created_to_ms: int = 0, order_no: str = "",
    ) -> Page:  # fmt: skip
        query = _Query(f"select {PAYMENT} from {OF_SALE if order_no else 'payment'}", merchant)
        if cursor:
            query.add("id < ?", cursor)
        if state:
            if state not in _STATES:
                return Page()
            query.add(f"state = '{state}'")  # written out: the partial indexes are chosen by it
            if state in _OTHERWISE:
                query.add(_IS_OTHERWISE)
        if till:
            query.add(_OF_TILL, till, till)
        elif not order_no:
            query.add(_OF_MERCHANT, merchant)
        if created_from_ms:
            query.add("created_ms >= ? and id >= ?", created_from_ms, _earliest(created_from_ms))
        if created_to_ms:
            query.add("created_ms < ? and id <= ?", created_to_ms, _latest(created_to_ms))
        if order_no:
            query.add("merchant_order_no = ?", order_no)
            query.add(OF_MERCHANTS_SALE.format("?::text", "?::text"), merchant, order_no)
        rows = await self._pool.fetch(query.text("id desc", limit + 1), *query.given)
        return page([payment_of(row) for row in rows], limit)

    async def unresolved(self, merchant: str, *, till: str = "", limit: int = 50) -> list[Payment]:
        query = _Query(f"select {PAYMENT} from payment", merchant)
        query.add(_OPEN)
        if till:
            query.add("till = ?", till)
        return [payment_of(row) for row in await self._pool.fetch(query.text("id", limit), *query.given)]

    async def lookup(
        self, merchant: str, *, no_tail: str = "", amount_fen: int = 0, from_ms: int = 0, to_ms: int = 0, till: str = ""
    ) -> list[Payment]:
        """The newest twenty, by the tail of any of a payment's numbers, or by amount and time (``to_ms`` excluded)."""
        no_tail = payment_of_number(no_tail) or no_tail
        query = _Query(f"select {PAYMENT} from {'hit' if no_tail else 'payment'}", merchant)
        if amount_fen:
            query.add("amount_fen = ?", amount_fen)
        if from_ms:
            query.add("created_ms >= ? and created_ms < ?", from_ms, to_ms)
            query.add("id between ? and ?", _earliest(from_ms), _latest(to_ms))
        if till:
            query.add(_OF_TILL, till, till)
        elif not no_tail:
            query.add(_OF_MERCHANT, merchant)
        text = query.text("id desc", _LOOKUP_MOST)
        if no_tail:
            text = _BY_TAIL.replace("?", f"${len(query.given) + 1}") + text
            query.given.append(no_tail)
        return [payment_of(row) for row in await self._pool.fetch(text, *query.given)]

    async def refunds(self, merchant: str, *, payment: str = "", cursor: str = "", limit: int = 50) -> Page:
        query = _Query(f"select {REFUND} from refund", merchant)
        if payment:
            query.add("payment = ?", payment)
        if cursor:
            query.add("id < ?", cursor)
        rows = await self._pool.fetch(query.text("id desc", limit + 1), *query.given)
        return page([refund_of(row) for row in rows], limit)

    async def events(self, merchant: str, *, cursor: str = "", limit: int = 100, subject: str = "") -> Page:
        """In the order in which transactions began; a line that commits late is waited for, never skipped.

        Raises ValueError for a cursor that is none of ours.
        """
        xact, seq = parse_cursor(cursor)
        query = _Query(f"select {EVENT} from event_whole", merchant)
        query.add(_OF_MERCHANT, merchant)
        query.add("(xact, seq) > (?::text::xid8, ?::bigint)", str(xact), seq)
        query.add("xact < pg_snapshot_xmin(pg_current_snapshot())")
        if subject:
            query.add("left(subject, 14) = left(?, 14) and subject = ?", subject, subject)
        rows = await self._pool.fetch(query.text(_IN_ORDER, limit + 1), *query.given)
        found = [event_of(row) for row in rows[:limit]]
        return Page(found, found[-1].cursor if found else cursor, len(rows) > limit)

    async def cursor_at(self, merchant: str, at_ms: int) -> str:
        """Backwards from the newest: as much work as there are events since then."""
        query = _Query(f"select {EVENT} from event_whole", merchant)
        query.add(_OF_MERCHANT, merchant)
        query.add("at_ms < ?", at_ms)
        query.add("xact < pg_snapshot_xmin(pg_current_snapshot())")
        rows = await self._pool.fetch(query.text(_NEWEST_FIRST, 1), *query.given)
        return event_of(rows[0]).cursor if rows else ""

    async def event(self, merchant: str, event_id: str) -> EventRow | None:
        number = event_id.removeprefix("evt_")
        if not _number(number, 18):
            return None
        row = await self._pool.fetchrow(
            f"select {EVENT} from event_whole where bucket = $1 and seq = $2 and merchant = $3",
            bucket_of_merchant(merchant), int(number), merchant,
        )  # fmt: skip
        return event_of(row) if row else None

    async def balances(self, merchant: str) -> dict[str, int]:
        rows = await self._pool.fetch(
            "select account, fen from balance where bucket = $1 and merchant = $2 order by account",
            bucket_of_merchant(merchant), merchant,
        )  # fmt: skip
        return {row["account"]: row["fen"] for row in rows}

    async def trial_balance(self) -> int:
        return int(await self._pool.fetchval("select coalesce(sum(fen), 0) from balance"))

    async def alarms(self, *, cursor: str = "", limit: int = 50) -> Page:
        before = int(cursor) if _number(cursor, 18) else 1 << 60
        rows = await self._pool.fetch(
            "select seq, kind, subject, at_ms, detail from alarm where seq < $1 order by seq desc limit $2",
            before,
            limit + 1,
        )
        found = [{**row, "detail": msgspec.json.decode(row["detail"])} for row in rows]
        more = len(found) > limit
        return Page(found[:limit], str(found[limit - 1]["seq"]) if more else "", more)

    async def possible_twin(self, payment: Payment, within_ms: int) -> str | None:
        """By the time inside the ids, so that the till's index serves it."""
        query = _Query("select id from payment", payment.merchant)
        early, late = payment.created_ms - within_ms, payment.created_ms + within_ms
        query.add(_OF_TILL, payment.till, payment.till)
        query.add("id between ? and ?", _earliest(early), _latest(late))
        query.add("created_ms between ? and ?", early, late)
        query.add("state = 'paid' and amount_fen = ?", payment.amount_fen)
        query.add("id <> ? and merchant_order_no <> ?", payment.id, payment.merchant_order_no)
        found = await self._pool.fetchval(query.text("id desc", 1), *query.given)
        return str(found) if found else None


def _earliest(at_ms: int) -> str:
    """The least payment id that can have been made at this time; a minute of room for clocks."""
    return "pay_" + ulid(max(at_ms - _ROOM_MS, 0), bytes(9), 0)


def _latest(at_ms: int) -> str:
    return "pay_" + ulid(min(max(at_ms + _ROOM_MS, 0), _LAST_MS), b"\xff" * 9, 255)


def _number(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= most


def parse_cursor(cursor: str) -> tuple[int, int]:
    """``XACT-SEQ``. Raises ValueError."""
    if not cursor:
        return 0, -1
    xact, _, seq = cursor.partition("-")
    if not (_number(xact, 19) and _number(seq, 18)):
        raise ValueError("a cursor is taken from an earlier answer, unchanged")
    return int(xact), int(seq)


def event_of(row: Any) -> EventRow:
    cursor = f"{row['xact']}-{row['seq']}"
    data = msgspec.json.decode(row["data"])
    return EventRow(f"evt_{row['seq']}", cursor, row["type"], row["subject"], row["at_ms"], data)
