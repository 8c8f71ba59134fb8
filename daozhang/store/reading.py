"""Lists and searches. Every query here is served by an index; a test asks the planner."""

from typing import Any

import asyncpg
import msgspec

from daozhang.core.directory import EventRow, Page
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.payment import Payment
from daozhang.store.directory import page
from daozhang.store.rows import PAYMENT, REFUND, payment_of, refund_of

_EVENT = "seq, xact::text::bigint as xact, type, subject, at_ms, data"
_OPEN = "state in ('created', 'sent', 'waiting_payer', 'unknown', 'reversing', 'deferred')"
_NEWEST_TAILS = 20_000  # a number's tail is looked for among so many newest payments of the merchant


class PgReading:
    """Mixed into the store; needs its pool."""

    _pool: asyncpg.Pool

    async def payments(
        self, merchant: str, *, cursor: str = "", limit: int = 50, state: str = "", till: str = "",
        created_from_ms: int = 0, created_to_ms: int = 0, order_no: str = "",
    ) -> Page:  # fmt: skip
        given: list[Any] = [bucket_of_merchant(merchant), merchant]
        where = ["bucket = $1", "merchant = $2"]

        def add(condition: str, value: Any) -> None:
            given.append(value)
            where.append(condition.replace("?", f"${len(given)}"))

        if cursor:
            add("id < ?", cursor)
        if state:
            add("state = ?", state)
        if till:
            add("till = ?", till)
        if created_from_ms:
            add("created_ms >= ?", created_from_ms)
        if created_to_ms:
            add("created_ms < ?", created_to_ms)
        if order_no:
            add("merchant_order_no = ?", order_no)
        given.append(limit + 1)
        rows = await self._pool.fetch(
            f"select {PAYMENT} from payment where {' and '.join(where)} order by id desc limit ${len(given)}", *given
        )
        return page([payment_of(row) for row in rows], limit)

    async def unresolved(self, merchant: str, *, till: str = "", limit: int = 50) -> list[Payment]:
        rows = await self._pool.fetch(
            f"select {PAYMENT} from payment where bucket = $1 and merchant = $2 and {_OPEN}"
            " and ($3 = '' or till = $3) order by id limit $4",
            bucket_of_merchant(merchant), merchant, till, limit,
        )  # fmt: skip
        return [payment_of(row) for row in rows]

    async def lookup(
        self, merchant: str, *, no_tail: str = "", amount_fen: int = 0, from_ms: int = 0, to_ms: int = 0, till: str = ""
    ) -> list[Payment]:
        """Among the merchant's newest payments: by the tail of any of its numbers, or by amount and time."""
        rows = await self._pool.fetch(
            f"select {PAYMENT} from (select {PAYMENT} from payment where bucket = $1 and merchant = $2"
            f" order by id desc limit {_NEWEST_TAILS}) p"
            " where ($3 = '' or right(id, length($3)) = $3 or right(merchant_order_no, length($3)) = $3"
            "   or right(trade_no, length($3)) = $3)"
            " and ($4 = 0 or amount_fen = $4) and ($5 = 0 or created_ms between $5 and $6) and ($7 = '' or till = $7)"
            " order by id desc limit 20",
            bucket_of_merchant(merchant), merchant, no_tail, amount_fen, from_ms, to_ms, till,
        )  # fmt: skip
        return [payment_of(row) for row in rows]

    async def refunds(self, merchant: str, *, payment: str = "", cursor: str = "", limit: int = 50) -> Page:
        by = "payment = $3" if payment else "$3 = ''"
        rows = await self._pool.fetch(
            f"select {REFUND} from refund where bucket = $1 and merchant = $2 and {by}"
            " and ($4 = '' or id < $4) order by id desc limit $5",
            bucket_of_merchant(merchant), merchant, payment, cursor, limit + 1,
        )  # fmt: skip
        return page([refund_of(row) for row in rows], limit)

    async def events(self, merchant: str, *, cursor: str = "", limit: int = 100, subject: str = "") -> Page:
        """In the order in which transactions began; a line that commits late is waited for, never skipped."""
        xact, seq = parse_cursor(cursor)
        rows = await self._pool.fetch(
            f"select {_EVENT} from event where bucket = $1 and merchant = $2"
            " and (xact, seq) > ($3::text::xid8, $4) and xact < pg_snapshot_xmin(pg_current_snapshot())"
            " and ($5 = '' or subject = $5) order by xact, seq limit $6",
            bucket_of_merchant(merchant), merchant, str(xact), seq, subject, limit + 1,
        )  # fmt: skip
        found = [_event_of(row) for row in rows]
        more = len(found) > limit
        found = found[:limit]
        return Page(found, found[-1].cursor if found else cursor, more)

    async def event(self, merchant: str, event_id: str) -> EventRow | None:
        number = event_id.removeprefix("evt_")
        if not number.isdigit() or len(number) > 18:
            return None
        row = await self._pool.fetchrow(
            f"select {_EVENT} from event where bucket = $1 and seq = $2 and merchant = $3",
            bucket_of_merchant(merchant), int(number), merchant,
        )  # fmt: skip
        return _event_of(row) if row else None

    async def balances(self, merchant: str) -> dict[str, int]:
        rows = await self._pool.fetch(
            "select account, fen from balance where bucket = $1 and merchant = $2 order by account",
            bucket_of_merchant(merchant), merchant,
        )  # fmt: skip
        return {row["account"]: row["fen"] for row in rows}

    async def trial_balance(self) -> int:
        return int(await self._pool.fetchval("select coalesce(sum(fen), 0) from balance"))

    async def alarms(self, *, cursor: str = "", limit: int = 50) -> Page:
        before = int(cursor) if cursor.isdigit() else 1 << 60
        rows = await self._pool.fetch(
            "select seq, kind, subject, at_ms, detail from alarm where seq < $1 order by seq desc limit $2",
            before,
            limit + 1,
        )
        found = [{**row, "detail": msgspec.json.decode(row["detail"])} for row in rows]
        more = len(found) > limit
        return Page(found[:limit], str(found[limit - 1]["seq"]) if more else "", more)

    async def possible_twin(self, payment: Payment, within_ms: int) -> str | None:
        """By the id's own time, so that the merchant's index serves it."""
        rows = await self._pool.fetch(
            "select id, till, amount_fen, state, merchant_order_no, created_ms from payment"
            " where bucket = $1 and merchant = $2 and id <> $3 order by id desc limit 500",
            payment.bucket, payment.merchant, payment.id,
        )  # fmt: skip
        for row in rows:
            same = (row["till"], row["amount_fen"], row["state"]) == (payment.till, payment.amount_fen, "paid")
            near = abs(row["created_ms"] - payment.created_ms) <= within_ms
            if same and near and row["merchant_order_no"] != payment.merchant_order_no:
                return str(row["id"])
        return None


def parse_cursor(cursor: str) -> tuple[int, int]:
    """``XACT-SEQ``. Raises ValueError."""
    if not cursor:
        return 0, -1
    xact, _, seq = cursor.partition("-")
    if not (xact.isdigit() and seq.isdigit()) or len(xact) > 19 or len(seq) > 18:
        raise ValueError("a cursor is taken from an earlier answer, unchanged")
    return int(xact), int(seq)


def _event_of(row: Any) -> EventRow:
    cursor = f"{row['xact']}-{row['seq']}"
    data = msgspec.json.decode(row["data"])
    return EventRow(f"evt_{row['seq']}", cursor, row["type"], row["subject"], row["at_ms"], data)
