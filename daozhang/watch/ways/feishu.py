"""A Feishu (飞书) group robot with signature: timestamp (s) and sign go into the body; code 0 is the only yes.

Its signature has the text "timestamp\\nsecret" as the key and nothing as the message.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from daozhang.watch.alerts import Alert, Post, Target, headline, lines

KEYS = {"url": True, "secret": False}


def sign(secret: str, timestamp_s: int) -> str:
    return base64.b64encode(hmac.digest(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256)).decode()


def write(target: Target, alert: Alert, now_s: int) -> Post:
    paragraphs = [[{"tag": "text", "text": line}] for line in lines(alert, target.lang)]
    language = "zh_cn" if target.lang == "zh" else "en_us"
    body: dict[str, Any] = {
        "msg_type": "post", "content": {"post": {language: {"title": headline(alert, target.lang), "content": paragraphs}}},
    }  # fmt: skip
    if secret := target.keys.get("secret", ""):
        body = {"timestamp": str(now_s), "sign": sign(secret, now_s), **body}
    return Post(target.keys["url"], {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode())


def taken(status: int, body: bytes) -> bool:
    try:
        return status == 200 and json.loads(body)["code"] == 0
    except (ValueError, KeyError, TypeError):
        return False
