"""Group commit: what queued while the last batch was committing goes together next; nobody waits on purpose.

One lane is one connection. A payment always takes the same lane, and never stands twice in one batch. When a batch
breaks, its rows are tried one by one, so that a poison row harms nobody. When the connection breaks, nobody knows
whether the batch was committed: each row is looked up by its version before it is tried again.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from daozhang.core.faults import Conflict, KeyUsed, SaleTaken, Unavailable
from daozhang.core.must import Broken
from daozhang.core.ports import Change

log = logging.getLogger("daozhang.store")
MOST_ROWS = 256
PATIENCE_S = 5.0  # how long a caller waits for a database that is away
_APPLY = "select i, outcome, detail, fingerprint from dz_apply($1::text::jsonb)"
_encode = msgspec.json.Encoder(enc_hook=str).encode

# The connection is gone, or the server is going or coming: the outcome of what was sent is not known.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncio.TimeoutError,
)
# The batch was refused and rolled back, for one of its rows or by accident.
ROLLED_BACK = (asyncpg.PostgresError, UnicodeError, ValueError, OverflowError, msgspec.MsgspecError)


@dataclass(slots=True)
class Ticket:
    """One caller's change and the future that it waits for."""

    change: Change
    done: "asyncio.Future[None]"
    born: float


class Lane:
    """One queue, one connection, one batch at a time."""

    def __init__(
        self, pool: asyncpg.Pool, find: Callable[[str], Awaitable[int]], other: Callable[[Change], Any]
    ) -> None:
        self._pool = pool
        self._find = find  # the stored version of a payment, 0 when there is none
        self._other = other  # the id of the attempt that holds a change's sale
        self._queue: deque[Ticket] = deque()
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store lane")

    async def apply(self, change: Change) -> None:
        loop = asyncio.get_running_loop()
        ticket = Ticket(change, loop.create_future(), loop.time())
        self._queue.append(ticket)
        self._wake.set()
        await ticket.done

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for ticket in self._queue:
            _fail(ticket, Unavailable("the store is closing"))

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            batch = self._next_batch()
            try:
                await self._commit(batch)
            except asyncio.CancelledError:
                for ticket in batch:
                    _fail(ticket, Unavailable("the store is closing"))
                raise
            except Exception as bug:
                log.exception("a batch failed in a way nobody foresaw")
                for ticket in batch:
                    _fail(ticket, Unavailable(f"the store failed: {type(bug).__name__}"))

    def _next_batch(self) -> list[Ticket]:
        batch: list[Ticket] = []
        taken: set[str] = set()
        later: list[Ticket] = []
        while self._queue and len(batch) < MOST_ROWS:
            ticket = self._queue.popleft()
            if ticket.change.payment.id in taken:
                later.append(ticket)
                continue
            taken.add(ticket.change.payment.id)
            batch.append(ticket)
        self._queue.extendleft(reversed(later))
        return batch

    async def _commit(self, batch: list[Ticket]) -> None:
        try:
            await self._send(batch)
        except AWAY as why:
            await self._after_break(batch, why)
        except ROLLED_BACK as why:
            if len(batch) == 1:
                _fail(batch[0], await self._told(batch[0].change, why))
                return
            log.info("a batch was rolled back and is tried row by row", extra={"rows": len(batch), "why": repr(why)})
            for ticket in batch:
                await self._commit([ticket])

    async def _send(self, batch: list[Ticket]) -> None:
        text = _encode([ticket.change for ticket in batch]).decode()
        async with asyncio.timeout(PATIENCE_S), self._pool.acquire() as link:
            rows = await link.fetch(_APPLY, text)
        for row in rows:
            await self._answer(batch[row["i"] - 1], row["outcome"], row["detail"], row["fingerprint"])

    async def _answer(self, ticket: Ticket, outcome: str, made: str | None, fingerprint: str | None) -> None:
        if outcome == "ok":
            if not ticket.done.done():
                ticket.done.set_result(None)
        elif outcome == "key_used":
            _fail(ticket, KeyUsed(made or "", fingerprint or ""))
        elif outcome == "not_new":
            other = await self._other(ticket.change)
            _fail(ticket, SaleTaken(other) if other else Conflict("the payment is already stored"))
        else:
            _fail(ticket, Conflict("another version is stored"))

    async def _told(self, change: Change, why: BaseException) -> Exception:
        """A single refused row, in the words of the port."""
        if isinstance(why, asyncpg.UniqueViolationError):
            if why.constraint_name == "payment_sale_lock":
                return SaleTaken(await self._other(change) or "")
            if why.constraint_name == "idempotency_pkey":
                return Conflict("the key is being used by another request at this moment")
        if isinstance(why, (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)):
            return Conflict("the database asked to try again")
        if isinstance(why, (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)):
            return Unavailable("the database is too busy")
        return Broken(f"the store refused it: {type(why).__name__} {getattr(why, 'constraint_name', '') or ''}".strip())

    async def _after_break(self, batch: Sequence[Ticket], why: BaseException) -> None:
        """Nobody knows whether it was committed. Look each row up; what is not there is tried again until patience ends."""
        log.warning("the store went away during a batch", extra={"rows": len(batch), "why": repr(why)})
        loop = asyncio.get_running_loop()
        left = list(batch)
        while left:
            await asyncio.sleep(0.1)
            still: list[Ticket] = []
            for ticket in left:
                try:
                    version = await self._find(ticket.change.payment.id)
                    if version == ticket.change.payment.version:
                        await self._send([ticket])
                    elif version == ticket.change.payment.version + 1 and not ticket.done.done():
                        ticket.done.set_result(None)  # only we write this version: it is ours
                    else:
                        _fail(ticket, Conflict("another version is stored"))
                except AWAY:
                    if loop.time() - ticket.born > PATIENCE_S:
                        _fail(ticket, Unavailable("the database is away", 2))
                    else:
                        still.append(ticket)
                except ROLLED_BACK as refused:
                    _fail(ticket, await self._told(ticket.change, refused))
            left = still


def _fail(ticket: Ticket, fault: Exception) -> None:
    if not ticket.done.done():
        ticket.done.set_exception(fault)


class Batcher:
    """As many lanes as given; a merchant's bucket chooses the lane, so that its hot balances stay in one."""

    def __init__(
        self, pool: asyncpg.Pool, lanes: int, find: Callable[[str], Awaitable[int]], other: Callable[[Change], Any]
    ) -> None:
        self._lanes = [Lane(pool, find, other) for _ in range(lanes)]

    async def apply(self, change: Change) -> None:
        """Return when it is durable. Raises what `Store.apply` says."""
        await self._lanes[zlib.crc32(change.payment.merchant.encode()) % len(self._lanes)].apply(change)

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
