"""Signed replies of a shape that the documents do not show: a new state, a new field, other types, empty values."""

from collections.abc import Mapping
from typing import Any

_KEPT = ("out_trade_no", "mchid", "appid", "return_code", "result_code")
_STATES = ("trade_state", "status", "err_code", "result_code")


def fuzzed(told: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """The reply as a fault of this name changes it; any other name changes nothing."""
    match mode:
        case "unknown_enum":
            name = next((name for name in _STATES if name in told), "trade_state")
            return {**told, name: "NEVER_SEEN"}
        case "new_field":
            return {**told, "never_seen": "新字段"}
        case "retyped":
            return {name: _retyped(value) for name, value in told.items()}
        case "nulls":
            return {name: value if name in _KEPT else None for name, value in told.items()}
        case _:
            return dict(told)


def xml(told: Mapping[str, str], mode: str) -> dict[str, str]:
    """On the old wire everything is text: an amount becomes yuan with a point, and an empty value is left away."""
    if mode == "retyped":
        return {name: f"{int(value) / 100:.2f}" if name.endswith("_fee") else value for name, value in told.items()}
    return {name: value for name, value in fuzzed(told, mode).items() if value is not None}


def _retyped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _retyped(inner) for name, inner in value.items()}
    return str(value) if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdigit() else value
