"""Packets to bytes."""

from daozhang.devices.mqtt import fields
from daozhang.devices.mqtt.packets import (
    V5,
    Ack,
    Acked,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Properties,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)


def encode(packet: Packet, level: int) -> bytes:
    """The packet for a connection of this level (3.1.1 leaves out reasons and properties)."""
    match packet:
        case Publish():
            flags = 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain
            packet_id = fields.u16(packet.packet_id) if packet.qos else b""
            head = fields.text(packet.topic) + packet_id + _properties(packet.properties, level)
            return _framed(flags, head + packet.payload)
        case Acked():
            first = packet.kind << 4 | (2 if packet.kind is Ack.PUBREL else 0)
            return _framed(first, fields.u16(packet.packet_id) + _reason(packet.reason, packet.properties, level))
        case Ping():
            return b"\xd0\x00" if packet.answer else b"\xc0\x00"
        case Connect():
            return _framed(0x10, _connect(packet))
        case Connack():
            return _framed(0x20, bytes((packet.present, packet.code)) + _properties(packet.properties, level))
        case Subscribe():
            wanted = b"".join(fields.text(name) + bytes((options,)) for name, options in packet.filters)
            return _framed(0x82, fields.u16(packet.packet_id) + _properties(packet.properties, level) + wanted)
        case Unsubscribe():
            names = b"".join(fields.text(name) for name in packet.filters)
            return _framed(0xA2, fields.u16(packet.packet_id) + _properties(packet.properties, level) + names)
        case Suback() | Unsuback():
            first = 0x90 if isinstance(packet, Suback) else 0xB0
            codes = bytes(packet.codes) if isinstance(packet, Suback) or level == V5 else b""
            return _framed(first, fields.u16(packet.packet_id) + _properties(packet.properties, level) + codes)
        case Disconnect() | Auth():
            first = 0xE0 if isinstance(packet, Disconnect) else 0xF0
            return _framed(first, _reason(packet.reason, packet.properties, level))


def _framed(first: int, body: bytes) -> bytes:
    return bytes((first,)) + fields.varint(len(body)) + body


def _properties(table: Properties, level: int) -> bytes:
    return fields.properties(table) if level == V5 else b""


def _reason(reason: int, table: Properties, level: int) -> bytes:
    if level != V5 or not (reason or table):
        return b""
    return bytes((reason,)) + (fields.properties(table) if table else b"")


def _connect(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean << 1 | (packet.username is not None) << 7 | (packet.password is not None) << 6
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
    out = fields.text("MQTT") + bytes((packet.level, flags)) + fields.u16(packet.keep_alive_s)
    out += _properties(packet.properties, packet.level) + fields.text(packet.client_id)
    if will is not None:
        out += _properties(will.properties, packet.level) + fields.text(will.topic) + fields.data(will.payload)
    if packet.username is not None:
        out += fields.text(packet.username)
    if packet.password is not None:
        out += fields.data(packet.password)
    return out
