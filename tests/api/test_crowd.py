"""Who is turned away at the door itself hears what everybody hears who is refused, and the connection serves on."""

import asyncio
import json
from typing import Any

import pytest
import uvicorn

from daozhang.api import crowd as crowds
from daozhang.api.crowd import Crowd
from daozhang.api.limits import Gate, GateLimits, too_many
from daozhang.api.problem import respond
from daozhang.api.server import GuardedProtocol

PAY = "/v1/payments"


class HandClock:
    now = 1_750_000_000_000

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> float:
        return self.now


class Zeros:
    def bytes(self, count: int) -> bytes:
        return bytes(count)


def crowded(told: list[str], under_way: int = 0) -> Crowd:
    return Crowd(Gate(GateLimits(under_way=under_way)), HandClock(), Zeros(), [PAY], told.append)


@pytest.fixture(autouse=True)
def all_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "_IN_FULL", 0)


@pytest.mark.parametrize(("wanted", "language"), [("", "zh"), ("en-GB,zh;q=0.5", "en"), ("zh-CN", "zh"), ("fr", "zh"), ("\xff", "zh")])
def test_it_is_the_same_answer_word_for_word(wanted: str, language: str) -> None:
    told: list[str] = []
    answer = crowded(told).turned_away(b"POST", PAY.encode(), [(b"accept-language", wanted.encode("latin-1")), (b"traceparent", b"00-ab-cd-01")])
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    name = headers.pop("request-id")
    usual = respond(too_many("1"), language, name, PAY)
    assert status == "HTTP/1.1 503 Service Unavailable" and headers.pop("traceparent") == "00-ab-cd-01"
    assert headers == dict(usual.headers) and body == usual.body and headers["retry-after"] == "1"
    assert len(name) == 30 and json.loads(body)["request_id"] == name and told == [PAY]


@pytest.mark.parametrize(("method", "target"), [(b"GET", PAY), (b"POST", "/v1/refunds/x"), (b"POST", PAY + "?a=1"), (b"POST", "/v1/events")])
def test_whoever_begins_nothing_with_money_goes_on(method: bytes, target: str) -> None:
    assert crowded([]).turned_away(method, target.encode(), []) == b""


def test_while_there_is_room_nobody_is_turned_away() -> None:
    told: list[str] = []
    assert crowded(told, under_way=1).turned_away(b"POST", PAY.encode(), []) == b"" and told == []


def test_the_first_of_each_second_go_the_whole_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "_IN_FULL", 2)
    one, clock = crowded([]), HandClock()
    one._clock = clock
    clock.now += 5_000

    def quick() -> list[bool]:
        return [bool(one.turned_away(b"POST", PAY.encode(), [])) for _ in range(4)]

    assert quick() == [False, False, True, True]
    clock.now += 999
    assert quick() == [True] * 4
    clock.now += 1
    assert quick() == [False, False, True, True]


async def _done(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})


async def said(turn: Any, *parts: bytes, answers: int = 1) -> list[bytes]:
    """The status and the last bytes of each answer of a guarded server; the next part is sent when the one before is answered."""
    config = uvicorn.Config(_done, http=GuardedProtocol, loop="none", lifespan="off", log_level="error", access_log=False, ws="none")
    config.load()
    state = uvicorn.server.ServerState()
    door = await asyncio.get_running_loop().create_server(lambda: GuardedProtocol(config, state, {}, turn), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.sockets[0].getsockname()[1])
    heard = []
    async with asyncio.timeout(10):
        for part in parts:
            writer.write(part)
            for _ in range(answers):
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 100 " in head:
                    head = await reader.readuntil(b"\r\n\r\n")
                heard.append(head.split(b" ", 2)[1] + b" " + await reader.readexactly(4))
    writer.close()
    door.close()
    return heard


def request(path: str, extra: str = "", body: bytes = b"hello", version: str = "1.1") -> bytes:
    return f"POST {path} HTTP/{version}\r\nHost: x\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def away(method: bytes, target: bytes, headers: Any) -> bytes:
    return b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\naway" if target == b"/crowd" else b""


async def test_the_connection_is_kept_and_what_comes_next_is_served() -> None:
    parts = [request("/crowd"), request("/other"), request("/crowd", body=b"x" * 100_000), request("/other")]
    assert await said(away, *parts) == [b"503 away", b"200 done", b"503 away", b"200 done"]


@pytest.mark.parametrize("asked", [request("/crowd", "Connection: close\r\n"), request("/crowd", version="1.0"), request("/crowd", "Expect: 100-continue\r\n")])
async def test_special_wishes_go_the_whole_way(asked: bytes) -> None:
    assert await said(away, asked) == [b"200 done"]


async def test_one_behind_another_that_is_being_served_waits_for_its_turn() -> None:
    assert await said(away, request("/other") + request("/crowd"), answers=2) == [b"200 done", b"200 done"]


async def test_a_kept_connection_on_which_nothing_follows_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    config = uvicorn.Config(lambda *_: None, http=GuardedProtocol, loop="none", lifespan="off", timeout_keep_alive=0, ws="none")
    config.load()
    door = await asyncio.get_running_loop().create_server(lambda: GuardedProtocol(config, uvicorn.server.ServerState(), {}, away), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.sockets[0].getsockname()[1])
    writer.write(request("/crowd"))
    async with asyncio.timeout(5):
        assert (await reader.read()).endswith(b"away")
    writer.close()
    door.close()


async def test_a_refused_body_that_never_ends_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a connection that was served before, too: what was answered then is no answer now."""
    monkeypatch.setattr("daozhang.api.server.BODY_WITHIN_S", 0.3)
    endless = b"POST /crowd HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nhalf of it"
    config = uvicorn.Config(_done, http=GuardedProtocol, loop="none", lifespan="off", log_level="error", access_log=False, ws="none")
    config.load()
    door = await asyncio.get_running_loop().create_server(lambda: GuardedProtocol(config, uvicorn.server.ServerState(), {}, away), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.sockets[0].getsockname()[1])
    async with asyncio.timeout(5):
        writer.write(request("/other"))
        await reader.readuntil(b"done")
        writer.write(endless)
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()
    door.close()
