"""What people do in an incident reaches those who asked for alerts: in their language, with who it was, from the running system."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import System, free_base_port

SAYS = {"zh": "已联系渠道,等待回复", "en": "We called the channel and wait for its answer"}


class Robot(http.server.BaseHTTPRequestHandler):
    """A WeCom robot of each language; it says yes."""

    got: list[tuple[str, str]] = []

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((self.path.strip("/"), told["markdown"]["content"]))
        words = b'{"errcode":0}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *words: Any) -> None:
        """Quiet."""


@pytest.fixture
def alerted(tmp_path: Path) -> Iterator[System]:
    """A system with addressees of both languages, the English one without drafts."""
    Robot.got = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = [f'[[alert]]\nway = "wecom"\nurl = "http://127.0.0.1:{server.server_address[1]}/{lang}"\nlang = "{lang}"\ndrafts = {drafts}\n'
            for lang, drafts in (("zh", "true"), ("en", "false"))]  # fmt: skip
    made = System(tmp_path / "d", free_base_port() + 3000)
    made.data.mkdir()
    (made.data / "alerts.toml").write_text("\n".join(rows))
    made.start()
    yield made
    made.stop()
    server.shutdown()


def told(lang: str, *words: str) -> str:
    """The newest alert of this language, once it has all these words. Looks are counted, not seconds."""
    for _ in range(100):
        found = [text for at, text in Robot.got if at == lang and all(word in text for word in words)]
        if found:
            return found[-1]
        time.sleep(0.2)
    raise AssertionError(Robot.got)


def test_each_step_of_a_person_is_alerted_in_both_languages(alerted: System) -> None:
    made = alerted.call("POST", "/v1/incidents", {"place": "channel", "place_name": "unionpay"})[1]
    where = f"/v1/incidents/{made['id']}"
    who = made["updates"][0]["by"]
    assert who not in ("", "rule")
    assert "[调查中](草稿)" in told("zh", made["id"], f"人工操作:{who}") and not [text for lang, text in Robot.got if lang == "en"]
    alerted.call("POST", f"{where}/publish")
    told("zh", "[调查中] "), told("en", "[investigating] ", "We observe")
    steps: tuple[tuple[str, dict[str, Any], str, str, str, str], ...] = (
        ("acknowledge", {}, "[调查中]", "已有人接手处理", "[investigating]", "Somebody is looking after it now"),
        ("updates", {"stage": "identified"}, "[已定位]", "我们观察到", "[identified]", "We observe"),
        ("updates", {"says": SAYS}, "[已定位]", SAYS["zh"], "[identified]", SAYS["en"]),
        ("resolve", {}, "[已恢复]", "我们观察到", "[resolved]", "We observe"),
    )  # fmt: skip
    for path, body, stage_zh, zh, stage_en, en in steps:
        status, after = alerted.call("POST", f"{where}/{path}", body)
        assert status == 200 and after["updates"][-1]["by"] == who, after
        told("zh", stage_zh, zh, f"人工操作:{who}", made["id"]), told("en", stage_en, en, f"By a person: {who}", made["id"])
    is_over = alerted.call("POST", f"{where}/acknowledge", {})
    assert is_over[0] == 409 and is_over[1]["type"].endswith("incident_ended")
    assert len(Robot.got) == 6 + 5  # each step once, and the draft to those alone who want drafts


def test_the_command_line_takes_one_on(alerted: System) -> None:
    made = json.loads(alerted.cli("incident", "open", "--place", "bank", "--name", "CMB", "--json")[1])
    code, out, err = alerted.cli("incident", "ack", made["id"], "--lang", "en")
    assert code == 0 and "Somebody is looking after it now" in out, err
    assert "已有人接手处理" in told("zh", made["id"], "已有人接手处理")
