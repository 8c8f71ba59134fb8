"""One connection's manners, without sockets: packets in, acts out. The gateway does what the acts say.

    waiting ── CONNECT ──▶ asking ── admitted ──▶ open ── close ──▶ closed
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from daozhang.devices import topics
from daozhang.devices.mqtt.packets import (
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
    Publish,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from daozhang.devices.mqtt.write import encode

MOST_PACKET = 64 * 1024
MOST_CONNECT = 4 * 1024
MOST_WINDOW = 16  # messages under way to one device at once
MOST_ALIASES = 8
MOST_KEEP_ALIVE_S = 600  # whoever asks for none, or a longer one, is given this one
FRESH_S = 60
_MOST_HELD = 32  # packets that a client may send before it is admitted
_V4_CODES = {Reason.UNSUPPORTED_VERSION: 1, Reason.CLIENT_ID: 2, Reason.BUSY: 3, Reason.BAD_LOGIN: 4}


class Stage(Enum):
    WAITING = "waiting"
    ASKING = "asking"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Send:
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """``clean``: the client said good-bye, so its will is not said."""

    why: str
    clean: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Somebody wants in: check who, then call `admitted` or `refused`."""

    connect: Connect


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the device; ``packet_id`` 0 wants no acknowledgement. Call `took` once it is kept."""

    kind: str
    payload: bytes
    packet_id: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The device has acknowledged one of our messages; ``mark`` is what was given with it."""

    mark: str
    reason: int


@dataclass(frozen=True, slots=True)
class Listens:
    """The kinds of ``down`` that the device hears from now on."""

    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Alarm:
    """The device did something that only an attacker or a broken program does."""

    kind: str
    detail: str


Act = Send | Close | Admit | Said | Delivered | Listens | Alarm


