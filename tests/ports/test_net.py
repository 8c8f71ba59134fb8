"""Did it leave? Real sockets that misbehave in each way; nothing is ever sent twice."""

import asyncio
import gc
import gzip
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from daozhang.core.faults import MaybeArrived, NotSent, Unreadable
from daozhang.core.ports import Exchange, HttpRequest
from daozhang.ports.clock import RealClock
from daozhang.ports.net import MOST_BYTES, HttpNet

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def net() -> AsyncIterator[HttpNet]:
    made = HttpNet(RealClock())
    yield made
    await made.close()


class Server:
    """One raw TCP server; counts the requests whose headers came in."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self.requests = talk, 0

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def call(net: HttpNet, port: int, deadline_ms: int = 700, method: str = "POST") -> Exchange:
    url = f"http://127.0.0.1:{port}/gateway.do?sign=a%2Fb%2Bc"
    return await net.call(HttpRequest(method, url, (("Content-Type", "text/plain"),), b"hello", deadline_ms))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(5)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await writer.drain()


async def test_a_whole_answer_with_its_trail(net: HttpNet) -> None:
    async with Server(answer) as server:
        told = await call(net, server.port)
    assert (told.status, told.body, told.fault) == (200, b"ok", None)
    assert {"connected", "sent_headers", "sent_body", "first_byte", "done"} <= told.trail.keys()


async def test_the_target_is_sent_as_it_was_signed(net: HttpNet) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    await call(net, server.sockets[0].getsockname()[1])
    server.close()
    assert seen[0].startswith(b"POST /gateway.do?sign=a%2Fb%2Bc HTTP/1.1\r\n")


async def test_refused_and_unknown_hosts_never_left(net: HttpNet) -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    refused = (await call(net, port)).fault
    assert isinstance(refused, NotSent) and refused.code == "CONNECT_REFUSED"
    request = HttpRequest("POST", "http://nowhere.invalid/x", (), b"", 2000)
    unknown = (await net.call(request)).fault
    assert isinstance(unknown, NotSent) and unknown.code in ("DNS_FAILURE", "CONNECT_TIMEOUT")


async def test_tls_that_is_not_agreed_never_left(net: HttpNet) -> None:
    async with Server(answer) as server:
        request = HttpRequest("POST", f"https://127.0.0.1:{server.port}/x", (), b"hello", 1500)
        told = await net.call(request)
    assert isinstance(told.fault, NotSent) and told.fault.code in ("TLS_HANDSHAKE_FAILED", "CONNECT_TIMEOUT")


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    raise ConnectionError


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-hello\r\n")
    await writer.drain()
    writer.close()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(2 * MOST_BYTES // 65536):
        writer.write(b"x" * 65536)
        await writer.drain()


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("talk", "kind"),
    [(silence, MaybeArrived), (hang_up, MaybeArrived), (half, Unreadable), (drip, MaybeArrived), (noise, Unreadable),
     (flood, Unreadable)],
)  # fmt: skip
async def test_after_the_first_byte_it_may_have_arrived(
    net: HttpNet, talk: Talk, kind: type[Exception], method: str
) -> None:
    async with Server(talk) as server:
        told = await call(net, server.port, method=method)
        await asyncio.sleep(0.05)
    assert isinstance(told.fault, kind) and not isinstance(told.fault, NotSent)
    assert server.requests == 1
    assert "sent_headers" in told.trail


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_dead_kept_connection_is_not_tried_again(net: HttpNet, method: str) -> None:
    """The library repeats a GET on a connection that died while idle; a channel would be asked twice."""
    served = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        if served == 1:
            await reader.readexactly(5)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
        else:
            writer.transport.abort()
            raise ConnectionError

    async with Server(once) as server:
        assert (await call(net, server.port, method=method)).status == 200
        told = await call(net, server.port, method=method)
        assert isinstance(told.fault, MaybeArrived)
        assert server.requests == 2


async def test_a_request_that_is_no_http_never_leaves(net: HttpNet) -> None:
    for url, headers in (("http://127.0.0.1:1/a b", ()), ("http://u@127.0.0.1/", ()), ("ftp://127.0.0.1/", ()),
                         ("http://127.0.0.1:1/", (("X", "a\r\nY: b"),)), ("http://127.0.0.1:x/", ())):  # fmt: skip
        told = await net.call(HttpRequest("POST", url, headers, b"", 500))
        assert isinstance(told.fault, NotSent) and told.fault.code == "REQUEST_NOT_WRITTEN", url


async def test_one_connection_serves_many_calls(net: HttpNet) -> None:
    async with Server(answer) as server:
        trails = [(await call(net, server.port)).trail for _ in range(3)]
        assert server.requests == 3
    assert "connected" in trails[0] and all("reused" in trail and "connected" not in trail for trail in trails[1:])


async def test_a_connection_that_is_lost_leaves_nothing_to_the_collector(net: HttpNet) -> None:
    async with Server(answer) as server:
        await call(net, server.port)
    lost = weakref.ref(next(iter(net._open)))
    gc.disable()
    try:
        await net.close()
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert lost() is None
    finally:
        gc.enable()


async def test_connections_that_only_a_burst_needed_are_let_go(net: HttpNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daozhang.ports.net._IDLE_S", 0.3)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answer(reader, writer)

    async with Server(slow) as server:
        await asyncio.gather(*(call(net, server.port) for _ in range(20)))
        assert len(net._open) == 20
        async with asyncio.timeout(10):
            while len(net._open) > 2:  # the shop goes on with one at a time
                assert (await call(net, server.port)).status == 200


async def test_a_word_on_the_way_and_an_unasked_coding_are_read(net: HttpNet) -> None:
    packed = gzip.compress(b"hello again")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
        await writer.drain()

    async with Server(talk) as server:
        told = await call(net, server.port)
    assert (told.status, told.body) == (200, b"hello again")


async def test_a_bomb_of_a_coding_is_not_opened(net: HttpNet) -> None:
    packed = gzip.compress(bytes(4 * MOST_BYTES))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
        await writer.drain()

    async with Server(talk) as server:
        told = await call(net, server.port)
    assert isinstance(told.fault, Unreadable)


async def test_a_body_that_ends_with_the_connection_is_whole(net: HttpNet) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        await writer.drain()
        writer.close()

    async with Server(talk) as server:
        told = await call(net, server.port)
    assert (told.fault, told.body) == (None, b"all of it")


@pytest.mark.parametrize("pause_s", [0, 0.05])
async def test_what_nobody_asked_for_is_no_answer_to_the_next_question(net: HttpNet, pause_s: float) -> None:
    """A second answer that lies ready on a kept connection must not be read as the next order's."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await asyncio.sleep(pause_s)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await writer.drain()

    async with Server(talk) as server:
        assert (await call(net, server.port)).body == b"ok"
        await asyncio.sleep(0.2)
        assert (await call(net, server.port)).body == b"ok"
