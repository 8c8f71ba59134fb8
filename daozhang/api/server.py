"""HTTP below the doors: deadlines and caps before anything of ours runs (slow and endless senders cost one timer)."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN_S = 10.0
BODY_WITHIN_S = 20.0
IDLE_S = 30
MOST_HEAD = 16 * 1024
MOST_BODY = 1024 * 1024  # each door has a smaller cap of its own
MOST_CONNECTIONS = 8_192


class GuardedProtocol(HttpToolsProtocol):
    """A connection that must have said its whole head, and then its whole body, in time and within size."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes = 0
        self._body_bytes = 0
        self._in_body = False
        self._deadline: asyncio.TimerHandle | None = None
        self._arm(HEADERS_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._in_body:
            self._arm(HEADERS_WITHIN_S)  # a further request on a kept connection
        if self._in_body:
            self._body_bytes += len(data)
        else:
            self._head_bytes += len(data)
        if self._body_bytes > MOST_BODY or (not self._in_body and self._head_bytes > MOST_HEAD + MOST_BODY):
            self._refuse(b"413 Content Too Large")
            return
        super().data_received(data)
        if not self._in_body and self._deadline is not None and self._head_bytes > MOST_HEAD:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        self._in_body, self._head_bytes, self._body_bytes = True, 0, 0
        self._arm(BODY_WITHIN_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._disarm()
        super().on_message_complete()

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

    def _refuse(self, status: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()


async def serve(
    app: Any, host: str, port: int, *, reuse_port: bool = False, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that are under way."""
    config = uvicorn.Config(
        app, http=GuardedProtocol, loop="none", lifespan="off", log_level="warning", access_log=False,
        timeout_keep_alive=IDLE_S, limit_concurrency=MOST_CONNECTIONS, backlog=2048, server_header=False,
        proxy_headers=False,
        date_header=False, timeout_graceful_shutdown=8, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    work = loop.create_task(server._serve(sockets=[listener]))
    while not server.started and not work.done():
        await asyncio.sleep(0.01)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if not work.done():
        on_ready()
    await work
