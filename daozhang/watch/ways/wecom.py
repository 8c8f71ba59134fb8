"""A WeCom (企业微信) group robot: markdown of at most 4,096 bytes; errcode 0 is the only yes."""

import json

from daozhang.watch.alerts import Alert, Post, Target, headline, lines

KEYS = {"url": True}
_MOST_BYTES = 4096


def write(target: Target, alert: Alert, now_s: int) -> Post:
    first, *rest = lines(alert, target.lang)
    text = "\n".join([f"**{headline(alert, target.lang)}**", first, *(f"> {line}" for line in rest)])
    short = text.encode()[:_MOST_BYTES].decode("utf-8", "ignore")
    body = {"msgtype": "markdown", "markdown": {"content": short}}
    return Post(target.keys["url"], {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode())


def taken(status: int, body: bytes) -> bool:
    try:
        return status == 200 and json.loads(body)["errcode"] == 0
    except (ValueError, KeyError, TypeError):
        return False
