"""What the API answers with. Members may be added at any time and words of an enumeration too: take what you know."""

from typing import Any

from msgspec import Struct

from daozhang.client import words as say
from daozhang.client.causes import Cause, NextStep, Words


class Method(Struct):
    type: say.MethodType
    channel: str
    code_mask: str | None
    qr: str | None
    pay: dict[str, str] | None  # of a plate: what the page hands over to the wallet


class Announcement(Struct):
    """One telling of a speaker. ``state``: queued, delivered, played, summarised, unheard; ``cause`` and ``says`` where it was not
    heard in time."""

    id: str
    object: str
    speaker: str
    payment: str | None
    kind: str
    amount: int
    state: say.AnnouncementState
    late: bool
    why: str | None
    at: say.Time | None
    event_at: say.Time | None
    queued_at: say.Time | None
    delivered_at: say.Time | None
    played_at: say.Time | None
    alarmed_at: say.Time | None
    cause: str | None = None
    says: Words | None = None


class EnrollCode(Struct):
    code: str
    until: say.Time | None


class Device(Struct):
    """``status``: enrolling, active, frozen, revoked. ``enroll`` stands only in the answer that made it."""

    id: str
    object: str
    merchant: str
    store: str
    till: str
    type: str
    serial: str
    name: str
    status: say.DeviceStatus
    online: bool
    online_at: say.Time | None
    offline_at: say.Time | None
    offline_why: str | None
    heard_at: say.Time | None
    health: str
    causes: list[Any]
    desired: dict[str, Any]
    desired_n: int
    reported: dict[str, Any]
    created_at: say.Time | None
    enrolled_at: say.Time | None
    enroll: EnrollCode | None = None
    cause: Cause | None = None
    next_step: NextStep | None = None


class DevicePage(Struct):
    data: list[Device]
    has_more: bool
    next_cursor: str | None


class DeviceCredentials(Struct):
    """What a device needs to speak to the gateway; shown once."""

    device: str
    type: str
    serial: str
    merchant: str
    till: str
    mqtt: dict[str, Any]
    topics: dict[str, Any]
    sign_key: str
    firmware_key: str
    heartbeat_s: int
    old_secret_until: say.Time | None = None


class DeviceCode(Struct):
    device: str
    enroll: EnrollCode


class Command(Struct):
    id: str
    object: str
    device: str
    command: str
    args: dict[str, Any]
    state: say.CommandState
    by: str
    created_at: say.Time | None
    expires_at: say.Time | None
    delivered_at: say.Time | None
    done_at: say.Time | None
    result: Any


class CommandPage(Struct):
    data: list[Command]
    has_more: bool
    next_cursor: str | None


class DeviceFact(Struct):
    at: say.Time | None
    kind: str
    detail: dict[str, Any]


class FactPage(Struct):
    data: list[DeviceFact]
    has_more: bool
    next_cursor: str | None


class DeviceType(Struct):
    type: str
    name: Words
    speaks: bool
    commands: list[str]


class TypePage(Struct):
    data: list[DeviceType]
    has_more: bool
    next_cursor: str | None


class NotedDevice(Struct):
    """A device that a roll-out did not leave well: ``state`` of its taking, and why."""

    device: str
    state: str
    why: str


class Rollout(Struct):
    """``counts``: devices by state: waiting, told, well, bad, missed, leaving, back. ``says``: why it stopped by itself."""

    id: str
    object: str
    merchant: str
    type: str
    kind: str
    version: str
    sha256: str
    state: say.RolloutState
    stage: int
    stages: list[int]
    percent: int
    soak_s: int
    devices: int
    counts: dict[str, int]
    why: str | None
    says: Words | None
    noted: list[NotedDevice]
    by: str
    created_at: say.Time | None
    stage_at: say.Time | None
    ended_at: say.Time | None


class RolloutPage(Struct):
    data: list[Rollout]
    has_more: bool
    next_cursor: str | None


class CodeWord(Struct):
    """What the store's speakers say after an announcement on this day (+08:00), where their setting ``code_word`` is true."""

    object: str
    store: str
    date: str
    word: Words
    until: say.Time | None


class AnnouncementPage(Struct):
    data: list[Announcement]
    has_more: bool
    next_cursor: str | None


class Receipt(Struct):
    """``slip``: a proof slip for what is not proven yet. ``text``: the rows as a printer would print them."""

    object: str
    payment: str
    slip: bool
    lang: str
    paper_mm: int
    rows: list[Any]
    qr: str | None
    text: str


