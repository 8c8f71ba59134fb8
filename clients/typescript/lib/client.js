// A client for programs that take payments with daozhang. No dependencies; needs fetch and node:crypto (Node 20 and later).
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { doors } from "./api.js";
/** The API refused (RFC 9457). `code` is for programs; `nextStep` says in both languages how to mend it. */
export class ApiProblem extends Error {
    status;
    code;
    requestId;
    retryable;
    nextStep;
    body;
    constructor(status, body) {
        super(`${status} ${String(body.code)}: ${String(body.detail ?? body.title)} (request ${String(body.request_id)})`);
        this.status = status;
        this.code = String(body.code ?? `http_${status}`);
        this.requestId = String(body.request_id ?? "");
        this.retryable = body.retryable === true;
        this.nextStep = (body.next_step ?? {});
        this.body = body;
    }
}
/** No answer, after all repeats. The payment may exist: ask again with the same key, or look the order up. */
export class NotReached extends Error {
}
const VERSION = "2026-12-01";
const AGAIN = new Set([409, 429, 502, 503, 504]);
const LONGEST_PAUSE_S = 30;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
/** An Idempotency-Key that nobody else has. */
export const newKey = () => `ts-${randomBytes(16).toString("hex")}`;
/** All doors of one address with one key. Each call that moves money carries a key that is kept over all repeats. */
export function connect(apiKey, baseUrl, options = {}) {
    const pauses = options.pausesMs ?? [200, 500, 1000, 2000, 4000];
    const always = {
        Authorization: `Bearer ${apiKey}`,
        "Accept-Language": options.language ?? "zh",
        "Daozhang-Version": VERSION,
        ...(options.merchant === undefined ? {} : { "Daozhang-Merchant": options.merchant }),
    };
    const send = async (method, path, ask) => {
        const url = new URL(path, baseUrl);
        for (const [name, value] of Object.entries(ask.query ?? {}))
            if (value !== undefined)
                url.searchParams.set(name, String(value));
        const key = ask.money ? (ask.key ?? newKey()) : undefined;
        const headers = {
            ...always,
            ...(ask.body === undefined ? {} : { "Content-Type": "application/json" }),
            ...(key === undefined ? {} : { "Idempotency-Key": key }),
        };
        const safe = method === "GET" || key !== undefined || ask.safe === true;
        for (let attempt = 0;; attempt++) {
            const pause = pauses[attempt];
            let reply;
            let text;
            try {
                reply = await fetch(url, {
                    method,
                    headers,
                    redirect: "error",
                    signal: AbortSignal.timeout(options.timeoutMs ?? 30_000),
                    ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
                });
                text = await reply.text();
            }
            catch (broken) {
                if (!safe || pause === undefined)
                    throw new NotReached(`${method} ${path}: ${String(broken)}`, { cause: broken });
                await sleep(pause);
                continue;
            }
            if (reply.status < 400)
                return text ? JSON.parse(text) : null;
            const problem = new ApiProblem(reply.status, object(text));
            const again = safe && AGAIN.has(reply.status) && (problem.retryable || reply.status === 502 || reply.status === 504);
            const afterS = Number(reply.headers.get("Retry-After") ?? 0) || 0;
            if (!again || pause === undefined || afterS > LONGEST_PAUSE_S)
                throw problem;
            await sleep(Math.max(pause, afterS * 1000) * (1 + Math.random() / 5));
        }
    };
    const api = doors(send);
    return {
        ...api,
        /** Ask until evidence has decided, or the time is over; the payment as it is then. */
        async waitUntilProven(id, withinMs = 120_000) {
            const end = Date.now() + withinMs;
            for (let pause = 300;; pause = Math.min(pause * 1.5, 2000)) {
                const found = await api.getPaymentsId(id);
                if (["paid", "not_paid", "returned"].includes(found.verdict) || Date.now() >= end)
                    return found;
                await sleep(Math.min(pause, Math.max(end - Date.now(), 0)));
            }
        },
        /** The payment now and at each change, at least every five seconds, until it is proven. For a screen. */
        async *watch(id) {
            const reply = await fetch(new URL(`/v1/payments/${encodeURIComponent(id)}/stream`, baseUrl), { headers: always, redirect: "error" });
            if (reply.status >= 400 || reply.body === null)
                throw new ApiProblem(reply.status, object(await reply.text()));
            let rest = "";
            for await (const part of reply.body.pipeThrough(new TextDecoderStream())) {
                const lines = (rest + part).split("\n");
                rest = lines.pop() ?? "";
                for (const line of lines)
                    if (line.startsWith("data: "))
                        yield JSON.parse(line.slice(6));
            }
        },
        /** All payments, newest first, page after page. */
        allPayments: (query = {}) => all(api.getPayments, query),
    };
}
/** Every row of a list, page after page: `for await (const event of all(shop.getEvents, { types: "payment.*" }))`. */
export async function* all(list, query = {}) {
    for (let cursor;;) {
        const page = await list({ limit: 100, ...query, ...(cursor === undefined ? {} : { cursor }) });
        yield* page.data;
        if (!page.has_more || !page.next_cursor)
            return;
        cursor = page.next_cursor;
    }
}
function object(text) {
    try {
        const value = JSON.parse(text);
        return value !== null && typeof value === "object" ? value : {};
    }
    catch {
        return {};
    }
}
/** Not to be believed: answer 400 and do nothing. `why`: missing, old, early, wrong, again, unreadable. */
export class BadDelivery extends Error {
    why;
    constructor(why) {
        super(`this delivery is ${why}`);
        this.why = why;
    }
}
/** The event of a delivery (Standard Webhooks). `secret`: whsec_…; during a rotation both, divided by a blank. */
export function verifyWebhook(headers, body, secret, { nowMs = Date.now(), seen = (_id) => false, toleranceS = 300 } = {}) {
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value ?? ""]));
    const id = given["webhook-id"];
    const at = given["webhook-timestamp"];
    const signatures = given["webhook-signature"];
    if (!id || !at || !signatures)
        throw new BadDelivery("missing");
    if (!/^\d{1,12}$/.test(at))
        throw new BadDelivery("wrong");
    const lateS = nowMs / 1000 - Number(at);
    if (Math.abs(lateS) > toleranceS)
        throw new BadDelivery(lateS > 0 ? "old" : "early");
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body, "utf8");
    const ours = secret.split(/\s+/).map((one) => {
        const mac = createHmac("sha256", Buffer.from(one.replace(/^whsec_/, ""), "base64"));
        return Buffer.from(`v1,${mac.update(`${id}.${at}.`).update(bytes).digest("base64")}`);
    });
    const theirs = signatures.split(" ").slice(0, 16).map((one) => Buffer.from(one));
    if (!ours.some((a) => theirs.some((b) => a.length === b.length && timingSafeEqual(a, b))))
        throw new BadDelivery("wrong");
    if (seen(id))
        throw new BadDelivery("again");
    const told = object(bytes.toString("utf8"));
    if (typeof told.type !== "string" || typeof told.timestamp !== "string" || !told.data)
        throw new BadDelivery("unreadable");
    return { id, type: told.type, timestamp: told.timestamp, data: told.data };
}
