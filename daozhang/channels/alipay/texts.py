"""Times as this wire writes them, and messages without what belongs to the payer."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from daozhang.core.must import must

BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

# What may stand in evidence. Everything else of a message is the payer's, the shop's key material, or noise.
_KEPT = (
    "code", "msg", "sub_code", "sub_msg", "trade_status", "out_trade_no", "trade_no", "total_amount",
    "receipt_amount", "buyer_pay_amount", "gmt_payment", "send_pay_date", "action", "retry_flag", "fund_change",
    "refund_fee", "refund_status", "refund_amount", "out_request_no", "notify_id", "notify_time", "notify_type",
    "app_id", "seller_id",
)  # fmt: skip


def beijing_text(at_ms: int) -> str:
    """``yyyy-MM-dd HH:mm:ss`` of China, which has no summer time."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.astimezone(BEIJING).isoformat(" ", "seconds")[:-6]


def beijing_ms(text: Any) -> int:
    """The inverse; 0 for a missing or unreadable time, which is told but decides nothing."""
    if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
        return 0
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=BEIJING)
    except ValueError:
        return 0
    must(moment.tzinfo is not None, "a wire time has a zone")
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def redacted(message: Mapping[str, Any]) -> dict[str, str]:
    """The fields that may be kept, as short texts."""
    return {key: str(message[key])[:128] for key in _KEPT if message.get(key) not in (None, "")}
