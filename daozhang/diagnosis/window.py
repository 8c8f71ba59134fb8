"""What happened to others in the last minutes, by place: constant work for each sighting, bounded memory, no table read.

A sighting is one payment (or one device) with its places and how it went: fine, or dark with a symptom. It may come
twice, late, or changed; the last word of each counts once. `crowd` then asks of each kind of place how well "the fault
lies here" explains what was dark and what was fine: inside the place an unknown share is dark, outside only the few that
always are. The smallest place that explains all dark ones and none of the healthy ones comes out best.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from math import lgamma, log
from typing import NamedTuple

from daozhang.diagnosis.facts import Crowd

SLOT_MS = 5_000
_SPAN = 36  # slots: three minutes
_BEFORE, _AFTER = 3, 6  # slots that count as "at that moment"
_WIDE = 12
_FEW = 24  # fewer than so many: look wider
_LAG = 2  # slots until all dark ones of a slot are known
MOST = 200_000
# Beta priors: the dark share inside a faulty place (unknown, rather large), and outside of it (what is always lost).
_INSIDE, _OUTSIDE, _PARTIAL = (1.5, 1.0), (0.6, 200.0), (2.0, 5.0)
_BASE_KEEPS = 0.97  # per slot: the usual share of each bank is remembered for some three minutes of payments
_LEAST_EXPECTED = 4.0
_MISSING = 0.08  # of its usual successes still come when a bank is away
_SECOND, _TWO_AT_ONCE = 4, log(0.02)  # so many dark ones elsewhere are a fault of their own; two at once are rare
_SPEAKS = 8  # so many dark ones in one stretch tell by themselves when it began and ended
_WELL_AGAIN = 6  # so many fine ones after it show that it is over
_ONE_WALLET = log(0.05)  # a bank that is away behind one wallet alone is rare
_EVERYWHERE = (6, "*")
_MOST_SHARE, _HALF_SHARE = 0.85, 0.42


class Places(NamedTuple):
    """Where a payment or device is; empty: not known."""

    terminal: str = ""
    shop: str = ""
    software: str = ""
    carrier: str = ""
    region: str = ""
    channel: str = ""


class Sighting(NamedTuple):
    """``symptom`` empty: fine. ``bank``: known only after a success. ``at_ms``: when it began. The rest is for whoever counts
    (`daozhang.watch`): ``refused``, the cause that a proven refusal names; ``took_ms``, the channel's last answer."""

    id: str
    at_ms: int
    places: Places
    symptom: str = ""
    bank: str = ""
    merchant: str = ""
    amount_fen: int = 0
    took_ms: int = 0
    refused: str = ""
    livemode: bool = False


class Stretch(NamedTuple):
    """From slot to slot a place was sick. ``over_ms``: when it was well again (0: that is not seen yet)."""

    first: int
    last: int
    dark: int
    over_ms: int


class _Slot:
    """Five seconds of one place. Most places have no dark one ever, so they have no table for them."""

    __slots__ = ("dark", "fine", "slot")

    def __init__(self, slot: int) -> None:
        self.slot, self.fine = slot, 0
        self.dark: dict[str, int] | None = None

    def add(self, symptom: str, by: int) -> None:
        if not symptom:
            self.fine += by
            return
        if self.dark is None:
            self.dark = {}
        self.dark[symptom] = self.dark.get(symptom, 0) + by


