"""How much a channel was asked before, during and after its fault, beside what an unthrottled poller would have asked.

That poller keeps the channel's ordinary rhythm from a payment's beginning until the moment at which we knew its end: it neither
slows down after answers that bring nothing nor while the channel is known to be unwell.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

PHASES = {"before": ("故障前", "before"), "during": ("故障中", "during"), "after": ("恢复后", "after")}
DARK_S = 5.0


class Open(NamedTuple):
    """A payment from its beginning until its end was known; ``rhythm_s``: how often the channel is ordinarily asked."""

    began_s: float
    known_s: float
    rhythm_s: float


def polling(opens: Iterable[Open], queries: Iterable[float], from_s: float, until_s: float, end_s: float) -> list[dict[str, Any]]:
    """A row for each phase: payments without information for five seconds that began in it, and the queries of that time."""
    dark = [one for one in opens if one.known_s - one.began_s > DARK_S]
    wished = [one.began_s + n * one.rhythm_s for one in dark for n in range(1, int((one.known_s - one.began_s) / one.rhythm_s) + 1)]
    edges = (0.0, from_s, until_s, end_s)
    asked = _split(queries, edges)
    eager, begun = _split(wished, edges), _split((one.began_s for one in dark), edges)
    rows = []
    for at, phase in enumerate(PHASES):
        minutes = max(edges[at + 1] - edges[at], 0.0) / 60
        rows.append({"phase": phase, "dark": begun[at], "queries": asked[at], "unthrottled": eager[at], "per_payment": _per(asked[at], begun[at]),
                     "per_minute": _per(asked[at], minutes), "unthrottled_per_payment": _per(eager[at], begun[at]),
                     "unthrottled_per_minute": _per(eager[at], minutes)})  # fmt: skip
    return rows


def in_words(channel: str, row: dict[str, Any]) -> tuple[str, str]:
    """One row in Chinese and English; what would be divided by nothing is left out."""
    zh, en = PHASES[row["phase"]]
    said_zh = f"{channel} {zh}:无信息 {row['dark']} 笔,查询 {row['queries']} 次(不减速会问 {row['unthrottled']} 次)"
    said_en = f"{channel}, {en}: {row['dark']} dark payments, {row['queries']} queries (unthrottled {row['unthrottled']})"
    if row["per_payment"] is not None:
        said_zh += f",每笔 {row['per_payment']:g} 次({row['unthrottled_per_payment']:g})"
        said_en += f", for each {row['per_payment']:g} ({row['unthrottled_per_payment']:g})"
    if row["per_minute"] is not None:
        said_zh += f",每分钟 {row['per_minute']:g} 次({row['unthrottled_per_minute']:g})"
        said_en += f", a minute {row['per_minute']:g} ({row['unthrottled_per_minute']:g})"
    return said_zh, said_en


def _split(times: Iterable[float], edges: Sequence[float]) -> list[int]:
    counts = [0, 0, 0]
    for time in times:
        phase = sum(time >= edge for edge in edges[1:])
        if phase < len(counts):
            counts[phase] += 1
    return counts


def _per(count: int, whole: float) -> float | None:
    return round(count / whole, 2) if whole else None
