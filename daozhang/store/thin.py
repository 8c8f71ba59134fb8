"""What of a change is written: nothing that stands elsewhere anyway, and stands there for ever.

A thin event of a payment has ten facts, of which six stand in the payment's row and never change there. So it is kept as
an array of the other four; the view `event_whole` (schema/030) makes it whole again for everybody who reads. Evidence
says whose it is by the payment's number (16 bytes, its ULID); its detail is shortened (see `short`). Whatever has another
shape is kept as it is.
"""

from dataclasses import fields
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.ids import hex_of_ulid
from daozhang.core.payment import Payment
from daozhang.core.ports import Change, Event
from daozhang.store.short import shortened

_PARTS = tuple(field.name for field in fields(Change))
_NAMES = frozenset({
    "payment", "merchant_order_no", "amount", "amount_refunded", "currency", "status", "verdict", "money", "till", "channel",
})  # fmt: skip


def number_of(payment: str) -> str:
    """The payment's number in base 16, as the database keeps it in `evidence`. Raises ValueError for another id."""
    return hex_of_ulid(payment.removeprefix("pay_"))


def written(change: Change) -> dict[str, Any]:
    """The change as the database's functions take it."""
    told = {name: getattr(change, name) for name in _PARTS}
    told["number"] = number_of(change.payment.id)
    told["events"] = [
        {"type": e.type, "subject": e.subject, "at_ms": e.at_ms, "data": _data(e, change.payment)} for e in change.events
    ]
    told["evidence"] = [changed(line, detail=shortened(line)) for line in change.evidence]
    return told


def _data(event: Event, p: Payment) -> dict[str, Any] | list[Any]:
    data = event.data
    if data.keys() != _NAMES or event.subject != p.id:
        return data
    known = (p.id, p.merchant_order_no, p.amount_fen, p.currency, p.till, p.channel)
    said = tuple(data[name] for name in ("payment", "merchant_order_no", "amount", "currency", "till", "channel"))
    return [data["status"], data["verdict"], data["money"], data["amount_refunded"]] if said == known else data
