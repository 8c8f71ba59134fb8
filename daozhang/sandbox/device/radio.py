"""The simulated device's modem: one MQTT 5 connection over TCP or TLS, made again whenever it breaks."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
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
    Will,
)
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode

_KEEP_ALIVE_S = 20
_EXPIRY_S = 3600
_UNANSWERED = 2


class Refused(Exception):
    """The gateway does not let us in; the reason code of its CONNACK."""


class ClockBehind(OSError):
    """By our clock the gateway's certificate is not valid yet."""


class Radio:
    """``heard`` is awaited for each message; it is acknowledged (PUBACK) when that returns True. ``believed_ms``: the clock of
    a device that looks at certificates with it and always uses TLS; None: the machine's own."""

    def __init__(self, told: dict[str, Any], heard: Callable[[str, bytes], Awaitable[bool]], believed_ms: Callable[[], int] | None = None) -> None:
        self._told, self._heard, self._believed_ms = told, heard, believed_ms
        self._doubts_clock = False
        self._writer: asyncio.StreamWriter | None = None
        self._id = 0
        self.connects = 0

    async def session(self) -> None:
        """Connect, subscribe, listen until the line breaks. Raises OSError, Refused, Malformed."""
        mqtt, topics = self._told["mqtt"], self._told["topics"]
        tls = None
        port, host = mqtt["port"], mqtt["host"]
        if mqtt.get("use_tls") or self._believed_ms is not None:
            tls = ssl.create_default_context(cadata=mqtt.get("ca_pem"))
            port, host = mqtt["tls_port"], mqtt["tls_host"]
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=tls), 10)
        try:
            self._look_at_dates(writer)
        except ClockBehind:
            writer.transport.abort()
            raise
        self._writer = writer
        try:
            lost = json.dumps({"lost": True}).encode()
            will = Will(topics["evidence"], lost, 1)
            writer.write(encode(Connect(V5, mqtt["client_id"], False, _KEEP_ALIVE_S, mqtt["username"],
                                        mqtt["password"].encode(), will, {"session_expiry_s": _EXPIRY_S}), V5))  # fmt: skip
            await self._listen(reader, topics)
        finally:
            self._writer = None
            writer.close()

    def _look_at_dates(self, writer: asyncio.StreamWriter) -> None:
        """A certificate of the authority that we were given can only be younger than our clock when the clock is wrong: refused
        once, and from then on its beginning is not held against it. Names, signatures and its end always are."""
        if self._believed_ms is None:
            return
        begins_s = ssl.cert_time_to_seconds(str(writer.get_extra_info("peercert")["notBefore"]))
        if self._believed_ms() < begins_s * 1000 and not self._doubts_clock:
            self._doubts_clock = True
            raise ClockBehind("TLS: the certificate is not valid yet")

    async def _listen(self, reader: asyncio.StreamReader, topics: dict[str, str]) -> None:
        packets, unanswered = Reader(64 * 1024, V5), 0
        while True:
            try:
                data = await asyncio.wait_for(reader.read(65_536), _KEEP_ALIVE_S * 0.75)
            except TimeoutError:
                unanswered += 1
                if unanswered > _UNANSWERED:  # a line that is cut one way alone shows it only so
                    raise ConnectionError("the gateway is not heard any more") from None
                self._write(Ping())
                continue
            unanswered = 0
            if not data:
                raise ConnectionError("the gateway closed the line")
            for packet in packets.feed(data):
                await self._one(packet, topics)

    async def _one(self, packet: Packet, topics: dict[str, str]) -> None:
        match packet:
            case Connack(code=0):
                self.connects += 1
                wanted = tuple((topics[kind], 1) for kind in ("cmd", "announce", "config"))
                self._write(Subscribe(self._next(), wanted))
            case Connack(code=code):
                raise Refused(f"0x{code:02x}")
            case Publish():
                kind = packet.topic.rpartition("/")[2]
                if await self._heard(kind, packet.payload) and packet.qos:
                    self._write(Acked(Ack.PUBACK, packet.packet_id))
            case Disconnect(reason=reason):
                raise ConnectionError(f"the gateway said good-bye: 0x{reason:02x}")

    def say(self, kind: str, table: dict[str, Any]) -> None:
        """Publish at QoS 1 to one of our own topics; nothing when there is no line."""
        payload = json.dumps(table, ensure_ascii=False).encode()
        self._write(Publish(self._told["topics"].get(kind, kind), payload, 1, self._next()))

    def cut(self) -> None:
        """Power gone: no good-bye."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _next(self) -> int:
        self._id = self._id % 65_535 + 1
        return self._id

    def _write(self, packet: Packet) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(packet, V5))


__all__ = ["ClockBehind", "Malformed", "Radio", "Refused"]
