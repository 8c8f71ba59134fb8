"""Signed replies of a shape that the documents do not show: a new state, a new field, other types, empty values."""

from collections.abc import Mapping
from typing import Any

_KEPT = ("code", "msg", "out_trade_no")


def fuzzed(reply: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """The reply as a fault of this name changes it; any other name changes nothing."""
    match mode:
        case "unknown_enum":
            name = next((name for name in ("trade_status", "action", "refund_status") if name in reply), "code")
            return {**reply, name: "NEVER_SEEN" if name != "code" else "10999"}
        case "new_field":
            return {**reply, "never_seen": {"deep": ["新字段", 1, None]}}
        case "retyped":
            return {name: _retyped(value) for name, value in reply.items()}
        case "nulls":
            return {name: value if name in _KEPT else None for name, value in reply.items()}
        case _:
            return dict(reply)


def _retyped(value: Any) -> Any:
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return float(value) if "." in value else int(value)
    return value
