"""How payments of the last minutes went, by place: a few additions for each payment, whatever the size of the books.

A payment counts for every place that it belongs to: its till, shop, merchant, the till's software, carrier and region, the
channel, the bank (known after a success), and everything. What an incident has claimed is counted by the incident alone, so
that what is left over shows whether there is another one.
"""

from collections import deque
from collections.abc import Iterator

from daozhang.diagnosis.sighting import NO_NOTIFY, WAITING
from daozhang.diagnosis.window import Sighting
from daozhang.watch.health import technical

Place = tuple[str, str]
SLOT_MS = 5_000
SPAN = 36  # slots: three minutes
EVERYWHERE: Place = ("all", "*")
DARK, REFUSED = "dark", "refused"
LATE_MS = 20_000  # a payer who is still asked after so long counts as waiting
_MOST = 200_000
_MOST_TROUBLED = 50_000


def places(one: Sighting) -> list[Place]:
    """Every place that this payment belongs to, the smallest first."""
    till, shop, software, carrier, region, channel = one.places
    named = (("till", till), ("shop", shop), ("merchant", one.merchant), ("software", software), ("carrier", carrier),
             ("region", region), ("channel", channel))  # fmt: skip
    return [*(place for place in named if place[1]), EVERYWHERE]


def trouble_of(one: Sighting) -> str:
    """What ails it: ``dark`` (no information in time), ``waiting``, ``no_notify``, ``refused`` (for a technical reason); empty: nothing."""
    if one.symptom in (WAITING, NO_NOTIFY):
        return one.symptom
    if one.symptom:
        return DARK
    return REFUSED if one.refused and technical(one.refused) else ""


class Slot:
    """Five seconds of one place."""

    __slots__ = ("fine", "slot", "troubled")

    def __init__(self, slot: int) -> None:
        self.slot, self.fine = slot, 0
        self.troubled: dict[str, int] | None = None

    def add(self, trouble: str, by: int) -> None:
        if not trouble:
            self.fine += by
            return
        if self.troubled is None:
            self.troubled = {}
        self.troubled[trouble] = self.troubled.get(trouble, 0) + by

    def of(self, trouble: str) -> int:
        return self.troubled.get(trouble, 0) if self.troubled is not None else 0


class Counts:
    """Bounded memory; not for several threads."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}  # id -> how it counted: fine, a trouble, or pending
        self._order: deque[tuple[int, str]] = deque()
        self._slots: dict[Place, list[Slot]] = {}
        self._turns: deque[Place] = deque()
        self._pending: dict[str, Sighting] = {}
        self.troubled: dict[str, Sighting] = {}  # of the last minutes, oldest first
        self.touched: set[tuple[str, Place]] = set()
        self._newest = 0

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, one: Sighting) -> str:
        """Take one; the trouble that it newly shows, or empty."""
        slot = one.at_ms // SLOT_MS
        self._newest = max(self._newest, slot)
        if slot < self._newest - SPAN:
            return ""
        known, trouble = self._seen.get(one.id), trouble_of(one)
        if known is None:
            self._order.append((slot, one.id))
            self._forget()
        elif known != WAITING or one.id not in self._pending:
            return ""  # it was counted: a dark one stays dark when its answer comes after all
        if trouble == WAITING:
            self._seen[one.id] = WAITING
            self._pending.setdefault(one.id, one)
            return ""
        self._pending.pop(one.id, None)
        self._seen[one.id] = trouble or "fine"
        self._count(one, trouble)
        return trouble

    def ripen(self, now_ms: int) -> list[Sighting]:
        """Payers who are still asked after LATE_MS: each is told once."""
        ripe = []
        for one in list(self._pending.values()):
            if now_ms - one.at_ms < LATE_MS:
                break
            del self._pending[one.id]
            self._count(one, WAITING)
            ripe.append(one)
        return ripe

    def _count(self, one: Sighting, trouble: str) -> None:
        for place in places(one):
            self._add(place, one.at_ms // SLOT_MS, trouble, 1)
            if trouble:
                self.touched.add((trouble, place))
        if trouble:
            self.troubled[one.id] = one
            if len(self.troubled) > _MOST_TROUBLED:
                del self.troubled[next(iter(self.troubled))]

    def claim(self, one: Sighting, trouble: str) -> None:
        """An incident explains it: it is troubled no more for anybody else."""
        if self.troubled.pop(one.id, None) is not None:
            for place in places(one):
                self._add(place, one.at_ms // SLOT_MS, trouble, -1)

    def give_back(self, one: Sighting, trouble: str) -> None:
        """The incident does not explain it after all."""
        if one.id not in self.troubled:
            self._count(one, trouble)

    def _add(self, place: Place, slot: int, trouble: str, by: int) -> None:
        slots = self._slots.get(place)
        if slots is None:
            slots = self._slots[place] = []
            self._turns.append(place)
        at = len(slots)
        while at and slots[at - 1].slot > slot:
            at -= 1
        if not at or slots[at - 1].slot < slot:
            slots.insert(at, Slot(slot))
            at += 1
            if len(slots) > SPAN + 2:
                del slots[0]
                at -= 1
        if at:
            slots[at - 1].add(trouble, by)

    def _forget(self) -> None:
        """A step for a step, so that no call takes long."""
        old = self._newest - SPAN
        while self._order and (self._order[0][0] < old or len(self._order) > _MOST):
            _, ident = self._order.popleft()
            self._seen.pop(ident, None)
            self._pending.pop(ident, None)
            self.troubled.pop(ident, None)
        if self._turns:
            place = self._turns.popleft()
            if self._slots[place][-1].slot < old:
                del self._slots[place]
            else:
                self._turns.append(place)

    def slots(self, place: Place) -> list[Slot]:
        return self._slots.get(place, [])

    def names(self, kind: str) -> list[str]:
        """The places of a kind that were seen lately; few for the kinds that are asked about."""
        return [name for held, name in self._slots if held == kind]

    def within(self, place: Place, trouble: str, first: int, last: int) -> tuple[int, int]:
        """(troubled, fine) in these slots."""
        held = [one for one in self.slots(place) if first <= one.slot <= last]
        return sum(one.of(trouble) for one in held), sum(one.fine for one in held)

    def found_at(self, place: Place, trouble: str, first: int) -> Iterator[Sighting]:
        """The troubled ones of a place since a slot, oldest first."""
        for one in self.troubled.values():
            if one.at_ms // SLOT_MS >= first and trouble_of(one) == trouble and (place == EVERYWHERE or place in places(one)):
                yield one
