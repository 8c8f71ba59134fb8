"""The twin's own books: orders, refunds, payment codes, requests. Every change is one journal record, replayed at start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Order:
    """One payment. ``state``: SHOWN (a QR that nobody has scanned), PAYING, PAID, FAILED (with ``fail``), REVERSED."""

    order_id: str
    txn_time: str
    amount_fen: int
    kind: str  # pay, apply
    state: str
    created_ms: int
    query_id: str = ""
    trace_no: int = 0
    fail: str = ""
    code: str = ""
    qr: str = ""
    notify_url: str = ""
    payer: str = ""
    access: str = "0"
    sub_mer_id: str = ""  # for whom an acquirer or a platform speaks
    acq_ins_code: str = ""
    reserved: str = ""
    expires_ms: int = 0
    acts_ms: int = 0  # the payer does something then
    act: str = ""  # pay, or the code it fails with
    captured_fen: int = 0
    returned_fen: int = 0
    paid_ms: int = 0
    closed_ms: int = 0


@dataclass
class Back:
    """A refund (04) or an undo (31): an order of its own that names the payment."""

    order_id: str
    txn_time: str
    amount_fen: int
    kind: str  # refund, undo
    orig: str
    created_ms: int
    query_id: str
    trace_no: int
    notify_url: str = ""
    access: str = "0"


@dataclass
class Code:
    code: str
    payer: str
    behaviour: str
    expires_ms: int
    used_by: str = ""


@dataclass
class Notify:
    """One notify on its way, with its schedule of repeats."""

    push_id: str
    url: str
    fields: dict[str, str]
    tries: int
    due_ms: int
    spoil: str = ""


@dataclass
class Late:
    """A request that is still under way: it will be carried out at its time, and nobody will hear the reply."""

    order: str
    op: str
    fields: dict[str, str]
    due_ms: int


class Books:
    """All of it in memory; ``append`` makes each change durable before the reply leaves."""

    def __init__(self, append: Callable[[dict[str, Any]], None]) -> None:
        self._append = append
        self.orders: dict[str, Order] = {}
        self.backs: dict[str, Back] = {}
        self.by_query: dict[str, str] = {}
        self.waiting: dict[str, None] = {}  # the few orders that somebody has still to pay
        self.codes: dict[str, Code] = {}
        self.notifies: dict[str, Notify] = {}
        self.late: dict[str, Late] = {}
        self.requests: list[dict[str, Any]] = []
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
            kinds: dict[str, Any] = {"order": Order, "back": Back, "code": Code, "notify": Notify, "late": Late}
            self._keep(record["kind"], kinds[record["kind"]](**record["record"]))
        self.numbers += 1

    def _keep(self, kind: str, record: Any) -> None:
        match kind:
            case "order":
                self.orders[record.order_id] = record
                if record.query_id:
                    self.by_query[record.query_id] = record.order_id
                if record.state in ("PAYING", "SHOWN"):
                    self.waiting[record.order_id] = None
                else:
                    self.waiting.pop(record.order_id, None)
            case "back":
                self.backs[record.order_id] = record
            case "code":
                self.codes[record.code] = record
            case "notify":
                self.notifies[record.push_id] = record
            case "late":
                self.late[record.order] = record

    def _drop(self, kind: str, key: str) -> None:
        (self.notifies if kind == "notify" else self.late).pop(key, None)
