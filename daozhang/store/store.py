"""The store over PostgreSQL: every method is one transaction."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Self

import asyncpg
import msgspec

from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict, Unavailable
from daozhang.core.ids import bucket_of_merchant, bucket_of_ulid, is_ulid
from daozhang.core.must import Broken
from daozhang.core.payment import Payment
from daozhang.core.ports import Change, Due, Key
from daozhang.core.refund import Refund
from daozhang.core.texts import kept
from daozhang.store.announcing import PgAnnouncing
from daozhang.store.batch import AWAY, BAD_VALUE, PATIENCE_S, Batcher
from daozhang.store.directory import PgDirectory
from daozhang.store.fleet import PgFleet
from daozhang.store.incidents import PgIncidents
from daozhang.store.reading import OF_MERCHANTS_SALE, OF_SALE, PgReading
from daozhang.store.request_log import PgRequestLog
from daozhang.store.rollout import PgRollouts
from daozhang.store.rows import EVIDENCE, PAYMENT, REFUND, evidence_of, payment_of, refund_of
from daozhang.store.seal import Seal
from daozhang.store.stated import PgStatements
from daozhang.store.thin import number_of
from daozhang.store.webhooks import PgWebhooks

log = logging.getLogger("daozhang.store")
_DUE_BUCKETS = """
select b.bucket::smallint as bucket
from generate_series(0, 255) b (bucket)
cross join lateral (
    select t.run_at_ms from timer t
    where t.bucket = b.bucket::smallint and t.run_at_ms <= $1
        and (t.lease_until is null or t.lease_until < clock_timestamp()) -- lease
    order by t.run_at_ms limit 1
) first
order by first.run_at_ms
"""
_NEXT_DUE = """
select min(first.run_at_ms)
from generate_series(0, 255) b (bucket)
cross join lateral (
    select t.run_at_ms from timer t where t.bucket = b.bucket::smallint order by t.run_at_ms limit 1
) first
"""
_SALE = OF_MERCHANTS_SALE.format("$2::text", "$3::text")
_CLAIM = "select subject, bucket, run_at_ms, fence from dz_claim($1, $2::smallint, $3, $4)"


def _bucket(ident: str) -> int | None:
    """The bucket inside an id; None when it is not one of ours."""
    tail = ident.partition("_")[2]
    return bucket_of_ulid(tail) if is_ulid(tail) else None


class _Patient:
    """A pool whose reads survive that PostgreSQL is started again, and whose refusals are told in the port's words."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def fetch(self, *args: Any) -> Any:
        return await self._again(self._pool.fetch, args, [])

    async def fetchrow(self, *args: Any) -> Any:
        return await self._again(self._pool.fetchrow, args, None)

    async def fetchval(self, *args: Any) -> Any:
        return await self._again(self._pool.fetchval, args, None)

    async def execute(self, *args: Any) -> Any:
        """A write outside the batches. Raises Conflict (it exists already), Broken, or Unavailable at once."""
        try:
            return await self._pool.execute(*args)
        except asyncpg.UniqueViolationError:
            raise Conflict("it exists already") from None
        except (asyncpg.IntegrityConstraintViolationError, *BAD_VALUE) as why:
            raise Broken(f"the store refused it: {type(why).__name__}") from None
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None

    async def _again(self, method: Callable[..., Any], args: tuple[Any, ...], nothing: Any) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        while True:
            try:
                return await method(*args)
            except BAD_VALUE:
                return nothing  # what no database can hold is not in it
            except AWAY as why:
                if loop.time() >= end:
                    raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None
                await asyncio.sleep(0.1)


async def _nothing(_link: Any) -> None:
    """Connections carry no state of their own, so nothing is reset when one goes back to the pool."""


