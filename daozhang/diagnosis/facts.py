"""What is known about a payment at a moment: one pure, immutable picture. Facts come late, twice, out of order, or never.

Absence is a fact with a time: nothing here says that something did not happen, only until when nobody said it did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daozhang.core.evidence import Evidence, Op, Proves
from daozhang.core.fleet import Announcement
from daozhang.core.payment import NOTHING_TAKEN, OPEN, RECEIVED, Payment

DARK_MS = 5_000  # unproven for longer than this is dark (1-product)
UNTOLD_MS = 3_000  # paid, and nobody in the shop has acknowledged it
HEARTBEAT_MS = 20_000
SILENT_MS = 2 * HEARTBEAT_MS  # a till at work that missed two heartbeats


class Dark(StrEnum):
    """Why a payment, or a till, is without information."""

    UNPROVEN = "unproven"
    UNTOLD = "untold"
    DECLINED = "declined"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Call:
    """One question to the channel and what came back. ``answered_ms`` 0: neither an answer nor its loss is written down.

    ``trail``: times of the stages since the call began (resolved, connected, sent_headers, sent_body, first_byte, done,
    failed), and ``fault``, the transport's own word for what went wrong.
    """

    op: str
    asked_ms: int
    asked_id: str
    answered_ms: int = 0
    id: str = ""
    proves: str = ""
    code: str = ""
    hint: str = ""
    alarm: str = ""
    trail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """No usable word of the channel came back."""
        return not self.answered_ms or ("fault" in self.trail and self.proves in ("", "nothing"))

    @property
    def spoke(self) -> bool:
        """The channel's own, verified words came back, whatever they prove."""
        return bool(self.answered_ms) and not self.silent and self.proves != Proves.NOT_SENT and not self.alarm


@dataclass(frozen=True, slots=True)
class Terminal:
    """A device of the till: what it said of itself, and when it was heard last."""

    device: str
    type: str
    speaks: bool
    standing: str
    online: bool
    heard_ms: int
    offline_ms: int = 0
    offline_why: str = ""
    reported: Mapping[str, Any] = field(default_factory=dict)
    till: str = ""

    def number(self, name: str) -> float | None:
        value = self.reported.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Notice:
    """An announced window of maintenance of a channel (``platform``) or a bank (``bank``)."""

    party: str
    name: str
    from_ms: int
    until_ms: int

    def holds(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Crowd:
    """What happened to other payments near in time: for each kind of place, how well "the fault lies here" explains it.

    ``fits``: log-likelihoods by kind of place (`window`). ``counts``: (dark, fine) by kind of place, for people.
    ``share``: whether ``most``, ``half`` or a ``few`` of the place that fits best are dark. ``bank``: the bank whose successes are
    missing, where one is. ``over_ms``: when the others were well again (0: not yet, or too few were dark to tell).
    """

    fits: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    share: str = ""
    bank: str = ""
    over_ms: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """What is known beside the payment's own story; the defaults say that nobody looked.

    ``probe``: whether a probe from elsewhere reached the channel (None: there is no probe). ``released_ms``: when our own
    software was changed last (0: not known).
    """

    terminals: tuple[Terminal, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    notices: tuple[Notice, ...] = ()
    crowd: Crowd | None = None
    probe: bool | None = None
    released_ms: int = 0


NOBODY_LOOKED = Around()


@dataclass(frozen=True, slots=True)
class Facts:
    """A payment, its own story, and what is known around it, at ``at_ms``."""

    payment: Payment
    lines: Sequence[Evidence]
    at_ms: int
    around: Around = NOBODY_LOOKED

    @property
    def calls(self) -> list[Call]:
        return calls_of(self.lines)


def calls_of(lines: Sequence[Evidence]) -> list[Call]:
    """Questions with their answers, in the order of asking. An answer without its question stands alone."""
    calls: list[Call] = []
    open_: dict[str, list[int]] = {}
    for line in sorted(lines, key=lambda one: one.n):
        if line.refund:
            continue
        if line.kind == "asked":
            open_.setdefault(line.op, []).append(len(calls))
            calls.append(Call(line.op, line.at_ms, line.id))
        elif line.kind == "answered":
            waiting = open_.get(line.op)
            at = waiting.pop(0) if waiting else len(calls)
            asked = calls[at] if at < len(calls) else Call(line.op, line.at_ms, "")
            whole = Call(
                line.op, asked.asked_ms, asked.asked_id, line.at_ms, line.id, line.proves, line.code,
                str(line.detail.get("hint") or ""), str(line.detail.get("alarm") or ""), line.detail.get("trail") or {},
            )  # fmt: skip
            calls[at : at + 1] = [whole]
    return calls


def dark(p: Payment, around: Around, now_ms: int) -> tuple[Dark, ...]:
    """In which ways a payment is, or was, without information."""
    ways = []
    if (p.decided_ms or now_ms) - p.created_ms > DARK_MS:
        ways.append(Dark.UNPROVEN)
    if p.state in NOTHING_TAKEN:
        ways.append(Dark.DECLINED)
    if p.state in RECEIVED and untold(p, around, now_ms):
        ways.append(Dark.UNTOLD)
    return tuple(ways)


def untold(p: Payment, around: Around, now_ms: int) -> bool:
    """Paid, somebody was to be told, and nobody has acknowledged it in time."""
    if p.state in OPEN or p.told_ms or not p.decided_ms or now_ms - p.decided_ms <= UNTOLD_MS:
        return False
    paid = [one for one in around.announcements if one.kind == "paid"]
    if any(one.played_ms and one.played_ms - p.decided_ms <= UNTOLD_MS for one in paid):
        return False
    speakers = [one for one in around.terminals if one.speaks]
    return bool(paid or speakers)


def first(calls: Sequence[Call], op: Op) -> Call | None:
    return next((call for call in calls if call.op == op.value), None)
