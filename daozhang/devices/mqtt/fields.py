"""The fields inside packets: numbers, texts, byte strings and the properties of MQTT 5."""

import struct
from collections.abc import Callable
from typing import Any

from daozhang.devices.mqtt.packets import Malformed, Properties, Reason

_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
MOST_VARINT = 268_435_455

# Number -> name and kind (MQTT 5.0, section 2.2.2.2).
PROPERTIES: dict[int, tuple[str, str]] = {
    1: ("payload_format", "byte"), 2: ("message_expiry_s", "u32"), 3: ("content_type", "text"),
    8: ("response_topic", "text"), 9: ("correlation", "bytes"), 11: ("subscription_id", "varint"),
    17: ("session_expiry_s", "u32"), 18: ("assigned_client_id", "text"), 19: ("server_keep_alive_s", "u16"),
    21: ("auth_method", "text"), 22: ("auth_data", "bytes"), 23: ("request_problem", "byte"),
    24: ("will_delay_s", "u32"), 25: ("request_response", "byte"), 26: ("response_information", "text"),
    28: ("server_reference", "text"), 31: ("reason_text", "text"), 33: ("receive_maximum", "u16"),
    34: ("topic_alias_maximum", "u16"), 35: ("topic_alias", "u16"), 36: ("maximum_qos", "byte"),
    37: ("retain_available", "byte"), 38: ("user", "pair"), 39: ("maximum_packet", "u32"),
    40: ("wildcards_available", "byte"), 41: ("subscription_ids_available", "byte"), 42: ("shared_available", "byte"),
}  # fmt: skip
_NUMBERS = {name: number for number, (name, _) in PROPERTIES.items()}
_MANY = ("user", "subscription_id")
_NOT_ZERO = ("receive_maximum", "topic_alias", "subscription_id", "maximum_packet")
_FLAGS = ("payload_format", "request_problem", "request_response", "retain_available", "maximum_qos")


class Body:
    """A packet's bytes after its length, read from the left. Every method raises Malformed."""

    __slots__ = ("_at", "_bytes", "_end")

    def __init__(self, data: bytes) -> None:
        self._bytes, self._at, self._end = data, 0, len(data)

    @property
    def left(self) -> int:
        return self._end - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Malformed("the packet is shorter than it says")
        self._at += count
        return self._bytes[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def data(self) -> bytes:
        return self.take(self.u16())

    def text(self) -> str:
        try:
            said = self.data().decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8") from None
        if "\0" in said:
            raise Malformed("a text holds NUL")
        return said

    def varint(self) -> int:
        value = 0
        for place in range(4):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and not byte:
                    raise Malformed("a number is longer than it needs to be")
                return value
        raise Malformed("a number has more than four bytes")

    def rest(self) -> bytes:
        return self.take(self.left)

    def packet_id(self) -> int:
        found = self.u16()
        if not found:
            raise Malformed("a packet id is never 0", Reason.PROTOCOL_ERROR)
        return found

    def properties(self) -> Properties:
        """The table of properties; each stands once, but for those that may stand often."""
        part = Body(self.take(self.varint()))
        found: Properties = {}
        while part.left:
            name, kind = PROPERTIES.get(part.varint(), ("", ""))
            if not name:
                raise Malformed("an unknown property")
            value = _READ[kind](part)
            if (name in _NOT_ZERO and not value) or (name in _FLAGS and value > 1):
                raise Malformed(f"{name} cannot be {value}", Reason.PROTOCOL_ERROR)
            if name in _MANY:
                found.setdefault(name, []).append(value)
            elif name in found:
                raise Malformed(f"{name} stands twice", Reason.PROTOCOL_ERROR)
            else:
                found[name] = value
        return found

    def done(self) -> None:
        if self.left:
            raise Malformed("bytes after the packet's end")


_READ: dict[str, Callable[[Body], Any]] = {
    "byte": Body.byte, "u16": Body.u16, "u32": Body.u32, "text": Body.text, "bytes": Body.data, "varint": Body.varint,
    "pair": lambda body: (body.text(), body.text()),
}  # fmt: skip


def varint(value: int) -> bytes:
    """One to four bytes. Raises ValueError beyond 268,435,455."""
    if not 0 <= value <= MOST_VARINT:
        raise ValueError("a length that MQTT cannot say")
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(out)


def data(value: bytes) -> bytes:
    return _U16.pack(len(value)) + value


def text(value: str) -> bytes:
    return data(value.encode("utf-8"))


def u16(value: int) -> bytes:
    return _U16.pack(value)


_WRITE: dict[str, Callable[[Any], bytes]] = {
    "byte": lambda value: bytes((value,)), "u16": u16, "u32": _U32.pack, "text": text, "bytes": data, "varint": varint,
    "pair": lambda value: text(value[0]) + text(value[1]),
}  # fmt: skip


def properties(table: Properties) -> bytes:
    out = bytearray()
    for name, value in table.items():
        number = _NUMBERS[name]
        kind = PROPERTIES[number][1]
        for one in value if name in _MANY else (value,):
            out += bytes((number,)) + _WRITE[kind](one)
    return varint(len(out)) + bytes(out)
