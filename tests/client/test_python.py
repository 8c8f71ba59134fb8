"""The Python client against the running system, and against lines that break."""

import json
import socket
import threading
import time

import pytest
from standardwebhooks import Webhook

from daozhang.client import ApiProblem, BadDelivery, Client, NotReached, verify_webhook, wire
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
    monkeypatch.setattr(wire, "_PAUSES_S", (0.01, 0.01))
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
        Client("k", f"127.0.0.1:{flaky.port}").add_store("x")
    assert len(flaky.heads) == 1, "without a key it is sent once"
    flaky = Flaky(b"", _refusal(503, "unavailable", True))
    with pytest.raises(ValueError):
        Client("k", f"127.0.0.1:{flaky.port}").told("pay_1")
    assert len(flaky.heads) == 3, "twice is as good as once: it is repeated without a key"
    flaky = Flaky(_refusal(429, "too_many_codes", True, "Retry-After: 60\r\n"))
    with pytest.raises(ApiProblem):
        Client("k", f"127.0.0.1:{flaky.port}").pay(1, order="o", till="t", code="28")
    assert len(flaky.heads) == 1, "nobody waits a minute inside a call"
    flaky = Flaky(_refusal(409, "sale_taken", False))
    with pytest.raises(ApiProblem):
        Client("k", f"127.0.0.1:{flaky.port}").pay(1, order="o", till="t", code="28")
    assert len(flaky.heads) == 1


def test_a_connection_that_rested_is_not_trusted_with_what_cannot_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    store = b'{"id":"sto_1","object":"store","merchant":"m","name":"x","created_at":null}'
    made = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(store) + store
    monkeypatch.setattr(wire, "_RESTS_S", -1)  # every connection has rested for too long, and this front closes each
    flaky = Flaky(made, made)
    with Client("k", f"127.0.0.1:{flaky.port}") as shop:
        assert [shop.add_store("x").id, shop.add_store("x").id] == ["sto_1", "sto_1"]
    assert len(flaky.heads) == 2


def test_watching_looking_up_closing_and_asking_now(system: System, shop: Client) -> None:
    slow = shop.pay(100, order=f"C-{time.time_ns()}", till=system.state["till"], code=system.code("types_password"), wait_s=0)
    seen = list(shop.watch(slow.id))
    assert not seen[0].proven and seen[-1].proven and seen[-1].verdict == "paid"
    assert [one.id for one in shop.lookup(slow.channel_refs.out_trade_no[-8:])] == [slow.id]
    assert slow.id in {one.id for one in shop.lookup(amount=100, at=str(slow.created_at), till=system.state["till"])}
    with pytest.raises(ApiProblem) as told:
        shop.cancel(slow.id)
    assert (told.value.code, told.value.retryable) == ("paid_already", False)
    assert shop.resolve(slow.id, wait_s=0).verdict == "paid"
    assert shop.receipt(slow.id, lang="en").payment == slow.id
    back = shop.refund(slow.id, 1)
    assert shop.refund_of(back.id).amount == 1
    with pytest.raises(ApiProblem) as nothing:
        shop.answer(slow.id, goods_handed_over=True)
    assert nothing.value.code == "no_question"
    with pytest.raises(ApiProblem):
        list(shop.watch("pay_nobody"))


def test_webhooks_stores_tills_and_the_log(system: System, shop: Client) -> None:
    hook = shop.add_webhook("http://127.0.0.1:9/", ["test.none"])
    assert hook.secret and hook.id in {one.id for one in shop.webhooks()}
    fresh = shop.rotate_webhook_secret(hook.id)
    assert fresh.secret and fresh.secret != hook.secret and list(shop.webhook_attempts(hook.id)) == []
    assert shop.replay_webhook(hook.id, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z") == 0
    shop.remove_webhook(hook.id)
    assert hook.id not in {one.id for one in shop.webhooks()}
    store = shop.add_store("二店")
    till = shop.add_till(store.id, "1")
    assert store.id in {one.id for one in shop.stores()} and till.id in {one.id for one in shop.tills()}
    assert all(one.merchant == system.state["merchant"] for one in shop.devices())
    end = time.monotonic() + 15
    while not any(one.path.endswith(hook.id) and one.method == "DELETE" for one in shop.request_log(path="/v1/webhook_endpoints")):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_deliveries_are_believed_only_when_signed_fresh_and_new() -> None:
    secret, body = standard_webhook.new_secret(bytes(range(24))), b'{"type":"payment.paid","timestamp":"2026-11-23T00:00:00.000Z","data":{"a":1}}'
    from datetime import UTC, datetime

    at = datetime.now(UTC)
    headers = {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": Webhook(secret).sign("evt_1", at, body.decode())}
    told = verify_webhook(headers, body, secret)
    assert (told.id, told.type, told.data) == ("evt_1", "payment.paid", {"a": 1})
    verify_webhook(headers, body, secret, 60, now=at.timestamp() + 59)
    with pytest.raises(BadDelivery):
        verify_webhook(headers, body, secret, 60, now=at.timestamp() + 62)
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
