"""Believing a webhook: signature, age, and not twice (Standard Webhooks)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

TOLERANCE_S = 300


class BadDelivery(Exception):
    """Not to be believed: ``why`` is missing, old, early, wrong, again or unreadable. Answer 400 and do nothing."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this delivery is {why}")
        self.why = why


class Delivery(Struct):
    """``id`` is the same at every repeat of one event."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secret: str, tolerance_s: float = TOLERANCE_S, *, now: float | None = None,
    seen: Callable[[str], bool] = lambda ident: False,
) -> Delivery:  # fmt: skip
    """The event of a delivery. Raises BadDelivery.

    ``secret``: ``whsec_…``; during a rotation both, divided by a blank. ``tolerance_s``: how old or early it may be. ``seen`` is asked whether an id was handled
    before: events come at least once, so keep the ids that you handled.
    """
    given = {name.lower(): value for name, value in headers.items()}
    ident, at, signatures = given.get("webhook-id", ""), given.get("webhook-timestamp", ""), given.get("webhook-signature", "")
    if not ident or not at or not signatures:
        raise BadDelivery("missing")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12):
        raise BadDelivery("wrong")
    late = (time.time() if now is None else now) - int(at)
    if abs(late) > tolerance_s:
        raise BadDelivery("old" if late > 0 else "early")
    ours = [_sign(one, ident, at, body) for one in secret.split()]
    if not any(hmac.compare_digest(one, theirs.encode("utf-8", "replace")) for one in ours for theirs in signatures.split()[:16]):
        raise BadDelivery("wrong")
    if seen(ident):
        raise BadDelivery("again")
    try:
        told = msgspec.json.decode(body)
        return Delivery(ident, told["type"], told["timestamp"], told["data"])
    except (msgspec.DecodeError, KeyError, TypeError):
        raise BadDelivery("unreadable") from None


def _sign(secret: str, ident: str, at: str, body: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is whsec_ and base64, as it was shown when the endpoint was made") from None
    return b"v1," + base64.b64encode(hmac.digest(key, f"{ident}.{at}.".encode() + body, hashlib.sha256))
