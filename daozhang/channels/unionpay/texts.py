"""Times as this wire writes them, the clearing day, and messages without what belongs to the payer."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000

# What may stand in evidence. Everything else of a message is the payer's, key material, or noise.
_KEPT = (
    "respCode", "respMsg", "origRespCode", "origRespMsg", "txnType", "txnSubType", "orderId", "txnTime", "txnAmt",
    "settleAmt", "settleDate", "queryId", "traceNo", "traceTime", "merId", "accessType",
)  # fmt: skip


def digits(at_ms: int) -> str:
    """``yyyyMMddHHmmss`` of China, which has no summer time."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def ms_of_digits(text: str) -> int:
    """The time behind `digits`; 0 for what is none."""
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING) if len(text) == 14 else _EPOCH
    except ValueError:
        return 0
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def clearing_day(at_ms: int) -> int:
    """The number of the clearing day, which begins at 23:00 of Beijing's day before (dossier 3.1)."""
    return (at_ms + 9 * _HOUR_MS) // (24 * _HOUR_MS)


def trace_ms(text: Any, near_ms: int) -> int:
    """``MMddHHmmss`` without a year: that of the time nearby. 0 for an unreadable one, which is told but decides nothing."""
    if not isinstance(text, str) or len(text) != 10 or not (text.isascii() and text.isdigit()):
        return 0
    near = (_EPOCH + timedelta(milliseconds=near_ms)).astimezone(BEIJING)
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 10, 2))
    found = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            found.append(datetime(year, month, day, hour, minute, second, tzinfo=BEIJING))
        except ValueError:
            continue
    nearest = min(found, key=lambda moment: abs(moment - near), default=None)
    return int((nearest - _EPOCH) / timedelta(milliseconds=1)) if nearest is not None else 0


def redacted(message: Mapping[str, Any]) -> dict[str, str]:
    """The fields that may be kept, as short texts."""
    return {name: str(message[name])[:128] for name in _KEPT if message.get(name) not in (None, "")}
