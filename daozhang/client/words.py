"""The words that answers use. Each list may grow at any time: whoever meets an unknown word treats it as *not known yet*."""

from typing import Annotated, Any

from msgspec import Meta


def _among(*words: str) -> Meta:
    return Meta(extra_json_schema={"x-extensible-enum": list(words)})


Time = Annotated[str, Meta(description="RFC 3339, UTC", extra_json_schema={"format": "date-time"})]
Fen = Annotated[int, Meta(description="fen")]
Verdict = Annotated[str, _among("paid", "waiting_customer", "checking", "later", "not_paid", "returned")]
Money = Annotated[str, _among("received", "not_received", "returned", "unresolved")]
PaymentStatus = Annotated[str, _among(
    "created", "sent", "waiting_payer", "unknown", "reversing", "deferred", "paid", "partly_refunded", "refunded", "not_paid", "closed",
    "reversed", "surplus",
)]  # fmt: skip
MethodType = Annotated[str, _among("pay_by_code", "pay_by_qr", "plate")]
Confidence = Annotated[str, _among("proven", "likely", "unknown")]
RefundStatus = Annotated[str, _among("created", "sent", "unknown", "waiting_funds", "succeeded", "failed")]
RefundKind = Annotated[str, _among("refund", "undo", "surplus", "late_success")]
DeviceStatus = Annotated[str, _among("enrolling", "active", "frozen", "revoked")]
AnnouncementState = Annotated[str, _among("queued", "delivered", "played", "summarised", "unheard")]
CommandState = Annotated[str, _among("queued", "delivered", "done", "failed", "expired")]
RolloutState = Annotated[str, _among("rolling", "paused", "turning_back", "turned_back", "done")]
IncidentStage = Annotated[str, _among("investigating", "identified", "monitoring", "resolved", "merged")]
HealthStatus = Annotated[str, _among(
    "operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance",
)]  # fmt: skip
EndpointState = Annotated[str, _among("enabled", "failing", "disabled")]


def known(of: Any) -> tuple[str, ...]:
    """The words of a list above that this version knows."""
    return tuple(of.__metadata__[0].extra_json_schema["x-extensible-enum"])
