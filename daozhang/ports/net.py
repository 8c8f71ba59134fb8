"""HTTP to the channels. Each failure is sorted into "never left us" or "may have arrived", and nothing is repeated.

Only failures before the first byte count as NotSent: the name was not resolved, the connection was refused or not
made in time, TLS was not agreed, no place in the pool. Everything else may have arrived (7-stack).
"""

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from daozhang.core.faults import MaybeArrived, NoAnswer, NotSent, Unreadable
from daozhang.core.ports import Clock, Exchange, HttpRequest

MOST_BYTES = 1 << 20  # no reply of these wires is longer; a bill is fetched elsewhere
_CONNECT_S = 3.0


class HttpNet:
    """One pool for all channels. Close it with `close`."""

    def __init__(self, clock: Clock, connections: int = 256) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._connections = connections

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=30, keepalive_timeout=15),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                trace_configs=[_trail_writer()],
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                skip_auto_headers={"User-Agent"},
            )
            # The library repeats some requests by itself on a dead connection. A channel must never be asked
            # twice by accident. Private, pinned by the lock file and by a test.
            session._retry_connection = False
            self._session = session
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, request: HttpRequest) -> Exchange:
        """One request, one answer or one fault; never raises for what the network does."""
        began = self._clock.monotonic_ms()
        trail: dict[str, Any] = {}
        note = _Trail(self._clock, began, trail)
        try:
            async with asyncio.timeout(request.deadline_ms / 1000):
                return await self._send(request, note, trail)
        except TimeoutError as late:
            fault = self._sorted(late, trail, "READ_TIMEOUT")
        except aiohttp.ClientError as broken:
            fault = self._sorted(broken, trail, "CONNECTION_RESET_AFTER_SEND")
        except (OSError, ValueError) as broken:
            fault = self._sorted(broken, trail, "WRITE_INTERRUPTED")
        note.mark("failed")
        trail["fault"] = fault.code
        return Exchange(fault=fault, trail=trail)

    async def _send(self, request: HttpRequest, note: "_Trail", trail: dict[str, Any]) -> Exchange:
        async with self._open().request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body or None,
            headers=list(request.headers),
            allow_redirects=False,
            trace_request_ctx=SimpleNamespace(note=note),
        ) as reply:
            note.mark("first_byte")
            body = bytearray()
            async for chunk in reply.content.iter_chunked(65536):
                body += chunk
                if len(body) > MOST_BYTES:
                    reply.close()
                    fault = Unreadable("HTTP_BODY_TOO_LONG")
                    trail["fault"] = fault.code
                    return Exchange(reply.status, fault=fault, trail=trail)
            note.mark("done")
            headers = tuple((name, value) for name, value in reply.headers.items())
            return Exchange(reply.status, headers, bytes(body), trail=trail)

    @staticmethod
    def _sorted(broken: BaseException, trail: dict[str, Any], otherwise: str) -> NoAnswer:
        what = type(broken).__name__
        # The trail outranks the class of the exception: once a header has left, it may have arrived.
        if "sent_headers" not in trail:
            if isinstance(broken, (aiohttp.ClientConnectorDNSError,)):
                return NotSent("DNS_FAILURE", what)
            if isinstance(broken, (aiohttp.ClientSSLError, ssl.SSLError)):
                return NotSent("TLS_HANDSHAKE_FAILED", what)
            if isinstance(broken, (aiohttp.ConnectionTimeoutError, TimeoutError)):
                return NotSent("CONNECT_TIMEOUT", what)
            if isinstance(broken, aiohttp.ClientConnectorError):
                return NotSent("CONNECT_REFUSED", what)
        if isinstance(broken, (aiohttp.ClientPayloadError, aiohttp.ClientResponseError)):
            return Unreadable("HTTP_BODY_TRUNCATED", what)
        return MaybeArrived(otherwise, what)


class _Trail:
    """Times of the stages of one call, in milliseconds since it began."""

    def __init__(self, clock: Clock, began: float, trail: dict[str, Any]) -> None:
        self._clock, self._began, self._trail = clock, began, trail

    def mark(self, stage: str) -> None:
        self._trail.setdefault(stage, round(self._clock.monotonic_ms() - self._began, 1))


def _trail_writer() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()

    def marker(stage: str) -> Any:
        async def mark(session: Any, context: Any, params: Any) -> None:
            if context.trace_request_ctx is not None:
                context.trace_request_ctx.note.mark(stage)

        return mark

    config.on_dns_resolvehost_end.append(marker("resolved"))
    config.on_connection_create_end.append(marker("connected"))
    config.on_connection_reuseconn.append(marker("reused"))
    config.on_request_headers_sent.append(marker("sent_headers"))
    config.on_request_chunk_sent.append(marker("sent_body"))
    return config
