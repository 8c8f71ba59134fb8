import type { Payment } from "./api.ts";
export type * from "./api.ts";
export interface Ask {
    body?: unknown;
    query?: Record<string, string | number | undefined>;
    key?: string;
    money?: boolean;
    /** Twice is as good as once: it may be repeated without a key. */
    safe?: boolean;
}
export type Send = (method: string, path: string, ask: Ask) => Promise<unknown>;
/** The API refused (RFC 9457). `code` is for programs; `nextStep` says in both languages how to mend it. */
export declare class ApiProblem extends Error {
    readonly status: number;
    readonly code: string;
    readonly requestId: string;
    readonly retryable: boolean;
    readonly nextStep: {
        zh?: string;
        en?: string;
    };
    readonly body: Record<string, unknown>;
    constructor(status: number, body: Record<string, unknown>);
}
/** No answer, after all repeats. The payment may exist: ask again with the same key, or look the order up. */
export declare class NotReached extends Error {
}
export interface Options {
    language?: "zh" | "en";
    merchant?: string;
    timeoutMs?: number;
    /** Pauses before each repeat, in milliseconds. */
    pausesMs?: number[];
}
/** An Idempotency-Key that nobody else has. */
export declare const newKey: () => string;
/** All doors of one address with one key. Each call that moves money carries a key that is kept over all repeats. */
export declare function connect(apiKey: string, baseUrl: string, options?: Options): {
    /** Ask until evidence has decided, or the time is over; the payment as it is then. */
    waitUntilProven(id: string, withinMs?: number): Promise<Payment>;
    /** The payment now and at each change, at least every five seconds, until it is proven. For a screen. */
    watch(id: string): AsyncGenerator<Payment>;
    /** All payments, newest first, page after page. */
    allPayments: (query?: Parameters<(query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "status"?: string | number;
        "till"?: string | number;
        "merchant_order_no"?: string | number;
        "created[gte]"?: string | number;
        "created[lt]"?: string | number;
    }) => Promise<import("./api.ts").PaymentPage>>[0]) => AsyncGenerator<Payment>;
    postPayments: (body: import("./api.ts").NewPayment, key?: string) => Promise<Payment>;
    getPayments: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "status"?: string | number;
        "till"?: string | number;
        "merchant_order_no"?: string | number;
        "created[gte]"?: string | number;
        "created[lt]"?: string | number;
    }) => Promise<import("./api.ts").PaymentPage>;
    postPaymentsLookup: (body: import("./api.ts").Lookup) => Promise<import("./api.ts").PaymentPage>;
    getPaymentsId: (id: string) => Promise<Payment>;
    getPaymentsIdEvidence: (id: string) => Promise<import("./api.ts").EvidencePage>;
    getPaymentsIdTrace: (id: string) => Promise<Payment>;
    postPaymentsIdResolve: (id: string, body: import("./api.ts").Wish) => Promise<Payment>;
    postPaymentsIdReverse: (id: string, body: import("./api.ts").Wish, key?: string) => Promise<Payment>;
    postPaymentsIdClose: (id: string, body: import("./api.ts").Wish, key?: string) => Promise<Payment>;
    postPaymentsIdTold: (id: string, body: import("./api.ts").Told) => Promise<Payment>;
    postPaymentsIdAnswer: (id: string, body: import("./api.ts").GoodsAnswer, key?: string) => Promise<Payment>;
    postRefunds: (body: import("./api.ts").NewRefund, key?: string) => Promise<import("./api.ts").Refund>;
    getRefunds: (query?: {
        "payment"?: string | number;
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").RefundPage>;
    getRefundsId: (id: string) => Promise<import("./api.ts").Refund>;
    postMerchants: (body: import("./api.ts").NewMerchant) => Promise<import("./api.ts").Merchant>;
    getMerchants: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").MerchantPage>;
    getMerchantsId: (id: string) => Promise<import("./api.ts").Merchant>;
    patchMerchantsId: (id: string, body: import("./api.ts").MerchantChange) => Promise<import("./api.ts").Merchant>;
    postStores: (body: import("./api.ts").NewStore) => Promise<import("./api.ts").Store>;
    getStores: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").StorePage>;
    getStoresId: (id: string) => Promise<import("./api.ts").Store>;
    postTills: (body: import("./api.ts").NewTill) => Promise<import("./api.ts").Till>;
    getTills: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").TillPage>;
    getTillsId: (id: string) => Promise<import("./api.ts").Till>;
    postKeys: (body: import("./api.ts").NewKey) => Promise<import("./api.ts").Key>;
    getKeys: () => Promise<import("./api.ts").KeyPage>;
    deleteKeysId: (id: string) => Promise<import("./api.ts").Revoked>;
    postChannelAccounts: (body: import("./api.ts").NewAccount) => Promise<import("./api.ts").ChannelAccount>;
    getChannelAccounts: () => Promise<import("./api.ts").AccountPage>;
    getEvents: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "subject"?: string | number;
        "since"?: string | number;
        "types"?: string | number;
    }) => Promise<import("./api.ts").EventPage>;
    getEventsCursor: (query?: {
        "since"?: string | number;
    }) => Promise<import("./api.ts").Cursor>;
    getEventsId: (id: string) => Promise<import("./api.ts").Event>;
    postWebhookEndpoints: (body: import("./api.ts").NewEndpoint) => Promise<import("./api.ts").WebhookEndpoint>;
    getWebhookEndpoints: () => Promise<import("./api.ts").EndpointPage>;
    getWebhookEndpointsId: (id: string) => Promise<import("./api.ts").WebhookEndpoint>;
    patchWebhookEndpointsId: (id: string, body: import("./api.ts").EndpointChange) => Promise<import("./api.ts").WebhookEndpoint>;
    deleteWebhookEndpointsId: (id: string) => Promise<import("./api.ts").Deleted>;
    postWebhookEndpointsIdRotateSecret: (id: string) => Promise<import("./api.ts").WebhookEndpoint>;
    getWebhookEndpointsIdAttempts: (id: string, query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").AttemptPage>;
    postWebhookEndpointsIdReplay: (id: string, body: import("./api.ts").Range) => Promise<import("./api.ts").Queued>;
    postWebhookEndpointsIdTest: (id: string) => Promise<import("./api.ts").Pinged>;
    postEventsIdResend: (id: string, query?: {
        "endpoint"?: string | number;
    }) => Promise<import("./api.ts").Resent>;
    getRequestLog: (query?: {
        "cursor"?: string | number;
        "after"?: string | number;
        "limit"?: string | number;
        "status"?: string | number;
        "path"?: string | number;
        "since"?: string | number;
    }) => Promise<import("./api.ts").RequestPage>;
    postDevices: (body: import("./api.ts").NewDevice) => Promise<import("./api.ts").Device>;
    getDevices: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "serial"?: string | number;
    }) => Promise<import("./api.ts").DevicePage>;
    postDevicesEnroll: (body: import("./api.ts").Enrol) => Promise<import("./api.ts").DeviceCredentials>;
    getDevicesId: (id: string) => Promise<import("./api.ts").Device>;
    patchDevicesId: (id: string, body: import("./api.ts").DeviceChange) => Promise<import("./api.ts").Device>;
    deleteDevicesId: (id: string) => Promise<import("./api.ts").Revoked>;
    postDevicesIdRotate: (id: string) => Promise<import("./api.ts").DeviceCredentials>;
    postDevicesIdCode: (id: string) => Promise<import("./api.ts").DeviceCode>;
    postDevicesIdCommands: (id: string, body: import("./api.ts").NewCommand) => Promise<import("./api.ts").Command>;
    getDevicesIdCommands: (id: string) => Promise<import("./api.ts").CommandPage>;
    getDevicesIdFacts: (id: string) => Promise<import("./api.ts").FactPage>;
    getDeviceTypes: () => Promise<import("./api.ts").TypePage>;
    getAsyncapiJson: () => Promise<Record<string, unknown>>;
    getSpeakersIdAnnouncements: (id: string, query?: {
        "limit"?: string | number;
    }) => Promise<import("./api.ts").AnnouncementPage>;
    getStoresIdCodeWord: (id: string) => Promise<import("./api.ts").CodeWord>;
    postRollouts: (body: import("./api.ts").NewRollout) => Promise<import("./api.ts").Rollout>;
    getRollouts: () => Promise<import("./api.ts").RolloutPage>;
    getRolloutsId: (id: string) => Promise<import("./api.ts").Rollout>;
    postRolloutsIdPause: (id: string) => Promise<import("./api.ts").Rollout>;
    postRolloutsIdResume: (id: string) => Promise<import("./api.ts").Rollout>;
    postRolloutsIdAbort: (id: string) => Promise<import("./api.ts").Rollout>;
    getReceiptsId: (id: string, query?: {
        "paper"?: string | number;
        "lang"?: string | number;
    }) => Promise<import("./api.ts").Receipt>;
    getCauses: (query?: {
        "party"?: string | number;
    }) => Promise<import("./api.ts").CausePage>;
    getCausesId: (id: string) => Promise<import("./api.ts").CauseCard>;
    getBills: (query?: {
        "channel"?: string | number;
        "date"?: string | number;
        "kind"?: string | number;
        "file"?: string | number;
    }) => Promise<import("./api.ts").Bill>;
    getIncidents: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
        "stage"?: string | number;
    }) => Promise<import("./api.ts").IncidentPage>;
    postIncidents: (body: import("./api.ts").NewIncident) => Promise<import("./api.ts").Incident>;
    getIncidentsId: (id: string) => Promise<import("./api.ts").Incident>;
    postIncidentsIdUpdates: (id: string, body: import("./api.ts").IncidentNews) => Promise<import("./api.ts").Incident>;
    postIncidentsIdAcknowledge: (id: string, body: import("./api.ts").IncidentWords) => Promise<import("./api.ts").Incident>;
    postIncidentsIdPublish: (id: string) => Promise<import("./api.ts").Incident>;
    postIncidentsIdResolve: (id: string, body: import("./api.ts").IncidentNews) => Promise<import("./api.ts").Incident>;
    getHealthChannels: () => Promise<import("./api.ts").ChannelHealthList>;
    getHealthBanks: () => Promise<import("./api.ts").BankHealthList>;
    postHealthProbes: (body: import("./api.ts").NewProbe) => Promise<import("./api.ts").Probe>;
    getMaintenance: (query?: {
        "since"?: string | number;
    }) => Promise<import("./api.ts").MaintenancePage>;
    postMaintenance: (body: import("./api.ts").NewMaintenance) => Promise<import("./api.ts").Maintenance>;
    deleteMaintenanceId: (id: string) => Promise<import("./api.ts").Deleted>;
    getPlatesToken: (token: string) => Promise<import("./api.ts").Plate>;
    postPlatesTokenPayments: (token: string, body: import("./api.ts").PlateOrder, key?: string) => Promise<import("./api.ts").PlatePayment>;
    getPlatesTokenPaymentsId: (token: string, id: string) => Promise<import("./api.ts").PlatePayment>;
    getSettlementAccount: () => Promise<import("./api.ts").SettlementAccount>;
    putSettlementAccount: (body: import("./api.ts").AccountFacts) => Promise<import("./api.ts").SettlementAccount>;
    getTillsIdPlate: (id: string) => Promise<import("./api.ts").TillPlate>;
    putTillsIdPlate: (id: string, body: import("./api.ts").PlateText) => Promise<import("./api.ts").TillPlate>;
    postTillsIdPlateCheck: (id: string, body: import("./api.ts").PlateText) => Promise<import("./api.ts").TillPlate>;
    getReleases: () => Promise<import("./api.ts").ReleasePage>;
    postReleases: (body: import("./api.ts").NewRelease) => Promise<import("./api.ts").Release>;
    getBalances: () => Promise<import("./api.ts").Balances>;
    getAlarms: (query?: {
        "cursor"?: string | number;
        "limit"?: string | number;
    }) => Promise<import("./api.ts").AlarmPage>;
    getCodes: (query?: {
        "channel"?: string | number;
        "operation"?: string | number;
        "outcome"?: string | number;
        "q"?: string | number;
    }) => Promise<import("./api.ts").CodePage>;
    postSandboxCode: (body: import("./api.ts").SandboxWish) => Promise<Record<string, unknown>>;
    postSandboxScan: (body: import("./api.ts").SandboxWish) => Promise<Record<string, unknown>>;
    postSandboxFaults: (body: import("./api.ts").SandboxWish) => Promise<Record<string, unknown>>;
    deleteSandboxFaults: () => Promise<Record<string, unknown>>;
    getSandboxBooks: (query?: {
        "channel"?: string | number;
    }) => Promise<Record<string, unknown>>;
    postSandboxClockAdvance: (body: import("./api.ts").Advance) => Promise<import("./api.ts").Moved>;
    getVersion: () => Promise<import("./api.ts").Version>;
    getStatus: () => Promise<import("./api.ts").Status>;
};
interface Page<Row> {
    data: Row[];
    has_more: boolean;
    next_cursor?: string | null;
}
type Query = Record<string, string | number | undefined>;
/** Every row of a list, page after page: `for await (const event of all(shop.getEvents, { types: "payment.*" }))`. */
export declare function all<Row>(list: (query: Query) => Promise<Page<Row>>, query?: Query): AsyncGenerator<Row>;
/** Not to be believed: answer 400 and do nothing. `why`: missing, old, early, wrong, again, unreadable. */
export declare class BadDelivery extends Error {
    readonly why: string;
    constructor(why: string);
}
export interface Delivery {
    id: string;
    type: string;
    timestamp: string;
    data: Record<string, unknown>;
}
/** The event of a delivery (Standard Webhooks). `secret`: whsec_…; during a rotation both, divided by a blank. */
export declare function verifyWebhook(headers: Record<string, string | undefined>, body: string | Buffer, secret: string, { nowMs, seen, toleranceS }?: {
    nowMs?: number;
    seen?: (id: string) => boolean;
    toleranceS?: number;
}): Delivery;
