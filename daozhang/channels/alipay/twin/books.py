"""The twin's own books: orders, refunds, payment codes, requests. Every change is one journal record, replayed at start."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Order:
    """One trade. ``state`` is the channel's word; a shown QR that nobody has scanned is SHOWN, and not yet a trade."""

    out_trade_no: str
    amount_fen: int
    subject: str
    state: str
    created_ms: int
    trade_no: str = ""
    code: str = ""
    qr: str = ""
    notify_url: str = ""
    seller_id: str = ""
    buyer: str = ""
    fingerprint: str = ""
    expires_ms: int = 0
    acts_ms: int = 0  # the payer does something then
    act: str = ""  # pay, cancel
    captured_fen: int = 0
    returned_fen: int = 0
    paid_ms: int = 0
    closed_ms: int = 0
    refunds: dict[str, int] = field(default_factory=dict)
    last_refund_ms: int = 0
    refund_times: dict[str, int] = field(default_factory=dict)
    app_id: str = ""  # the app that asked, where it is not the merchant's own


@dataclass
class Code:
    code: str
    payer: str
    behaviour: str
    expires_ms: int
    used_by: str = ""


@dataclass
class Notify:
    """One notify on its way, with the real schedule of repeats."""

    push_id: str
    url: str
    fields: dict[str, str]
    tries: int
    due_ms: int
    spoil: str = ""


@dataclass
class Late:
    """A request that is still under way: it will be carried out at its time, and nobody will hear the reply."""

    method: str
    biz: dict[str, Any]
    notify_url: str
    due_ms: int
    app_id: str = ""


class Books:
    """All of it in memory; ``append`` makes each change durable before the reply leaves."""

    def __init__(self, append: Callable[[dict[str, Any]], None]) -> None:
        self._append = append
        self.orders: dict[str, Order] = {}
        self.waiting: dict[str, None] = {}  # the few trades that somebody has still to pay
        self.codes: dict[str, Code] = {}
        self.notifies: dict[str, Notify] = {}
        self.late: list[Late] = []
        self.requests: list[dict[str, Any]] = []
        self.seller_balance_fen: int | None = None  # None: always enough
        self.numbers = 0

    def put(self, kind: str, record: Any) -> None:
        """Keep a whole record and write it down."""
        self._keep(kind, record)
        self._append({"kind": kind, "record": dict(vars(record))})

    def drop(self, kind: str, key: str) -> None:
        self._drop(kind, key)
        self._append({"drop": kind, "key": key})

    def asked(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        self._append({"request": request})

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def replay(self, record: dict[str, Any]) -> None:
        """One journal record, as written by an earlier life."""
        if "request" in record:
            self.requests.append(record["request"])
        elif "drop" in record:
            self._drop(record["drop"], record["key"])
        else:
            kinds: dict[str, Any] = {"order": Order, "code": Code, "notify": Notify, "late": Late}
            self._keep(record["kind"], kinds[record["kind"]](**record["record"]))
        self.numbers += 1

    def _keep(self, kind: str, record: Any) -> None:
        match kind:
            case "order":
                self.orders[record.out_trade_no] = record
                if record.state == "WAIT_BUYER_PAY":
                    self.waiting[record.out_trade_no] = None
                else:
                    self.waiting.pop(record.out_trade_no, None)
            case "code":
                self.codes[record.code] = record
            case "notify":
                self.notifies[record.push_id] = record
            case "late":
                self.late.append(record)

    def _drop(self, kind: str, key: str) -> None:
        if kind == "notify":
            self.notifies.pop(key, None)
        elif kind == "late":
            self.late = [late for late in self.late if late.biz.get("out_trade_no") != key]
