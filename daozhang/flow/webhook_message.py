"""What a delivery says: what happened, and the payment as it is now; signed by every key in force."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daozhang.core import standard_webhook
from daozhang.core.directory import EventRow, Merchant
from daozhang.core.payment import Payment
from daozhang.core.texts import rfc3339
from daozhang.core.webhook import Endpoint
from daozhang.flow import tell
from daozhang.flow.house import House

MOST_BYTES = 20_000
_MOST_KEPT = 500
_LIVES_MS = 5_000
SIGNING_PREFIX, PUBLIC_PREFIX = "whsk_", "whpk_"
_encode = msgspec.json.Encoder(enc_hook=str).encode
Objects = dict[str, dict[str, Any]]
Describe = Callable[[str, Sequence[EventRow]], Awaitable[Objects]]  # merchant, events


async def nothing_more(merchant: str, events: Sequence[EventRow]) -> Objects:
    """For endpoints that hear the bare events."""
    return {}


class Payments(Protocol):
    async def payments_named(self, merchant: str, ids: Sequence[str]) -> list[Payment]: ...


class Describer:
    """The payments that events speak of, as the API describes them; each version once a second, however many hear of it."""

    def __init__(self, house: House, payments: Payments) -> None:
        self._house, self._payments = house, payments
        self._kept: dict[tuple[str, int, int], dict[str, Any]] = {}
        self._merchants: dict[str, tuple[int, Merchant | None]] = {}

    async def __call__(self, merchant: str, events: Sequence[EventRow]) -> Objects:
        wanted = sorted({payment for event in events if (payment := payment_of(event))})
        if not wanted:
            return {}
        who = await self._merchant(merchant)
        found = await self._payments.payments_named(merchant, wanted)
        return {payment.id: await self._one(payment, who) for payment in found}

    async def _one(self, payment: Payment, merchant: Merchant | None) -> dict[str, Any]:
        place = payment.id, payment.version, self._house.clock.now_ms() // 1000
        kept = self._kept.get(place)
        if kept is None:
            kept = await tell.described(self._house, payment, merchant)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[place] = kept
        return kept

    async def _merchant(self, merchant: str) -> Merchant | None:
        now, kept = self._house.clock.now_ms(), self._merchants.get(merchant)
        if kept is None or kept[0] < now:
            if len(self._merchants) >= _MOST_KEPT:
                self._merchants.clear()
            kept = self._merchants[merchant] = now + _LIVES_MS, await self._house.directory.merchant(merchant)
        return kept[1]


def payment_of(event: EventRow) -> str:
    """The payment that an event is about; "" when it is about something else."""
    named = event.data.get("payment", "")
    return named if isinstance(named, str) and named.startswith("pay_") else ""


def body_of(event: EventRow, objects: Objects) -> bytes:
    """``data`` holds the facts as they were when it happened; ``data.object`` is the payment as it is now.

    An event that is repeated hours later must not tell of a payment that is still being checked.
    """
    facts = event.data
    whole = objects.get(payment_of(event))
    if whole is None:
        return _enveloped(event, facts)
    body = _enveloped(event, {**facts, "object": whole})
    if len(body) > MOST_BYTES:
        body = _enveloped(event, {**facts, "object": {**whole, "metadata": {}, "metadata_left_out": True}})
    return body if len(body) <= MOST_BYTES else _enveloped(event, {**facts, "object": None})


def _enveloped(event: EventRow, data: dict[str, Any]) -> bytes:
    return _encode({"type": event.type, "timestamp": rfc3339(event.at_ms), "data": data})


def headers_of(endpoint: Endpoint, event_id: str, body: bytes, now_ms: int, outside_s: int) -> dict[str, str]:
    """Signed with every secret that is in force, so that a rotation loses nothing.

    ``outside_s``: receivers compare a delivery's age with their own clocks, also when ours has been moved.
    """
    signatures = [standard_webhook.sign(secret, event_id, outside_s, body) for secret in endpoint.keys_at(now_ms)]
    if endpoint.signing:
        signatures.append(_sign_v1a(endpoint.signing, event_id, outside_s, body))
    return {"Content-Type": "application/json", "User-Agent": "daozhang-webhooks", "webhook-id": event_id,
            "webhook-timestamp": str(outside_s), "webhook-signature": " ".join(signatures)}  # fmt: skip


def new_signing(random: bytes) -> str:
    """The private half of an Ed25519 key, from 32 random bytes."""
    return SIGNING_PREFIX + base64.b64encode(random).decode()


def public_of(signing: str) -> str:
    """The half that the receiver gets; "" when there is none."""
    return PUBLIC_PREFIX + base64.b64encode(_key_of(signing).public_key().public_bytes_raw()).decode() if signing else ""


def _key_of(signing: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(signing.removeprefix(SIGNING_PREFIX)))


def _sign_v1a(signing: str, event_id: str, at_s: int, body: bytes) -> str:
    return "v1a," + base64.b64encode(_key_of(signing).sign(f"{event_id}.{at_s}.".encode() + body)).decode()
