"""Webhooks of a running system: independent verification, bad neighbours, kills, rotation, and the command line."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.conftest import System


class Endpoint:
    """A receiver on a thread of its own; ``kind`` is how it misbehaves."""

    def __init__(self, kind: str = "ok") -> None:
        self.kind, self.heard = kind, list[tuple[float, dict[str, str], bytes]]()
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        assert self._ready.wait(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                await getattr(self, f"_{self.kind}")(writer)
                self.heard.append((time.time(), headers, body))
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            writer.close()

    async def _ok(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def _hang(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(1)

    async def _redirect(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.heard]


def add(system: System, receiver: Endpoint, *types: str) -> dict[str, Any]:
    status, told = system.call("POST", "/v1/webhook_endpoints", {"url": receiver.url, "types": list(types)})
    assert status == 201, told
    return dict(told)


@pytest.fixture
def clean(system: System) -> Iterator[System]:
    yield system
    for row in system.call("GET", "/v1/webhook_endpoints")[1]["data"]:
        system.call("DELETE", f"/v1/webhook_endpoints/{row['id']}")


def wait_for(said: Any, within_s: float = 20) -> bool:
    end = time.monotonic() + within_s
    while not said() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(said())


def test_deliveries_are_verified_also_while_the_secret_changes(clean: System) -> None:
    receiver = Endpoint()
    made = add(clean, receiver, "payment.*")
    clean.pay()
    assert wait_for(lambda: len(receiver.heard) >= 2)
    _, rotated = clean.call("POST", f"/v1/webhook_endpoints/{made['id']}/rotate_secret", {})
    clean.pay()
    assert wait_for(lambda: len(receiver.heard) >= 4)
    for at, (_, headers, body) in enumerate(receiver.heard):
        assert Webhook(made["secret"]).verify(body, headers)["type"].startswith("payment.")
        if at >= 2:
            Webhook(rotated["secret"]).verify(body, headers)


    def attempts() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = clean.call("GET", f"/v1/webhook_endpoints/{made['id']}/attempts")[1]["data"]
        return rows

    assert wait_for(lambda: len(attempts()) >= 4), "written down with the end of the round"
    assert all(row["taken"] and row["status"] == 204 for row in attempts())


def test_bad_neighbours_do_not_hold_up_the_healthy(clean: System, capsys: pytest.CaptureFixture[str]) -> None:
    """30 s of silence, a byte a second, redirects, ten gigabytes, nobody there: the healthy one hears every event at once."""
    healthy, bad = Endpoint(), [Endpoint(kind) for kind in ("hang", "drip", "redirect", "flood")]
    for receiver in (healthy, *bad):
        add(clean, receiver)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        clean.call("POST", "/v1/webhook_endpoints", {"url": dead})
        born: dict[str, float] = {}
        for _ in range(40):
            paid = clean.pay()
            for event in clean.call("GET", f"/v1/events?subject={paid['id']}&cursor=0-0")[1]["data"]:
                born[event["id"]] = time.time()
        assert wait_for(lambda: set(born) <= set(healthy.ids())), "every event reaches the healthy endpoint"
    late = sorted(at - born[headers["webhook-id"]] for at, headers, _ in healthy.heard if headers["webhook-id"] in born)
    with capsys.disabled():
        print(f"\nhealthy beside five bad endpoints: {len(late)} events, p99 {late[int(len(late) * 0.99)] * 1000:.0f} ms after the answer")
    assert len(bad[0].heard) == 0 and len(set(bad[2].ids())) <= 20, "the breaker stopped hammering"


def test_a_killed_worker_loses_no_delivery(own_system: System) -> None:
    receiver = Endpoint()
    add(own_system, receiver)
    stop, paid = threading.Event(), list[str]()

    def till() -> None:
        while not stop.is_set():
            try:
                paid.append(own_system.pay()["id"])
            except (OSError, AssertionError, KeyError, TypeError):
                time.sleep(0.1)

    tills = [threading.Thread(target=till, daemon=True) for _ in range(3)]
    for one in tills:
        one.start()
    for _ in range(4):
        time.sleep(1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(own_system.state["pids"]["work"][0], signal.SIGKILL)
    time.sleep(1)
    stop.set()
    for one in tills:
        one.join(20)
    _, page = own_system.call("GET", "/v1/events?limit=100&cursor=0-0")
    truth = [event["id"] for event in page["data"]]
    # A dead worker's lease runs out by itself; that is the longest anybody waits.
    assert wait_for(lambda: set(truth) <= set(receiver.ids()), 90), f"{len(set(truth) - set(receiver.ids()))} were not delivered"
    assert len(paid) > 10


def test_wrong_addresses_and_strangers_are_refused(clean: System) -> None:
    for url in ("http://169.254.169.254/latest", "gopher://example.com/x", "http://u:p@127.0.0.1/", "http://[::ffff:169.254.169.254]/"):
        status, told = clean.call("POST", "/v1/webhook_endpoints", {"url": url})
        assert (status, told["code"]) == (422, "bad_url"), url
    assert clean.call("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "types": ["Payment PAID"]})[0] == 422
    assert clean.call("GET", "/v1/webhook_endpoints/we_nobody")[0] == 404
    assert clean.call("POST", "/v1/events/evt_999999999/resend")[0] == 404


def test_the_command_line_adds_tests_replays_and_removes(clean: System) -> None:
    receiver = Endpoint()
    made = json.loads(clean.cli("webhook", "add", receiver.url, "--types", "payment.paid", "--json")[1])
    ping = clean.cli("webhook", "test", made["id"])[1].strip()
    assert wait_for(lambda: ping in receiver.ids())
    clean.pay()
    assert wait_for(lambda: len(receiver.heard) == 2)
    assert clean.cli("replay", "--from", "1h", "--types", "payment.paid", "--endpoint", made["id"])[0] == 0
    assert wait_for(lambda: len(receiver.heard) >= 3)
    assert "204" in clean.cli("webhook", "attempts", made["id"])[1]
    assert clean.cli("webhook", "rm", made["id"])[0] == 0
    assert made["id"] not in clean.cli("webhook", "ls")[1]
