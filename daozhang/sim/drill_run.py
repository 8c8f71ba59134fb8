"""Running one scenario in virtual time, and grading it: the report's keys, and more for the page."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daozhang.core.payment import OPEN, State
from daozhang.sim.drill_asked import Open, polling
from daozhang.sim.drill_file import Drill
from daozhang.sim.drill_look import Episode, Looker, settled
from daozhang.sim.drill_watch import Judged
from daozhang.sim.drill_world import DrillWorld, play
from daozhang.sim.world import START_MS

_BINS = 10
_RECEIVED = frozenset({"paid", "partly_refunded", "refunded"})


@dataclass
class Ran:
    """A finished run. ``report`` has exactly the documented keys; ``page`` what the pictures need beside it."""

    report: dict[str, Any]
    page: dict[str, Any] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)


def run_drill(drill: Drill, seed: int) -> Ran:
    lookers: list[Looker] = []

    async def story(world: DrillWorld) -> None:
        looker = Looker(world)
        lookers.append(looker)
        await world.open()
        world.prepare()
        background = [asyncio.ensure_future(work) for work in (
            world.look_after(), world.namer.run(), world.watch.watcher.run(), world.watch.look_around(), world.notifies(), world.fleet.live(),
            looker.watch_tills())]  # fmt: skip
        await world.sell(looker.follow)
        background.pop().cancel()
        await world.settle()
        for one in background:
            one.cancel()

    world = play(drill, seed, story)
    return graded(world, settled(lookers[0].episodes))


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """Of nothing there is no percentile."""
    ranked = sorted(values)

    def at(part: float) -> float | None:
        return round(ranked[min(int(part * len(ranked)), len(ranked) - 1)], 3) if ranked else None

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99)}


def graded(world: DrillWorld, episodes: Sequence[Episode]) -> Ran:
    truth = Truth(world)
    incidents = Judged(world.watch, world.faults, world.by_payment, world.end_ms)
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for one in episodes:
        said = one.last
        confusion[one.label][one.label if one.right(said) else said.id if said is not None else "none"] += 1
    count, bins = len(episodes), bins_of(episodes)
    hits = sum(one.right(one.last) for one in episodes)
    dark = [world.store.payments_[one.subject] for one in episodes if one.kind == "unproven"]
    report = {
        "payments": len(world.store.payments_),
        "dark_episodes": count,
        "top1": _part(hits, count),
        "top1_exact": _part(sum(one.last is not None and one.last.id in one.labels for one in episodes), count),
        "top1_by_cause": {label: _part(row[label], sum(row.values())) for label, row in sorted(confusion.items())},
        "confusion": {label: dict(row.most_common()) for label, row in sorted(confusion.items())},
        "unknown_share": _part(sum(one.last is None or not one.last.members for one in episodes), count, 0.0),
        "ece": ece_of(bins),
        "proven_wrong": sum(any(said.confidence == "proven" and not one.right(said) for said in one.answers) for one in episodes),
        "time_to_cause_s": percentiles(after / 1000 for one in episodes if (after := one.named_after_ms) is not None),
        "time_to_truth_s": percentiles((p.decided_ms - p.created_ms) / 1000 for p in dark if p.decided_ms),
        "time_to_told_s": percentiles(truth.told_s()),
        "wrong_verdicts": len(truth.wrong()),
        "net_double_charges": truth.double_charges(),
        "untold": truth.untold(),
        "false_incidents": incidents.false,
        "incident_detection_s": percentiles(incidents.detection_s()),
        "manners_violations": len(world.net.manners),
    }
    return Ran(report, _page(world, episodes, bins, incidents), list(episodes), series(world))


def series(world: DrillWorld) -> dict[str, list[float]]:
    """What a monitoring system would draw of this run, in steps of five seconds: for methods that read metrics."""
    steps = round(world.drill.minutes * 12)
    rows: dict[str, list[float]] = defaultdict(lambda: [0.0] * steps)
    for sale in world.by_payment.values():
        p = world.store.payments_[sale.payment]
        at = (p.created_ms - START_MS) // 5_000
        if at >= steps:
            continue
        late = (p.decided_ms or world.end_ms) - p.created_ms > 5_000
        rows["all dark"][at] += late
        rows[f"channel {p.channel} dark"][at] += late
        rows[f"merchant {sale.place.merchant} dark"][at] += late
        rows["out errors"][at] += bool(p.doubt) and str((p.doubt or {}).get("hint")) == "us.egress"
        rows[f"channel {p.channel} seconds"][at] += min((p.decided_ms - p.created_ms) / 1000, 60) if p.decided_ms else 60
        if p.channel == "wechatpay" and p.captured_fen and not late:
            rows[f"bank {sale.bank} missing"][at] -= 1  # what is told is a success; fewer of them is a rise
    return dict(rows)


def _part(of: float, whole: int, empty: float | None = None) -> float | None:
    return round(of / whole, 4) if whole else empty


def bins_of(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Said against right, in ten bins of what was said."""
    bins: list[list[float]] = [[0, 0.0, 0] for _ in range(_BINS)]
    for one in episodes:
        if one.last is not None and one.last.members:
            entry = bins[min(int(one.last.probability * _BINS), _BINS - 1)]
            entry[0] += 1
            entry[1] += one.last.probability
            entry[2] += one.right(one.last)
    return [{"said": round(total / count, 3), "right": round(hits / count, 3), "of": int(count)} for count, total, hits in bins if count]


