"""A DingTalk (钉钉) group robot with signature: timestamp (ms) and sign go into the address; errcode 0 is the only yes."""

import base64
import hashlib
import hmac
import json
from urllib.parse import quote_plus

from daozhang.watch.alerts import Alert, Post, Target, headline, lines

KEYS = {"url": True, "secret": False}


def sign(secret: str, timestamp_ms: int) -> str:
    """base64(HMAC-SHA256(secret, "timestamp\\nsecret"))."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256)).decode()


def write(target: Target, alert: Alert, now_s: int) -> Post:
    title, url = headline(alert, target.lang), target.keys["url"]
    if secret := target.keys.get("secret", ""):
        url += f"&timestamp={now_s * 1000}&sign={quote_plus(sign(secret, now_s * 1000))}"
    body = {"msgtype": "markdown", "markdown": {"title": title, "text": "\n\n".join([f"#### {title}", *lines(alert, target.lang)])}}
    return Post(url, {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode())


def taken(status: int, body: bytes) -> bool:
    try:
        return status == 200 and json.loads(body)["errcode"] == 0
    except (ValueError, KeyError, TypeError):
        return False
