"""Who is who: merchants, their stores and tills, the keys programs use, and the channel accounts."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from daozhang.core.payment import Payment
from daozhang.core.ports import AccountRow


@dataclass(frozen=True, slots=True)
class Merchant:
    """``late_policy``: what happens to a late success nobody answers for: ``keep`` or ``refund`` after ``late_after_s``.

    ``trade`` shapes what the cashier is told (``goods`` can be held back, ``consumed`` such as a meal or fuel cannot).
    """

    id: str
    bucket: int
    name: str
    livemode: bool
    created_ms: int
    late_policy: str = "refund"
    late_after_s: int = 1800
    trade: str = "goods"
    settlement_mode: str = "channel_direct"


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant's store (门店). Named Shop in code, because Store is the port."""

    id: str
    bucket: int
    merchant: str
    name: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Till:
    id: str
    bucket: int
    merchant: str
    store: str
    name: str
    created_ms: int


API_VERSION = "2026-12-01"
VERSIONS = (API_VERSION,)  # oldest first; each is kept for 18 months after its successor


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key is shown once; only its sha256 stays. ``merchant`` empty: a platform key (it may create merchants)."""

    id: str
    bucket: int
    merchant: str
    livemode: bool
    scopes: frozenset[str]
    sha256: str
    created_ms: int
    revoked_ms: int = 0
    version: str = API_VERSION


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the outbox as read. ``cursor`` is opaque, and never skips a line that commits late."""

    id: str
    cursor: str
    type: str
    subject: str
    at_ms: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Any] = field(default_factory=list)
    next_cursor: str = ""
    has_more: bool = False


class Directory(Protocol):
    """Rows of merchants; every method that reads one names the merchant that may see it (promise P12)."""

    async def add_merchant(self, merchant: Merchant) -> None: ...
    async def merchant(self, merchant_id: str) -> Merchant | None: ...
    async def merchants(self, cursor: str, limit: int) -> Page: ...
    async def change_merchant(self, merchant: Merchant) -> None: ...
    async def add_shop(self, shop: Shop) -> None: ...
    async def shop(self, merchant: str, shop_id: str) -> Shop | None: ...
    async def shops(self, merchant: str, cursor: str, limit: int) -> Page: ...
    async def add_till(self, till: Till) -> None: ...
    async def till(self, merchant: str, till_id: str) -> Till | None: ...
    async def tills(self, merchant: str, cursor: str, limit: int) -> Page: ...
    async def add_key(self, key: ApiKey) -> None: ...
    async def key_by_hash(self, sha256: str) -> ApiKey | None: ...
    async def keys(self, merchant: str) -> list[ApiKey]: ...
    async def revoke_key(self, merchant: str, key_id: str, at_ms: int) -> bool: ...
    async def add_account(self, account: AccountRow, sealed: bytes) -> None: ...
    async def accounts(self, merchant: str) -> list[AccountRow]: ...
    async def account_for(self, merchant: str, channel: str, livemode: bool) -> AccountRow | None: ...
    async def accounts_by_app(self, channel: str, app_id: str) -> list[AccountRow]: ...


class Reading(Protocol):
    """Lists and searches. Every query is served by an index."""

    async def payments(
        self,
        merchant: str,
        *,
        cursor: str = "",
        limit: int = 50,
        state: str = "",
        till: str = "",
        created_from_ms: int = 0,
        created_to_ms: int = 0,
        order_no: str = "",
    ) -> Page: ...

    async def unresolved(self, merchant: str, *, till: str = "", limit: int = 50) -> list[Payment]: ...

    async def lookup(
        self, merchant: str, *, no_tail: str = "", amount_fen: int = 0, from_ms: int = 0, to_ms: int = 0, till: str = ""
    ) -> list[Payment]:
        """By the last 4 or more characters of our order number, the merchant's or the channel's; or amount and time."""

    async def refunds(self, merchant: str, *, payment: str = "", cursor: str = "", limit: int = 50) -> Page: ...
    async def events(self, merchant: str, *, cursor: str = "", limit: int = 100, subject: str = "") -> Page: ...
    async def cursor_at(self, merchant: str, at_ms: int) -> str:
        """The cursor after all events older than a time; empty before the first."""

    async def event(self, merchant: str, event_id: str) -> EventRow | None: ...
    async def balances(self, merchant: str) -> dict[str, int]: ...
    async def trial_balance(self) -> int:
        """Sum of all balances of all accounts, in fen: always 0."""

    async def alarms(self, *, cursor: str = "", limit: int = 50) -> Page: ...
    async def possible_twin(self, payment: Payment, within_ms: int) -> str | None:
        """Another paid payment of the same till and amount near it in time (promise P3: the shop is asked)."""
