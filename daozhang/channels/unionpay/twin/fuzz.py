"""Signed replies of a shape that the documents do not show: a new state, a new field, other forms, empty values."""

from collections.abc import Mapping

_KEPT = ("respCode", "respMsg")


def fuzzed(reply: Mapping[str, str], mode: str) -> dict[str, str]:
    """The reply as a fault of this name changes it; any other name changes nothing. Everything is text on this wire."""
    match mode:
        case "unknown_enum":
            return {**reply, "origRespCode" if "origRespCode" in reply else "respCode": "Z8"}
        case "new_field":
            return {**reply, "neverSeen": "新字段"}
        case "retyped":
            return {name: f"{int(value) / 100:.2f}" if name.endswith("Amt") else value for name, value in reply.items()}
        case "nulls":
            return {name: value if name in _KEPT else "" for name, value in reply.items()}
        case _:
            return dict(reply)
