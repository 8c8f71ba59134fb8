"""The five ports carry everything that is not deterministic: time, chance, the network, the store, and processes.

Server, simulation and tests give different carriers for the same flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from daozhang.core.evidence import Evidence, Finding, Op
from daozhang.core.faults import NoAnswer
from daozhang.core.ledger import Transfer
from daozhang.core.must import must
from daozhang.core.payment import Payment
from daozhang.core.refund import Refund


class Clock(Protocol):
    """Time. In the sandbox it can be moved forward; it never runs backwards."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""

    def monotonic_ms(self) -> float:
        """For measuring spans inside one process."""

    async def sleep_until(self, at_ms: int) -> None:
        """Return once `now_ms` has reached ``at_ms``; earlier waking is a defect, later is life."""


class Rand(Protocol):
    def bytes(self, count: int) -> bytes:
        """So many unpredictable bytes (seeded in the simulation)."""


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Who we are in TLS, for channels that ask: certificate and key in PEM, and whom to trust (empty: the public roots)."""

    certificate: str
    key: str = field(repr=False)
    authority: str = ""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a channel, whole. ``deadline_ms`` covers everything from connecting to the last byte."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    deadline_ms: int
    identity: ClientIdentity | None = None
    most_bytes: int = 0  # of the answer; 0: as much as any ordinary answer may have


@dataclass(frozen=True, slots=True)
class Exchange:
    """What happened on the wire: a whole answer, or the fault that says what is known instead.

    ``trail`` holds the times of each stage in milliseconds since the call began (connected, sent, first_byte, done).
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    fault: NoAnswer | None = None
    trail: dict[str, Any] = field(default_factory=dict)


class Net(Protocol):
    async def call(self, request: HttpRequest) -> Exchange:
        """Send once; never repeats by itself, never raises for what the network does."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line for everybody who must hear of it (outbox): ``payment.paid`` and so on; ``data`` is thin."""

    type: str
    merchant: str
    bucket: int
    subject: str
    at_ms: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key of a merchant, with the fingerprint (sha256 hex) of the request that it was used for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that one phase commits about one payment, in one transaction.

    ``payment`` is the new snapshot; it is written only over version ``payment.version`` (0: a new row), and
    becomes version + 1. ``refund`` likewise, when a refund moves in the same transaction. ``timer_ms`` is the
    next due time of the payment (0: none), ``refund_timer_ms`` of the refund. ``wake``: tell waiting processes.
    ``transfers`` are dated by the last evidence line, or the last event, that comes with them: one must.
    """

    payment: Payment
    evidence: tuple[Evidence, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    events: tuple[Event, ...] = ()
    timer_ms: int = 0
    key: Key | None = None
    refund: Refund | None = None
    refund_timer_ms: int = 0
    wake: bool = False

    def must_be_of_one_payment(self) -> None:
        """Raise Broken when a part belongs to another payment or merchant: no story ever gets a stranger's line."""
        p, r = self.payment, self.refund
        must(all(line.payment == p.id for line in self.evidence), "evidence is of its payment")
        must(all((e.merchant, e.bucket) == (p.merchant, p.bucket) for e in self.events), "events are of their merchant")
        must(
            r is None or (r.payment, r.merchant, r.bucket) == (p.id, p.merchant, p.bucket), "a refund is of its payment"
        )


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed timer: ``subject`` is a payment or refund id; nobody else gets it before the lease ends."""

    subject: str
    bucket: int
    run_at_ms: int
    fence: int


class Store(Protocol):
    """Atomic methods only; every one is one transaction. Simulated and real store are held together by one suite."""

    async def apply(self, change: Change) -> Payment:
        """Commit one phase and return the payment as stored (version raised).

        Raises Conflict (another version is stored), SaleTaken (promise P3), KeyUsed (Idempotency-Key known),
        Broken (an invariant of the schema refused it), Unavailable (the database is away: not written, or, when the
        connection broke for long, not known to be; read it again before concluding anything).
        """

    async def payment(self, payment_id: str) -> Payment | None: ...

    async def evidence(self, payment_id: str) -> list[Evidence]: ...

    async def sale(self, merchant: str, merchant_order_no: str) -> list[Payment]:
        """All attempts of one sale, newest first."""

    async def key(self, merchant: str, key: str) -> "tuple[Key, str] | None":
        """A used Idempotency-Key and the id of what it made."""

    async def refund(self, refund_id: str) -> Refund | None: ...

    async def refunds_of(self, payment_id: str) -> list[Refund]: ...

    async def account(self, account_id: str) -> "AccountRow | None": ...

    async def claim(self, now_ms: int, most: int, lease_ms: int) -> Sequence[Due]:
        """Lease due timers. A lease ends by database time; the fence makes a late holder harmless."""

    async def release(self, due: Due) -> None:
        """Drop a timer that has nothing left to do, if it is still ours."""

    async def next_due_ms(self) -> int | None: ...

    async def alarm(self, kind: str, subject: str, at_ms: int, detail: dict[str, Any]) -> None:
        """Write down something that contradicts us (quarantine); never forgotten, shown to operators."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A merchant's account at a channel. ``secrets`` is the opened (decrypted) table; it never leaves the process."""

    id: str
    bucket: int
    merchant: str
    channel: str
    livemode: bool
    fee_rate: int
    settings: dict[str, Any]
    secrets: dict[str, str] = field(repr=False, default_factory=dict)


class Witness(Protocol):
    """Sees what happens and never changes it: metrics, traces, the log. Called between transactions, never inside one."""

    def asked(self, payment: Payment, op: Op, finding: Finding, took_ms: float) -> None:
        """A channel was asked and this is what came back (or did not)."""

    def moved(self, before: Payment, after: Payment) -> None:
        """A step is durable."""

    def served(self, route: str, status: int, took_ms: float) -> None:
        """A door answered."""

    def unlogged(self, lines: int) -> None:
        """Lines of the request log were lost."""


class Silent:
    """The witness of tests and simulations."""

    def asked(self, payment: Payment, op: Op, finding: Finding, took_ms: float) -> None:
        """Nobody looks."""

    def moved(self, before: Payment, after: Payment) -> None:
        """Nobody looks."""

    def served(self, route: str, status: int, took_ms: float) -> None:
        """Nobody looks."""

    def unlogged(self, lines: int) -> None:
        """Nobody looks."""


class Proc(Protocol):
    """Processes and tasks: what a crash takes away and a restart brings back."""

    def spawn(self, work: Any, name: str) -> None:
        """Run a coroutine beside us; its failure is logged and never silences others."""

    def hold(self, task: Any) -> None:
        """Keep a running task alive whose outcome its caller reads, also when that caller goes away."""
