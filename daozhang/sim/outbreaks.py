"""A town's traffic on virtual time with labelled faults that come and go, for the watch: found in time, rightly, and never for nothing.

Sightings arrive as they do on a running system: a fine one at once, a dark one when its time is over; some are lost on the way;
causes are named some seconds later from what is known then. The labels stay here.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from daozhang.core.ids import ulid
from daozhang.core.incident import Incident, Stage, Step
from daozhang.diagnosis.facts import Around, Notice
from daozhang.diagnosis.name import name_causes
from daozhang.diagnosis.sighting import WAITING
from daozhang.diagnosis.window import Places, Sighting, Window
from daozhang.sim.episodes import _BANKS, _CHANNELS, _GROUP, _TELLS_BANK, START_MS, Fault, World, _story, faults
from daozhang.watch.desk import Desk

NAMES = {"alipay": {"zh": "支付宝", "en": "Alipay"}, "wechatpay": {"zh": "微信支付", "en": "WeChat Pay"},
         "unionpay": {"zh": "云闪付", "en": "UnionPay"}}  # fmt: skip
# What a fault is found as: kind of place, and the parties that are right.
PLACE_OF = {
    "platform.outage": "channel", "platform.degraded": "channel", "platform.maintenance": "channel", "bank.unavailable": "bank",
    "bank.maintenance": "bank", "bank.slow": "bank", "clearing.outage": "all", "us.egress": "all", "us.certificate": "all",
    "waiting": "channel",
}  # fmt: skip
_SECOND = 1_000
_ALL_NAMED = 80  # after so many one in five is enough: the desk listens to sixty


@dataclass
class Plan:
    """One world: a fault, or none, with its time. ``waits``: the share of payers who type for long (ordinary life)."""

    seed: int
    fault: str = ""
    per_s: float = 4.0
    onset_s: int = 240
    lasts_s: int = 240
    after_s: int = 200
    unknown: float = 0.002
    lost: float = 0.05
    waits: float = 0.03


@dataclass
class Told:
    """What the watch said, and what was true. Times in ms since the fault's onset; -1: never."""

    plan: Plan
    found_ms: int = -1
    identified_ms: int = -1
    recovered_ms: int = -1  # since healing
    incidents: list[Incident] = field(default_factory=list)
    party_right: bool = False
    place_right: bool = False
    first_minute: int = 0
    hit: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    payments: int = 0
    accused: set[str] = field(default_factory=set)  # banks and channels that were named as the place and are well

    @property
    def recall(self) -> float:
        return len(self.hit & self.members) / max(len(self.hit), 1)


