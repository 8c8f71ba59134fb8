"""Watching over all payments: the desk's steps are written down by one process at a time; whoever follows it reads the books.

Every working process counts what it sees, so that the next one can lead at once; only the leader decides and writes.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from daozhang.core.changed import changed
from daozhang.core.faults import Conflict, Fault
from daozhang.core.ids import ulid
from daozhang.core.incident import Incidents, Owes, Step, nobody
from daozhang.core.payment import Payment
from daozhang.diagnosis.window import Sighting
from daozhang.flow.house import House
from daozhang.watch.desk import Desk
from daozhang.watch.notices import Notices
from daozhang.watch.whose import Ranked

log = logging.getLogger("daozhang.watcher")
LOOK_MS = 1_000
LEASE_MS = 5_000


class Watcher:
    """``run`` until ``stop``. ``alert`` says who is owed an alert of a step that has news; it is written down with it."""

    def __init__(self, house: House, books: Incidents, *, livemode: bool = False, publish_at: int = 20, alert: Owes = nobody) -> None:
        self._house, self._books, self._alert = house, books, alert
        self._livemode, self._publish_at = livemode, publish_at
        self._stopping = self._leads = False
        self._me = f"{house.who} {house.rand.bytes(6).hex()}"
        self._versions: dict[str, int] = {}  # as we wrote them last
        self._notices = Notices()
        self.desk = self._new_desk()

    def _new_desk(self) -> Desk:
        lookout = self._house.lookout
        if lookout is None:
            raise ValueError("who watches needs a lookout")
        names = {channel.name: channel.manifest["words"] for channel in self._house.shelf}
        desk = Desk(self._new_id, names, livemode=self._livemode, publish_at=self._publish_at)
        lookout.on_seen = self._seen
        return desk

    def _new_id(self) -> str:
        return f"inc_{ulid(self._house.clock.now_ms(), self._house.rand.bytes(9), 0)}"

    def named(self, payment: Payment, ranked: Ranked) -> None:
        """The namer's word about a dark payment, and the channel's own word in it."""
        self.desk.named(payment.id, ranked)
        self._notices.heard(payment.channel, payment.id, str((payment.doubt or {}).get("hint") or ""), self._house.clock.now_ms())

    def _seen(self, one: Sighting) -> None:
        self.desk.see(one)
        self._notices.heard(one.places.channel, one.id, one.refused, one.at_ms)

    def stop(self) -> None:
        self._stopping = True

    @property
    def leads(self) -> bool:
        return self._leads

    async def run(self) -> None:
        while not self._stopping:
            await self._house.clock.sleep_until(self._house.clock.now_ms() + LOOK_MS)
            try:
                await self.look()
            except (Fault, OSError) as why:
                log.warning("incidents are looked at later", extra={"why": repr(why)})

    async def look(self) -> Sequence[Step]:
        """One look; what was written down. Nothing, while another process leads."""
        if not await self._books.lead(self._me, LEASE_MS):
            self._leads = False
            self.desk.cases.clear()  # whoever leads carries them on; they are read again when it is our turn
            return ()
        await self._read()
        self._leads = True
        for window in self._notices.due(self._house.clock.now_ms()):
            await self._books.add_window(window)
        written = []
        for step in self.desk.look(self._house.clock.now_ms()):
            done = await self._write(step)
            if done is not None:
                written.append(done)
        return written

    async def _read(self) -> None:
        """What people, and the leader before, have written: ours follow it, and theirs are taken up."""
        stored = {one.id: one for one in await self._books.open_incidents()}
        for ident, case in list(self.desk.cases.items()):
            if ident in stored:
                known = stored.pop(ident)
                if known.version != case.incident.version:
                    self._versions.pop(ident, None)
                    self.desk.stored(known)
            elif not case.hushed and case.incident.version:
                ended = await self._books.incident(ident)
                if ended is not None:
                    self.desk.stored(ended)
        for one in stored.values():
            if one.livemode == self._livemode:
                self.desk.adopt(one, await self._books.hits_of(one.id))

    async def _write(self, step: Step) -> Step | None:
        """In one transaction. Another writer's word is read at the next look, and ours is said again then."""
        i = step.incident
        over = replace(step, incident=changed(i, version=self._versions.get(i.id, i.version))).alerted(self._alert)
        try:
            stored = await self._books.write_incident(over)
        except Conflict:
            self._versions.pop(i.id, None)
            self.desk.unwritten(step)
            return None
        self._versions[i.id] = stored.version
        self.desk.written(stored)
        if not stored.open:
            del self._versions[i.id]
        if step.event:
            log.info(step.event, extra={"incident": stored.id, "stage": stored.stage.value, "party": stored.party,
                                        "place": f"{stored.place} {stored.place_name}", "payments": stored.payments})  # fmt: skip
        return step
