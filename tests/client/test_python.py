"""The Python client against the running system, and against lines that break."""

import json
import socket
import threading
import time

import pytest
from standardwebhooks import Webhook

from daozhang.client import ApiProblem, BadDelivery, Client, NotReached, calls, verify_webhook
from daozhang.core import standard_webhook
from tests.conftest import System


@pytest.fixture
def shop(system: System) -> Client:
    return Client(system.state["api_key"], f"http://127.0.0.1:{system.base_port}", language="en")


def test_a_payment_its_refund_and_all_the_looking(system: System, shop: Client) -> None:
    paid = shop.pay(1250, order=f"C-{time.time_ns()}", till=system.state["till"], code=system.code(), metadata={"table": "5"})
    assert paid.proven and (paid.verdict, paid.amount, paid.metadata) == ("paid", 1250, {"table": "5"})
    assert shop.payment(paid.id, evidence=True).evidence
    back = shop.refund(paid.id, 250, reason="cold")
    assert (back.status, back.amount) == ("succeeded", 250)
    assert shop.payment(paid.id).amount_refunded == 250
    assert [one.id for one in shop.payments(merchant_order_no=paid.merchant_order_no)] == [paid.id]
    assert [one.id for one in shop.refunds(payment=paid.id)] == [back.id]
    assert sum(shop.balances().values()) == 0
    assert {event.type for event in shop.events(since=paid.created_at or "") if event.subject == paid.id} >= {"payment.created", "payment.paid"}
    assert shop.told(paid.id).told_at


def test_pages_follow_each_other(system: System, shop: Client) -> None:
    for _ in range(4):
        system.pay()
    several = [one.id for one in shop.payments(limit="2")]
    assert len(several) == len(set(several)) >= 4


def test_a_refusal_is_an_answer_and_a_mistake_is_a_problem(system: System, shop: Client) -> None:
    no = shop.pay(100, order=f"C-{time.time_ns()}", till=system.state["till"], code=system.code("no_balance"))
    assert no.verdict == "not_paid" and no.why_no_money and no.why_no_money.id == "payer.insufficient_funds"
    with pytest.raises(ApiProblem) as told:
        shop.pay(100, order="C-x", till=system.state["till"], code="6901234567892")
    assert (told.value.status, told.value.code) == (422, "wrong_code") and told.value.next_step["zh"] and told.value.request_id


def test_the_same_key_never_charges_twice(system: System, shop: Client) -> None:
    code, order = system.code(), f"C-{time.time_ns()}"
    first = shop.pay(100, order=order, till=system.state["till"], code=code, key=f"k-{order}")
    again = shop.pay(100, order=order, till=system.state["till"], code=code, key=f"k-{order}")
    assert first.id == again.id


def test_waiting_until_it_is_proven(system: System, shop: Client) -> None:
    typing = shop.pay(100, order=f"C-{time.time_ns()}", till=system.state["till"], code=system.code("cancels"), wait_s=0.5)
    assert typing.verdict == "waiting_customer"
    assert shop.reverse(typing.id).verdict in ("checking", "not_paid", "waiting_customer")
    assert shop.wait_until_proven(typing.id).verdict == "not_paid"


class Flaky:
    """A front that answers the first so many requests by a script, and the rest with 200."""

    def __init__(self, *script: bytes) -> None:
        self._script, self.heads = list(script), list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            line, _ = self._listener.accept()
            with line:
                head = line.recv(65536).decode()
                if not head:
                    continue
                self.heads.append(head)
                answer = self._script.pop(0) if self._script else b'HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n{"currency":"CNY","balances":{}} '
                if answer:
                    line.sendall(answer)


def _refusal(status: int, code: str, retryable: bool, after: str = "") -> bytes:
    body = json.dumps({"code": code, "retryable": retryable}).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{after}\r\n".encode() + body


def test_what_is_safe_is_repeated_with_the_same_key_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_PAUSES_S", (0.01, 0.01))
    flaky = Flaky(b"", _refusal(503, "overloaded", True, "Retry-After: 0\r\n"))
    assert Client("k", f"127.0.0.1:{flaky.port}").balances() == {}
    assert len(flaky.heads) == 3
    flaky = Flaky(b"", _refusal(429, "slow_down", True))
    with pytest.raises(ValueError):  # the made-up answer is no payment; what counts is what was sent
        Client("k", f"127.0.0.1:{flaky.port}").pay(1, order="o", till="t", code="28")
    keys = {line for head in flaky.heads for line in head.split("\r\n") if line.startswith("Idempotency-Key")}
    assert len(flaky.heads) == 3 and len(keys) == 1
    flaky = Flaky(b"")
    with pytest.raises(NotReached):
        Client("k", f"127.0.0.1:{flaky.port}").told("pay_1")
    assert len(flaky.heads) == 1, "without a key it is sent once"
    flaky = Flaky(_refusal(409, "sale_taken", False))
    with pytest.raises(ApiProblem):
        Client("k", f"127.0.0.1:{flaky.port}").pay(1, order="o", till="t", code="28")
    assert len(flaky.heads) == 1


def test_deliveries_are_believed_only_when_signed_fresh_and_new() -> None:
    secret, body = standard_webhook.new_secret(bytes(range(24))), b'{"type":"payment.paid","timestamp":"2026-11-23T00:00:00.000Z","data":{"a":1}}'
    from datetime import UTC, datetime

    at = datetime.now(UTC)
    headers = {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": Webhook(secret).sign("evt_1", at, body.decode())}
    told = verify_webhook(headers, body, secret)
    assert (told.id, told.type, told.data) == ("evt_1", "payment.paid", {"a": 1})
    verify_webhook(headers, body, f"{standard_webhook.new_secret(b'n' * 24)} {secret}")
    now = at.timestamp()
    for given, text, moment, seen, why in (
        ({}, body, now, set(), "missing"), (headers, body + b" ", now, set(), "wrong"), (headers, body, now + 301, set(), "old"),
        (headers, body, now - 302, set(), "early"), (headers, body, now, {"evt_1"}, "again"),
        ({**headers, "Webhook-Id": "evt_2"}, body, now, set(), "wrong"), ({**headers, "Webhook-Timestamp": "x"}, body, now, set(), "wrong"),
    ):  # fmt: skip
        with pytest.raises(BadDelivery) as refused:
            verify_webhook(given, text, secret, now=moment, seen=seen.__contains__)
        assert refused.value.why == why
    with pytest.raises(ValueError):
        verify_webhook(headers, body, "whsec_!!!")
