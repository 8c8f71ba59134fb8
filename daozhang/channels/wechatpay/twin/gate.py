"""The door of APIv3: who signed, is it the merchant, is it now; and the signatures that the channel gives (dossier 2.2)."""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW_S = 300
_PAIR = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*(?:,|$)')
_WANTED = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}


class Keys(Protocol):
    """RSA, or the simulation's keyed hash. ``public_key_id`` and ``platform_serials`` (newest first) name our own keys."""

    public_key_id: str
    platform_serials: tuple[str, ...]

    def sign(self, serial: str, message: bytes) -> bytes: ...
    def verify(self, message: bytes, signature: bytes) -> bool: ...


class RsaKeys:
    """``own``: our private keys in PEM by serial; the merchant's public key in PEM."""

    def __init__(self, own: Mapping[str, str], public_key_id: str, merchant_public_pem: str) -> None:
        self.public_key_id = public_key_id
        self.platform_serials = tuple(serial for serial in own if serial != public_key_id)
        self._own = {serial: _private(pem) for serial, pem in own.items()}
        merchant = serialization.load_pem_public_key(merchant_public_pem.encode())
        if not isinstance(merchant, rsa.RSAPublicKey):
            raise ValueError("an RSA key is needed")
        self._merchant = merchant

    def sign(self, serial: str, message: bytes) -> bytes:
        return self._own[serial].sign(message, padding.PKCS1v15(), hashes.SHA256())

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._merchant.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def _private(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("an RSA key is needed")
    return key


class HashKeys:
    """The simulation's stand-in: one secret for both directions."""

    def __init__(self, secret: str, public_key_id: str) -> None:
        self._secret, self.public_key_id = secret.encode(), public_key_id
        self.platform_serials: tuple[str, ...] = ("0",)

    def sign(self, serial: str, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self.sign("", message), signature)


class Turned(Exception):
    """Turned away at the door: 401 SIGN_ERROR with the reason in words."""

    def __init__(self, zh: str) -> None:
        super().__init__(zh)
        self.zh = zh


@dataclass(frozen=True)
class Let:
    """``signer``: which of our keys the merchant wants replies signed with; ``clock_ms``: the time the merchant lives in."""

    path: str
    query: str
    signer: str
    clock_ms: int


class Gate:
    """``window_s`` None: any timestamp (for replaying captured requests)."""

    def __init__(self, mchid: str, serial_no: str, keys: Keys, window_s: int | None = WINDOW_S) -> None:
        self._mchid, self._serial_no, self._keys, self._window_s = mchid, serial_no, keys, window_s

    def signer(self, headers: Mapping[str, str]) -> str:
        """The key that the request asks for; the newest platform certificate when it names none of ours."""
        named = headers.get("wechatpay-serial", "")
        known = named == self._keys.public_key_id or named in self._keys.platform_serials
        return named if known else self._keys.platform_serials[0]

    def pass_(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_ms: int, real_ms: int = 0
    ) -> Let:
        """``headers`` by lower-case name. Where the sandbox's clock was moved, both times are good. Raises Turned."""
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        if scheme != SCHEME:
            raise Turned("Http头缺少Authorization,或签名类型不对")
        pairs = _PAIR.findall(rest)
        given = dict(pairs)
        if set(given) != _WANTED or len(pairs) != len(given) or "".join(_PAIR.split(rest)[::3]).strip():
            raise Turned("Http头Authorization值格式错误")
        # Some clients read the serial from the certificate in small letters; it is the same number.
        if given["mchid"] != self._mchid or given["serial_no"].upper() != self._serial_no.upper():
            raise Turned("商户号或证书序列号不对")
        if not given["timestamp"].isascii() or not given["timestamp"].isdigit() or len(given["timestamp"]) > 12:
            raise Turned("Authorization中的时间戳不对")
        sent_ms = int(given["timestamp"]) * 1000
        clock_ms = min((now_ms, real_ms or now_ms), key=lambda ms: abs(ms - sent_ms))
        if self._window_s is not None and abs(sent_ms - clock_ms) > self._window_s * 1000:
            raise Turned("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
        parts = urlsplit(target)
        asked = parts.path + (f"?{parts.query}" if parts.query else "")
        message = f"{method}\n{asked}\n{given['timestamp']}\n{given['nonce_str']}\n".encode() + body + b"\n"
        try:
            signature = base64.b64decode(given["signature"], validate=True)
        except (binascii.Error, ValueError):
            raise Turned("签名错误,请检查后再试") from None
        if base64.b64encode(signature).decode() != given["signature"] or not self._keys.verify(message, signature):
            raise Turned("签名错误,请检查后再试")
        return Let(parts.path, parts.query, self.signer(headers), clock_ms)

    def seal(self, signer: str, body: bytes, now_ms: int, nonce: str, spoil: str = "") -> tuple[tuple[str, str], ...]:
        """The headers that make a body believable; ``spoil``: forged, unsigned, signtest."""
        timestamp = str(now_ms // 1000)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signed = self._keys.sign(signer, message if spoil != "forged" else b"something else")
        signature = base64.b64encode(signed).decode()
        if spoil == "signtest":
            signature = "WECHATPAY/SIGNTEST/" + signature[19:]
        given = (("Wechatpay-Timestamp", timestamp), ("Wechatpay-Nonce", nonce), ("Wechatpay-Serial", signer),
                 ("Wechatpay-Signature-Type", SCHEME), ("Wechatpay-Signature", signature))  # fmt: skip
        return given[:-1] if spoil == "unsigned" else given


def sealed(apiv3_key: str, associated: str, plain: bytes, nonce: str) -> dict[str, str]:
    """AEAD_AES_256_GCM with the tag at the end, as resources and certificates are sent. ``nonce``: 12 letters."""
    ciphertext = AESGCM(apiv3_key.encode()).encrypt(nonce.encode(), plain, associated.encode())
    return {"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": associated,
            "ciphertext": base64.b64encode(ciphertext).decode()}  # fmt: skip
