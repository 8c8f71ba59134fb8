// A payer's phone: a code that renews each minute, a scanner, a password pad, and the list of bills.
import { ask } from "./door.js";
import { choices, made, time, yuan } from "./words.js";

const find = (id) => document.getElementById(id);
const LOOKS_MS = 250;
const FAILS = 20; // looks; the first ones may come before the first picture

export class Phone {
  constructor(said, alarm) {
    Object.assign(this, { said, alarm, wallet: "alipay", behaviour: "by_hand", seen: "", asked: "", dies: 0, making: false });
    find("fresh").addEventListener("click", () => this.fresh());
    find("copy").addEventListener("click", () => this.copy());
    find("behaviour").addEventListener("change", () => { this.behaviour = find("behaviour").value; this.fresh(); });
    find("scan").addEventListener("submit", (event) => { event.preventDefault(); this.scan(find("qr").value); });
    find("camera").addEventListener("click", () => this.camera());
    find("pay").addEventListener("click", () => this.press("pay"));
    find("giveUp").addEventListener("click", () => this.press("cancel"));
    find("pin").addEventListener("keydown", (event) => { if (event.key === "Enter") this.press("pay"); });
    find("camera").disabled = true;
    this.reads().then((can) => {
      find("noCamera").hidden = can;
      find("camera").disabled = !can;
    });
  }

