"""The glossary knows every state and verdict, and says of each what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

from daozhang.core import verdict
from daozhang.core.payment import State
from daozhang.core.verdict import Verdict
from daozhang.diagnosis import verdicts

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "GLOSSARY.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """First cell (a code word) -> the other cells of its row, of the table under one heading."""
    part = GLOSSARY.partition(f"## {heading}")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_every_verdict_is_there_with_the_words_that_people_see() -> None:
    said = {name: cells[0] for name, cells in rows("Verdicts").items()}
    assert said == {one.value: verdicts.VERDICT[one]["zh"] for one in Verdict}


def test_every_state_is_there_with_the_verdict_that_the_code_gives_it() -> None:
    said = {state: re.findall(r"`(\w+)`", cells[-1])[0] for state, cells in rows("States").items()}
    assert said == {state.value: verdict._OF_STATE[state][0].value for state in State}


@pytest.mark.parametrize(("name", "language"), [("faults.md", "zh"), ("faults.en.md", "en")])
def test_the_fault_tables_are_those_of_the_code(name: str, language: str) -> None:
    """``python tools/faults.py`` writes them anew."""
    spec = importlib.util.spec_from_file_location("faults_paper", ROOT / "tools" / "faults.py")
    assert spec is not None and spec.loader is not None
    paper = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(paper)
    assert (ROOT / "docs" / name).read_text("utf-8") == paper.document(language)
