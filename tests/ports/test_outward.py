"""Calls to strangers: judged when we connect, pinned, not followed, and not held up by what they send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from daozhang.core.addresses import parse
from daozhang.ports import outward
from daozhang.ports.clock import RealClock
from daozhang.ports.outward import Outward

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def carrier() -> AsyncIterator[Outward]:
    made = Outward(RealClock(), private_allowed=True)
    yield made
    await made.close()


async def serve(talk: Talk) -> tuple[asyncio.Server, int, list[bytes]]:
    heads: list[bytes] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(2)
                await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], heads


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/secret\r\nContent-Length: 0\r\n\r\n")


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    await asyncio.sleep(30)


async def post(carrier: Outward, port: int, host: str = "127.0.0.1", live: bool = False) -> outward.Outcome:
    return await carrier.post(parse(f"http://{host}:{port}/hook", plain_allowed=True), {"X": "y"}, b"{}", live)


async def test_a_delivery_and_a_kept_connection(carrier: Outward) -> None:
    server, port, heads = await serve(answer)
    assert [(await post(carrier, port)).status for _ in range(3)] == [204, 204, 204]
    assert len(heads) == 3 and heads[0].startswith(b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:")
    server.close()


async def test_redirects_are_not_followed(carrier: Outward) -> None:
    server, port, heads = await serve(redirect)
    told = await post(carrier, port)
    assert (told.status, told.taken, len(heads)) == (302, False, 1)
    server.close()


async def test_endless_bodies_slow_bodies_drips_and_silence(carrier: Outward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "WITHIN_S", 1.5)
    monkeypatch.setattr(outward, "_BODY_S", 0.3)
    for talk, status, error in ((endless, 200, ""), (slow_body, 200, ""), (drip, 0, "timeout"), (hang, 0, "timeout")):
        server, port, _ = await serve(talk)
        told = await post(carrier, port)
        assert (told.status, told.error) == (status, error), talk.__name__
        server.close()


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0", "localhost"])
async def test_every_spelling_of_this_machine_is_refused_in_live_mode(carrier: Outward, host: str) -> None:
    server, port, heads = await serve(answer)
    told = await post(carrier, port, host, live=True)
    assert told.status == 0 and told.error.startswith(("forbidden", "DNS_FAILURE")) and not heads
    server.close()


async def test_metadata_is_refused_even_in_the_sandbox(carrier: Outward) -> None:
    for host in ("169.254.169.254", "100.100.100.200", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"):
        assert (await post(carrier, 80, host)).error.startswith("forbidden"), host


async def test_a_name_that_answers_differently_the_second_time_gains_nothing() -> None:
    """Rebinding: the address that was judged is the one that is called; a later look-up is judged anew."""
    server, port, heads = await serve(answer)
    answers = [[(2, "93.184.216.34")], [(2, "127.0.0.1")], [(2, "93.184.216.34"), (2, "127.0.0.1")]]
    asked: list[str] = []

    async def resolver(host: str, port: int) -> list[tuple[int, str]]:
        asked.append(host)
        return answers[len(asked) - 1]

    called: list[str] = []

    async def connect(_self: object, _factory: object, address: str, _port: int, **_: object) -> None:
        called.append(address)
        raise ConnectionRefusedError

    made = Outward(RealClock(), private_allowed=False, resolver=resolver)
    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(loop), "create_connection", connect)
        assert (await post(made, port, "evil.example")).error == "ConnectionRefusedError"
        assert (await post(made, port, "evil.example")).error.startswith("forbidden")
        assert (await post(made, port, "evil.example")).error.startswith("forbidden")
    assert called == ["93.184.216.34"] and asked == ["evil.example"] * 3 and not heads
    server.close()
