import type { Send } from "./client.ts";
/** What an operator knows of a settlement account and its last payout; what is left out is not known. ``payout_code``: the bank's code with it (ISO 20022, such as AC04). ``cutoff``: HH:MM of the shop's day. ``closed_days``: days on which banks pay nothing in; ``weekends`` false: nor at weekends. */
export interface AccountFacts {
    payout?: "" | "arrived" | "returned" | "sent" | "waiting";
    payout_code?: string;
    hold?: boolean | null;
    pending?: number | null;
    pending_since?: string | null;
    minimum?: number | null;
    cutoff?: string;
    closed_days?: Array<string>;
    weekends?: boolean | null;
}
export interface AccountPage {
    data: Array<ChannelAccount>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Advance {
    seconds: number;
}
export interface Alarm {
    seq: number;
    kind: string;
    subject: string;
    at_ms: number;
    detail: Record<string, unknown>;
    at: string | null;
}
export interface AlarmPage {
    data: Array<Alarm>;
    has_more: boolean;
    next_cursor: string | null;
}
/** One telling of a speaker. ``state``: queued, delivered, played, summarised, unheard; ``cause`` and ``says`` where it was not heard in time. */
export interface Announcement {
    id: string;
    object: string;
    speaker: string;
    payment: string | null;
    kind: string;
    amount: number;
    state: "queued" | "delivered" | "played" | "summarised" | "unheard" | (string & {});
    late: boolean;
    why: string | null;
    at: string | null;
    event_at: string | null;
    queued_at: string | null;
    delivered_at: string | null;
    played_at: string | null;
    alarmed_at: string | null;
    cause?: string | null;
    says?: Words | null;
}
export interface AnnouncementPage {
    data: Array<Announcement>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface AttemptPage {
    data: Array<WebhookAttempt>;
    has_more: boolean;
    next_cursor: string | null;
}
/** Debits minus credits of each account, in fen. */
export interface Balances {
    currency: string;
    balances: Record<string, number>;
}
/** Rates of the last five minutes; None where nothing was seen. */
export interface BankHealth {
    object: string;
    name: string;
    status: "operational" | "degraded_performance" | "partial_outage" | "major_outage" | "under_maintenance" | (string & {});
    until: string | null;
    incident: string | null;
    window_s: number;
    payments: number;
    success_rate: number | null;
    technical_decline_rate: number | null;
    business_decline_rate: number | null;
    p95_ms: number | null;
}
export interface BankHealthList {
    data: Array<BankHealth>;
    has_more: boolean;
    next_cursor: string | null;
}
/** A channel's bill of a day, read and laid beside our payments. ``file``: as it came, in base64, where it was asked for. */
export interface Bill {
    object: string;
    channel: string;
    date: string;
    kind: string;
    bytes: number;
    sha256: string;
    lines: number;
    kinds: Record<string, BillTotal>;
    unreadable: number;
    unreadable_lines: Array<UnreadableLine>;
    comparison: BillComparison | null;
    file?: string | null;
}
/** By order number and amount. ``missing``: charged here, not in the bill; ``extra``: in the bill, not charged here. ``refunds``: of the list of all trades only. */
export interface BillComparison {
    same: number;
    missing: BillDifferences;
    extra: BillDifferences;
    amount: BillDifferences;
    refunds?: BillRefunds | null;
}
/** One order, or one refund, that the bill and we do not tell alike. ``near_midnight``: it may stand in the neighbouring day's bill; ``trade_nos``: the channel's numbers of an order that it has charged more than once. */
export interface BillDifference {
    order_no: string;
    amount: number;
    payment?: string | null;
    merchant_order_no?: string | null;
    status?: string | null;
    paid_at?: string | null;
    amount_in_bill?: number | null;
    near_midnight?: boolean | null;
    trade_nos?: Array<string> | null;
    refund_no?: string | null;
    refund?: string | null;
}
/** ``count`` is whole; ``data`` may hold the first of them only. */
export interface BillDifferences {
    count: number;
    data: Array<BillDifference>;
}
/** By refund number and amount. ``missing``: given back here, not in the bill; ``extra``: in the bill, not proven here. */
export interface BillRefunds {
    same: number;
    missing: BillDifferences;
    extra: BillDifferences;
    amount: BillDifferences;
}
/** What the lines of one kind add up to, in fen. */
export interface BillTotal {
    lines: number;
    amount: number;
    fee: number;
}
/** ``confidence``: proven, likely or unknown; ``class``: members that cannot be told apart. */
export interface Cause {
    id: string;
    number: string;
    party: string;
    party_name: string | null;
    confidence: "proven" | "likely" | "unknown" | (string & {});
    probability: number | null;
    evidence: Array<string>;
    ruled_out: Array<string>;
    says: Words;
    class?: Array<string> | null;
    ranked?: Array<Ranked>;
    steps?: Array<Reasoning>;
}
/** A cause on the shelf. ``meanwhile``: each person's step while nothing is proven; ``next``: once no money moved. ``money_safe``: false where money may be on its way to somebody else. */
export interface CauseCard {
    id: string;
    object: string;
    number: string;
    party: string;
    separated_by: Words | null;
    says: Words;
    meanwhile: Record<string, Words>;
    next: Record<string, Words>;
    looks_at: Array<string>;
    safe_to_retry: RetryRule;
    examples: Array<Example>;
    stage: Record<string, unknown>;
    class?: Array<string>;
    money_safe?: boolean;
}
export interface CausePage {
    data: Array<CauseCard>;
    has_more: boolean;
    next_cursor: string | null;
}
/** ``fee_rate`` in parts of 100,000. Secrets are never shown. */
export interface ChannelAccount {
    id: string;
    object: string;
    merchant: string;
    channel: string;
    livemode: boolean;
    fee_rate: number;
    settings: Record<string, unknown>;
}
export interface ChannelHealth {
    object: string;
    name: string;
    status: "operational" | "degraded_performance" | "partial_outage" | "major_outage" | "under_maintenance" | (string & {});
    until: string | null;
    incident: string | null;
    window_s: number;
    payments: number;
    success_rate: number | null;
    technical_decline_rate: number | null;
    business_decline_rate: number | null;
    p95_ms: number | null;
    words: Words;
    last_probe?: Probe | null;
}
export interface ChannelHealthList {
    data: Array<ChannelHealth>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface ChannelRefs {
    out_trade_no: string;
    trade_no: string | null;
}
/** One row of a channel's table: what a code proves for an operation. */
export interface Code {
    channel: string;
    op: string;
    code: string;
    proves: string;
    hint: string;
    zh: string;
    en: string;
    outcome: Record<string, string>;
}
export interface CodePage {
    data: Array<Code>;
    has_more: boolean;
    next_cursor: string | null;
}
/** What the store's speakers say after an announcement on this day (+08:00), where their setting ``code_word`` is true. */
export interface CodeWord {
    object: string;
    store: string;
    date: string;
    word: Words;
    until: string | null;
}
export interface Command {
    id: string;
    object: string;
    device: string;
    command: string;
    args: Record<string, unknown>;
    state: "queued" | "delivered" | "done" | "failed" | "expired" | (string & {});
    by: string;
    created_at: string | null;
    expires_at: string | null;
    delivered_at: string | null;
    done_at: string | null;
    result: unknown;
}
export interface CommandPage {
    data: Array<Command>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Cursor {
    cursor: string;
}
export interface Deleted {
    id: string;
    object: string;
    deleted: boolean;
}
/** ``status``: enrolling, active, frozen, revoked. ``enroll`` stands only in the answer that made it. */
export interface Device {
    id: string;
    object: string;
    merchant: string;
    store: string;
    till: string;
    type: string;
    serial: string;
    name: string;
    status: "enrolling" | "active" | "frozen" | "revoked" | (string & {});
    online: boolean;
    online_at: string | null;
    offline_at: string | null;
    offline_why: string | null;
    heard_at: string | null;
    health: string;
    causes: Array<unknown>;
    desired: Record<string, unknown>;
    desired_n: number;
    reported: Record<string, unknown>;
    created_at: string | null;
    enrolled_at: string | null;
    enroll?: EnrollCode | null;
    cause?: Cause | null;
    next_step?: NextStep | null;
}
export interface DeviceChange {
    name?: string | null;
    till?: string | null;
    desired?: Record<string, boolean | number | string> | null;
}
export interface DeviceCode {
    device: string;
    enroll: EnrollCode;
}
/** What a device needs to speak to the gateway; shown once. */
export interface DeviceCredentials {
    device: string;
    type: string;
    serial: string;
    merchant: string;
    till: string;
    mqtt: Record<string, unknown>;
    topics: Record<string, unknown>;
    sign_key: string;
    firmware_key: string;
    heartbeat_s: number;
    old_secret_until?: string | null;
}
export interface DeviceFact {
    at: string | null;
    kind: string;
    detail: Record<string, unknown>;
}
export interface DevicePage {
    data: Array<Device>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface DeviceType {
    type: string;
    name: Words;
    speaks: boolean;
    commands: Array<string>;
}
export interface EndpointChange {
    url?: string | null;
    types?: Array<string> | null;
    description?: string | null;
    enabled?: boolean | null;
}
export interface EndpointPage {
    data: Array<WebhookEndpoint>;
    has_more: boolean;
    next_cursor: string | null;
}
/** What a device sends, without any key: its one-time code and its serial. */
export interface Enrol {
    code: string;
    serial: string;
}
export interface EnrollCode {
    code: string;
    until: string | null;
}
export interface Event {
    id: string;
    object: string;
    type: string;
    timestamp: string | null;
    subject: string;
    cursor: string;
    data: Record<string, unknown>;
}
export interface EventPage {
    data: Array<Event>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Evidence {
    id: string;
    n: number;
    at: string | null;
    kind: string;
    who: string;
    op: string | null;
    proves: string | null;
    code: string | null;
    text: string | null;
    refund: string | null;
    detail: Record<string, unknown>;
}
export interface EvidencePage {
    data: Array<Evidence>;
    has_more: boolean;
}
/** A small world, and whether the cause is named in it. */
export interface Example {
    question: string;
    given: Record<string, unknown>;
    named: boolean;
}
export interface FactPage {
    data: Array<DeviceFact>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface GoodsAnswer {
    goods_handed_over: boolean;
}
/** Many payments without information, one reason. ``says``: what we observe; ``probability`` is that of the party; ``yours``: the asking merchant's part. */
export interface Incident {
    id: string;
    object: string;
    livemode: boolean;
    stage: "investigating" | "identified" | "monitoring" | "resolved" | "merged" | (string & {});
    title: Words;
    trouble: string;
    place: string;
    place_name: string;
    party: string;
    party_name: string | null;
    cause: string;
    probability: number;
    share: number;
    scope: Reach;
    yours: Reach | null;
    next_step: NextStep;
    says: Words;
    evidence: Array<Observation>;
    published: boolean;
    by: string;
    onset_at: string | null;
    opened_at: string | null;
    identified_at: string | null;
    recovered_at: string | null;
    ended_at: string | null;
    updated_at: string | null;
    published_at: string | null;
    merged_into: string | null;
    split_from: string | null;
    updates?: Array<IncidentUpdate> | null;
}
/** A line for its story; without words, what we observe. ``stage``: where it goes; empty: it stays. */
export interface IncidentNews {
    says?: Says | null;
    stage?: "" | "identified" | "investigating" | "monitoring" | "resolved";
}
export interface IncidentPage {
    data: Array<Incident>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface IncidentUpdate {
    n: number;
    at: string | null;
    by: string;
    stage: "investigating" | "identified" | "monitoring" | "resolved" | "merged" | (string & {});
    says: Words;
}
/** Without words, the usual ones. */
export interface IncidentWords {
    says?: Says | null;
}
/** ``secret`` stands only in the answer that made the key. */
export interface Key {
    id: string;
    object: string;
    merchant: string;
    livemode: boolean;
    scopes: Array<string>;
    version: string;
    created_at: string | null;
    revoked_at?: string | null;
    secret?: string | null;
}
export interface KeyPage {
    data: Array<Key>;
    has_more: boolean;
    next_cursor: string | null;
}
/** By the last characters of a number on the payer's phone or slip, or by amount and time. */
export interface Lookup {
    no_tail?: string | null;
    amount?: number | null;
    time?: string | null;
    within_s?: number;
    till?: string | null;
}
/** ``source``: person, or notice: the channel's own words. */
export interface Maintenance {
    id: string;
    object: string;
    party: string;
    name: string;
    from_at: string | null;
    until_at: string | null;
    source: string;
    by: string;
    says: Record<string, string>;
    holds_now: boolean;
}
export interface MaintenancePage {
    data: Array<Maintenance>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Merchant {
    id: string;
    object: string;
    name: string;
    livemode: boolean;
    late_policy: string;
    late_after_s: number;
    trade: string;
    settlement_mode: string;
    created_at: string | null;
}
export interface MerchantChange {
    name?: string | null;
    late_policy?: "keep" | "refund" | null;
    late_after_s?: number | null;
    trade?: "consumed" | "goods" | null;
}
export interface MerchantPage {
    data: Array<Merchant>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Method {
    type: "pay_by_code" | "pay_by_qr" | "plate" | (string & {});
    channel: string;
    code_mask: string | null;
    qr: string | null;
    pay: Record<string, string> | null;
}
/** The sandbox's clock after it was moved. */
export interface Moved {
    now: string;
    stops: number;
}
export interface NewAccount {
    channel: string;
    settings: Record<string, string>;
    secrets: Record<string, string>;
    fee_rate?: number;
    livemode?: boolean;
}
export interface NewCommand {
    command: string;
    args?: Record<string, boolean | number | string>;
}
export interface NewDevice {
    type: string;
    till: string;
    serial?: string | null;
    name?: string | null;
}
export interface NewEndpoint {
    url: string;
    types?: Array<string>;
    description?: string;
    asymmetric?: boolean;
}
/** Opened by a person. ``place_name``: a channel, a bank, or the id of a merchant, store or till. */
export interface NewIncident {
    place: "all" | "bank" | "carrier" | "channel" | "merchant" | "region" | "shop" | "software" | "till";
    place_name?: string;
    trouble?: "dark" | "no_notify" | "refused" | "waiting";
    says?: Says | null;
    publish?: boolean;
}
export interface NewKey {
    scopes: Array<string>;
}
/** An announced window, times in RFC 3339. ``party``: platform (``name`` a channel) or bank. */
export interface NewMaintenance {
    party: "bank" | "platform";
    name: string;
    from: string;
    to: string;
    says?: Says | null;
}
export interface NewMerchant {
    name: string;
    late_policy?: "keep" | "refund";
    late_after_s?: number;
    trade?: "consumed" | "goods";
}
export interface NewPayment {
    amount: number;
    merchant_order_no: string;
    method: PayByCode | PayByQr | PayByPlate;
    till: string;
    currency?: "CNY";
    subject?: string;
    metadata?: Record<string, string>;
    wait_s?: number;
}
/** A probe that somebody made from elsewhere (``place``): whether the channel answered there. */
export interface NewProbe {
    channel: string;
    place: string;
    answered: boolean;
    took_ms?: number;
}
export interface NewRefund {
    payment: string;
    amount?: number | null;
    reason?: string;
    wait_s?: number;
}
/** A version of our software that starts its work now. ``says``: what changed. */
export interface NewRelease {
    version: string;
    says?: string;
}
/** ``manifest`` is the signed text; ``image`` its bytes in base64, or ``url`` says where a larger one lies (https). */
export interface NewRollout {
    manifest: string;
    image?: string;
    url?: string;
    stages?: Array<number>;
    soak_s?: number;
    boot_s?: number;
    bad_percent?: number;
    worse_percent?: number;
    least_seen?: number;
}
export interface NewStore {
    name: string;
}
export interface NewTill {
    store: string;
    name: string;
}
/** One sentence for each person. */
export interface NextStep {
    cashier: Words;
    payer: Words;
    merchant: Words;
    support: Words;
    operations: Words;
    developer: Words;
}
/** A device that a roll-out did not leave well: ``state`` of its taking, and why. */
export interface NotedDevice {
    device: string;
    state: string;
    why: string;
}
/** One thing that was observed. ``kind``: symptom (``count``), share, cause (``probability``, of so many payments), payment. */
export interface Observation {
    kind: string;
    name: string;
    count?: number | null;
    share?: number | null;
    probability?: number | null;
    payments?: number | null;
}
/** The payer's code, as the scanner read it. */
export interface PayByCode {
    type: "pay_by_code";
    code: string;
}
/** A static code plate: the payer is on our page already, and confirms in the wallet. */
export interface PayByPlate {
    type: "plate";
    wallet: string;
    payer: string;
}
/** We show a QR that the payer scans. */
export interface PayByQr {
    type: "pay_by_qr";
    channel?: string | null;
}
/** One attempt. Amounts in fen. ``verdict``: paid, waiting_customer, checking, later, not_paid, returned. */
export interface Payment {
    id: string;
    object: string;
    livemode: boolean;
    amount: number;
    amount_refunded: number;
    amount_received: number;
    fee: number;
    currency: string;
    merchant_order_no: string;
    subject: string;
    status: "created" | "sent" | "waiting_payer" | "unknown" | "reversing" | "deferred" | "paid" | "partly_refunded" | "refunded" | "not_paid" | "closed" | "reversed" | "surplus" | (string & {});
    verdict: "paid" | "waiting_customer" | "checking" | "later" | "not_paid" | "returned" | (string & {});
    verdict_words: Words;
    money: "received" | "not_received" | "returned" | "unresolved" | (string & {});
    method: Method;
    why_no_information: Cause | null;
    why_no_money: Cause | null;
    next_step: NextStep;
    by_when: Words | null;
    safe_to_retry: boolean;
    resolve_by: string | null;
    tti_ms: number | null;
    late_success: boolean;
    question: string | null;
    channel_refs: ChannelRefs;
    decided_by: string | null;
    refunds: Array<Refund>;
    merchant: string;
    store: string;
    till: string;
    metadata: Record<string, string>;
    announcements: Array<Announcement>;
    told_at: string | null;
    created_at: string | null;
    paid_at: string | null;
    decided_at: string | null;
    evidence?: Array<Evidence> | null;
    incident?: string | null;
    warning?: Warned | null;
}
export interface PaymentPage {
    data: Array<Payment>;
    has_more: boolean;
    next_cursor?: string | null;
    asked?: Array<string> | null;
    cause?: string | null;
}
export interface Pinged {
    endpoint: string;
    event: string;
}
/** Whom a payer pays. ``wallet``: the one that has opened the page, as far as it says so itself. */
export interface Plate {
    object: string;
    shop: string;
    till: string;
    livemode: boolean;
    wallets: Array<PlateWallet>;
    wallet: string | null;
}
/** What a payer who has scanned a code plate wants to pay. ``payer``: the channel's own id of the person, where the wallet's login has told it; without it the wallet opens or scans an order. */
export interface PlateOrder {
    amount: number;
    wallet: string;
    payer?: string;
    wait_s?: number;
}
/** What the page shows. ``qr`` and ``picture``: what the wallet opens or scans; ``pay``: what is handed over to the wallet that the page is in. */
export interface PlatePayment {
    id: string;
    object: string;
    amount: number;
    wallet: string;
    status: "created" | "sent" | "waiting_payer" | "unknown" | "reversing" | "deferred" | "paid" | "partly_refunded" | "refunded" | "not_paid" | "closed" | "reversed" | "surplus" | (string & {});
    verdict: "paid" | "waiting_customer" | "checking" | "later" | "not_paid" | "returned" | (string & {});
    verdict_words: Words;
    next_step: Words;
    qr: string | null;
    picture: string | null;
    pay: Record<string, string> | null;
}
/** What a phone reads on the plate, letter by letter. */
export interface PlateText {
    text: string;
}
export interface PlateWallet {
    name: string;
    words: Words;
}
/** ``place``: here, or the name of the place elsewhere. */
export interface Probe {
    at: string | null;
    place: string;
    answered: boolean;
    took_ms: number;
    code: string | null;
}
export interface Problem {
    type: string;
    title: string;
    status: number;
    detail: string;
    instance?: string;
    code: "account_unusable" | "bad_bill" | "bad_cursor" | "bad_enrol_code" | "bad_field" | "bad_json" | "bad_key" | "bad_query" | "bad_url" | "channel_shut" | "device_not_active" | "endpoint_disabled" | "idempotency_key_reused" | "image_refused" | "incident_ended" | "internal" | "key_malformed" | "key_missing" | "moved" | "no_account" | "no_bill" | "no_key" | "no_question" | "no_route" | "no_sandbox" | "not_allowed" | "not_found" | "not_refundable" | "over_refund" | "overloaded" | "paid_already" | "rollout_ended" | "rollout_under_way" | "sale_taken" | "serial_taken" | "slow_down" | "too_long" | "too_many" | "too_many_codes" | "unavailable" | "unknown_version" | "wrong_code" | "wrong_method" | "wrong_mode" | "wrong_type" | (string & {});
    request_id: string;
    retryable: boolean;
    next_step: {
        zh: string;
        en: string;
    };
    errors?: Array<{
        pointer: string;
        detail: string;
    }>;
    payment?: string;
    refund?: string;
    cause?: string;
    scanned?: string;
    refundable?: number;
    versions?: Array<string>;
    verdict?: string;
    channel?: string;
    safe_to_retry_by?: unknown;
    until?: unknown;
    again_at?: string;
    incident?: unknown;
    alternatives?: Array<string>;
}
/** ``more_from``: where to go on when there were too many for one wish. */
export interface Queued {
    endpoint: string;
    queued: number;
    more_from: string | null;
}
/** Times in RFC 3339; ``to`` is excluded, and now when it is not given. */
export interface Range {
    from: string;
    to?: string | null;
    types?: Array<string>;
}
/** One possible cause and how probable it is (simulated calibration; field accuracy unmeasured). */
export interface Ranked {
    id: string;
    probability: number;
}
/** How far an incident reaches. */
export interface Reach {
    shops: number;
    merchants: number;
    payments: number;
    amount: number;
}
/** One step of the explanation: ``hop`` (where the information stopped), ``blast`` (who else), ``signs``. */
export interface Reasoning {
    step: string;
    says: Words;
    evidence: Array<string>;
}
/** ``slip``: a proof slip for what is not proven yet. ``text``: the rows as a printer would print them. */
export interface Receipt {
    object: string;
    payment: string;
    slip: boolean;
    lang: string;
    paper_mm: number;
    rows: Array<unknown>;
    qr: string | null;
    text: string;
}
/** Amounts in fen. ``status``: created, sent, unknown, waiting_funds, succeeded, failed. */
export interface Refund {
    id: string;
    object: string;
    payment: string;
    amount: number;
    kind: "refund" | "undo" | "surplus" | "late_success" | (string & {});
    reason: string | null;
    status: "created" | "sent" | "unknown" | "waiting_funds" | "succeeded" | "failed" | (string & {});
    failure: Record<string, unknown> | null;
    fee_returned: number;
    created_at: string | null;
    decided_at: string | null;
    cause?: string | null;
}
export interface RefundPage {
    data: Array<Refund>;
    has_more: boolean;
    next_cursor: string | null;
}
/** A version of daozhang and when it was at work first. */
export interface Release {
    object: string;
    version: string;
    at: string | null;
    by: string;
    says: string | null;
}
export interface ReleasePage {
    data: Array<Release>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface RequestLine {
    no: number;
    at: string | null;
    request_id: string;
    key: string;
    method: string;
    path: string;
    status: number;
    took_ms: number;
    problem: string | null;
    language?: string;
}
export interface RequestPage {
    data: Array<RequestLine>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Resent {
    event: string;
    endpoints: Array<string>;
}
export interface RetryRule {
    while_unproven: boolean;
    once_not_paid: boolean;
}
export interface Revoked {
    id: string;
    object: string;
    revoked: boolean;
}
/** ``counts``: devices by state: waiting, told, well, bad, missed, leaving, back. ``says``: why it stopped by itself. */
export interface Rollout {
    id: string;
    object: string;
    merchant: string;
    type: string;
    kind: string;
    version: string;
    sha256: string;
    state: "rolling" | "paused" | "turning_back" | "turned_back" | "done" | (string & {});
    stage: number;
    stages: Array<number>;
    percent: number;
    soak_s: number;
    devices: number;
    counts: Record<string, number>;
    why: string | null;
    says: Words | null;
    noted: Array<NotedDevice>;
    by: string;
    created_at: string | null;
    stage_at: string | null;
    ended_at: string | null;
}
export interface RolloutPage {
    data: Array<Rollout>;
    has_more: boolean;
    next_cursor: string | null;
}
/** Handed on to the sandbox's control door as it is. */
export interface SandboxWish {
    wallet?: string;
    behaviour?: string;
    qr?: string | null;
    mode?: string | null;
    share?: number | null;
    for_s?: number | null;
    op?: string | null;
    order?: string | null;
}
/** The same words in both languages. */
export interface Says {
    zh: string;
    en: string;
}
/** As far as somebody told us; null is not known. ``cause``: why received money is not at the bank. */
export interface SettlementAccount {
    object: string;
    merchant: string;
    payout: string | null;
    payout_code: string | null;
    hold: boolean | null;
    pending: number | null;
    pending_since: string | null;
    minimum: number | null;
    cutoff: string | null;
    closed_days: Array<string>;
    weekends: boolean | null;
    at: string | null;
    by: string | null;
    cause: Cause | null;
    next_step: NextStep | null;
}
export interface Status {
    ready: boolean;
    channels: Array<string>;
}
export interface Store {
    id: string;
    object: string;
    merchant: string;
    name: string;
    created_at: string | null;
}
export interface StorePage {
    data: Array<Store>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface Till {
    id: string;
    object: string;
    merchant: string;
    store: string;
    name: string;
    created_at: string | null;
}
export interface TillPage {
    data: Array<Till>;
    has_more: boolean;
    next_cursor: string | null;
}
/** ``url``: the payer's page, which the shop prints (``picture``: as a QR, SVG). ``own``: what the till's plate reads as, that address where nothing else was entered (null: our own address is not settled either); ``reads``: what was read in the shop last. */
export interface TillPlate {
    object: string;
    till: string;
    token: string;
    url: string;
    picture: string;
    own: string | null;
    reads: string | null;
    at: string | null;
    by: string | null;
    cause: Cause | null;
    next_step: NextStep | null;
}
export interface Told {
    by?: string;
}
export interface TypePage {
    data: Array<DeviceType>;
    has_more: boolean;
    next_cursor: string | null;
}
export interface UnreadableLine {
    line: number;
    why: string;
}
export interface Version {
    name: string;
    version: string;
    api: string;
}
/** The channel of an open payment is known to be unwell: its ``status`` as in /v1/health/channels. */
export interface Warned {
    status: "operational" | "degraded_performance" | "partial_outage" | "major_outage" | "under_maintenance" | (string & {});
    until: string | null;
    incident: string | null;
    says: Words;
}
export interface WebhookAttempt {
    event: string;
    type: string | null;
    attempt: number;
    at: string | null;
    status: number | null;
    took_ms: number;
    taken: boolean;
    error: Words | null;
    next_attempt: string | null;
}
/** ``state``: enabled, failing, disabled. ``secret`` stands only where it was made. ``public_key`` checks v1a signatures. ``cause`` where one endpoint is looked at. */
export interface WebhookEndpoint {
    id: string;
    object: string;
    livemode: boolean;
    merchant: string;
    url: string;
    types: Array<string>;
    description: string;
    state: "enabled" | "failing" | "disabled" | (string & {});
    warning: Words | null;
    failures: number;
    failing_since: string | null;
    next_try: string | null;
    public_key: string | null;
    created_at: string | null;
    secret?: string | null;
    old_secret_until?: string | null;
    cause?: Cause | null;
    next_step?: NextStep | null;
}
/** For reverse, close and resolve. */
export interface Wish {
    wait_s?: number;
}
export interface Words {
    zh: string;
    en: string;
}
/** Every door, by the name of its operation. */
export declare const doors: (send: Send) => {
    /** 收一笔钱 / take a payment */
    postPayments: (body: NewPayment, key?: string) => Promise<Payment>;
    /** 支付列表 / list payments */
    getPayments: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "status"?: string | number;
        "till"?: string | number;
        "merchant_order_no"?: string | number;
        "created[gte]"?: string | number;
        "created[lt]"?: string | number;
    }) => Promise<PaymentPage>;
    /** 按单号尾号或金额时间查找 / find by the tail of a number, or amount and time */
    postPaymentsLookup: (body: Lookup) => Promise<PaymentPage>;
    /** 一笔支付 / one payment */
    getPaymentsId: (id: string) => Promise<Payment>;
    /** 证据 / its evidence */
    getPaymentsIdEvidence: (id: string) => Promise<EvidencePage>;
    /** 时间线 / its time line */
    getPaymentsIdTrace: (id: string) => Promise<Payment>;
    /** 现在再查 / ask the channel now */
    postPaymentsIdResolve: (id: string, body: Wish) => Promise<Payment>;
    /** 撤销 / undo */
    postPaymentsIdReverse: (id: string, body: Wish, key?: string) => Promise<Payment>;
    /** 关单 / close an unpaid one */
    postPaymentsIdClose: (id: string, body: Wish, key?: string) => Promise<Payment>;
    /** 店里已看到结果 / the shop has been told */
    postPaymentsIdTold: (id: string, body: Told) => Promise<Payment>;
    /** 回答:货给了没有 / answer: were the goods handed over */
    postPaymentsIdAnswer: (id: string, body: GoodsAnswer, key?: string) => Promise<Payment>;
    /** 退款 / give money back */
    postRefunds: (body: NewRefund, key?: string) => Promise<Refund>;
    /** 退款列表 / list refunds */
    getRefunds: (query?: {
        "payment"?: string | number;
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<RefundPage>;
    /** 一笔退款 / one refund */
    getRefundsId: (id: string) => Promise<Refund>;
    /** 新商户 / new merchant */
    postMerchants: (body: NewMerchant) => Promise<Merchant>;
    /** 商户列表 / list merchants */
    getMerchants: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<MerchantPage>;
    /** 一个商户 / one merchant */
    getMerchantsId: (id: string) => Promise<Merchant>;
    /** 修改商户 / change a merchant */
    patchMerchantsId: (id: string, body: MerchantChange) => Promise<Merchant>;
    /** 新门店 / new store */
    postStores: (body: NewStore) => Promise<Store>;
    /** 门店列表 / list stores */
    getStores: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<StorePage>;
    /** 一个门店 / one store */
    getStoresId: (id: string) => Promise<Store>;
    /** 新收银台 / new till */
    postTills: (body: NewTill) => Promise<Till>;
    /** 收银台列表 / list tills */
    getTills: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<TillPage>;
    /** 一个收银台 / one till */
    getTillsId: (id: string) => Promise<Till>;
    /** 新密钥(只显示一次) / new key (shown once) */
    postKeys: (body: NewKey) => Promise<Key>;
    /** 密钥列表 / list keys */
    getKeys: () => Promise<KeyPage>;
    /** 吊销密钥 / revoke a key */
    deleteKeysId: (id: string) => Promise<Revoked>;
    /** 新渠道账户 / new channel account */
    postChannelAccounts: (body: NewAccount) => Promise<ChannelAccount>;
    /** 渠道账户列表 / list channel accounts */
    getChannelAccounts: () => Promise<AccountPage>;
    /** 事件(按游标) / events by cursor */
    getEvents: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "subject"?: string | number;
        "since"?: string | number;
        "types"?: string | number;
    }) => Promise<EventPage>;
    /** 某时刻的游标 / the cursor of a time */
    getEventsCursor: (query?: {
        "since"?: string | number;
    }) => Promise<Cursor>;
    /** 一个事件 / one event */
    getEventsId: (id: string) => Promise<Event>;
    /** 新的回调地址(密钥只显示一次) / new webhook endpoint (its secret is shown once) */
    postWebhookEndpoints: (body: NewEndpoint) => Promise<WebhookEndpoint>;
    /** 回调地址列表 / list webhook endpoints */
    getWebhookEndpoints: () => Promise<EndpointPage>;
    /** 一个回调地址 / one webhook endpoint */
    getWebhookEndpointsId: (id: string) => Promise<WebhookEndpoint>;
    /** 修改或重新启用 / change it, or enable it again */
    patchWebhookEndpointsId: (id: string, body: EndpointChange) => Promise<WebhookEndpoint>;
    /** 删除回调地址 / delete a webhook endpoint */
    deleteWebhookEndpointsId: (id: string) => Promise<Deleted>;
    /** 换密钥(旧的24小时内仍签名) / new secret (the old one signs too for 24 h) */
    postWebhookEndpointsIdRotateSecret: (id: string) => Promise<WebhookEndpoint>;
    /** 投递记录 / its attempts to deliver */
    getWebhookEndpointsIdAttempts: (id: string, query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<AttemptPage>;
    /** 按时间段重发 / send a range of events again */
    postWebhookEndpointsIdReplay: (id: string, body: Range) => Promise<Queued>;
    /** 发一个 test.ping / send a test.ping */
    postWebhookEndpointsIdTest: (id: string) => Promise<Pinged>;
    /** 重发一个事件(到所有要它的地址,或指定的一个) / send one event again, to all endpoints that want it or to one */
    postEventsIdResend: (id: string, query?: {
        "endpoint"?: string | number;
    }) => Promise<Resent>;
    /** 请求日志 / request log */
    getRequestLog: (query?: {
        "cursor"?: string | number;
        "after"?: string | number;
        "limit"?: string | number;
        "status"?: string | number;
        "path"?: string | number;
        "since"?: string | number;
    }) => Promise<RequestPage>;
    /** 登记设备(一次性入网码) / register a device (one-time code) */
    postDevices: (body: NewDevice) => Promise<Device>;
    /** 设备列表 / list devices */
    getDevices: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "serial"?: string | number;
    }) => Promise<DevicePage>;
    /** 设备凭入网码入网 / a device enrols with its code */
    postDevicesEnroll: (body: Enrol) => Promise<DeviceCredentials>;
    /** 一台设备 / one device */
    getDevicesId: (id: string) => Promise<Device>;
    /** 修改设备 / change a device */
    patchDevicesId: (id: string, body: DeviceChange) => Promise<Device>;
    /** 停用设备 / revoke a device */
    deleteDevicesId: (id: string) => Promise<Revoked>;
    /** 换新的设备密钥 / give a device a new secret */
    postDevicesIdRotate: (id: string) => Promise<DeviceCredentials>;
    /** 新的入网码(解冻) / a new one-time code (unfreezes) */
    postDevicesIdCode: (id: string) => Promise<DeviceCode>;
    /** 远程命令 / a remote command */
    postDevicesIdCommands: (id: string, body: NewCommand) => Promise<Command>;
    /** 命令及结果 / commands and their outcome */
    getDevicesIdCommands: (id: string) => Promise<CommandPage>;
    /** 设备经历 / what happened to it */
    getDevicesIdFacts: (id: string) => Promise<FactPage>;
    /** 设备类型 / device types */
    getDeviceTypes: () => Promise<TypePage>;
    /** 设备接口文档(AsyncAPI 3) / the device plane (AsyncAPI 3) */
    getAsyncapiJson: () => Promise<Record<string, unknown>>;
    /** 播报记录 / what a speaker was told */
    getSpeakersIdAnnouncements: (id: string, query?: {
        "limit"?: string | number;
    }) => Promise<AnnouncementPage>;
    /** 今日暗号 / the word of the day */
    getStoresIdCodeWord: (id: string) => Promise<CodeWord>;
    /** 推送固件或配置(分批) / roll out firmware or configuration, in stages */
    postRollouts: (body: NewRollout) => Promise<Rollout>;
    /** 推送列表 / list roll-outs */
    getRollouts: () => Promise<RolloutPage>;
    /** 一次推送 / one roll-out */
    getRolloutsId: (id: string) => Promise<Rollout>;
    /** 暂停推送 / hold a roll-out */
    postRolloutsIdPause: (id: string) => Promise<Rollout>;
    /** 继续推送 / let a roll-out go on */
    postRolloutsIdResume: (id: string) => Promise<Rollout>;
    /** 中止推送并回退 / end a roll-out and go back */
    postRolloutsIdAbort: (id: string) => Promise<Rollout>;
    /** 小票:编号后加 .txt .escpos .pdf / a receipt: the id with .txt, .escpos or .pdf */
    getReceiptsId: (id: string, query?: {
        "paper"?: string | number;
        "lang"?: string | number;
    }) => Promise<Receipt>;
    /** 所有原因 / all causes */
    getCauses: (query?: {
        "party"?: string | number;
    }) => Promise<CausePage>;
    /** 一个原因(编号或名字) / one cause, by its id or number */
    getCausesId: (id: string) => Promise<CauseCard>;
    /** 渠道某一天的账单,与我们的支付对照 / a channel's bill of a day, beside our payments */
    getBills: (query?: {
        "channel"?: string | number;
        "date"?: string | number;
        "kind"?: string | number;
        "file"?: string | number;
    }) => Promise<Bill>;
    /** 事件 / incidents */
    getIncidents: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "stage"?: string | number;
    }) => Promise<IncidentPage>;
    /** 人工开事件 / open an incident by hand */
    postIncidents: (body: NewIncident) => Promise<Incident>;
    /** 一个事件及其经过 / one incident and its story */
    getIncidentsId: (id: string) => Promise<Incident>;
    /** 事件:新进展 / tell on an incident */
    postIncidentsIdUpdates: (id: string, body: IncidentNews) => Promise<Incident>;
    /** 接手事件 / look after an incident */
    postIncidentsIdAcknowledge: (id: string, body: IncidentWords) => Promise<Incident>;
    /** 发布事件 / publish an incident */
    postIncidentsIdPublish: (id: string) => Promise<Incident>;
    /** 关闭事件 / close an incident */
    postIncidentsIdResolve: (id: string, body: IncidentNews) => Promise<Incident>;
    /** 渠道现况:成功率、技术和业务拒绝率、延迟 / channels now: success, technical and business declines, latency */
    getHealthChannels: () => Promise<ChannelHealthList>;
    /** 发卡行现况 / issuing banks now */
    getHealthBanks: () => Promise<BankHealthList>;
    /** 登记别处的探测结果 / enter a probe made from elsewhere */
    postHealthProbes: (body: NewProbe) => Promise<Probe>;
    /** 维护窗口 / announced maintenance */
    getMaintenance: (query?: {
        "since"?: string | number;
    }) => Promise<MaintenancePage>;
    /** 登记维护窗口 / enter a maintenance window */
    postMaintenance: (body: NewMaintenance) => Promise<Maintenance>;
    /** 取消维护窗口 / remove a maintenance window */
    deleteMaintenanceId: (id: string) => Promise<Deleted>;
    /** 码牌:付给谁 / a code plate: whom it pays */
    getPlatesToken: (token: string) => Promise<Plate>;
    /** 码牌:付款人下单 / a code plate: the payer's order */
    postPlatesTokenPayments: (token: string, body: PlateOrder, key?: string) => Promise<PlatePayment>;
    /** 码牌:这笔付得怎样 / a code plate: how the payment goes */
    getPlatesTokenPaymentsId: (token: string, id: string) => Promise<PlatePayment>;
    /** 结算账户:到哪一步,为什么没入账 / the settlement account: how far money came, and why not farther */
    getSettlementAccount: () => Promise<SettlementAccount>;
    /** 登记结算账户和出款的状态 / enter what is known of the account and its payouts */
    putSettlementAccount: (body: AccountFacts) => Promise<SettlementAccount>;
    /** 收银台的码牌:地址、二维码、核对 / a till's code plate: address, QR, check */
    getTillsIdPlate: (id: string) => Promise<TillPlate>;
    /** 登记码牌的内容 / enter what the till's own plate reads as */
    putTillsIdPlate: (id: string, body: PlateText) => Promise<TillPlate>;
    /** 核对店里的码牌 / check what the plate in the shop reads as */
    postTillsIdPlateCheck: (id: string, body: PlateText) => Promise<TillPlate>;
    /** 系统的版本更新 / releases of our own software */
    getReleases: () => Promise<ReleasePage>;
    /** 登记一次版本更新 / note a release */
    postReleases: (body: NewRelease) => Promise<Release>;
    /** 账户余额(含挂账) / balances, doubt included */
    getBalances: () => Promise<Balances>;
    /** 告警 / alarms */
    getAlarms: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<AlarmPage>;
    /** 渠道结果码及其结论 / channel codes and what they prove */
    getCodes: (query?: {
        "channel"?: string | number;
        "operation"?: string | number;
        "outcome"?: string | number;
        "q"?: string | number;
    }) => Promise<CodePage>;
    /** 沙箱:付款码 / sandbox: a payment code */
    postSandboxCode: (body: SandboxWish) => Promise<Record<string, unknown>>;
    /** 沙箱:付款人扫码 / sandbox: a payer scans */
    postSandboxScan: (body: SandboxWish) => Promise<Record<string, unknown>>;
    /** 沙箱:故障 / sandbox: a fault */
    postSandboxFaults: (body: SandboxWish) => Promise<Record<string, unknown>>;
    /** 沙箱:恢复 / sandbox: no faults */
    deleteSandboxFaults: () => Promise<Record<string, unknown>>;
    /** 沙箱:渠道账本 / sandbox: the channel's books */
    getSandboxBooks: (query?: {
        "channel"?: string | number;
    }) => Promise<Record<string, unknown>>;
    /** 沙箱:拨快时钟 / sandbox: move the clock */
    postSandboxClockAdvance: (body: Advance) => Promise<Moved>;
    /** 版本 / version */
    getVersion: () => Promise<Version>;
    /** 状态 / status */
    getStatus: () => Promise<Status>;
};
