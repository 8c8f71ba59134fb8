"""The receipt's doors."""

import urllib.request

import pytest

from tests.conftest import System


def fetch(system: System, path: str) -> tuple[str, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}{path}", headers={"Authorization": f"Bearer {system.state['api_key']}"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return reply.headers["Content-Type"], reply.read()


def test_one_payment_in_every_form(system: System) -> None:
    paid = system.pay(subject="豆浆\u202e油条")
    path = f"/v1/receipts/{paid['id']}"
    status, told = system.call("GET", path)
    assert status == 200 and told["slip"] is False and told["qr"].startswith(f"http://127.0.0.1:{system.base_port}/p/{paid['id'][4:]}") and "豆浆?油条" in told["text"]
    kind, text = fetch(system, path + ".txt?paper=80&lang=en")
    assert kind.startswith("text/plain") and "RECEIPT" in text.decode() and "12.50" in text.decode()
    kind, data = fetch(system, path + ".escpos")
    assert kind == "application/octet-stream" and data.startswith(b"\x1b@") and "收款凭证".encode("gb18030") in data
    assert fetch(system, path + ".pdf")[1].startswith(b"%PDF")


@pytest.mark.parametrize(("tail", "status"), [(".exe", 404), ("?paper=99", 400), ("?lang=fr", 400), (".txt.txt", 404)])
def test_what_is_not_offered(system: System, tail: str, status: int) -> None:
    paid = system.pay()
    assert system.call("GET", f"/v1/receipts/{paid['id']}{tail}")[0] == status
    assert system.call("GET", "/v1/receipts/pay_01JD8000000000000000000000.txt")[0] == 404


def test_the_receipts_numbers_find_the_payment(system: System) -> None:
    """At the shop's till: what its QR holds, and what is printed."""
    paid = system.pay()
    _, told = system.call("GET", f"/v1/receipts/{paid['id']}")
    for number in (told["qr"], paid["channel_refs"]["out_trade_no"]):
        assert number in told["text"].replace("\n", "")
        found = system.call("POST", "/v1/payments/lookup", {"no_tail": number})[1]["data"]
        assert [row["id"] for row in found] == [paid["id"]]
    key = {"method": {"type": "pay_by_code", "code": told["qr"][:64]}, "amount": 1, "merchant_order_no": "x", "till": system.state["till"]}
    assert system.call("POST", "/v1/payments", key)[0] in (400, 422), "and no scanner takes it for a payment code"
