"""What each answer proves: one table (codes.csv). A code outside it proves nothing."""

from functools import cache

from daozhang.channels.table import Row, Table, written


@cache
def rows() -> list[dict[str, str]]:
    """Every row as written: op, code, proves, hint, zh, en."""
    return written(__file__)


@cache
def _table() -> Table:
    return Table(rows())


def look_up(op: str, code: str) -> Row:
    """What the code proves for the operation, its hint, its texts; nothing for a code that nobody has seen."""
    return _table().get(op, code) or _table().unseen(code)
