"""The packets of MQTT 3.1.1 and 5. Properties are a table by the names of `fields.PROPERTIES`; 3.1.1 has none."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

V4, V5 = 4, 5  # protocol levels: 3.1.1 and 5
Properties = dict[str, Any]


class Reason(IntEnum):
    """Reason codes of MQTT 5 that we give (OASIS MQTT 5.0, section 2.4)."""

    SUCCESS = 0x00
    WITH_WILL = 0x04
    NO_SUBSCRIPTION = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID = 0x85
    BAD_LOGIN = 0x86
    NOT_AUTHORIZED = 0x87
    BUSY = 0x89
    BANNED = 0x8A
    SHUTTING_DOWN = 0x8B
    BAD_METHOD = 0x8C
    KEEP_ALIVE = 0x8D
    TAKEN_OVER = 0x8E
    BAD_FILTER = 0x8F
    BAD_TOPIC = 0x90
    QUOTA = 0x93
    TOPIC_ALIAS = 0x94
    TOO_LARGE = 0x95
    TOO_FAST = 0x96
    RETAIN = 0x9A
    QOS = 0x9B


class Malformed(Exception):
    """Bytes that are no MQTT, or that the protocol forbids; ``reason`` goes into a DISCONNECT of MQTT 5."""

    def __init__(self, says: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(says)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Will:
    """What the client wants said when it is lost."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """``clean``: clean session (3.1.1) or clean start (5). ``keep_alive_s`` 0: none."""

    level: int
    client_id: str
    clean: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connack:
    """``code`` is a return code of 3.1.1 (0 to 5) or a reason of 5."""

    code: int
    present: bool = False
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publish:
    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False
    properties: Properties = field(default_factory=dict)


class Ack(IntEnum):
    """Packet types that carry a packet id and, in 5, a reason."""

    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7


@dataclass(frozen=True, slots=True)
class Acked:
    kind: Ack
    packet_id: int
    reason: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """``filters``: filter and options (the two low bits are the wanted QoS)."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suback:
    packet_id: int
    codes: tuple[int, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsuback:
    """``codes`` exist in 5 only."""

    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """``answer``: PINGRESP."""

    answer: bool = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    reason: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Auth:
    """Enhanced authentication (5): read, and always refused."""

    reason: int = 0
    properties: Properties = field(default_factory=dict)


Packet = (
    Connect | Connack | Publish | Acked | Subscribe | Suback | Unsubscribe | Unsuback | Ping | Disconnect | Auth
)  # fmt: skip
