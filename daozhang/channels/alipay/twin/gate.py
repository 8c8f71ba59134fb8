"""The gateway's door: parameters merged, application before signature, then time, signature and method (dossier 1.1)."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_CHARSET = re.compile(r"charset=([A-Za-z0-9_-]+)")


class Keys(Protocol):
    """RSA, or the simulation's keyed hash."""

    def sign(self, message: bytes) -> bytes: ...
    def verify(self, message: bytes, signature: bytes) -> bool: ...


class RsaKeys:
    """The channel signs with its own private key and verifies with the application's public key."""

    def __init__(self, channel_private_pem: str, app_public_pem: str) -> None:
        private = serialization.load_pem_private_key(channel_private_pem.encode(), None)
        public = serialization.load_pem_public_key(app_public_pem.encode())
        if not isinstance(private, rsa.RSAPrivateKey) or not isinstance(public, rsa.RSAPublicKey):
            raise ValueError("RSA keys are needed")
        self._private, self._public = private, public

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class HashKeys:
    """The simulation's stand-in: one secret for both directions."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self.sign(message), signature)


class Turned(Exception):
    """The gateway refuses: ``code`` and ``sub_code`` of the documents."""

    def __init__(self, code: str, sub_code: str, sub_msg: str, method: str = "") -> None:
        super().__init__(sub_code)
        self.code, self.sub_code, self.sub_msg, self.method = code, sub_code, sub_msg, method


@dataclass(frozen=True)
class Let:
    """A request that came through the gate."""

    method: str
    params: Mapping[str, str]
    charset: str


class Gate:
    """``window_s`` None: any timestamp (for replaying captured requests)."""

    def __init__(self, app_id: str, keys: Keys, methods: Callable[[str], bool], window_s: int | None = 86_400) -> None:
        self._app_id, self._keys, self._known, self._window_s = app_id, keys, methods, window_s

    def pass_(self, target: str, content_type: str, body: bytes, now_ms: int) -> Let:
        """Raises Turned."""
        params, charset = _merged(target, content_type, body)
        method = params.get("method", "")
        try:
            self._check(params, charset, now_ms)
        except Turned as turned:
            turned.method = method if self._known(method) else ""
            raise
        return Let(method, params, charset)

    def _check(self, params: Mapping[str, str], charset: str, now_ms: int) -> None:
        for name, code in (("app_id", "app-id"), ("method", "method"), ("sign_type", "signature-type"),
                           ("sign", "signature"), ("timestamp", "timestamp"), ("version", "version")):  # fmt: skip
            if not params.get(name):
                raise Turned("40001", f"isv.missing-{code}", f"缺少 {name} 参数")
        if params["app_id"] != self._app_id:
            raise Turned("40002", "isv.invalid-app-id", "无效的AppID参数")
        if params["sign_type"] != "RSA2":
            raise Turned("40002", "isv.invalid-signature-type", "无效的签名类型")
        if params.get("format", "JSON").upper() != "JSON":
            raise Turned("40002", "isv.invalid-format", "无效的数据格式")
        self._check_time(params["timestamp"], now_ms)
        signed = "&".join(f"{key}={params[key]}" for key in sorted(params) if key != "sign" and params[key])
        try:
            signature = base64.b64decode(params["sign"], validate=True)
            message = signed.encode(charset)
        except (binascii.Error, ValueError, LookupError):
            raise Turned("40002", "isv.invalid-signature", "无效签名") from None
        if base64.b64encode(signature).decode() != params["sign"] or not self._keys.verify(message, signature):
            raise Turned("40002", "isv.invalid-signature", "无效签名")
        if not self._known(params["method"]):
            raise Turned("40002", "isv.invalid-method", "不存在的方法名")

    def _check_time(self, text: str, now_ms: int) -> None:
        try:
            if not _TIME.fullmatch(text):
                raise ValueError("another form")
            moment = datetime.fromisoformat(text).replace(tzinfo=BEIJING)
        except ValueError:
            raise Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数") from None
        if self._window_s is not None and abs(moment.timestamp() - now_ms / 1000) > self._window_s:
            raise Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数")


def _merged(target: str, content_type: str, body: bytes) -> tuple[dict[str, str], str]:
    """Query and form together; a name that stands twice is an attack on what was signed."""
    query = urlsplit(target).query
    posted = body.decode("latin-1") if "form" in content_type or not content_type else ""
    raw = [part.split("=", 1) for part in f"{query}&{posted}".split("&") if "=" in part]
    named = {unquote_to_bytes(name.replace("+", " ")): value for name, value in raw}
    if len(named) != len(raw):
        raise Turned("40002", "isv.suspected-attack", "可疑的攻击请求")
    given = named.get(b"charset") or next(iter(_CHARSET.findall(content_type)), "") or "utf-8"
    charset = {"gbk": "gb18030", "gb2312": "gb18030"}.get(given.lower(), given.lower())
    if charset not in ("utf-8", "gb18030"):
        raise Turned("40002", "isv.invalid-charset", "字符集错误")
    try:
        params = {_unquoted(name, charset): _unquoted(value, charset) for name, value in raw}
    except ValueError:
        raise Turned("40002", "isv.invalid-charset", "字符集错误") from None
    return params, charset


def _unquoted(text: str, charset: str) -> str:
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode(charset)
