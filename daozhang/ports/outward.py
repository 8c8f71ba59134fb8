"""Calls to addresses that merchants chose: looked up once, judged, and pinned; nothing is followed and little is read.

The number that was judged is the number that is called, so a name that answers differently the second time gains nothing.
"""

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable

from daozhang.core.addresses import Forbidden, Target, why_forbidden
from daozhang.core.faults import NoAnswer
from daozhang.core.ports import Clock
from daozhang.core.webhook import Outcome
from daozhang.ports.link import Link

WITHIN_S = 15.0
_CONNECT_S = 5.0
_BODY_S = 2.0  # the status decides; a body that goes on and on is not waited for
_MOST_BODY = 4 * 1024
_IDLE_S = 10.0
_IDLE_EACH = 4
Resolver = Callable[[str, int], Awaitable[list[tuple[int, str]]]]  # host, port -> family and address


async def system_resolver(host: str, port: int) -> list[tuple[int, str]]:
    """The system's own look-up, which also reads 2130706433 and 0177.1 as addresses; each is judged afterwards."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), str(address[0])) for family, _, _, _, address in found]


class _Short(Link):
    """Answers as soon as the status is known and the body is done, too long, or too slow."""

    _timer: asyncio.TimerHandle | None = None
    _got = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._got = 0
        if self._reply.status >= 200:
            self._timer = asyncio.get_running_loop().call_later(_BODY_S, self._finish, False)

    def on_body(self, body: bytes) -> None:
        self._got += len(body)
        if self._got > _MOST_BODY:
            self._finish(keep=False)

    def _finish(self, keep: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super()._finish(keep)


class Outward:
    """``private_allowed``: addresses of this machine and its network too, which is for the sandbox only."""

    def __init__(self, clock: Clock, *, private_allowed: bool, resolver: Resolver = system_resolver) -> None:
        self._clock, self._resolve, self._private = clock, resolver, private_allowed
        self._idle: dict[tuple[str, int, str], list[Link]] = defaultdict(list)
        self._open: set[Link] = set()
        self._tls: ssl.SSLContext | None = None

    async def close(self) -> None:
        for link in list(self._open):
            link.abort()

    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
        """One attempt; never raises for what the network does."""
        began = self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(WITHIN_S):
                status, after = await self._post(target, headers, body, self._private and not livemode)
        except Forbidden as why:
            return Outcome(0, f"forbidden: {why}", took_ms=self._since(began))
        except TimeoutError:
            return Outcome(0, "timeout", took_ms=self._since(began))
        except NoAnswer as why:
            return Outcome(0, why.code, took_ms=self._since(began))
        except socket.gaierror:
            return Outcome(0, "DNS_FAILURE", took_ms=self._since(began))
        except (OSError, ssl.SSLError) as why:
            return Outcome(0, type(why).__name__, took_ms=self._since(began))
        return Outcome(status, "" if 200 <= status < 300 else f"HTTP {status}", after, self._since(began))

    def _since(self, began: float) -> int:
        return round(self._clock.monotonic_ms() - began)

    async def _post(self, target: Target, headers: dict[str, str], body: bytes, private: bool) -> tuple[int, int]:
        place = (target.host, target.port, target.scheme)
        link = self._kept(place) or await self._connect(target, private)
        host = f"[{target.host}]" if ":" in target.host else target.host
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {host}:{target.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            reply = await link.ask(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"), body, lambda _: None)
        except BaseException:
            link.abort()
            raise
        if link.usable and len(self._idle[place]) < _IDLE_EACH:
            link.idle_since = asyncio.get_running_loop().time()
            self._idle[place].append(link)
        else:
            link.abort()
        after = next((value for name, value in reply.headers if name.lower() == "retry-after"), "")
        return reply.status, int(after) if after.isascii() and after.isdecimal() and len(after) < 8 else 0

    def _kept(self, place: tuple[str, int, str]) -> Link | None:
        """A connection whose address was judged when it was made."""
        idle, fresh = self._idle[place], asyncio.get_running_loop().time() - _IDLE_S
        while idle:
            link = idle.pop()
            if link.usable and link.idle_since > fresh:
                return link
            link.abort()
        return None

    async def _connect(self, target: Target, private: bool) -> Link:
        """Raises Forbidden when any of the name's addresses is not to be called."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            found = await self._resolve(target.host, target.port)
            if not found:
                raise socket.gaierror("no address")
            for _, address in found:
                why = why_forbidden(address)
                if why and not (private and why in ("loopback", "private")):
                    raise Forbidden(f"这个地址指向内部网络({why})", f"this address leads to {why}")
            family, address = found[0]
            _, link = await loop.create_connection(
                lambda: _Short(self._open.discard), address, target.port, family=family,
                ssl=self._context() if target.scheme == "https" else None,
                server_hostname=target.host if target.scheme == "https" else None,
            )  # fmt: skip
        self._open.add(link)
        return link

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls
