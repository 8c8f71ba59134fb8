"""Where does it lie? The smallest place that explains what is troubled and none of what is fine (`diagnosis.window`)."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from daozhang.diagnosis.window import place_fits
from daozhang.watch.banks import Missing
from daozhang.watch.counts import EVERYWHERE, Place

_MOST = 40  # of one kind that are compared
_RARE = {"software": 8.0, "carrier": 8.0, "region": 8.0}  # faults of these kinds are rare: chance alone must not name one
Counted = Callable[[Place], tuple[int, int]]  # (troubled, fine)
NO_BANK = Missing()


Best = tuple[float, Place, tuple[int, int]]  # fit, place, (troubled, fine)


class Found(NamedTuple):
    """``behind``: of a bank, the channel (or everything) behind which it is. ``ahead``: by how much it beats the second."""

    place: Place
    behind: Place
    fit: float
    ahead: float


def where(suspects: Iterable[Place], counted: Counted, missing: Missing = NO_BANK) -> Found:
    """The best of the suspects; everything is always one of them."""
    total = counted(EVERYWHERE)
    best: dict[str, Best] = {}
    for kind, names in _by_kind(suspects).items():
        for place in sorted(names, key=lambda one: -counted(one)[0])[:_MOST]:
            here = counted(place)
            fit = place_fits({kind: here, "all": total})[kind] - _RARE.get(kind, 0.0)
            if kind not in best or fit > best[kind][0]:
                best[kind] = (fit, place, here)
    best["all"] = (place_fits({"all": total})["all"], EVERYWHERE, total)
    fits: dict[Place, float] = {place: fit for fit, place, _ in best.values()}
    behind = EVERYWHERE
    if missing.bank:
        fit, behind = _behind(missing, best.get("channel"), best["all"])
        fits["bank", missing.bank] = fit
    order = sorted(fits, key=lambda one: -fits[one])
    ahead = fits[order[0]] - fits[order[1]] if len(order) > 1 else 0.0
    return Found(order[0], behind if order[0][0] == "bank" else order[0], fits[order[0]], ahead)


def _behind(missing: Missing, channel: "Best | None", everything: "Best") -> tuple[float, Place]:
    """Behind one channel, or behind all: what explains more. A bank cannot darken more than its usual part."""
    found = [(place_fits({"all": everything[2]}, *missing[:3])["bank"], everything)]
    if channel is not None:
        found.append((place_fits({"channel": channel[2], "all": everything[2]}, *missing[:3])["bank"], channel))
    plausible = [(fit, one) for fit, one in found if one[2][0] <= (1.5 * missing.usual + 0.1) * sum(one[2])]
    if not plausible:
        return float("-inf"), EVERYWHERE
    fit, one = max(plausible, key=lambda pair: pair[0])
    return fit, one[1]


def _by_kind(places: Iterable[Place]) -> Mapping[str, list[Place]]:
    kinds: dict[str, list[Place]] = {}
    for place in places:
        if place != EVERYWHERE:
            kinds.setdefault(place[0], []).append(place)
    return kinds
