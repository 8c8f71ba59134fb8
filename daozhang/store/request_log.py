"""The request log in PostgreSQL: written in batches beside the hot path, never inside it."""

from typing import Any

import asyncpg

from daozhang.core.directory import Page
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.request_log import Line

_LINE = "no, at_ms, request_id, key_id, method, path, status, took_ms, problem, language"
_IN_TURN = 0x64617A6C  # batches of all processes one after the other, so that numbers commit in their order
_SWEPT_AT_ONCE = 20_000


class PgRequestLog:
    """Mixed into the store; needs its pool."""

    _pool: asyncpg.Pool

    async def write(self, lines: list[Line]) -> None:
        """A reader that follows by number misses nothing: who comes later in commits, comes later in numbers. Nobody waits
        for the disk: a line of this log may be lost where the machine itself dies."""
        await self._pool.execute(
            "with turn as materialized (select pg_advisory_xact_lock($12::bigint), set_config('synchronous_commit', 'off', true))"
            " insert into request_log (bucket, merchant, at_ms, request_id, key_id, method, path, status, took_ms, problem, language)"
            " select l.* from turn, unnest($1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],"
            " $8::integer[], $9::integer[], $10::text[], $11::text[]) as l",
            *(list(column) for column in zip(*lines, strict=True)), _IN_TURN,
        )  # fmt: skip

    async def sweep(self, before_ms: int, most: int) -> bool:
        done = await self._pool.execute(
            "delete from request_log where ctid = any (array(select ctid from request_log where at_ms < $1"
            " or no <= (select last_value from request_log_no_seq) - $2 limit $3 for update skip locked))",
            before_ms, most, _SWEPT_AT_ONCE,
        )  # fmt: skip
        return bool(done == f"DELETE {_SWEPT_AT_ONCE}")

    async def lines(
        self, merchant: str, *, after: int = -1, before: int = 0, limit: int = 50, status: str = "", path: str = "", since_ms: int = 0
    ) -> Page:
        where, given = ["bucket = $1", "merchant = $2"], [bucket_of_merchant(merchant), merchant]
        for condition, value in (
            ("no >= ?", after + 1), ("no < ?", before), ("at_ms >= ?", since_ms),
            ("starts_with(path, ?)", path), ("status / 100 = ?", int(status[0]) if status[1:] == "xx" else 0),
            ("status = ?", int(status) if status and status[1:] != "xx" else 0),
        ):  # fmt: skip
            if value:
                given.append(value)
                where.append(condition.replace("?", f"${len(given)}"))
        if status[:1] in ("4", "5"):
            where.append("status >= 400")  # what the index of refusals is for
        order = "no" if after >= 0 else "no desc"
        rows: list[Any] = await self._pool.fetch(
            f"select {_LINE} from request_log where {' and '.join(where)} order by {order} limit {limit + 1}", *given
        )
        found = [dict(row) for row in rows[:limit]]
        return Page(found, str(found[-1]["no"]) if found else "", len(rows) > limit)
