"""The v2 gateway's manners: one address, everything HTTP 200, the reply's object signed as it is sent (dossier 1.1)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daozhang.channels.alipay.twin.gate import Gate, Keys, Turned
from daozhang.channels.alipay.twin.papers import Papers
from daozhang.channels.twin import Heard, Said

_HTML = (("Content-Type", "text/html;charset=utf-8"),)
_WORDS = {"40001": "Missing Required Arguments", "40002": "Invalid Arguments", "40006": "Insufficient Permissions",
          "20001": "Insufficient Token Permissions"}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A request that came through a door. ``base_url``: how the caller reached us."""

    method: str
    biz: Mapping[str, Any] = field(default_factory=dict)
    notify_url: str = ""
    app_id: str = ""
    certified: bool = False
    base_url: str = ""
    at_ms: int = 0


class DoorV2:
    def __init__(self, gate: Gate, keys: Keys, papers: Papers | None) -> None:
        self._gate, self._keys, self._papers = gate, keys, papers

    def open(self, heard: Heard) -> Call:
        """Raises Turned."""
        content_type = header(heard, "content-type")
        let = self._gate.pass_(heard.target, content_type, heard.body, heard.at_ms, heard.real_ms)
        try:
            biz = json.loads(let.params.get("biz_content") or "{}", parse_float=str)
        except (ValueError, RecursionError):
            biz = None
        if not isinstance(biz, dict):
            raise Turned("40002", "isv.invalid-parameter", "参数无效: biz_content", let.method)
        return Call(let.method, biz, let.params.get("notify_url", ""), let.app_id, let.certified, base_url(heard), heard.at_ms)

    def turned(self, turned: Turned, heard: Heard) -> Said:
        reply = {"code": turned.code, "msg": _WORDS.get(turned.code, "Failed"), "sub_code": turned.sub_code,
                 "sub_msg": turned.sub_msg}  # fmt: skip
        return self.said(Call(turned.method), reply)

    def said(self, call: Call, reply: Mapping[str, Any], spoil: str = "") -> Said:
        """The object as sent is what is signed; ``sign`` stands directly after it."""
        name = f"{call.method.replace('.', '_')}_response" if call.method else "error_response"
        text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        if spoil == "unsigned":
            return Said(200, _HTML, f'{{"{name}":{text}}}'.encode())
        message = text.encode() if spoil != "forged" else b"something else"
        signature = base64.b64encode(self._keys.sign(message)).decode()
        paper = f',"alipay_cert_sn":"{self._papers.alipay_sn}"' if call.certified and self._papers is not None else ""
        return Said(200, _HTML, f'{{"{name}":{text},"sign":"{signature}"{paper}}}'.encode())


def header(heard: Heard, wanted: str) -> str:
    return next((value for name, value in heard.headers if name.lower() == wanted), "")


def base_url(heard: Heard) -> str:
    return f"http://{header(heard, 'host') or '127.0.0.1'}"
