"""The gateway's door: form, fields that may not be missing, merchant, certificate, signature (dossier 3.1)."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from daozhang.channels import form

BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{14}", re.ASCII)
_NEEDED = ("version", "encoding", "signMethod", "certId", "txnType", "txnSubType", "bizType", "accessType", "merId", "signature")
_OPS = {
    ("01", "06"): "pay", ("01", "07"): "apply", ("00", "00"): "query", ("99", "01"): "reverse", ("31", "00"): "undo",
    ("04", "00"): "refund", ("76", "01"): "file",
}  # fmt: skip
# What an acquirer and a platform must say besides, in each message that moves money.
_MORE = {"0": (), "1": ("acqInsCode", "merCatCode", "merName", "merAbbr"), "2": ("subMerId", "subMerName", "subMerAbbr")}


class Keys(Protocol):
    """RSA, or the simulation's keyed hash. ``spoil``: ``stranger`` or ``company`` signs with a false certificate."""

    def sign(self, message: bytes, spoil: str = "") -> bytes: ...
    def verify(self, message: bytes, signature: bytes) -> bool: ...
    def certificate(self, spoil: str = "") -> str: ...


class RsaKeys:
    """The channel signs with its own key and verifies with the key of the merchant's certificate."""

    def __init__(self, sign_private: str, sign_certificate: str, merchant_certificate: str,
                 false: tuple[str, str, str] = ("", "", "")) -> None:  # fmt: skip
        self._private = _private(sign_private)
        self._certificates = {"": sign_certificate, "stranger": false[1], "company": false[2]}
        self._false = _private(false[0]) if false[0] else self._private
        public = x509.load_pem_x509_certificate(merchant_certificate.encode()).public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise ValueError("an RSA key is needed")
        self._public = public

    def sign(self, message: bytes, spoil: str = "") -> bytes:
        return (self._false if spoil else self._private).sign(message, padding.PKCS1v15(), hashes.SHA256())

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def certificate(self, spoil: str = "") -> str:
        return self._certificates[spoil]


class HashKeys:
    """The simulation's stand-in: one secret for both directions, and no certificates."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, message: bytes, spoil: str = "") -> bytes:
        return hmac.digest(self._secret + spoil.encode(), message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self.sign(message), signature)

    def certificate(self, spoil: str = "") -> str:
        return spoil or "simulated"


def _private(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("an RSA key is needed")
    return key


def to_sign(fields: Mapping[str, str]) -> bytes:
    """SHA-256 in small hexadecimal letters of all non-empty fields but the signature, sorted, joined by ``&``."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature" and fields[name])
    return hashlib.sha256(text.encode()).hexdigest().encode()


class Turned(Exception):
    """The gateway refuses: ``code`` of the documents, and the fields as far as they could be read."""

    def __init__(self, code: str, why: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.code, self.why, self.fields = code, why, dict(fields or {})


@dataclass(frozen=True)
class Let:
    """A request that came through the gate."""

    op: str
    fields: Mapping[str, str]


class Gate:
    """``window_s`` None: any time (for replaying captured requests)."""

    def __init__(self, mer_id: str, cert_id: str, keys: Keys, window_s: int | None = 86_400) -> None:
        self._mer_id, self._cert_id, self._keys, self._window_s = mer_id, cert_id, keys, window_s

    def pass_(self, body: bytes, *now_ms: int) -> Let:
        """``now_ms``: the times in which a client may live. Raises Turned."""
        try:
            fields = form.read(body)
        except ValueError:
            raise Turned("10", "报文格式错误") from None
        self._check(fields)
        op = _OPS.get((fields["txnType"], fields["txnSubType"]))
        if op is None:
            raise Turned("32", "无此交易权限", fields)
        self._check_content(op, fields, now_ms)
        return Let(op, fields)

    def _check(self, fields: Mapping[str, str]) -> None:
        for name in _NEEDED:
            if not fields.get(name):
                raise Turned("13", f"报文交易要素缺失[{name}]", fields)
        if (fields["version"], fields["encoding"].upper(), fields["signMethod"]) != ("5.1.0", "UTF-8", "01"):
            raise Turned("10", "报文格式错误: version, encoding, signMethod", fields)
        if fields["merId"] != self._mer_id:
            raise Turned("31", "商户状态不正确", fields)
        try:
            signature = base64.b64decode(fields["signature"], validate=True)
        except (binascii.Error, ValueError):
            raise Turned("11", "验证签名失败", fields) from None
        canonical = base64.b64encode(signature).decode() == fields["signature"]
        if fields["certId"] != self._cert_id or not canonical or not self._keys.verify(to_sign(fields), signature):
            raise Turned("11", "验证签名失败", fields)

    def _check_content(self, op: str, fields: Mapping[str, str], now_ms: tuple[int, ...]) -> None:
        needed = {
            "pay": ("orderId", "txnTime", "txnAmt", "currencyCode", "channelType", "backUrl", "qrNo"),
            "apply": ("orderId", "txnTime", "txnAmt", "currencyCode", "channelType", "backUrl"),
            "undo": ("orderId", "txnTime", "txnAmt", "channelType", "backUrl", "origQryId"),
            "refund": ("orderId", "txnTime", "txnAmt", "channelType", "backUrl", "origQryId"),
            "file": ("txnTime", "settleDate", "fileType"),
        }.get(op, ("orderId", "txnTime"))
        more = _MORE.get(fields["accessType"])
        if more is None:
            raise Turned("10", "报文格式错误: accessType", fields)
        if op in ("query", "reverse", "file"):
            more = tuple(name for name in more if name == "acqInsCode")
        for name in (*needed, *more):
            if not fields.get(name):
                raise Turned("13", f"报文交易要素缺失[{name}]", fields)
        if "txnAmt" in fields and not re.fullmatch(r"[1-9]\d{0,11}", fields["txnAmt"], re.ASCII):
            raise Turned("10", "报文格式错误: txnAmt", fields)
        if "orderId" in needed and not re.fullmatch(r"[0-9A-Za-z]{8,40}", fields["orderId"], re.ASCII):
            raise Turned("10", "报文格式错误: orderId", fields)
        self._check_time(op, fields, now_ms)

    def _check_time(self, op: str, fields: Mapping[str, str], now_ms: tuple[int, ...]) -> None:
        try:
            if not _TIME.fullmatch(fields["txnTime"]):
                raise ValueError("another form")
            time = fields["txnTime"]
            month, day, hour, minute, second = (int(time[at : at + 2]) for at in range(4, 14, 2))
            moment = datetime(int(time[:4]), month, day, hour, minute, second, tzinfo=BEIJING).timestamp()
        except ValueError:
            raise Turned("10", "报文格式错误: txnTime", fields) from None
        window = self._window_s
        if window is not None and op in ("pay", "apply") and all(abs(moment - now / 1000) > window for now in now_ms):
            raise Turned("10", "txnTime无效", fields)
