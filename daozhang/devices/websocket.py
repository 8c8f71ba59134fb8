"""MQTT inside WebSocket (RFC 6455), the server's side, without sockets: bytes in, MQTT bytes and answers out."""

import base64
import hashlib
import struct
from dataclasses import dataclass, field

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MOST_HEAD = 8 * 1024
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class BadSocket(Exception):
    """Not a WebSocket for MQTT; ``answer`` is what to send before the end."""

    def __init__(self, says: str, answer: bytes = b"") -> None:
        super().__init__(says)
        self.answer = answer


@dataclass(slots=True)
class WebSocket:
    """``path`` is where MQTT lives. Feed until ``open``, then the fed bytes come out as MQTT."""

    path: str = "/mqtt"
    limit: int = 64 * 1024
    open: bool = False
    closed: bool = False
    _buffer: bytes = b""
    _whole: list[bytes] = field(default_factory=list)
    _in_message: bool = False

    def feed(self, arrived: bytes) -> tuple[bytes, bytes]:
        """MQTT bytes that arrived, and bytes to send back. Raises BadSocket."""
        self._buffer += arrived
        answer = b""
        if not self.open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if len(head) > MOST_HEAD:
                raise BadSocket("the request's head is too long", _refusal(431, "Request Header Fields Too Large"))
            if not found:
                return b"", b""
            answer = self._shake_hands(head)
            self.open, self._buffer = True, rest
        out = bytearray()
        while not self.closed and (frame := self._frame()) is not None:
            kind, final, data = frame
            answer += self._one(kind, final, data, out)
        return bytes(out), answer

    def _shake_hands(self, head: bytes) -> bytes:
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target = rest.partition(" ")[0].partition("?")[0]
        said = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            said[name.strip().lower()] = value.strip()
        if method != "GET" or target != self.path:
            raise BadSocket("not the place of MQTT", _refusal(404, "Not Found"))
        upgrade = said.get("upgrade", "").lower() == "websocket" and "upgrade" in said.get("connection", "").lower()
        if not upgrade or said.get("sec-websocket-version") != "13" or not said.get("sec-websocket-key"):
            raise BadSocket("not a WebSocket", _refusal(426, "Upgrade Required", "Upgrade: websocket\r\n"))
        key = hashlib.sha1(said["sec-websocket-key"].encode("latin-1") + _GUID, usedforsecurity=False).digest()
        spoken = [word.strip() for word in said.get("sec-websocket-protocol", "").split(",")]
        protocol = "Sec-WebSocket-Protocol: mqtt\r\n" if "mqtt" in spoken else ""
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(key).decode()}\r\n{protocol}\r\n"
        ).encode()

    def _frame(self) -> tuple[int, bool, bytes] | None:
        have = self._buffer
        if len(have) < 2:
            return None
        first, second = have[0], have[1]
        if first & 0x70 or not second & 0x80:
            raise BadSocket("a frame without a mask, or with bits nobody agreed on")
        length, at = second & 0x7F, 2
        if length == 126:
            if len(have) < 4:
                return None
            length, at = struct.unpack_from(">H", have, 2)[0], 4
        elif length == 127:
            if len(have) < 10:
                return None
            length, at = struct.unpack_from(">Q", have, 2)[0], 10
        if length > self.limit:
            raise BadSocket("a frame too long")
        if len(have) < at + 4 + length:
            return None
        mask, data = have[at : at + 4], have[at + 4 : at + 4 + length]
        self._buffer = have[at + 4 + length :]
        return first & 0x0F, bool(first & 0x80), _masked(data, mask)

    def _one(self, kind: int, final: bool, data: bytes, out: bytearray) -> bytes:
        if kind >= _CLOSE and (not final or len(data) > 125):
            raise BadSocket("a control frame in pieces")
        if (kind == _BINARY and not self._in_message) or (kind == _CONTINUED and self._in_message):
            out += data
            self._in_message = not final
            return b""
        if kind == _PING:
            return frame(data, _PONG)
        if kind == _PONG:
            return b""
        if kind == _CLOSE:
            self.closed = True
            return frame(data[:2], _CLOSE)
        raise BadSocket("not a binary message", frame(struct.pack(">H", 1003), _CLOSE))


def frame(data: bytes, kind: int = _BINARY) -> bytes:
    """One unmasked frame, as servers send them."""
    if len(data) < 126:
        head = bytes((0x80 | kind, len(data)))
    elif len(data) < 1 << 16:
        head = bytes((0x80 | kind, 126)) + struct.pack(">H", len(data))
    else:
        head = bytes((0x80 | kind, 127)) + struct.pack(">Q", len(data))
    return head + data


def _masked(data: bytes, mask: bytes) -> bytes:
    if not data:
        return b""
    times = len(data) // 4 + 1
    whole = int.from_bytes(data, "big") ^ int.from_bytes((mask * times)[: len(data)], "big")
    return whole.to_bytes(len(data), "big")


def _refusal(status: int, says: str, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} {says}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
