"""Planting one bug of `tests.sim.bugs` into a copy of the package, and running towns over it until it is found."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import daozhang
from tests.sim.bugs import BUGS, TOWNS

PACKAGE = Path(daozhang.__file__).parent
_HUNT = """
import logging
from daozhang.sim.crowd import Options
from daozhang.sim.proof import one
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
options = Options(theme={theme!r})
found = next(((seed, result.wrong[0]) for seed in range(1, {most} + 1) if (result := one(seed, options)).wrong), (0, ""))
print(found[0], found[1])
"""


class Found(NamedTuple):
    """``seeds``: how many it took, 0 when that many did not show it; ``why``: the auditor's word; ``town``: where it was hunted."""

    name: str
    seeds: int
    why: str
    town: str


def find(bug: tuple[str, str, str, str], most: int) -> Found:
    name, file, right, wrong = bug
    theme = TOWNS.get(name, "")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "daozhang"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "web"))
        text = (copy / file).read_text("utf-8")
        if text.count(right) != 1:
            raise LookupError(f"{name}: its line has moved; mend tests/sim/bugs.py")
        (copy / file).write_text(text.replace(right, wrong), "utf-8")
        done = subprocess.run([sys.executable, "-c", _HUNT.format(most=most, theme=theme)], cwd=folder,
                              env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-800:]}")
    seed, _, why = done.stdout.strip().partition(" ")
    return Found(name, int(seed), why, theme)


def find_all(most: int, processes: int = 2) -> Iterator[Found]:
    """Every bug of the list, some side by side, in the order of the list."""
    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(lambda bug: find(bug, most), BUGS)
