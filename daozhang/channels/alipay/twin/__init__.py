"""Alipay's other side, written from the documents. It never looks at our side of the wire."""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from daozhang.channels.alipay.twin import papers
from daozhang.channels.alipay.twin.alipay import AlipayTwin
from daozhang.channels.alipay.twin.gate import HashKeys, Partner, RsaKeys

PORT = 1  # its place after the base port
PATH = "/gateway.do"


def new_keys(rand: Callable[[int], bytes]) -> dict[str, Any]:
    """What one sandbox keeps for ever: key pairs, ids and a service provider's token, worth nothing elsewhere."""
    number = int.from_bytes(rand(6), "big")
    return {
        "app": _pair(),
        "channel": _pair(),
        "authority": _pair(),
        "ecc_root": papers.ecc_root(),
        "app_id": f"2021{number % 10**12:012d}",
        "seller_id": f"2088{number // 7 % 10**12:012d}",
        "partner_app_id": f"2019{number // 3 % 10**12:012d}",
        "app_auth_token": f"{rand(16).hex()}X{number % 1000:03d}",
        "app_auth_code": rand(16).hex(),
        "app_refresh_token": f"{rand(16).hex()}R{number % 1000:03d}",
    }


def make(held: dict[str, Any], rand: Callable[[int], bytes], append: Callable[[dict[str, Any]], None]) -> AlipayTwin:
    """The twin over the keys that were kept."""
    made = papers.of(held)
    pems = {
        "app_private_key_pkcs1": held["app"]["pkcs1"],
        "app_private_key_pkcs8": held["app"]["pkcs8"],
        "alipay_public_key": held["channel"]["public"],
        "app_certificate": made.app,
        "alipay_certificate": made.alipay,
        "alipay_root_certificate": made.root,
    }
    leave = (held.get(name, "") for name in ("partner_app_id", "app_auth_token", "app_auth_code", "app_refresh_token"))
    partner = Partner(*leave) if "partner_app_id" in held else None
    keys = RsaKeys(held["channel"]["pkcs8"], held["app"]["public"])
    return AlipayTwin(held["app_id"], held["seller_id"], keys, rand, append, pems=pems, papers=made, partner=partner)


def make_simulated(secret: str, rand: Callable[[int], bytes]) -> AlipayTwin:
    """The twin with a keyed hash in the place of RSA, for virtual time."""
    return AlipayTwin("2021000000000001", "2088000000000001", HashKeys(secret), rand)


def _pair() -> dict[str, str]:
    pem, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "pkcs1": key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, clear).decode(),
        "pkcs8": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear).decode(),
        "public": public.decode(),
    }
