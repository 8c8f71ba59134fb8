"""The long proof of the drills: every shipped scenario from its own seed, and a corpus of every cause from a held-out one."""

from pathlib import Path

import pytest

from bench.drills import measure
from daozhang.sim.drill_file import read
from daozhang.sim.drill_run import run_drill

DRILLS = sorted((Path(__file__).parents[2] / "drills").glob("*.yaml"))


@pytest.mark.prove
@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_shipped_scenario_charges_nobody_twice_and_says_nothing_proven_that_is_wrong(path: Path) -> None:
    drill = read(path)
    told = run_drill(drill, drill.seed).report
    assert (told["proven_wrong"], told["wrong_verdicts"], told["net_double_charges"], told["manners_violations"]) == (0, 0, 0, 0)
    assert told["untold"] == 0 and told["false_incidents"] == 0
    assert told["top1"] is None or told["top1"] >= 0.9, told["confusion"]
    assert told["unknown_share"] <= 0.02


@pytest.mark.prove
def test_twenty_thousand_dark_episodes_of_every_cause_from_a_held_out_seed() -> None:
    told = measure(seed=424_242, each=14, count=40)
    one = told["single"]
    assert one["dark_episodes"] >= 20_000 and one["timeouts"] >= one["dark_episodes"] / 2
    assert one["top1"] >= 0.98 and one["unknown_share"] <= 0.02 and one["proven_wrong"] == 0 and one["ece"] <= 0.05, one["confusion"]
    assert told["together"]["top1"] >= 0.95
    assert told["blind"]["proven_wrong"] == 0 and told["blind"]["dark_episodes"] >= 2_000
    assert all(told["sums"][name] == 0 for name in ("wrong_verdicts", "net_double_charges", "untold", "manners_violations"))
