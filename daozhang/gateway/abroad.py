"""The devices of an external broker: one MQTT 5 client there, and a line of our own for each device that is heard there.

The broker checks who a device is and lets it use its own topics only; everything else (what is due, what was said, alarms,
limits) is the hub's, as for devices that come to us. "Delivered" then means that the broker has it; "played" is still what
the device itself says.
"""

import asyncio
import logging
from typing import Any

from daozhang.devices.mqtt.packets import (
    V5,
    Ack,
    Acked,
    Connack,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Ping,
    Publish,
    Subscribe,
)
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode
from daozhang.devices.session import MOST_PACKET
from daozhang.devices.topics import DOWN, down, from_up
from daozhang.gateway.hub import Hub
from daozhang.gateway.line import Line

log = logging.getLogger("daozhang.gateway")
_EVERYBODY = "dz/v1/+/+/up/+"
_KEEP_ALIVE_S = 30
_HELD_S = 3_600
_SILENT_S = 45  # a device says something every twenty seconds; after one and a half of these it is gone
_MOST_IDS = 65_535


class Relayed(Line):
    """A device that the broker has let in."""

    __slots__ = ()
    trusted = True


class Abroad(asyncio.Protocol):
    """The connection to the broker. ``lost`` is done when it is over; whoever made it makes another."""

    def __init__(self, hub: Hub, username: str, password: str) -> None:
        self._hub, self._username, self._password = hub, username, password
        self._reader = Reader(MOST_PACKET * 4, V5)
        self._transport: asyncio.Transport | None = None
        self._lines: dict[str, tuple[Relayed, Relay]] = {}
        self._under_way: dict[int, tuple[Relayed, int]] = {}
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()

    # -- the transport speaks ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        name = f"daozhang-{self._hub.name}"
        # What devices say while we are away waits at the broker.
        self.send(Connect(V5, name, False, _KEEP_ALIVE_S, self._username, self._password.encode(), None, {"session_expiry_s": _HELD_S}))
        self._ping()

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                self._one(packet)
        except Malformed as wrong:
            self._end(f"the broker sends what is no MQTT: {wrong}")

    def connection_lost(self, why: Exception | None) -> None:
        self._end(str(why or "the broker has closed the connection"))

    def _end(self, why: str) -> None:
        """The devices there are out of reach until there is a connection again."""
        if self.lost.done():
            return
        self.lost.set_result(why)
        for line, _ in list(self._lines.values()):
            line.finish("the broker is away", False)
        self._lines.clear()
        if self._transport is not None:
            self._transport.abort()

    def _ping(self) -> None:
        if not self.lost.done():
            self.send(Ping())
            self._loop.call_later(_KEEP_ALIVE_S / 2, self._ping)

    # -- from the broker -----------------------------------------------------------------------------------------------

    def _one(self, packet: Packet) -> None:
        match packet:
            case Connack(code=0):
                self.send(Subscribe(self._number(), ((_EVERYBODY, 1),)))
                log.info("devices of the external broker are served")
            case Connack(code=code):
                self._end(f"the broker does not let us in: 0x{code:02x}")
            case Publish():
                self._said(packet)
            case Acked(kind=Ack.PUBACK):
                line, number = self._under_way.pop(packet.packet_id, (None, 0))
                if line is not None and line.end is None:
                    heard = line.heard_s  # the broker has spoken, not the device
                    line.data_received(encode(Acked(Ack.PUBACK, number), V5))
                    line.heard_s = heard
            case Disconnect(reason=reason):
                self._end(f"the broker said good-bye: 0x{reason:02x}")

    def _said(self, packet: Publish) -> None:
        merchant, device, kind = from_up(packet.topic)
        if not device:
            self.took(packet.packet_id)
            return
        found = self._lines.get(device)
        if found is None or found[0].end is not None:
            found = self._lines[device] = self._opened(merchant, device)
        line, relay = found
        relay.owes(packet.packet_id)
        line.data_received(encode(Publish(packet.topic, packet.payload, packet.qos, packet.packet_id), V5))
        if kind == "evidence" and packet.payload == b'{"lost": true}' and line.end is None:
            line.finish("the broker said its will", False)

    def _opened(self, merchant: str, device: str) -> "tuple[Relayed, Relay]":
        line = Relayed(self._hub)
        relay = Relay(self, line)
        line.connection_made(relay)
        line.data_received(encode(Connect(V5, device, True, _SILENT_S, device, b"", None, {}), V5))
        line.data_received(encode(Subscribe(1, tuple((down(merchant, device, kind), 1) for kind in DOWN)), V5))
        return line, relay

    # -- relays call ---------------------------------------------------------------------------------------------------

    def publish(self, line: Relayed, packet: Publish) -> None:
        """One of our messages, to the broker; its acknowledgement goes back to the line."""
        number = self._number()
        self._under_way[number] = (line, packet.packet_id)
        expiry = {name: value for name, value in packet.properties.items() if name == "message_expiry_s"}
        self.send(Publish(packet.topic, packet.payload, 1, number, properties=expiry))

    def took(self, number: int) -> None:
        """What a device said is kept, or never will be: the broker need not hold it."""
        if number:
            self.send(Acked(Ack.PUBACK, number))

    def send(self, packet: Packet) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(packet, V5))

    def waits(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _number(self) -> int:
        while True:
            self._next = self._next % _MOST_IDS + 1
            if self._next not in self._under_way:
                return self._next


class Relay(asyncio.Transport):
    """What a line takes for its connection."""

    def __init__(self, abroad: Abroad, line: Relayed) -> None:
        super().__init__({"peername": ("broker", 0)})
        self._abroad, self._line = abroad, line
        self._reader = Reader(MOST_PACKET * 2, V5)
        self._owed: set[int] = set()
        self._closed = False

    def owes(self, number: int) -> None:
        if number:
            self._owed.add(number)

    def write(self, data: Any) -> None:
        for packet in self._reader.feed(bytes(data)):
            match packet:
                case Publish():
                    self._abroad.publish(self._line, packet)
                case Acked(kind=Ack.PUBACK, packet_id=number):
                    self._owed.discard(number)
                    self._abroad.took(number)

    def close(self) -> None:
        self._closed = True
        for number in self._owed:  # else the broker would send us nothing more after a while
            self._abroad.took(number)
        self._owed.clear()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closed

    def get_write_buffer_size(self) -> int:
        return self._abroad.waits()
