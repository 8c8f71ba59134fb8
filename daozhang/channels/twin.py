"""The words all twins share. A twin is the other side of a wire: pure, without sockets, clock or threads of its own."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Headers = tuple[tuple[str, str], ...]


class Wire(StrEnum):
    """What really happens on the socket."""

    WHOLE = "whole"
    NO_REPLY = "no_reply"  # the connection stays open and nothing is ever said
    RESET = "reset"  # closed without a byte
    TRUNCATED = "truncated"  # half the body, then closed
    DRIP = "drip"  # one byte a second


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came; ``target`` may be absolute-form.

    ``peer``: empty without TLS; with TLS ``none``, or the serial number (hex) of the client's certificate. ``real_ms``:
    the time outside, where the sandbox's clock was moved: clients that are not ours still live in it (0: the same).
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    at_ms: int
    peer: str = ""
    real_ms: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """The reply, when it is given, and how it goes over the wire."""

    status: int
    headers: Headers
    body: bytes
    delay_ms: int = 0
    wire: Wire = Wire.WHOLE


@dataclass(frozen=True, slots=True)
class Push:
    """A notify that the channel sends; its result is told with `Twin.pushed`."""

    push_id: str
    url: str
    headers: Headers
    body: bytes


class Refused(Exception):
    """A control was used wrongly: ``code``, and what, why, how to mend it in both languages."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


class Twin(Protocol):
    """One channel's other side."""

    name: str

    def handle(self, heard: Heard) -> Said: ...
    def next_due_ms(self) -> int | None: ...
    def tick(self, now_ms: int) -> list[Push]: ...
    def pushed(self, push_id: str, status: int | None, body: bytes, now_ms: int) -> None: ...
    def books(self) -> dict[str, Any]: ...
    def credentials(self, base_url: str) -> dict[str, Any]: ...
    def account(self, base_url: str) -> tuple[dict[str, str], dict[str, str]]: ...
    def code(self, behaviour: str, now_ms: int) -> dict[str, Any]: ...
    def scan(self, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]: ...
    def act(self, order: str, act: str, now_ms: int) -> None: ...
    def behaviours(self) -> list[dict[str, str]]: ...
    def modes(self) -> list[dict[str, str]]: ...
    def chaos(self, mode: str, now_ms: int, share: float, for_ms: int, op: str, order: str) -> None: ...
    def chaos_off(self) -> None: ...
    def chaos_on(self) -> list[dict[str, Any]]: ...
    def control(self, name: str, value: Any) -> None: ...
    def simulated_account(self, secret: str) -> tuple[dict[str, str], dict[str, str]]: ...
    def replay(self, record: dict[str, Any]) -> None: ...
