"""What operators watch: counters and histograms for Prometheus, and one wide line in the log for each payment.

Several processes write into one folder (the library's multi-process mode), so that any of them can answer for all.
"""

import logging
import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

from daozhang.core.evidence import Finding, Op
from daozhang.core.payment import OPEN, Payment
from daozhang.core.texts import rfc3339
from daozhang.core.verdict import judge, time_to_information_ms

log = logging.getLogger("daozhang.payment")
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
DARK_MS = 5_000  # unproven for longer than this is without information (1-product)
_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120)

DECIDED = Counter("daozhang_payments_decided", "Attempts with a proven end", ["channel", "method", "verdict"])
INFORMATION = Histogram("daozhang_time_to_information_seconds", "From the request to the proof", ["channel"], buckets=_SECONDS)
DARK = Counter("daozhang_payments_without_information", "Attempts that were unproven for more than 5 s", ["channel"])
ANSWERS = Counter("daozhang_channel_answers", "What the channels' answers proved", ["channel", "op", "proves"])
CHANNEL = Histogram("daozhang_channel_seconds", "How long a channel took to answer", ["channel", "op"], buckets=_SECONDS)
REQUESTS = Histogram("daozhang_http_request_seconds", "Our doors, by route and status", ["route", "status"], buckets=_SECONDS)
UNLOGGED = Counter("daozhang_request_log_lost_lines", "Lines of the request log that could not be kept")


class Watcher:
    """The Witness port. Children of the metrics are looked up once: with labels each time they would cost five times as much."""

    def __init__(self) -> None:
        self._children: dict[tuple[Any, ...], Any] = {}

    def _child(self, metric: Any, *labels: str) -> Any:
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def asked(self, payment: Payment, op: Op, finding: Finding, took_ms: float) -> None:
        self._child(ANSWERS, payment.channel, op.value, finding.proves.value).inc()
        self._child(CHANNEL, payment.channel, op.value).observe(took_ms / 1000)

    def moved(self, before: Payment, after: Payment) -> None:
        """One line and its numbers when an end is proven, and again when a late success changes it."""
        if after.state in OPEN or after.state is before.state or before.decided_ms == after.decided_ms:
            return
        judged, took_ms = judge(after), time_to_information_ms(after)
        self._child(DECIDED, after.channel, after.method.value, judged.verdict.value).inc()
        self._child(INFORMATION, after.channel).observe(took_ms / 1000)
        if took_ms > DARK_MS:
            self._child(DARK, after.channel).inc()
        log.info("decided", extra={
            "payment": after.id, "merchant": after.merchant, "store": after.store, "till": after.till,
            "channel": after.channel, "method": after.method.value, "amount_fen": after.amount_fen, "state": after.state.value,
            "was": before.state.value, "verdict": judged.verdict.value, "money": judged.money.value, "tti_ms": took_ms,
            "asked_at": rfc3339(after.asked_ms), "sends": after.sends, "queries": after.queries, "undo_tries": after.undo_tries,
            "late": after.late, "doubt": (after.doubt or {}).get("hint"), "refusal": (after.refusal or {}).get("code"),
            "livemode": after.livemode,
        })  # fmt: skip

    def close(self) -> None:
        """Nothing is held back."""

    def served(self, route: str, status: int, took_ms: float) -> None:
        self._child(REQUESTS, route, str(status)).observe(took_ms / 1000)

    def unlogged(self, lines: int) -> None:
        UNLOGGED.inc(lines)


def page() -> bytes:
    """All processes' numbers as Prometheus reads them; only this process's when no folder was given."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()


def fresh_folder(data: Path) -> str:
    """A folder for this start; what earlier processes counted is gone with them, as Prometheus expects."""
    folder = data / "metrics"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in folder.glob("*.db"):
        file.unlink()
    return str(folder)
