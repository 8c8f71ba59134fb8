"""A program of the operators: Standard Webhooks, as the merchants' webhooks are; any 2xx is a yes."""

import json

from daozhang.core import standard_webhook
from daozhang.watch.alerts import Alert, Post, Target

KEYS = {"url": True, "secret": False}


def write(target: Target, alert: Alert, now_s: int) -> Post:
    data = {"incident": alert.incident, "stage": alert.stage, "published": alert.published, "by": alert.by, "title": alert.title, "says": alert.says,
            "next_step": {"operations": alert.step}, **alert.facts}  # fmt: skip
    body = json.dumps({"type": "alert.incident", "data": data}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "daozhang-alerts", "webhook-id": alert.id, "webhook-timestamp": str(now_s)}
    if secret := target.keys.get("secret", ""):
        headers["webhook-signature"] = standard_webhook.sign(secret, alert.id, now_s, body)
    return Post(target.keys["url"], headers, body)


def taken(status: int, body: bytes) -> bool:
    return 200 <= status < 300
