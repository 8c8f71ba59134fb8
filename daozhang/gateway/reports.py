"""What devices say, read with suspicion: heartbeats, evidence, acknowledgements, last wills."""

import json
from typing import Any

from daozhang.core.fleet import Beat, Fact, Heard, Told
from daozhang.core.ports import Clock
from daozhang.core.texts import kept, ms_of_rfc3339
from daozhang.devices import health
from daozhang.devices.session import Said
from daozhang.gateway.ink import Ink
from daozhang.gateway.line import Line

_MOST_EVIDENCE = 4_096
_SKEW_MS = 60_000
_MOST_N = 1 << 53


class Reports:
    """Turns messages of a device into lines of the store; its own lines only."""

    def __init__(self, clock: Clock, ink: Ink) -> None:
        self._clock, self._ink = clock, ink

    def take(self, line: Line, said: Said) -> None:
        """Keep a message; it is acknowledged once it is durable. What cannot be read is a fact too."""
        table = _table(said.payload)

        def done() -> None:
            line.do(line.session.took(said.packet_id))

        if table is None:
            self._fact(line, "unreadable", {"topic": said.kind, "bytes": len(said.payload)}, then=done)
        elif said.kind == "heartbeat":
            self._beat(line, table, done)
        elif said.kind == "evidence":
            self._fact(line, "evidence", _small(table), then=done)
        else:
            self._ack(line, table, done)

    def _beat(self, line: Line, table: dict[str, Any], done: Any) -> None:
        device, now = line.device, self._clock.now_ms()
        if device is None:
            return
        reported = health.cleaned(table)
        skew = _skew(table, now)
        if skew is not None:
            reported["skew_ms"] = skew
            was, line.skewed = line.skewed, abs(skew) > _SKEW_MS
            if line.skewed and not was:  # once, not with every heartbeat
                line.desk.alarm(line, "clock_skew", f"{skew} ms")
        self._ink.beat(Beat(device.id, device.bucket, now, reported), done)

    def _ack(self, line: Line, table: dict[str, Any], done: Any) -> None:
        """``{"announce_id", "state": "played"|"failed", "why"}`` or ``{"command_id", "state": "done"|"failed", "result"}``."""
        device, now = line.device, self._clock.now_ms()
        if device is None:
            return
        ident, command = table.get("announce_id"), table.get("command_id")
        if isinstance(ident, str) and ident[:4] in ("ann_", "sum_") and len(ident) == 36:
            played = table.get("state") == "played"
            why = "" if played else str(table.get("why") or "not_played")[:40]
            state = Told.PLAYED if played else Told.DELIVERED
            self._ink.heard(Heard(device.id, device.bucket, ident, now, state, table.get("late") is True, why), done)
        elif isinstance(command, str) and len(command) <= 40:
            self._fact(line, "command", {**_small(table), "command_id": command}, then=done)
            line.desk.command_done(line, command, table)
        else:
            self._fact(line, "unreadable", {"topic": "ack"}, then=done)

    def delivered(self, line: Line, mark: str, reason: int) -> None:
        """The device's own acknowledgement of the wire (PUBACK): it has the message; that says nothing about sound."""
        device = line.device
        if mark == line.late_out:
            line.late_out = ""
        if device is None or reason >= 0x80:
            return
        kind, _, rest = mark.partition(":")
        ident, _, late = rest.partition(":")
        if kind == "a":
            now = self._clock.now_ms()
            self._ink.heard(Heard(device.id, device.bucket, ident, now, Told.DELIVERED, late == "late"))
        elif kind == "c":
            line.desk.command_done(line, ident, {"state": "delivered"})

    def will(self, line: Line) -> None:
        """Said in the device's name because it was lost."""
        table = _table(line.session.will or b"")
        self._fact(line, "will", _small(table or {}))

    def _fact(self, line: Line, kind: str, detail: dict[str, Any], then: Any = None) -> None:
        device = line.device
        if device is not None:
            fact = Fact(device.id, device.bucket, device.merchant, self._clock.now_ms(), kind, detail)
            self._ink.fact(fact, then)


def _table(payload: bytes) -> dict[str, Any] | None:
    """A JSON object without numbers that no database holds; None otherwise."""
    try:
        table = json.loads(payload, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _small(table: dict[str, Any]) -> dict[str, Any]:
    """At most four kilobytes of what a device says, fit to be kept."""
    text = json.dumps(kept(table), ensure_ascii=False)
    return json.loads(text) if len(text) <= _MOST_EVIDENCE and "1e999" not in text else {"says": text[:500]}


def _skew(table: dict[str, Any], now_ms: int) -> int | None:
    """How far the device's clock is ahead of ours; None when it does not say."""
    clock = table.get("clock_ms")
    if isinstance(clock, int) and not isinstance(clock, bool) and abs(clock) < _MOST_N:
        return clock - now_ms
    said = table.get("clock")
    try:
        return ms_of_rfc3339(said) - now_ms if isinstance(said, str) else None
    except (ValueError, OverflowError):
        return None
