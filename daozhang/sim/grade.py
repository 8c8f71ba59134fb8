"""Grading the diagnosis against labels: top-1 by class, recall and precision, calibration. Simulated; the field is unmeasured."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daozhang.diagnosis.cause import UNKNOWN
from daozhang.diagnosis.name import CauseNamed, name_causes, name_till
from daozhang.sim.episodes import START_MS, Episode

_BINS = 10


@dataclass
class Grades:
    """``hit``: the label is the named cause, or one of the class that it was named with."""

    total: int = 0
    hits: int = 0
    exact: int = 0
    unknown: int = 0
    proven_wrong: int = 0
    party: int = 0
    class_sizes: int = 0
    confusion: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    bins: list[list[float]] = field(default_factory=lambda: [[0, 0.0, 0] for _ in range(_BINS)])

    def add(self, label: str, named: CauseNamed | None) -> None:
        self.total += 1
        ident = named.id if named is not None else "none"
        members = (ident, *(named.class_ if named is not None else ()))
        hit = label in members
        self.hits += hit
        self.exact += ident == label
        self.unknown += ident in (UNKNOWN, "none")
        self.party += label.partition(".")[0] == ident.partition(".")[0] or hit
        self.class_sizes += len(set(members))
        self.confusion[label][label if hit else ident] += 1
        if named is not None:
            self.proven_wrong += named.confidence == "proven" and not hit
            entry = self.bins[min(int(named.probability * _BINS), _BINS - 1)]
            entry[0] += 1
            entry[1] += named.probability
            entry[2] += hit

    def report(self) -> dict[str, Any]:
        recall = {label: row[label] / sum(row.values()) for label, row in self.confusion.items()}
        said: Counter[str] = Counter()
        for row in self.confusion.values():
            said.update(row)
        precision = {label: self.confusion[label][label] / said[label] for label in self.confusion if said[label]}
        ece = sum(abs(total - hits) for count, total, hits in self.bins if count) / self.total
        return {
            "title": "simulated accuracy; field accuracy unmeasured",
            "dark_episodes": self.total,
            "top1": self.hits / self.total,
            "top1_exact": self.exact / self.total,
            "party": self.party / self.total,
            "class_size": self.class_sizes / self.total,
            "unknown_share": self.unknown / self.total,
            "proven_wrong": self.proven_wrong,
            "ece": ece,
            "bins": [{"said": round(total / count, 3), "right": round(hits / count, 3), "of": int(count)} for count, total, hits in self.bins if count],
            "recall": {name: round(value, 4) for name, value in sorted(recall.items())},
            "precision": {name: round(value, 4) for name, value in sorted(precision.items())},
            "confusion": {label: dict(row.most_common()) for label, row in sorted(self.confusion.items())},
        }


def grade(episodes: Iterable[Episode]) -> Grades:
    grades = Grades()
    for one in episodes:
        if one.facts is not None:
            f = one.facts
            named = name_causes(f.payment, f.lines, f.at_ms, f.around).why_no_information
        elif one.terminal is not None:
            named = name_till(one.terminal, START_MS, one.crowd)
        grades.add(one.label, named)
    return grades


def baselines(made: Sequence[Episode]) -> dict[str, float]:
    """What two simple rules reach on the same episodes, each given the best answer that it could have learned from them:
    always the most common cause, and the most common cause of the last error code. Exact hits: neither names a class."""
    by_code: dict[str, Counter[str]] = defaultdict(Counter)
    for one in made:
        by_code[_last_code(one)][one.label] += 1
    labels = Counter(one.label for one in made)
    return {
        "majority": labels.most_common(1)[0][1] / len(made),
        "last_error_code": sum(row.most_common(1)[0][1] for row in by_code.values()) / len(made),
    }


def _last_code(one: Episode) -> str:
    if one.facts is None:
        return one.symptom
    codes = [f"{line.code} {line.detail.get('hint', '')}" for line in one.facts.lines if line.kind == "answered" and line.code]
    return codes[-1] if codes else one.symptom
