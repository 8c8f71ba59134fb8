// The page of a static code plate: an amount, the wallet that pays, and what becomes of it. Everything is written as text.
import { WORDS } from "./words.js";

const find = (id) => document.getElementById(id);
const LOOKS_MS = 2000;
const DECIDED = new Set(["paid", "not_paid", "returned"]);
const given = new URLSearchParams(location.search);
const token = location.pathname.split("/").pop();
const door = `/v1/plates/${encodeURIComponent(token)}`;
const kept = `plate:${token}`;
let lang = given.get("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
if (!(lang in WORDS)) lang = "en";
let plate;
let payment;
// Only these say that nothing was begun, and only at the first try of an order (a shut channel looks for it first); after anything else the same order is asked for again, under the same key.
const BEFORE_ANY_ORDER = ["bad_field", "bad_json", "no_account", "channel_shut", "key_malformed", "not_found"];
let key = "";
let looking = false;
let problem = "";
let why = "";

const say = (name, ...more) => (typeof WORDS[lang][name] === "function" ? WORDS[lang][name](...more) : WORDS[lang][name]);
const yuan = (fen) => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;
const named = (wallet) => plate.wallets.find((one) => one.name === wallet)?.words[lang] ?? wallet;

async function ask(method, path, body, more = {}) {
  const reply = await fetch(path, { method, headers: { "Accept-Language": lang, ...(body ? { "Content-Type": "application/json" } : {}), ...more }, ...(body ? { body: JSON.stringify(body) } : {}) });
  const told = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(told.detail), { status: reply.status, told });
  return told;
}

/** Fen of what was typed; 0 for what is no amount. */
function fen(text) {
  const found = /^(\d{1,6})(?:[.。](\d{1,2}))?$/.exec(text.trim());
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0")) : 0;
}

function speak() {
  document.documentElement.lang = lang;
  for (const one of ["zh", "en"]) find(one).setAttribute("aria-pressed", String(one === lang));
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of document.querySelectorAll("[data-name]")) one.setAttribute("aria-label", say(one.dataset.name));
  find("alert").textContent = problem ? `${say(problem)} ${problem === "refused" ? why : ""}`.trim() : "";
  find("pay").textContent = find("pay").disabled ? say("making") : say("button");
  if (find("wrong").textContent) find("wrong").textContent = say("wrong");
  if (!plate) {
    if (problem === "unknown") find("head").textContent = "";
    return;
  }
  find("head").textContent = say("pay", plate.shop);
  document.title = say("pay", plate.shop);
  find("till").textContent = say("till", plate.till);
  const chosen = document.querySelector("#wallets input:checked")?.value ?? given.get("wallet") ?? plate.wallet ?? plate.wallets[0]?.name;
  for (const old of find("wallets").querySelectorAll("label")) old.remove();
  for (const { name } of plate.wallets) {
    const label = document.createElement("label");
    const button = Object.assign(document.createElement("input"), { type: "radio", name: "wallet", value: name, checked: name === chosen });
    label.append(button, named(name));
    find("wallets").append(label);
  }
  // Inside a wallet only that wallet can pay.
  find("wallets").hidden = plate.wallet !== null;
  if (payment) show();
}

function show() {
  const decided = DECIDED.has(payment.verdict);
  find("order").hidden = true;
  find("result").hidden = false;
  find("sum").textContent = yuan(payment.amount);
  const verdict = decided || !(payment.qr || payment.pay) ? payment.verdict_words[lang] : say("waiting");
  if (find("verdict").textContent !== verdict) find("verdict").textContent = verdict;
  find("next").textContent = decided || !(payment.qr || payment.pay) ? payment.next_step[lang] : "";
  find("again").hidden = !decided;
  const wallet = named(payment.wallet);
  // A test order is nowhere but in the sandbox: its address would lead into the real wallet.
  const link = plate.livemode && payment.qr?.startsWith("https://") ? payment.qr : "";
  find("hand").hidden = decided || !(payment.qr || payment.pay);
  find("link").parentElement.hidden = !link;
  if (link) find("link").href = link;
  find("link").textContent = say("open", wallet);
  find("picture").hidden = !payment.picture;
  if (payment.picture && find("picture").src !== payment.picture) find("picture").src = payment.picture;
  find("picture").alt = say("picture", wallet);
  find("scanHow").textContent = payment.picture ? say(link ? "scan" : "only", wallet) : "";
  const number = payment.pay ? payment.pay.trade_no ?? payment.pay.package?.replace("prepay_id=", "") : payment.qr;
  find("numberHow").hidden = find("number").hidden = plate.livemode || !number;
  find("numberHow").textContent = say("number");
  find("number").textContent = number ?? "";
}

