"""A channel's table of codes: what each answer *proves*, keyed by operation and code. What is outside it proves nothing.

The same code on *query* is not the code on *pay*. A code that the table knows of other operations only, and that proves
nothing there either, still speaks of the same thing: ``BANK_ERROR`` is about the bank wherever it is said. It gives a hint at
the cause and never more. What is a refusal elsewhere gives none: nothing has ended here.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from daozhang.core.evidence import Proves


class Row(NamedTuple):
    """``hint``: the cause that the code speaks of; ``zh``, ``en``: what it means."""

    proves: Proves
    hint: str
    zh: str
    en: str


UNSEEN = Row(Proves.NOTHING, "", "", "")


class Table:
    """``rows``: op, code, proves, hint, zh, en of each. Raises ValueError where one proves what nobody knows of."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.rows = {(row["op"], row["code"]): Row(Proves(row["proves"]), row["hint"], row["zh"], row["en"]) for row in rows}
        self._hints = _hints(rows)

    def get(self, op: str, code: str) -> Row | None:
        return self.rows.get((op, code))

    def unseen(self, code: str) -> Row:
        """The row of a code that no document lists for the operation."""
        hint = self._hints.get(code)
        return UNSEEN._replace(hint=hint) if hint else UNSEEN


def written(beside: str) -> list[dict[str, str]]:
    """Every row of the codes.csv in the folder of the file ``beside``."""
    with Path(beside).with_name("codes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _hints(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The one cause on which all operations agree that connect the code with any; none where one takes it for an end."""
    found: dict[str, set[str]] = {}
    ends = {row["code"] for row in rows if row["proves"] != Proves.NOTHING}
    for row in rows:
        if row["hint"] and row["code"] not in ends:
            found.setdefault(row["code"], set()).add(row["hint"])
    return {code: next(iter(hints)) for code, hints in found.items() if len(hints) == 1}
