"""The record of the towns can be ended and gone on with, and comes to the same; of other code it is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench import proof_words
from bench.proof import Record, code_of, page, seeds
from daozhang.core.evidence import Op, Proves
from daozhang.sim.proof import Report
from daozhang.sim.rare import STATES, all_steps
from tests.sim.bugs import BUGS, TOWNS
from tests.sim.planted import Found


def bare(report: Report) -> Report:
    """Without the time it took."""
    return replace(report, core_s=0.0)


def test_two_runs_come_to_what_one_would_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "record.json"
    first = Record.at(file, 40_001)
    first.bugs.append(Found("one fen off", 3, "I1", "late"))
    seeds(first, 2, 1, 0, file)
    again = Record.at(file, 40_001)
    assert (bare(again.report), again.bugs) == (bare(first.report), first.bugs) and again.report.seeds == 2
    seeds(again, 4, 1, 0, file)
    whole = Record.at(None, 40_001)
    seeds(whole, 4, 1, 0)
    assert bare(again.report) == bare(whole.report) and again.report.payments > 300 and again.rate > 0
    assert json.loads(file.read_text())["report"]["seeds"] == 4


def test_ctrl_c_ends_it_and_what_was_played_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    record, file = Record.at(None, 40_001), tmp_path / "record.json"
    add = Report.add

    def enough(report: Report, one: object) -> None:
        add(report, one)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Report, "add", enough)
    seeds(record, 4, 1, 0, file)
    assert "ended at 1 seeds" in capsys.readouterr().out and json.loads(file.read_text())["report"]["seeds"] == 1


@pytest.mark.parametrize(("changed", "says"), [({"code": "of another day"}, "by the code of another day, not of 1 by"), ({"first": 7}, "seeds from 7 on")])
def test_a_record_of_other_code_or_seeds_is_refused(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    file = tmp_path / "record.json"
    record = Record.at(None, 1)
    record.keep(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
    with pytest.raises(SystemExit, match=says):
        Record.at(file, 1)


def test_the_code_is_that_which_moves_money(tmp_path: Path) -> None:
    for room in ("core", "channels", "flow", "store", "api"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "one.py").write_text("a = 1")
    before = code_of(tmp_path)
    (tmp_path / "api" / "one.py").write_text("a = 2")
    assert code_of(tmp_path) == before
    (tmp_path / "store" / "one.py").write_text("a = 2")
    assert code_of(tmp_path) != before


def test_the_page_in_chinese_is_in_chinese() -> None:
    named = [proof_words.bug(name) for name, *_ in BUGS]
    named += [proof_words.town(theme) for theme in ("", *TOWNS.values())]
    named += [proof_words.state(name) for name in (*STATES, *all_steps(), *(f"answer: {op} {what}" for op in Op for what in Proves))]
    assert len(named) > 100 and not [one for one in named if re.search("[A-Za-z]", one)]


def test_the_page_says_what_was_played_and_which_invariant_told(capsys: pytest.CaptureFixture[str]) -> None:
    record = Record.at(None, 40_001)
    seeds(record, 1, 1, 0)
    bugs = [Found(BUGS[0][0], 3, "I15 DZ1: two queries 1258 ms apart", ""), Found(BUGS[1][0], 2, "the town broke down: Broken", "late"),
            Found(BUGS[2][0], 0, "", "storm")]  # fmt: skip
    en, zh = (page(record.report, 300.0, 40_001, bugs, zh) for zh in (False, True))
    assert f"| {BUGS[0][0]} | 3 | of every kind | I15 |" in en and f"| {proof_words.bug(BUGS[0][0])} | 3 | 各种 | I15 |" in zh
    assert f"| {BUGS[1][0]} | 2 | late | a check of the core or the store |" in en and "| 迟到 | 核心或库的检查 |" in zh
    assert "not found" in en and "没有找到" in zh and "seeds 40001 to 40001" in en
    assert en.count("\n") == zh.count("\n")
