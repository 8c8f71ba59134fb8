"""The sandbox's own certificate authority: root, middle, UnionPay's signing certificate, the merchant's, and two false ones.

They are made once per data folder and worth nothing elsewhere. Their dates are fixed, so that the sandbox's clock may be
moved far without one of them ending.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
_COMPANY = "041@8310000000083040@中国银联股份有限公司@00016493"
_PEM = serialization.Encoding.PEM


class _Issuer:
    """A key with its certificate, made by itself or by another."""

    def __init__(self, name: str, serial: int, ca: bool, by: "_Issuer | None" = None, key: Any = None) -> None:
        self.key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "daozhang sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ])  # fmt: skip
        issuer = by or self
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).public_key(self.key.public_key())
            .serial_number(serial).not_valid_before(_FROM).not_valid_after(_UNTIL)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )  # fmt: skip

    def pem(self) -> str:
        return self.certificate.public_bytes(_PEM).decode()

    def private(self) -> str:
        clear = serialization.NoEncryption()
        return self.key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, clear).decode()


def new_keys(rand: Callable[[int], bytes]) -> dict[str, Any]:
    """What one sandbox keeps for ever."""

    def serial() -> int:
        return 0x1000000000 | int.from_bytes(rand(4), "big")

    mer_id = f"777{int.from_bytes(rand(6), 'big') % 10**12:012d}"
    root = _Issuer("Sandbox Root CA (daozhang)", serial(), True)
    middle = _Issuer("Sandbox OCA1 (daozhang)", serial(), True, root)
    channel = _Issuer(_COMPANY, serial(), False, middle)
    merchant = _Issuer(f"041@8{mer_id}@daozhang sandbox merchant@00000001", serial(), False, middle)
    stranger = _Issuer(_COMPANY, serial(), False)  # says that it is UnionPay, and nobody else says so
    other = _Issuer("041@8777000000000000@somebody else@00000002", serial(), False, middle, stranger.key)
    password = rand(6).hex()
    pfx = pkcs12.serialize_key_and_certificates(
        b"merchant", merchant.key, merchant.certificate, None, serialization.BestAvailableEncryption(password.encode())
    )
    return {
        "mer_id": mer_id, "cert_id": str(merchant.certificate.serial_number), "pfx_password": password,
        "merchant_pfx_base64": base64.b64encode(pfx).decode(), "merchant_certificate": merchant.pem(),
        "root_certificate": root.pem(), "middle_certificate": middle.pem(),
        "sign_certificate": channel.pem(), "sign_private_key": channel.private(),
        "stranger_certificate": stranger.pem(), "other_certificate": other.pem(), "stranger_private_key": stranger.private(),
    }  # fmt: skip
