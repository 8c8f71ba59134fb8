"""A bank behind a wallet is named on successes only, so its fault is seen from the successes that are missing.

What is usual is learned over half an hour and only while nothing is wrong, so that a long fault does not become usual.
"""

from math import exp, log
from typing import NamedTuple

from daozhang.diagnosis.window import Sighting
from daozhang.watch.counts import SLOT_MS, SPAN

_KEEPS = 0.998  # per slot
_STILL = (0.08, 0.3)  # of its usual successes still come when a bank is away, or nearly so
_LEAST_USUAL = 60.0  # successes of a channel before its banks are known
_LEAST_EXPECTED = 3.0
_MOST_BANKS = 200  # of one channel


class Missing(NamedTuple):
    """``bank`` empty: none is missed. ``sure``: log-likelihood ratio against "all as usual"; ``usual``: its share of payments;
    ``ahead``: the ratio against the bank that is missed second most."""

    bank: str = ""
    sure: float = 0.0
    usual: float = 0.0
    ahead: float = 0.0


class Banks:
    """Successes by channel and bank: of each slot of the last minutes, and what is usual."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[tuple[str, str], int]] = {}
        self._usual: dict[str, dict[str, float]] = {}

    def see(self, one: Sighting) -> None:
        if not one.bank or one.symptom:
            return
        slot = one.at_ms // SLOT_MS
        if slot not in self._slots:
            self._slots[slot] = {}
            for old in [held for held in self._slots if held < slot - SPAN - 2]:
                del self._slots[old]
        came = self._slots[slot]
        key = one.places.channel, one.bank
        came[key] = came.get(key, 0) + 1

    def learn(self, first: int, last: int) -> None:
        """These slots were ordinary."""
        for slot in range(first, last + 1):
            for usual in self._usual.values():
                for bank in usual:
                    usual[bank] *= _KEEPS
            for (channel, bank), count in self._slots.get(slot, {}).items():
                usual = self._usual.setdefault(channel, {})
                if bank in usual or len(usual) < _MOST_BANKS:
                    usual[bank] = usual.get(bank, 0.0) + count

    def missing(self, channels: set[str], first: int, last: int) -> Missing:
        """The bank that is missed most at these channels together (empty: at all)."""
        ratios: dict[str, tuple[float, ...]] = {}
        shares: dict[str, list[float]] = {}
        expected: dict[str, float] = {}
        for channel, usual in self._usual.items():
            whole = sum(usual.values())
            if (channels and channel not in channels) or whole < _LEAST_USUAL:
                continue
            came: dict[str, int] = dict.fromkeys(usual, 0)
            for slot in range(first, last + 1):
                for (at, bank), count in self._slots.get(slot, {}).items():
                    if at == channel and bank in came:
                        came[bank] += count
            total = sum(came.values())
            for bank, weight in usual.items():
                share = (weight + 1) / (whole + len(usual))
                before = ratios.get(bank, (0.0,) * len(_STILL))
                ratios[bank] = tuple(one + _ratio(share, still, came[bank], total) for one, still in zip(before, _STILL, strict=True))
                shares.setdefault(bank, []).append(share)
                expected[bank] = expected.get(bank, 0.0) + share * total
        whole_ratios = {bank: _mean(each) for bank, each in ratios.items()}
        known = [bank for bank in ratios if expected[bank] >= _LEAST_EXPECTED]
        if not known:
            return Missing()
        best = max(known, key=lambda bank: whole_ratios[bank])
        sure = whole_ratios[best]
        second = max((ratio for bank, ratio in whole_ratios.items() if bank != best), default=0.0)
        return Missing(best, sure, sum(shares[best]) / len(shares[best]), sure - max(second, 0.0)) if sure > 0 else Missing()


def _ratio(share: float, still: float, came: int, total: int) -> float:
    left = share * still / (1 - share + share * still)
    return came * log(left / share) + (total - came) * log((1 - left) / (1 - share))


def _mean(ratios: tuple[float, ...]) -> float:
    """Of the likelihoods, as a logarithm."""
    top = max(ratios)
    return top + log(sum(exp(one - top) for one in ratios) / len(ratios))
