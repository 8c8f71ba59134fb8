"""UnionPay's other side, written from the documents. It never looks at our side of the wire."""

from collections.abc import Callable
from typing import Any

from daozhang.channels.unionpay.twin import certificates
from daozhang.channels.unionpay.twin.gate import HashKeys, RsaKeys
from daozhang.channels.unionpay.twin.unionpay import UnionpayTwin

PORT = 3  # its place after the base port


def new_keys(rand: Callable[[int], bytes]) -> dict[str, Any]:
    """What one sandbox keeps for ever: a small certificate authority and the merchant's certificate, worth nothing elsewhere."""
    return certificates.new_keys(rand)


def make(held: dict[str, Any], rand: Callable[[int], bytes], append: Callable[[dict[str, Any]], None]) -> UnionpayTwin:
    """The twin over the keys that were kept."""
    false = (held["stranger_private_key"], held["stranger_certificate"], held["other_certificate"])
    keys = RsaKeys(held["sign_private_key"], held["sign_certificate"], held["merchant_certificate"], false)
    return UnionpayTwin(held, keys, rand, append)


def make_simulated(secret: str, rand: Callable[[int], bytes]) -> UnionpayTwin:
    """The twin with a keyed hash in the place of RSA, for virtual time."""
    return UnionpayTwin({"mer_id": "777290058110048", "cert_id": "0"}, HashKeys(secret), rand)
