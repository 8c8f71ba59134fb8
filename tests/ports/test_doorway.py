"""A crowd comes in within a few turns of the loop, however long a turn takes; what goes wrong with one is its own affair."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from daozhang.gateway.certificate import context
from daozhang.ports import doorway
from daozhang.ports.doorway import Doorway, listen

CROWD = 300


class Echo(asyncio.Protocol):
    """Says back what it hears, and counts who came."""

    came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        Echo.came += 1

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@pytest.fixture
async def door() -> AsyncIterator[Doorway]:
    Echo.came = 0
    opened = Doorway(listen("127.0.0.1", 0, 1_024), Echo)
    yield opened
    opened.close()


async def said_back(port: int, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None)
    writer.write(b"here")
    try:
        async with asyncio.timeout(5):
            return await reader.read(4)
    finally:
        writer.close()


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_crowd_is_inside_within_a_few_turns(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def turns_of_the_crowd() -> int:
        Echo.came = 0
        opened, turns = Doorway(listen("127.0.0.1", 0, 1_024), Echo), 0
        crowd = [socket.create_connection(("127.0.0.1", opened.port)) for _ in range(CROWD)]  # the kernel takes them
        while Echo.came < CROWD and turns < 10 * CROWD:
            await asyncio.sleep(0)
            turns += 1
        for one in crowd:
            one.close()
        opened.close()
        return turns

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(turns_of_the_crowd()) <= 20


async def test_when_it_is_closed_nobody_comes_in_and_those_inside_stay(door: Doorway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    while not Echo.came:
        await asyncio.sleep(0)
    port = door.port
    door.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"still here")
    assert await reader.read(10) == b"still here"
    writer.close()
    door.close()  # a second time does nothing


class Poor(socket.socket):
    """Has no files left, the first time."""

    left = 1

    def accept(self) -> tuple[socket.socket, object]:
        if Poor.left:
            Poor.left -= 1
            raise OSError(errno.EMFILE, "no more files")
        return super().accept()


async def test_without_files_it_rests_and_takes_them_in_later(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(doorway, "_REST_S", 0.05)
    monkeypatch.setattr(doorway.socket, "socket", Poor)
    Poor.left = 1
    opened = Doorway(listen("127.0.0.1", 0, 8), Echo)
    assert await said_back(opened.port) == b"here"
    assert [record.message for record in caplog.records if record.name == "daozhang.doorway"] == ["no more connections can be taken in for a moment"]
    opened.close()


async def test_who_speaks_no_tls_or_says_nothing_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "_HANDSHAKE_S", 0.3)
    opened = Doorway(listen("127.0.0.1", 0, 64), Echo, context(tmp_path, "", "", "127.0.0.1", 1_750_000_000_000))
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    silent, mute = await asyncio.open_connection("127.0.0.1", opened.port)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    assert await said_back(opened.port, trusting) == b"here"
    async with asyncio.timeout(5):
        assert await silent.read() == b"" and b"HTTP" not in await reader.read()
    for one in (writer, mute):
        one.close()
    opened.close()


def test_an_address_that_is_taken_is_said_and_nothing_stays_open() -> None:
    with listen("127.0.0.1", 0, 8) as first, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", first.getsockname()[1], 8)
