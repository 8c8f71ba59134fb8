"""What is signed on WeChat Pay's wires, both ways: APIv3 (RSA and AES-GCM) and v2 (a keyed digest). Dossier 2.1, 2.2."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang.channels.keys import Signer, Verifier

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_S = 300
PROBE = "WECHATPAY/SIGNTEST/"  # the channel sends wrong signatures on purpose, to see whether we look
_SHOWN = ("timestamp", "nonce", "signature", "serial", "signature-type")


def request_text(method: str, target: str, timestamp: str, nonce: str, body: str) -> str:
    """``target`` is path and query as sent; the body of a GET is empty."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n{body}\n"


def reply_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Replies and callbacks are signed over the bytes as sent."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def authorization(mchid: str, serial_no: str, timestamp: str, nonce: str, text: str, key: Signer) -> str:
    """The Authorization header for one request text."""
    signature = base64.b64encode(key.sign(text.encode())).decode()
    return (
        f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial_no}"'
    )


def why_not(trusted: Mapping[str, Verifier], headers: Mapping[str, str], body: bytes, now_ms: int | None) -> str:
    """Why a reply or callback cannot be believed; empty when it can. ``headers`` by lower-case name.

    The key is chosen by the serial that the sender names, so that an old and a new one may be valid together.
    ``now_ms`` None: any time (for captured messages).
    """
    given = {name: headers.get(f"wechatpay-{name}", "") for name in _SHOWN}
    if not given["signature"]:
        return "missing"
    if given["signature"].startswith(PROBE):
        return "probe"
    if given["signature-type"] not in ("", SCHEME):
        return "type"
    key = trusted.get(given["serial"])
    if key is None:
        return "serial"
    if not given["timestamp"].isascii() or not given["timestamp"].isdigit() or len(given["timestamp"]) > 12:
        return "time"
    if now_ms is not None and abs(int(given["timestamp"]) - now_ms / 1000) > WINDOW_S:
        return "time"
    if not holds(reply_message(given["timestamp"], given["nonce"], body), given["signature"], key):
        return "signature"
    return ""


def holds(message: bytes, signature: str, key: Verifier) -> bool:
    """Whether a base64 signature (in its one canonical spelling) is the key's for these very bytes."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.b64encode(raw).decode() == signature and key.verify(message, raw)


def opened(apiv3_key: bytes, nonce: str, associated: str, ciphertext: str) -> bytes | None:
    """AEAD_AES_256_GCM with the tag at the end; None when it was not sealed with our key."""
    try:
        return AESGCM(apiv3_key).decrypt(
            nonce.encode(), base64.b64decode(ciphertext, validate=True), associated.encode()
        )
    except (InvalidTag, ValueError, binascii.Error):
        return None


def canonical_v2(fields: Mapping[str, str]) -> str:
    """v2: all fields but ``sign`` and empty ones, sorted by name, raw ``k=v`` joined by ``&`` (the key comes behind)."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != "")


def sign_v2(fields: Mapping[str, str], key: str, kind: str) -> str:
    """The v2 signature in upper-case hex. ``kind``: MD5 or HMAC-SHA256."""
    text = f"{canonical_v2(fields)}&key={key}".encode()
    if kind == "HMAC-SHA256":
        return hmac.digest(key.encode(), text, hashlib.sha256).hex().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def holds_v2(fields: Mapping[str, str], key: str, kind: str) -> bool:
    given = fields.get("sign", "")
    return bool(given) and hmac.compare_digest(sign_v2(fields, key, kind).encode(), given.encode())
