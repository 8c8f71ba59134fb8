"""A twin behind a real socket: every fault happens on the wire, not in a mock."""

import asyncio
import contextlib
import ssl
from typing import Any

import httptools

from daozhang.channels.twin import Heard, Said, Twin, Wire
from daozhang.core.ports import Clock
from daozhang.ports.doorway import Doorway, listen

_MOST_BYTES = 1 << 20
_IDLE_S = 60.0


class TwinDoor(asyncio.Protocol):
    """HTTP/1.1 for one connection. Absolute-form targets are taken too: the official client sends them."""

    def __init__(self, twin: Twin, clock: Clock, open_now: "set[TwinDoor]") -> None:
        self._twin, self._clock, self._open = twin, clock, open_now
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._reset()
        self._tasks: set[asyncio.Task[None]] = set()

    def _reset(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    # -- asyncio ---------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = _peer_of(transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._write(Said(400, (("Content-Type", "text/plain"),), b"not HTTP"), False)
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- httptools -------------------------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > _MOST_BYTES:
            self.abort()

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        now = self._clock.now_ms()
        heard = Heard(
            method,
            self._target.decode("latin-1"),
            tuple(self._headers),
            bytes(self._body),
            now,
            self._peer,
            now - int(getattr(self._clock, "offset_ms", 0)),
        )
        keep = self._parser.should_keep_alive()
        self._target, self._headers, self._body = b"", [], bytearray()
        said = self._twin.handle(heard)
        if said.wire is Wire.WHOLE and not said.delay_ms:
            self._write(said, keep)
            return
        task = asyncio.get_running_loop().create_task(self._say(said, keep))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, said: Said, keep: bool) -> None:
        if said.delay_ms:
            await asyncio.sleep(said.delay_ms / 1000)
        match said.wire:
            case Wire.NO_REPLY:
                await asyncio.sleep(_IDLE_S)
                self.abort()
            case Wire.RESET:
                self.abort()
            case Wire.TRUNCATED:
                if self._transport is not None:
                    self._transport.write(_head(said) + said.body[: len(said.body) // 2])
                    self._transport.close()
            case Wire.DRIP:
                if self._transport is not None:
                    self._transport.write(_head(said))
                    for at in range(len(said.body)):
                        self._transport.write(said.body[at : at + 1])
                        await asyncio.sleep(1)
            case _:
                self._write(said, keep)

    def _write(self, said: Said, keep: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(_head(said) + said.body)
        if not keep:
            self._transport.close()


def _head(said: Said) -> bytes:
    lines = [f"HTTP/1.1 {said.status} {'OK' if said.status == 200 else 'X'}"]
    lines += [f"{name}: {value}" for name, value in said.headers]
    lines.append(f"Content-Length: {len(said.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _peer_of(transport: Any) -> str:
    """Nothing without TLS; with TLS ``none``, or the serial number of the certificate that the client has shown."""
    if transport.get_extra_info("ssl_object") is None:
        return ""
    shown = transport.get_extra_info("peercert") or {}
    return str(shown.get("serialNumber", "none"))


class OpenDoor:
    """A listening twin; `close` also ends the connections that are open."""

    def __init__(self, doorway: Doorway, doors: set[TwinDoor]) -> None:
        self._doorway, self._doors = doorway, doors

    def close(self) -> None:
        self._doorway.close()
        for door in list(self._doors):
            with contextlib.suppress(OSError):
                door.abort()


async def open_door(
    twin: Twin, clock: Clock, host: str, port: int, tls: ssl.SSLContext | None = None
) -> OpenDoor:
    """Listen for one twin, in TLS with a context."""
    doors: set[TwinDoor] = set()
    return OpenDoor(Doorway(listen(host, port, 1024), lambda: TwinDoor(twin, clock, doors), tls), doors)
