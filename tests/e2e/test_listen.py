"""A durable listener hears every event at least once and in order per payment, whoever is killed, also itself."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.conftest import System
from tests.e2e.test_kills import keep_paying


class Listener:
    """``daozhang listen --durable``, started again whenever it is dead; all its output goes to one file."""

    def __init__(self, system: System, *words: str) -> None:
        self._command = [sys.executable, "-m", "daozhang", "listen", "--durable", "proof", "--json", *words, "--data", str(system.data)]
        self.out = system.data.parent / "heard.jsonl"
        self.log = system.data.parent / "listener.log"
        self.start()

    def start(self) -> None:
        with self.out.open("ab") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def heard(self) -> list[dict[str, Any]]:
        """Whole lines; a line that a kill cut in two was not handed on, and comes again."""
        lines = []
        for text in self.out.read_bytes().split(b"\n"):
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
        return lines


def page_of(system: System, cursor: str, tries: int = 100) -> dict[str, Any]:
    """One page; a process that was just killed is being started again."""
    for _ in range(tries):
        try:
            status, page = system.call("GET", f"/v1/events?limit=100&cursor={cursor}")
        except (OSError, HTTPException, ValueError) as why:
            status, page = 0, repr(why)
        if status == 200:
            return dict(page)
        time.sleep(0.3)
    raise AssertionError(page)


def all_events(system: System) -> list[dict[str, Any]]:
    told, cursor = [], "0-0"
    while True:
        page = page_of(system, cursor)
        told += page["data"]
        if not page["has_more"]:
            return told
        cursor = page["next_cursor"]


def kill_and_compare(system: System, kills: int, least_events: int, seed: int) -> str:
    draw = random.Random(seed)
    system.cli("events")
    listener = Listener(system)
    until = time.monotonic() + 20
    while not (system.data / "listeners" / "proof.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    stop, acknowledged = threading.Event(), set[str]()
    tills = [threading.Thread(target=keep_paying, args=(system, at, stop, acknowledged), daemon=True) for at in range(8)]
    for till in tills:
        till.start()
    for _ in range(kills):
        time.sleep(draw.uniform(0.4, 1.6))
        victim = draw.choice(("listener", "work", "serve"))
        if victim == "listener":
            listener.kill()
            continue
        try:
            os.kill(system.state["pids"][victim][0], signal.SIGKILL)
        except ProcessLookupError:
            continue
    patience = time.monotonic() + 600
    while len(acknowledged) < least_events // 2 and time.monotonic() < patience:
        time.sleep(0.3)
    stop.set()
    for till in tills:
        till.join(30)
    time.sleep(1)
    listener.kill()
    return compare(system, listener)


def compare(system: System, listener: Listener, within_s: float = 60) -> str:
    end = time.monotonic() + within_s
    while True:
        truth, heard = all_events(system), listener.heard()
        missing = {event["id"] for event in truth} - {event["id"] for event in heard}
        if not missing or time.monotonic() > end:
            break
        time.sleep(0.5)
    listener.process.kill()
    listener.process.wait()
    assert not missing, f"{len(missing)} of {len(truth)} events were not heard; {listener.log.read_text()[-500:]}"
    place = {event["id"]: at for at, event in enumerate(truth)}
    last: dict[str, int] = {}
    first_time: set[str] = set()
    for event in heard:
        if event["id"] in first_time or event["id"] not in place:
            continue  # again, or written after the truth was read
        first_time.add(event["id"])
        assert place[event["id"]] > last.get(event["subject"], -1), f"{event['id']} came after a later one"
        last[event["subject"]] = place[event["id"]]
    return f"{len(truth)} events, {len(heard) - len(first_time)} heard more than once, none lost"


def test_kills_of_both_sides_lose_no_event(own_system: System, capsys: pytest.CaptureFixture[str]) -> None:
    told = kill_and_compare(own_system, 5, 80, seed=int.from_bytes(os.urandom(3), "big"))
    with capsys.disabled():
        print(f"\n5 kills: {told}")


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_ten_thousand_events_over_fifty_kills(own_system: System) -> None:
    print("50 kills:", kill_and_compare(own_system, 50, 10_000, seed=11))


class Hook(BaseHTTPRequestHandler):
    """A developer's endpoint: fails at first, then takes what it can verify."""

    taken: list[str] = []
    secret = ""
    failures = 2

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if Hook.failures:
            Hook.failures -= 1
            self.send_response(500)
        else:
            Webhook(Hook.secret).verify(body, {name.lower(): value for name, value in self.headers.items()})
            Hook.taken.append(self.headers["webhook-id"])
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_forwarding_is_signed_and_repeated_until_taken(system: System) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = system.data / "listeners" / "hook.json"
    words = ["listen", "--durable", "hook", "--forward-to", f"127.0.0.1:{server.server_port}/hook", "--for", "9s"]
    line = subprocess.Popen([sys.executable, "-m", "daozhang", *words, "--data", str(system.data)], stderr=subprocess.PIPE)
    until = time.monotonic() + 8
    while not place.exists() and time.monotonic() < until:
        time.sleep(0.05)
    Hook.secret = json.loads(place.read_text())["secret"]
    paid = system.pay()
    _, errors = line.communicate(timeout=30)
    server.shutdown()
    mine = [event["id"] for event in all_events(system) if event["subject"] == paid["id"]]
    assert [event for event in Hook.taken if event in mine] == mine
    assert b"500 POST" in errors and b"204 POST" in errors


def test_a_wrong_cursor_and_a_wrong_time_are_told(system: System) -> None:
    assert system.call("GET", "/v1/events/stream?cursor=nonsense")[1]["code"] == "bad_cursor"
    assert system.call("GET", "/v1/events/cursor?since=yesterday")[1]["code"] == "bad_query"


def test_since_and_types_choose(system: System) -> None:
    from daozhang.core.texts import rfc3339

    paid = system.pay()
    _, cursor = system.call("GET", f"/v1/events/cursor?since={paid['created_at']}")
    _, page = system.call("GET", f"/v1/events?cursor={cursor['cursor']}&types=payment.paid")
    assert [event["type"] for event in page["data"] if event["subject"] == paid["id"]] == ["payment.paid"]
    far = rfc3339(int(time.time() * 1000) + 10**9)
    assert system.call("GET", f"/v1/events?since={far}".replace("+", "%2B"))[1]["data"] == []


def test_a_trigger_really_happens(system: System) -> None:
    code, out, _ = system.cli("trigger", "bank.declined", "--json")
    told = json.loads(out)
    assert code == 0 and told["verdict"] == "not_paid" and told["why_no_money"]["id"] == "bank.declined"
    code, _, talk = system.cli("trigger", "bank.declnied")
    assert code == 2 and "bank.declined" in talk


def test_what_the_listener_keeps_is_nobody_elses(system: System) -> None:
    system.cli("listen", "--durable", "mine", "--for", "1s")
    file = Path(system.data / "listeners" / "mine.json")
    assert file.stat().st_mode & 0o077 == 0
    assert system.cli("listen", "--durable", "../evil")[0] == 2
