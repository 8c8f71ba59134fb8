"""Bytes to packets. A `Reader` is fed as bytes arrive and gives whole packets; a length over the limit ends it."""

from collections.abc import Callable, Iterator

from daozhang.devices.mqtt.fields import Body
from daozhang.devices.mqtt.packets import (
    V4,
    V5,
    Ack,
    Acked,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Ping,
    Properties,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

_CONNECT, _PUBLISH = 1, 3
_MOST_FILTERS = 64
# Low four bits of the first byte, where the protocol fixes them.
_FIXED = {1: 0, 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 8: 2, 9: 0, 10: 2, 11: 0, 12: 0, 13: 0, 14: 0, 15: 0}


class Reader:
    """One direction of one connection. ``level`` is learnt from CONNECT by a server; a client gives it."""

    __slots__ = ("_buffer", "level", "limit")

    def __init__(self, limit: int, level: int = V4) -> None:
        self._buffer = b""
        self.limit, self.level = limit, level

    def feed(self, arrived: bytes) -> Iterator[Packet]:
        """Whole packets, in order. Raises Malformed; nothing may be fed after that."""
        buffer = self._buffer + arrived if self._buffer else arrived
        at = 0
        try:
            while (found := self._frame(buffer, at)) is not None:
                start, end = found
                first = buffer[at]
                at = end
                packet = decode(first, buffer[start:end], self.level)
                if isinstance(packet, Connect):
                    self.level = packet.level
                yield packet
        finally:
            self._buffer = buffer[at:]

    @property
    def waiting(self) -> int:
        """Bytes of a packet that has not wholly arrived."""
        return len(self._buffer)

    def _frame(self, buffer: bytes, at: int) -> tuple[int, int] | None:
        """Start and end of the body of the packet at ``at``; None when it has not wholly arrived."""
        have = len(buffer) - at
        if have < 1:
            return None
        if buffer[at] >> 4 == 0:
            raise Malformed("no packet begins like this")
        length, place = 0, 1
        while True:
            if place > 4:
                raise Malformed("a length has more than four bytes")
            if place >= have:
                return None
            byte = buffer[at + place]
            length |= (byte & 0x7F) << (7 * (place - 1))
            if length > self.limit:
                raise Malformed(f"longer than {self.limit} bytes", Reason.TOO_LARGE)
            place += 1
            if byte < 0x80:
                break
        return (at + place, at + place + length) if have >= place + length else None


def decode(first: int, body: bytes, level: int) -> Packet:
    """One packet from its first byte and its body. Raises Malformed."""
    kind, flags = first >> 4, first & 0x0F
    if kind == _PUBLISH:
        return _publish(flags, Body(body), level)
    if _FIXED.get(kind) != flags:
        raise Malformed("reserved bits are set")
    read = _KINDS.get(kind)
    if read is None:
        raise Malformed("no such packet")
    part = Body(body)
    packet = read(part, level)
    part.done()
    return packet


def _properties(body: Body, level: int) -> Properties:
    return body.properties() if level == V5 else {}


def _connect(body: Body, _level: int) -> Connect:
    name, level = body.text(), body.byte()
    if name != "MQTT" or level not in (V4, V5):
        raise Malformed("neither MQTT 3.1.1 nor 5", Reason.UNSUPPORTED_VERSION)
    flags, keep_alive = body.byte(), body.u16()
    will_on, qos, retain = bool(flags & 4), flags >> 3 & 3, bool(flags & 0x20)
    has_name, has_password = bool(flags & 0x80), bool(flags & 0x40)
    if flags & 1 or qos == 3 or (not will_on and (qos or retain)):
        raise Malformed("impossible connect flags")
    if level == V4 and has_password and not has_name:
        raise Malformed("a password without a name")
    properties = _properties(body, level)
    client_id = body.text()
    will = None
    if will_on:
        about = _properties(body, level)
        will = Will(topic(body.text()), body.data(), qos, retain, about)
    username = body.text() if has_name else None
    password = body.data() if has_password else None
    return Connect(level, client_id, bool(flags & 2), keep_alive, username, password, will, properties)


def topic(name: str) -> str:
    """A topic to publish to. Raises Malformed for wildcards and nothing."""
    if not name or "+" in name or "#" in name:
        raise Malformed("no topic to publish to", Reason.BAD_TOPIC)
    return name


def _connack(body: Body, level: int) -> Connack:
    flags, code = body.byte(), body.byte()
    if flags > 1:
        raise Malformed("reserved bits are set")
    return Connack(code, bool(flags), _properties(body, level))


def _publish(flags: int, body: Body, level: int) -> Publish:
    qos, dup = flags >> 1 & 3, bool(flags & 8)
    if qos == 3 or (dup and not qos):
        raise Malformed("impossible publish flags")
    name = body.text()
    if name or level == V4:
        topic(name)
    packet_id = body.packet_id() if qos else 0
    properties = _properties(body, level)
    if not name and "topic_alias" not in properties:
        raise Malformed("neither topic nor alias", Reason.PROTOCOL_ERROR)
    return Publish(name, body.rest(), qos, packet_id, bool(flags & 1), dup, properties)


def _acked(kind: Ack) -> Callable[[Body, int], Acked]:
    def read(body: Body, level: int) -> Acked:
        packet_id = body.packet_id()
        reason = body.byte() if level == V5 and body.left else 0
        properties = body.properties() if level == V5 and body.left else {}
        return Acked(kind, packet_id, reason, properties)

    return read


def _subscribe(body: Body, level: int) -> Subscribe:
    packet_id, properties = body.packet_id(), _properties(body, level)
    filters = []
    while body.left:
        wanted, options = body.text(), body.byte()
        if not wanted or options & 3 == 3 or options & (0xC0 if level == V5 else 0xFC) or options & 0x30 == 0x30:
            raise Malformed("an impossible subscription")
        filters.append((wanted, options))
    _some(len(filters))
    return Subscribe(packet_id, tuple(filters), properties)


def _unsubscribe(body: Body, level: int) -> Unsubscribe:
    packet_id, properties = body.packet_id(), _properties(body, level)
    filters = []
    while body.left:
        filters.append(body.text())
    _some(len(filters))
    return Unsubscribe(packet_id, tuple(filters), properties)


def _some(count: int) -> None:
    if not 1 <= count <= _MOST_FILTERS:
        raise Malformed(f"1 to {_MOST_FILTERS} filters", Reason.PROTOCOL_ERROR)


def _suback(body: Body, level: int) -> Suback:
    packet_id, properties = body.packet_id(), _properties(body, level)
    return Suback(packet_id, tuple(body.rest()), properties)


def _unsuback(body: Body, level: int) -> Unsuback:
    packet_id, properties = body.packet_id(), _properties(body, level)
    return Unsuback(packet_id, tuple(body.rest()), properties)


def _disconnect(body: Body, level: int) -> Disconnect:
    reason = body.byte() if level == V5 and body.left else 0
    return Disconnect(reason, body.properties() if level == V5 and body.left else {})


def _auth(body: Body, level: int) -> Auth:
    if level != V5:
        raise Malformed("no such packet")
    reason = body.byte() if body.left else 0
    return Auth(reason, body.properties() if body.left else {})


_KINDS: dict[int, Callable[[Body, int], Packet]] = {
    _CONNECT: _connect, 2: _connack, **{int(kind): _acked(kind) for kind in Ack}, 8: _subscribe, 9: _suback,
    10: _unsubscribe, 11: _unsuback, 12: lambda body, level: Ping(), 13: lambda body, level: Ping(True),
    14: _disconnect, 15: _auth,
}  # fmt: skip
