"""Times as the doors write them (RFC 3339, UTC, milliseconds), and strangers' texts made fit to be kept."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_NOT_KEPT = re.compile("[\0\ud800-\udfff]")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_ms: int) -> str | None:
    """``2026-11-23T02:43:07.123Z``; None for 0 and below (not yet)."""
    if at_ms <= 0:
        return None
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat("T", "milliseconds")[:-6] + "Z"


def ms_of_rfc3339(text: str) -> int:
    """Milliseconds of a time with a zone. Raises ValueError for one without."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, such as Z or +08:00")
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def kept(value: Any) -> Any:
    """A text, or a table of texts, as a database can hold it: NUL and halves of surrogate pairs become U+FFFD.

    An answer that proves something must not be lost because its explanation holds a character that cannot be stored.
    """
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _NOT_KEPT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_text_kept(name): _text_kept(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [kept(held) for held in value]
    return value


def _text_kept(value: Any) -> Any:
    """`kept`, for what is nearly always a plain text."""
    return value if type(value) is str and value.isascii() and "\0" not in value else kept(value)
