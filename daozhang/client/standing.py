"""What stands beside the payments: the settlement account, code plates, releases of daozhang's own software."""

from msgspec import Struct

from daozhang.client import words as say
from daozhang.client.causes import Cause, NextStep


class SettlementAccount(Struct):
    """As far as somebody told us; null is not known. ``cause``: why received money is not at the bank."""

    object: str
    merchant: str
    payout: str | None
    payout_code: str | None
    hold: bool | None
    pending: int | None
    pending_since: say.Time | None
    minimum: int | None
    cutoff: str | None
    closed_days: list[str]
    weekends: bool | None
    at: say.Time | None
    by: str | None
    cause: Cause | None
    next_step: NextStep | None


class TillPlate(Struct):
    """``url``: the payer's page, which the shop prints (``picture``: as a QR, SVG). ``own``: what the till's plate reads as, that
    address where nothing else was entered (null: our own address is not settled either); ``reads``: what was read in the shop last.
    """

    object: str
    till: str
    token: str
    url: str
    picture: str
    own: str | None
    reads: str | None
    at: say.Time | None
    by: str | None
    cause: Cause | None
    next_step: NextStep | None


class Release(Struct):
    """A version of daozhang and when it was at work first."""

    object: str
    version: str
    at: say.Time | None
    by: str
    says: str | None


class ReleasePage(Struct):
    data: list[Release]
    has_more: bool
    next_cursor: str | None
