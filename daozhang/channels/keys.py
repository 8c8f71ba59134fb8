"""Signing keys, parsed once: loading one from PEM costs as much as a hundred signatures.

``simulated:SECRET`` stands for a keyed hash, used where virtual time would otherwise be spent on RSA; it is refused
for accounts in live mode.
"""

import hashlib
import hmac
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from daozhang.core.faults import Fault

_SIMULATED = "simulated:"


class BadKey(Fault):
    """A key text that cannot be used; ``which`` names the field, never the content."""

    def __init__(self, which: str, why: str) -> None:
        super().__init__(f"{which}: {why}")
        self.which = which
        self.why = why


class Signer(Protocol):
    def sign(self, message: bytes) -> bytes: ...


class Verifier(Protocol):
    def verify(self, message: bytes, signature: bytes) -> bool: ...


class RsaSigner:
    """SHA256withRSA, PKCS #1 v1.5."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())


class RsaVerifier:
    """SHA256withRSA, PKCS #1 v1.5."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self._key = key

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class HashKey:
    """The simulation's stand-in for both halves of a pair."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, hashlib.sha256)

    def verify(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self.sign(message), signature)


def _pem(text: str, label: str) -> bytes:
    """Channels hand out keys with and without the PEM lines; both are accepted."""
    text = text.strip()
    if "-----BEGIN" in text:
        return text.encode()
    body = "".join(text.split())
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def signer(text: str, which: str, livemode: bool) -> Signer:
    """Our private key, PKCS #1 or PKCS #8, with or without PEM lines. Raises BadKey."""
    if text.startswith(_SIMULATED):
        if livemode:
            raise BadKey(which, "a simulated key cannot be used in live mode")
        return HashKey(text.removeprefix(_SIMULATED))
    for label in ("PRIVATE KEY", "RSA PRIVATE KEY"):
        try:
            key = serialization.load_pem_private_key(_pem(text, label), password=None)
        except (ValueError, TypeError):
            continue
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
            return RsaSigner(key)
        raise BadKey(which, "an RSA key of at least 2048 bits is needed")
    raise BadKey(which, "not a private key in PKCS #1 or PKCS #8")


def verifier(text: str, which: str, livemode: bool) -> Verifier:
    """The channel's public key, with or without PEM lines. Raises BadKey."""
    if text.startswith(_SIMULATED):
        if livemode:
            raise BadKey(which, "a simulated key cannot be used in live mode")
        return HashKey(text.removeprefix(_SIMULATED))
    try:
        key = serialization.load_pem_public_key(_pem(text, "PUBLIC KEY"))
    except (ValueError, TypeError):
        raise BadKey(which, "not a public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise BadKey(which, "an RSA key of at least 2048 bits is needed")
    return RsaVerifier(key)
