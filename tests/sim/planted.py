"""Planting one bug of `tests.sim.bugs` into a copy of the package, and running the town over it until it is found."""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import daozhang
from tests.sim.bugs import BUGS

PACKAGE = Path(daozhang.__file__).parent
_HUNT = """
import logging
from daozhang.sim.crowd import Options
from daozhang.sim.proof import one
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
found = next(((seed, result.wrong[0]) for seed in range(1, {most} + 1) if (result := one(seed, Options())).wrong), (0, ""))
print(found[0], found[1])
"""


def found_after(bug: tuple[str, str, str, str], most: int) -> tuple[int, str]:
    """How many seeds it took, and the auditor's word; 0 when so many seeds did not show it."""
    name, file, right, wrong = bug
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "daozhang"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "web"))
        text = (copy / file).read_text("utf-8")
        if text.count(right) != 1:
            raise LookupError(f"{name}: its line has moved; mend tests/sim/bugs.py")
        (copy / file).write_text(text.replace(right, wrong), "utf-8")
        done = subprocess.run([sys.executable, "-c", _HUNT.format(most=most)], cwd=folder, env={**os.environ, "PYTHONPATH": folder},
                              capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-800:]}")
    seed, _, why = done.stdout.strip().partition(" ")
    return int(seed), why


def all_found(most: int, processes: int = 2) -> dict[str, tuple[int, str]]:
    """Every bug of the list, some side by side."""
    with ThreadPoolExecutor(processes) as pool:
        return dict(zip((bug[0] for bug in BUGS), pool.map(lambda bug: found_after(bug, most), BUGS), strict=True))