class _Tally:
    """Counts of one place, slots in the order of time."""

    __slots__ = ("slots",)

    def __init__(self) -> None:
        self.slots: list[_Slot] = []

    def add(self, slot: int, symptom: str, by: int) -> None:
        slots = self.slots
        if slots and slots[-1].slot == slot:
            slots[-1].add(symptom, by)
        else:
            self._at(slot).add(symptom, by)

    def _at(self, slot: int) -> _Slot:
        """A late sighting finds its own slot."""
        place = len(self.slots)
        while place and self.slots[place - 1].slot > slot:
            place -= 1
        if place and self.slots[place - 1].slot == slot:
            return self.slots[place - 1]
        made = _Slot(slot)
        self.slots.insert(place, made)
        if len(self.slots) > _SPAN:
            del self.slots[0]
        return made

    def counted(self, symptom: str, first: int, last: int) -> tuple[int, int]:
        """(dark with this symptom, fine) in these slots."""
        dark = fine = 0
        for one in self.slots:
            if first <= one.slot <= last:
                fine += one.fine
                if one.dark is not None:
                    dark += one.dark.get(symptom, 0)
        return dark, fine

    def share(self, symptom: str, first: int, last: int, own: int, over: bool) -> str:
        """Between the first and the last dark one in these slots: was ``most``, ``half`` or a ``few`` of it dark? Empty: too few seen.

        ``own``: the slot of the one that asks, which does not count (0: it was not seen). ``over``: it healed in the last slot.
        """
        told = self._told(symptom, first, last)
        sick = [at for at, one in enumerate(told) if one[1] > 0]
        held = told[sick[0] + 1 : sick[-1] + (not over)] or told[sick[0] : sick[-1] + 1] if sick else []
        dark = sum(one[1] - (one[0] == own) for one in held)
        return share_of({"": (dark, sum(one[2] for one in held))}, "")

    def stretch(self, symptom: str, first: int, last: int, at: int) -> Stretch | None:
        """The run of slots around ``at`` that was sick while the rest was well: how likely each run is decides, so that one lost
        by chance long afterwards does not make it longer."""
        slots = self._told(symptom, first, last)
        whole = [sum(column) for column in zip(*slots, strict=True)]
        best: tuple[float, Stretch] | None = None
        for begin in range(len(slots)):
            dark = fine = 0
            for end in range(begin, len(slots)):
                dark, fine = dark + slots[end][1], fine + slots[end][2]
                if not slots[begin][0] <= at <= slots[end][0] or not slots[begin][1] or not slots[end][1]:
                    continue
                fit = _beta(dark, fine, *_INSIDE) + _beta(whole[1] - dark, whole[2] - fine, *_OUTSIDE)
                if best is None or fit > best[0]:
                    best = fit, Stretch(slots[begin][0], slots[end][0], dark, _over_ms(slots[end], slots[end + 1 :]))
        return best[1] if best is not None else None

    def _told(self, symptom: str, first: int, last: int) -> list[tuple[int, int, int]]:
        """(slot, dark with this symptom, fine) of these slots."""
        return [(one.slot, one.dark.get(symptom, 0) if one.dark else 0, one.fine) for one in self.slots if first <= one.slot <= last]


def _over_ms(last: tuple[int, int, int], after: Sequence[tuple[int, int, int]]) -> int:
    """It healed somewhere in its last slot: about where the fine ones of that slot begin."""
    slot, dark, fine = last
    well = sum(one[2] for one in after) >= _WELL_AGAIN
    return slot * SLOT_MS + SLOT_MS * dark // (dark + fine) if well else 0


