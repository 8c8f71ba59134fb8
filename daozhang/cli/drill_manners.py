"""The manners of a live drill, read from what the channels themselves wrote down (their clock, their order numbers)."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from daozhang.sim.drill_net import GAP_MS

_UNDO_AFTER_MS = {"wechatpay": 15_000}  # after the payment
_NEEDS_QUERY = ("alipay", "wechatpay")  # before an undo; a channel that counts its queries may be undone without one
_UNDO = ("cancel", "reverse")


def breaches(requests: Iterable[dict[str, Any]], channel: str) -> list[tuple[str, str]]:
    """What ``channel`` could complain of (P10): two queries of an order nearer than it allows, an undo that comes too early after
    the payment, or one that no query went before. ``requests``: its log in its order, rows of ``out_trade_no``, ``method``, ``at_ms``.
    A line each, in Chinese and English."""
    orders: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in requests:
        orders[str(row["out_trade_no"])].append((kind_of(str(row["method"])), int(row["at_ms"])))
    wrong = list[tuple[str, str]]()
    for number, asked in orders.items():
        queries = [at for kind, at in asked if kind == "query"]
        near = [later - earlier for earlier, later in pairwise(queries) if later - earlier < GAP_MS[channel]]
        wrong += [(f"{number}:两次查询只隔 {gap} 毫秒", f"{number}: two queries {gap} ms apart") for gap in near]
        wrong += [(f"{number}:{zh}", f"{number}: {en}") for zh, en in _undos(asked, channel)]
    return wrong


def kind_of(method: str) -> str:
    """``pay``, ``query``, ``undo`` or ``other``, in the words of any of the three channels' logs."""
    low = method.lower()
    if "refund" in low:  # its queries have manners of their own
        return "other"
    if "query" in low or low.startswith("get") or low == "00":
        return "query"
    return "undo" if low.endswith(_UNDO) else "pay" if low.endswith("pay") else "other"


def _undos(asked: list[tuple[str, int]], channel: str) -> Iterable[tuple[str, str]]:
    paid_ms, last = None, ""
    for kind, at in asked:
        if kind == "pay":
            paid_ms = at
        elif kind == "undo":
            if last != "query" and channel in _NEEDS_QUERY:
                yield "撤销之前没有先查询", f"an undo after {last or 'nothing'}, not after a query"
            if paid_ms is not None and at - paid_ms < _UNDO_AFTER_MS.get(channel, 0):
                yield f"付款后 {at - paid_ms} 毫秒就撤销", f"undone {at - paid_ms} ms after the payment"
        if kind != "other":
            last = kind
