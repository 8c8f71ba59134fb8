"""Times as these wires write them, and messages without what belongs to the payer."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from daozhang.core.texts import ms_of_rfc3339

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What may stand in evidence. Everything else of a message is the payer's, key material, or noise.
_KEPT = (
    "code", "message", "trade_state", "trade_state_desc", "trade_type", "out_trade_no", "transaction_id", "success_time",
    "bank_type", "out_refund_no", "refund_id", "status", "channel", "recall", "appid", "mchid", "sub_mchid",
    "return_code", "return_msg", "result_code", "err_code", "err_code_des", "mch_id", "sub_mch_id", "total_fee",
    "settlement_total_fee", "cash_fee", "time_end", "refund_fee", "refund_status",
)  # fmt: skip
_AMOUNTS = ("total", "payer_total", "refund", "payer_refund", "settlement_refund")


def _moment(at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING)


def rfc3339_beijing(at_ms: int) -> str:
    """``yyyy-MM-ddTHH:mm:ss+08:00``."""
    return _moment(at_ms).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def digits_beijing(at_ms: int) -> str:
    """``yyyyMMddHHmmss`` of China (v2)."""
    return _moment(at_ms).strftime("%Y%m%d%H%M%S")


def ms_of_rfc3339_text(text: Any) -> int:
    """Milliseconds; 0 for a missing or unreadable time, which is told but decides nothing."""
    try:
        return ms_of_rfc3339(text) if isinstance(text, str) else 0
    except ValueError:
        return 0


def ms_of_digits(text: Any) -> int:
    """Milliseconds of a v2 time; 0 for a missing or unreadable one."""
    if not isinstance(text, str) or len(text) != 14 or not (text.isascii() and text.isdigit()):
        return 0
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        return 0
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def redacted(message: Mapping[str, Any]) -> dict[str, str]:
    """The fields that may be kept, as short texts."""
    kept = {key: str(message[key])[:128] for key in _KEPT if message.get(key) not in (None, "")}
    amount = message.get("amount")
    if isinstance(amount, dict):
        kept |= {f"amount.{key}": str(amount[key])[:32] for key in _AMOUNTS if key in amount}
    return kept
