"""The sandbox's certificates: a root bundle as Alipay's (RSA and ECC side by side), Alipay's own, and the app's.

They are made from the sandbox's key pairs, whose RSA signatures are the same at each start; their dates are fixed, so that
the clock may be moved far without one of them ending. Worth nothing elsewhere.
"""

from datetime import UTC, datetime
from hashlib import md5, sha256
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)


class Papers(NamedTuple):
    """PEM texts and the numbers that requests and replies bear."""

    root: str
    alipay: str
    app: str
    root_sn: str
    alipay_sn: str
    app_sn: str


def of(held: dict[str, Any]) -> Papers:
    """From what the sandbox keeps; a data folder of an earlier release has no authority of its own yet."""
    authority = _key(held.get("authority", held["channel"])["pkcs8"])
    app, alipay = _key(held["app"]["pkcs8"]), _key(held["channel"]["pkcs8"])
    roots = [_made("Sandbox Root R1", authority, "Sandbox Root R1", authority, 1),
             _made("Sandbox Root R3", authority, "Sandbox Root R3", authority, 3)]  # fmt: skip
    bundle = [_pem(roots[0]), held["ecc_root"], _pem(roots[1])] if "ecc_root" in held else [_pem(root) for root in roots]
    theirs = _made("Alipay sandbox", alipay, "Sandbox Class 2 R1", authority, 0)
    ours = _made("daozhang sandbox app", app, "Sandbox Class 1 R1", authority, 0)
    return Papers("\n".join(bundle), _pem(theirs), _pem(ours), "_".join(_sn(root) for root in roots), _sn(theirs), _sn(ours))


def ecc_root() -> str:
    """A root that no RSA client counts; its signature differs each time, so it is kept."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem(_made("Sandbox Root E2", key, "Sandbox Root E2", key, 2))


def _name(common: str) -> x509.Name:
    """Country first: the SN writes it in reverse, as the documents show (CN, OU, O, C)."""
    parts = ((NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, "daozhang sandbox"),
             (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"), (NameOID.COMMON_NAME, common))  # fmt: skip
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _made(subject: str, key: Any, issuer: str, by: Any, serial: int) -> x509.Certificate:
    """``serial`` 0: drawn from the key, so that it stays."""
    public = key.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(public)
    builder = builder.serial_number(serial or int.from_bytes(sha256(der).digest()[:15], "big") + 1)
    builder = builder.not_valid_before(_FROM).not_valid_after(_UNTIL)
    ca = x509.BasicConstraints(ca=subject == issuer, path_length=None)
    return builder.add_extension(ca, critical=True).sign(by, hashes.SHA256())


def _key(pem: str) -> Any:
    return serialization.load_pem_private_key(pem.encode(), None)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _sn(certificate: x509.Certificate) -> str:
    """MD5 of the issuer's name, last part first, and the serial in decimal."""
    names = {"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU"}
    parts = [f"{names[part.oid.dotted_string]}={part.value!s}" for part in reversed(list(certificate.issuer))]
    return md5(f"{','.join(parts)}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()
