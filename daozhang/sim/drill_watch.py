"""The real watch over a drill: its books in memory, and what it said of incidents held against what was true.

The watch is told nothing but what the platform sees. The truth comes in only in `Judged`, after everything was said.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from daozhang.core.changed import changed
from daozhang.core.faults import Conflict
from daozhang.core.incident import Incident, Incidents, Maintenance, Owed, Probe, Scope, Stage, Step
from daozhang.core.stated import Release, Statements
from daozhang.flow import around
from daozhang.flow.house import House
from daozhang.flow.watcher import Watcher
from daozhang.sim.drill_devices import DrillFleet
from daozhang.sim.drill_faults import AtWork
from daozhang.sim.drill_net import Sale

_LEAST = 20  # payments in its first minute: so large a fault must be found
_OWN = frozenset({"payer", "operator", "limit"})  # what people or rules decide one by one is no incident


class DrillBooks:
    """What `PgIncidents` keeps, for one process; a person writes nothing here."""

    def __init__(self, fleet: DrillFleet) -> None:
        self._fleet = fleet
        self.rows: dict[str, Incident] = {}
        self.hits: dict[str, tuple[str, str, str, int]] = {}  # payment -> incident, merchant, shop, amount
        self.calendar: dict[str, Maintenance] = {}
        self.versions: list[Release] = []

    async def lead(self, _who: str, _lease_ms: int) -> bool:
        return True

    async def write_incident(self, step: Step) -> Incident:
        i = step.incident
        known = self.rows.get(i.id)
        if (known.version if known is not None else 0) != i.version:
            raise Conflict("somebody else has moved the incident")
        self.rows[i.id] = after = changed(i, version=i.version + 1)
        for hit in step.hits:
            self.hits[hit.payment] = (i.id, hit.merchant, hit.shop, hit.amount_fen)
        if after.stage is Stage.MERGED:
            self.hits |= {payment: (after.merged_into, *hit[1:]) for payment, hit in self.hits.items() if hit[0] == i.id}
        return after

    async def incident(self, incident_id: str) -> Incident | None:
        return self.rows.get(incident_id)

    async def open_incidents(self) -> list[Incident]:
        return sorted((one for one in self.rows.values() if one.open), key=lambda one: one.opened_ms)

    async def hits_of(self, incident_id: str, merchant: str = "") -> Scope:
        mine = [hit for hit in self.hits.values() if hit[0] == incident_id and merchant in ("", hit[1])]
        return Scope(len(mine), sum(hit[3] for hit in mine), len({hit[1] for hit in mine}), tuple({hit[2] for hit in mine}))

    async def add_window(self, window: Maintenance) -> None:
        known = self.calendar.get(window.id)
        self.calendar[window.id] = window if known is None else replace(known, until_ms=max(known.until_ms, window.until_ms))

    async def windows(self, from_ms: int, to_ms: int) -> list[Maintenance]:
        return [one for one in self.calendar.values() if one.until_ms > from_ms and one.from_ms < to_ms]

    async def releases(self, most: int = 20) -> list[Release]:
        return self.versions[-most:]

    async def probes(self) -> list[Probe]:
        """Nobody probes in a drill."""
        return []

    async def tills_about(self) -> dict[str, tuple[str, str, str]]:
        """As the devices told it."""
        told: dict[str, tuple[str, str, str]] = {}
        for box in self._fleet.boxes.values():
            words = tuple(str(box.state.reported.get(name) or "") for name in ("software", "carrier", "place"))
            was = told.get(box.device.till, ("", "", ""))
            told[box.device.till] = (max(was[0], words[0]), max(was[1], words[1]), max(was[2], words[2]))
        return told


class Said(NamedTuple):
    """One word of the watch, when it was said."""

    at_ms: int
    incident: Incident


class DrillWatch:
    """The product's watcher and its books. ``said``: every word that people would hear of."""

    def __init__(self, house: House, fleet: DrillFleet) -> None:
        self._house, self.books, self.said = house, DrillBooks(fleet), list[Said]()
        self.watcher = Watcher(house, cast(Incidents, self.books), alert=self._hear)

    def _hear(self, step: Step) -> tuple[Owed, ...]:
        self.said.append(Said(self._house.clock.now_ms(), step.incident))
        return ()

    def announce(self, party: str, name: str, from_ms: int, until_ms: int) -> None:
        """A window that somebody entered in the calendar before."""
        ident = f"mnt_{len(self.books.calendar)}"
        self.books.calendar[ident] = Maintenance(ident, party, name, from_ms, until_ms, "person", "key", {}, from_ms)

    def release(self, at_ms: int) -> None:
        """Another version of our own software is at work."""
        self.books.versions.append(Release(f"drill-{len(self.books.versions)}", at_ms, "start"))

    async def look_around(self) -> None:
        """What every process reads from the books every two seconds (`around.keep_looking`)."""
        lookout = self._house.lookout
        assert lookout is not None
        await around.keep_looking(lookout, cast(Incidents, self.books), cast(Statements, self.books), self._house.clock)


