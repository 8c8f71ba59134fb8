"""Group commit: what queued while the last batch was committing goes together next; nobody waits on purpose.

One lane is one connection. A payment always takes the same lane, and never stands twice in one batch. A batch that is
refused is halved until the poison row is alone, so that it harms nobody. When the connection breaks nobody knows
whether the batch was committed: it is sent again under the same number, and the database applies a number only once.
"""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from daozhang.core.faults import Conflict, KeyUsed, SaleTaken, Unavailable
from daozhang.core.must import Broken
from daozhang.core.ports import Change
from daozhang.store.thin import written

log = logging.getLogger("daozhang.store")
MOST_ROWS = 256
# A batch is made up after so many turns of the loop: what is ready to be written in the same moment goes with it (a quarter
# of PostgreSQL's work at 64 in flight, a tenth of ours); where nothing else is ready a turn takes no time.
_TURNS = 2
MOST_WAITING = 20_000  # changes in one lane's queue; more would wait longer than anybody stays
PATIENCE_S = 5.0  # how long a caller waits for a database that is away
_TRY_AT_LEAST_S = 0.5
_APPLY = "select dz_apply($1, $2, $3::text::jsonb)"
_LEAN = "select dz_apply_lean($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)"
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder(list[tuple[int, str, str | None, str | None]]).decode

# The connection is gone, or the server is going or coming: the outcome of what was sent is not known.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver, confused by a connection that broke in the middle
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncio.TimeoutError,
)
# A value that no database could hold: NUL characters, half surrogate pairs, numbers out of range.
BAD_VALUE = (asyncpg.DataError, asyncpg.exceptions.UntranslatableCharacterError, ValueError, OverflowError)
# The batch was refused and rolled back, for one of its rows or by accident.
ROLLED_BACK = (asyncpg.PostgresError, ValueError, TypeError, OverflowError, msgspec.MsgspecError)
_BY_ACCIDENT = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# What the lean function says when a row is out of the ordinary: nothing was written, and dz_apply knows what to do.
_OUT_OF_THE_ORDINARY = (asyncpg.UniqueViolationError, asyncpg.SerializationError)

Other = Callable[[Change], Awaitable[str]]