@dataclass(slots=True)
class Session:
    """The state of one connection. Not more than one packet stream, fed in order."""

    stage: Stage = Stage.WAITING
    level: int = 4
    merchant: str = ""
    device: str = ""
    keep_alive_s: int = 0
    window: int = MOST_WINDOW
    kinds: frozenset[str] = frozenset()
    will: bytes | None = None
    _their_limit: int = 0
    _next_id: int = 0
    _under_way: dict[int, tuple[str, float]] = field(default_factory=dict)
    _aliases: dict[int, str] = field(default_factory=dict)
    _held: list[Packet] = field(default_factory=list)
    _connect: Connect | None = None

    # -- what arrives --------------------------------------------------------------------------------------------------

    def heard(self, packets: Iterable[Packet]) -> Iterator[Act]:
        """What to do about packets, in order. A malformed one ends the connection and nothing else."""
        try:
            for packet in packets:
                if self.stage is Stage.CLOSED:
                    return
                yield from self._one(packet)
        except Malformed as wrong:
            yield from self.close(wrong.reason, str(wrong))

    def _one(self, packet: Packet) -> Iterator[Act]:
        if self.stage is Stage.WAITING:
            if not isinstance(packet, Connect):
                raise Malformed("the first packet is CONNECT", Reason.PROTOCOL_ERROR)
            yield from self._wants_in(packet)
        elif isinstance(packet, Connect):
            raise Malformed("a second CONNECT", Reason.PROTOCOL_ERROR)
        elif self.stage is Stage.ASKING:
            if len(self._held) >= _MOST_HELD:
                raise Malformed("too much before being admitted", Reason.TOO_FAST)
            self._held.append(packet)
        else:
            yield from self._inside(packet)

    def _wants_in(self, packet: Connect) -> Iterator[Act]:
        self.level, self._connect = packet.level, packet
        self.stage = Stage.ASKING
        if "auth_method" in packet.properties:
            yield from self.refused(Reason.BAD_METHOD, "no such way to log in")
            return
        yield Admit(packet)

    def _inside(self, packet: Packet) -> Iterator[Act]:
        match packet:
            case Publish():
                yield from self._publish(packet)
            case Acked(kind=Ack.PUBACK):
                found = self._under_way.pop(packet.packet_id, None)
                if found is not None:
                    yield Delivered(found[0], packet.reason)
            case Subscribe():
                yield from self._subscribe(packet)
            case Unsubscribe():
                yield from self._unsubscribe(packet)
            case Ping(answer=False):
                yield self._send(Ping(True))
            case Disconnect():
                self.stage = Stage.CLOSED
                yield Close("said good-bye", clean=packet.reason != Reason.WITH_WILL)
            case Auth():
                raise Malformed("nothing to authenticate", Reason.PROTOCOL_ERROR)
            case _:
                raise Malformed("a packet that clients do not send", Reason.PROTOCOL_ERROR)

    def _publish(self, packet: Publish) -> Iterator[Act]:
        topic = self._topic_of(packet)
        if packet.qos > 1:
            raise Malformed("at most QoS 1 here", Reason.QOS)
        if packet.retain:
            yield Alarm("retained_publish", topic[:200])
            raise Malformed("nothing is retained here", Reason.RETAIN)
        kind = topics.said(self.merchant, self.device, topic)
        if kind:
            yield Said(kind, packet.payload, packet.packet_id)
            return
        yield Alarm("foreign_publish", topic[:200])
        if self.level == V5 and packet.qos:
            yield self._send(Acked(Ack.PUBACK, packet.packet_id, Reason.NOT_AUTHORIZED))
        else:
            yield from self.close(Reason.NOT_AUTHORIZED, "published to a topic that is not its own")

    def _topic_of(self, packet: Publish) -> str:
        alias = packet.properties.get("topic_alias")
        if alias is None:
            return packet.topic
        if alias > MOST_ALIASES:
            raise Malformed("an alias over the limit", Reason.TOPIC_ALIAS)
        if packet.topic:
            self._aliases[alias] = packet.topic
        elif alias not in self._aliases:
            raise Malformed("an unknown alias", Reason.TOPIC_ALIAS)
        return self._aliases[alias]

    def _subscribe(self, packet: Subscribe) -> Iterator[Act]:
        codes, kinds = [], set(self.kinds)
        for wanted, options in packet.filters:
            brings = topics.heard(self.merchant, self.device, wanted)
            kinds |= set(brings)
            refusal = Reason.NOT_AUTHORIZED if self.level == V5 else Reason.UNSPECIFIED
            codes.append(min(options & 3, 1) if brings else int(refusal))
            if not brings:
                yield Alarm("foreign_subscribe", wanted[:200])
        yield self._send(Suback(packet.packet_id, tuple(codes)))
        if kinds != self.kinds:
            self.kinds = frozenset(kinds)
        yield Listens(self.kinds)

    def _unsubscribe(self, packet: Unsubscribe) -> Iterator[Act]:
        gone: set[str] = set()
        codes = []
        for wanted in packet.filters:
            brings = self.kinds & set(topics.heard(self.merchant, self.device, wanted))
            gone |= brings
            codes.append(int(Reason.SUCCESS if brings else Reason.NO_SUBSCRIPTION))
        self.kinds = self.kinds - gone
        yield self._send(Unsuback(packet.packet_id, tuple(codes)))
        yield Listens(self.kinds)

    # -- what the gateway decides --------------------------------------------------------------------------------------

    def fits(self, merchant: str, device: str) -> Iterator[Act]:
        """The secret holds; do name and will fit the identity? A refusal closes; otherwise nothing is done."""
        connect = self._connect
        if connect is None or self.stage is not Stage.ASKING:
            return
        will = connect.will
        if connect.client_id and connect.client_id != device:
            yield Alarm("foreign_client_id", connect.client_id[:100])
            yield from self.refused(Reason.CLIENT_ID, "the client id is the device's own id")
        elif will is not None and (will.retain or will.qos > 1 or not topics.said(merchant, device, will.topic)):
            yield Alarm("foreign_will", will.topic[:200])
            yield from self.refused(Reason.NOT_AUTHORIZED, "a will goes to the device's own topics, unretained")

    def admitted(self, merchant: str, device: str, kinds: frozenset[str], present: bool) -> Iterator[Act]:
        """Let in. ``kinds``: subscriptions of an earlier connection, when its session is still ``present``."""
        connect = self._connect
        if connect is None or self.stage is not Stage.ASKING:
            return
        self.merchant, self.device, self.kinds = merchant, device, kinds if present else frozenset()
        will = connect.will
        self.will = will.payload if will is not None else None
        asked = connect.keep_alive_s
        self.keep_alive_s = min(asked or MOST_KEEP_ALIVE_S, MOST_KEEP_ALIVE_S)
        self.window = min(connect.properties.get("receive_maximum", MOST_WINDOW), MOST_WINDOW)
        self._their_limit = connect.properties.get("maximum_packet", 0)
        self.stage, self._connect = Stage.OPEN, None
        yield self._send(Connack(0, present, self._promises(asked, connect) if self.level == V5 else {}))
        held, self._held = self._held, []
        yield from self.heard(held)

    def _promises(self, asked: int, connect: Connect) -> dict[str, object]:
        told: dict[str, object] = {
            "maximum_qos": 1, "retain_available": 0, "maximum_packet": MOST_PACKET, "shared_available": 0,
            "subscription_ids_available": 0, "topic_alias_maximum": MOST_ALIASES,
        }  # fmt: skip
        if self.keep_alive_s != asked:
            told["server_keep_alive_s"] = self.keep_alive_s
        if not connect.client_id:
            told["assigned_client_id"] = self.device
        return told

    def refused(self, reason: Reason, says: str) -> Iterator[Act]:
        """Not let in: CONNACK with the reason, and the end."""
        code = int(reason) if self.level == V5 else _V4_CODES.get(reason, 5)
        self.stage = Stage.CLOSED
        yield self._send(Connack(code))
        yield Close(says)

    def took(self, packet_id: int) -> Iterator[Act]:
        """A message of the device is kept."""
        if packet_id and self.stage is Stage.OPEN:
            yield self._send(Acked(Ack.PUBACK, packet_id))

    @property
    def room(self) -> int:
        """How many more messages may be under way."""
        return self.window - len(self._under_way) if self.stage is Stage.OPEN else 0

    @property
    def waiting_since(self) -> float | None:
        """When the oldest message left that the device has not acknowledged; None when there is none."""
        return next(iter(self._under_way.values()))[1] if self._under_way else None

    def tell(self, kind: str, payload: bytes, mark: str, expiry_s: int = 0, at: float = 0.0) -> Iterator[Act]:
        """Send a QoS 1 message at the time ``at``; nothing when the device does not listen to it or can take no more."""
        if self.room <= 0 or kind not in self.kinds:
            return
        self._next_id = self._next_id % 65_535 + 1
        while self._next_id in self._under_way:
            self._next_id = self._next_id % 65_535 + 1
        expiry = {"message_expiry_s": expiry_s} if expiry_s and self.level == V5 else {}
        topic = topics.down(self.merchant, self.device, kind)
        data = encode(Publish(topic, payload, 1, self._next_id, properties=expiry), self.level)
        if self._their_limit and len(data) > self._their_limit:
            yield Alarm("device_too_small", f"{kind} of {len(data)} bytes")
            return
        self._under_way[self._next_id] = (mark, at)
        yield Send(data)

    def close(self, reason: Reason, says: str) -> Iterator[Act]:
        """End the connection from our side, with the reason where the protocol can say it."""
        if self.stage is Stage.CLOSED:
            return
        waiting, self.stage = self.stage, Stage.CLOSED
        if waiting is Stage.OPEN and self.level == V5:
            yield self._send(Disconnect(int(reason)))
        elif waiting is not Stage.OPEN and reason is Reason.UNSUPPORTED_VERSION:
            yield self._send(Connack(1))
        yield Close(says)

    def _send(self, packet: Packet) -> Send:
        return Send(encode(packet, self.level))
