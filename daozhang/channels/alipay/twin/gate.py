"""The gateway's door: parameters merged, application before signature, then time, signature and method (dossier 1.1)."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from daozhang.channels.alipay.twin.papers import Papers

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
    """A request that came through the gate. ``certified``: in certificate mode, so the reply names its certificate."""

    method: str
    params: Mapping[str, str]
    charset: str
    app_id: str = ""
    certified: bool = False


class Partner(NamedTuple):
    """A service provider's app, and the token that the sandbox's merchant gave to it and to no other app.

    ``code`` and ``refresh`` are what the app may exchange for the token.
    """

    app_id: str
    token: str
    code: str = ""
    refresh: str = ""


class Gate:
    """``window_s`` None: any timestamp (for replaying captured requests). ``strict``: the app is in certificate mode."""

    def __init__(
        self, app_id: str, keys: Keys, methods: Callable[[str], bool], window_s: int | None = 86_400,
        papers: Papers | None = None, partner: Partner | None = None,
    ) -> None:  # fmt: skip
        self._app_id, self._keys, self._known, self._window_s = app_id, keys, methods, window_s
        self._papers, self._partner = papers, partner
        self.strict = False

    def pass_(self, target: str, content_type: str, body: bytes, now_ms: int, real_ms: int = 0) -> Let:
        """Raises Turned."""
        params, charset = _merged(target, content_type, body)
        method = params.get("method", "")
        try:
            self._check(params, charset, now_ms, real_ms)
        except Turned as turned:
            turned.method = method if self._known(method) else ""
            raise
        return Let(method, params, charset, params["app_id"], bool(params.get("app_cert_sn")))

    def _check(self, params: Mapping[str, str], charset: str, now_ms: int, real_ms: int) -> None:
        for name, code in (("app_id", "app-id"), ("method", "method"), ("sign_type", "signature-type"),
                           ("sign", "signature"), ("timestamp", "timestamp"), ("version", "version")):  # fmt: skip
            if not params.get(name):
                raise Turned("40001", f"isv.missing-{code}", f"缺少 {name} 参数")
        self.check_app(params["app_id"])
        if params["sign_type"] != "RSA2":
            raise Turned("40002", "isv.invalid-signature-type", "无效的签名类型")
        if params.get("format", "JSON").upper() != "JSON":
            raise Turned("40002", "isv.invalid-format", "无效的数据格式")
        self._check_time(params["timestamp"], now_ms, real_ms)
        self.check_papers(params.get("app_cert_sn", ""), params.get("alipay_root_cert_sn", ""))
        signed = "&".join(f"{key}={params[key]}" for key in sorted(params) if key != "sign" and params[key])
        try:
            message = signed.encode(charset)
        except (ValueError, LookupError):
            raise Turned("40002", "isv.invalid-signature", "无效签名") from None
        self.check_signature(message, params["sign"])
        if not self._known(params["method"]):
            raise Turned("40002", "isv.invalid-method", "不存在的方法名")
        self.check_token(params["app_id"], params.get("app_auth_token", ""), params["method"])

    def check_app(self, app_id: str) -> None:
        if app_id != self._app_id and (self._partner is None or app_id != self._partner.app_id):
            raise Turned("40002", "isv.invalid-app-id", "无效的AppID参数")

    def check_papers(self, app_sn: str, root_sn: str) -> None:
        """Certificate mode: both numbers, and both ours."""
        if not app_sn:
            if self.strict:
                raise Turned("40002", "isv.missing-app-cert-sn", "缺少应用公钥证书序列号")
            return
        if not root_sn:
            raise Turned("40002", "isv.missing-alipay-root-cert-sn", "缺少支付宝根证书序列号")
        if self._papers is None or app_sn != self._papers.app_sn:
            raise Turned("40002", "isv.app-cert-not-exist", "应用公钥证书不存在")
        if root_sn != self._papers.root_sn:
            raise Turned("40002", "isv.invalid-alipay-root-cert-sn", "无效的支付宝根证书序列号")

    def check_signature(self, message: bytes, text: str) -> None:
        try:
            signature = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Turned("40002", "isv.invalid-signature", "无效签名") from None
        if base64.b64encode(signature).decode() != text or not self._keys.verify(message, signature):
            raise Turned("40002", "isv.invalid-signature", "无效签名")

    def check_token(self, app_id: str, token: str, method: str) -> None:
        """A token belongs to one app and one merchant; a service provider's app has no shop of its own, and without a
        token it may only ask for one."""
        if self._partner is not None and app_id == self._partner.app_id:
            if not token and method.startswith("alipay.open.auth."):
                return
            if not token:
                raise Turned("40006", "isv.insufficient-isv-permissions", "ISV权限不足")
            if token == self._partner.token:
                return
        if token:
            raise Turned("20001", "aop.invalid-app-auth-token", "无效的应用授权令牌")

    def _check_time(self, text: str, now_ms: int, real_ms: int) -> None:
        try:
            if not _TIME.fullmatch(text):
                raise ValueError("another form")
            moment = datetime.fromisoformat(text).replace(tzinfo=BEIJING)
        except ValueError:
            raise Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数") from None
        self.check_window(round(moment.timestamp() * 1000), now_ms, real_ms)

    def check_window(self, at_ms: int, now_ms: int, real_ms: int = 0) -> None:
        """``real_ms``: where the sandbox's clock was moved, clients that are not ours still live in the time outside."""
        nearest = min(abs(at_ms - now) for now in (now_ms, real_ms or now_ms))
        if self._window_s is not None and nearest > self._window_s * 1000:
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