class Window:
    """One process's memory of the last minutes. Not for several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: dict[str, Sighting] = {}
        self._ids: deque[str] = deque()
        self._tallies: dict[tuple[int, str], _Tally] = {}
        self._keys: deque[tuple[int, str]] = deque()
        self._banks = _Tally()
        self._usual: dict[str, float] = {}
        self._usual_slot = 0
        self._newest = 0

    def __len__(self) -> int:
        return len(self._seen)

    def places(self) -> int:
        return len(self._tallies)

    def see(self, one: Sighting) -> bool:
        """Take one sighting; the last word about an id replaces the earlier one. Whether it was the first about it."""
        ident, symptom, slot = one.id, one.symptom, one.at_ms // SLOT_MS
        if slot > self._newest:
            self._newest = slot
        elif slot < self._newest - _SPAN:
            return False
        earlier = self._seen.get(ident)
        if earlier is not None:
            # A dark one stays dark when its answer comes after all: it had no information when it mattered.
            if earlier.symptom == symptom or (earlier.symptom and not symptom):
                return False
            self._count(earlier, -1)
        else:
            self._ids.append(ident)
        self._seen[ident] = one
        self._count(one, 1)
        self._forget()
        return earlier is None

    def _count(self, one: Sighting, by: int) -> None:
        slot, symptom, tallies = one.at_ms // SLOT_MS, one.symptom, self._tallies
        for key in (*enumerate(one.places), _EVERYWHERE):
            if not key[1]:
                continue
            tally = tallies.get(key)
            if tally is None:
                tally = tallies[key] = _Tally()
                self._keys.append(key)
            slots = tally.slots
            if not symptom and slots and slots[-1].slot == slot:
                slots[-1].fine += by  # nearly all are fine and come in the order of time
            else:
                tally.add(slot, symptom, by)
        if one.bank and not one.symptom:
            self._bank(slot, one.bank, by)

    def _bank(self, slot: int, bank: str, by: int) -> None:
        if slot > self._usual_slot:
            keep = _BASE_KEEPS ** min(slot - self._usual_slot, 200)
            self._usual = {name: count * keep for name, count in self._usual.items() if count * keep > 0.01}
            self._usual_slot = slot
        self._usual[bank] = self._usual.get(bank, 0.0) + by
        self._banks.add(slot, bank, by)

    def _forget(self) -> None:
        """A step for a step: what is old leaves at the rate at which new ones come, so no call ever takes long."""
        old = self._newest - _SPAN
        ids, keys = self._ids, self._keys
        if ids and (self._seen[ids[0]].at_ms // SLOT_MS < old or len(ids) > self._most):
            del self._seen[ids.popleft()]
        if keys:
            key = keys.popleft()
            if self._tallies[key].slots[-1].slot < old:
                del self._tallies[key]
            else:
                keys.append(key)  # to the end of the line: each place is looked at in its turn

    # -- asking ----------------------------------------------------------------------------------------------------------

    def crowd(self, ident: str, places: Places, symptom: str, at_ms: int) -> Crowd:
        """What others say about one that was dark with ``symptom``. Its own sighting does not count."""
        slot = at_ms // SLOT_MS
        own = self._seen.get(ident)
        mine = 1 if own is not None and own.symptom == symptom else 0
        # A dark one is known to be so only some seconds after it began: where that has not passed, the fine ones are alone.
        known = max(self._newest - _LAG, slot)
        first, last = slot - _BEFORE, min(slot + _AFTER, known)
        if sum(self._of(len(places), "*", symptom, first, last)) < _FEW:
            first, last = slot - _WIDE, min(slot + _WIDE, known)
        # What was before and after a fault speaks for no place: only the time while it held is counted.
        stretch = self._stretch(places, symptom, first, last, slot)
        if stretch is not None:
            first, last = stretch.first, stretch.last
        over_ms = stretch.over_ms if stretch is not None else 0
        if own is not None and not first <= own.at_ms // SLOT_MS <= last:
            mine = 0
        counts = {
            name: (dark - mine, fine)
            for kind, (name, place) in enumerate(zip((*Places._fields, "all"), (*places, "*"), strict=True))
            if place
            for dark, fine in [self._of(kind, place, symptom, first, last)]
        }
        bank, missing, usual = self._missing(first, last)
        fits = place_fits(counts, bank, missing, usual)
        best = max((name for name in fits if name in counts), key=lambda name: fits[name], default="")
        names = {name: place for name, place in zip(Places._fields, places, strict=True) if place}
        kind = (*Places._fields, "all").index(best) if best else len(places)
        tally = self._tallies.get((kind, (*places, "*")[kind]))
        own_slot = own.at_ms // SLOT_MS if own is not None and mine else 0
        share = tally.share(symptom, first, last, own_slot, over_ms > 0) if tally is not None else ""
        return Crowd(fits, counts, names, share, bank if missing > 0 else "", over_ms)

    def _stretch(self, places: Places, symptom: str, first: int, last: int, slot: int) -> Stretch | None:
        """When the channel, or everything, was sick around this slot; None where too few were dark to tell."""
        for kind, place in ((len(places) - 1, places.channel), _EVERYWHERE):
            tally = self._tallies.get((kind, place))
            found = tally.stretch(symptom, first, last, slot) if tally is not None else None
            if found is not None and found.dark >= _SPEAKS:
                return found
        return None

    def _of(self, kind: int, place: str, symptom: str, first: int, last: int) -> tuple[int, int]:
        tally = self._tallies.get((kind, place))
        return tally.counted(symptom, first, last) if tally is not None else (0, 0)

    def _missing(self, first: int, last: int) -> tuple[str, float, float]:
        """The bank whose successes are missing most: its name, the log-likelihood ratio, and its usual share."""
        now: dict[str, int] = {}
        for one in self._banks.slots:
            if first <= one.slot <= last:
                for name, count in (one.dark or {}).items():
                    now[name] = now.get(name, 0) + count
        before = {name: max(count - now.get(name, 0), 0.0) for name, count in self._usual.items()}
        usual, came = sum(before.values()), sum(now.values())
        best, most, part, looked = "", 0.0, 0.0, 0
        for name, usually in before.items():
            share = usually / usual if usual else 0.0
            if share * came < _LEAST_EXPECTED or share >= 1.0:
                continue
            looked += 1
            left = share * _MISSING / (1 - share + share * _MISSING)
            got = now.get(name, 0)
            ratio = got * log(left / share) + (came - got) * log((1 - left) / (1 - share))
            if ratio > most or not best:
                best, most, part = name, ratio, share
        # Of several banks one always has fewer successes than usual: the best of many is worth less.
        return best, most - log(max(looked, 1)), part


def place_fits(
    counts: Mapping[str, tuple[int, int]], bank: str = "", missing: float = 0.0, usual: float = 0.0
) -> dict[str, float]:
    """Log-likelihood of all counts for each place of the fault."""
    dark, fine = counts["all"]
    fits = {"one": _beta(dark, fine, *_OUTSIDE)}
    for name, (inside_dark, inside_fine) in counts.items():
        fits[name] = _in_place(inside_dark, inside_fine, dark - inside_dark, fine - inside_fine)
    wide = [name for name in ("channel", "all") if name in counts]
    if wide:
        # A bank behind a wallet darkens a part of the place; which part is known only from the successes that are missing.
        prior = (usual * 20, (1 - usual) * 20) if bank and missing > 0 else _PARTIAL
        fits["bank"] = missing + max(
            (0.0 if name == "all" or "all" not in counts else _ONE_WALLET)
            + _beta(counts[name][0], counts[name][1], *prior)
            + _beta(dark - counts[name][0], fine - counts[name][1], *_OUTSIDE)
            for name in wide
        )
    return fits


def _in_place(dark: int, fine: int, other_dark: int, other_fine: int) -> float:
    """The fault lies in this place: alone, or beside another one elsewhere that darkens clearly less."""
    inside = _beta(dark, fine, *_INSIDE)
    alone = inside + _beta(other_dark, other_fine, *_OUTSIDE)
    if other_dark < _SECOND or dark * (other_dark + other_fine) < 1.5 * other_dark * (dark + fine):
        return alone
    return max(alone, inside + _beta(other_dark, other_fine, *_PARTIAL) + _TWO_AT_ONCE)


def _beta(dark: int, fine: int, a: float, b: float) -> float:
    """Log of the chance of such a sequence when the dark share is drawn from Beta(a, b)."""
    dark, fine = max(dark, 0), max(fine, 0)
    return lgamma(dark + a) + lgamma(fine + b) - lgamma(dark + fine + a + b) - lgamma(a) - lgamma(b) + lgamma(a + b)


def share_of(counts: Mapping[str, tuple[int, int]], best: str) -> str:
    dark, fine = counts.get(best, (0, 0))
    if dark + fine < 5:
        return ""
    part = dark / (dark + fine)
    return "most" if part >= _MOST_SHARE else "half" if part >= _HALF_SHARE else "few"
