"""The town on virtual time: many seeds without a violation, files of old failures, planted bugs that must be found."""

from dataclasses import replace
from pathlib import Path

import pytest

import daozhang
from daozhang.sim import proof
from daozhang.sim.crowd import STORM, Options
from tests.sim.bugs import BUGS, TOWNS
from tests.sim.planted import find_all

SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.json"))


@pytest.mark.timeout(1_800)
def test_a_thousand_seeds_without_a_violation(capsys: pytest.CaptureFixture[str]) -> None:
    """100,000 payments and more, each with at least one fault on average, on both cores; twenty thousand seeds are `make prove`."""
    report = _report(Options(payments=100), seeds=1_000)
    with capsys.disabled():
        print(f"\ntown: {report.seeds} seeds, {report.payments} payments, {report.faults} faults, {report.steps} steps checked, "
              f"{report.table()['states_reached']} states, never {report.never}")  # fmt: skip
    assert report.violations == []
    assert report.payments >= 100_000 and report.faults >= report.payments
    assert report.table()["states_reached"] >= 60 and len(report.never) <= 3


def test_storms_of_twenty_faults_a_payment() -> None:
    report = _report(replace(STORM, payments=25), seeds=16)
    assert report.violations == [] and report.faults >= 8 * report.payments


def _report(options: Options, seeds: int) -> proof.Report:
    report = proof.Report()
    for result in proof.many(1, seeds, options, processes=2):
        report.add(result)
    return report


def test_one_seed_is_one_world() -> None:
    """The same seed plays the same story, also after others were played in this process."""
    first, _, again = (proof.one(seed, Options(payments=12)) for seed in (5, 6, 5))
    assert first == again and first.steps > 50


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_an_old_failure_stays_mended(file: Path) -> None:
    assert proof.one(*proof.read(file)).wrong == []


def test_every_planted_bug_still_fits_its_line() -> None:
    root = Path(daozhang.__file__).parent
    assert len({bug[0] for bug in BUGS}) == len(BUGS) >= 30
    assert [name for name, file, right, _ in BUGS if (root / file).read_text("utf-8").count(right) != 1] == []
    assert TOWNS.keys() <= {bug[0] for bug in BUGS}


@pytest.mark.timeout(600)
def test_every_planted_bug_is_found() -> None:
    assert [found.name for found in find_all(most=60) if not found.seeds] == []
