"""The calls, by what a program wants to do. Doors without a method of their own are opened by ``call``."""

import time
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from daozhang.client import types as say
from daozhang.client.wire import Wire, new_key


class Client(Wire):
    """One key at one address. Not shared between threads: make one each (async programs: ``asyncio.to_thread``)."""

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

    def reverse(self, payment: str, *, wait_s: float = 5.0, key: str = "") -> say.Payment:
        """Undo it, whatever became of it; a query decides what that brought."""
        return self._send("POST", _of("payments", payment, "reverse"), say.Payment, {"wait_s": wait_s}, key or new_key())

    def cancel(self, payment: str, *, wait_s: float = 5.0, key: str = "") -> say.Payment:
        """Close one that is not paid yet. One that is paid raises ApiProblem ``paid_already``."""
        return self._send("POST", _of("payments", payment, "close"), say.Payment, {"wait_s": wait_s}, key or new_key())

    def refund(self, payment: str, amount: int | None = None, *, reason: str = "", wait_s: float = 5.0, key: str = "") -> say.Refund:
        """Give so many fen back; all that is left without an amount."""
        body = {"payment": payment, "reason": reason, "wait_s": wait_s, **({"amount": amount} if amount is not None else {})}
        return self._send("POST", "/v1/refunds", say.Refund, body, key or new_key())

    def answer(self, payment: str, *, goods_handed_over: bool, key: str = "") -> say.Payment:
        """The money came after another end was told: were the goods handed over?"""
        body = {"goods_handed_over": goods_handed_over}
        return self._send("POST", _of("payments", payment, "answer"), say.Payment, body, key or new_key())

    # -- finding out -----------------------------------------------------------------------------------------------------

    def payment(self, payment: str, *, evidence: bool = False) -> say.Payment:
        return self._send("GET", _of("payments", payment) + ("?expand[]=evidence" if evidence else ""), say.Payment)

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

    def watch(self, payment: str) -> Iterator[say.Payment]:
        """The payment now and at each change, at least every five seconds, until it is proven. For a screen; a line that
        breaks raises NotReached: watch again."""
        return self._stream(_of("payments", payment, "stream"), say.Payment)

    def resolve(self, payment: str, *, wait_s: float = 5.0) -> say.Payment:
        """Ask the channel now."""
        return self._send("POST", _of("payments", payment, "resolve"), say.Payment, {"wait_s": wait_s}, safe=True)

    def told(self, payment: str, by: str = "till") -> say.Payment:
        """The shop has seen the result. Twice is as good as once."""
        return self._send("POST", _of("payments", payment, "told"), say.Payment, {"by": by}, safe=True)

    def lookup(
        self, no_tail: str = "", *, amount: int = 0, at: str = "", within_s: int = 900, till: str = ""
    ) -> list[say.Payment]:
        """By the last characters of a number on the payer's phone, or by amount and time (RFC 3339)."""
        given = {"no_tail": no_tail, "amount": amount, "time": at, "till": till}
        body = {"within_s": within_s, **{name: value for name, value in given.items() if value}}
        return self._send("POST", "/v1/payments/lookup", say.PaymentPage, body, safe=True).data

    def payments(self, **filters: str) -> Iterator[say.Payment]:
        """All payments, newest first, page after page: ``status``, ``till``, ``merchant_order_no``."""
        return self._pages("/v1/payments", say.PaymentPage, filters)

    def refunds(self, **filters: str) -> Iterator[say.Refund]:
        return self._pages("/v1/refunds", say.RefundPage, filters)

    def refund_of(self, refund: str) -> say.Refund:
        """One refund, by its own id."""
        return self._send("GET", _of("refunds", refund), say.Refund)

    def receipt(self, payment: str, *, lang: str = "zh") -> say.Receipt:
        return self._send("GET", f"{_of('receipts', payment)}?{urlencode({'lang': lang})}", say.Receipt)

    def balances(self) -> dict[str, int]:
        """Debits minus credits of each account, in fen; together they are nothing."""
        return self._send("GET", "/v1/balances", say.Balances).balances

    # -- events, webhooks, the log ----------------------------------------------------------------------------------------

    def events(self, cursor: str = "", *, types: str = "", since: str = "") -> Iterator[say.Event]:
        """Events from a cursor to now. Keep the last ``event.cursor``: with it you go on where you were."""
        return self._pages("/v1/events", say.EventPage, {"types": types, **({"cursor": cursor} if cursor else {"since": since})})

    def add_webhook(self, url: str, types: list[str] | None = None, description: str = "") -> say.WebhookEndpoint:
        """``secret`` of the answer is shown only now: keep it."""
        body = {"url": url, "types": types or [], "description": description}
        return self._send("POST", "/v1/webhook_endpoints", say.WebhookEndpoint, body)

    def webhooks(self) -> list[say.WebhookEndpoint]:
        return self._send("GET", "/v1/webhook_endpoints", say.EndpointPage).data

    def rotate_webhook_secret(self, endpoint: str) -> say.WebhookEndpoint:
        """A new ``secret``; the old one signs too for a day, and `verify_webhook` takes both, divided by a blank."""
        return self._send("POST", _of("webhook_endpoints", endpoint, "rotate_secret"), say.WebhookEndpoint)

    def webhook_attempts(self, endpoint: str) -> Iterator[say.WebhookAttempt]:
        return self._pages(_of("webhook_endpoints", endpoint, "attempts"), say.AttemptPage, {})

    def replay_webhook(self, endpoint: str, start: str, end: str = "") -> int:
        """Send the events of a span of time again; how many."""
        body = {"from": start, **({"to": end} if end else {})}
        return self._send("POST", _of("webhook_endpoints", endpoint, "replay"), say.Queued, body).queued

    def remove_webhook(self, endpoint: str) -> None:
        self._send("DELETE", _of("webhook_endpoints", endpoint), say.Deleted)

    def request_log(self, **filters: str) -> Iterator[say.RequestLine]:
        """This merchant's requests, newest first: ``status`` (404, 5xx), ``path``, ``since``."""
        return self._pages("/v1/request_log", say.RequestPage, filters)

    # -- who is who ------------------------------------------------------------------------------------------------------

    def stores(self) -> Iterator[say.Store]:
        return self._pages("/v1/stores", say.StorePage, {})

    def add_store(self, name: str) -> say.Store:
        return self._send("POST", "/v1/stores", say.Store, {"name": name})

    def tills(self) -> Iterator[say.Till]:
        return self._pages("/v1/tills", say.TillPage, {})

    def add_till(self, store: str, name: str) -> say.Till:
        return self._send("POST", "/v1/tills", say.Till, {"store": store, "name": name})

    def devices(self) -> Iterator[say.Device]:
        return self._pages("/v1/devices", say.DevicePage, {})


def _of(kind: str, ident: str, what: str = "") -> str:
    return f"/v1/{kind}/{quote(ident, safe='')}" + (f"/{what}" if what else "")
