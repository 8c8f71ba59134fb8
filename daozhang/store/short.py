"""A line's detail as one short text, and back: the names that channels use again and again are known here.

``3bf|Success|=c|=o|...``: which names there are, as bits of `_NAMES` in base 16, then their values in that order. ``=c`` and
``=t`` stand for what the line's own columns `code` and `text` say, ``=o`` for our order number. Of a call's trail
(stage -> milliseconds) the stages are known likewise. Whatever has another shape is kept as it is.
"""

import re
from typing import Any

from daozhang.core.evidence import Evidence

# New names go to the end: each is one bit of what is stored.
_NAMES = (
    "trail", "code", "msg", "trade_no", "gmt_payment", "out_trade_no", "total_amount", "receipt_amount", "buyer_pay_amount",
    "trade_status", "send_pay_date", "sub_code", "sub_msg", "action", "retry_flag", "fund_change", "refund_fee", "refund_status",
    "refund_amount", "out_request_no", "notify_id", "notify_time", "notify_type", "app_id", "seller_id", "appid", "mchid",
    "bank_type", "trade_type", "trade_state", "amount.total", "success_time", "transaction_id", "trade_state_desc",
    "amount.payer_total", "message", "out_refund_no", "refund_id", "status", "channel", "amount.refund", "amount.payer_refund",
    "amount.settlement_refund", "sub_mchid", "return_code", "return_msg", "result_code", "err_code", "err_code_des", "mch_id",
    "sub_mch_id", "total_fee", "settlement_total_fee", "cash_fee", "time_end", "merId", "orderId", "queryId", "respMsg",
    "respCode", "txnTime", "txnType", "txnSubType", "accessType", "txnAmt", "traceNo", "traceTime", "settleAmt", "settleDate",
    "origRespMsg", "origRespCode", "hint", "alarm", "why",
)  # fmt: skip
_BITS = {name: at for at, name in enumerate(_NAMES)}
_STAGES = ("done", "reused", "resolved", "connected", "sent_body", "first_byte", "sent_headers")  # likewise
_KNOWN = frozenset(_STAGES)
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?").fullmatch


def shortened(line: Evidence) -> Any:
    """What is stored of a line's detail: a text, or the detail as it is."""
    kept = line.detail
    if "trail" in kept:
        kept = {**kept, "trail": _trail(kept["trail"])}
    if not kept or not kept.keys() <= _BITS.keys():
        return kept
    same = _same(line.payment, line.code, line.text)
    names = sorted(kept, key=_BITS.__getitem__)
    values = [kept[name] for name in names]
    if any(not isinstance(value, str) or "|" in value or value[:1] == "=" for value in values):
        return kept
    mask = sum(1 << _BITS[name] for name in names)
    return "|".join([f"{mask:x}", *(same.get(value, value) for value in values)])


def lengthened(stored: dict[str, Any] | str, payment: str, code: str, text: str) -> dict[str, Any]:
    """A line's detail as it was handed in."""
    detail = stored if isinstance(stored, dict) else _read(stored, payment, code, text)
    kept = detail.get("trail")
    if isinstance(kept, list):
        (detail["trail"],) = kept
    elif isinstance(kept, str):
        mask, *times = kept.split(" ")
        stages = [stage for at, stage in enumerate(_STAGES) if int(mask) >> at & 1]
        detail["trail"] = {stage: float(at) if "." in at else int(at) for stage, at in zip(stages, times, strict=True)}
    return detail


def _read(stored: str, payment: str, code: str, text: str) -> dict[str, Any]:
    mask, *values = stored.split("|")
    bits = int(mask, 16)
    names = [name for at, name in enumerate(_NAMES) if bits >> at & 1]
    meant = {sign: value for value, sign in _same(payment, code, text).items()}
    told = {name: meant.get(value, value) for name, value in zip(names, values, strict=True)}
    return {name: told[name] for name in sorted(told, key=lambda name: (len(name), name))}  # as jsonb gives names back


def _same(payment: str, code: str, text: str) -> dict[str, str]:
    """What a line says anyway, and the signs for it. One that is empty or said twice needs no sign of its own."""
    return {value: sign for value, sign in ((f"DZ{payment[4:]}", "=o"), (text, "=t"), (code, "=c")) if value}


def _trail(trail: Any) -> Any:
    if isinstance(trail, (str, list)):  # none of ours: wrapped, so that it is never taken for a short one
        return [trail]
    if not isinstance(trail, dict) or not trail or not trail.keys() <= _KNOWN:
        return trail
    told = [(1 << at, f"{trail[stage]}") for at, stage in enumerate(_STAGES) if stage in trail]
    if not all(_NUMBER(time) for _, time in told):
        return trail
    return " ".join([str(sum(bit for bit, _ in told)), *(time for _, time in told)])
