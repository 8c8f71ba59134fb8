"""Signatures of ACP 5.1.0: the exact text that is signed, and whose certificate may sign it (dossier 3.1).

A reply brings the certificate it was signed with. That proves nothing by itself: the certificate must come from the root
and the middle certificate of the account, be in force, and name the company that may sign.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from daozhang.channels.keys import BadKey, RsaVerifier, Signer, Verifier

COMPANY = "中国银联股份有限公司"
_KEPT = 8  # certificates change once in years; strangers' ones must not fill the memory


def canonical(fields: Mapping[str, str]) -> str:
    """All fields but ``signature`` and empty ones, sorted by name, raw ``k=v`` joined by ``&``."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature" and fields[name] != "")


def message(fields: Mapping[str, str]) -> bytes:
    """What is signed: the SHA-256 of the canonical text, written as lower-case hexadecimal."""
    return sha256(canonical(fields).encode()).hexdigest().encode()


def sign(fields: Mapping[str, str], key: Signer) -> str:
    return base64.b64encode(key.sign(message(fields))).decode()


def holds(fields: Mapping[str, str], key: Verifier) -> bool:
    """Whether ``signature`` is the key's for these very fields."""
    given = fields.get("signature", "")
    try:
        raw = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    # base64 has texts that decode alike; only the canonical one is taken.
    return base64.b64encode(raw).decode() == given and key.verify(message(fields), raw)


def parse(text: str) -> dict[str, str] | None:
    """A reply: ``k=v`` joined by ``&``, not url-encoded. A value in braces may hold both signs. None when it is no reply."""
    fields: dict[str, str] = {}
    for part in _parts(text):
        name, equals, value = part.partition("=")
        if not equals or not name.isalnum() or name in fields:
            return None
        fields[name] = value
    return fields


def _parts(text: str) -> list[str]:
    parts, open_part, depth = [], "", 0
    for piece in text.split("&"):
        open_part = f"{open_part}&{piece}" if open_part else piece
        depth += piece.count("{") - piece.count("}")
        if depth <= 0:
            parts.append(open_part)
            open_part = ""
    return parts if not open_part else [*parts, open_part]


class Trust:
    """Root and middle certificate of an account; remembers the certificates that it has already found good."""

    def __init__(self, root_pem: str, middle_pem: str) -> None:
        root, self._middle = _load(root_pem, "root_certificate"), _load(middle_pem, "middle_certificate")
        if not _issued(root, root):
            raise BadKey("root_certificate", "it is not signed by itself")
        if not _issued(self._middle, root):
            raise BadKey("middle_certificate", "it does not come from the root certificate")
        self._good: dict[str, tuple[x509.Certificate, RsaVerifier]] = {}

    def key_of(self, pem: str, at_ms: int) -> Verifier | None:
        """The key of a certificate that may sign at this time (0: at any); None otherwise."""
        found = self._good.get(pem) or self._checked(pem)
        if found is None:
            return None
        leaf, key = found
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        for certificate in (leaf, self._middle):
            if at_ms and not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
                return None
        return key

    def _checked(self, pem: str) -> tuple[x509.Certificate, RsaVerifier] | None:
        try:
            leaf = _load(pem, "signPubKeyCert")
            if not _issued(leaf, self._middle) or _company(leaf) != COMPANY:
                return None
            key = leaf.public_key()
        except Exception:
            return None  # a stranger's broken certificate breaks in many ways, and late: none of them is a signature
        if not isinstance(key, rsa.RSAPublicKey):
            return None
        if len(self._good) >= _KEPT:
            self._good.clear()
        self._good[pem] = leaf, RsaVerifier(key)
        return self._good[pem]


class SimulatedTrust:
    """The simulation's stand-in: one keyed hash, no certificates."""

    def __init__(self, key: Verifier) -> None:
        self._key = key

    def key_of(self, pem: str, at_ms: int) -> Verifier | None:
        return self._key if pem == "simulated" else None


def _load(pem: str, which: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, x509.InvalidVersion):
        raise BadKey(which, "not a certificate in PEM") from None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False


def _company(certificate: x509.Certificate) -> str:
    """The third part of a common name such as ``041@8310000000083040@company@00016493``."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    parts = str(names[0].value).split("@") if len(names) == 1 else []
    return parts[2] if len(parts) == 4 else ""
