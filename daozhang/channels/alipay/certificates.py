"""Public-key certificates: their numbers (SN) as Alipay counts them, and the key inside one (dossier 1.1).

The SN of a certificate is the MD5 of its issuer's name, written in reverse as RFC 2253 does, followed by its serial
number in decimal. That of the root bundle joins the SNs of its RSA certificates; the bundle also holds SM2 and ECC ones.
"""

import re
from hashlib import md5

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from daozhang.channels.keys import BadKey

_ONE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SIGNED_WITH_RSA = "1.2.840.113549.1.1."


def root_sn(bundle: str, which: str) -> str:
    """The SN of the root bundle: those of its RSA certificates, joined. Raises BadKey."""
    signed = [
        one
        for one in _certificates(bundle, which)
        if one.signature_algorithm_oid.dotted_string.startswith(_SIGNED_WITH_RSA)
    ]
    if not signed:
        raise BadKey(which, "it holds no RSA certificate")
    return "_".join(map(_sn, signed))


def public_keys(text: str, which: str) -> dict[str, str]:
    """The public key of each certificate in the text, as PEM, by its SN. Raises BadKey."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        return {_sn(one): one.public_key().public_bytes(serialization.Encoding.PEM, form).decode() for one in _certificates(text, which)}
    except ValueError:
        raise BadKey(which, "a certificate without a key that we know") from None


def _certificates(text: str, which: str) -> list[x509.Certificate]:
    try:
        found = [x509.load_pem_x509_certificate(one.encode()) for one in _ONE.findall(text)]
    except ValueError:
        raise BadKey(which, "not a certificate") from None
    if not found:
        raise BadKey(which, "no certificate stands in it")
    return found


def _sn(certificate: x509.Certificate) -> str:
    text = certificate.issuer.rfc4514_string() + str(certificate.serial_number)
    return md5(text.encode(), usedforsecurity=False).hexdigest()
