"""Platform certificates that change: fetched when the channel signs with one that we do not know yet (dossier 2.2).

Old and new are in force together for a while. What comes is sealed with the APIv3 key, which only the channel and the
merchant have, and the reply must be signed by one of the certificates that it brings.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from daozhang.channels.keys import BadKey, Verifier
from daozhang.channels.wechatpay import sign, v3
from daozhang.channels.wechatpay.account import Account, certificate
from daozhang.core.ports import Exchange, HttpRequest

_AGAIN_MS = 60_000  # a serial that somebody made up must not make us ask without end
_DEADLINE_MS = 3_000
_MOST = 16


def ask_keys(account: Account, headers: Mapping[str, str], now_ms: int) -> HttpRequest | None:
    """How to fetch the keys, when these headers (by lower-case name) name one that we lack; None otherwise, or too soon."""
    serial = headers.get("wechatpay-serial", "")
    signature = headers.get("wechatpay-signature", "")
    if not serial or serial in account.trusted or serial.startswith("PUB_KEY_ID") or signature.startswith(sign.PROBE):
        return None
    if account.trusted.asked_ms and now_ms - account.trusted.asked_ms < _AGAIN_MS:
        return None
    account.trusted.asked_ms = now_ms
    nonce = sha256(f"{account.mchid}|certificates|{now_ms}".encode()).hexdigest()[:32]
    return v3.signed(account, "GET", "/v3/certificates", "", now_ms, nonce, _DEADLINE_MS)


def learn_keys(account: Account, exchange: Exchange, now_ms: int) -> bool:
    """Take over what came, if it can be believed. Never raises for what came over the wire."""
    reply = v3.parsed(exchange.body) if exchange.fault is None and exchange.status == 200 else None
    listed = (reply or {}).get("data")
    found = _opened(account, listed[:_MOST], now_ms) if isinstance(listed, list) else {}
    headers = {name.lower(): value for name, value in exchange.headers}
    if not found or sign.why_not({**account.trusted, **found}, headers, exchange.body, now_ms):
        return False
    account.trusted.renew(found)
    return True


def _opened(account: Account, listed: list[Any], now_ms: int) -> dict[str, Verifier]:
    """The certificates in force, by the serial that they bear themselves."""
    found: dict[str, Verifier] = {}
    for one in listed:
        sealed = one.get("encrypt_certificate") if isinstance(one, dict) else None
        parts = [str(sealed.get(name) or "") for name in ("nonce", "associated_data", "ciphertext")] if isinstance(sealed, dict) else []
        plain = sign.opened(account.apiv3_key, *parts) if parts else None
        if plain is None or _is_over(str(one.get("expire_time") or ""), now_ms):
            continue
        try:
            serial, key = certificate(plain.decode("ascii"))
        except (BadKey, UnicodeDecodeError):
            continue
        if serial == one.get("serial_no"):
            found[serial] = key
    return found


def _is_over(until: str, now_ms: int) -> bool:
    """Told once more inside the certificate, and by the channel's own clock; unreadable counts as over."""
    try:
        return datetime.fromisoformat(until).timestamp() * 1000 <= now_ms
    except (ValueError, OverflowError):
        return True
