"""Planting one bug of `tests.sim.bugs` into a module as it is imported, and running towns over it until it is found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import daozhang
from tests.sim.bugs import BUGS, TOWNS

PACKAGE = Path(daozhang.__file__).parent
_HUNT = """
import importlib.util, json, logging, sys
from importlib.machinery import SourceFileLoader

module, path, right, wrong, theme, most = json.loads(sys.argv[1])

class Wrong(SourceFileLoader):
    def get_code(self, name):
        text = self.get_source(name)
        assert text.count(right) == 1
        return self.source_to_code(text.replace(right, wrong), path)

class Finder:
    @staticmethod
    def find_spec(name, where=None, target=None):
        return importlib.util.spec_from_file_location(name, path, loader=Wrong(name, path)) if name == module else None

sys.meta_path.insert(0, Finder)
from daozhang.sim.crowd import Options
from daozhang.sim.proof import one
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
options = Options(theme=theme)
found = next(((seed, result.wrong[0]) for seed in range(1, most + 1) if (result := one(seed, options)).wrong), (0, ""))
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
    theme, path = TOWNS.get(name, ""), PACKAGE / file
    if path.read_text("utf-8").count(right) != 1:
        raise LookupError(f"{name}: its line has moved; mend tests/sim/bugs.py")
    module = "daozhang." + file.removesuffix(".py").replace("/", ".")
    told = json.dumps([module, str(path), right, wrong, theme, most])
    done = subprocess.run([sys.executable, "-c", _HUNT, told], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-800:]}")
    seed, _, why = done.stdout.strip().partition(" ")
    return Found(name, int(seed), why, theme)


def find_all(most: int, processes: int = 2) -> Iterator[Found]:
    """Every bug of the list, some side by side, in the order of the list."""
    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(lambda bug: find(bug, most), BUGS)
