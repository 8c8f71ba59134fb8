"""Change detection: did a place begin to suffer, and since when; is it well again, and since when?

Both are sequential tests on counts. A burst is found where "a share q of its payments is troubled since slot s" explains the
counts so much better than "as usual" that chance is out of the question; s is then the onset. A recovery is found where
"as usual again since slot h" explains the last slots better than "still half as bad".
"""

from collections.abc import Iterable, Sequence
from math import log
from typing import NamedTuple

from daozhang.diagnosis.sighting import NO_NOTIFY, WAITING
from daozhang.watch.counts import DARK, LATE_MS, REFUSED, SLOT_MS, Slot

# What is usual before anything was learned: one in 330 payments is dark, one payer in twelve is still asked after 20 s.
LEAST = {DARK: 0.003, WAITING: 0.08, NO_NOTIFY: 0.01, REFUSED: 0.004}
_MOST_USUAL = 0.25
_KEEPS = 0.998  # per slot: what is usual is learned over half an hour
SURE = 21.0  # log-likelihood ratio: one in a thousand million, as thousands of places are looked at for days
FEWEST = 5
_TIMES, _LEAST_SHARE = 5.0, 0.03
_WELL = 6.0
_FEWEST_WELL = 5
_SICK_AGAIN = 12.0
LAG_MS = {DARK: 6_000, WAITING: LATE_MS + 1_000, NO_NOTIFY: 8_000, REFUSED: 1_000}  # until a troubled one is known to be so


class Burst(NamedTuple):
    """``first``: the slot in which it began. ``sure``: the log-likelihood ratio against chance."""

    first: int
    troubled: int
    fine: int
    sure: float

    @property
    def share(self) -> float:
        return self.troubled / max(self.troubled + self.fine, 1)


class Usual:
    """What share of all payments is troubled in ordinary times; learned while nothing is wrong."""

    def __init__(self) -> None:
        self._troubled: dict[str, float] = {}
        self._all: dict[str, float] = {}

    def learn(self, trouble: str, troubled: int, fine: int) -> None:
        self._troubled[trouble] = self._troubled.get(trouble, 0.0) * _KEEPS + troubled
        self._all[trouble] = self._all.get(trouble, 0.0) * _KEEPS + troubled + fine

    def share(self, trouble: str) -> float:
        """Twice what was seen on average, never below the least."""
        seen = self._all.get(trouble, 0.0)
        usual = 2 * self._troubled.get(trouble, 0.0) / seen if seen > 200 else 0.0
        return min(max(LEAST[trouble], usual), _MOST_USUAL)


def ratio(troubled: int, fine: int, usual: float, share: float) -> float:
    """How much better ``share`` explains the counts than ``usual``."""
    share = min(max(share, 1e-6), 1 - 1e-6)
    return troubled * log(share / usual) + fine * log((1 - share) / (1 - usual))


def burst(slots: Sequence[Slot], trouble: str, usual: float, now_ms: int) -> Burst | None:
    """The most convincing beginning of something unusual that lasts until now; None: there is none."""
    best: Burst | None = None
    for last in (now_ms // SLOT_MS, (now_ms - LAG_MS[trouble]) // SLOT_MS):
        troubled = fine = 0
        for one in reversed(slots):
            if one.slot > last:
                continue
            troubled, fine = troubled + one.of(trouble), fine + one.fine
            if troubled < FEWEST or not one.of(trouble):
                continue
            share = troubled / (troubled + fine)
            if share < max(_TIMES * usual, _LEAST_SHARE) and share < 0.9:
                continue
            sure = ratio(troubled, fine, usual, share)
            if sure >= SURE and (best is None or sure > best.sure):
                best = Burst(one.slot, troubled, fine, sure)
    return best


def well_since(counts: Iterable[tuple[int, int, int]], usual: float, share: float) -> int | None:
    """The slot since which a place is well; ``counts``: (slot, troubled, fine), newest first. None: not known to be."""
    usual, sick = min(max(usual, 0.01), share / 3), share / 2
    told, fine_ones, best, since = 0.0, 0, 0.0, None
    for slot, troubled, fine in counts:
        told -= ratio(troubled, fine, usual, sick)
        fine_ones += fine
        if told > best and fine_ones >= _FEWEST_WELL:
            best, since = told, slot
    return since if best >= _WELL else None


def sick_again(troubled: int, fine: int, usual: float) -> bool:
    share = troubled / max(troubled + fine, 1)
    return troubled >= FEWEST and share >= _LEAST_SHARE and ratio(troubled, fine, usual, share) >= _SICK_AGAIN
