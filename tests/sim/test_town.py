"""The town on virtual time: many seeds without a violation, files of old failures, planted bugs that must be found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import daozhang
from daozhang.sim import proof
from daozhang.sim.crowd import Options
from tests.sim.bugs import BUGS, SOME

SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.json"))
_MOST_SEEDS = 200


def test_seeds_without_a_violation(capsys: pytest.CaptureFixture[str]) -> None:
    report = _report(seeds=30, payments=25)
    with capsys.disabled():
        print(f"\ntown: {report.seeds} seeds, {report.payments} payments, {report.faults} faults, never reached: {report.never}")
    assert report.violations == []
    assert report.faults > report.payments
    assert report.table()["states_reached"] >= 60, report.never


@pytest.mark.prove
@pytest.mark.timeout(14_400)
def test_many_seeds_without_a_violation_reach_every_rare_state() -> None:
    report = _report(seeds=1_000, payments=100)
    print(report.table())
    assert report.violations == [] and report.never == [] and len(report.table()["states"]) >= 60


def _report(seeds: int, payments: int) -> proof.Report:
    report = proof.Report()
    for result in proof.many(1, seeds, Options(payments=payments), processes=2):
        report.add(result)
    return report


def test_one_seed_is_one_world() -> None:
    """The same seed plays the same story, also after others were played in this process."""
    first, _, again = (proof.one(seed, Options(payments=12)) for seed in (5, 6, 5))
    assert first == again and first.steps > 50


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_an_old_failure_stays_mended(file: Path) -> None:
    assert proof.one(*proof.read(file)).wrong == []


def found_after(folder: Path, bug: tuple[str, str, str, str]) -> int:
    """Plant one bug into a copy of the package; how many seeds until it was found (0: never)."""
    name, file, right, wrong = bug
    copy = folder / "daozhang"
    shutil.copytree(Path(daozhang.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "web"))
    text = (copy / file).read_text("utf-8")
    assert text.count(right) == 1, f"{name}: its line has moved; mend tests/sim/bugs.py"
    (copy / file).write_text(text.replace(right, wrong), "utf-8")
    hunt = (
        "from daozhang.sim.proof import one; from daozhang.sim.crowd import Options\n"
        f"print(next((s for s in range(1, {_MOST_SEEDS}) if one(s, Options(payments=25)).wrong), 0))"
    )
    done = subprocess.run([sys.executable, "-c", hunt], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug[0] in SOME], ids=lambda bug: bug[0])
def test_a_planted_bug_is_found(tmp_path: Path, bug: tuple[str, str, str, str]) -> None:
    assert found_after(tmp_path, bug)


def test_every_planted_bug_still_fits_its_line() -> None:
    root = Path(daozhang.__file__).parent
    assert len({bug[0] for bug in BUGS}) == len(BUGS) >= 30
    assert [name for name, file, right, _ in BUGS if (root / file).read_text("utf-8").count(right) != 1] == []


@pytest.mark.prove
@pytest.mark.timeout(14_400)
def test_every_planted_bug_is_found(tmp_path: Path) -> None:
    seeds = {}
    for at, bug in enumerate(BUGS):
        folder = tmp_path / str(at)
        folder.mkdir()
        seeds[bug[0]] = found_after(folder, bug)
        print(f"{seeds[bug[0]]:4}  {bug[0]}")
    assert [name for name, found in seeds.items() if not found] == []