@dataclass(slots=True)
class Ticket:
    """One caller's change and the future that it waits for; ``born`` in the loop's seconds."""

    change: Change
    done: "asyncio.Future[None]"
    born: float

    def fail(self, fault: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(fault)

    def succeed(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Lane:
    """One queue, one connection, one batch at a time."""

    def __init__(self, dsn: str, other: Other) -> None:
        self._dsn = dsn
        self._other = other  # what stands in the way of a new attempt: see PgStore._in_the_way
        self._id = UUID(bytes=os.urandom(16))
        self._turn = 0
        self._link: asyncpg.Connection | None = None
        self._statement: Any = None
        self._lean: Any = None
        self._queue: deque[Ticket] = deque()
        self._wake = asyncio.Event()
        self._asides: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store lane")

    async def apply(self, change: Change) -> None:
        loop = asyncio.get_running_loop()
        if len(self._queue) >= MOST_WAITING or self._task.done():
            raise Unavailable("the store has more to write than it can")
        ticket = Ticket(change, loop.create_future(), loop.time())
        self._queue.append(ticket)
        self._wake.set()
        await ticket.done

    def waits_since(self) -> float | None:
        """When the oldest change that is not on its way yet was handed in, by the loop's clock."""
        return self._queue[0].born if self._queue else None

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, *self._asides, return_exceptions=True)
        while self._queue:
            self._queue.popleft().fail(Unavailable("the store is closing"))
        if self._link is not None:
            with contextlib.suppress(*AWAY):
                await self._link.close(timeout=2)

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            batch = self._next_batch()
            try:
                await self._commit(batch)
            except Unavailable as why:
                for ticket in batch:
                    ticket.fail(Unavailable(str(why), why.retry_s))
            except asyncio.CancelledError:
                for ticket in batch:
                    ticket.fail(Unavailable("the store is closing"))
                raise
            except Exception as bug:
                log.exception("a batch failed in a way nobody foresaw")
                for ticket in batch:
                    ticket.fail(Unavailable(f"the store failed: {type(bug).__name__}"))

    def _next_batch(self) -> list[Ticket]:
        """The oldest waiting changes, each payment once; sorted, so that two processes lock in the same order."""
        batch: dict[str, Ticket] = {}
        later: list[Ticket] = []
        while self._queue and len(batch) < MOST_ROWS:
            ticket = self._queue.popleft()
            if ticket.done.done():
                continue  # the caller has gone before anything was sent
            if ticket.change.payment.id in batch:
                later.append(ticket)
                continue
            batch[ticket.change.payment.id] = ticket
        self._queue.extendleft(reversed(later))
        return [batch[payment] for payment in sorted(batch)]

    async def _commit(self, batch: list[Ticket], accidents: int = 0) -> None:
        try:
            outcomes = await self._send(batch)
        except ROLLED_BACK as why:
            await self._rolled_back(batch, why, accidents)
            return
        told = {at for at, _, _, _ in outcomes}
        for at, ticket in enumerate(batch, 1):
            if at not in told:
                ticket.succeed()
        for at, outcome, made, fingerprint in outcomes:
            self._answer(batch[at - 1], outcome, made, fingerprint)

    async def _rolled_back(self, batch: list[Ticket], why: Exception, accidents: int) -> None:
        """Nothing of the batch was written: again after an accident, otherwise in halves until the cause is alone."""
        if isinstance(why, _BY_ACCIDENT) and accidents < 3:
            await self._commit(batch, accidents + 1)
        elif len(batch) == 1:
            self._refused(batch[0], why)
        elif batch:
            log.info(
                "a batch was rolled back and is tried in halves", extra={"rows": len(batch), "why": type(why).__name__}
            )
            half = len(batch) // 2
            await self._commit(batch[:half])
            await self._commit(batch[half:])

    async def _send(self, batch: list[Ticket]) -> list[tuple[int, str, str | None, str | None]]:
        """The outcomes of rows that were not written. Raises ROLLED_BACK, or Unavailable when patience ends."""
        changes = [ticket.change for ticket in batch]
        text, lean = _encode([written(change) for change in changes]).decode(), _lean(changes)
        self._turn += 1
        turn = self._turn
        loop = asyncio.get_running_loop()
        end = min((ticket.born for ticket in batch), default=loop.time()) + PATIENCE_S
        while True:
            try:
                async with asyncio.timeout_at(max(end, loop.time() + _TRY_AT_LEAST_S)):
                    await self._ready()
                    if lean is not None:
                        try:
                            return _decode(await self._lean.fetchval(self._id, turn, *lean, text))
                        except _OUT_OF_THE_ORDINARY:
                            lean = None
                    return _decode(await self._statement.fetchval(self._id, turn, text))
            except AWAY as why:
                self._hang_up()
                if isinstance(why, ValueError):
                    raise  # the driver's own refusal of a value: nothing was sent
                if loop.time() >= end:
                    log.warning("the store is away", extra={"rows": len(batch), "why": repr(why)})
                    raise Unavailable("the database is away; it is not known whether this was written", 2) from None
                await asyncio.sleep(0.05)

    async def _ready(self) -> None:
        if self._link is None or self._link.is_closed():
            self._link = await asyncpg.connect(self._dsn, timeout=PATIENCE_S)
            self._statement = await self._link.prepare(_APPLY)
            self._lean = await self._link.prepare(_LEAN)

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.terminate()
        self._link = self._statement = self._lean = None

    def _answer(self, ticket: Ticket, outcome: str, made: str | None, fingerprint: str | None) -> None:
        if outcome == "key_used":
            ticket.fail(KeyUsed(made or "", fingerprint or ""))
        elif outcome == "not_new":
            self._aside(ticket)
        else:
            ticket.fail(Conflict("another version is stored"))

    def _refused(self, ticket: Ticket, why: BaseException) -> None:
        """A single refused row, in the words of the port."""
        name = getattr(why, "constraint_name", "") or ""
        if isinstance(why, asyncpg.UniqueViolationError) and name in ("payment_sale_lock", "idempotency_pkey"):
            self._aside(ticket)
        elif isinstance(why, _BY_ACCIDENT):
            ticket.fail(Conflict("the database asked to try again"))
        elif isinstance(why, (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)):
            ticket.fail(Unavailable("the database is too busy"))
        elif isinstance(why, (asyncpg.InsufficientResourcesError, asyncpg.ReadOnlySQLTransactionError)):
            ticket.fail(Unavailable("the database takes nothing at the moment", 5))
        else:
            ticket.fail(Broken(f"the store refused it: {type(why).__name__} {name}".strip()))

    def _aside(self, ticket: Ticket) -> None:
        """Somebody was faster. Find out who without holding up the lane; when they have gone again, try again."""
        task = asyncio.get_running_loop().create_task(self._who_was_faster(ticket))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _who_was_faster(self, ticket: Ticket) -> None:
        try:
            other = await self._other(ticket.change)
        except Exception as why:
            ticket.fail(why if isinstance(why, Unavailable) else Unavailable(f"the store failed: {type(why).__name__}"))
            return
        if other and other == ticket.change.payment.id:
            ticket.fail(Conflict("another version is stored"))
        elif other:
            ticket.fail(SaleTaken(other))
        elif asyncio.get_running_loop().time() - ticket.born > PATIENCE_S or self._task.done():
            ticket.fail(Conflict("others keep taking and leaving the sale"))
        else:
            self._queue.append(ticket)
            self._wake.set()


def _lean(changes: list[Change]) -> tuple[int, int, bool, bool, bool, str] | None:
    """What the lean function is told of a batch beside the batch; None when a refund is among it."""
    if any(change.refund is not None for change in changes):
        return None
    new = sum(change.payment.version == 0 for change in changes)
    return (
        new,
        len(changes) - new,
        any(change.transfers for change in changes),
        any(change.key is not None for change in changes),
        any(change.timer_ms for change in changes),
        " ".join(change.payment.id for change in changes if change.wake),
    )


class Batcher:
    """As many lanes as given; a merchant's bucket chooses the lane, so that its hot balances stay in one."""

    def __init__(self, dsn: str, lanes: int, other: Other) -> None:
        self._lanes = [Lane(dsn, other) for _ in range(lanes)]

    async def apply(self, change: Change) -> None:
        """Return when it is durable. Raises what `Store.apply` says."""
        await self._lanes[change.payment.bucket % len(self._lanes)].apply(change)

    def queue_ms(self) -> float:
        """How long the oldest waiting change has waited: what a new one has before it."""
        since = [moment for lane in self._lanes if (moment := lane.waits_since()) is not None]
        return (asyncio.get_running_loop().time() - min(since)) * 1000 if since else 0.0

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
