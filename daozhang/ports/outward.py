"""Calls to addresses that merchants chose: looked up once, judged, and pinned; nothing is followed and little is read.

The number that was judged is the number that is called, so a name that answers differently the second time gains nothing.
"""

import asyncio
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from daozhang.core.addresses import Forbidden, Target, why_forbidden
from daozhang.core.faults import MaybeArrived, NoAnswer
from daozhang.core.ports import Clock
from daozhang.core.webhook import Outcome
from daozhang.ports.link import Link, Reply

WITHIN_S = 15.0
_CONNECT_S = 5.0
_EACH_S = 3.0  # one of several addresses; the next one is tried after it
_BODY_S = 2.0  # the status decides; a body that goes on and on is not waited for
_MOST_BODY = 4 * 1024
_IDLE_S = 10.0
_IDLE_EACH = 4
_LOOKERS = 32  # threads that look names up; a name that hangs holds one of them
Resolver = Callable[[str, int], Awaitable[list[tuple[int, str]]]]  # host, port -> family and address


class _Place(NamedTuple):
    """Where a kept connection leads. One that was judged for a test is never used for a live delivery."""

    host: str
    port: int
    scheme: str
    loopback_allowed: bool


class SystemResolver:
    """The system's own look-up on threads of its own, each name by one at a time: a dead name server holds nobody else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKERS, "lookup")
        self._asked: dict[tuple[str, int], asyncio.Future[list[tuple[int, str]]]] = {}

    async def __call__(self, host: str, port: int) -> list[tuple[int, str]]:
        """Raises OSError. It also reads 2130706433 and 0177.1 as addresses; each is judged afterwards."""
        asked = self._asked.get((host, port))
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
            self._asked[host, port] = asked
            asked.add_done_callback(lambda done: self._answered(host, port, done))
        return await asyncio.shield(asked)

    def _answered(self, host: str, port: int, done: "asyncio.Future[list[tuple[int, str]]]") -> None:
        del self._asked[host, port]
        if not done.cancelled():
            done.exception()  # whoever asked may have gone: nobody is missing it then

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), str(address[0])) for family, _, _, _, address in found]


class _Short(Link):
    """Answers as soon as the status is known and the body is done, too long, too slow, or broken."""

    _timer: asyncio.TimerHandle | None = None
    _got = 0

    def cut(self) -> None:
        """Hang up; whoever waits is told."""
        self._fail(MaybeArrived("CUT_OFF"))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._got = 0
        if self._reply.status >= 200:
            self._timer = asyncio.get_running_loop().call_later(_BODY_S, self._finish, False)

    def on_body(self, body: bytes) -> None:
        """Little is kept: for most a status says all, and a robot says no in a few words."""
        self._got += len(body)
        self._reply.body += body[: _MOST_BODY - len(self._reply.body)]
        if self._got > _MOST_BODY:
            self._finish(keep=False)

    def _fail(self, fault: NoAnswer) -> None:
        if self._head_done and self._reply.status >= 200:
            self._finish(keep=False)
            return
        super()._fail(fault)

    def _finish(self, keep: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A coding of a body that is not read is nobody's business.
        self._reply.headers = [(name, value) for name, value in self._reply.headers if name.lower() != "content-encoding"]
        super()._finish(keep)


class Outward:
    """``loopback_allowed``: test deliveries may reach this machine, which is for the sandbox only; live ones never may."""

    def __init__(self, clock: Clock, *, loopback_allowed: bool, resolver: Resolver | None = None) -> None:
        self._clock, self._loopback = clock, loopback_allowed
        self._system = SystemResolver() if resolver is None else None
        self._resolve: Resolver = resolver or self._system  # type: ignore[assignment]
        self._idle: dict[_Place, list[Link]] = defaultdict(list)
        self._open: set[Link] = set()
        self._tls: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    def outside_s(self) -> int:
        """The time that receivers compare a delivery's age with; the sandbox's clock may be days ahead of it."""
        return int(time.time())

    async def close(self) -> None:
        """Hang up everywhere. What is under way ends with the code CUT_OFF."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for link in list(self._open):
            if isinstance(link, _Short):
                link.cut()
            link.abort()
        if self._system is not None:
            self._system.close()

    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
        """One attempt; never raises for what the network does."""
        return (await self.say(target, headers, body, livemode))[0]

    async def say(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> tuple[Outcome, bytes]:
        """`post`, with the first bytes of what was answered."""
        answered = bytearray()
        return await self._attempt(target, headers, body, livemode, answered), bytes(answered)

    async def _attempt(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool, answered: bytearray) -> Outcome:
        began = self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(WITHIN_S):
                status, after_s = await self._post(target, headers, body, self._loopback and not livemode, answered)
        except Forbidden as why:
            return Outcome(0, f"forbidden: {why}", took_ms=self._since(began))
        except TimeoutError:
            return Outcome(0, "timeout", took_ms=self._since(began))
        except NoAnswer as why:
            return Outcome(0, why.code, took_ms=self._since(began))
        except (socket.gaierror, UnicodeError):
            return Outcome(0, "DNS_FAILURE", took_ms=self._since(began))
        except ssl.SSLError:
            return Outcome(0, "TLS_HANDSHAKE_FAILED", took_ms=self._since(began))
        except ConnectionRefusedError:
            return Outcome(0, "CONNECT_REFUSED", took_ms=self._since(began))
        except OSError:
            return Outcome(0, "CONNECT_FAILED", took_ms=self._since(began))
        return Outcome(status, "" if 200 <= status < 300 else f"HTTP {status}", after_s, self._since(began))

    def _since(self, began: float) -> int:
        return round(self._clock.monotonic_ms() - began)

    async def _post(
        self, target: Target, headers: dict[str, str], body: bytes, loopback: bool, answered: bytearray
    ) -> tuple[int, int]:
        place = _Place(target.host, target.port, target.scheme, loopback)
        link = self._kept(place) or await self._connect(target, loopback)
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {_host_of(target)}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            reply = await link.ask(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"), body, lambda _: None)
        except BaseException:
            link.abort()
            raise
        answered += reply.body[:_MOST_BODY]
        if link.usable and len(self._idle[place]) < _IDLE_EACH:
            self._keep(place, link)
        else:
            link.abort()
        return reply.status, self._retry_after_s(reply)

    def _retry_after_s(self, reply: Reply) -> int:
        """Seconds, written as such or as a date; 0 when it says nothing that can be read."""
        said = next((value.strip() for name, value in reply.headers if name.lower() == "retry-after"), "")
        if said.isascii() and said.isdecimal() and len(said) < 8:
            return int(said)
        try:
            return max(0, round(parsedate_to_datetime(said).timestamp() - time.time())) if said else 0
        except (ValueError, OverflowError, TypeError):
            return 0

    # -- kept connections ------------------------------------------------------------------------------------------------

    def _keep(self, place: _Place, link: Link) -> None:
        link.idle_since = asyncio.get_running_loop().time()
        self._idle[place].append(link)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_IDLE_S, self._sweep)

    def _kept(self, place: _Place) -> Link | None:
        """A connection whose address was judged when it was made."""
        idle, fresh = self._idle.get(place, []), asyncio.get_running_loop().time() - _IDLE_S
        while idle:
            link = idle.pop()
            if link.usable and link.idle_since > fresh:
                return link
            link.abort()
        return None

    def _sweep(self) -> None:
        """Endpoints are many and most are quiet: what nobody used for a while is hung up."""
        loop = asyncio.get_running_loop()
        for place, idle in list(self._idle.items()):
            kept = [link for link in idle if link.usable and link.idle_since > loop.time() - _IDLE_S]
            for link in idle:
                if link not in kept:
                    link.abort()
            if kept:
                self._idle[place] = kept
            else:
                del self._idle[place]
        self._sweeping = loop.call_later(_IDLE_S, self._sweep) if self._idle else None

    # -- new ones --------------------------------------------------------------------------------------------------------

    async def _connect(self, target: Target, loopback: bool) -> Link:
        """Raises Forbidden when any of the name's addresses is not to be called; otherwise each is tried in its turn."""
        async with asyncio.timeout(_CONNECT_S):
            found = await self._resolve(target.host, target.port)
            if not found:
                raise socket.gaierror("no address")
            for _, address in found:
                why = why_forbidden(address)
                if why and not (loopback and why == "loopback"):
                    raise Forbidden(f"这个地址指向内部网络({why})", f"this address leads to {why}")
            for family, address in found[:-1]:
                try:
                    async with asyncio.timeout(_EACH_S):
                        return await self._call(target, family, address)
                except OSError:  # a time-out is one too
                    continue
            return await self._call(target, *found[-1])

    async def _call(self, target: Target, family: int, address: str) -> Link:
        """Nothing is looked up here: ``address`` is a number."""
        secure = target.scheme == "https"
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: _Short(self._open.discard), address, target.port, family=family, flags=socket.AI_NUMERICHOST,
            ssl=self._context() if secure else None, server_hostname=target.host if secure else None,
        )  # fmt: skip
        self._open.add(link)
        return link

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _host_of(target: Target) -> str:
    """The Host header: the port only where it is not the scheme's own."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == {"https": 443, "http": 80}[target.scheme] else f"{host}:{target.port}"
