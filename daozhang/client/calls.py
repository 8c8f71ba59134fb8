"""The calls. Nothing is sent twice without its key, and only what is safe to repeat is repeated."""

import http.client
import os
import random
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from daozhang.client import types as say
from daozhang.client.problem import ApiProblem, NotReached

VERSION = "2026-12-01"
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
_Shape = TypeVar("_Shape")
_AGAIN = (409, 429, 502, 503, 504)  # 409 only for a request that is still under way



class Client:
    """One key at one address. Not shared between threads: make one each."""

    def __init__(self, api_key: str, base_url: str, *, language: str = "zh", timeout_s: float = 30, merchant: str = "") -> None:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url is such as https://api.example.com")
        self._tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._timeout_s = timeout_s
        self._line: http.client.HTTPConnection | None = None
        self._headers = {"Authorization": f"Bearer {api_key}", "Accept-Language": language, "Content-Type": "application/json",
                         "Daozhang-Version": VERSION, "User-Agent": "daozhang-python"}  # fmt: skip
        if merchant:
            self._headers["Daozhang-Merchant"] = merchant

    # -- money -----------------------------------------------------------------------------------------------------------

    def pay(
        self, amount: int, *, order: str, till: str, code: str = "", channel: str = "", subject: str = "收款",
        metadata: dict[str, str] | None = None, wait_s: float = 5.0, key: str = "",
    ) -> say.Payment:  # fmt: skip
        """Take a payment of so many fen: with the payer's code, or by a QR of ours. A refusal by the payer's side is an
        answer (``not_paid``), not an exception. ``key``: give one that you keep, when your own program may die.
        """
        method: dict[str, str] = {"type": "pay_by_code", "code": code} if code else {"type": "pay_by_qr"}
        if channel and not code:
            method["channel"] = channel
        body = {"amount": amount, "merchant_order_no": order, "till": till, "method": method, "subject": subject,
                "metadata": metadata or {}, "wait_s": wait_s}  # fmt: skip
        return self._send("POST", "/v1/payments", say.Payment, body, key or new_key())

    def payment(self, payment: str, *, evidence: bool = False) -> say.Payment:
        return self._send("GET", f"/v1/payments/{quote(payment)}" + ("?expand[]=evidence" if evidence else ""), say.Payment)

    def wait_until_proven(self, payment: str, within_s: float = 120) -> say.Payment:
        """Ask until evidence has decided, or the time is over; the payment as it is then."""
        end = time.monotonic() + within_s
        pause = 0.3
        while True:
            found = self.payment(payment)
            if found.proven or time.monotonic() >= end:
                return found
            time.sleep(min(pause, max(end - time.monotonic(), 0)))
            pause = min(pause * 1.5, 2.0)

    def reverse(self, payment: str, *, wait_s: float = 5.0, key: str = "") -> say.Payment:
        """Undo it, whatever became of it; a query decides what that brought."""
        return self._send("POST", f"/v1/payments/{quote(payment)}/reverse", say.Payment, {"wait_s": wait_s}, key or new_key())

    def told(self, payment: str, by: str = "till") -> say.Payment:
        """The shop has seen the result."""
        return self._send("POST", f"/v1/payments/{quote(payment)}/told", say.Payment, {"by": by})

    def refund(self, payment: str, amount: int | None = None, *, reason: str = "", wait_s: float = 5.0, key: str = "") -> say.Refund:
        """Give so many fen back; all that is left without an amount."""
        body = {"payment": payment, "reason": reason, "wait_s": wait_s, **({"amount": amount} if amount is not None else {})}
        return self._send("POST", "/v1/refunds", say.Refund, body, key or new_key())

    # -- looking ---------------------------------------------------------------------------------------------------------

    def payments(self, **filters: str) -> Iterator[say.Payment]:
        """All payments, newest first, page after page: ``status``, ``till``, ``merchant_order_no``."""
        for page in self._pages("/v1/payments", say.PaymentPage, filters):
            yield from page.data

    def refunds(self, **filters: str) -> Iterator[say.Refund]:
        for page in self._pages("/v1/refunds", say.RefundPage, filters):
            yield from page.data

    def events(self, cursor: str = "", *, types: str = "", since: str = "") -> Iterator[say.Event]:
        """Events from a cursor to now. Keep the last ``event.cursor``: with it you go on where you were."""
        given = {"types": types, **({"cursor": cursor} if cursor else {"since": since})}
        for page in self._pages("/v1/events", say.EventPage, given):
            yield from page.data

    def balances(self) -> dict[str, int]:
        return self._send("GET", "/v1/balances", say.Balances).balances

    def add_webhook(self, url: str, types: list[str] | None = None, description: str = "") -> say.WebhookEndpoint:
        """``secret`` of the answer is shown only now: keep it."""
        body = {"url": url, "types": types or [], "description": description}
        return self._send("POST", "/v1/webhook_endpoints", say.WebhookEndpoint, body)

    def _pages(self, path: str, shape: type[Any], filters: dict[str, str]) -> Iterator[Any]:
        given = {"limit": "100", **{name: value for name, value in filters.items() if value}}
        while True:
            page = self._send("GET", f"{path}?{urlencode(given)}", shape)
            yield page
            if not page.has_more or not page.next_cursor:
                return
            given["cursor"] = page.next_cursor

    # -- the wire --------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        """Any other door: the answer as plain values. Raises ApiProblem, NotReached."""
        anything: Any = Any
        return self._send(method, path, anything, body, key)

    def _send(self, method: str, path: str, shape: type[_Shape], body: Any = None, key: str = "") -> _Shape:
        """Repeats what is safe to repeat: reads, and what carries a key. Raises ApiProblem, NotReached."""
        headers = {**self._headers, **({"Idempotency-Key": key} if key else {})}
        data = None if body is None else msgspec.json.encode(body)
        safe, pauses = method == "GET" or bool(key), iter(_PAUSES_S)
        while True:
            kept = self._line is not None
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
            pause = next(pauses, None) if again else None
            if pause is None:
                raise problem
            time.sleep(max(pause * random.uniform(0.8, 1.2), min(after, 10)))

    def _once(self, method: str, path: str, headers: dict[str, str], data: bytes | None) -> tuple[int, bytes, float]:
        if self._line is None:
            kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
            self._line = kind(self._host, self._port, timeout=self._timeout_s)
        self._line.request(method, path, data, headers)
        reply = self._line.getresponse()
        told = reply.read()
        after = reply.headers.get("Retry-After", "")
        return reply.status, told, float(after) if after.isdecimal() else 0.0

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._line is not None:
            self._line.close()
            self._line = None


def new_key() -> str:
    """An Idempotency-Key that nobody else has."""
    return f"py-{os.urandom(16).hex()}"


def _problem(told: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(told)
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}
