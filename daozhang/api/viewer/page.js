// The API's document as a page. Everything is written as text, never as markup.
import { bodyOf, kind, movesMoney, operations, rows, sample, snippets } from "./model.js";
import { half, TAGS, WORDS } from "./words.js";

const byId = (id) => document.getElementById(id);
let language = new URLSearchParams(location.search).get("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
if (!(language in WORDS)) language = "en";
const say = (word) => WORDS[language][word];

/** An element with its attributes and what stands in it. */
function make(tag, given = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...inside.filter((one) => one !== null && one !== ""));
  return made;
}

function table(heads, lines) {
  const head = make("tr", {}, ...heads.map((one) => make("th", { scope: "col" }, one)));
  const body = lines.map((line) => make("tr", {}, ...line.map((cell) => make("td", {}, cell))));
  return make("div", { class: "wide" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

function members(page, schema) {
  const lines = rows(page, schema, say("open"));
  if (!lines.length) return make("p", {}, make("code", {}, kind(page, schema, say("open"))));
  return table([say("name"), say("kind"), "", say("says")], lines.map((one) => [
    make("code", { class: `deep${one.depth}` }, one.name), one.kind, one.needed ? say("needed") : "", one.says]));
}

function parameters(page, operation) {
  const shown = operation.parameters.filter((one) => one.name !== "Accept-Language");
  if (!shown.length) return "";
  const lines = shown.map((one) => [make("code", {}, one.name), one.in, kind(page, one.schema, say("open")), one.required ? say("needed") : "", half(one.description, language)]);
  return make("section", {}, make("h4", {}, say("parameters")), table([say("name"), say("where"), say("kind"), "", say("says")], lines));
}

function answers(page, operation) {
  const told = Object.entries(operation.responses).filter(([status]) => status < "400");
  const refused = Object.keys(operation.responses).filter((status) => status >= "400");
  const parts = told.map(([status, answer]) => {
    const schema = Object.values(answer.content)[0].schema;
    return make("details", {}, make("summary", {}, `${status} ${half(answer.description, language)} · ${kind(page, schema, say("open"))}`), members(page, schema));
  });
  const no = make("p", {}, `${say("refusals")}: ${refused.join(", ")} · `, make("a", { href: "#problems" }, say("problems")));
  return make("section", {}, make("h4", {}, say("answers")), ...parts, no);
}

function trial(page, operation) {
  const schema = bodyOf(operation);
  const fields = operation.parameters.filter((one) => one.in !== "header")
    .map((one) => [one, make("input", { "aria-label": one.name, placeholder: one.name })]);
  const body = schema ? make("textarea", { rows: "6", "aria-label": say("body"), spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(sample(page, schema), null, 2);
  const out = make("pre", { "aria-live": "polite" });
  async function send(event) {
    event.preventDefault();
    const filled = Object.fromEntries(fields.map(([one, input]) => [one.name, input.value]));
    let path = operation.path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(filled[name] || "-"));
    const query = new URLSearchParams(fields.filter(([one, input]) => one.in === "query" && input.value).map(([one, input]) => [one.name, input.value]));
    if (query.size) path += `?${query}`;
    const headers = { "Accept-Language": language };
    if (!operation.security) headers.Authorization = `Bearer ${byId("key").value.trim()}`;
    if (movesMoney(operation)) headers["Idempotency-Key"] = `docs-${crypto.randomUUID()}`;
    if (body) headers["Content-Type"] = "application/json";
    if (headers.Authorization?.includes("_live_") && operation.method !== "get" && !confirm(say("live"))) return;
    out.textContent = "…";
    try {
      const reply = await fetch(path, { method: operation.method.toUpperCase(), headers, ...(body ? { body: body.value } : {}) });
      const text = await reply.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no JSON: shown as it came */ }
      out.textContent = `${say("sent")}: ${reply.status}  ${reply.headers.get("request-id") ?? ""}\n${shown.slice(0, 20_000)}`;
    } catch (broken) {
      out.textContent = `${say("failed")}: ${broken}`;
    }
  }
  return make("form", { onsubmit: send }, ...fields.map(([, input]) => input), body, make("button", { type: "submit" }, say("tryIt")), out);
}

function whole(page, operation) {
  const scope = operation.description?.startsWith("scope: ") ? operation.description.slice(7) : "";
  const needs = operation.security ? say("none") : scope ? `${say("scope")}: ${scope}` : "";
  const schema = bodyOf(operation);
  const examples = Object.entries(snippets(page, operation, location.origin)).map(([name, text]) => make("figure", {}, make("figcaption", {}, name), make("pre", {}, text)));
  return [
    make("p", {}, [needs, operation.deprecated ? say("closing") : ""].filter(Boolean).join(" · ")),
    movesMoney(operation) ? make("p", { class: "money" }, say("idempotent")) : "",
    parameters(page, operation),
    schema ? make("section", {}, make("h4", {}, say("body")), members(page, schema)) : "",
    answers(page, operation),
    make("section", {}, make("h4", {}, say("example")), ...examples),
    operation.path.endsWith("/stream") ? "" : trial(page, operation),
  ].filter((one) => one !== "");
}

function door(page, operation) {
  const head = make("summary", {}, make("b", { class: operation.method }, operation.method.toUpperCase()), " ", make("code", {}, operation.path), " ",
    half(operation.summary, language));
  const made = make("details", { id: operation.operationId, class: "door" }, head);
  let filled = false;
  made.addEventListener("toggle", () => {
    if (made.open && !filled) made.append(...whole(page, operation));
    filled ||= made.open;
  });
  return made;
}

function problems(page) {
  const lines = Object.entries(page["x-problems"]).map(([code, one]) =>
    [make("code", {}, code), String(one.status), one.title[language], one.next_step[language], one.retryable ? say("yes") : say("no")]);
  return make("section", { id: "problems" }, make("h2", {}, say("problems")),
    table([say("code"), say("status"), say("says"), say("mend"), say("again")], lines));
}

function about(page) {
  const [zh, en] = page.info.description.split("\n\n");
  return make("section", {}, make("h2", {}, say("about")), make("p", {}, language === "zh" ? zh : en));
}

function draw(page) {
  document.documentElement.lang = language;
  byId("version").textContent = page.info.version;
  for (const name of ["zh", "en"]) byId(name).setAttribute("aria-pressed", String(name === language));
  for (const place of document.querySelectorAll("[data-say]")) place.textContent = say(place.getAttribute("data-say"));
  const wanted = byId("search").value.trim().toLowerCase();
  const found = operations(page).filter((one) => `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(wanted));
  const tags = [...new Set(found.map((one) => one.tags[0]))];
  const parts = tags.map((tag) => make("section", {}, make("h2", {}, language === "zh" ? (TAGS[tag] ?? tag) : tag.replaceAll("_", " ")),
    ...found.filter((one) => one.tags[0] === tag).map((one) => door(page, one))));
  if (!found.length) parts.push(make("p", {}, say("nothing")));
  byId("doors").replaceChildren(...(wanted ? [] : [about(page)]), ...parts, ...(wanted ? [] : [problems(page)]));
}

async function start() {
  const reply = await fetch("/v1/openapi.json");
  const page = await reply.json();
  for (const name of ["zh", "en"]) byId(name).addEventListener("click", () => { language = name; draw(page); });
  byId("search").addEventListener("input", () => draw(page));
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  draw(page);
  const place = byId(decodeURIComponent(location.hash.slice(1)));
  if (place) { place.open = true; place.scrollIntoView(); }
}

export const ready = start();
