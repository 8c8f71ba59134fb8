"""The v3 REST wire's manners: a path for each method, signatures in headers, errors as statuses (dossier 1.5).

Refusals of the gateway lose their ``isv.`` or ``aop.``; whether a wrong signature is a 400 or a 401 the documents do not
agree on: here it is 401, as for everything about who is asking.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from daozhang.channels.alipay.twin.door_v2 import Call, base_url, header
from daozhang.channels.alipay.twin.gate import Gate, Keys, Turned
from daozhang.channels.alipay.twin.papers import Papers
from daozhang.channels.twin import Heard, Said

_SCHEME = "ALIPAY-SHA256withRSA "
_STATUS = {"40001": 400, "40002": 400, "40003": 400, "40004": 400, "40005": 429, "40006": 403, "20000": 500, "20001": 401}
_WHO = ("isv.invalid-signature", "isv.invalid-app-id", "isv.app-cert-not-exist")
_WAITING = ("trade_no", "out_trade_no", "buyer_logon_id", "total_amount")


class DoorV3:
    def __init__(self, gate: Gate, keys: Keys, papers: Papers | None, known: Callable[[str], bool],
                 rand: Callable[[int], bytes]) -> None:  # fmt: skip
        self._gate, self._keys, self._papers, self._known, self._rand = gate, keys, papers, known, rand

    def open(self, heard: Heard) -> Call:
        """Raises Turned."""
        parts = urlsplit(heard.target)
        method = parts.path.removeprefix("/v3/").replace("/", ".")
        auth, signature, told = self._told(header(heard, "authorization"), heard)
        token = header(heard, "alipay-app-auth-token")
        self._gate.check_papers(told.get("app_cert_sn", ""), header(heard, "alipay-root-cert-sn"))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            message = f"{auth}\n{heard.method}\n{target}\n".encode() + heard.body + b"\n"
        except UnicodeEncodeError:
            raise Turned("40002", "isv.invalid-signature", "无效签名") from None
        self._gate.check_signature(message + (f"{token}\n".encode() if token else b""), signature)
        get = "bill.downloadurl" in method
        if not self._known(method) or heard.method != ("GET" if get else "POST"):
            raise Turned("40002", "isv.invalid-method", "不存在的方法名")
        self._gate.check_token(told["app_id"], token, method)
        biz = dict(parse_qsl(parts.query, keep_blank_values=True)) if get else _object(heard.body)
        notify_url = str(biz.pop("notify_url", ""))
        return Call(method, biz, notify_url, told["app_id"], "app_cert_sn" in told, base_url(heard), heard.at_ms)

    def _told(self, header_text: str, heard: Heard) -> tuple[str, str, dict[str, str]]:
        """What was signed of the header, the signature, and the pairs. Raises Turned."""
        if not header_text.startswith(_SCHEME):
            raise Turned("40001", "isv.missing-signature-type", "缺少签名类型参数")
        auth, mark, signature = header_text.removeprefix(_SCHEME).partition(",sign=")
        pairs = [part.partition("=") for part in auth.split(",")]
        told = {name.strip(): value for name, _, value in pairs}
        if len(told) != len(pairs):
            raise Turned("40002", "isv.suspected-attack", "可疑的攻击请求")
        for name, code in (("app_id", "app-id"), ("timestamp", "timestamp"), ("nonce", "signature")):
            if not told.get(name):
                raise Turned("40001", f"isv.missing-{code}", f"缺少 {name} 参数")
        if not mark or not signature:
            raise Turned("40001", "isv.missing-signature", "缺少签名参数")
        self._gate.check_app(told["app_id"])
        if not re.fullmatch(r"\d{13}", told["timestamp"], re.ASCII):
            raise Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数")
        stamp, lives = int(told["timestamp"]), told.get("expired_seconds", "")
        self._gate.check_window(stamp, heard.at_ms, heard.real_ms)
        now = heard.real_ms or heard.at_ms
        if lives and (not re.fullmatch(r"\d{1,6}", lives, re.ASCII) or stamp + int(lives) * 1000 < now):
            raise Turned("40002", "isv.invalid-timestamp", "非法的时间戳参数")
        return auth, signature, told

    def turned(self, turned: Turned, heard: Heard) -> Said:
        certified = "app_cert_sn=" in header(heard, "authorization")
        reply = {"code": turned.code, "sub_code": turned.sub_code, "sub_msg": turned.sub_msg}
        return self.said(Call("", certified=certified, at_ms=heard.at_ms), reply)

    def said(self, call: Call, reply: Mapping[str, Any], spoil: str = "") -> Said:
        """The words of v2 in the shape of v3; ``code`` and ``msg`` exist only in errors."""
        code = str(reply.get("code", ""))
        if code == "10000":
            return self._signed(call, 200, {name: value for name, value in reply.items() if name not in ("code", "msg")}, spoil)
        if code == "10003":
            return self._signed(call, 200, {name: reply[name] for name in _WAITING if name in reply}, spoil)
        sub = str(reply.get("sub_code", "")) or code
        bare = sub if sub.startswith(("ACQ.", "AQC.")) or "." not in sub else sub.partition(".")[2]
        status = 401 if sub in _WHO else 500 if sub.endswith("SYSTEM_ERROR") else _STATUS.get(code, 400)
        links = [{"link": f"https://open.alipay.com/api/errCheck?code={bare}", "desc": "解决方案"}]
        return self._signed(call, status, {"code": bare, "message": str(reply.get("sub_msg", "")), "links": links}, spoil)

    def _signed(self, call: Call, status: int, body: Mapping[str, Any], spoil: str) -> Said:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = [("Content-Type", "application/json;charset=utf-8"), ("alipay-trace-id", self._rand(16).hex())]
        if spoil != "unsigned":
            stamp, nonce = str(call.at_ms), self._rand(16).hex()
            message = f"{stamp}\n{nonce}\n".encode() + (text if spoil != "forged" else b"something else") + b"\n"
            headers += [("alipay-timestamp", stamp), ("alipay-nonce", nonce),
                        ("alipay-signature", base64.b64encode(self._keys.sign(message)).decode())]  # fmt: skip
            if call.certified and self._papers is not None:
                headers.append(("alipay-sn", self._papers.alipay_sn))
        return Said(status, tuple(headers), text)


def _object(body: bytes) -> dict[str, Any]:
    """Raises Turned."""
    try:
        found = json.loads(body or b"{}", parse_float=str)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Turned("40002", "isv.invalid-parameter", "参数无效: body")
    return found
