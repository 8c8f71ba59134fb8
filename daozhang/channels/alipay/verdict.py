"""What each answer of Alipay *proves*: one table (codes.csv), read here. A code outside it proves nothing.

Rows are keyed by operation: the same code on *query* is not the code on *pay*. An error on a query or an undo
never settles a payment; only the body of a query does.
"""

from collections.abc import Mapping
from functools import cache

from daozhang.channels.table import UNSEEN, Row, Table, written
from daozhang.core.evidence import Op

_OTHERS = ("query", "reverse", "close", "refund", "refund_query", "bill")


@cache
def _table() -> Table:
    return Table(rows())


@cache
def rows() -> list[dict[str, str]]:
    """Every row: op, code, proves, hint, zh, en. The gateway says its own codes to every operation; only of a payment
    does it follow that nothing was charged, elsewhere they prove nothing about the order."""
    told = written(__file__)
    gateway = [row for row in told if row["op"] == "pay" and (row["code"] == "20000" or "/" in row["code"])]
    there = {(row["op"], row["code"]) for row in told}
    return told + [{**row, "op": op, "proves": "nothing"} for op in _OTHERS for row in gateway if (op, row["code"]) not in there]


def look_up(op: str, *codes: str) -> tuple[str, Row]:
    """The first of ``codes`` (most exact first) that stands in the table for the operation."""
    table = _table()
    for code in codes:
        row = table.get(op, code)
        if row is not None:
            return code, row
    return codes[0], next((row for row in map(table.unseen, codes) if row.hint), UNSEEN)


@cache
def _gateway_codes() -> dict[str, str]:
    exact = (row["code"] for row in rows() if row["op"] == "pay" and "/" in row["code"])
    return {code.partition("/")[2].partition(".")[2]: code for code in exact}


def gateway_code(bare: str) -> str:
    """``40002/isv.invalid-signature`` for the ``invalid-signature`` of the v3 wire; the same text when it is unknown."""
    return _gateway_codes().get(bare, bare)


def of_reply(op: Op, begun: str, reply: Mapping[str, object]) -> tuple[str, Row]:
    """The row for a reply whose signature held. ``begun``: how the payment began (pay, precreate, create)."""
    code, sub = _text(reply, "code"), _text(reply, "sub_code")
    if code != "10000":
        exact = f"{code}/{sub}" if sub else code
        return look_up(op.value, exact, sub, code) if code == "40004" else look_up(op.value, exact, code, sub)
    match op:
        case Op.PAY:
            return look_up(begun, code)
        case Op.QUERY:
            status = _text(reply, "trade_status")
            paid = status == "TRADE_CLOSED" and _text(reply, "send_pay_date")
            return look_up("query", f"{status}+paid" if paid else status)
        case Op.REVERSE:
            again = _text(reply, "retry_flag")
            return look_up("reverse", f"action={_text(reply, 'action')}" if again == "N" else f"retry_flag={again}")
        case Op.CLOSE:
            return look_up("close", code)
        case Op.REFUND:
            return look_up("refund", f"fund_change={_text(reply, 'fund_change')}")
        case Op.REFUND_QUERY:
            return look_up("refund_query", _text(reply, "refund_status") or "refund_status=")
        case _:
            return code, UNSEEN


def _text(reply: Mapping[str, object], key: str) -> str:
    value = reply.get(key)
    return value if isinstance(value, str) else ""
