"""Worlds of drills that are played one after another, each kept in a file once it is graded: an interrupted run goes on where it
stopped. What is kept belongs to the very code that made it; after any change of the product everything is played anew."""

import hashlib
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import daozhang
from daozhang.sim.drill_file import Drill
from daozhang.sim.drill_look import Answer, Episode
from daozhang.sim.drill_run import Ran, run_drill

# Only faults that metrics can show are asked of the published methods.
ASKED = ("platform.outage", "platform.degraded", "platform.maintenance", "bank.unavailable", "bank.maintenance", "bank.slow", "clearing.outage",
         "us.egress", "us.certificate")  # fmt: skip
SUMS = ("wrong_verdicts", "net_double_charges", "untold", "false_incidents", "manners_violations", "payments")
_MOST_OF_A_WORLD = 400  # episodes of one world that are graded: a large outage is one story, not a thousand
_SAYS_EVERY_S = 20


@dataclass
class Corpus:
    episodes: list[Episode] = field(default_factory=list)
    worlds: list[dict[str, Any]] = field(default_factory=list)
    sums: Counter[str] = field(default_factory=Counter)
    detection_s: list[float] = field(default_factory=list)

    def add(self, kept: dict[str, Any]) -> None:
        self.episodes += [_episode(one) for one in kept["episodes"]]
        self.sums.update(kept["sums"])
        if kept["detection_s"] is not None:
            self.detection_s.append(kept["detection_s"])
        if kept["asked"] is not None:
            self.worlds.append(kept["asked"])


def collect(work: Iterable[tuple[Drill, int]], keep: Path | None, title: str, jobs: int = 1) -> Corpus:
    """Plays, or reads again, every world. ``keep``: the folder of finished worlds; None: nothing is kept."""
    items, corpus, began, said = list(work), Corpus(), time.monotonic(), 0.0
    code = _code() if keep is not None else ""
    files = [keep / f"{_key(code, drill, seed)}.json" if keep is not None else None for drill, seed in items]
    there = sum(file is not None and file.exists() for file in files)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) if jobs > 1 else nullcontext() as pool:
        for at, kept in enumerate((pool.map if pool is not None else map)(_kept, items, files), 1):
            corpus.add(kept)
            spent = time.monotonic() - began
            if spent - said >= _SAYS_EVERY_S or at == len(items):
                said, left = spent, spent / max(at - there, 1) * (len(items) - max(at, there))
                print(f"{title}: {at} of {len(items)} worlds, {len(corpus.episodes)} dark, {spent:.0f} s, about {left:.0f} s to go",
                      file=sys.stderr, flush=True)  # fmt: skip
    return corpus


def _kept(item: tuple[Drill, int], file: Path | None) -> dict[str, Any]:
    if file is not None and file.exists():
        held: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return held
    drill, seed = item
    kept = outcome(drill, run_drill(drill, seed))
    if file is not None:
        _write(file, kept)
    return kept


def outcome(drill: Drill, done: Ran) -> dict[str, Any]:
    """What counts of one world."""
    dark = [one for one in done.episodes if one.label != "none"]
    count = min(len(dark), _MOST_OF_A_WORLD)
    chosen = [dark[n * len(dark) // count] for n in range(count)]
    cause, asked = drill.faults[0].cause, None
    if len(drill.faults) == 1 and cause in ASKED:
        mine = [one for one in chosen if one.label == cause]
        asked = {"cause": cause, "series": done.series, "onset": int(drill.faults[0].at_s // 5), "episodes": len(mine),
                 "ours": sum(one.last is not None and one.last.party == cause.partition(".")[0] for one in mine)}  # fmt: skip
    return {
        "episodes": [asdict(_short(one)) for one in chosen],
        "sums": {name: done.report[name] for name in SUMS},
        "detection_s": done.report["incident_detection_s"]["p99"],
        "asked": asked,
    }


def _short(one: Episode) -> Episode:
    """Of all looks only the last counts, and every one that said proven and was wrong."""
    wrong = [
        said for said in one.answers if said is not one.last and said.confidence == "proven" and not one.right(said)
    ]
    return replace(one, answers=[*wrong, *filter(None, [one.last])])


def _episode(held: dict[str, Any]) -> Episode:
    answers = [Answer(**{**one, "members": tuple(one["members"])}) for one in held["answers"]]
    return Episode(**{**held, "labels": tuple(held["labels"]), "answers": answers})


def _code() -> str:
    """A digest of the product and of what is kept of a world."""
    root = Path(daozhang.__file__).parent
    files = [path for path in sorted(root.rglob("*")) if path.suffix in (".py", ".toml")]
    whole = hashlib.sha256()
    for path in [*files, Path(__file__)]:
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def _key(code: str, drill: Drill, seed: int) -> str:
    return hashlib.sha256(f"{code} {seed} {drill!r}".encode()).hexdigest()[:32]


def _write(file: Path, kept: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".half")
    half.write_text(json.dumps(kept), "utf-8")
    half.replace(file)
