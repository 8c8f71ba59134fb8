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
    """What certificate mode adds: the SNs that our requests bear and that replies must bear."""

    app: str
    root: str
    alipay: str


@dataclass(frozen=True, slots=True)
class Account:
    """``sns``: only in certificate mode. ``app_auth_token``: only where a service provider acts for the merchant, whose
    own app is ``auth_app_id``. ``wire``: v2 (the gateway) or v3 (REST)."""

    app_id: str
    seller_id: str
    gateway: str
    key: keys.Signer = field(repr=False)
    alipay_key: keys.Verifier = field(repr=False)
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
    sns, alipay_key = _theirs(row)
    return Account(
        str(row.settings["app_id"]),
        str(row.settings["seller_id"]),
        gateway,
        keys.signer(row.secrets.get("app_private_key", ""), "app_private_key", row.livemode),
        alipay_key,
        row.livemode,
        str(row.settings.get("wire") or "v2"),
        sns,
        row.secrets.get("app_auth_token", ""),
        str(row.settings.get("auth_app_id", "")),
        tuple(manifest["hosts"].get("bills", ())),
    )


def _theirs(row: AccountRow) -> tuple[Numbers | None, keys.Verifier]:
    """Alipay's public key, bare or inside its certificate. Raises BadKey."""
    if row.settings.get("key_mode") != "certificate":
        return None, keys.verifier(row.secrets.get("alipay_public_key", ""), "alipay_public_key", row.livemode)
    names = ("app_certificate", "alipay_root_certificate", "alipay_certificate")
    app, root, alipay = (row.secrets.get(name, "") for name in names)
    numbers = Numbers(
        certificates.sn(app, names[0]), certificates.root_sn(root, names[1]), certificates.sn(alipay, names[2])
    )
    return numbers, keys.verifier(certificates.public_key(alipay, names[2]), names[2], row.livemode)


def _may_reach(gateway: str, livemode: bool, hosts: Mapping[str, Any]) -> bool:
    if livemode:
        return gateway in hosts["live"]
    parts = urlsplit(gateway)
    loopback = parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")
    return gateway in hosts["sandbox"] or (hosts.get("sandbox_loopback", False) and loopback)