/** Over to the wallet that the page is in; what it says back is no proof, we ask the house. */
function handOver() {
  if (payment.pay?.package) globalThis.WeixinJSBridge?.invoke("getBrandWCPayRequest", payment.pay, () => look());
  else if (payment.pay?.trade_no) globalThis.AlipayJSBridge?.call("tradePay", { tradeNO: payment.pay.trade_no }, () => look());
}

async function look() {
  if (looking) return;
  looking = true;
  let handed = Boolean(payment.pay);
  if (handed) handOver();
  while (!DECIDED.has(payment.verdict)) {
    await new Promise((next) => setTimeout(next, LOOKS_MS));
    try {
      payment = await ask("GET", `${door}/payments/${payment.id}`);
      problem = "";
    } catch (lost) {
      problem = lost.status === 429 ? "busy" : "away";
    }
    if (!handed && payment.pay) {
      handed = true;
      handOver();
    }
    find("alert").textContent = problem ? say(problem) : "";
    show();
  }
  looking = false;
  sessionStorage.removeItem(kept);
  find("verdict").focus();
}

async function begin(event) {
  event.preventDefault();
  const amount = fen(find("amount").value);
  find("amount").setAttribute("aria-invalid", String(!amount));
  find("wrong").textContent = amount ? "" : say("wrong");
  if (!amount) return find("amount").focus();
  const wallet = plate.wallet ?? document.querySelector("#wallets input:checked")?.value;
  problem = "";
  find("pay").disabled = true;
  speak();
  // The same order after a lost answer: the key changes with what is ordered, and after a refusal.
  const body = { amount, wallet, payer: given.get("payer") ?? "", wait_s: 1 };
  const what = JSON.stringify(body);
  const first = !key.startsWith(what);
  if (first) key = `${what}|${Array.from(crypto.getRandomValues(new Uint8Array(12)), (one) => one.toString(16).padStart(2, "0")).join("")}`;
  try {
    payment = await ask("POST", `${door}/payments`, body, { "Idempotency-Key": key.slice(key.lastIndexOf("|") + 1) });
    sessionStorage.setItem(kept, payment.id);
    show();
    find("verdict").focus();
    look();
  } catch (refused) {
    const busy = refused.status === 429 || refused.status === 503;
    problem = busy ? "busy" : (first && BEFORE_ANY_ORDER.includes(refused.told?.code)) || refused.told?.code === "channel_shut" ? "refused" : refused.status ? "unsure" : "away";
    why = problem === "refused" ? (refused.told?.next_step?.[lang] ?? refused.message) : "";
    if (problem === "refused") key = "";
  }
  find("pay").disabled = false;
  speak();
}

function again() {
  payment = undefined;
  key = "";
  find("result").hidden = true;
  find("order").hidden = false;
  find("amount").value = "";
  find("amount").focus();
}

async function start() {
  speak();
  try {
    plate = await ask("GET", door);
  } catch (refused) {
    problem = refused.status === 404 ? "unknown" : refused.status === 429 ? "busy" : "away";
    return speak();
  }
  if (plate.wallets.some((one) => one.name === given.get("wallet"))) plate.wallet = given.get("wallet");
  if (!plate.wallets.length) problem = "noWallet";
  find("test").hidden = plate.livemode;
  find("order").hidden = !plate.wallets.length;
  const earlier = sessionStorage.getItem(kept);
  if (earlier) payment = await ask("GET", `${door}/payments/${earlier}`).catch(() => undefined);
  speak();
  if (payment) look();
  else find("amount").focus();
}

for (const one of ["zh", "en"]) find(one).addEventListener("click", () => { lang = one; speak(); });
find("order").addEventListener("submit", begin);
find("again").addEventListener("click", again);
start();
