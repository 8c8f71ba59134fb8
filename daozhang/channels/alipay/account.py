"""A merchant's account at Alipay: which wire it speaks, and with which keys, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from daozhang.channels import keys
from daozhang.channels.alipay import certificates
from daozhang.core.faults import Fault
from daozhang.core.ports import AccountRow


class WrongDoor(Fault):
    """A sandbox account pointing at a live host, or a live one at anything else."""


class Numbers(NamedTuple):
    """What certificate mode adds: the SNs that our requests bear."""

    app: str
    root: str


@dataclass(frozen=True, slots=True)
class Account:
    """``sns``: only in certificate mode, where Alipay's keys stand by the SN of their certificate (several while they
    change); otherwise its one key stands under "". ``app_auth_token``: only where a service provider acts for the merchant, whose
    own app is ``auth_app_id``. ``wire``: v2 (the gateway) or v3 (REST)."""

    app_id: str
    seller_id: str
    gateway: str
    key: keys.Signer = field(repr=False)
    alipay_keys: Mapping[str, keys.Verifier] = field(repr=False)
    livemode: bool = False
    wire: str = "v2"
    sns: Numbers | None = None
    app_auth_token: str = field(default="", repr=False)
    auth_app_id: str = ""
    bill_hosts: tuple[str, ...] = ()


def open_account(row: AccountRow, manifest: Mapping[str, Any]) -> Account:
    """Parse the keys once. Raises BadKey, WrongDoor."""
    gateway = str(row.settings.get("gateway", ""))
    if not _may_reach(gateway, row.livemode, manifest["hosts"]):
        raise WrongDoor(f"a {'live' if row.livemode else 'sandbox'} account may not speak to this gateway")
    for name, known in (("wire", ("", "v2", "v3")), ("key_mode", ("", "public_key", "certificate"))):
        if str(row.settings.get(name, "")) not in known:
            raise keys.BadKey(name, f"{' or '.join(known[1:])}")
    key = keys.signer(row.secrets.get("app_private_key", ""), "app_private_key", row.livemode)
    in_certificates = row.settings.get("key_mode") == "certificate"
    return Account(
        str(row.settings["app_id"]),
        str(row.settings["seller_id"]),
        gateway,
        key,
        _certified(row) if in_certificates else {"": _verifier(row, "alipay_public_key", row.secrets.get("alipay_public_key", ""))},
        row.livemode,
        str(row.settings.get("wire") or "v2"),
        _numbers(row, key) if in_certificates else None,
        row.secrets.get("app_auth_token", ""),
        str(row.settings.get("auth_app_id", "")),
        tuple(manifest["hosts"].get("bills", ())),
    )


def _verifier(row: AccountRow, which: str, pem: str) -> keys.Verifier:
    return keys.verifier(pem, which, row.livemode)


def _certified(row: AccountRow) -> dict[str, keys.Verifier]:
    """Alipay's keys out of its certificates. Raises BadKey."""
    which = "alipay_certificate"
    found = certificates.public_keys(row.secrets.get(which, ""), which)
    return {sn: _verifier(row, which, pem) for sn, pem in found.items()}


def _numbers(row: AccountRow, key: keys.Signer) -> Numbers:
    """Raises BadKey; also where the app's certificate is another key's: Alipay would refuse every request."""
    app, root = "app_certificate", "alipay_root_certificate"
    (sn, pem), *_ = certificates.public_keys(row.secrets.get(app, ""), app).items()
    if not _verifier(row, app, pem).verify(b"is it ours?", key.sign(b"is it ours?")):
        raise keys.BadKey(app, "it is not the certificate of app_private_key")
    return Numbers(sn, certificates.root_sn(row.secrets.get(root, ""), root))


def _may_reach(gateway: str, livemode: bool, hosts: Mapping[str, Any]) -> bool:
    if livemode:
        return gateway in hosts["live"]
    parts = urlsplit(gateway)
    loopback = parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")
    return gateway in hosts["sandbox"] or (hosts.get("sandbox_loopback", False) and loopback)