class PgStore(PgDirectory, PgReading, PgWebhooks, PgRequestLog, PgFleet, PgAnnouncing, PgRollouts, PgIncidents, PgStatements):
    """Store, Directory, Reading, Endpoints and Fleet. Open with `open`, end with `close`."""

    def __init__(self, pool: asyncpg.Pool, seal: Seal, dsn: str, lanes: int) -> None:
        self._real_pool = pool
        self._pool = _Patient(pool)
        self._seal = seal
        self._dsn = dsn
        self._batcher = Batcher(dsn, lanes, self._in_the_way)
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, dsn: str, seal: Seal, connections: int = 6, lanes: int = 2) -> Self:
        pool = await asyncpg.create_pool(
            dsn, min_size=min(2, connections), max_size=connections, timeout=10, command_timeout=10,
            max_inactive_connection_lifetime=0, reset=_nothing,
        )  # fmt: skip
        await pool.execute("delete from lane where seen < clock_timestamp() - interval '7 days'")  # lease
        return cls(pool, seal, dsn, lanes)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._batcher.close()
        with contextlib.suppress(TimeoutError, *AWAY):
            await asyncio.wait_for(self._real_pool.close(), 5)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def apply(self, change: Change) -> Payment:
        change.must_be_of_one_payment()
        await self._batcher.apply(change)
        return changed(change.payment, version=change.payment.version + 1)

    def queue_ms(self) -> float:
        """How long a write waits for its turn at the moment."""
        return self._batcher.queue_ms()

    async def _in_the_way(self, change: Change) -> str:
        """Why a change could not be written: its own id (another version is stored), the sale's holder, or nothing."""
        p = change.payment
        rows = await self._pool.fetch(
            "(select id, version from payment where bucket = $1 and id = $4) union all"
            f" (select id, 0 from payment where bucket = $1 and merchant = $2 and merchant_order_no = $3 and {_SALE}"
            " and id <> $4 and state not in ('not_paid', 'closed', 'reversed', 'refunded', 'surplus') limit 1)",
            p.bucket, p.merchant, p.merchant_order_no, p.id,
        )  # fmt: skip
        versions = {row["id"]: row["version"] for row in rows}
        if versions.pop(p.id, 0) != p.version:
            return p.id
        return next(iter(versions), "")

    async def alarm(self, kind: str, subject: str, at_ms: int, detail: dict[str, Any]) -> None:
        text = msgspec.json.encode(kept(detail), enc_hook=str).decode()
        await self._pool.execute(
            "insert into alarm (kind, subject, at_ms, detail) values ($1, $2, $3, $4::text::jsonb)",
            kind, kept(subject)[:128], at_ms, text,
        )  # fmt: skip

    # -- reading one thing -----------------------------------------------------------------------------------------------

    async def payment(self, payment_id: str) -> Payment | None:
        row = await self._pool.fetchrow(
            f"select {PAYMENT} from payment where bucket = $1 and id = $2", _bucket(payment_id), payment_id
        )
        return payment_of(row) if row else None

    async def evidence(self, payment_id: str) -> list[Evidence]:
        if _bucket(payment_id) is None:
            return []
        rows = await self._pool.fetch(
            f"select {EVIDENCE} from evidence where bucket = $1 and payment = $2::text::uuid order by n",
            _bucket(payment_id),
            number_of(payment_id),
        )
        return [evidence_of(row) for row in rows]

    async def sale(self, merchant: str, merchant_order_no: str) -> list[Payment]:
        rows = await self._pool.fetch(
            f"select {PAYMENT} from {OF_SALE} where bucket = $1 and merchant = $2 and merchant_order_no = $3 and {_SALE}"
            " order by id desc limit 100",
            bucket_of_merchant(merchant), merchant, merchant_order_no,
        )  # fmt: skip
        return [payment_of(row) for row in rows]

    async def key(self, merchant: str, key: str) -> tuple[Key, str] | None:
        row = await self._pool.fetchrow(
            "select encode(fingerprint, 'hex') as fingerprint, made from idempotency where bucket = $1"
            " and digest = substring(sha256(convert_to($2::text || ' ' || $3::text, 'UTF8')) for 16)",
            bucket_of_merchant(merchant), merchant, key,
        )  # fmt: skip
        return (Key(key, row["fingerprint"]), row["made"]) if row else None

    async def refund(self, refund_id: str) -> Refund | None:
        row = await self._pool.fetchrow(
            f"select {REFUND} from refund where bucket = $1 and id = $2", _bucket(refund_id), refund_id
        )
        return refund_of(row) if row else None

    async def refunds_of(self, payment_id: str) -> list[Refund]:
        rows = await self._pool.fetch(
            f"select {REFUND} from refund where bucket = $1 and payment = $2 order by id",
            _bucket(payment_id),
            payment_id,
        )
        return [refund_of(row) for row in rows]

    # -- timers ----------------------------------------------------------------------------------------------------------

    async def claim(self, now_ms: int, most: int, lease_ms: int) -> Sequence[Due]:
        """Due buckets first, then each by equality: what a distributed PostgreSQL can lock."""
        due = await self._pool.fetch(_DUE_BUCKETS, now_ms)
        claimed: list[Due] = []
        for row in due:
            left = most - len(claimed)
            if left <= 0:
                break
            rows = await self._pool.fetch(_CLAIM, now_ms, row["bucket"], left, lease_ms)
            claimed += [Due(**found) for found in rows]
        return claimed

    async def release(self, due: Due) -> None:
        await self._pool.execute(
            "delete from timer where bucket = $1 and subject = $2 and fence = $3", due.bucket, due.subject, due.fence
        )

    async def next_due_ms(self) -> int | None:
        """The earliest due time, of leased timers too: what is being worked on is not over."""
        found = await self._pool.fetchval(_NEXT_DUE)
        return int(found) if found is not None else None

    # -- hearing from other processes ------------------------------------------------------------------------------------

    async def listen(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of each payment that another process moved; comes back after the database was away."""
        ready = asyncio.Event()
        self._listening = asyncio.get_running_loop().create_task(self._listen(callback, ready), name="store listener")
        try:
            await asyncio.wait_for(ready.wait(), 10)
        except TimeoutError:
            raise Unavailable("the database does not answer", 2) from None

    async def _listen(self, callback: Callable[[str], None], ready: asyncio.Event) -> None:
        def heard(_link: Any, _pid: int, _channel: str, payload: str) -> None:
            for payment_id in payload.split():
                callback(payment_id)

        while True:
            try:
                link = await asyncpg.connect(self._dsn, timeout=10)
                ended = asyncio.Event()
                link.add_termination_listener(lambda _, done=ended: done.set())
                await link.add_listener("dz_payment", heard)
                ready.set()
                await ended.wait()
            except (*AWAY, asyncpg.PostgresError) as why:
                log.warning("not listening to the store", extra={"why": repr(why)})
            await asyncio.sleep(0.2)