class Judged:
    """``sales``: payment -> what was true of it."""

    def __init__(self, watch: DrillWatch, faults: Sequence[AtWork], sales: Mapping[str, Sale], end_ms: int) -> None:
        self._faults, self._end_ms = faults, end_ms
        self._said, self._rows = watch.said, [one for one in watch.books.rows.values() if one.stage is not Stage.MERGED]
        self._struck: dict[str, Counter[int]] = {one.id: Counter() for one in self._rows}
        self._whole: Counter[str] = Counter()
        at = {id(fault): n for n, fault in enumerate(faults)}
        for payment, hit in watch.books.hits.items():
            sale = sales.get(payment)
            self._whole[hit[0]] += 1
            if hit[0] in self._struck and sale is not None and sale.by is not None and party_of(sale.by) not in _OWN:
                self._struck[hit[0]][at[id(sale.by)]] += 1

    def true(self, one: Incident) -> bool:
        """At least half of its payments were struck by faults."""
        return 2 * sum(self._struck[one.id].values()) >= max(self._whole[one.id], 1)

    @property
    def false(self) -> int:
        return sum(not self.true(one) for one in self._rows)

    def detection_s(self) -> list[float]:
        """Of each fault that struck twenty payments in its first minute: until its party was said, with the right place. One that
        was never found counts to the end of the run."""
        found = []
        for n, fault in enumerate(self._faults):
            if fault.first_minute >= _LEAST and fault.fault.play.kind in ("wire", "crash", "notify"):
                own = {one.id for one in self._rows if self._struck[one.id][n] and n == self._struck[one.id].most_common(1)[0][0]}
                at = next((said.at_ms for said in self._said if said.incident.id in own and names(said.incident, fault)), self._end_ms)
                found.append((at - fault.from_ms) / 1000)
        return found

    def table(self, start_ms: int) -> list[dict[str, Any]]:
        return [{"cause": one.cause, "party": f"{one.party} {one.party_name}".strip(), "place": f"{one.place} {one.place_name}", "payments": one.payments,
                 "from_s": (one.opened_ms - start_ms) / 1000, "until_s": ((one.recovered_ms or one.updated_ms) - start_ms) / 1000,
                 "true": self.true(one)} for one in self._rows]  # fmt: skip


def party_of(one: AtWork) -> str:
    return one.fault.cause.partition(".")[0]


def names(one: Incident, fault: AtWork) -> bool:
    """Whether it says whose fault it is, and lies where the fault strikes or in something that contains it alone."""
    party = "platform" if fault.fault.play.kind == "notify" else party_of(fault)
    return one.stage is not Stage.INVESTIGATING and one.party == party and one.place in _places(fault)


def _places(fault: AtWork) -> tuple[str, ...]:
    f = fault.fault
    narrow = tuple(kind for kind, name in (("till", f.till), ("merchant", f.merchant), ("shop", f.merchant), ("software", f.software), ("carrier", f.carrier),
                                           ("region", f.region), ("bank", fault.bank), ("channel", fault.channel)) if name)  # fmt: skip
    return narrow or ("all",)
