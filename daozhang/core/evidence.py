"""What was said about a payment, by whom, and what it proves.

An answer moves a payment only if a table says that it *proves* that. `Proves.NOTHING` is the default for
every answer that nobody has ever seen.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.texts import kept


class Op(StrEnum):
    """What we ask a channel. PAY stands for both ways to start: by the payer's code and by our QR."""

    PAY = "pay"
    QUERY = "query"
    REVERSE = "reverse"  # result unknown: undo whatever happened
    CLOSE = "close"  # known unpaid
    REFUND = "refund"
    REFUND_QUERY = "refund_query"
    NOTIFY = "notify"  # not asked: the channel speaks first


class Proves(StrEnum):
    """What one answer proves about the order that it names."""

    NOTHING = "nothing"
    NOT_SENT = "not_sent"  # no byte left us
    CAPTURED = "captured"  # the payer was charged for this order, with this amount
    REFUSED = "refused"  # this very request was refused and nothing was charged
    WAITING = "waiting"  # the order is known and the payer has not finished
    SHOWN = "shown"  # a QR was made; nobody has paid it yet
    ABSENT = "absent"  # the channel knows no such order; at first not a proof (dossier 0.6)
    CLOSED = "closed"  # the order is closed and was never charged
    RETURNED = "returned"  # the order was charged and given back in full
    REVOKED = "revoked"  # the order was undone; whether it had been charged before, the channel does not say
    UNDONE_UNPAID = "undone_unpaid"  # undo accepted, and the channel says there was no charge
    UNDONE_PAID = "undone_paid"  # undo accepted, and the channel says it gives a charge back
    UNDONE_ABSENT = "undone_absent"  # undo accepted for an order that the channel did not know
    UNDONE = "undone"  # undo accepted; the channel does not say whether there had been a charge
    UNDO_AGAIN = "undo_again"  # undo not finished: ask again
    UNDO_REFUSED = "undo_refused"  # the channel will not undo; the payment's state stays open
    REFUND_DONE = "refund_done"
    REFUND_PENDING = "refund_pending"
    REFUND_REFUSED = "refund_refused"
    REFUND_NO_FUNDS = "refund_no_funds"


_STRANGERS = frozenset({"code", "text", "trade_no", "qr", "detail"})


@dataclass(frozen=True)
class Finding:
    """One answer, read through its channel's table.

    ``code`` is the channel's own code (or a transport code), ``hint`` a cause id the table connects with it,
    ``alarm`` names an answer that contradicts what we asked (wrong amount, seller, app or signature).
    Amounts in fen, times in milliseconds of UTC. ``detail`` holds redacted fields for people, never personal data.
    """

    proves: Proves = Proves.NOTHING
    code: str = ""
    text: str = ""
    hint: str = ""
    alarm: str = ""
    amount_fen: int = 0
    payer_paid_fen: int = 0
    received_fen: int = 0
    refunded_fen: int = 0
    trade_no: str = ""
    paid_ms: int = 0
    qr: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    trail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _STRANGERS:
            object.__setattr__(self, name, kept(getattr(self, name)))

    def but(self, **changes: Any) -> "Finding":
        """The same answer with some fields changed; what is new of strangers is made fit to be kept."""
        return changed(self, **{name: kept(value) if name in _STRANGERS else value for name, value in changes.items()})


@dataclass(frozen=True)
class Evidence:
    """One line of a payment's story; append-only. ``kind``: asked, answered, notified, act, told, decided."""

    payment: str
    n: int
    at_ms: int
    kind: str
    who: str
    op: str = ""
    proves: str = ""
    code: str = ""
    text: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    refund: str = ""

    @property
    def id(self) -> str:
        """``evd_`` + the payment's ULID + the line's number: an evidence id leads back to its payment."""
        return f"evd_{self.payment[4:]}_{self.n}"


def answered(payment: str, n: int, at_ms: int, who: str, op: Op, finding: Finding, refund: str = "") -> Evidence:
    """The line for an answer (or for its absence), with the transport trail as part of the evidence."""
    detail = dict(finding.detail)
    if finding.trail:
        detail["trail"] = finding.trail
    if finding.hint:
        detail["hint"] = finding.hint
    if finding.alarm:
        detail["alarm"] = finding.alarm
    kind = "notified" if op is Op.NOTIFY else "answered"
    return Evidence(
        payment, n, at_ms, kind, who, op.value, finding.proves.value, finding.code, finding.text, detail, refund
    )


def asked(payment: str, n: int, at_ms: int, who: str, op: Op, refund: str = "") -> Evidence:
    """The line that is durable before the question leaves us."""
    return Evidence(payment, n, at_ms, "asked", who, op.value, refund=refund)
