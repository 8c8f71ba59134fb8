"""The desk: turns what is counted into incidents. Opened, placed, identified, watched, resolved; merged and split.

It is told of every sighting (`see`) and of every cause that was named (`named`), and looks once a second (`look`). What it
decides comes out as steps; whoever carries it writes them down. It owns no clock, no store and no words of its own.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.ids import bucket_of_ulid, is_ulid
from daozhang.core.incident import Hit, Incident, Scope, Stage, Step
from daozhang.diagnosis.window import Sighting
from daozhang.watch import texts
from daozhang.watch.banks import Banks, Missing
from daozhang.watch.change import LAG_MS, Burst, Usual, burst, sick_again, well_since
from daozhang.watch.counts import DARK, EVERYWHERE, SLOT_MS, SPAN, Counts, Place, places, trouble_of
from daozhang.watch.where import NO_BANK, Found, where
from daozhang.watch.whose import SURE, Ranked, Whose, identified, not_the_bank, whose

NEAR_MS = 120_000  # two that began so near may be one
WATCHED_MS = 120_000  # without a relapse after a recovery: resolved
QUIET_MS = 900_000  # nothing at all was seen there
_TELL_EVERY_MS = 300_000
_CLEARER = 6.0  # so much better must another place explain it
_WHICH_BANK = 3.0  # and so much clearer must a bank be missed than any other; nobody is accused by chance
_MOST_NAMED = 60
_RECENT = 12  # slots


@dataclass
class Case:
    """An open incident with what is remembered of it."""

    incident: Incident
    behind: Place
    shops: set[str] = field(default_factory=set)
    merchants: set[str] = field(default_factory=set)
    held: dict[str, Sighting] = field(default_factory=dict)  # its payments of the last minutes
    named: dict[str, Ranked] = field(default_factory=dict)
    fresh: list[Sighting] = field(default_factory=list)  # not written down yet
    told_payments: int = 0
    told_ms: int = 0
    well_ms: int = 0  # when its recovery was told
    last_ms: int = 0  # of its last troubled payment
    share: float = 0.0
    hushed: bool = False  # a person ended it: what goes on there opens nothing new

    @property
    def place(self) -> Place:
        return self.incident.place, self.incident.place_name

    @property
    def by_rule(self) -> bool:
        """What a person opened or ended is the person's: the rule neither moves nor merges it."""
        return self.incident.by == "rule" and not self.hushed

    @property
    def clearer(self) -> float:
        """How clearly a bank must be missed before it is the place."""
        i = self.incident
        return _WHICH_BANK if i.party == "bank" and i.probability >= SURE else _CLEARER

    def holds(self, one: Sighting) -> bool:
        at = self.behind if self.place[0] == "bank" else self.place
        return at == EVERYWHERE or at in places(one)

    def take(self, one: Sighting) -> None:
        i = self.incident
        self.held[one.id] = one
        self.fresh.append(one)
        self.shops.add(one.places.shop)
        self.merchants.add(one.merchant)
        self.last_ms = max(self.last_ms, one.at_ms)
        self.incident = changed(i, payments=i.payments + 1, amount_fen=i.amount_fen + one.amount_fen, shops=len(self.shops),
                                merchants=len(self.merchants), onset_ms=min(i.onset_ms, one.at_ms))  # fmt: skip

    def counted(self, trouble: str, place: Place, first: int, last: int) -> int:
        return sum(1 for one in self.held.values() if first <= one.at_ms // SLOT_MS <= last and (place == EVERYWHERE or place in places(one)))


class Desk:
    """``new_id`` gives an incident's id; ``names``: channels' words; ``publish_at``: so many payments and it is published by
    rule once it is identified (0: only by people)."""

    def __init__(self, new_id: Callable[[], str], names: texts.Names, *, livemode: bool = False, publish_at: int = 20) -> None:
        self._new_id, self._names = new_id, names
        self._livemode, self._publish_at = livemode, publish_at
        self.counts, self.usual, self.banks = Counts(), Usual(), Banks()
        self.cases: dict[str, Case] = {}
        self._learned = 0
        self._done: deque[tuple[str, str]] = deque(maxlen=200)  # payment's last incident, for what is split off

    # -- being told --------------------------------------------------------------------------------------------------------

    def see(self, one: Sighting) -> None:
        if one.livemode != self._livemode:
            return
        before = len(self.counts)
        trouble = self.counts.see(one)
        if len(self.counts) > before or one.bank:
            self.banks.see(one)
        if trouble:
            self._to_its_case(one, trouble)

    def named(self, payment: str, ranked: Ranked) -> None:
        """The cause of a dark payment was named, or named anew."""
        for case in self.cases.values():
            if payment in case.held and (payment in case.named or len(case.named) < _MOST_NAMED):
                case.named[payment] = ranked

    def _to_its_case(self, one: Sighting, trouble: str) -> bool:
        for case in self.cases.values():
            if case.incident.trouble == trouble and case.holds(one) and one.at_ms >= case.incident.onset_ms - SLOT_MS:
                self.counts.claim(one, trouble)
                case.take(one)
                return True
        return False

    def adopt(self, incident: Incident, scope: Scope, behind: Place | None = None) -> None:
        """An incident that another process opened, or that a person did: from here on it is carried on here."""
        place = (incident.place, incident.place_name)
        case = Case(incident, behind or (EVERYWHERE if place[0] == "bank" else place), set(scope.shops), told_payments=incident.payments,
                    told_ms=incident.updated_ms, well_ms=incident.updated_ms, last_ms=incident.updated_ms, share=incident.share)  # fmt: skip
        self.cases[incident.id] = case
        for one in list(self.counts.found_at(case.behind, incident.trouble, incident.onset_ms // SLOT_MS)):
            self._to_its_case(one, incident.trouble)

    def stored(self, incident: Incident) -> None:
        """As it stands in the books now, with what people changed; an ended one is let go."""
        case = self.cases.get(incident.id)
        if case is None:
            return
        if not incident.open:
            case.hushed = True
        case.incident = changed(
            incident, payments=max(incident.payments, case.incident.payments), shops=max(incident.shops, case.incident.shops),
            merchants=max(incident.merchants, case.incident.merchants), amount_fen=max(incident.amount_fen, case.incident.amount_fen),
        )  # fmt: skip

    def written(self, incident: Incident) -> None:
        """A step is durable under this version."""
        case = self.cases.get(incident.id)
        if case is not None:
            case.incident = changed(case.incident, version=incident.version)

    def unwritten(self, step: Step) -> None:
        """Somebody else was faster: what joined is to be written with the next step."""
        case = self.cases.get(step.incident.id)
        if case is not None:
            case.fresh += [case.held[hit.payment] for hit in step.hits if hit.payment in case.held]

    # -- looking -----------------------------------------------------------------------------------------------------------

    def look(self, now_ms: int) -> list[Step]:
        """Once a second. The steps to write down, in order."""
        for one in self.counts.ripen(now_ms):
            self._to_its_case(one, trouble_of(one))
        self._learn(now_ms)
        steps: list[Step] = []
        for case in list(self.cases.values()):
            steps += self._carry_on(case, now_ms)
        steps += self._find(now_ms)
        steps += self._unite(now_ms)
        return steps

    def _learn(self, now_ms: int) -> None:
        """What is usual, from slots that are over, while nothing is wrong."""
        slot = (now_ms - 30_000) // SLOT_MS
        if slot <= self._learned or self.cases:
            self._learned = max(self._learned, slot)
            return
        first = max(self._learned + 1, slot - SPAN)
        self._learned = slot
        for trouble in LAG_MS:
            self.usual.learn(trouble, *self.counts.within(EVERYWHERE, trouble, first, slot))
        self.banks.learn(first, slot)

    def _find(self, now_ms: int) -> Iterator[Step]:
        touched, self.counts.touched = self.counts.touched, set()
        for trouble in LAG_MS:
            suspects = {place for kind, place in touched if kind == trouble}
            for _ in range(4):  # so many new ones in one second are more than enough
                found = self._burst(trouble, suspects, now_ms)
                if found is None:
                    break
                yield from self._open(trouble, *found, now_ms)

    def _burst(self, trouble: str, suspects: set[Place], now_ms: int) -> tuple[Burst, Found, Missing] | None:
        usual = self.usual.share(trouble)
        looked = {place: burst(self.counts.slots(place), trouble, usual, now_ms) for place in suspects}
        bursts = {place: found for place, found in looked.items() if found is not None}
        if not bursts:
            return None
        top = max(bursts.values(), key=lambda one: one.sure)
        last = now_ms // SLOT_MS

        def counted(place: Place) -> tuple[int, int]:
            return self.counts.within(place, trouble, top.first, last)

        missing = self.banks.missing(set(), top.first, last) if trouble == DARK else NO_BANK
        missing = missing if missing.ahead >= _WHICH_BANK else NO_BANK
        # A channel may explain it better than a small place that suffers visibly a moment earlier, by chance.
        at = where({*bursts, *(one for one in suspects if one[0] == "channel")}, counted, missing)
        return bursts.get(at.behind, top), at, missing

    def _open(self, trouble: str, found: Burst, at: Found, missing: Missing, now_ms: int) -> Iterator[Step]:
        """A new one, unless it is what an open one looks like from elsewhere."""
        members = list(self.counts.found_at(at.behind, trouble, found.first))
        if not members:
            return
        if self._same(trouble, at, members):
            return
        wider = self._wider(trouble, found, at, members, now_ms, missing)
        if wider is not None:
            yield from wider
            return
        before = dict(self._done)
        parents = [before[one.id] for one in members if one.id in before]
        split_from = max(set(parents), key=parents.count) if 2 * len(parents) > len(members) else ""
        onset = min(one.at_ms for one in members)
        incident = Incident(self._new_id(), self._livemode, trouble, *at.place, onset, now_ms, updated_ms=now_ms,
                            share=round(found.share, 3), split_from=split_from)  # fmt: skip
        case = Case(incident, at.behind, share=found.share, told_ms=now_ms)
        self.cases[incident.id] = case
        for one in members:
            self.counts.claim(one, trouble)
            case.take(one)
        case.told_payments = case.incident.payments
        yield self._step(case, "incident.opened", now_ms)
        yield from self._swallow(case, now_ms)

    def _same(self, trouble: str, at: Found, members: Sequence[Sighting]) -> bool:
        """The place of an open one, seen behind another channel (a bank), or from before it was known to have begun."""
        case = next((one for one in self.cases.values() if (one.incident.trouble, one.place) == (trouble, at.place)), None)
        if case is None:
            return False
        if at.behind != case.behind:
            case.behind = EVERYWHERE
        for one in members:
            self.counts.claim(one, trouble)
            case.take(one)
        return True

    def _wider(
        self, trouble: str, found: Burst, at: Found, members: Sequence[Sighting], now_ms: int, missing: Missing
    ) -> list[Step] | None:
        """Where an open one and this burst together lie in one larger place, the open one grows."""
        for case in self.cases.values():
            i = case.incident
            if i.trouble != trouble or not case.by_rule or abs(min(one.at_ms for one in members) - i.onset_ms) > NEAR_MS:
                continue
            together = [*case.held.values(), *members]
            first, last = min(one.at_ms for one in together) // SLOT_MS, now_ms // SLOT_MS
            joint = self._place_of(together, trouble, max(first, last - SPAN), last, missing)
            if joint.place in (case.place, at.place) or joint.ahead < 0 or joint.place[0] == "bank":
                continue
            if not all(joint.place == EVERYWHERE or joint.place in places(one) for one in members):
                continue
            for one in members:
                self.counts.claim(one, trouble)
                case.take(one)
            return [self._moved(case, joint, now_ms), *self._swallow(case, now_ms)]
        return None

    def _unite(self, now_ms: int) -> Iterator[Step]:
        """Several that began near each other, and whose payments of these seconds lie in one larger place, are one."""
        for trouble in LAG_MS if now_ms // 1000 % 5 == 0 else ():
            cases = sorted((one for one in self.cases.values() if one.incident.trouble == trouble and one.by_rule),
                           key=lambda one: one.incident.onset_ms)  # fmt: skip
            near = [one for one in cases if one.incident.onset_ms - cases[0].incident.onset_ms <= NEAR_MS]
            if len(near) < 2:
                continue
            last = (now_ms - LAG_MS[trouble]) // SLOT_MS
            first = max(max(one.incident.onset_ms for one in near) // SLOT_MS, last - _RECENT)
            together = [held for one in near for held in one.held.values()]
            joint = self._place_of(together, trouble, first, last, NO_BANK)
            if joint.place in [one.place for one in near] or joint.ahead < _CLEARER or not self._throughout(joint.place, together, trouble, first, last):
                continue
            yield self._moved(near[0], joint, now_ms)
            yield from self._swallow(near[0], now_ms)

    def _throughout(self, place: Place, held: Sequence[Sighting], trouble: str, first: int, last: int) -> bool:
        """Everything is the place only where no channel is clearly well."""
        if place != EVERYWHERE:
            return True
        sick: dict[str, int] = {}
        for one in held:
            if first <= one.at_ms // SLOT_MS <= last:
                sick[one.places.channel] = sick.get(one.places.channel, 0) + 1
        counts = [(sick.get(name, 0), self.counts.within(("channel", name), trouble, first, last)[1]) for name in self.counts.names("channel")]
        seen = [(dark, fine) for dark, fine in counts if dark + fine >= 8]
        overall = sum(dark for dark, _ in seen) / max(sum(dark + fine for dark, fine in seen), 1)
        return all(dark >= 0.5 * overall * (dark + fine) for dark, fine in seen)

    def _place_of(self, held: Sequence[Sighting], trouble: str, first: int, last: int, missing: Missing) -> Found:
        """The place of these, among all that was fine in that time."""
        sick: dict[Place, int] = {}
        for one in held:
            if first <= one.at_ms // SLOT_MS <= last:
                for place in places(one):
                    sick[place] = sick.get(place, 0) + 1

        def counted(place: Place) -> tuple[int, int]:
            other, fine = self.counts.within(place, trouble, first, last)
            return sick.get(place, 0) + other, fine

        return where(sick, counted, missing)

    def _moved(self, case: Case, at: Found, now_ms: int) -> Step:
        case.behind = at.behind
        case.incident = changed(case.incident, place=at.place[0], place_name=at.place[1])
        return self._step(case, "incident.updated", now_ms)

    def _swallow(self, case: Case, now_ms: int) -> Iterator[Step]:
        """Open ones whose every payment this one explains too were a part of it."""
        for other in list(self.cases.values()):
            i = other.incident
            inside = all(case.holds(one) for one in other.held.values()) and bool(other.held)
            near = abs(i.onset_ms - case.incident.onset_ms) <= NEAR_MS
            if other is case or i.trouble != case.incident.trouble or not inside or not near or not i.open or not other.by_rule:
                continue
            for one in other.held.values():
                case.take(one)
            case.named |= other.named
            del self.cases[i.id]
            other.incident = i.to(Stage.MERGED, ended_ms=now_ms, merged_into=case.incident.id)
            yield self._step(other, "incident.resolved", now_ms)

    # -- carrying one on ---------------------------------------------------------------------------------------------------

    def _carry_on(self, case: Case, now_ms: int) -> Iterator[Step]:
        old = now_ms - SPAN * SLOT_MS
        for ident in [ident for ident, one in case.held.items() if one.at_ms < old]:
            del case.held[ident]
            case.named.pop(ident, None)
        well = self._well_since(case, now_ms)
        if case.hushed:
            if well is not None or now_ms - case.last_ms > QUIET_MS:
                del self.cases[case.incident.id]
            return
        stage = case.incident.stage
        if case.incident.by != "rule":
            pass  # whoever opened it says when it is over; it only gathers its payments
        elif stage is Stage.MONITORING:
            yield from self._watch(case, now_ms)
        elif well is not None or now_ms - case.last_ms > QUIET_MS:
            since = well * SLOT_MS if well is not None else case.last_ms
            case.incident = case.incident.to(Stage.MONITORING, recovered_ms=max(since, case.incident.onset_ms))
            case.well_ms = now_ms
            yield self._step(case, "incident.updated", now_ms)
        elif not self._over(case, now_ms):
            yield from self._think(case, now_ms)
        if case.fresh and case.incident.id in self.cases:
            yield from self._told_again(case, now_ms)

    def _told_again(self, case: Case, now_ms: int) -> Iterator[Step]:
        """New payments are written down at once; people hear of them when there are twice as many, or after a while."""
        grown = case.incident.payments >= 2 * max(case.told_payments, 5)
        event = "incident.updated" if grown or now_ms - case.told_ms >= _TELL_EVERY_MS else ""
        yield self._step(case, event, now_ms)

    def _think(self, case: Case, now_ms: int) -> Iterator[Step]:
        """Is its place still the best, whose is it, and is it to be published?"""
        i, before = case.incident, (case.incident.stage, case.incident.party, case.incident.party_name)
        first, last = max(i.onset_ms // SLOT_MS, now_ms // SLOT_MS - SPAN), now_ms // SLOT_MS
        if len(case.held) >= 8 and now_ms // 1000 % 3 == 0:
            at = self._place_of(list(case.held.values()), i.trouble, first, last, self._missing(case, first, last))
            clear = at.ahead >= (case.clearer if at.place[0] == "bank" else _CLEARER)
            if at.place != case.place and clear and not self._no_bank(case, at.place, at.behind):
                self._release(case, at)
                yield self._moved(case, at, now_ms)
                i = case.incident
        sick, fine = case.counted(i.trouble, EVERYWHERE, first, last), self._fine(case, first, last)
        case.share = sick / (sick + fine) if sick + fine else case.share
        if self._no_bank(case, case.place, case.behind):
            yield self._moved(case, Found(case.behind, case.behind, 0.0, 0.0), now_ms)
            i = case.incident
        one: Whose = whose(case.place, case.behind, i.trouble, list(case.named.values()))
        known = identified(one, i, now_ms)
        if i.stage is Stage.IDENTIFIED and not known and (one.party != i.party or not one.named):
            one = Whose(i.party, i.party_name, i.cause, i.probability, one.named)  # a doubt takes nothing back; only better knowledge does
        stage = Stage.IDENTIFIED if known else i.stage if i.stage is Stage.IDENTIFIED and one.probability > 0.5 else Stage.INVESTIGATING
        case.incident = i.to(
            stage, party=one.party, party_name=one.party_name, cause=one.cause, probability=one.probability, share=round(case.share, 3),
            identified_ms=i.identified_ms or (now_ms if known else 0),
        )  # fmt: skip
        event = "incident.updated" if before != (stage, one.party, one.party_name) else ""
        if known and not i.published_ms and 0 < self._publish_at <= i.payments:
            case.incident = changed(case.incident, published_ms=now_ms, published_by="rule")
            event = "incident.opened"
        if event:
            yield self._step(case, event, now_ms)

    def _over(self, case: Case, now_ms: int) -> bool:
        """Whose it is was known, and no new ones come: those that are well again speak for no other place and no other party."""
        return case.incident.stage is Stage.IDENTIFIED and now_ms - case.last_ms > LAG_MS[case.incident.trouble] + SLOT_MS

    def _missing(self, case: Case, first: int, last: int) -> Missing:
        """A bank is suspected later on only where its successes are clearly missing, or while it is suspected already."""
        if case.incident.trouble != DARK:
            return NO_BANK
        found = self.banks.missing(set(), first, last)
        clear = found.sure >= case.clearer and found.ahead >= _WHICH_BANK
        return found if case.place == ("bank", found.bank) or clear else NO_BANK

    def _no_bank(self, case: Case, place: Place, behind: Place) -> bool:
        return place[0] == "bank" and not_the_bank(whose(place, behind, case.incident.trouble, list(case.named.values())))

    def _release(self, case: Case, at: Found) -> None:
        """What the smaller place does not explain is looked at anew: perhaps there are two."""
        narrow = at.behind
        for one in [one for one in case.held.values() if narrow != EVERYWHERE and narrow not in places(one)]:
            del case.held[one.id]
            self._done.append((one.id, case.incident.id))
            self.counts.give_back(one, case.incident.trouble)

    def _fine(self, case: Case, first: int, last: int) -> int:
        return self.counts.within(case.behind, case.incident.trouble, first, last)[1]

    def _recent(self, case: Case, now_ms: int, since_ms: int = 0) -> list[tuple[int, int, int]]:
        """(slot, troubled, fine), newest first, of slots whose troubled ones are known by now."""
        trouble = case.incident.trouble
        last = (now_ms - LAG_MS[trouble]) // SLOT_MS
        first = max(last - _RECENT, since_ms // SLOT_MS)
        sick: dict[int, int] = {}
        for one in case.held.values():
            sick[one.at_ms // SLOT_MS] = sick.get(one.at_ms // SLOT_MS, 0) + 1
        fine = {one.slot: one.fine for one in self.counts.slots(case.behind)}
        return [(slot, sick.get(slot, 0), fine.get(slot, 0)) for slot in range(last, first - 1, -1)]

    def _well_since(self, case: Case, now_ms: int) -> int | None:
        usual = self.usual.share(case.incident.trouble)
        return well_since(self._recent(case, now_ms, case.incident.onset_ms), usual, max(case.share, 5 * usual, 0.03))

    def _watch(self, case: Case, now_ms: int) -> Iterator[Step]:
        i = case.incident
        after = self._recent(case, now_ms, i.recovered_ms + SLOT_MS)
        if sick_again(sum(one[1] for one in after), sum(one[2] for one in after), self.usual.share(i.trouble)):
            case.incident = i.to(Stage.IDENTIFIED if i.identified_ms else Stage.INVESTIGATING, recovered_ms=0)
            yield self._step(case, "incident.updated", now_ms)
        elif now_ms - (case.well_ms or i.updated_ms) >= WATCHED_MS:
            case.incident = i.to(Stage.RESOLVED, ended_ms=now_ms)
            del self.cases[i.id]
            yield self._step(case, "incident.resolved", now_ms)

    # -- what is said ------------------------------------------------------------------------------------------------------

    def _step(self, case: Case, event: str, now_ms: int) -> Step:
        hits = tuple(Hit(one.id, _bucket(one.id), one.merchant, one.places.shop, one.amount_fen) for one in case.fresh)
        case.fresh.clear()
        i = changed(case.incident, updated_ms=now_ms, share=round(case.share, 3))
        i = changed(i, title=texts.title(i, self._names), texts=texts.people(i), evidence=tuple(self._evidence(case, i)))
        case.incident = i
        if event:
            case.told_payments, case.told_ms = i.payments, now_ms
        return Step(i, hits, texts.observed(i, self._names) if event else {}, "rule", event)

    def _evidence(self, case: Case, i: Incident) -> Iterator[Mapping[str, Any]]:
        """What was observed, each with its numbers."""
        symptoms: dict[str, int] = {}
        for one in case.held.values():
            symptoms[one.symptom or one.refused] = symptoms.get(one.symptom or one.refused, 0) + 1
        for symptom, count in sorted(symptoms.items(), key=lambda pair: -pair[1])[:4]:
            yield {"kind": "symptom", "name": symptom, "count": count}
        yield {"kind": "share", "name": i.place_name, "share": round(case.share, 3)}
        causes: dict[str, float] = {}
        for ranked in case.named.values():
            for cause, probability in ranked:
                causes[cause] = causes.get(cause, 0.0) + probability / len(case.named)
        for cause, mean in sorted(causes.items(), key=lambda pair: -pair[1])[:4]:
            yield {"kind": "cause", "name": cause, "probability": round(mean, 3), "payments": len(case.named)}
        for ident in list(case.held)[:5]:
            yield {"kind": "payment", "name": ident}


def _bucket(payment: str) -> int:
    tail = payment.partition("_")[2]
    return bucket_of_ulid(tail) if is_ulid(tail) else 0
