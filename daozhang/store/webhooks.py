"""Webhook endpoints, repeats and attempts in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from daozhang.core.directory import Page
from daozhang.core.faults import Unavailable
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.webhook import PING, Endpoint, Round, Wanted
from daozhang.store.batch import AWAY
from daozhang.store.reading import EVENT, event_of, parse_cursor
from daozhang.store.seal import Seal

_ENDPOINT = (
    "id, bucket, merchant, livemode, url, types, description, state, created_ms, sealed, failures, failing_since_ms,"
    " blocked_until_ms, fence"
)
# An endpoint has work when it is not blocked and an event lies after its cursor, or a repeat is due.
_HAS_WORK = """
    e.state <> 'disabled' and e.blocked_until_ms <= $1
    and (e.lease_until is null or e.lease_until < clock_timestamp()) -- lease
    and (
        exists (select 1 from event v where v.bucket = e.bucket and v.merchant = e.merchant
            and (v.xact, v.seq) > (e.cursor_xact, e.cursor_seq) and v.xact < pg_snapshot_xmin(pg_current_snapshot()))
        or exists (select 1 from webhook_retry r where r.bucket = e.bucket and r.endpoint = e.id and r.run_at_ms <= $1)
    )
"""
_CLAIM = f"""
update webhook_endpoint w set lease_until = clock_timestamp() + $4 * interval '1 millisecond', fence = w.fence + 1 -- lease
from (select e.id from webhook_endpoint e where e.bucket = $2 and {_HAS_WORK} limit $3 for update skip locked) c
where w.bucket = $2 and w.id = c.id
returning {", ".join(f"w.{name.strip()}" for name in _ENDPOINT.split(","))}
"""


class PgWebhooks:
    """Mixed into the store; needs its pools and seal."""

    _pool: asyncpg.Pool
    _real_pool: asyncpg.Pool
    _seal: Seal

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        """It hears what happens from now on."""
        await self._pool.execute(
            "insert into webhook_endpoint (id, bucket, merchant, livemode, url, types, description, state, created_ms, sealed,"
            " cursor_xact, cursor_seq) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
            " pg_snapshot_xmin(pg_current_snapshot()), 0)",
            endpoint.id, endpoint.bucket, endpoint.merchant, endpoint.livemode, endpoint.url, list(endpoint.types),
            endpoint.description, endpoint.state, endpoint.created_ms, self._close(endpoint),
        )  # fmt: skip

    def _close(self, endpoint: Endpoint) -> bytes:
        return self._seal.close(endpoint.id, {secret: str(until) for secret, until in endpoint.secrets})

    def _endpoint_of(self, row: Any) -> Endpoint:
        values = dict(row)
        opened = self._seal.open(values["id"], values.pop("sealed"))
        values["secrets"] = tuple((secret, int(until)) for secret, until in opened.items())
        values["types"] = tuple(values["types"])
        return Endpoint(**values)

    async def endpoints(self, merchant: str) -> list[Endpoint]:
        rows = await self._pool.fetch(
            f"select {_ENDPOINT} from webhook_endpoint where bucket = $1 and merchant = $2 order by id limit 100",
            bucket_of_merchant(merchant), merchant,
        )  # fmt: skip
        return [self._endpoint_of(row) for row in rows]

    async def endpoint(self, merchant: str, endpoint_id: str) -> Endpoint | None:
        row = await self._pool.fetchrow(
            f"select {_ENDPOINT} from webhook_endpoint where bucket = $1 and merchant = $2 and id = $3",
            bucket_of_merchant(merchant), merchant, endpoint_id,
        )  # fmt: skip
        return self._endpoint_of(row) if row else None

    async def change_endpoint(self, endpoint: Endpoint) -> None:
        await self._pool.execute(
            "update webhook_endpoint set url = $3, types = $4, description = $5, state = $6, sealed = $7, failures = 0,"
            " failing_since_ms = 0, blocked_until_ms = 0 where bucket = $1 and id = $2",
            endpoint.bucket, endpoint.id, endpoint.url, list(endpoint.types), endpoint.description, endpoint.state,
            self._close(endpoint),
        )  # fmt: skip

    async def remove_endpoint(self, merchant: str, endpoint_id: str) -> bool:
        done = await self._pool.execute(
            "delete from webhook_endpoint where bucket = $1 and merchant = $2 and id = $3",
            bucket_of_merchant(merchant), merchant, endpoint_id,
        )  # fmt: skip
        return bool(done == "DELETE 1")

    async def attempts(self, endpoint: Endpoint, *, cursor: str = "", limit: int = 50) -> Page:
        rows = await self._pool.fetch(
            "select no, seq, n, at_ms, status, took_ms, error, next_ms from webhook_attempt"
            " where bucket = $1 and endpoint = $2 and no < $3 order by no desc limit $4",
            endpoint.bucket, endpoint.id, int(cursor) if cursor.isdecimal() and len(cursor) < 19 else 1 << 62, limit + 1,
        )  # fmt: skip
        found = [dict(row) for row in rows[:limit]]
        return Page(found, str(found[-1]["no"]) if len(rows) > limit else "", len(rows) > limit)

    async def send_again(self, endpoint: Endpoint, from_ms: int, to_ms: int, types: str, now_ms: int) -> int:
        done = await self._pool.execute(
            "insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)"
            " select v.bucket, $3, v.seq, 0, $6 from event v where v.bucket = $1 and v.merchant = $2 and v.at_ms >= $4"
            " and v.at_ms < $5 and v.type <> $8 and ($7 = '' or v.type = any (string_to_array($7, ',')))"
            " on conflict (bucket, endpoint, seq) do update set attempts = 0, run_at_ms = excluded.run_at_ms",
            endpoint.bucket, endpoint.merchant, endpoint.id, from_ms, to_ms, now_ms, types, PING,
        )  # fmt: skip
        return int(done.rpartition(" ")[2])

    async def send_one(self, endpoint: Endpoint, event_id: str, now_ms: int) -> bool:
        number = event_id.removeprefix("evt_")
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):
            return False
        done = await self._pool.execute(
            "insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)"
            " select v.bucket, $3, v.seq, 0, $5 from event v where v.bucket = $1 and v.merchant = $2 and v.seq = $4"
            " on conflict (bucket, endpoint, seq) do update set attempts = 0, run_at_ms = excluded.run_at_ms",
            endpoint.bucket, endpoint.merchant, endpoint.id, int(number), now_ms,
        )  # fmt: skip
        return bool(done == "INSERT 0 1")

    async def ping(self, endpoint: Endpoint, now_ms: int) -> str:
        data = msgspec.json.encode({"endpoint": endpoint.id, "livemode": endpoint.livemode}).decode()
        seq = await self._pool.fetchval(
            "with made as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            " values ($1, $2, $3, $4, $5, $6::text::jsonb) returning bucket, seq),"
            " queued as (insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)"
            " select bucket, $4, seq, 0, $5 from made)"
            " select seq from made",
            endpoint.bucket, endpoint.merchant, PING, endpoint.id, now_ms, data,
        )  # fmt: skip
        return f"evt_{seq}"

    async def claim_endpoints(self, now_ms: int, most: int, lease_ms: int) -> list[Endpoint]:
        """Buckets with work first, then each by equality: what a distributed PostgreSQL can lock."""
        buckets = await self._pool.fetch(f"select distinct e.bucket from webhook_endpoint e where {_HAS_WORK}", now_ms)
        claimed: list[Endpoint] = []
        for row in buckets:
            if len(claimed) >= most:
                break
            rows = await self._pool.fetch(_CLAIM, now_ms, row["bucket"], most - len(claimed), lease_ms)
            claimed += [self._endpoint_of(found) for found in rows]
        return claimed

    async def wanted(self, endpoint: Endpoint, now_ms: int, most: int) -> Sequence[Wanted]:
        columns = ", ".join(f"v.{name.strip()}" for name in EVENT.split(","))
        repeats = await self._pool.fetch(
            f"select {columns}, r.attempts from webhook_retry r join event v on v.bucket = r.bucket and v.seq = r.seq"
            " where r.bucket = $1 and r.endpoint = $2 and r.run_at_ms <= $3 order by r.run_at_ms, r.seq limit $4",
            endpoint.bucket, endpoint.id, now_ms, most,
        )  # fmt: skip
        found = [Wanted(event_of(row), row["seq"], row["attempts"], False) for row in repeats]
        if len(found) < most:
            rows = await self._pool.fetch(
                f"select {columns} from event v join webhook_endpoint e on e.bucket = v.bucket and e.merchant = v.merchant"
                " where e.bucket = $1 and e.id = $2 and (v.xact, v.seq) > (e.cursor_xact, e.cursor_seq)"
                " and v.xact < pg_snapshot_xmin(pg_current_snapshot()) order by v.xact, v.seq limit $3",
                endpoint.bucket, endpoint.id, most - len(found),
            )  # fmt: skip
            found += [Wanted(event_of(row), row["seq"], 0, True) for row in rows]
        return found

    async def finish_round(self, endpoint: Endpoint, given: Round, now_ms: int) -> bool:
        xact, seq = parse_cursor(given.cursor) if given.cursor else (None, None)
        mine = endpoint.bucket, endpoint.id
        try:
            async with self._real_pool.acquire(timeout=5) as link, link.transaction():
                held = await link.execute(
                    "update webhook_endpoint set cursor_xact = coalesce($4::text::xid8, cursor_xact),"
                    " cursor_seq = coalesce($5, cursor_seq), state = case state when 'disabled' then state else $6 end,"
                    " failures = $7, failing_since_ms = $8, blocked_until_ms = $9,"
                    " lease_until = clock_timestamp() + interval '40 s'"  # lease
                    " where bucket = $1 and id = $2 and fence = $3",
                    *mine, endpoint.fence, str(xact) if xact is not None else None, seq, given.state, given.failures,
                    given.failing_since_ms, given.blocked_until_ms,
                )  # fmt: skip
                if held != "UPDATE 1":
                    return False
                await _write(link, mine, given)
                if given.told:
                    data = msgspec.json.encode({"endpoint": endpoint.id, "url": endpoint.url, "failures": given.failures}).decode()
                    await link.execute(
                        "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, $3, $4, $5, $6::text::jsonb)",
                        endpoint.bucket, endpoint.merchant, given.told, endpoint.id, now_ms, data,
                    )  # fmt: skip
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None
        return True

    async def let_go(self, endpoint: Endpoint) -> None:
        await self._pool.execute(
            "update webhook_endpoint set lease_until = null where bucket = $1 and id = $2 and fence = $3", # lease
            endpoint.bucket, endpoint.id, endpoint.fence,
        )  # fmt: skip


async def _write(link: Any, mine: tuple[int, str], given: Round) -> None:
    """Attempts and repeats of one round, a statement each."""
    if given.done:
        await link.execute(
            "delete from webhook_retry where bucket = $1 and endpoint = $2 and seq = any ($3::bigint[])", *mine, list(given.done)
        )
    if given.again:
        await link.execute(
            "insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)"
            " select $1, $2, a.seq, a.attempts, a.run_at_ms from unnest($3::bigint[], $4::integer[], $5::bigint[])"
            " as a(seq, attempts, run_at_ms) on conflict (bucket, endpoint, seq) do update"
            " set attempts = excluded.attempts, run_at_ms = excluded.run_at_ms",
            *mine, *(list(column) for column in zip(*given.again, strict=True)),
        )  # fmt: skip
    if given.attempts:
        columns = zip(*((a.seq, a.n, a.at_ms, a.status, a.took_ms, a.error, a.next_ms) for a in given.attempts), strict=True)
        await link.execute(
            "insert into webhook_attempt (bucket, endpoint, seq, n, at_ms, status, took_ms, error, next_ms)"
            " select $1, $2, a.* from unnest($3::bigint[], $4::integer[], $5::bigint[], $6::integer[], $7::integer[],"
            " $8::text[], $9::bigint[]) as a(seq, n, at_ms, status, took_ms, error, next_ms)",
            *mine, *(list(column) for column in columns),
        )  # fmt: skip


