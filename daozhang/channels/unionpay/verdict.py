"""What each answer of UnionPay *proves*: one table (codes.csv), read here. A code outside it proves nothing.

Rows are keyed by operation. ``00`` as a reply means that the request was taken, and nothing more; how a payment went
stands in a query's ``origRespCode`` (rows ``orig=..``) and in a notify.
"""

from collections.abc import Mapping
from functools import cache

from daozhang.channels.table import Row, Table, written
from daozhang.core.evidence import Op, Proves
from daozhang.core.payment import Payment, State
from daozhang.core.resolve import ACCEPTED


@cache
def _table() -> Table:
    return Table(rows())


@cache
def rows() -> list[dict[str, str]]:
    """Every row as written: op, code, proves, hint, zh, en."""
    return written(__file__)


def look_up(op: str, code: str) -> tuple[str, Row]:
    """The code and its row for the operation; the row of what nobody has seen when there is none."""
    return code, _table().get(op, code) or _table().unseen(code)


def of_reply(op: Op, payment: Payment, now_ms: int, reply: Mapping[str, str]) -> tuple[str, Row]:
    """The row for a reply whose signature held."""
    code = reply.get("respCode", "")
    shown = payment.method.shown
    match op:
        case Op.PAY:
            return look_up("apply" if shown else "pay", code)
        case Op.QUERY:
            return _of_query(payment, shown and now_ms < payment.window_end_ms, code, reply)
        case Op.REFUND_QUERY if code == "00":
            return look_up("refund_query", f"orig={reply.get('origRespCode', '')}")
        case Op.REVERSE | Op.CLOSE:
            # That there is nothing to reverse cannot be said of an order that the channel has shown.
            return look_up("reverse", "34+seen" if code == "34" and payment.seen else code)
        case _:
            return look_up(op.value, code)


def _of_query(payment: Payment, may_try_again: bool, code: str, reply: Mapping[str, str]) -> tuple[str, Row]:
    if code != "00":
        # After an accepted reversal an order that the channel has shown before is gone: it was undone. Not so when a charge
        # was notified after that end: then the channel contradicts itself, and is asked again.
        denied = payment.state is State.CLOSED and payment.capture_seen
        gone = code == "34" and payment.seen and payment.undone in ACCEPTED and not denied
        return look_up("query", "34+undone" if gone else code)
    code, row = look_up("query", f"orig={reply.get('origRespCode', '')}")
    if row.proves is Proves.CLOSED and may_try_again:
        # Until payTimeout the payer of a QR may try another card (dossier 3.1).
        return code, row._replace(proves=Proves.WAITING)
    return code, row