  async speak(words, channels, behaviours) {
    Object.assign(this, { words, behaviours, seen: "" });
    choices(find("wallets"), "wallet", channels, this.wallet, words.channels, (wallet) => this.choose(wallet));
    this.ways();
    const keys = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "", "0", "⌫"];
    find("pad").replaceChildren(...keys.map((key) => {
      if (!key) return made("span");
      const button = made("button", key, { type: "button", ...(key === "⌫" ? { "aria-label": words.erase } : {}) });
      button.addEventListener("click", () => { const pin = find("pin"); pin.value = key === "⌫" ? pin.value.slice(0, -1) : (pin.value + key).slice(0, 6); });
      return button;
    }));
    find("camera").textContent = this.stream ? words.stop : words.camera;
    if (this.code) find("picture").setAttribute("aria-label", words.picture(this.code));
  }

  ways() {
    const rows = [{ name: "by_hand", zh: this.words.byHand, en: this.words.byHand }, ...this.behaviours[this.wallet]];
    if (!rows.some((row) => row.name === this.behaviour)) this.behaviour = "by_hand";
    find("behaviour").replaceChildren(...rows.map((row) => made("option", row[document.documentElement.lang], { value: row.name })));
    find("behaviour").value = this.behaviour;
  }

  async choose(wallet) {
    this.wallet = wallet;
    this.seen = "";
    this.ways();
    await this.fresh();
    await this.look();
  }

  async fresh() {
    if (this.making) return;
    this.making = true;
    try {
      const told = await ask("POST", "/phone/code", { wallet: this.wallet, behaviour: this.behaviour });
      this.code = told.code;
      this.payer = told.payer;
      this.dies = Date.now() + told.lives_s * 1000;
      const drawn = new DOMParser().parseFromString(told.picture, "image/svg+xml").documentElement;
      find("picture").replaceChildren(document.importNode(drawn, true));
      find("picture").setAttribute("aria-label", this.words.picture(told.code));
      find("digits").textContent = told.code.replace(/(.{4})(?=.)/g, "$1 ");
    } finally {
      this.making = false;
    }
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.code);
      this.said(this.words.copied);
    } catch {
      getSelection().selectAllChildren(find("digits"));
    }
  }

  /** A code plate leads to a page of the shop's: opened as this wallet would, which knows who its payer is. */
  plate(address) {
    const url = new URL(address);
    for (const [name, value] of [["wallet", this.wallet], ["payer", this.payer], ["lang", document.documentElement.lang]]) url.searchParams.set(name, value);
    find("plateLink").href = url.href;
    find("plateLine").hidden = false;
    find("qr").value = "";
    find("plateLink").focus();
  }

  async scan(text) {
    find("plateLine").hidden = true;
    if (/^https?:\/\/[^/]+\/plate\/[0-9A-Za-z]+$/.test(text.trim())) return this.plate(text.trim());
    try {
      const told = await ask("POST", "/phone/scan", { wallet: this.wallet, qr: text, behaviour: this.behaviour });
      find("qr").value = "";
      this.said(this.words.scanned(told.out_trade_no));
      await this.look();
    } catch (refused) {
      this.alarm(refused);
    }
  }

  /** Some browsers have the reader by name only, and none behind it. */
  async reads() {
    try {
      return (await BarcodeDetector.getSupportedFormats()).includes("qr_code");
    } catch {
      return false;
    }
  }

  async camera() {
    if (this.stream) return this.stop();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      return this.said(this.words.cameraRefused);
    }
    const view = find("view");
    view.hidden = false;
    view.srcObject = this.stream;
    await view.play();
    find("camera").textContent = this.words.stop;
    const reader = new BarcodeDetector({ formats: ["qr_code"] });
    let failed = 0;
    while (this.stream) {
      const found = await reader.detect(view).catch(() => undefined);
      if (found?.[0]) {
        this.stop();
        return this.scan(found[0].rawValue);
      }
      failed = found ? 0 : failed + 1;
      if (failed > FAILS) {
        this.stop();
        return this.said(this.words.noCamera);
      }
      await new Promise((next) => setTimeout(next, LOOKS_MS));
    }
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = undefined;
    find("view").hidden = true;
    find("camera").textContent = this.words.camera;
  }

  async press(act) {
    const order = this.asked;
    if (act === "pay" && !/^\d{6}$/.test(find("pin").value)) {
      find("pin").focus();
      return this.said(this.words.needPin);
    }
    find("pin").value = "";
    try {
      await ask("POST", "/phone/press", { wallet: this.wallet, order, act });
      this.said(act === "pay" ? this.words.paidIt(order) : this.words.gaveUp(order));
    } catch (refused) {
      this.alarm(refused);
    }
    await this.look();
    find("fresh").focus();
  }

  async look() {
    const left = Math.ceil((this.dies - Date.now()) / 1000);
    if (left <= 0) await this.fresh();
    find("left").textContent = this.words.left(Math.max(left, 0));
    const wallet = this.wallet;
    const { bills } = await ask("GET", `/phone?wallet=${wallet}`);
    const seen = JSON.stringify([wallet, bills]);
    if (seen === this.seen || wallet !== this.wallet) return;
    this.seen = seen;
    this.list(bills);
    this.question(this.behaviour === "by_hand" ? bills.find((bill) => bill.asks) : undefined);
  }

  list(bills) {
    const words = this.words;
    find("bills").replaceChildren(...(bills.length ? bills.map((bill) => {
      const line = made("li");
      const facts = made("dl");
      const pairs = [[words.orderNo, bill.out_trade_no], [words.tradeNo, bill.trade_no || words.none], [words.created, time(bill.times.created_ms)]];
      if (bill.returned_fen) pairs.push([words.returned, yuan(bill.returned_fen)]);
      for (const [name, value] of pairs) facts.append(made("dt", name), made("dd", value));
      line.append(made("strong", `${yuan(bill.amount_fen)} · ${words.states[bill.state] ?? bill.state}`), facts);
      return line;
    }) : [made("li", words.noBills)]));
  }

  /** The phone asks for the password of one payment at a time. */
  question(bill) {
    const fresh = bill && bill.out_trade_no !== this.asked;
    this.asked = bill?.out_trade_no ?? "";
    find("ask").hidden = !bill;
    if (!bill) return;
    find("askHead").textContent = this.words.asks;
    find("askAmount").textContent = yuan(bill.amount_fen);
    find("askNumber").textContent = `${this.words.orderNo} ${bill.out_trade_no}`;
    if (fresh) find("ask").focus();
  }
}
