"""Where does it lie? The smallest place that explains what is troubled and none of what is fine (`diagnosis.window`)."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from daozhang.diagnosis.window import place_fits
from daozhang.watch.counts import EVERYWHERE, Place

_MOST = 40  # of one kind that are compared
Counted = Callable[[Place], tuple[int, int]]  # (troubled, fine)
Missing = tuple[str, float, float]  # the bank whose successes are missing, how clearly, and its usual share
NO_BANK: Missing = ("", 0.0, 0.0)


class Found(NamedTuple):
    """``behind``: of a bank, the channel (or everything) behind which it is. ``ahead``: by how much it beats the second."""

    place: Place
    behind: Place
    fit: float
    ahead: float


def where(suspects: Iterable[Place], counted: Counted, missing: Missing = NO_BANK) -> Found:
    """The best of the suspects; everything is always one of them."""
    total = counted(EVERYWHERE)
    best: dict[str, tuple[float, Place, tuple[int, int]]] = {}
    for kind, names in _by_kind(suspects).items():
        for place in sorted(names, key=lambda one: -counted(one)[0])[:_MOST]:
            here = counted(place)
            fit = place_fits({kind: here, "all": total})[kind]
            if kind not in best or fit > best[kind][0]:
                best[kind] = (fit, place, here)
    best["all"] = (place_fits({"all": total})["all"], EVERYWHERE, total)
    fits: dict[Place, float] = {place: fit for fit, place, _ in best.values()}
    behind = best.get("channel", best["all"])
    sick, fine = behind[2]
    # One bank cannot darken more than its usual part of what is behind the wallet.
    if missing[0] and missing[1] > 0 and sick <= (1.5 * missing[2] + 0.1) * (sick + fine):
        counts: dict[str, tuple[int, int]] = {kind: best[kind][2] for kind in ("channel", "all") if kind in best}
        fits["bank", missing[0]] = place_fits(counts, *missing)["bank"]
    order = sorted(fits, key=lambda one: -fits[one])
    ahead = fits[order[0]] - fits[order[1]] if len(order) > 1 else 0.0
    return Found(order[0], behind[1] if order[0][0] == "bank" else order[0], fits[order[0]], ahead)


def _by_kind(places: Iterable[Place]) -> Mapping[str, list[Place]]:
    kinds: dict[str, list[Place]] = {}
    for place in places:
        if place != EVERYWHERE:
            kinds.setdefault(place[0], []).append(place)
    return kinds
