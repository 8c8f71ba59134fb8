"""The store: prose above tables, times that are given, columns that are named."""

import re
from collections.abc import Iterator

from rules.house import Fault, House


def rule_tables(house: House) -> Iterator[Fault]:
    """The schema is prose: a sentence above every table says what a row is."""
    for path in house.files:
        if path.suffix != ".sql":
            continue
        lines = path.read_text("utf-8").splitlines()
        for at, line in enumerate(lines):
            if re.match(r"\s*create (unlogged )?table", line, re.I) and not (
                at and lines[at - 1].lstrip().startswith("--")
            ):
                yield Fault(path, at + 1, "tables", "no sentence above the table")


_DB_CLOCK = re.compile(
    r"\b(now\(\)|clock_timestamp\(\)|current_timestamp|localtimestamp|statement_timestamp\(\))", re.I
)


def rule_database_clock(house: House) -> Iterator[Fault]:
    """Times are given, so that virtual time works; only leases use the database's clock, and say so."""
    for path in house.files:
        if path.suffix == ".sql" or (path.suffix == ".py" and "store" in path.parts):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                comment = "--" in line and line.index("--") < (
                    found.start() if (found := _DB_CLOCK.search(line)) else 0
                )
                if _DB_CLOCK.search(line) and "lease" not in line and not comment and "tests" not in path.parts:
                    yield Fault(
                        path, number, "database clock", "take the time as an argument, or mark the line as a lease"
                    )


def rule_select_all(house: House) -> Iterator[Fault]:
    """`select *` breaks running transactions when a column is added."""
    for path in house.files:
        if "store" in path.parts and path.suffix in (".sql", ".py") and "tests" not in path.parts:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if re.search(r"select \*", line, re.I):
                    yield Fault(path, number, "columns", "name the columns")
