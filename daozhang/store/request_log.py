"""The request log in PostgreSQL: written in batches beside the hot path, never inside it."""

from typing import Any

import asyncpg

from daozhang.core.directory import Page
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.request_log import Line

_LINE = "no, at_ms, request_id, key_id, method, path, status, took_ms, problem"


class PgRequestLog:
    """Mixed into the store; needs its pool."""

    _pool: asyncpg.Pool

    async def write(self, lines: list[Line]) -> None:
        columns = zip(*((one.bucket, one.merchant, one.at_ms, one.request_id, one.key_id, one.method, one.path, one.status,
                         one.took_ms, one.problem) for one in lines), strict=True)  # fmt: skip
        await self._pool.execute(
            "insert into request_log (bucket, merchant, at_ms, request_id, key_id, method, path, status, took_ms, problem)"
            " select l.* from unnest($1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],"
            " $8::integer[], $9::integer[], $10::text[]) as l",
            *(list(column) for column in columns),
        )  # fmt: skip

    async def sweep(self, before_ms: int) -> None:
        await self._pool.execute("delete from request_log where at_ms < $1", before_ms)

    async def lines(
        self, merchant: str, *, after: int = 0, before: int = 0, limit: int = 50, status: str = "", path: str = "", since_ms: int = 0
    ) -> Page:
        where, given = ["bucket = $1", "merchant = $2"], [bucket_of_merchant(merchant), merchant]
        for condition, value in (
            ("no > ?", after), ("no < ?", before), ("at_ms >= ?", since_ms),
            ("starts_with(path, ?)", path), ("status / 100 = ?", int(status[0]) if status[1:] == "xx" else 0),
            ("status = ?", int(status) if status and status[1:] != "xx" else 0),
        ):  # fmt: skip
            if value:
                given.append(value)
                where.append(condition.replace("?", f"${len(given)}"))
        order = "no" if after else "no desc"
        rows: list[Any] = await self._pool.fetch(
            f"select {_LINE} from request_log where {' and '.join(where)} order by {order} limit {limit + 1}", *given
        )
        found = [dict(row) for row in rows[:limit]]
        return Page(found, str(found[-1]["no"]) if found else "", len(rows) > limit)
