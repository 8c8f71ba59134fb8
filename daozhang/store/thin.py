"""What of a change is written: nothing that stands elsewhere anyway, and stands there for ever.

A thin event of a payment has ten facts, of which six stand in the payment's row and never change there. So it is kept as
an array of the other four; the view `event_whole` (schema/030) makes it whole again for everybody who reads. Of a
call's trail the names are known here: it is kept as one short text, which `whole` reads back. Whatever has another shape
is kept as it is.
"""

import re
from dataclasses import fields
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence
from daozhang.core.payment import Payment
from daozhang.core.ports import Change, Event

_PARTS = tuple(field.name for field in fields(Change))
_NAMES = frozenset({
    "payment", "merchant_order_no", "amount", "amount_refunded", "currency", "status", "verdict", "money", "till", "channel",
})  # fmt: skip
# The stages of a call, in the order in which jsonb gives names back. New ones go to the end: each is one bit of what is stored.
_STAGES = ("done", "reused", "resolved", "connected", "sent_body", "first_byte", "sent_headers")
_KNOWN = frozenset(_STAGES)
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?").fullmatch


def written(change: Change) -> dict[str, Any]:
    """The change as the database's functions take it."""
    told = {name: getattr(change, name) for name in _PARTS}
    told["events"] = [
        {"type": e.type, "subject": e.subject, "at_ms": e.at_ms, "data": _data(e, change.payment)} for e in change.events
    ]
    told["evidence"] = [_line(line) for line in change.evidence]
    return told


def whole(detail: dict[str, Any]) -> dict[str, Any]:
    """A line's detail as it was handed in."""
    kept = detail.get("trail")
    if isinstance(kept, list):
        (detail["trail"],) = kept
    elif isinstance(kept, str):
        mask, *times = kept.split(" ")
        stages = [stage for at, stage in enumerate(_STAGES) if int(mask) >> at & 1]
        detail["trail"] = {stage: float(at) if "." in at else int(at) for stage, at in zip(stages, times, strict=True)}
    return detail


def _line(line: Evidence) -> Evidence:
    trail = line.detail.get("trail")
    if isinstance(trail, (str, list)):  # none of ours: wrapped, so that it is never taken for a short one
        return changed(line, detail={**line.detail, "trail": [trail]})
    if not isinstance(trail, dict) or not trail or not trail.keys() <= _KNOWN:
        return line
    told = [(1 << at, f"{trail[stage]}") for at, stage in enumerate(_STAGES) if stage in trail]
    if not all(_NUMBER(time) for _, time in told):
        return line
    short = " ".join([str(sum(bit for bit, _ in told)), *(time for _, time in told)])
    return changed(line, detail={**line.detail, "trail": short})


def _data(event: Event, p: Payment) -> dict[str, Any] | list[Any]:
    data = event.data
    if data.keys() != _NAMES or event.subject != p.id:
        return data
    known = (p.id, p.merchant_order_no, p.amount_fen, p.currency, p.till, p.channel)
    said = tuple(data[name] for name in ("payment", "merchant_order_no", "amount", "currency", "till", "channel"))
    return [data["status"], data["verdict"], data["money"], data["amount_refunded"]] if said == known else data
