"""Listening without losing anything: a cursor on disk, moved only after an event has been handed on."""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from daozhang.cli.link import Link
from daozhang.cli.say import Oops
from daozhang.core import standard_webhook

_QUIET_S = 35.0  # three beats of the stream missed: the line is dead (a laptop slept), a new one is opened
_FORWARD_S = 15.0
_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)


BEGINNING = "0-0"


class Lost(Exception):
    """The line to the platform broke; listening goes on from the cursor."""


class Place:
    """Where a named listener is. Without a name it is only kept in memory."""

    def __init__(self, folder: Path, name: str) -> None:
        if name and not name.replace("-", "").replace("_", "").isalnum():
            raise Oops(f"{name}:名字只用字母、数字、- 和 _", f"{name}: a name has letters, digits, - and _ only", code=2)
        self._file = folder / "listeners" / f"{name}.json" if name else None
        self.cursor: str | None = None
        self.secret = standard_webhook.new_secret(os.urandom(24))
        if self._file is not None and self._file.exists():
            held = json.loads(self._file.read_text("utf-8"))
            self.cursor, self.secret = held["cursor"], held["secret"]

    def move(self, cursor: str) -> None:
        """Durable before it returns, so that a killed listener repeats at most the last event."""
        self.cursor = cursor
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._file.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, json.dumps({"cursor": cursor, "secret": self.secret}).encode())
        finally:
            os.close(handle)
        fresh.replace(self._file)


def start(link: Link, place: Place, since: str) -> None:
    """Give a new listener its first cursor before anything is awaited: what happens from now on is not lost."""
    if place.cursor is None:
        place.move(link.must("GET", "/events/cursor?" + urlencode({"since": since}))["cursor"])


def events(link: Link, place: Place, types: str, until: float) -> Iterator[dict[str, Any]]:
    """Events as they happen, until the time. Raises Lost when the line breaks, Oops when we are refused."""
    parts = urlsplit(link.api)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=min(_QUIET_S, max(until - time.time(), 0.1)))
    query = urlencode({"cursor": place.cursor or BEGINNING, **({"types": types} if types else {})})
    try:
        line.request("GET", f"{parts.path}/events/stream?{query}", headers={"Authorization": f"Bearer {link.key}"})
        reply = line.getresponse()
        if reply.status >= 500 or reply.status == 429:
            raise Lost(f"HTTP {reply.status}")
        if reply.status >= 400:
            link.must("GET", f"/events?{query}")  # the same refusal, with its words
            raise Lost(f"HTTP {reply.status}")
        while time.time() < until:
            text = reply.readline()
            if not text:
                raise Lost("closed")
            if text.startswith(b": "):
                place.move(text[2:].strip().decode())
            elif text.startswith(b"data: "):
                yield json.loads(text[6:])
    except TimeoutError:
        if time.time() < until:
            raise Lost("silence") from None
    except (OSError, http.client.HTTPException, ValueError) as why:
        raise Lost(type(why).__name__) from None
    finally:
        line.close()


def forward(url: str, secret: str, event: dict[str, Any], told: Callable[[int, str, float], None], until: float) -> bool:
    """Post one event as a webhook until it is taken; ``told`` hears of each attempt. False when the time came first."""
    body = json.dumps({"type": event["type"], "timestamp": event["timestamp"], "data": event["data"]}, ensure_ascii=False).encode()
    for attempt in range(1, 1_000_000):
        began = time.monotonic()
        status, why = _post(url, secret, event["id"], body)
        told(attempt, status or why, time.monotonic() - began)
        if status.startswith("2"):
            return True
        pause = _AGAIN_S[min(attempt, len(_AGAIN_S)) - 1]
        if time.time() + pause >= until:
            return False
        time.sleep(pause)
    return False


def _post(url: str, secret: str, event_id: str, body: bytes) -> tuple[str, str]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    line = kind(parts.hostname or "", parts.port, timeout=_FORWARD_S)
    now = int(time.time())
    headers = {"Content-Type": "application/json", "webhook-id": event_id, "webhook-timestamp": str(now),
               "webhook-signature": standard_webhook.sign(secret, event_id, now, body)}  # fmt: skip
    try:
        line.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return str(line.getresponse().status), ""
    except (OSError, http.client.HTTPException) as why:
        return "", type(why).__name__
    finally:
        line.close()
