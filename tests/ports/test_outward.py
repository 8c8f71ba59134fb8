"""Calls to strangers: judged when we connect, pinned, not followed, and not held up by what they send."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

import pytest

from daozhang.core.addresses import Target, parse
from daozhang.ports import outward
from daozhang.ports.clock import RealClock
from daozhang.ports.outward import Outward

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def carrier() -> AsyncIterator[Outward]:
    made = Outward(RealClock(), loopback_allowed=True)
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
    return await carrier.post(Target("http", host.strip("[]"), port, "/hook"), {"X": "y"}, b"{}", live)


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

    made = Outward(RealClock(), loopback_allowed=False, resolver=resolver)
    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(loop), "create_connection", connect)
        assert (await post(made, port, "evil.example")).error == "CONNECT_REFUSED"
        assert (await post(made, port, "evil.example")).error.startswith("forbidden")
        assert (await post(made, port, "evil.example")).error.startswith("forbidden")
    assert called == ["93.184.216.34"] and asked == ["evil.example"] * 3 and not heads
    server.close()


async def test_a_connection_of_the_sandbox_is_never_used_for_a_live_delivery(carrier: Outward) -> None:
    server, port, heads = await serve(answer)
    assert (await post(carrier, port)).status == 204
    assert (await post(carrier, port, live=True)).error.startswith("forbidden") and len(heads) == 1
    server.close()


# A49: what leads inside, in every writing. A name may answer with any of them.
INNER = [
    "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200",
    "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
    "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2002:808:808::1", "64:ff9b::a00:1",
    "64:ff9b:1::a9fe:a9fe", "2001:0:a00:1::1", "2606:4700::5efe:a00:1", "2001:db8::1", "3fff::1",
]  # fmt: skip


@pytest.mark.parametrize("live", [False, True])
async def test_no_inner_address_is_connected_to_whatever_a_name_answers(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    async def connect(_self: object, _factory: object, address: str, _port: int, **_: object) -> None:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(type(asyncio.get_running_loop()), "create_connection", connect)
    inner = [*INNER, *(["127.0.0.1", "127.9.9.9", "::1", "::ffff:7f00:1"] if live else [])]
    for address in inner:
        for answers in ([address], ["93.184.216.34", address]):

            async def resolver(host: str, port: int, answers: list[str] = answers) -> list[tuple[int, str]]:
                return [(10 if ":" in one else 2, one) for one in answers]

            made = Outward(RealClock(), loopback_allowed=True, resolver=resolver)
            told = await post(made, 80, "inner.example", live)
            assert told.error.startswith("forbidden"), address
    assert called == []
    made = Outward(RealClock(), loopback_allowed=False)
    assert (await post(made, 80, "127.0.0.1")).error.startswith("forbidden"), "the sandbox's owner may close this machine too"
    await made.close()


async def test_the_next_address_is_tried_when_one_does_not_answer(carrier: Outward) -> None:
    server, port, heads = await serve(answer)

    async def resolver(host: str, port: int) -> list[tuple[int, str]]:
        return [(10, "::1"), (2, "127.0.0.9"), (2, "127.0.0.1")]

    made = Outward(RealClock(), loopback_allowed=True, resolver=resolver)
    assert (await post(made, port, "three.example")).status == 204 and len(heads) == 1
    await made.close()
    server.close()


@pytest.mark.parametrize("tail", [b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nok", b"Content-Length: 10\r\n\r\nab",
                                  b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"])  # fmt: skip
async def test_the_status_alone_says_that_it_was_taken(carrier: Outward, tail: bytes) -> None:
    """A body in a coding we do not know, or that is cut off, is no reason to send the same event for three days."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + tail)
        await writer.drain()
        writer.close()

    server, port, _ = await serve(talk)
    assert (await post(carrier, port)).taken
    server.close()


@pytest.mark.parametrize(("said", "least", "most"), [
    ("90", 90, 90), ("{date}", 80, 100), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0), ("soon", 0, 0), ("-5", 0, 0), ("9" * 40, 0, 0),
])  # fmt: skip
async def test_retry_after_is_read_as_seconds_and_as_a_date(carrier: Outward, said: str, least: int, most: int) -> None:
    said = said.format(date=formatdate(time.time() + 90, usegmt=True))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 429 Slow\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode())

    server, port, _ = await serve(talk)
    told = await post(carrier, port)
    assert told.status == 429 and least <= told.retry_after_s <= most
    server.close()


async def test_connections_that_nobody_uses_are_hung_up(carrier: Outward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "_IDLE_S", 0.2)
    over = asyncio.Event()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
            await reader.read()
        over.set()
        writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    assert (await post(carrier, server.sockets[0].getsockname()[1])).status == 204
    await asyncio.wait_for(over.wait(), 20)
    assert carrier._open == set() and not carrier._idle
    server.close()


async def test_closing_ends_what_is_under_way_at_once(carrier: Outward) -> None:
    server, port, heads = await serve(hang)
    waiting = asyncio.create_task(post(carrier, port))
    while not heads:
        await asyncio.sleep(0.01)
    await carrier.close()
    assert (await asyncio.wait_for(waiting, 5)).error == "CUT_OFF"
    server.close()


async def test_a_name_server_that_hangs_holds_one_thread_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty deliveries to one dead name ask once; another name is looked up meanwhile."""
    asked, free = list[str](), threading.Event()

    def look_up(host: str, port: int) -> list[tuple[int, str]]:
        asked.append(host)
        if host == "dead.example":
            free.wait(20)
        return [(2, "127.0.0.1")]

    monkeypatch.setattr(outward, "_look_up", look_up)
    resolver = outward.SystemResolver()
    waiting = [asyncio.create_task(resolver("dead.example", 1)) for _ in range(50)]
    await asyncio.sleep(0)
    assert await resolver("quick.example", 1) == [(2, "127.0.0.1")]
    waiting[0].cancel()
    free.set()
    assert await asyncio.gather(*waiting[1:]) == [[(2, "127.0.0.1")]] * 49
    assert sorted(asked) == ["dead.example", "quick.example"]
    resolver.close()


async def test_the_host_names_its_port_only_where_it_is_not_the_schemes_own() -> None:
    for url, host in (("https://shop.example/x", "shop.example"), ("https://shop.example:8443/", "shop.example:8443"),
                      ("http://[2606:4700::1]:80/", "[2606:4700::1]"), ("http://a.example:443/", "a.example:443")):  # fmt: skip
        assert outward._host_of(parse(url, plain_allowed=True)) == host
