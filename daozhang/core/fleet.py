"""Devices of the shops and what they are told: records, and what the store promises about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Standing(StrEnum):
    """May this device speak to us? ``frozen``: two of them seem to exist, a person must look."""

    ENROLLING = "enrolling"
    ACTIVE = "active"
    FROZEN = "frozen"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Device:
    """A device at one place of one merchant. Secrets are kept as a hash; ``keys`` (opened) signs what it is told."""

    id: str
    bucket: int
    merchant: str
    store: str
    till: str
    type: str
    serial: str
    name: str
    speaks: bool
    standing: Standing
    created_ms: int
    enrolled_ms: int = 0
    secret_sha256: str = field(repr=False, default="")
    old_sha256: str = field(repr=False, default="")
    old_until_ms: int = 0
    desired: dict[str, Any] = field(default_factory=dict)
    desired_n: int = 1
    keys: dict[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What is known of a device now. ``session`` grows with every connection and fences off older ones."""

    device: str
    session: int = 0
    online: bool = False
    gateway: str = ""
    online_ms: int = 0
    offline_ms: int = 0
    offline_why: str = ""
    heard_ms: int = 0
    kinds: frozenset[str] = frozenset()
    reported: dict[str, Any] = field(default_factory=dict)


class Told(StrEnum):
    """An announcement's way. ``unheard``: a day has passed and nobody heard it; the shop was told in writing."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    PLAYED = "played"
    SUMMARISED = "summarised"
    UNHEARD = "unheard"


# Who may follow whom; an end has no followers.
TOLD_NEXT: dict[Told, frozenset[Told]] = {
    Told.QUEUED: frozenset({Told.DELIVERED, Told.PLAYED, Told.SUMMARISED, Told.UNHEARD}),
    Told.DELIVERED: frozenset({Told.PLAYED, Told.SUMMARISED, Told.UNHEARD}),
    Told.PLAYED: frozenset(),
    Told.SUMMARISED: frozenset(),
    Told.UNHEARD: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Announcement:
    """One sentence for one speaker. ``at_ms`` is when the event happened; ``late`` how it was said last."""

    id: str
    bucket: int
    merchant: str
    device: str
    payment: str
    kind: str
    amount_fen: int
    channel: str
    at_ms: int
    queued_ms: int = 0
    state: Told = Told.QUEUED
    sends: int = 0
    late: bool = False
    delivered_ms: int = 0
    played_ms: int = 0
    why: str = ""
    alarmed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device said about an announcement (or a summary): delivered, played, or not played and why."""

    device: str
    bucket: int
    id: str
    at_ms: int
    state: Told
    late: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """Something a device shall do. ``state``: queued, delivered, done, failed, expired."""

    id: str
    bucket: int
    merchant: str
    device: str
    command: str
    args: dict[str, Any]
    by: str
    created_ms: int
    expires_ms: int
    state: str = "queued"
    delivered_ms: int = 0
    done_ms: int = 0
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a device, with its time; told to the merchant's events when ``event`` is named."""

    device: str
    bucket: int
    merchant: str
    at_ms: int
    kind: str
    detail: dict[str, Any] = field(default_factory=dict)
    event: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat: what the device says of itself."""

    device: str
    bucket: int
    at_ms: int
    reported: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """A connection that was let in: its number, and what an earlier one left behind."""

    session: int
    kinds: frozenset[str]
    was_online: bool
    was_gateway: str


class Fleet(Protocol):
    """Atomic methods; each is one transaction. Reads of one merchant's things name the merchant (P12)."""

    async def add_device(self, device: Device, code_sha256: str, code_until_ms: int) -> None:
        """A new device and its one-time code. Raises Conflict when the serial is at work somewhere."""

    async def enrol(self, code_sha256: str, serial: str, secret_sha256: str, sealed: Callable[[str], bytes], now_ms: int) -> str | None:  # fmt: skip
        """Use a one-time code: the device's id, or None when the code is none, used, too old or for another serial."""

    async def device(self, device_id: str) -> Device | None: ...

    async def devices(self, merchant: str, cursor: str = "", limit: int = 50, serial: str = "") -> Sequence[Device]: ...
    async def devices_at(self, merchant: str, store: str) -> Sequence[Device]:
        """The devices of one of the merchant's stores, newest first, at most 200."""

    async def change_device(self, device: Device, sealed: bytes | None = None) -> None:
        """Write name, place, standing, secrets, and what is desired; its gateway is told."""

    async def device_states(self, devices: Sequence[Device]) -> dict[str, DeviceState]: ...
    async def log_in(self, device: Device, gateway: str, now_ms: int, clean: bool) -> Login: ...
    async def listens(self, device: Device, session: int, kinds: frozenset[str]) -> None: ...
    async def log_out(self, device: Device, session: int, now_ms: int, why: str, keep: bool) -> bool:
        """False when a later connection stands."""

    async def beats(self, beats: Sequence[Beat]) -> None: ...
    async def facts(self, facts: Sequence[Fact]) -> None: ...
    async def facts_of(self, device: Device, limit: int = 50) -> Sequence[Fact]: ...
    async def announce(self, buckets: Sequence[int] | None, now_ms: int) -> int:
        """Make announcements of what the outbox says, of these buckets or of all; how many events were read."""

    async def take(self, device: Device, session: int, now_ms: int) -> Sequence[Announcement]:
        """Claim what this session has not been sent. ``sends`` tells how often it may have left us before."""

    async def summarise(self, device: Device, summary: str, ids: Sequence[str]) -> None: ...
    async def heard(self, heard: Sequence[Heard]) -> None: ...
    async def to_note(self, now_ms: int, silent_ms: int, lease_ms: int) -> Sequence[Announcement]:
        """Lease announcements whose story has a new line: played, or not heard in time."""

    async def noted(self, done: Sequence[tuple[Announcement, int]]) -> None: ...
    async def announcements_of(self, payment: str) -> Sequence[Announcement]: ...
    async def announcements_to(self, device: Device, limit: int = 50) -> Sequence[Announcement]: ...
    async def add_command(self, command: Command) -> None: ...
    async def take_commands(self, device: Device, session: int, now_ms: int) -> Sequence[Command]: ...
    async def command_told(self, command_id: str, device: Device, now_ms: int, state: str, result: dict[str, Any]) -> None: ...  # fmt: skip
    async def commands_of(self, device: Device, limit: int = 50) -> Sequence[Command]: ...