class ChannelRefs(Struct):
    out_trade_no: str
    trade_no: str | None


class Refund(Struct):
    """Amounts in fen. ``status``: created, sent, unknown, waiting_funds, succeeded, failed."""

    id: str
    object: str
    payment: str
    amount: say.Fen
    kind: say.RefundKind
    reason: str | None
    status: say.RefundStatus
    failure: dict[str, Any] | None
    fee_returned: say.Fen
    created_at: say.Time | None
    decided_at: say.Time | None
    cause: str | None = None


class Evidence(Struct):
    id: str
    n: int
    at: say.Time | None
    kind: str
    who: str
    op: str | None
    proves: str | None
    code: str | None
    text: str | None
    refund: str | None
    detail: dict[str, Any]


class Warned(Struct):
    """The channel of an open payment is known to be unwell: its ``status`` as in /v1/health/channels."""

    status: say.HealthStatus
    until: say.Time | None
    incident: str | None
    says: Words


class Payment(Struct):
    """One attempt. Amounts in fen. ``verdict``: paid, waiting_customer, checking, later, not_paid, returned."""

    id: str
    object: str
    livemode: bool
    amount: say.Fen
    amount_refunded: say.Fen
    amount_received: say.Fen
    fee: say.Fen
    currency: str
    merchant_order_no: str
    subject: str
    status: say.PaymentStatus
    verdict: say.Verdict
    verdict_words: Words
    money: say.Money
    method: Method
    why_no_information: Cause | None
    why_no_money: Cause | None
    next_step: NextStep
    by_when: Words | None
    safe_to_retry: bool
    resolve_by: say.Time | None
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
    announcements: list[Announcement]
    told_at: say.Time | None
    created_at: say.Time | None
    paid_at: say.Time | None
    decided_at: say.Time | None
    evidence: list[Evidence] | None = None
    incident: str | None = None
    warning: Warned | None = None

    @property
    def proven(self) -> bool:
        """True once evidence has decided what became of the money."""
        return self.verdict in ("paid", "not_paid", "returned")


class Event(Struct):
    id: str
    object: str
    type: str
    timestamp: say.Time | None
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
    created_at: say.Time | None


class Store(Struct):
    id: str
    object: str
    merchant: str
    name: str
    created_at: say.Time | None


class Till(Struct):
    id: str
    object: str
    merchant: str
    store: str
    name: str
    created_at: say.Time | None


class Key(Struct):
    """``secret`` stands only in the answer that made the key."""

    id: str
    object: str
    merchant: str
    livemode: bool
    scopes: list[str]
    version: str
    created_at: say.Time | None
    revoked_at: say.Time | None = None
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
    """``state``: enabled, failing, disabled. ``secret`` stands only where it was made. ``public_key`` checks v1a signatures.
    ``cause`` where one endpoint is looked at."""

    id: str
    object: str
    livemode: bool
    merchant: str
    url: str
    types: list[str]
    description: str
    state: say.EndpointState
    warning: Words | None
    failures: int
    failing_since: say.Time | None
    next_try: say.Time | None
    public_key: str | None
    created_at: say.Time | None
    secret: str | None = None
    old_secret_until: say.Time | None = None
    cause: Cause | None = None
    next_step: NextStep | None = None


class WebhookAttempt(Struct):
    event: str
    type: str | None
    attempt: int
    at: say.Time | None
    status: int | None
    took_ms: int
    taken: bool
    error: Words | None
    next_attempt: say.Time | None


class RequestLine(Struct):
    no: int
    at: say.Time | None
    request_id: str
    key: str
    method: str
    path: str
    status: int
    took_ms: int
    problem: str | None
    language: str = ""


class Alarm(Struct):
    seq: int
    kind: str
    subject: str
    at_ms: int
    detail: dict[str, Any]
    at: say.Time | None


class Code(Struct):
    """One row of a channel's table: what a code proves for an operation."""

    channel: str
    op: str
    code: str
    proves: str
    hint: str
    zh: str
    en: str
    outcome: dict[str, str]


class PaymentPage(Struct):
    data: list[Payment]
    has_more: bool
    next_cursor: str | None = None
    asked: list[str] | None = None
    cause: str | None = None


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
    """``more_from``: where to go on when there were too many for one wish."""

    endpoint: str
    queued: int
    more_from: str | None


class Pinged(Struct):
    endpoint: str
    event: str


class Resent(Struct):
    event: str
    endpoints: list[str]


class Moved(Struct):
    """The sandbox's clock after it was moved."""

    now: say.Time
    stops: int
