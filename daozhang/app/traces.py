"""Traces for OpenTelemetry (the extra ``otel``). A payment's id is its trace: the 128 bits of its ULID are the trace id.

So everything that any process does about a payment, now or tomorrow, is found in one trace by the number on the slip.
"""

import hashlib
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from daozhang.app.witness import Watcher
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.payment import OPEN, Payment
from daozhang.core.verdict import judge
from daozhang.ports.clock import RealClock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def trace_id(payment: str) -> int:
    """The ULID's 128 bits."""
    number = 0
    for letter in payment.partition("_")[2]:
        number = number << 5 | _ALPHABET.index(letter)
    return number & ((1 << 128) - 1)


def root_span_id(payment: str) -> int:
    """The payment's own span; the same in every process."""
    return int.from_bytes(hashlib.sha256(payment.encode()).digest()[:8], "big") or 1


class _Ids(RandomIdGenerator):
    """Lets the payment's own span have the ids that every process knows beforehand."""

    def __init__(self) -> None:
        self.given: tuple[int, int] | None = None

    def generate_span_id(self) -> int:
        return self.given[1] if self.given else super().generate_span_id()

    def generate_trace_id(self) -> int:
        return self.given[0] if self.given else super().generate_trace_id()


class Tracer(Watcher):
    """The witness that also writes spans. ``exporter`` is chosen by the fuse box."""

    def __init__(self, who: str, exporter: SpanExporter) -> None:
        super().__init__()
        self._ids, self._clock = _Ids(), RealClock()
        self._provider = TracerProvider(resource=Resource.create({"service.name": f"daozhang-{who}"}), id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("daozhang")

    def asked(self, payment: Payment, op: Op, finding: Finding, took_ms: float) -> None:
        super().asked(payment, op, finding, took_ms)
        end = self._clock.now_ms() * 1_000_000
        parent = SpanContext(trace_id(payment.id), root_span_id(payment.id), True, TraceFlags(TraceFlags.SAMPLED))
        span = self._tracer.start_span(
            f"{payment.channel} {op.value}", trace.set_span_in_context(NonRecordingSpan(parent)), SpanKind.CLIENT,
            {"payment": payment.id, "channel": payment.channel, "op": op.value, "proves": finding.proves.value, "code": finding.code},
            start_time=end - int(took_ms * 1e6),
        )  # fmt: skip
        if finding.proves in (Proves.NOTHING, Proves.NOT_SENT):
            span.set_status(Status(StatusCode.ERROR, finding.code))
        span.end(end)

    def moved(self, before: Payment, after: Payment) -> None:
        super().moved(before, after)
        if after.state in OPEN or before.decided_ms == after.decided_ms:
            return
        judged = judge(after)
        attributes: dict[str, Any] = {"payment": after.id, "merchant": after.merchant, "till": after.till, "channel": after.channel,
                                      "amount_fen": after.amount_fen, "verdict": judged.verdict.value, "money": judged.money.value}  # fmt: skip
        self._ids.given = trace_id(after.id), root_span_id(after.id)
        try:
            span = self._tracer.start_span("payment", trace.set_span_in_context(trace.INVALID_SPAN), SpanKind.SERVER, attributes,
                                           start_time=after.created_ms * 1_000_000)  # fmt: skip
        finally:
            self._ids.given = None
        span.end(after.decided_ms * 1_000_000)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
