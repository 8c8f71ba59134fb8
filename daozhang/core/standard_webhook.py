"""Standard Webhooks: what is signed, and how a signature is written and checked (the scheme's version 1)."""

import base64
import hashlib
import hmac

from daozhang.core.faults import Fault

SECRET_PREFIX = "whsec_"
LEAST_SECRET = 24  # bytes
TOLERANCE_S = 300


class BadSignature(Fault):
    """A delivery that cannot be believed; ``why`` is missing, old, early or wrong."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the delivery's signature is {why}")
        self.why = why


def new_secret(random: bytes) -> str:
    """A secret as it is handed over: ``whsec_`` and base64 of at least 24 random bytes."""
    if len(random) < LEAST_SECRET:
        raise ValueError("a secret has at least 24 bytes")
    return SECRET_PREFIX + base64.b64encode(random).decode()


def key_of(secret: str) -> bytes:
    """The bytes behind a secret. Raises ValueError."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``."""
    message = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), message, hashlib.sha256)).decode()


def verify(secrets: list[str], message_id: str, timestamp: str, signatures: str, body: bytes, now_s: int) -> None:
    """Raises BadSignature. Any secret and any of the signatures may match: both sides may be in the middle of a rotation."""
    if not message_id or not timestamp or not signatures:
        raise BadSignature("missing")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise BadSignature("wrong")
    if int(timestamp) < now_s - TOLERANCE_S:
        raise BadSignature("old")
    if int(timestamp) > now_s + TOLERANCE_S:
        raise BadSignature("early")
    expected = [sign(secret, message_id, int(timestamp), body).encode() for secret in secrets]
    given = [text.encode("utf-8", "replace") for text in signatures.split(" ")[:16]]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise BadSignature("wrong")
