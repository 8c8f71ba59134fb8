"""Incidents as the answers about single payments show them: many payments, one cause that is wider than one of them."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daozhang.sim.drill_faults import AtWork
from daozhang.sim.drill_look import Answer, Episode

_MANY, _WITHIN_MS = 8, 60_000
_STILL_MS = 90_000
_NEVER = frozenset({"info", "payer", "operator", "limit", "unknown", "none", "risk", "payee", "integration"})


@dataclass
class Incident:
    cause: str
    members: tuple[str, ...]
    party_name: str
    at_ms: int
    last_ms: int
    true: bool = False


class Incidents:
    """``faults`` are the truth that what was seen is held against."""

    def __init__(self, faults: Sequence[AtWork]) -> None:
        self._faults, self.seen = faults, list[Incident]()
        self._open: dict[tuple[str, str], Incident] = {}
        self._recent: dict[tuple[str, str], deque[tuple[int, str]]] = defaultdict(deque)
        self._found: dict[int, int] = {}

    def see(self, episodes: Sequence[Episode]) -> None:
        """All answers, in the order of time."""
        said = [(answer.at_ms, one.subject, answer) for one in episodes if one.kind in ("unproven", "untold") for answer in one.answers]
        for at, subject, answer in sorted(said, key=lambda entry: (entry[0], entry[1])):
            # Where one lost payment would explain it as well, nobody speaks of an incident yet.
            if answer.wide and not any(member.partition(".")[0] in _NEVER for member in (answer.id, *answer.members)):
                self._one(at, subject, answer)

    def _one(self, at: int, subject: str, answer: Answer) -> None:
        key = (answer.party, answer.party_name)
        recent = self._recent[key]
        recent.append((at, subject))
        while recent[0][0] < at - _WITHIN_MS:
            recent.popleft()
        held = self._open.get(key)
        if held is not None and at - held.last_ms < _STILL_MS:
            held.last_ms = at
            self._credit(held, answer, at)
        elif len({ident for _, ident in recent}) >= _MANY:
            made = Incident(answer.id, answer.members, answer.party_name, at, at)
            self._open[key] = made
            self.seen.append(made)
            self._credit(made, answer, at)

    def _credit(self, one: Incident, answer: Answer, at: int) -> None:
        for n, fault in enumerate(self._faults):
            if fault.fault.cause in answer.members and fault.from_ms <= at <= fault.until_ms + 3 * _STILL_MS:
                one.true = True
                self._found.setdefault(n, at)

    @property
    def false(self) -> int:
        return sum(not one.true for one in self.seen)

    def detection_s(self) -> list[float]:
        """From onset, of faults that struck twenty payments in their first minute."""
        return [(self._found[n] - one.from_ms) / 1000 for n, one in enumerate(self._faults) if n in self._found and one.first_minute >= 20]

    def table(self, start_ms: int) -> list[dict[str, Any]]:
        return [{"cause": one.cause, "party": one.party_name, "from_s": (one.at_ms - start_ms) / 1000, "until_s": (one.last_ms - start_ms) / 1000,
                 "true": one.true} for one in self.seen]  # fmt: skip
