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


@pytest.mark.parametrize("url", [
    "http://169.254.169.254/latest", "http://100.100.100.200/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/",
    "http://10.0.0.1/", "http://172.16.9.9/", "http://192.168.1.1/", "http://100.64.0.1/", "http://0.0.0.0/", "http://[::]/",
    "http://224.0.0.1/", "http://240.0.0.1/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[2002:7f00:1::]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/",
    "http://u:p@127.0.0.1/", "http://127.0.0.1@10.0.0.1/", "gopher://example.com/x", "file:///etc/passwd", "ftp://example.com/",
    "http://127.0.0.1:99999/", "http://例子.cn/",
])  # fmt: skip
def test_an_address_that_we_would_never_call_is_refused_when_it_is_given(clean: System, url: str) -> None:
    status, told = clean.call("POST", "/v1/webhook_endpoints", {"url": url})
    assert (status, told["code"]) == (422, "bad_url")
    assert told["next_step"]["zh"] and told["next_step"]["en"] and told["errors"][0]["pointer"] == "/url"
    assert clean.call("GET", "/v1/webhook_endpoints")[1]["data"] == []


def test_strangers_and_wrong_wishes_are_refused(clean: System) -> None:
    assert clean.call("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "types": ["Payment PAID"]})[0] == 422
    assert clean.call("GET", "/v1/webhook_endpoints/we_nobody")[0] == 404
    assert clean.call("POST", "/v1/events/evt_999999999/resend")[0] == 404
    made = clean.call("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})[1]
    place = f"/v1/webhook_endpoints/{made['id']}"
    status, told = clean.call("PATCH", place, {"url": "http://192.168.0.1/"})
    assert (status, told["code"]) == (422, "bad_url")
    assert clean.call("PATCH", place, {"enabled": False})[1]["state"] == "disabled"
    status, told = clean.call("POST", place + "/test")
    assert (status, told["code"]) == (409, "endpoint_disabled")
    on = clean.call("PATCH", place, {"enabled": True, "description": "收银"})[1]
    assert (on["state"], on["description"], on["warning"], on["public_key"]) == ("enabled", "收银", None, None)
    assert clean.call("POST", place + "/replay", {"from": "yesterday"})[0] == 422
    assert clean.call("POST", place + "/replay", {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})[1]["queued"] == 0
    status, told = clean.call("POST", "/v1/events/evt_1/resend?endpoint=we_nobody")
    assert status == 404


def test_a_delivery_holds_the_payment_as_the_api_shows_it_also_when_the_clock_was_moved(own_system: System) -> None:
    receiver = Endpoint()
    made = add(own_system, receiver, "payment.paid", "refund.*")
    own_system.call("POST", "/v1/sandbox/clock/advance", {"seconds": 86_400})
    paid = own_system.pay(metadata={"桌": "5"})
    assert wait_for(lambda: len(receiver.heard) == 1)
    _, headers, body = receiver.heard[0]
    told = Webhook(made["secret"]).verify(body, headers)  # by the time outside, though ours is a day ahead
    shown = own_system.call("GET", f"/v1/payments/{paid['id']}")[1]
    volatile = {"announcements", "told_at"}
    assert {k: v for k, v in told["data"]["object"].items() if k not in volatile} == {k: v for k, v in shown.items() if k not in volatile}
    assert told["data"]["payment"] == paid["id"] and told["data"]["status"] == "paid" and len(body) <= 20_000
    own_system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 100})
    assert wait_for(lambda: len(receiver.heard) >= 3)
    last = json.loads(receiver.heard[-1][2])
    assert last["type"] == "refund.succeeded" and last["data"]["object"]["amount_refunded"] == 100


def test_one_event_again_goes_to_those_who_want_it_or_to_the_one_named(clean: System) -> None:
    paid_only, all_of_them, refunds = Endpoint(), Endpoint(), Endpoint()
    add(clean, paid_only, "payment.paid")
    add(clean, all_of_them)
    named = add(clean, refunds, "refund.*")
    paid = clean.pay()
    assert wait_for(lambda: len(paid_only.heard) == 1 and len(all_of_them.heard) >= 2)
    events = clean.call("GET", f"/v1/events?subject={paid['id']}")[1]["data"]
    event = next(row["id"] for row in events if row["type"] == "payment.paid")
    _, told = clean.call("POST", f"/v1/events/{event}/resend")
    assert len(told["endpoints"]) == 2
    assert wait_for(lambda: paid_only.ids().count(event) == 2 and all_of_them.ids().count(event) == 2)
    assert clean.call("POST", f"/v1/events/{event}/resend?endpoint={named['id']}")[1]["endpoints"] == [named["id"]]
    assert wait_for(lambda: refunds.ids() == [event])
    assert wait_for(lambda: [row["type"] for row in clean.call("GET", f"/v1/webhook_endpoints/{named['id']}/attempts")[1]["data"]] == ["payment.paid"])


def test_a_stop_loses_nothing_and_blames_nobody(own_system: System) -> None:
    """SIGTERM to the worker while a receiver hangs: what was cut off is no failure of the receiver's."""
    hangs, receiver = Endpoint("hang"), Endpoint()
    made = add(own_system, hangs)
    add(own_system, receiver)
    paid = [own_system.pay()["id"] for _ in range(3)]
    os.kill(own_system.state["pids"]["work"][0], signal.SIGTERM)
    time.sleep(3)
    shown = own_system.call("GET", f"/v1/webhook_endpoints/{made['id']}")[1]
    assert (shown["state"], shown["failures"]) == ("enabled", 0)
    hangs.kind = "ok"
    truth = {row["id"] for ident in paid for row in own_system.call("GET", f"/v1/events?subject={ident}")[1]["data"]}
    assert wait_for(lambda: truth <= set(hangs.ids()) and truth <= set(receiver.ids()), 60)


def test_the_command_line_adds_tests_replays_and_removes(clean: System) -> None:
    receiver = Endpoint()
    made = json.loads(clean.cli("webhook", "add", receiver.url, "--types", "payment.paid", "--json")[1])
    code, ping, said = clean.cli("webhook", "test", made["id"], "--lang", "en")
    assert code == 0 and ping.strip() in receiver.ids() and "it was taken (204" in said
    refusing = json.loads(clean.cli("webhook", "add", Endpoint("redirect").url, "--asymmetric", "--json")[1])
    assert refusing["public_key"].startswith("whpk_")
    code, _, said = clean.cli("webhook", "test", refusing["id"], "--lang", "en")
    assert code == 1 and "it redirects (307)" in said
    assert "转向" in clean.cli("webhook", "attempts", refusing["id"], "--lang", "zh")[1]
    clean.pay()
    assert wait_for(lambda: len(receiver.heard) == 2)
    assert clean.cli("replay", "--from", "1h", "--types", "payment.paid", "--endpoint", made["id"])[0] == 0
    assert wait_for(lambda: len(receiver.heard) >= 3)
    assert "204" in clean.cli("webhook", "attempts", made["id"])[1]
    assert clean.cli("webhook", "rm", made["id"])[0] == 0
    assert made["id"] not in clean.cli("webhook", "ls")[1]
