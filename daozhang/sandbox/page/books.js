// The channel's books: the newest orders and requests, totals, and the faults that are on.
import { ask } from "./door.js";
import { choices, made, time, yuan } from "./words.js";

const find = (id) => document.getElementById(id);

function rows(place, names, nameCells, list, cells, nothing) {
  find(names).replaceChildren(...nameCells.map((name) => made("th", name, { scope: "col" })));
  const shown = list.map((one) => {
    const row = made("tr");
    row.append(...cells(one).map((cell, at) => (at ? made("td", cell) : made("th", cell, { scope: "row" }))));
    return row;
  });
  if (!shown.length) {
    const row = made("tr");
    row.append(made("td", nothing, { colspan: nameCells.length }));
    shown.push(row);
  }
  find(place).replaceChildren(...shown);
}

export class Books {
  constructor(said) {
    this.said = said;
    this.channel = "alipay";
    this.seen = "";
    find("chaos").addEventListener("submit", (event) => { event.preventDefault(); this.turnOn(); });
    find("calm").addEventListener("click", () => this.turnOff());
  }

  async speak(words, channels) {
    Object.assign(this, { words, channels, seen: "" });
    choices(find("channels"), "channel", channels, this.channel, words.channels, (channel) => this.choose(channel));
    const steps = [["minute", 60], ["hour", 3600], ["day", 86400]].map(([name, seconds]) => {
      const button = made("button", `+ ${words[name]}`, { type: "button" });
      button.addEventListener("click", async () => { await ask("POST", "/clock/advance", { seconds }); this.said(words.moved); });
      return button;
    });
    find("clock").replaceChildren(...steps);
    await this.modes();
  }

  async choose(channel) {
    this.channel = channel;
    this.seen = "";
    await this.modes();
    await this.look();
  }

  async modes() {
    const { modes } = await ask("GET", `/chaos?channel=${this.channel}`);
    this.known = Object.fromEntries(modes.map((mode) => [mode.name, mode[document.documentElement.lang]]));
    const chosen = find("mode").value;
    find("mode").replaceChildren(...modes.map((mode) => made("option", `${this.known[mode.name]} (${mode.name})`, { value: mode.name })));
    if (this.known[chosen]) find("mode").value = chosen;
  }

  async turnOn() {
    const body = { channel: this.channel, mode: find("mode").value, share: Number(find("share").value) / 100 };
    await ask("POST", "/chaos", body);
    this.said(`${this.words.turnedOn}: ${this.known[body.mode]}`);
    await this.look();
  }

  async turnOff() {
    await ask("DELETE", "/chaos");
    this.said(this.words.turnedOff);
    await this.look();
  }

  /** Draw again only what has changed: who reads with a screen reader or selects text is not disturbed. */
  async look() {
    const channel = this.channel;
    const told = await ask("GET", `/recent?channel=${channel}`);
    find("now").textContent = time(Date.parse(told.now));
    find("now").setAttribute("datetime", told.now);
    const seen = JSON.stringify([channel, told.orders, told.requests, told.on]);
    if (seen === this.seen || channel !== this.channel) return;
    this.seen = seen;
    const words = this.words;
    find("totals").replaceChildren(...Object.entries(words.total).map(([name, says]) => {
      const pair = made("div");
      pair.append(made("dt", says), made("dd", name.endsWith("_fen") ? yuan(told.totals[name]) : told.totals[name]));
      return pair;
    }));
    const state = (order) => `${words.states[order.state] ?? order.state} (${order.state})`;
    rows("orders", "orderNames", [words.orderNo, words.amount, words.state, words.captured, words.returned, words.refunds, words.created], told.orders, (order) => [
      order.out_trade_no, yuan(order.amount_fen), state(order), yuan(order.captured_fen), yuan(order.returned_fen),
      (order.refunds ?? []).map((refund) => `${refund.out_request_no} ${yuan(refund.amount_fen)}`).join(", ") || words.none, time(order.times.created_ms)], words.nothing);
    rows("requests", "requestNames", [words.at, words.method, words.orderNo, words.fault], told.requests,
      (request) => [time(request.at_ms), request.method, request.out_trade_no, this.known[request.fault] ?? request.fault ?? words.none], words.nothing);
    find("on").replaceChildren(...(told.on.length ? told.on.map((one) => made("li", `${this.known[one.mode] ?? one.mode} · ${Math.round(one.share * 100)} %`)) : [made("li", words.calm)]));
  }
}
