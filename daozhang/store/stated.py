"""What was told, in PostgreSQL: one row for each thing, the latest word holds."""

from collections.abc import Callable
from typing import Any

import msgspec

from daozhang.core.ids import bucket_of_merchant
from daozhang.core.ports import Event
from daozhang.core.stated import Release, Stated

_encode = msgspec.json.Encoder().encode


class PgStatements:
    """Mixed into the store; needs its pools."""

    _pool: Any
    _row: Callable[..., Any]

    async def stated(self, merchant: str, subject: str) -> Stated | None:
        row = await self._pool.fetchrow(
            "select bucket, merchant, subject, facts, at_ms, by from stated where bucket = $1 and merchant = $2 and subject = $3",
            bucket_of_merchant(merchant), merchant, subject,
        )  # fmt: skip
        return Stated(**{**row, "facts": msgspec.json.decode(row["facts"])}) if row is not None else None

    async def state(self, one: Stated, event: Event | None = None) -> None:
        kind, data = (event.type, event.data) if event is not None else ("", {})
        await self._pool.execute(
            "with told as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            " select $1::smallint, $2, $7, $3, $5::bigint, $8::text::jsonb where $7 <> '')"
            " insert into stated (bucket, merchant, subject, facts, at_ms, by) values ($1, $2, $3, $4::text::jsonb, $5, $6)"
            " on conflict (bucket, merchant, subject) do update set facts = excluded.facts, at_ms = excluded.at_ms, by = excluded.by",
            one.bucket, one.merchant, one.subject, _encode(one.facts).decode(), one.at_ms, one.by, kind, _encode(data).decode(),
        )  # fmt: skip

    async def note_release(self, one: Release) -> bool:
        row = await self._row(
            "insert into release (version, at_ms, by, says) values ($1, $2, $3, $4::text::jsonb) on conflict (version) do nothing"
            " returning version",
            one.version, one.at_ms, one.by, _encode(one.says).decode(),
        )  # fmt: skip
        return row is not None

    async def releases(self, most: int = 20) -> list[Release]:
        rows = await self._pool.fetch("select version, at_ms, by, says from release order by at_ms desc, version limit $1", most)
        return [Release(**{**row, "says": msgspec.json.decode(row["says"])}) for row in rows]
