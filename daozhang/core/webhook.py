"""Webhook endpoints and their deliveries: records, the schedule, and what an answer means (4-surfaces 9.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daozhang.core.directory import EventRow, Page

_S, _M, _H = 1_000, 60_000, 3_600_000
# Ten attempts over 75 h 35 m: at once, then after each of these.
GAPS_MS = (5 * _S, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H)
BREAKS_AFTER = 5  # failures in a row; then a single event is tried now and then, and the others wait
WARN_AFTER_MS = 10 * _M
DISABLE_AFTER_MS = sum(GAPS_MS)
OLD_SECRET_LIVES_MS = 24 * _H
ATTEMPTS_LIVE_MS = 30 * 24 * _H
SLOWED = (429, 502, 504)
PING = "test.ping"
REPLAY_MOST = 10_000  # events that one wish sends again; the next wish goes on after them


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``secrets``: newest first; an older one signs too until its time (0: no end). ``types`` empty: all.

    ``signing`` is the private half of an Ed25519 key (base64) for those who asked for v1a signatures; ``sealed`` is what
    was read, so that two who change the secrets at once do not undo each other.
    """

    id: str
    bucket: int
    merchant: str
    livemode: bool
    url: str
    types: tuple[str, ...]
    description: str
    state: str
    created_ms: int
    secrets: tuple[tuple[str, int], ...] = field(repr=False, default=())
    failures: int = 0
    failing_since_ms: int = 0
    blocked_until_ms: int = 0
    fence: int = 0
    signing: str = field(repr=False, default="")
    sealed: bytes = field(repr=False, default=b"")

    def keys_at(self, now_ms: int) -> list[str]:
        """The secrets that sign now."""
        return [secret for secret, until in self.secrets if not until or until > now_ms]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: a status, or 0 and why there is none."""

    status: int
    error: str = ""
    retry_after_s: int = 0
    took_ms: int = 0

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """One event on its way to one endpoint, after so many attempts. ``fresh``: it comes from the cursor."""

    event: EventRow
    seq: int
    attempts: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as kept. ``next_ms`` 0: there will be no further one."""

    seq: int
    n: int
    at_ms: int
    status: int
    took_ms: int
    error: str
    next_ms: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round at an endpoint changes, in one transaction. ``cursor`` empty: it stays. ``let_go``: nothing is left."""

    cursor: str = ""
    attempts: tuple[Attempt, ...] = ()
    again: tuple[tuple[int, int, int], ...] = ()  # seq, attempts, run_at_ms
    done: tuple[int, ...] = ()
    state: str = "enabled"
    failures: int = 0
    failing_since_ms: int = 0
    blocked_until_ms: int = 0
    told: str = ""  # webhook_endpoint.failing or .disabled: everybody else hears of it
    why: str = ""
    let_go: bool = False


def wanted_type(kind: str, types: tuple[str, ...]) -> bool:
    """Whether an endpoint asked for such events: ``payment.*``, ``refund.succeeded``; none named: all."""
    return not types or any(kind == one or one == "*" or (one.endswith(".*") and kind.startswith(one[:-1])) for one in types)


def next_ms(attempts: int, now_ms: int, chance: float, retry_after_s: int = 0) -> int:
    """When the next attempt is due after so many failed ones; 0 when there is none. ``chance`` in 0..1 spreads them."""
    if attempts > len(GAPS_MS):
        return 0
    gap = GAPS_MS[attempts - 1]
    return now_ms + max(round(gap * (1 + 0.1 * chance)), min(retry_after_s, 86_400) * 1000)


def pause_ms(failures: int) -> int:
    """How long an endpoint is left alone after failures in a row; 0 below the breaker."""
    return 0 if failures < BREAKS_AFTER else min(5_000 * 2 ** (failures - BREAKS_AFTER), 300_000)


def state_after(before: str, gone: bool, failures: int, failing_for_ms: int) -> str:
    """Disabled only when its owner had been warned, or when the address itself said that it is gone."""
    if gone or (before == "failing" and failing_for_ms >= DISABLE_AFTER_MS):
        return "disabled"
    if failures and (failures >= BREAKS_AFTER or failing_for_ms >= WARN_AFTER_MS):
        return "failing"
    return "enabled"


class Endpoints(Protocol):
    """What the store keeps for webhooks; every method is one transaction."""

    async def add_endpoint(self, endpoint: Endpoint) -> None: ...
    async def endpoints(self, merchant: str) -> list[Endpoint]: ...
    async def endpoint(self, merchant: str, endpoint_id: str) -> Endpoint | None: ...
    async def change_endpoint(self, endpoint: Endpoint, *, anew: bool) -> None:
        """Address, types and description. ``anew``: its state too, and earlier failures are forgotten."""

    async def change_secrets(self, endpoint: Endpoint) -> bool:
        """False when somebody else changed them since they were read: nothing was written."""

    async def remove_endpoint(self, merchant: str, endpoint_id: str) -> bool: ...
    async def attempts(self, endpoint: Endpoint, *, cursor: str = "", limit: int = 50) -> Page: ...
    async def send_again(
        self, endpoint: Endpoint, from_ms: int, to_ms: int, types: tuple[str, ...], now_ms: int
    ) -> tuple[int, int]:
        """Queue the events of a range (``to_ms`` excluded) that the endpoint asked for, and ``types`` of them if given.

        How many, at most REPLAY_MOST; and the time from which to go on, 0 when there are no more.
        """

    async def send_one(self, endpoint: Endpoint, event_id: str, now_ms: int) -> bool: ...
    async def ping(self, endpoint: Endpoint, now_ms: int) -> str:
        """A test event for this endpoint alone, at once even if it is left alone at the moment; its id."""

    async def claim_endpoints(self, now_ms: int, most: int, lease_ms: int, *, failing: bool = False) -> list[Endpoint]:
        """Lease endpoints that have something to send and are not blocked: the healthy ones, or those whose last failed."""

    async def wanted(self, endpoint: Endpoint, now_ms: int, most: int) -> tuple[Endpoint | None, Sequence[Wanted], bool]:
        """The endpoint as it is now, due repeats (half a page) and fresh events from the cursor; and whether there is more.

        No endpoint: nothing is wanted, somebody else holds it, or it was disabled. ``most`` 1: one of them, a repeat first.
        """

    async def finish_round(self, endpoint: Endpoint, given: Round, now_ms: int) -> bool:
        """False when somebody else holds the endpoint by now: nothing was written."""

    async def let_go(self, endpoint: Endpoint) -> None: ...
    async def sweep_attempts(self, before_ms: int) -> None: ...
