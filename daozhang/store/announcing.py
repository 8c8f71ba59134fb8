"""Announcements in PostgreSQL: made from the outbox, claimed before they are sent, acknowledged, written down."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg
import msgspec

from daozhang.core.faults import Unavailable
from daozhang.core.fleet import Announcement, Device, Heard, Told
from daozhang.core.texts import kept
from daozhang.store.batch import AWAY
from daozhang.store.fleet import bucket_of

log = logging.getLogger("daozhang.store")
_ONE = (
    "id, bucket, merchant, device, payment, kind, amount_fen, channel, at_ms, queued_ms, state, sends, late,"
    " delivered_ms, played_ms, why, alarmed_ms"
)
MOST_LINES = 200  # of one bucket in one round: their devices' names fit into one notification
_MOST_TAKEN = 2_000
_A_DAY_MS = 86_400_000


class PgAnnouncing:
    """Mixed into the store; needs its pools."""

    _pool: Any
    _real_pool: asyncpg.Pool
    _dsn: str

    async def announce(self, buckets: Sequence[int] | None, now_ms: int) -> int:
        asked = None if buckets is None else sorted(set(buckets))
        return int(
            await self._pool.fetchval("select dz_announce($1::smallint[], $2, $3)", asked, now_ms, MOST_LINES) or 0
        )

    async def take(self, device: Device, session: int, now_ms: int) -> Sequence[Announcement]:
        """Marked as sent before they leave, and only for the connection that stands: a crash in between is a late
        sentence, never the same news twice."""
        try:
            rows = await self._real_pool.fetch(
                f"select {_ONE} from dz_announcements_take($1, $2, $3, $4, $5)",
                device.bucket, device.id, session, now_ms - _A_DAY_MS, _MOST_TAKEN,
            )  # fmt: skip
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None
        return sorted((_announcement_of(row) for row in rows), key=lambda one: one.at_ms)

    async def summarise(self, device: Device, summary: str, ids: Sequence[str]) -> None:
        await self._pool.execute(
            "update announcement set summary = $3 where bucket = $1 and device = $2 and id = any($4::text[])",
            device.bucket, device.id, summary, list(ids),
        )  # fmt: skip

    async def heard(self, heard: Sequence[Heard]) -> None:
        text = msgspec.json.encode([kept(asdict(one)) for one in heard]).decode()
        await self._pool.execute("select dz_announcements_heard($1::text::jsonb)", text)

    async def to_note(self, now_ms: int, silent_ms: int, lease_ms: int) -> Sequence[Announcement]:
        rows = await self._pool.fetch(
            f"select {_ONE} from dz_announcements_to_note($1, $2, $3)",
            now_ms, silent_ms, lease_ms,
        )  # fmt: skip
        return [_announcement_of(row) for row in rows]

    async def noted(self, done: Sequence[tuple[Announcement, int]]) -> None:
        await self._pool.execute(
            "select dz_announcements_noted($1::smallint[], $2::text[], $3::smallint[])",
            [one.bucket for one, _ in done], [one.id for one, _ in done], [stage for _, stage in done],
        )  # fmt: skip

    async def give_up_on(self, now_ms: int) -> int:
        """A day old and never heard: it is told in writing only, and no longer kept for speaking."""
        done = await self._pool.fetch(
            "update announcement set state = 'unheard' where state in ('queued', 'delivered') and at_ms <= $1 and noted > 0"
            " returning id",
            now_ms - _A_DAY_MS,
        )
        return len(done)

    async def announcements_of(self, payment: str) -> Sequence[Announcement]:
        rows = await self._pool.fetch(
            f"select {_ONE} from announcement where bucket = $1 and payment = $2 order by at_ms, device limit 50",
            bucket_of(payment),
            payment,
        )
        return [_announcement_of(row) for row in rows]

    async def announcements_to(self, device: Device, limit: int = 50) -> Sequence[Announcement]:
        rows = await self._pool.fetch(
            f"select {_ONE} from announcement where bucket = $1 and device = $2 order by at_ms desc limit $3",
            device.bucket, device.id, limit,
        )  # fmt: skip
        return [_announcement_of(row) for row in rows]

    async def say(self, channel: str, payload: str) -> None:
        """To all processes that `hear` this channel; at most once, and kept nowhere."""
        await self._pool.execute("select pg_notify($1, $2)", channel, payload)

    async def hear(self, channel: str, callback: Callable[[str], None]) -> "asyncio.Task[None]":
        """Call back with each notification of a channel, and with "" after the database was away. Cancel to end."""
        ready = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._hear(channel, callback, ready), name=f"hear {channel}")
        await asyncio.wait_for(ready.wait(), 10)
        return task

    async def _hear(self, channel: str, callback: Callable[[str], None], ready: asyncio.Event) -> None:
        while True:
            link = None
            try:
                link = await asyncpg.connect(self._dsn, timeout=10)
                ended = asyncio.Event()
                link.add_termination_listener(lambda _, done=ended: done.set())
                await link.add_listener(channel, lambda _link, _pid, _channel, payload: callback(payload))
                ready.set()
                callback("")
                await ended.wait()
            except (*AWAY, asyncpg.PostgresError) as why:
                log.warning("not listening to the store", extra={"channel": channel, "why": repr(why)})
            finally:
                if link is not None:
                    link.terminate()
            await asyncio.sleep(0.2)


def _announcement_of(row: Any) -> Announcement:
    values = dict(row)
    values["state"] = Told(values["state"])
    return Announcement(**values)
