"""What each answer of WeChat Pay *proves*: one table (codes.csv), read here. A code outside it proves nothing.

Rows are keyed by operation (``v2.`` before those of the old wire). An HTTP status of 500 and above never refuses,
whatever code comes with it; an error on a query or an undo never settles a payment. Some codes mean several things, which
only the text beside them tells apart (``CODE~part of the text``): that changes the hint and the words, never what is proven.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from daozhang.channels.table import UNSEEN, Row, Table, written
from daozhang.core.evidence import Op, Proves


@cache
def _table() -> Table:
    return Table(rows())


@cache
def rows() -> list[dict[str, str]]:
    """Every row as written: op, code, proves, hint, zh, en."""
    return written(__file__)


@cache
def _texts() -> dict[tuple[str, str], list[tuple[str, Row]]]:
    """By operation and code: the parts of texts that say more, and their rows."""
    found: dict[tuple[str, str], list[tuple[str, Row]]] = {}
    for (op, code), row in _table().rows.items():
        name, mark, part = code.partition("~")
        if mark:
            found.setdefault((op, name), []).append((part, row._replace(proves=_table().rows[op, name].proves)))
    return found


def look_up(op: str, code: str, text: str = "") -> tuple[str, Row]:
    """The code and its row for the operation; the row of what nobody has seen when there is none."""
    row = _table().get(op, code) or _table().unseen(code) if "~" not in code else UNSEEN
    said = _texts().get((op, code), []) if text else []
    return code, next((told for part, told in said if part in text), row)


def of_v3(op: Op, shown: bool, undone: bool, status: int, reply: Mapping[str, Any]) -> tuple[str, Row]:
    """The row for a verified APIv3 reply. ``shown``: the order is offered as a QR; ``undone``: an undo of ours was taken."""
    name = "native" if op is Op.PAY and shown else op.value
    if status not in (200, 202, 204):
        code = _text(reply, "code")
        found = look_up(name, code, _text(reply, "message")) if code else (f"HTTP_{status}", UNSEEN)
        return found if 400 <= status < 500 else (found[0], found[1]._replace(proves=Proves.NOTHING))
    match op:
        case Op.PAY | Op.QUERY if name != "native":
            return of_state(name, undone, _text(reply, "trade_state"), "" if status == 200 else f"{status} ")
        case Op.REVERSE:
            recall = _text(reply, "recall")
            return look_up(name, f"recall={recall}" if recall else "200")
        case Op.REFUND | Op.REFUND_QUERY:
            return look_up(name, _text(reply, "status"))
        case _:
            return look_up(name, str(status))


def of_state(name: str, undone: bool, state: str, before: str = "") -> tuple[str, Row]:
    """The row for a state of the trade. Given back after our undo is something else than given back by somebody."""
    code = f"{before}{state}" + ("+undone" if state == "REFUND" and undone else "")
    return look_up(name, code)


def _text(reply: Mapping[str, Any], key: str) -> str:
    value = reply.get(key)
    return value if isinstance(value, str) else ""
