"""The line to the control door: what the sandbox says is handed on, and a sandbox that is away or mute is said so."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from daozhang.app.sandbox_link import SandboxLink
from daozhang.core.faults import Unavailable
from daozhang.settings import Settings

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def link_to(folder: Path, answer: bytes, heard: list[bytes]) -> tuple[SandboxLink, asyncio.Server]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        heard.append(head + await reader.readexactly(length))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "control.token").write_text("a-token\n")
    link = SandboxLink(Settings(data=folder))
    link._base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    return link, server


async def test_what_the_sandbox_says_is_handed_on(tmp_path: Path) -> None:
    heard: list[bytes] = []
    said = '{"detail": "没有这样的买家"}'.encode()
    link, server = await link_to(tmp_path, b"HTTP/1.1 404 X\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said), heard)
    assert await link.call("POST", "/code", {"wallet": "支付宝"}) == (404, {"detail": "没有这样的买家"})
    assert b"Authorization: Bearer a-token\r\n" in heard[0] and heard[0].endswith('{"wallet":"支付宝"}'.encode())
    await link.close()
    server.close()


@pytest.mark.parametrize(("answer", "says"), [(b"", "RESET"), (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops", "status 200 without JSON")])
async def test_a_sandbox_that_makes_no_sense_does_not_answer(tmp_path: Path, answer: bytes, says: str) -> None:
    link, server = await link_to(tmp_path, answer, [])
    with pytest.raises(Unavailable, match=says):
        await link.call("GET", "/accounts")
    await link.close()
    server.close()
    with pytest.raises(Unavailable, match="REFUSED"):
        await link.call("GET", "/accounts")
