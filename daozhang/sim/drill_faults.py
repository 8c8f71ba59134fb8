"""The faults of one run: what the file leaves open is drawn from the seed; who is struck, and how, is drawn payment by payment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from daozhang.sim.drill_file import Drill, Fault

_PICKED_TILLS = 0.05  # of the tills, where the file names none
_BY_CHANCE = ("timeout", "reset")


class Place(NamedTuple):
    """Where a sale or a device stands, in the words of the file."""

    merchant: str
    till: str
    region: str
    carrier: str
    software: str


@dataclass(eq=False)
class AtWork:
    """One fault with everything that was drawn for it. Times are milliseconds of the run."""

    fault: Fault
    from_ms: int
    until_ms: int
    share: float
    later: float
    style: dict[str, float]
    tills: frozenset[str] = frozenset()
    channel: str = ""
    bank: str = ""
    announced: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    struck: int = 0
    first_minute: int = 0

    def on(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms < self.until_ms

    def reaches(self, place: Place, channel: str, bank: str) -> bool:
        f = self.fault
        return (
            f.merchant in ("", place.merchant) and f.till in ("", place.till) and f.region in ("", place.region)
            and f.carrier in ("", place.carrier) and f.software in ("", place.software)
            and self.channel in ("", channel) and self.bank in ("", bank)
        )  # fmt: skip

    def strikes(self, now_ms: int) -> None:
        self.struck += 1
        self.first_minute += now_ms < self.from_ms + 60_000


def draw(drill: Drill, places: Sequence[Place], dice: Any, start_ms: int) -> list[AtWork]:
    """All faults of the file, nearest to us first: a payment belongs to the nearest that struck it."""
    end = start_ms + round(drill.minutes * 60_000)
    return sorted((_one(fault, drill, places, dice, start_ms, end) for fault in drill.faults), key=lambda one: one.fault.play.order)


def _one(fault: Fault, drill: Drill, places: Sequence[Place], dice: Any, start_ms: int, end_ms: int) -> AtWork:
    play, world = fault.play, drill.world
    share = fault.share if fault.share is not None else dice.uniform(*play.share)
    style = {fault.symptom: 1.0} if fault.symptom else dict(dice.choice(play.styles)) if play.styles else {}
    channel, bank = fault.channel, fault.bank
    scoped = channel or bank
    if play.picks == "channel" and not channel:
        channel = _weighted(world.wallets, dice)
    if play.picks == "bank" and not bank:
        bank = _weighted({name: part for name, part in world.banks.items() if not name.startswith("OTHER")} or world.banks, dice)
    until = min(start_ms + round(fault.until_s * 1000), end_ms) if fault.until_s else end_ms
    announced = fault.announced if fault.announced is not None else play.notice in ("platform", "bank") or bool(scoped and fault.announced)
    return AtWork(
        fault, start_ms + round(fault.at_s * 1000), until, share, dice.uniform(*play.later), style, _tills(fault, places, dice), channel, bank,
        announced, _report(fault, dice),
    )  # fmt: skip


def _weighted(shares: dict[str, float], dice: Any) -> str:
    return str(dice.choices(list(shares), list(shares.values()))[0])


def _tills(fault: Fault, places: Sequence[Place], dice: Any) -> frozenset[str]:
    """The tills of a fault of devices: those in its scope, or some that are drawn."""
    play = fault.play
    if play.kind not in ("till", "speaker"):
        return frozenset()
    here = [one for one in places if AtWork(fault, 0, 0, 0, 0, {}).reaches(one, "", "")]
    named = any((fault.merchant, fault.till, fault.region, fault.carrier, fault.software))
    if not named and here:
        one = dice.choice(here)
        if play.picks in ("merchant", "carrier"):
            here = [other for other in here if getattr(other, play.picks) == getattr(one, play.picks)]
        elif fault.share is None:
            here = dice.sample(here, max(1, round(len(here) * _PICKED_TILLS)))
    if fault.share is not None:
        here = [other for other in here if dice.random() < fault.share] or here[:1]
    return frozenset(one.till for one in here)


def _report(fault: Fault, dice: Any) -> dict[str, Any]:
    """What an ill device tells: ranges and choices are drawn; the file's own strength wins."""
    drawn: dict[str, Any] = {}
    for name, value in fault.play.report.items():
        drawn[name] = value
        if isinstance(value, tuple) and isinstance(value[0], str):
            drawn[name] = dice.choice(value)
        elif isinstance(value, tuple):
            drawn[name] = dice.uniform(*value) if isinstance(value[0], float) else dice.randint(*value)
    if fault.loss is not None:
        drawn["loss"] = fault.loss
    if fault.level is not None:
        told = {"device.battery_low": "battery", "device.clock_skew": "skew_ms", "network.slow": "rtt_ms"}[fault.cause]
        drawn[told] = fault.level if told == "battery" else round(fault.level * 1000) if told == "skew_ms" else fault.level
    return drawn


def symptom_of(one: AtWork, dice: Any) -> str:
    return str(dice.choices(list(one.style), list(one.style.values()))[0])


def ordinary(dice: Any) -> str:
    """How one answer gets lost on an ordinary day."""
    return str(dice.choices(_BY_CHANCE, (0.7, 0.3))[0])
