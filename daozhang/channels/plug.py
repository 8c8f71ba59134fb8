"""What every channel folder offers, in words that name no channel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from daozhang.core.evidence import Finding, Op
from daozhang.core.faults import Fault
from daozhang.core.payment import Payment
from daozhang.core.ports import AccountRow, Exchange, HttpRequest
from daozhang.core.refund import Refund


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a channel needs to write one request. ``code`` (the payer's) exists only while it is in memory."""

    op: Op
    payment: Payment
    now_ms: int
    deadline_ms: int
    code: str = field(default="", repr=False)
    refund: Refund | None = None
    notify_url: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A notify as it came in, read but not believed. ``names`` leads to the accounts that may have been meant.

    ``sealed``: it does not even name its order; the account that its address names must unseal it first.
    """

    names: Mapping[str, str]
    fields: Mapping[str, str]
    raw: bytes = field(repr=False, default=b"")
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A notify after the checks. ``order_no`` is empty when the notify is not about an order of ours."""

    verified: bool
    order_no: str
    finding: Finding
    about_refund: bool = False


class BadNotify(Fault):
    """A notify that cannot even be read: ``why`` is safe to log."""


@dataclass(frozen=True, slots=True)
class BillLink:
    """Where a day's bill lies. ``sha1``: of the unpacked file, where the channel tells it; ``content``: the file itself."""

    url: str
    sha1: str = ""
    content: bytes = field(default=b"", repr=False)


class NoBill(Fault):
    """The channel gives no bill: ``code`` is its own (or a transport code), ``text`` says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code, self.text = code, text


class BillWire(Protocol):
    """What ``wire.py`` offers of channels whose bills can be asked for; ``bill.py`` reads what came."""

    def ask_bill(self, account: Any, day: str, kind: str, now_ms: int) -> HttpRequest:
        """Ask for the bill of a day of China (``yyyy-MM-dd``); ``kind`` in the channel's own word, empty: the trades."""

    def read_bill_reply(self, account: Any, exchange: Exchange) -> BillLink:
        """Raises NoBill, also for everything that cannot be believed."""

    def fetch_bill(self, account: Any, link: BillLink, now_ms: int) -> HttpRequest | None:
        """Fetch what the link leads to; None when its content is in the link already."""


class Wire(Protocol):
    """The module ``wire.py`` of a channel folder."""

    def open_account(self, row: AccountRow, manifest: Mapping[str, Any]) -> Any:
        """Parse keys once, check that a sandbox account points at the sandbox and a live one at the live host."""

    def write(self, account: Any, question: Question) -> HttpRequest: ...

    def read(self, account: Any, question: Question, exchange: Exchange) -> Finding:
        """What the exchange proves about this very order. Never raises for what came over the wire."""

    def hear(self, content_type: str, query: str, body: bytes) -> Heard:
        """Raises BadNotify."""

    def unseal(self, account: Any, heard: Heard, headers: Mapping[str, str], now_ms: int) -> Heard:
        """A sealed notify, verified and opened (only of channels whose `hear` gives sealed ones). Raises BadNotify.

        ``headers`` by lower-case name.
        """

    def judge(self, account: Any, heard: Heard, payment: Payment | None) -> Judged: ...

    def thanks(self, believed: bool) -> tuple[int, str, bytes]:
        """Status, content type and body that this channel takes for "received" or for "send it again"."""

    def describe(self, message: bytes) -> dict[str, Any] | None:
        """The message as a person would read it; None when it is not of this wire."""
