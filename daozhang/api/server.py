"""HTTP below the doors: deadlines and caps before anything of ours runs (slow and endless senders cost one timer)."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN_S = 10.0
BODY_WITHIN_S = 20.0
READ_WITHIN_S = 20.0  # a peer that takes none of our answer for so long is let go
IDLE_S = 30
MOST_TARGET = 8 * 1024
MOST_HEAD = 16 * 1024
MOST_BODY = 1024 * 1024  # each door has a smaller cap of its own
MOST_CONNECTIONS = 8_192


class _TooMuch(Exception):
    """Raised inside the parser's callbacks, so that nothing of an oversized head is carried out."""


TurnedAway = Callable[[bytes, bytes, list[tuple[bytes, bytes]]], bytes]  # method, target, headers: a whole answer, or nothing


def _nobody(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    return b""


class GuardedProtocol(HttpToolsProtocol):
    """A connection that must say its whole head, then its whole body, and take its answer, in time and within size.

    Who is ``turned_away`` has an answer here, and nothing else runs for it.
    """

    def __init__(self, config: uvicorn.Config, server_state: Any, app_state: dict[str, Any], turned_away: TurnedAway = _nobody) -> None:
        super().__init__(config, server_state, app_state)
        self._turned_away, self._refusal = turned_away, b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._on_the_wire = 0  # bytes since the present head, or body, began
        self._head_bytes = 0
        self._in_body = False
        self._status = b"400 Bad Request"
        self._deadline: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._arm(HEADERS_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counted before the parser sees it: the parser itself would hold a header of any length."""
        if self._deadline is None and not self._in_body:
            self._arm(HEADERS_WITHIN_S)  # a further request on a kept connection
        was_in_body = self._in_body
        self._on_the_wire += len(data)
        if was_in_body and self._on_the_wire > MOST_BODY:
            self._refuse(b"413 Content Too Large")
            return
        super().data_received(data)
        if not was_in_body and not self._in_body and self._deadline is not None and self._on_the_wire > MOST_HEAD:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_TARGET:
            self._status = b"414 URI Too Long"
            raise _TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MOST_HEAD:
            self._status = b"431 Request Header Fields Too Large"
            raise _TooMuch
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_body, self._on_the_wire = True, 0
        self._arm(BODY_WITHIN_S)
        if self._plain():
            self._refusal = self._turned_away(self.parser.get_method(), self.url, self.headers)
        if not self._refusal:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refusal:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._on_the_wire = False, 0
        self._disarm()
        if not self._refusal:
            super().on_message_complete()
            return
        self.transport.write(self._refusal)
        self._refusal = b""
        self.on_response_complete()  # the connection is kept

    def _plain(self) -> bool:
        """Nothing before it waits for an answer, and nothing special is asked of the connection."""
        free = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        return free and not self.expect_100_continue and self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader is None:
            self._reader = self.loop.call_later(READ_WITHIN_S, self._never_read)

    def resume_writing(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._status)

    def _arm(self, within_s: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(within_s, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self._refuse(b"408 Request Timeout")

    def _never_read(self) -> None:
        self._reader = None
        self.transport.abort()

    def _refuse(self, status: bytes) -> None:
        """Say why, unless an answer is on its way or was given already, and hang up."""
        if self.transport is None or self.transport.is_closing():
            return
        if not self._answering():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.transport.close()

    def _answering(self) -> bool:
        if self.cycle is None or self._refusal:
            return False
        if self._in_body:
            return bool(self.cycle.response_started)
        return not self.cycle.response_complete


class Entrance(Protocol):
    """Takes connections in until it is closed (`ports.doorway`)."""

    def close(self) -> None: ...


Enter = Callable[[socket.socket, Callable[[], asyncio.Protocol]], Entrance]


async def serve(
    app: Any, listener: socket.socket, enter: Enter, turned_away: TurnedAway = _nobody, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Serve whoever comes to ``listener`` until SIGTERM or SIGINT, then finish the requests that are under way."""
    config = uvicorn.Config(
        app, http=GuardedProtocol, loop="none", lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=IDLE_S, limit_concurrency=MOST_CONNECTIONS, server_header=False, proxy_headers=False,
        date_header=False, timeout_graceful_shutdown=8, ws="none",
    )  # fmt: skip
    server, loop = uvicorn.Server(config), asyncio.get_running_loop()
    work = loop.create_task(server._serve(sockets=[]))  # it has no socket of its own: connections are brought to it
    while not server.started and not work.done():
        await asyncio.sleep(0.01)
    if work.done():
        listener.close()
        await work
        return
    entrance = enter(listener, lambda: GuardedProtocol(config, server.server_state, server.lifespan.state, turned_away))

    def stop() -> None:
        entrance.close()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    on_ready()
    await work
    entrance.close()