class Town:
    """The traffic of one plan, and the desk that watches it."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.rand = plan, random.Random(plan.seed)
        self.world, self.window = World(self.rand), Window()
        self.faults = faults(self.rand)
        self.fault: Fault | None = self.faults.get(plan.fault)
        self.channel = self.rand.choice(("alipay", "wechatpay")) if plan.fault == "waiting" else ""
        self._count = 0
        self.desk = Desk(self._new_id, NAMES)
        self.told = Told(plan)
        self.onset, self.heals = plan.onset_s * _SECOND, (plan.onset_s + plan.lasts_s) * _SECOND
        self._stories: dict[str, tuple[Fault, Places, str, int]] = {}

    def _new_id(self) -> str:
        self._count += 1
        return f"inc_{ulid(START_MS + self._count, bytes(9), 0)}"

    # -- traffic -----------------------------------------------------------------------------------------------------------

    def _payments(self, until_ms: int) -> Iterator[tuple[int, Sighting]]:
        """(when it is known, what is seen), in the order of knowing."""
        due: list[tuple[int, int, Sighting]] = []
        at, n = 0.0, 0
        while at < until_ms:
            at += self.rand.expovariate(self.plan.per_s) * _SECOND
            for known, one in self._payment(int(at), n):
                heapq.heappush(due, (known, len(due) + n * 4, one))
            n += 1
            while due and due[0][0] <= at:
                yield due[0][0], heapq.heappop(due)[2]
        self.told.payments = n
        while due:
            yield due[0][0], heapq.heappop(due)[2]

    def _payment(self, at: int, n: int) -> list[tuple[int, Sighting]]:
        r, world = self.rand, self.world
        places = r.choice(world.tills)._replace(channel=world.pick(_CHANNELS))
        bank = world.pick(_BANKS)
        faulty = self.onset <= at < self.heals
        fault = self.fault if faulty and self.fault and self.fault.hits(places.channel, bank) and r.random() < self.fault.share else None
        symptom = fault.symptom(r) if fault is not None else "read_timeout" if r.random() < self.plan.unknown else ""
        ident = f"pay_{ulid(START_MS + at, n.to_bytes(9, 'big'), n % 256)}"
        stuck = faulty and places.channel == self.channel
        if fault is not None or stuck:
            self.told.hit.add(ident)
            self.told.first_minute += at < self.onset + 60_000
        if symptom:
            self._stories[ident] = (fault or self.faults["info.reply_lost"], places, symptom, START_MS + at)
        if r.random() < self.plan.lost:
            return []
        merchant, amount = f"mer_{places.shop}", r.randint(100, 50_000)
        seen = Sighting(ident, START_MS + at, places, _GROUP.get(symptom, ""), "" if symptom or places.channel not in _TELLS_BANK else bank,
                        merchant, amount, r.randint(40, 400))  # fmt: skip
        if symptom:
            return [(at + 5_300, seen)]
        if stuck or r.random() < self.plan.waits:
            typed = r.randint(2_000, 45_000) if not stuck else self.heals + r.randint(1_000, 20_000) - at
            return [(at + 300, seen._replace(symptom=WAITING, bank="")), (at + max(typed, 400), seen)]
        return [(at + 400, seen)]

    # -- the run -----------------------------------------------------------------------------------------------------------

    def run(self) -> Told:
        end = self.heals + self.plan.after_s * _SECOND if self.fault or self.channel else self.plan.onset_s * _SECOND
        tick, named, naming = 0, 0, list[tuple[int, str]]()
        for known, one in self._payments(end):
            while tick + _SECOND <= known:
                tick += _SECOND
                while naming and naming[0][0] <= tick:
                    self._name(heapq.heappop(naming)[1], tick)
                self._note(self.desk.look(START_MS + tick), tick)
            self.desk.see(one)
            if one.symptom != WAITING:
                self.window.see(one)
            named += one.symptom not in ("", WAITING)
            if one.symptom not in ("", WAITING) and (named < _ALL_NAMED or named % 5 == 0):
                heapq.heappush(naming, (known + 700, one.id))
                heapq.heappush(naming, (known + 6_000, one.id))
        self._judge()
        return self.told

    def _name(self, ident: str, tick: int) -> None:
        """As `flow.namer` does: from the story so far and what happened to others."""
        fault, places, symptom, at = self._stories[ident]
        payment, lines = _story(fault, random.Random(ident), places, symptom, at)
        crowd = self.window.crowd(ident, places, _GROUP[symptom], at)
        notices = [Notice("platform", "elsewhere", 0, 1)]
        if fault.notice:
            notices.append(Notice(fault.notice, fault.place, START_MS + self.onset - 60_000, START_MS + self.heals))
        named = name_causes(payment, lines, START_MS + tick, Around((), (), tuple(notices), crowd, fault.probe))
        if named.why_no_information is not None:
            self.desk.named(ident, named.why_no_information.ranked)

    def _note(self, steps: Sequence[Step], tick: int) -> None:
        told = self.told
        for step in steps:
            i = step.incident
            known = next((at for at, one in enumerate(told.incidents) if one.id == i.id), None)
            if known is None:
                told.incidents.append(i)
            else:
                told.incidents[known] = i
            told.members |= {hit.payment for hit in step.hits}
            right = self._right(i)
            if i.place in ("bank", "channel") and i.stage is Stage.IDENTIFIED and not self._at(i):
                told.accused.add(f"{i.place} {i.place_name}")
            if told.found_ms < 0 and self._at(i):
                told.found_ms = tick - self.onset
            if told.identified_ms < 0 and right and i.stage is Stage.IDENTIFIED:
                told.identified_ms = tick - self.onset
            if told.recovered_ms < 0 and i.stage is Stage.MONITORING and right and tick >= self.heals:
                told.recovered_ms = tick - self.heals

    def _at(self, i: Incident) -> bool:
        """The kind of place, and of a bank or channel its name."""
        if i.place != PLACE_OF.get(self.plan.fault, "?"):
            return False
        if self.fault is None or i.place == "all":
            return self.channel in ("", i.place_name)
        ends = [(channel, bank) for channel in _CHANNELS for bank in _BANKS]
        return any(self.fault.hits(*one) for one in ends if i.place_name in one)

    def _right(self, i: Incident) -> bool:
        party = "platform" if self.plan.fault == "waiting" else self.plan.fault.partition(".")[0]
        return self._at(i) and i.party == party

    def _judge(self) -> None:
        last = [one for one in self.told.incidents if one.stage is not Stage.MERGED]
        self.told.party_right = any(self._right(one) for one in last)
        self.told.place_right = any(self._at(one) for one in last)
