"""From the outbox to the shop: announcements are made, and whoever was not heard is told about in writing.

Runs beside the janitor, so that a gateway that dies silences no alarm.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Protocol

from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict, Fault, Unavailable
from daozhang.core.fleet import Announcement, Fleet
from daozhang.core.ids import bucket_of_ulid, is_ulid
from daozhang.core.payment import State
from daozhang.core.ports import Event
from daozhang.devices.announcing import LEASE_MS, SILENT_AFTER_MS, silence
from daozhang.flow.find_out import due_ms
from daozhang.flow.house import House
from daozhang.flow.pen import Pen

log = logging.getLogger("daozhang.crier")
_LOOK_MS = 200
_ALL_MS = 1_000  # every bucket, for notifications that were missed
_OLD_MS = 60_000
FACTS_LIVE_MS = 90 * 86_400_000  # what happened to a device; announcements and commands are kept
_MOST_FORGOTTEN = 5_000
_MANY_LINES = 200
_LOOKS, _BETWEEN_MS = 6, 8  # a notified line may wait for a transaction that began earlier: look a few times
_SAID_ALARM, _SAID_PLAYED = 1, 2


class Books(Fleet, Protocol):
    """The fleet's store, with the errand that only we do."""

    async def give_up_on(self, now_ms: int) -> int: ...
    async def forget_facts(self, before_ms: int, most: int) -> int: ...


class Crier:
    """``woken`` with payment ids from the store's notifications; ``run`` until ``stop``."""

    def __init__(self, house: House, fleet: Books) -> None:
        self._house, self._fleet = house, fleet
        self._dirty: set[int] = set()
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def woken(self, payload: str) -> None:
        """A notification: ids of payments that moved."""
        for ident in payload.split():
            tail = ident.partition("_")[2]
            if is_ulid(tail):
                self._dirty.add(bucket_of_ulid(tail))
        if self._dirty:
            self._wake.set()

    async def run(self) -> None:
        reading = asyncio.create_task(self._read_outbox(), name="crier outbox")
        try:
            while not self._stopping:
                await self._once()
                await asyncio.sleep(_LOOK_MS / 1000)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _once(self) -> None:
        try:
            while await self.note():
                pass
        except (Fault, OSError) as why:
            log.warning("stories are written later", extra={"why": repr(why)})

    # -- from the outbox -------------------------------------------------------------------------------------------------

    async def _read_outbox(self) -> None:
        loop = asyncio.get_running_loop()
        everything = old = 0.0
        looks: dict[int, int] = {}
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((_BETWEEN_MS if looks else _ALL_MS) / 1000):
                    await self._wake.wait()
            self._wake.clear()
            looks |= dict.fromkeys(self._dirty, _LOOKS)
            self._dirty.clear()
            try:
                now = loop.time() * 1000
                if now - everything >= _ALL_MS:
                    everything = now
                    await self._announce(None)
                elif looks:
                    await self._announce(sorted(looks))
                looks = {bucket: left - 1 for bucket, left in looks.items() if left > 1}
                if now - old >= _OLD_MS:
                    old = now
                    wall = self._house.clock.now_ms()
                    await self._fleet.give_up_on(wall)
                    while await self._fleet.forget_facts(wall - FACTS_LIVE_MS, _MOST_FORGOTTEN) == _MOST_FORGOTTEN:
                        await asyncio.sleep(0.1)  # others want the database too
            except (Fault, OSError) as why:
                log.warning("the outbox is read later", extra={"why": repr(why)})
                await asyncio.sleep(0.3)

    async def _announce(self, buckets: list[int] | None) -> int:
        """At least once; again only while there is more than one round can take."""
        total = lines = await self._fleet.announce(buckets, self._house.clock.now_ms())
        while lines >= _MANY_LINES:
            lines = await self._fleet.announce(buckets, self._house.clock.now_ms())
            total += lines
        return total

    # -- into the story --------------------------------------------------------------------------------------------------

    async def note(self) -> int:
        """Write a line for each announcement that was heard, or was not heard in time; how many."""
        found = await self._fleet.to_note(self._house.clock.now_ms(), SILENT_AFTER_MS, LEASE_MS)
        outcomes = await asyncio.gather(*(self._write(one) for one in found), return_exceptions=True)
        done = []
        for one, outcome in zip(found, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                if not isinstance(outcome, Fault):
                    log.error("a story was not written", extra={"announcement": one.id}, exc_info=outcome)
            else:
                done.append((one, _SAID_PLAYED if one.played_ms else _SAID_ALARM))
        if done:
            await self._fleet.noted(done)
        return len(done)

    async def _write(self, one: Announcement) -> None:
        """Evidence and event in one transaction. Raises Conflict, Unavailable: then the lease ends and it comes again."""
        house = self._house
        for _ in range(5):
            payment = await house.store.payment(one.payment)
            if payment is None or not payment.proven or payment.state is State.SURPLUS:
                return  # somebody is asking about it at this moment; the announcement itself keeps its times
            row = await house.account(payment.account)
            now = house.clock.now_ms()
            pen = Pen(house, payment, row.fee_rate)
            line, kind = self._line(one, now)
            pen.note(line)
            pen.also(Event(kind, one.merchant, one.bucket, one.payment, now, _thin(one, line)))
            told = now if one.played_ms and payment.told_ms < payment.decided_ms else payment.told_ms
            manners = house.channel(payment.channel).manners
            try:
                await pen.commit(replace(payment, told_ms=told), due_ms(payment, manners, now))
                return
            except Conflict:
                continue
        raise Unavailable("others keep moving the payment")

    def _line(self, one: Announcement, now: int) -> tuple[Evidence, str]:
        who = f"speaker:{one.device[-6:]}"
        detail = {"announcement": one.id, "device": one.device, "kind": one.kind, "late": one.late,
                  "queued_ms": one.queued_ms, "delivered_ms": one.delivered_ms, "played_ms": one.played_ms}  # fmt: skip
        if one.played_ms:
            text = f"{'补报' if one.late else '播报'}完成 / {'said late' if one.late else 'said'}"
            return Evidence(one.payment, 0, now, "told", who, "announce", text=text, detail=detail), "announcement.played"
        code, zh, en = silence(one) or ("", "", "")
        says = {"why": one.why or "silent", "says": {"zh": zh, "en": en}}
        line = Evidence(one.payment, 0, now, "act", "us", "announce", code=code, text=f"{zh} / {en}", detail={**detail, **says})
        return line, "announcement.failed"


def _thin(one: Announcement, line: Evidence) -> dict[str, object]:
    return {
        "payment": one.payment,
        "announcement": one.id,
        "speaker": one.device,
        "state": one.state.value,
        "late": one.late,
        "cause": line.code or None,
    }
