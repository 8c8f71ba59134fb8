"""Webhook endpoints, repeats and attempts in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from daozhang.core.directory import Page
from daozhang.core.faults import Unavailable
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.payment import Payment
from daozhang.core.webhook import PING, REPLAY_MOST, Endpoint, Round, Wanted
from daozhang.store.batch import AWAY
from daozhang.store.reading import EVENT, event_of, parse_cursor
from daozhang.store.rows import PAYMENT, payment_of
from daozhang.store.seal import Seal

_NAMES = (
    "id", "bucket", "merchant", "livemode", "url", "types", "description", "state", "created_ms", "sealed", "failures",
    "failing_since_ms", "blocked_until_ms", "fence",
)  # fmt: skip
_ENDPOINT = ", ".join(_NAMES)
_LEASE_MS = 40_000  # from each round to the next
_V1A = "v1a"  # what stands beside the key of asymmetric signatures where secrets have the end of their time
_CLAIM = f"select {_ENDPOINT} from dz_webhook_claim($1, $2, $3, $4)"
_EVENT = ", ".join(f"v.{name.strip()}" for name in EVENT.split(","))
# One statement is one view of the books: an event that happened after a rotation comes with the new secret.
_WANTED = f"""
with e as materialized (
    select {_ENDPOINT}, cursor_xact, cursor_seq from webhook_endpoint
    where bucket = $1 and id = $2 and fence = $3 and state <> 'disabled'
), repeats as (
    select {_EVENT}, r.attempts, false as fresh from webhook_retry r
    join event_whole v on v.bucket = r.bucket and v.seq = r.seq
    where r.bucket = $1 and r.endpoint = $2 and r.run_at_ms <= $4 order by r.run_at_ms, r.seq limit $5
), fresh as (
    select f.*, 0 as attempts, true as fresh from e cross join lateral (
        select {_EVENT} from event_whole v
        where v.bucket = $1 and hashtext(v.merchant) = hashtext(e.merchant) and v.merchant = e.merchant and (v.xact, v.seq) > (e.cursor_xact, e.cursor_seq)
            and v.xact < pg_snapshot_xmin(pg_current_snapshot())
        order by v.xact, v.seq limit $6
    ) f
)
select w.seq, w.xact, w.type as event_type, w.subject, w.at_ms, w.data, w.attempts, w.fresh, {", ".join(f"e.{name}" for name in _NAMES)}
from e cross join (
    select seq, xact, type, subject, at_ms, data, attempts, fresh from repeats
    union all select seq, xact, type, subject, at_ms, data, attempts, fresh from fresh
) w
"""
_ASKED_FOR = """(cardinality({0}) = 0 or exists (
    select 1 from unnest({0}) t where t = '*' or t = v.type or (right(t, 2) = '.*' and starts_with(v.type, left(t, -1)))))"""
_SEND_AGAIN = f"""
with found as materialized (
    select v.seq, v.at_ms, row_number() over (order by v.at_ms, v.seq) as nth from event v
    where v.bucket = $1 and hashtext(v.merchant) = hashtext($2) and v.merchant = $2 and v.at_ms >= $4 and v.at_ms < $5 and v.type <> $9 and v.subject <> $3
        and {_ASKED_FOR.format("$7::text[]")} and {_ASKED_FOR.format("$8::text[]")}
    order by v.at_ms, v.seq limit $10 + 1
), queued as (
    insert into webhook_retry (bucket, endpoint, seq, attempts, run_at_ms)
    select $1, $3, f.seq, 0, $6 from found f where f.nth <= $10
    on conflict (bucket, endpoint, seq) do update set attempts = 0, run_at_ms = excluded.run_at_ms
    returning seq
)
select (select count(*) from queued) as queued, coalesce((select f.at_ms from found f where f.nth > $10), 0) as more_from
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
        held = {secret: str(until) for secret, until in endpoint.secrets}
        return self._seal.close(endpoint.id, {**held, endpoint.signing: _V1A} if endpoint.signing else held)

    def _endpoint_of(self, row: Any) -> Endpoint:
        values = {name: row[name] for name in _NAMES}
        opened = self._seal.open(values["id"], values["sealed"])
        values["secrets"] = tuple((secret, int(until)) for secret, until in opened.items() if until != _V1A)
        values["signing"] = next((secret for secret, until in opened.items() if until == _V1A), "")
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

    async def change_endpoint(self, endpoint: Endpoint, *, anew: bool) -> None:
        await self._pool.execute(
            "update webhook_endpoint set url = $3, types = $4, description = $5,"
            " state = case when $7 then $6 else state end, failures = case when $7 then 0 else failures end,"
            " failing_since_ms = case when $7 then 0 else failing_since_ms end,"
            " blocked_until_ms = case when $7 then 0 else blocked_until_ms end where bucket = $1 and id = $2",
            endpoint.bucket, endpoint.id, endpoint.url, list(endpoint.types), endpoint.description, endpoint.state, anew,
        )  # fmt: skip

    async def change_secrets(self, endpoint: Endpoint) -> bool:
        done = await self._pool.execute(
            "update webhook_endpoint set sealed = $4 where bucket = $1 and id = $2 and sealed = $3",
            endpoint.bucket, endpoint.id, endpoint.sealed, self._close(endpoint),
        )  # fmt: skip
        return bool(done == "UPDATE 1")

    async def remove_endpoint(self, merchant: str, endpoint_id: str) -> bool:
        done = await self._pool.execute(
            "delete from webhook_endpoint where bucket = $1 and merchant = $2 and id = $3",
            bucket_of_merchant(merchant), merchant, endpoint_id,
        )  # fmt: skip
        return bool(done == "DELETE 1")

    async def attempts(self, endpoint: Endpoint, *, cursor: str = "", limit: int = 50) -> Page:
        rows = await self._pool.fetch(
            "select a.no, a.seq, a.n, a.at_ms, a.status, a.took_ms, a.error, a.next_ms, v.type from webhook_attempt a"
            " left join event v on v.bucket = a.bucket and v.seq = a.seq"
            " where a.bucket = $1 and a.endpoint = $2 and a.no < $3 order by a.no desc limit $4",
            endpoint.bucket, endpoint.id, int(cursor) if cursor.isdecimal() and len(cursor) < 19 else 1 << 62, limit + 1,
        )  # fmt: skip
        found = [dict(row) for row in rows[:limit]]
        return Page(found, str(found[-1]["no"]) if len(rows) > limit else "", len(rows) > limit)

    async def send_again(
        self, endpoint: Endpoint, from_ms: int, to_ms: int, types: tuple[str, ...], now_ms: int
    ) -> tuple[int, int]:
        row = await self._pool.fetchrow(
            _SEND_AGAIN, endpoint.bucket, endpoint.merchant, endpoint.id, from_ms, to_ms, now_ms, list(endpoint.types),
            list(types), PING, REPLAY_MOST,
        )  # fmt: skip
        return row["queued"], row["more_from"]

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
            " select bucket, $4, seq, 0, 1 from made),"  # before everything else that is due
            " freed as (update webhook_endpoint set blocked_until_ms = 0 where bucket = $1 and id = $4)"
            " select seq from made",
            endpoint.bucket, endpoint.merchant, PING, endpoint.id, now_ms, data,
        )  # fmt: skip
        return f"evt_{seq}"

    async def claim_endpoints(self, now_ms: int, most: int, lease_ms: int, *, failing: bool = False) -> list[Endpoint]:
        rows = await self._pool.fetch(_CLAIM, now_ms, failing, most, lease_ms)
        return [self._endpoint_of(row) for row in rows]

    async def wanted(self, endpoint: Endpoint, now_ms: int, most: int) -> tuple[Endpoint | None, Sequence[Wanted], bool]:
        rows = await self._pool.fetch(
            _WANTED, endpoint.bucket, endpoint.id, endpoint.fence, now_ms, max(most // 2, 1), most
        )
        if not rows:
            return None, [], False
        rows.sort(key=lambda row: (row["fresh"], row["xact"], row["seq"]))
        found = [Wanted(event_of({**row, "type": row["event_type"]}), row["seq"], row["attempts"], row["fresh"]) for row in rows]
        repeats = sum(not one.fresh for one in found)
        more = repeats >= max(most // 2, 1) or len(found) - repeats >= most
        return self._endpoint_of(rows[0]), found[:1] if most == 1 else found, more

    async def finish_round(self, endpoint: Endpoint, given: Round, now_ms: int) -> bool:
        xact, seq = parse_cursor(given.cursor) if given.cursor else (None, None)
        told = {
            "xact": str(xact) if xact is not None else None, "seq": seq, "state": given.state, "failures": given.failures,
            "failing_since_ms": given.failing_since_ms, "blocked_until_ms": given.blocked_until_ms, "done": given.done,
            "again": given.again, "attempts": given.attempts, "told": given.told, "why": given.why, "let_go": given.let_go,
        }  # fmt: skip
        try:
            return bool(await self._real_pool.fetchval(
                "select dz_webhook_finish($1, $2, $3, $4, $5, $6::text::jsonb)", endpoint.bucket, endpoint.id, endpoint.fence,
                now_ms, _LEASE_MS, msgspec.json.encode(told).decode(),
            ))  # fmt: skip
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None

    async def sweep_attempts(self, before_ms: int) -> None:
        await self._pool.execute("delete from webhook_attempt where at_ms < $1", before_ms)

    async def payments_named(self, merchant: str, ids: Sequence[str]) -> list[Payment]:
        rows = await self._pool.fetch(
            f"select {PAYMENT} from payment where bucket = $1 and id = any ($2::text[]) and merchant = $3",
            bucket_of_merchant(merchant), list(ids), merchant,
        )  # fmt: skip
        return [payment_of(row) for row in rows]

    async def let_go(self, endpoint: Endpoint) -> None:
        await self._pool.execute(
            "update webhook_endpoint set lease_until = null where bucket = $1 and id = $2 and fence = $3",  # lease
            endpoint.bucket, endpoint.id, endpoint.fence,
        )  # fmt: skip
