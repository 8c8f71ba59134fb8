"""HTTP to the channels. Each failure is sorted into "never left us" or "may have arrived", and nothing is repeated.

What fails before a request is written has not been sent: the name was not resolved, the connection was refused or not
made in time, TLS was not agreed, no place in the pool, a request that is no HTTP. Everything later may have arrived.
"""

import asyncio
import socket
import ssl
import tempfile
from collections import defaultdict, deque
from functools import lru_cache
from typing import Any, NamedTuple

from daozhang.core.faults import MaybeArrived, NoAnswer, NotSent
from daozhang.core.ports import ClientIdentity, Clock, Exchange, HttpRequest
from daozhang.ports.link import MOST_BYTES, Link, Reply

__all__ = ["MOST_BYTES", "HttpNet"]
_CONNECT_S = 3.0
_IDLE_S = 15.0  # a kept connection is not used after so long: the other side may be closing it
_NOT_IN_A_LINE = frozenset("\r\n\0")


class Place(NamedTuple):
    """Where a connection goes to, and as whom; connections to one place are interchangeable."""

    host: str
    port: int
    tls: bool
    identity: ClientIdentity | None = None


class HttpNet:
    """One pool for all channels, at most ``connections`` at a time. Close it with `close`."""

    def __init__(self, clock: Clock, connections: int = 256) -> None:
        self._clock = clock
        self._room = asyncio.Semaphore(connections)
        self._idle: dict[Place, deque[Link]] = defaultdict(deque)
        self._open: set[Link] = set()
        self._tls: dict[ClientIdentity | None, ssl.SSLContext] = {}

    async def close(self) -> None:
        for link in list(self._open):
            link.abort()
        self._idle.clear()

    async def call(self, request: HttpRequest) -> Exchange:
        """One request, one answer or one fault; never raises for what the network does."""
        trail = _Trail(self._clock)
        try:
            async with asyncio.timeout(request.deadline_ms / 1000):
                reply = await self._call(request, trail)
        except NoAnswer as fault:
            return trail.failed(fault)
        except TimeoutError:
            return trail.failed(MaybeArrived("READ_TIMEOUT") if trail.left else NotSent("CONNECT_TIMEOUT"))
        return Exchange(reply.status, tuple(reply.headers), bytes(reply.body), trail=trail.times)

    async def _call(self, request: HttpRequest, trail: "_Trail") -> Reply:
        try:
            place, head = _head(request)
        except ValueError as wrong:
            raise NotSent("REQUEST_NOT_WRITTEN", str(wrong)) from None
        async with self._room:
            link = self._kept(place)
            if link is not None:
                trail.mark("reused")
            else:
                link = await self._connect(place, trail)
            try:
                trail.left = True
                reply = await link.ask(head, request.body, trail.mark, request.most_bytes)
            except BaseException:
                link.abort()
                raise
            if link.usable:
                self._keep(place, link)
            return reply

    def _keep(self, place: Place, link: Link) -> None:
        """A burst needed many; those that nobody took for so long, the first ones in the row, are let go."""
        idle, link.idle_since = self._idle[place], asyncio.get_running_loop().time()
        while idle and idle[0].idle_since <= link.idle_since - _IDLE_S:
            idle.popleft().abort()
        idle.append(link)

    def _kept(self, place: Place) -> Link | None:
        """The connection that was used last; those that rested too long are let go."""
        idle = self._idle[place]
        fresh = asyncio.get_running_loop().time() - _IDLE_S
        while idle:
            link = idle.pop()
            if link.usable and link.idle_since > fresh:
                return link
            link.abort()
        return None

    async def _connect(self, place: Place, trail: "_Trail") -> Link:
        """Raises NotSent: nothing has been written before there is a connection."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await self._reach(place, trail)
        except TimeoutError:
            raise NotSent("CONNECT_TIMEOUT") from None
        except socket.gaierror as why:
            raise NotSent("DNS_FAILURE", type(why).__name__) from None
        except (ssl.SSLError, ssl.CertificateError) as why:
            raise NotSent("TLS_HANDSHAKE_FAILED", type(why).__name__) from None
        except OSError as why:
            in_tls = place.tls and isinstance(why, ConnectionResetError | ConnectionAbortedError)
            raise NotSent("TLS_HANDSHAKE_FAILED" if in_tls else "CONNECT_REFUSED", type(why).__name__) from None

    async def _reach(self, place: Place, trail: "_Trail") -> Link:
        """Each address of the name in turn. Raises what the last one did."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        trail.mark("resolved")
        broken: OSError | None = None
        for family, _kind, proto, _, address in found:
            try:
                _, link = await loop.create_connection(
                    lambda: Link(self._forget), str(address[0]), place.port, family=family, proto=proto,
                    ssl=self._context(place.identity) if place.tls else None, server_hostname=place.host if place.tls else None,
                )  # fmt: skip
            except (ssl.SSLError, ssl.CertificateError):
                raise
            except OSError as why:
                broken = why
                continue
            trail.mark("connected")
            self._open.add(link)
            return link
        raise broken or OSError("the name has no address")

    def _context(self, identity: ClientIdentity | None) -> ssl.SSLContext:
        """Made once for each account that a channel asks for its certificate, and once for all others."""
        if identity not in self._tls:
            self._tls[identity] = _identified(identity) if identity is not None else ssl.create_default_context()
        return self._tls[identity]

    def _forget(self, link: Link) -> None:
        self._open.discard(link)


def _identified(identity: ClientIdentity) -> ssl.SSLContext:
    """The library reads a key only from a file: one that nobody else can open, gone as soon as it is read."""
    context = ssl.create_default_context(cadata=identity.authority or None)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{identity.key.strip()}\n{identity.certificate.strip()}\n")
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _head(request: HttpRequest) -> tuple[Place, bytes]:
    """Request line and headers as they go over the wire. Raises ValueError for what is no HTTP."""
    scheme, _, rest = request.url.partition("://")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    place = _place(scheme, rest[:cut])
    if request.identity is not None:
        place = place._replace(identity=request.identity)
    target = rest[cut:] if rest[cut : cut + 1] == "/" else f"/{rest[cut:]}"
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {rest[:cut]}", *(f"{n}: {v}" for n, v in request.headers)]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    text = "\r\n".join(lines)
    if not text.isascii() or not _NOT_IN_A_LINE.isdisjoint("".join(lines)) or " " in target:
        raise ValueError("a control character or a blank where HTTP has none")
    return place, f"{text}\r\n\r\n".encode("ascii")


@lru_cache(maxsize=256)
def _place(scheme: str, authority: str) -> Place:
    if scheme not in ("http", "https") or "@" in authority:
        raise ValueError("a channel is reached by http or https, and nobody's name stands in the address")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    host = (host if colon else authority).strip("[]")
    if not host or (colon and not port.isdecimal()):
        raise ValueError("an address has a host, and a port in digits")
    return Place(host, int(port) if colon else 443 if scheme == "https" else 80, scheme == "https")


class _Trail:
    """Times of the stages of one call, in milliseconds since it began. ``left``: a byte may have left us."""

    __slots__ = ("_began", "_clock", "left", "times")

    def __init__(self, clock: Clock) -> None:
        self._clock, self._began = clock, clock.monotonic_ms()
        self.times: dict[str, Any] = {}
        self.left = False

    def mark(self, stage: str) -> None:
        self.times.setdefault(stage, round(self._clock.monotonic_ms() - self._began, 1))

    def failed(self, fault: NoAnswer) -> Exchange:
        self.mark("failed")
        self.times["fault"] = fault.code
        return Exchange(fault=fault, trail=self.times)
