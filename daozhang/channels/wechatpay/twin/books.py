"""The twin's own books: orders, refunds, payment codes, requests. Every change is one journal record, replayed at start."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WAITING = ("NOTPAY", "USERPAYING")


@dataclass
class Refund:
    """``status`` is the word of APIv3: PROCESSING, SUCCESS, ABNORMAL, CLOSED. A card gets its money back at ``due_ms``."""

    out_refund_no: str
    refund_id: str
    amount_fen: int
    status: str
    created_ms: int
    due_ms: int = 0
    done_ms: int = 0
    notify_url: str = ""
    funds: str = "UNSETTLED"  # out of which of the merchant's accounts


@dataclass
class Order:
    """One trade. ``state`` is the channel's word (NOTPAY, USERPAYING, SUCCESS, REFUND, CLOSED, REVOKED, PAYERROR);
    BLOCKED is a number that was undone before its order came.
    """

    out_trade_no: str
    amount_fen: int
    state: str
    created_ms: int
    description: str = ""
    attach: str = ""
    trade_type: str = "MICROPAY"
    transaction_id: str = ""
    qr: str = ""
    notify_url: str = ""
    openid: str = ""
    bank_type: str = "OTHERS"
    fingerprint: str = ""
    sub_mchid: str = ""
    sub_appid: str = ""
    payer_of: str = ""  # sub_openid: the payer is known by the sub-merchant's app
    api: str = "v3"
    signer: str = ""  # the serial (v3) or the kind of digest (v2) that the merchant's callbacks are signed with
    expires_ms: int = 0
    acts_ms: int = 0  # the payer does something then
    act: str = ""  # pay, cancel, fail
    coupon_fen: int = 0
    captured_fen: int = 0
    returned_fen: int = 0
    paid_ms: int = 0
    closed_ms: int = 0
    refunds: dict[str, Refund] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Something happens to it by itself."""
        return self.state in WAITING or any(refund.due_ms for refund in self.refunds.values())


@dataclass
class Code:
    code: str
    payer: str
    behaviour: str
    expires_ms: int
    used_by: str = ""


@dataclass
class Notify:
    """One callback on its way, with the real schedule of repeats. ``event``: TRANSACTION.SUCCESS, REFUND.SUCCESS, ..."""

    push_id: str
    url: str
    event: str
    order: str
    refund: str
    created_ms: int
    tries: int
    due_ms: int
    spoil: str = ""


@dataclass
class Late:
    """A request that is still under way: it will be carried out at its time, and nobody will hear the reply."""

    op: str
    order: str
    args: dict[str, Any]
    due_ms: int


class Books:
    """All of it in memory; ``append`` makes each change durable before the reply leaves."""

    def __init__(self, append: Callable[[dict[str, Any]], None]) -> None:
        self._append = append
        self.orders: dict[str, Order] = {}
        self.by_transaction: dict[str, str] = {}
        self.refunds: dict[str, str] = {}  # refund number -> order number
        self.busy: dict[str, None] = {}  # the few orders to which something will happen by itself
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
            kinds: dict[str, Any] = {"order": _order, "code": _code, "notify": _notify, "late": _late}
            self._keep(record["kind"], kinds[record["kind"]](record["record"]))
        self.numbers += 1

    def _keep(self, kind: str, record: Any) -> None:
        match kind:
            case "order":
                self.orders[record.out_trade_no] = record
                if record.transaction_id:
                    self.by_transaction[record.transaction_id] = record.out_trade_no
                for number in record.refunds:
                    self.refunds[number] = record.out_trade_no
                if record.busy:
                    self.busy[record.out_trade_no] = None
                else:
                    self.busy.pop(record.out_trade_no, None)
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
            self.late = [late for late in self.late if late.order != key]


def _order(record: dict[str, Any]) -> Order:
    return Order(**{**record, "refunds": {name: Refund(**held) for name, held in record["refunds"].items()}})


def _code(record: dict[str, Any]) -> Code:
    return Code(**record)


def _notify(record: dict[str, Any]) -> Notify:
    return Notify(**record)


def _late(record: dict[str, Any]) -> Late:
    return Late(**record)
