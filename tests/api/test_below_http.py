"""Below HTTP: slow, endless and deaf peers cost one timer each, and nobody else notices (traps A15, A52)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from daozhang.api import server

Ask = Callable[..., Awaitable[bytes]]
HEAD = b"GET /echo HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n\r\n"
LONG = b"x" * (8 * 1024 * 1024)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads what is sent and says how much it was; ``/early`` answers first, ``/long`` has a long answer."""
    size = 0
    body = LONG if scope["path"] == "/long" else b"early"
    if scope["path"] == "/echo":
        while True:
            part = await receive()
            size += len(part.get("body", b""))
            if not part.get("more_body"):
                break
        body = b"read %d" % size
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def ask(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """Sends bytes to a guarded server whose deadlines are short, and gives back all that was answered."""
    monkeypatch.setattr(server, "HEADERS_WITHIN_S", 0.4)
    monkeypatch.setattr(server, "BODY_WITHIN_S", 0.6)
    monkeypatch.setattr(server, "READ_WITHIN_S", 0.5)
    config = uvicorn.Config(app, http=server.GuardedProtocol, loop="none", lifespan="off", log_level="error",
                            access_log=False, timeout_keep_alive=1, ws="none")  # fmt: skip
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: server.GuardedProtocol(config, state, {}), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]

    async def send(*parts: bytes, gap_s: float = 0.0, within_s: float = 5.0) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(gap_s)
            async with asyncio.timeout(within_s):
                while chunk := await reader.read(65536):
                    answer += chunk
        except ConnectionError:
            pass  # hung up on: what had been answered before counts
        finally:
            writer.close()
        return answer

    send.port = port  # type: ignore[attr-defined]
    yield send
    listener.close()


def statuses(answer: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_what_is_within_bounds_is_served(ask: Ask) -> None:
    assert (await ask(HEAD + LAST)).endswith(b"read 0")
    body = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n" + LAST
    assert (await ask(body, b"y" * 100_000)).endswith(b"read 100000")
    assert (await ask(HEAD.replace(b"/echo", b"http://shop/echo") + LAST)).endswith(b"read 0"), "absolute form"
    assert statuses(await ask((HEAD + b"\r\n") * 200 + HEAD + LAST)) == [200] * 201, "a line of requests is no long head"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST, 414),
        (b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST, 414),
        (HEAD + b"X: " + b"a" * 17_000 + b"\r\n" + LAST, 431),
        (HEAD + b"X: " + b"a" * 200_000 + b"\r\n" + LAST, 431),
        (HEAD + b"X: 1\r\n" * 5_000 + LAST, 431),
        (HEAD + b"X: " + b"a" * 20_000, 431),
        ("GET /版本 HTTP/1.1\r\nHost: x\r\n".encode("gbk") + LAST, 400),
        ("GET /版本 HTTP/1.1\r\nHost: x\r\n".encode() + LAST, 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    ],
    ids=["url 70K", "url 9K", "header 17K", "header 200K", "5000 headers", "header without end", "gbk target", "utf-8 target",
         "tls", "http2", "both lengths", "two lengths"],
)  # fmt: skip
async def test_what_is_out_of_bounds_is_refused_once(ask: Ask, sent: bytes, status: int) -> None:
    assert statuses(await ask(sent)) == [status]


@pytest.mark.parametrize("chunk", [1, 700, 65_536])
async def test_the_cap_of_heads_does_not_depend_on_how_they_arrive(ask: Ask, chunk: int) -> None:
    head = HEAD + b"X: " + b"a" * 17_000 + b"\r\n" + LAST
    parts = [head[at : at + chunk] for at in range(0, len(head), chunk)]
    assert statuses(await ask(*parts)) in ([431], []), "refused, or cut off while still sending"


async def test_64_megabytes_of_headers_are_never_taken(ask: Ask) -> None:
    line = b"X: " + b"a" * 65_533
    assert statuses(await ask(HEAD, *[line] * 1024)) in ([431], []), "refused, or cut off while still sending"
    assert (await ask(HEAD + LAST)).endswith(b"read 0")


async def test_an_endless_body_is_cut_off(ask: Ask) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b"z" * 0x10000 + b"\r\n"
    assert 200 not in statuses(await ask(head, *[piece] * 64))
    extension = b"1;" + b"e" * 60_000 + b"\r\nz\r\n"  # long words around one byte count as well
    assert 200 not in statuses(await ask(head, *[extension] * 40))


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /echo HTTP/1.1\r\nHost:", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_silent_peer_is_let_go(ask: Ask, sent: bytes) -> None:
    began = time.monotonic()
    assert statuses(await ask(sent)) == [408]
    assert 0.3 <= time.monotonic() - began < 3


@pytest.mark.parametrize("path", [b"head", b"body"])
async def test_a_drip_does_not_move_the_deadline(ask: Ask, path: bytes) -> None:
    began = time.monotonic()
    if path == b"head":
        parts = [b"GET /echo HTTP/1.1\r\n", *[b"X: 1\r\n"] * 40]
    else:
        parts = [b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", *[b"y"] * 40]
    answer = await ask(*parts, gap_s=0.05)
    assert 200 not in statuses(answer)
    assert time.monotonic() - began < 3.5


async def test_an_answer_given_is_not_followed_by_another(ask: Ask) -> None:
    """An early answer (401) to a request whose body never ends: the line is closed, without a second status."""
    half = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    assert statuses(await ask(half)) == [200]
    flood = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    assert statuses(await ask(flood, *[b"y" * 65_536] * 40)) in ([200], [])


async def test_a_peer_that_never_reads_is_let_go(ask: Ask) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", ask.port, limit=1024)  # type: ignore[attr-defined]
    writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(1.5)  # three times the deadline
    read = 0
    try:
        while chunk := await reader.read(1 << 20):
            read += len(chunk)
    except ConnectionError:
        pass  # reset: what we want
    assert read < len(LONG)
    writer.close()


async def test_the_healthy_are_served_beside_many_slow_ones(ask: Ask) -> None:
    slow = [asyncio.ensure_future(ask(b"GET /echo HTTP/1.1\r\nHost:")) for _ in range(200)]
    await asyncio.sleep(0.05)
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert (await ask(HEAD + LAST)).endswith(b"read 0")
        took.append(time.monotonic() - began)
    assert sorted(took)[10] < 0.2
    assert [statuses(answer) for answer in await asyncio.gather(*slow)] == [[408]] * 200
