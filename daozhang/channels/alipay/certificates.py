"""Public-key certificates: their numbers (SN) as Alipay counts them, and the key inside one (dossier 1.1).

The SN of a certificate is the MD5 of its issuer's name, written in reverse as RFC 2253 does, followed by its serial
number in decimal. That of the root bundle joins the SNs of its RSA certificates; the bundle also holds SM2 and ECC ones.
"""

import base64
import re
from hashlib import md5

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from daozhang.channels.keys import BadKey

_ONE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_RSA = "1.2.840.113549.1.1."
_RSA_BYTES = bytes.fromhex("2a864886f70d0101")  # the same as it stands inside every certificate that has to do with RSA


def root_sn(bundle: str, which: str) -> str:
    """The SN of the root bundle: those of its RSA certificates, joined. Raises BadKey."""
    signed = [one for one in _certificates(bundle, which) if one.signature_algorithm_oid.dotted_string.startswith(_RSA)]
    if not signed:
        raise BadKey(which, "it holds no RSA certificate")
    return "_".join(map(_sn, signed))


def public_keys(text: str, which: str) -> dict[str, str]:
    """The public key of each certificate in the text, as PEM, by its SN. Those of authorities sign no messages; a file
    from Alipay may hold one behind its own. Raises BadKey."""
    found = {_sn(one): _key(one, which) for one in _certificates(text, which) if not _is_authority(one)}
    if not found:
        raise BadKey(which, "no certificate with an RSA key stands in it")
    return found


def _key(one: x509.Certificate, which: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        return one.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(which, "a certificate without a key that we know") from None


def _is_authority(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _certificates(text: str, which: str) -> list[x509.Certificate]:
    """Those that have to do with RSA. The others (SM2, and ECC written in an old way) cannot always be read, nor need be.

    Raises BadKey.
    """
    found = []
    for body in _ONE.findall(text):
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
            if _RSA_BYTES in der:
                found.append(x509.load_der_x509_certificate(der))
        except ValueError:
            raise BadKey(which, "not a certificate") from None
    if not found:
        raise BadKey(which, "no certificate with an RSA key stands in it")
    return found


def _sn(certificate: x509.Certificate) -> str:
    text = certificate.issuer.rfc4514_string() + str(certificate.serial_number)
    return md5(text.encode(), usedforsecurity=False).hexdigest()
