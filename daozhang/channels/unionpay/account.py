"""A merchant's account at UnionPay, opened: keys parsed once, certificates and address checked, who connects and for whom."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from daozhang.channels import keys
from daozhang.channels.unionpay import sign
from daozhang.core.faults import Fault
from daozhang.core.ports import AccountRow

_SIMULATED = "simulated:"
# What each way to connect says besides (dossier 3.1): settings and the names they have on the wire.
_MORE: dict[str, dict[str, str]] = {
    "0": {},
    "1": {"acq_ins_code": "acqInsCode", "mer_cat_code": "merCatCode", "mer_name": "merName", "mer_abbr": "merAbbr"},
    "2": {"sub_mer_id": "subMerId", "sub_mer_name": "subMerName", "sub_mer_abbr": "subMerAbbr"},
}


class WrongDoor(Fault):
    """A sandbox account pointing at a live host, or a live one at anything else."""


class Incomplete(Fault):
    """Settings that do not fit together: ``str`` says which and how to mend it, never their content."""


class Believer(Protocol):
    """Whom we believe: the key of a certificate that may sign at this time."""

    def key_of(self, pem: str, at_ms: int) -> keys.Verifier | None: ...


@dataclass(frozen=True, slots=True)
class Account:
    """``more``: fields of the wire that come with the access type; an acquirer names itself in every message.

    ``files``: where settlement files are asked for, a host of its own.
    """

    mer_id: str
    cert_id: str
    origin: str
    files: str
    access_type: str
    term_id: str
    more: Mapping[str, str]
    key: keys.Signer = field(repr=False)
    trust: Believer = field(repr=False)

    def believes(self, fields: Mapping[str, str], at_ms: int) -> bool:
        """RSA with SHA-256, by a certificate that may sign for the channel at this time."""
        if fields.get("version") != "5.1.0" or fields.get("signMethod") != "01":
            return False
        key = self.trust.key_of(fields.get("signPubKeyCert", ""), at_ms)
        return key is not None and sign.holds(fields, key)


def open_account(row: AccountRow, manifest: Mapping[str, Any]) -> Account:
    """Parse keys and certificates once. Raises BadKey, WrongDoor, Incomplete."""
    given = {name: str(value) for name, value in row.settings.items()}
    access = given.get("access_type") or "0"
    if access not in _MORE:
        raise Incomplete("access_type is 0 (merchant), 1 (acquirer) or 2 (platform)")
    for name, rule in manifest["settings"].items():
        if given.get(name) and "pattern" in rule and not re.fullmatch(rule["pattern"], given[name]):
            raise Incomplete(f"{name} does not look like {rule['pattern']}")
    missing = [name for name in ("mer_id", *_MORE[access]) if not given.get(name)]
    if missing:
        raise Incomplete(f"access_type = {access} needs {', '.join(missing)}")
    origin = _origin(given.get("gateway", ""), row.livemode, manifest["hosts"])
    key, cert_id = _key(row.secrets, row.livemode)
    more = {wire: given[name] for name, wire in _MORE[access].items()}
    files = manifest["files"].get(origin, f"{origin}/")
    return Account(given["mer_id"], cert_id, origin, files, access, given.get("term_id", ""), more, key, _trust(row))


def _origin(gateway: str, livemode: bool, hosts: Mapping[str, Any]) -> str:
    """Scheme, host and port; the paths behind them belong to the wire."""
    parts = urlsplit(gateway)
    loopback = parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")
    right = gateway in hosts["live"] if livemode else gateway in hosts["sandbox"] or loopback
    if not right or parts.username is not None:
        raise WrongDoor(f"a {'live' if livemode else 'sandbox'} account may not speak to this address")
    return f"{parts.scheme}://{parts.netloc}"


def _key(secrets: Mapping[str, str], livemode: bool) -> tuple[keys.Signer, str]:
    """Our key, and the number of its certificate in decimal: the channel looks it up by that."""
    text = secrets.get("merchant_pfx_base64", "")
    if text.startswith(_SIMULATED):
        return keys.signer(text, "merchant_pfx_base64", livemode), "0"
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
        key, certificate, _ = pkcs12.load_key_and_certificates(raw, secrets.get("pfx_password", "").encode())
    except (binascii.Error, ValueError, TypeError):
        raise keys.BadKey("merchant_pfx_base64", "not a pfx file in base64, or pfx_password is another") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048 or not isinstance(certificate, x509.Certificate):
        raise keys.BadKey("merchant_pfx_base64", "an RSA key of at least 2048 bits with its certificate is needed")
    return keys.RsaSigner(key), str(certificate.serial_number)


def _trust(row: AccountRow) -> Believer:
    root, middle = (row.secrets.get(name, "") for name in ("root_certificate", "middle_certificate"))
    if root.startswith(_SIMULATED):
        return sign.SimulatedTrust(keys.verifier(root, "root_certificate", row.livemode))
    return sign.Trust(root, middle)
