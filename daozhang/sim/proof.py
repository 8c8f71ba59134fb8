"""Many seeds: run, judge, shrink, and write down; a seed and its options are the whole failure."""

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from time import process_time
from typing import Any

from daozhang.sim.crowd import Options, Town, play
from daozhang.sim.rare import STATES, all_steps


@dataclass
class Result:
    """What one seed came to."""

    seed: int
    payments: int
    steps: int
    faults: int
    wrong: list[str]
    rare: dict[str, int]
    core_s: float = 0.0  # of a processor's time


@dataclass
class Report:
    seeds: int = 0
    payments: int = 0
    steps: int = 0
    faults: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)
    rare: Counter[str] = field(default_factory=Counter)
    core_s: float = 0.0

    def add(self, one: Result) -> None:
        self.seeds, self.payments = self.seeds + 1, self.payments + one.payments
        self.steps, self.faults = self.steps + one.steps, self.faults + one.faults
        self.rare.update(one.rare)
        self.core_s += one.core_s
        if one.wrong:
            self.violations.append({"seed": one.seed, "wrong": one.wrong})

    @property
    def never(self) -> list[str]:
        """Rare states that no seed reached."""
        return [name for name in STATES if not self.rare[name]]

    def table(self) -> dict[str, Any]:
        reached = [name for name in (*STATES, *all_steps()) if self.rare[name]]
        return {"seeds": self.seeds, "payments": self.payments, "steps_checked": self.steps, "faults": self.faults,
                "violations": self.violations, "states_reached": len(reached), "states_never": self.never,
                "states": dict(sorted(self.rare.items()))}  # fmt: skip


def one(seed: int, options: Options) -> Result:
    """Play one seed. A crash of the simulation itself is a failure like any other."""
    try:
        town: Town = play(seed, options)
    except Exception as why:
        return Result(seed, 0, 0, 0, [f"the town broke down: {why!r}"], {})
    return Result(seed, len(town.store.payments_), town.auditor.steps, town.faults(), town.wrong, town.rare.counts)


def _one(given: tuple[int, Options]) -> Result:
    began = process_time()
    result = one(*given)
    result.core_s = process_time() - began
    return result


def _undisturbed() -> None:
    """Ctrl-C is for whoever asked; he ends his workers himself."""
    signal(SIGINT, SIG_IGN)


def many(first: int, seeds: int, options: Options, processes: int = 1) -> Generator[Result, None, None]:
    """Results in the order of the seeds; every worker is a process of its own."""
    work = [(seed, options) for seed in range(first, first + seeds)]
    if processes == 1:
        yield from map(_one, work)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _undisturbed) as pool:
        yield from pool.imap(_one, work, chunksize=4)


_CALM: dict[str, Any] = {"dark": 0, "crash": 0.0, "store": 0.0, "chaos": 0.0, "wire": 0.0, "hands": 0.0}


def shrink(seed: int, options: Options, tell: Callable[[str], None] = lambda said: None) -> Options:
    """Fewer payments, no faults of a kind, while it still fails with this seed."""
    kinds = {said[:2] for said in one(seed, options).wrong}

    def fails(tried: Options) -> bool:
        return any(said[:2] in kinds for said in one(seed, tried).wrong)

    for name, calm in _CALM.items():
        calmer = replace(options, **{name: calm})
        if calmer != options and fails(calmer):
            options = calmer
            tell(line(seed, options))
    least, most = 1, options.payments
    while least < most:
        middle = (least + most) // 2
        if fails(replace(options, payments=middle)):
            most = middle
            tell(line(seed, replace(options, payments=most)))
        else:
            least = middle + 1
    smaller = replace(options, payments=most)
    return smaller if fails(smaller) else options


def line(seed: int, options: Options, commit: str = "") -> str:
    """The one line of a failure."""
    return f"seed={seed} commit={commit or '-'} options={json.dumps(options.table(), separators=(',', ':'))}"


def write(path: Path, seed: int, options: Options, wrong: list[str], commit: str = "") -> None:
    """A file that CI replays for ever."""
    told = {"seed": seed, "commit": commit, "options": options.table(), "wrong": wrong}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", "utf-8")


def read(path: Path) -> tuple[int, Options]:
    """Raises ValueError, KeyError or TypeError for a file that is none of ours."""
    told = json.loads(path.read_text("utf-8"))
    return int(told["seed"]), Options(**told["options"])
