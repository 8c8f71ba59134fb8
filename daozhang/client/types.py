"""What the API answers with. Members may be added at any time and words of an enumeration too: take what you know."""

from typing import Any

from msgspec import Struct


class Words(Struct):
    zh: str
    en: str


class NextStep(Struct):
    """One sentence for each person."""

    cashier: Words
    payer: Words
    merchant: Words
    support: Words
    operations: Words
    developer: Words


class Cause(Struct, rename={"class_": "class"}):
    """``confidence``: proven, likely or unknown; ``class``: members that cannot be told apart."""

    id: str
    number: str
    party: str
    party_name: str | None
    confidence: str
    probability: float | None
    evidence: list[str]
    ruled_out: list[str]
    says: Words
    class_: list[str] | None = None


class Method(Struct):
    type: str
    channel: str
    code_mask: str | None
    qr: str | None


class ChannelRefs(Struct):
    out_trade_no: str
    trade_no: str | None


class Refund(Struct):
    """Amounts in fen. ``status``: created, sent, unknown, waiting_funds, succeeded, failed."""

    id: str
    object: str
    payment: str
    amount: int
    kind: str
    reason: str | None
    status: str
    failure: dict[str, Any] | None
    fee_returned: int
    created_at: str | None
    decided_at: str | None


class Evidence(Struct):
    id: str
    n: int
    at: str | None
    kind: str
    who: str
    op: str | None
    proves: str | None
    code: str | None
    text: str | None
    refund: str | None
    detail: dict[str, Any]


class Payment(Struct):
    """One attempt. Amounts in fen. ``verdict``: paid, waiting_customer, checking, later, not_paid, returned."""

    id: str
    object: str
    livemode: bool
    amount: int
    amount_refunded: int
    amount_received: int
    fee: int
    currency: str
    merchant_order_no: str
    subject: str
    status: str
    verdict: str
    verdict_words: Words
    money: str
    method: Method
    why_no_information: Cause | None
    why_no_money: Cause | None
    next_step: NextStep
    by_when: Words | None
    safe_to_retry: bool
    resolve_by: str | None
    tti_ms: int | None
    late_success: bool
    question: str | None
    channel_refs: ChannelRefs
    decided_by: str | None
    refunds: list[Refund]
    merchant: str
    store: str
    till: str
    metadata: dict[str, str]
    announcements: list[dict[str, Any]]
    told_at: str | None
    created_at: str | None
    paid_at: str | None
    decided_at: str | None
    evidence: list[Evidence] | None = None

    @property
    def proven(self) -> bool:
        """True once evidence has decided what became of the money."""
        return self.verdict in ("paid", "not_paid", "returned")


class Event(Struct):
    id: str
    object: str
    type: str
    timestamp: str | None
    subject: str
    cursor: str
    data: dict[str, Any]


class Cursor(Struct):
    cursor: str


class Merchant(Struct):
    id: str
    object: str
    name: str
    livemode: bool
    late_policy: str
    late_after_s: int
    trade: str
    settlement_mode: str
    created_at: str | None


class Store(Struct):
    id: str
    object: str
    merchant: str
    name: str
    created_at: str | None


class Till(Struct):
    id: str
    object: str
    merchant: str
    store: str
    name: str
    created_at: str | None


class Key(Struct):
    """``secret`` stands only in the answer that made the key."""

    id: str
    object: str
    merchant: str
    livemode: bool
    scopes: list[str]
    version: str
    created_at: str | None
    revoked_at: str | None = None
    secret: str | None = None


class ChannelAccount(Struct):
    """``fee_rate`` in parts of 100,000. Secrets are never shown."""

    id: str
    object: str
    merchant: str
    channel: str
    livemode: bool
    fee_rate: int
    settings: dict[str, Any]


class WebhookEndpoint(Struct):
    """``state``: enabled, failing, disabled. ``secret`` stands only where it was made."""

    id: str
    object: str
    livemode: bool
    merchant: str
    url: str
    types: list[str]
    description: str
    state: str
    failures: int
    failing_since: str | None
    next_try: str | None
    created_at: str | None
    secret: str | None = None
    old_secret_until: str | None = None


class WebhookAttempt(Struct):
    event: str
    attempt: int
    at: str | None
    status: int | None
    took_ms: int
    taken: bool
    error: Words | None
    next_attempt: str | None


class RequestLine(Struct):
    no: int
    at: str | None
    request_id: str
    key: str
    method: str
    path: str
    status: int
    took_ms: int
    problem: str | None


class Alarm(Struct):
    seq: int
    kind: str
    subject: str
    at_ms: int
    detail: dict[str, Any]
    at: str | None


class Code(Struct):
    """One row of a channel's table: what a code proves for an operation."""

    channel: str
    op: str
    code: str
    proves: str
    hint: str
    zh: str
    en: str


class PaymentPage(Struct):
    data: list[Payment]
    has_more: bool
    next_cursor: str | None = None
    asked: list[str] | None = None


class EvidencePage(Struct):
    data: list[Evidence]
    has_more: bool


class RefundPage(Struct):
    data: list[Refund]
    has_more: bool
    next_cursor: str | None


class EventPage(Struct):
    data: list[Event]
    has_more: bool
    next_cursor: str | None


class MerchantPage(Struct):
    data: list[Merchant]
    has_more: bool
    next_cursor: str | None


class StorePage(Struct):
    data: list[Store]
    has_more: bool
    next_cursor: str | None


class TillPage(Struct):
    data: list[Till]
    has_more: bool
    next_cursor: str | None


class KeyPage(Struct):
    data: list[Key]
    has_more: bool
    next_cursor: str | None


class AccountPage(Struct):
    data: list[ChannelAccount]
    has_more: bool
    next_cursor: str | None


class EndpointPage(Struct):
    data: list[WebhookEndpoint]
    has_more: bool
    next_cursor: str | None


class AttemptPage(Struct):
    data: list[WebhookAttempt]
    has_more: bool
    next_cursor: str | None


class RequestPage(Struct):
    data: list[RequestLine]
    has_more: bool
    next_cursor: str | None


class AlarmPage(Struct):
    data: list[Alarm]
    has_more: bool
    next_cursor: str | None


class CodePage(Struct):
    data: list[Code]
    has_more: bool
    next_cursor: str | None


class Balances(Struct):
    """Debits minus credits of each account, in fen."""

    currency: str
    balances: dict[str, int]


class Version(Struct):
    name: str
    version: str
    api: str


class Status(Struct):
    ready: bool
    channels: list[str]


class Revoked(Struct):
    id: str
    object: str
    revoked: bool


class Deleted(Struct):
    id: str
    object: str
    deleted: bool


class Queued(Struct):
    endpoint: str
    queued: int


class Pinged(Struct):
    endpoint: str
    event: str


class Resent(Struct):
    event: str
    endpoints: list[str]


class Moved(Struct):
    """The sandbox's clock after it was moved."""

    now: str
    stops: int
