"""What each answer proves: one table (codes.csv). A code outside it proves nothing."""

import csv
from functools import cache
from pathlib import Path

from daozhang.core.evidence import Proves


@cache
def rows() -> list[dict[str, str]]:
    """Every row as written: op, code, proves, hint, zh, en."""
    with Path(__file__).with_name("codes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _table() -> dict[tuple[str, str], tuple[Proves, str, str]]:
    return {(row["op"], row["code"]): (Proves(row["proves"]), row["hint"], row["zh"]) for row in rows()}


def look_up(op: str, code: str) -> tuple[Proves, str, str]:
    """What the code proves for the operation, its hint, its text; nothing for a code that nobody has seen."""
    return _table().get((op, code), (Proves.NOTHING, "", ""))
