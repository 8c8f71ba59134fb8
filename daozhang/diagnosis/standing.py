"""Things that stand: a settlement account, a merchant's program that we tell, a code plate. What is known of each, as signs.

What nobody has said stays unknown and speaks for nobody. Return codes of banks are those of ISO 20022 (external code set
"payment return reason").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from daozhang.diagnosis.signs import FUNDS, PLATE, RECEIVER, Sign, Signs

PAYOUTS = ("waiting", "sent", "arrived", "returned")
_SHOP_ZONE = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INVALID = frozenset({"AC04", "AC06", "AC13", "AC14", "MD07"})  # closed, blocked, of a kind that takes nothing, owner deceased
_OTHER = frozenset({"AC01", "AC03", "BE01", "BE05", "RC01"})  # number or name or bank is not that of the contract
_FULL = frozenset({"AM02", "AM23"})  # beyond what may be settled
_SIGNATURE_REFUSED = (401, 403)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant's settlement account and its last payout, as far as somebody told us; the defaults say that nobody did.

    ``payout``: one of PAYOUTS; ``payout_code``: the bank's code with it. ``cutoff``: HH:MM of the shop's day. ``closed_days``:
    dates on which banks pay nothing in; ``weekends`` false: nor on Saturdays and Sundays.
    """

    payout: str = ""
    payout_code: str = ""
    hold: bool | None = None
    pending_fen: int | None = None
    pending_since_ms: int = 0
    minimum_fen: int | None = None
    cutoff: str = ""
    closed_days: Sequence[str] = ()
    weekends: bool | None = None


def of_account(one: Account, now_ms: int, source: str = "") -> Signs:
    """Whether money that was received reaches the merchant's bank, and what is in its way. ``source``: who said so, and when."""
    found: dict[str, str] = {"payout": one.payout}
    if one.payout:
        code = one.payout_code
        found["account"] = "invalid" if code in _INVALID else "other" if code in _OTHER else "good"
        found["capacity"] = "full" if one.payout == "waiting" and code in _FULL else "free"
    if one.hold is not None:
        found["hold"] = "held" if one.hold else "none"
    if one.pending_fen:
        if one.minimum_fen is not None:
            found["balance"] = "below" if one.pending_fen < one.minimum_fen else "enough"
        found["day"], found["hour"] = _day(one, now_ms), _hour(one, now_ms)
    return Signs({name: Sign(value, _lines(source)) for name, value in found.items() if value}, {}, FUNDS)


def _lines(source: str) -> tuple[str, ...]:
    return (source,) if source else ()


def _wall(at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_SHOP_ZONE)


def _day(one: Account, now_ms: int) -> str:
    today = _wall(now_ms)
    if today.date().isoformat() in one.closed_days or (one.weekends is False and today.weekday() >= _SATURDAY):
        return "holiday"
    return "workday" if one.closed_days or one.weekends is not None else ""


def _hour(one: Account, now_ms: int) -> str:
    """Only today's money can be late for today's cut-off."""
    if not one.cutoff or not one.pending_since_ms:
        return ""
    came, today = _wall(one.pending_since_ms), _wall(now_ms)
    return "after" if came.date() == today.date() and f"{came:%H:%M}" >= one.cutoff else "before"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook endpoint: its state, failures in a row, and the status of the last attempt (0: no answer)."""

    state: str
    failures: int
    status: int


def of_receiver(one: Receiver, source: str = "") -> Signs:
    """``source``: the event whose delivery was tried last."""
    ill = one.failures > 0
    value = "refusing" if ill and one.status in _SIGNATURE_REFUSED else "failing" if ill else "well"
    return Signs({"receiver": Sign(value, _lines(source))}, {}, RECEIVER)


@dataclass(frozen=True, slots=True)
class Plate:
    """A code plate: what this till's own reads as, and what was read in the shop last; empty: nobody looked."""

    own: str
    reads: str = ""


def of_plate(one: Plate, source: str = "") -> Signs:
    """``source``: who looked, and when."""
    if not one.own or not one.reads:
        return Signs({}, {}, PLATE)
    return Signs({"plate": Sign("own" if one.own == one.reads else "other", _lines(source))}, {}, PLATE)
