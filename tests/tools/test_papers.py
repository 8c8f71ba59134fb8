"""The glossary knows every state and verdict, and says of each what the code says."""

import re
from pathlib import Path

from daozhang.core import verdict
from daozhang.core.payment import State
from daozhang.core.verdict import Verdict
from daozhang.diagnosis import verdicts

GLOSSARY = (Path(__file__).parents[2] / "GLOSSARY.md").read_text("utf-8")


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
