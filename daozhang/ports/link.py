"""One HTTP/1.1 connection to a channel, one request at a time, and what is known about it at every moment.

Ours, because the wire is what this project is about: whether a byte left us decides whether a payment may be asked
again. A general client hides that moment, repeats some requests by itself, and costs more than twice as much CPU.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import httptools

from daozhang.core.faults import MaybeArrived, NoAnswer, Unreadable

MOST_BYTES = 1 << 20  # no reply of these wires is longer; who fetches a bill says so
_MOST_HEAD = 64 * 1024
Mark = Callable[[str], None]


class Reply:
    """What has come in so far."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()


class Link(asyncio.Protocol):
    """The future of `ask` gets the reply, or a NoAnswer. ``on_closed`` is called once, however the link ends."""

    def __init__(self, on_closed: Callable[["Link"], None]) -> None:
        self._on_closed = on_closed
        self._transport: Any = None
        self._answer: asyncio.Future[Reply] | None = None
        self._mark: Mark = _nothing
        self._reset()
        self.idle_since = 0.0

    def _reset(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._reply = Reply()
        self._head_done = self._body_until_close = False
        self._came = 0
        self._most = MOST_BYTES

    @property
    def usable(self) -> bool:
        """Open, and nothing is under way."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    def ask(self, request: bytes, body: bytes, mark: Mark, most: int = 0) -> "asyncio.Future[Reply]":
        """Write one request. From the first byte on it may have arrived. ``most``: bytes that the answer may have."""
        self._reset()
        self._most = most or MOST_BYTES
        self._mark = mark
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request + body)
        mark("sent_headers")
        mark("sent_body")
        return self._answer

    def abort(self) -> None:
        """Hang up at once; whoever waits is no longer answered."""
        self._answer = None
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio ---------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked: whatever this is, it is no answer to the next question
            self.abort()
            return
        if not self._came:
            self._mark("first_byte")
        self._came += len(data)
        if not self._head_done and self._came > _MOST_HEAD + self._most:
            self._fail(Unreadable("HTTP_BODY_TOO_LONG", "endless head"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Unreadable("HTTP_BODY_UNREADABLE", "another protocol"))
        except httptools.HttpParserError as wrong:
            self._fail(Unreadable("HTTP_BODY_UNREADABLE", type(wrong).__name__))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, broken: Exception | None) -> None:
        if self._answer is not None:
            if self._head_done and self._body_until_close and broken is None:
                self._finish(keep=False)
            elif self._head_done:
                self._fail(Unreadable("HTTP_BODY_TRUNCATED", type(broken).__name__ if broken else "closed"))
            else:
                self._fail(MaybeArrived("CONNECTION_RESET_AFTER_SEND", type(broken).__name__ if broken else "closed"))
        self._transport = self._parser = None  # parser and link know each other: nobody else would free them before long
        self._on_closed(self)

    # -- httptools -------------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None:  # more than one answer to one question
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        if len(self._reply.headers) > 200:
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self._head_done = True
        names = {name.lower() for name, _ in self._reply.headers}
        self._body_until_close = not names & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._reply.body += body
        if len(self._reply.body) > self._most:
            self._fail(Unreadable("HTTP_BODY_TOO_LONG"))

    def on_message_complete(self) -> None:
        if 100 <= self._reply.status < 200:
            self._reply, self._head_done = Reply(), False  # only a word on the way
            return
        self._finish(keep=bool(self._parser.should_keep_alive()))

    # -- the end ---------------------------------------------------------------------------------------------------------

    def _finish(self, keep: bool) -> None:
        answer, reply = self._answer, self._reply
        if answer is None:
            return
        self._answer, self._reply = None, Reply()
        self._mark("done")
        if not keep and self._transport is not None:
            self._transport.close()
        if answer.done():
            return
        try:
            reply.body = _plain(reply)
        except ValueError as wrong:
            answer.set_exception(Unreadable("HTTP_BODY_UNREADABLE", str(wrong)))
            return
        answer.set_result(reply)

    def _fail(self, fault: NoAnswer) -> None:
        answer, self._answer = self._answer, None
        if self._transport is not None:
            self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_exception(fault)


def _plain(reply: Reply) -> bytearray:
    """The body without its transport coding (we ask for none; some send it all the same). Raises ValueError."""
    coding = next((value.strip().lower() for name, value in reply.headers if name.lower() == "content-encoding"), "")
    if coding in ("", "identity"):
        return reply.body
    if coding not in ("gzip", "deflate"):
        raise ValueError("an unknown coding")
    opener = zlib.decompressobj(47)
    try:
        plain = opener.decompress(bytes(reply.body), MOST_BYTES)
    except zlib.error:
        raise ValueError("a broken coding") from None
    if not opener.eof:
        raise ValueError("a coding without an end, or a body too long")
    return bytearray(plain)


def _nothing(_stage: str) -> None:
    """No request is under way, so there is nothing to write down."""