def ece_of(bins: Sequence[dict[str, Any]]) -> float | None:
    count = sum(one["of"] for one in bins)
    return round(sum(abs(one["said"] - one["right"]) * one["of"] for one in bins) / count, 4) if count else None


class Truth:
    """The channels' own books against what we say in the end."""

    def __init__(self, world: DrillWorld) -> None:
        self._world = world
        self._orders: dict[str, dict[str, Any]] = {order["out_trade_no"]: order for twin in world.twins.values() for order in twin.books()["orders"]}

    def wrong(self) -> list[str]:
        """Payments whose verdict is not what the channel's books say."""
        wrong = []
        for p in self._world.store.payments_.values():
            order = self._orders.get(f"DZ{p.id[4:]}", {})
            kept = order.get("captured_fen", 0) - order.get("returned_fen", 0)
            says = p.amount_fen if p.state.value in _RECEIVED or p.state is State.SURPLUS else 0
            if p.state not in OPEN and kept != says - p.refunded_fen:
                wrong.append(p.id)
        return wrong

    def double_charges(self) -> int:
        """Sales for which the channels kept more than the sale was worth."""
        kept: Counter[str] = Counter()
        worth: dict[str, int] = {}
        for p in self._world.store.payments_.values():
            order = self._orders.get(f"DZ{p.id[4:]}", {})
            sale = f"{p.merchant} {p.merchant_order_no}"
            kept[sale] += order.get("captured_fen", 0) - order.get("returned_fen", 0)
            worth[sale] = p.amount_fen
        return sum(kept[sale] > fen for sale, fen in worth.items())

    def told_s(self) -> list[float]:
        payments = self._world.store.payments_
        return [max(sale.told_ms - payments[sale.payment].decided_ms, 0) / 1000 for sale in self._world.by_payment.values()
                if sale.told_ms and payments[sale.payment].decided_ms]  # fmt: skip

    def untold(self) -> int:
        """Payments that the shop never came to know the end of."""
        payments = self._world.store.payments_
        return sum(not sale.told_ms or not payments[ident].proven for ident, sale in self._world.by_payment.items())


def _page(world: DrillWorld, episodes: Sequence[Episode], bins: list[dict[str, Any]], incidents: Judged) -> dict[str, Any]:
    minutes = round(world.drill.minutes + 1)
    said: dict[str, list[int]] = defaultdict(lambda: [0] * (minutes + 1))
    true: dict[str, list[int]] = defaultdict(lambda: [0] * (minutes + 1))
    for one in episodes:
        at = min(max(one.dark_ms - START_MS, 0) // 60_000, minutes)
        true[one.label][at] += 1
        said[one.last.id if one.last is not None else "none"][at] += 1
    asked = {f"{name} {op}": [world.net.asked[name, op, START_MS // 60_000 + at] for at in range(minutes + 1)]
             for name, op, _ in sorted(world.net.asked)}  # fmt: skip
    faults = [{"cause": one.fault.cause, "from_s": (one.from_ms - START_MS) / 1000, "until_s": (one.until_ms - START_MS) / 1000,
               "where": one.bank or one.channel or one.fault.till or one.fault.merchant, "struck": one.struck} for one in world.faults]  # fmt: skip
    return {"faults": faults, "said": dict(said), "true": dict(true), "bins": bins, "asked": asked, "minutes": minutes,
            "polling": _polling(world), "refused_second_charges": world.refused, "incidents": incidents.table(START_MS)}  # fmt: skip


def _polling(world: DrillWorld) -> dict[str, list[dict[str, Any]]]:
    """Of each channel with a fault of the wire: the longest such fault splits the time."""
    told = {}
    for name in sorted({one.channel for one in world.faults if one.channel and one.fault.play.kind == "wire"}):
        fault = max((one for one in world.faults if one.channel == name and one.fault.play.kind == "wire"), key=lambda one: one.until_ms - one.from_ms)
        opens, queries = [], []
        for ident, sale in world.by_payment.items():
            p = world.store.payments_[ident]
            if sale.channel == name:
                opens.append(Open(_s(p.created_ms), _s(p.decided_ms or world.end_ms), _rhythm_s(world, p.channel, p.method.shown)))
                queries += [_s(at) for at in sale.queries]
        told[name] = polling(opens, queries, _s(fault.from_ms), _s(fault.until_ms), _s(world.end_ms))
    return told


def _s(at_ms: int) -> float:
    return (at_ms - START_MS) / 1000


def _rhythm_s(world: DrillWorld, channel: str, shown: bool) -> float:
    manners = world.house.channel(channel).manners
    return (manners.qr_every_ms if shown else manners.every_ms) / 1000
