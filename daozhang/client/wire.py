"""The wire below the calls. Nothing is sent twice without its key, and only what is safe to repeat is repeated."""

import http.client
import os
import random
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from daozhang.client.problem import ApiProblem, NotReached

VERSION = "2026-12-01"
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
_AGAIN = (409, 429, 502, 503, 504)
_RESTS_S = 20  # the server hangs up after 30 s of rest; a connection near that is not trusted with what cannot be repeated
_LONGEST_PAUSE_S = 30
Shape = TypeVar("Shape")


class Wire:
    """One key at one address, on one connection that is kept. Not shared between threads: make one each."""

    def __init__(self, api_key: str, base_url: str, *, language: str = "zh", timeout_s: float = 30, merchant: str = "") -> None:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url is such as https://api.example.com")
        self._tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._timeout_s = timeout_s
        self._line: http.client.HTTPConnection | None = None
        self._used = 0.0
        self._headers = {"Authorization": f"Bearer {api_key}", "Accept-Language": language, "Content-Type": "application/json",
                         "Daozhang-Version": VERSION, "User-Agent": "daozhang-python"}  # fmt: skip
        if merchant:
            self._headers["Daozhang-Merchant"] = merchant

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """Any door: the answer as plain values. Raises ApiProblem, NotReached."""
        anything: Any = Any
        return self._send(method, path, anything, body, key)

    def _pages(self, path: str, shape: type[Any], filters: dict[str, Any]) -> Iterator[Any]:
        """The rows of a list, page after page."""
        given = {"limit": "100", **{name: value for name, value in filters.items() if value}}
        while True:
            page = self._send("GET", f"{path}?{urlencode(given)}", shape)
            yield from page.data
            if not page.has_more or not page.next_cursor:
                return
            given["cursor"] = page.next_cursor

    def _send(self, method: str, path: str, shape: type[Shape], body: Any = None, key: str = "", *, safe: bool = False) -> Shape:
        """Repeats what is safe to repeat: reads, what carries a key, and what its caller calls ``safe``. Raises ApiProblem,
        NotReached."""
        headers = {**self._headers, **({"Idempotency-Key": key} if key else {})}
        data = None if body is None else msgspec.json.encode(body)
        safe, pauses = safe or method == "GET" or bool(key), iter(_PAUSES_S)
        while True:
            kept = self._rested()
            try:
                status, told, after = self._once(method, path, headers, data)
            except (OSError, http.client.HTTPException, ssl.SSLError) as broken:
                self.close()
                if kept and safe:
                    continue  # a connection that died while it rested is no attempt; the next one is fresh
                pause = next(pauses, None)
                if pause is None or not (safe or isinstance(broken, ConnectionRefusedError | socket.gaierror)):
                    raise NotReached(f"{method} {path.partition('?')[0]}: {type(broken).__name__}") from broken
                time.sleep(pause * random.uniform(0.8, 1.2))
                continue
            if status < 400:
                return msgspec.json.decode(told or b"null", type=shape)
            problem = ApiProblem(status, _problem(told))
            again = safe and status in _AGAIN and (problem.retryable or status in (502, 504))
            pause = next(pauses, None) if again and after <= _LONGEST_PAUSE_S else None
            if pause is None:
                raise problem
            time.sleep(max(pause, after) * random.uniform(1.0, 1.2))

    def _rested(self) -> bool:
        """Is there a kept connection? One that has rested for long is given up first."""
        if self._line is not None and time.monotonic() - self._used > _RESTS_S:
            self.close()
        return self._line is not None

    def _once(self, method: str, path: str, headers: dict[str, str], data: bytes | None) -> tuple[int, bytes, float]:
        if self._line is None:
            self._line = self._connection(self._timeout_s)
        self._line.request(method, path, data, headers)
        reply = self._line.getresponse()
        told = reply.read()
        self._used = time.monotonic()
        after = reply.headers.get("Retry-After", "")
        return reply.status, told, float(after) if after.isdecimal() else 0.0

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout_s)

    def _stream(self, path: str, shape: type[Shape]) -> Iterator[Shape]:
        """The lines of a stream until it ends, on a connection of its own. Raises ApiProblem, NotReached."""
        line = self._connection(self._timeout_s)
        try:
            line.request("GET", path, headers=self._headers)
            reply = line.getresponse()
            if reply.status >= 400:
                raise ApiProblem(reply.status, _problem(reply.read()))
            for text in reply:
                if text.startswith(b"data: "):
                    yield msgspec.json.decode(text[6:], type=shape)
        except (OSError, http.client.HTTPException) as broken:
            raise NotReached(f"GET {path}: {type(broken).__name__}") from broken
        finally:
            line.close()

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


def new_key() -> str:
    """An Idempotency-Key that nobody else has."""
    return f"py-{os.urandom(16).hex()}"


def _problem(told: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(told)
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}
