"""How each channel and bank is at the moment: rates of the last five minutes, kept as payments pass, never by reading a table.

Three ends, as India's NPCI counts them: it went through; a *business decline* (the payer or a rule said no, with proof); a
*technical decline* (no information in time, or a refusal that names a technical party).
"""

from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from daozhang.diagnosis.window import Sighting

SLOT_MS = 10_000
_SPAN = 30  # slots: five minutes
_MOST_PLACES = 500
_EDGES_MS = (25, 50, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 15_000)
# A refusal that names one of these is nobody's wish: something does not work.
_TECHNICAL = frozenset({"platform", "clearing", "us", "network", "info", "integration", "device"})
_AT_BANK = frozenset({"bank.unavailable", "bank.maintenance", "bank.slow"})


def technical(refused: str) -> bool:
    """Whether a refusal of this cause is a technical decline."""
    return refused.partition(".")[0] in _TECHNICAL or refused in _AT_BANK


class Rates(NamedTuple):
    """Counts of a place. ``p95_ms`` is the upper edge of the bucket that holds the 95th of a hundred answers; 0: none."""

    paid: int = 0
    technical: int = 0
    business: int = 0
    p95_ms: int = 0

    @property
    def payments(self) -> int:
        return self.paid + self.technical + self.business

    def share(self, count: int) -> float | None:
        return round(count / self.payments, 4) if self.payments else None


class _Slot:
    __slots__ = ("counts", "slot", "took")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.counts = [0, 0, 0]
        self.took = [0] * (len(_EDGES_MS) + 1)


class Health:
    """One process's view. ``see`` is told of each payment once."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], deque[_Slot]] = {}
        self._newest = 0

    def see(self, one: Sighting) -> None:
        end = 1 if one.symptom else 0 if not one.refused else 1 if technical(one.refused) else 2
        bucket = bisect_left(_EDGES_MS, one.took_ms) if one.took_ms else -1
        self._count(("channel", one.places.channel), one.at_ms // SLOT_MS, end, bucket)
        if one.bank:
            self._count(("bank", one.bank), one.at_ms // SLOT_MS, end, bucket)

    def _count(self, place: tuple[str, str], slot: int, end: int, bucket: int) -> None:
        if slot > self._newest:
            self._newest = slot
        slots = self._places.get(place)
        if slots is None:
            if len(self._places) >= _MOST_PLACES:
                self._drop_old()
            slots = self._places.setdefault(place, deque(maxlen=_SPAN + 2))
        if not slots or slots[-1].slot < slot:
            slots.append(_Slot(slot))
        found = slots[-1]
        if found.slot > slot:  # a late one finds its own slot
            found = next((held for held in reversed(slots) if held.slot <= slot), slots[0])
        found.counts[end] += 1
        if bucket >= 0:
            found.took[bucket] += 1

    def _drop_old(self) -> None:
        old = self._newest - _SPAN
        self._places = {name: slots for name, slots in self._places.items() if slots and slots[-1].slot >= old}

    def names(self, kind: str) -> list[str]:
        return sorted(name for held, name in self._places if held == kind)

    def rates(self, kind: str, name: str, now_ms: int, within_ms: int = _SPAN * SLOT_MS) -> Rates:
        """Of the last ``within_ms``, counted by when each payment began."""
        first = (now_ms - within_ms) // SLOT_MS
        slots = [held for held in self._places.get((kind, name), ()) if held.slot > first]
        took = [sum(column) for column in zip(*(held.took for held in slots), strict=True)]
        paid, tech, business = (sum(held.counts[at] for held in slots) for at in range(3))
        return Rates(paid, tech, business, _p95(took))


def _p95(took: list[int]) -> int:
    wanted, passed = sum(took) * 0.95, 0
    for edge, count in zip((*_EDGES_MS, 2 * _EDGES_MS[-1]), took, strict=False):
        passed += count
        if passed >= wanted and passed:
            return edge
    return 0
