"""One connection of a device: bytes between a transport and a `Session`, with limits against floods."""

import asyncio
import heapq
from collections.abc import Iterable
from typing import Any, Protocol

from daozhang.core.fleet import Device
from daozhang.devices.mqtt.packets import Connect, Malformed, Reason
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.session import (
    MOST_CONNECT,
    MOST_PACKET,
    Act,
    Admit,
    Alarm,
    Close,
    Delivered,
    Listens,
    Said,
    Send,
    Session,
    Stage,
)
from daozhang.devices.websocket import BadSocket, WebSocket, frame

_MOST_UNREAD = 256 * 1024  # bytes that a deaf device may leave in our hands
_BURST, _PER_S = 200.0, 40.0  # packets
_MOST_QUEUED = 4_000


class Desk(Protocol):
    """What a line calls; the hub is one."""

    def seconds(self) -> float: ...
    def opened(self, line: "Line") -> bool: ...
    def wants_in(self, line: "Line", connect: Connect) -> None: ...
    def said(self, line: "Line", said: Said) -> None: ...
    def delivered(self, line: "Line", mark: str, reason: int) -> None: ...
    def command_done(self, line: "Line", command: str, table: dict[str, Any]) -> None: ...
    def listens(self, line: "Line", kinds: frozenset[str]) -> None: ...
    def alarm(self, line: "Line", kind: str, detail: str) -> None: ...
    def closed(self, line: "Line", why: str, clean: bool) -> None: ...


class Line(asyncio.Protocol):
    """``queue``: messages that wait for room, fresh before late, then by time: (late, at, kind, mark, payload, expiry)."""

    __slots__ = (
        "born", "desk", "device", "end", "heard_s", "keep", "late_out", "number", "online_ms", "peer", "pumping", "queue",
        "reader", "said_n", "session", "skewed", "tokens", "transport", "wanted", "web",
    )  # fmt: skip

    trusted = False  # somebody else has checked who it is

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.session = Session()
        self.reader = Reader(MOST_CONNECT)
        self.web: WebSocket | None = None
        self.transport: asyncio.Transport | None = None
        self.device: Device | None = None
        self.number = 0  # the session's number, from the store
        self.said_n = 0
        self.online_ms = 0
        self.keep = False
        self.peer = ""
        self.end: tuple[str, bool] | None = None
        self.born = self.heard_s = 0.0
        self.tokens = _BURST
        self.queue: list[tuple[bool, int, str, str, Any, int]] | None = None
        self.late_out = ""
        self.pumping = self.wanted = self.skewed = False

    # -- the transport speaks ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        self.born = self.heard_s = self.desk.seconds()
        if not self.desk.opened(self):
            self.abort("too many connections")

    def data_received(self, data: bytes) -> None:
        if self.end is not None:
            return
        first = self.session.stage is Stage.WAITING and self.web is None and not self.reader.waiting
        if first and data[:1] == b"G":
            self.web = WebSocket()
        if self.web is not None:
            try:
                data, answer = self.web.feed(data)
            except BadSocket as bad:
                self._write(bad.answer)
                self.finish(f"no WebSocket: {bad}", False)
                return
            self._write(answer)
        if data:
            self._mqtt(data)
        if self.web is not None and self.web.closed:
            self.finish("WebSocket closed", False)

    def _mqtt(self, data: bytes) -> None:
        now = self.desk.seconds()
        self.tokens = min(_BURST, self.tokens + (now - self.heard_s) * _PER_S)
        self.heard_s = now
        try:
            for packet in self.reader.feed(data):
                self.tokens -= 1
                if self.tokens < 0:
                    self.do(self.session.close(Reason.TOO_FAST, "more messages than a device has to say"))
                    return
                self.do(self.session.heard((packet,)))
                if self.end is not None:
                    return
        except Malformed as wrong:
            self.do(self.session.close(wrong.reason, str(wrong)))

    def connection_lost(self, why: Exception | None) -> None:
        self.finish("connection lost", False)

    # -- acts ----------------------------------------------------------------------------------------------------------

    def do(self, acts: Iterable[Act]) -> None:
        """Do what the session says, in order."""
        for act in acts:
            match act:
                case Send(data):
                    self._write(frame(data) if self.web is not None else data)
                case Close(why, clean):
                    self.finish(why, clean)
                case Admit(connect):
                    self.desk.wants_in(self, connect)
                case Said():
                    self.desk.said(self, act)
                case Delivered(mark, reason):
                    self.desk.delivered(self, mark, reason)
                case Listens(kinds):
                    self.desk.listens(self, kinds)
                case Alarm(kind, detail):
                    self.desk.alarm(self, kind, detail)

    def let_in(self) -> None:
        """Past the door: packets may be longer."""
        self.reader.limit = MOST_PACKET

    def push(self, late: bool, at_ms: int, kind: str, mark: str, payload: Any, expiry_s: int) -> bool:
        """Queue a message; fresh ones overtake late ones. False when too much waits already."""
        if self.queue is None:
            self.queue = []
        if len(self.queue) >= _MOST_QUEUED:
            return False
        heapq.heappush(self.queue, (late, at_ms, mark, kind, payload, expiry_s))
        return True

    def finish(self, why: str, clean: bool) -> None:
        """The end, told once."""
        if self.end is not None:
            return
        self.end = (why, clean)
        self.session.stage = Stage.CLOSED
        if self.transport is not None:
            self.transport.close()
        self.desk.closed(self, why, clean)
        self.queue = None

    def abort(self, why: str) -> None:
        """The end without a farewell: what waits to be sent is dropped."""
        if self.transport is not None:
            self.transport.abort()
        self.finish(why, False)

    def _write(self, data: bytes) -> None:
        transport = self.transport
        if not data or transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _MOST_UNREAD:
            self.abort("it does not read")
