"""A merchant's account at WeChat Pay, opened: keys parsed once, and the address checked against the mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from daozhang.channels import keys
from daozhang.core.faults import Fault
from daozhang.core.ports import AccountRow, ClientIdentity

_MARK = "-----BEGIN CERTIFICATE-----"


class WrongDoor(Fault):
    """A sandbox account pointing at a live host, or a live one at anything else."""


class Incomplete(Fault):
    """Settings or secrets that do not fit together: ``str`` says which and how to mend it, never their content."""


class Keyring(dict[str, keys.Verifier]):
    """The keys that may sign replies, by serial: those of the settings, and those that the channel has told since."""

    def __init__(self, given: Mapping[str, keys.Verifier]) -> None:
        super().__init__(given)
        self._given = dict(given)
        self.asked_ms = 0  # when the channel was last asked for its keys

    def renew(self, told: Mapping[str, keys.Verifier]) -> None:
        """What the channel no longer tells is forgotten, unless the settings name it."""
        self.clear()
        self.update(self._given)
        self.update(told)


@dataclass(frozen=True, slots=True)
class Account:
    """``trusted``: the keys that may sign replies; several while they are being changed."""

    appid: str
    mchid: str
    serial_no: str
    origin: str
    api: str
    sub_mchid: str
    sub_appid: str
    public_key_id: str
    sign_type: str
    key: keys.Signer = field(repr=False)
    apiv3_key: bytes = field(repr=False)
    apiv2_key: str = field(repr=False)
    trusted: Keyring = field(repr=False)
    identity: ClientIdentity | None = field(repr=False)


def open_account(row: AccountRow, manifest: Mapping[str, Any]) -> Account:
    """Parse the keys once. Raises BadKey, WrongDoor, Incomplete."""
    given, secrets = row.settings, row.secrets
    api = str(given.get("api") or "v3")
    if api not in ("v3", "v2"):
        raise Incomplete("api is v3 or v2")
    account = Account(
        str(given["appid"]),
        str(given["mchid"]),
        str(given.get("serial_no", "")),
        _origin(str(given.get("gateway", "")), row.livemode, manifest["hosts"]),
        api,
        str(given.get("sub_mchid") or ""),
        str(given.get("sub_appid") or ""),
        str(given.get("public_key_id") or ""),
        str(given.get("sign_type") or "HMAC-SHA256"),
        keys.signer(secrets.get("private_key", ""), "private_key", row.livemode),
        secrets.get("apiv3_key", "").encode(),
        secrets.get("apiv2_key", ""),
        Keyring(_trusted(row)),
        _identity(secrets),
    )
    if len(account.apiv3_key) != 32:
        raise keys.BadKey("apiv3_key", "it has 32 letters and digits")
    if api == "v2" and len(account.apiv2_key) != 32:
        raise keys.BadKey("apiv2_key", "api = v2 needs it: 32 letters and digits")
    if api == "v3" and not account.trusted:
        raise Incomplete("give public_key with public_key_id, or platform_certificates: replies must be verified")
    return account


def _origin(gateway: str, livemode: bool, hosts: Mapping[str, Any]) -> str:
    """Scheme, host and port; a path behind them is not part of these wires."""
    parts = urlsplit(gateway)
    origin = f"{parts.scheme}://{parts.netloc}"
    loopback = parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")
    right = gateway in hosts["live"] if livemode else gateway in hosts["sandbox"] or loopback
    if not right or parts.username is not None:
        raise WrongDoor(f"a {'live' if livemode else 'sandbox'} account may not speak to this address")
    return origin


def _trusted(row: AccountRow) -> dict[str, keys.Verifier]:
    trusted: dict[str, keys.Verifier] = {}
    public_key, named = row.secrets.get("public_key", ""), str(row.settings.get("public_key_id") or "")
    if bool(public_key) != bool(named):
        raise Incomplete("public_key and public_key_id belong together: give both or neither")
    if public_key:
        trusted[named] = keys.verifier(public_key, "public_key", row.livemode)
    for pem in row.secrets.get("platform_certificates", "").split(_MARK)[1:]:
        serial, verifier = certificate(_MARK + pem)
        trusted[serial] = verifier
    return trusted


def certificate(pem: str) -> tuple[str, keys.Verifier]:
    """Serial and key of a certificate of the channel. Raises BadKey."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        key = found.public_key()
    except ValueError:
        raise keys.BadKey("platform_certificates", "not a certificate in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise keys.BadKey("platform_certificates", "an RSA key is needed")
    return f"{found.serial_number:X}", keys.RsaVerifier(key)


def _identity(secrets: Mapping[str, str]) -> ClientIdentity | None:
    """v2 reverse and refund ask for the merchant's certificate; its key is the same as the one that signs in APIv3."""
    certificate, authority = secrets.get("client_certificate", ""), secrets.get("server_authority", "")
    if not certificate:
        return None
    return ClientIdentity(certificate, secrets.get("private_key", ""), authority)
