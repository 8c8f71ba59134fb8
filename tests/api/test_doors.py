"""The doors: every bad input gets a clear answer and loses nothing; nobody reaches what belongs to another."""

import asyncio
import hashlib
import itertools
import json
import os
import socket
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from daozhang.api.openapi import document
from daozhang.api.problem import KINDS
from daozhang.core.directory import ApiKey, Merchant, Shop, Till
from daozhang.core.ids import bucket_of_merchant, ulid
from tests.conftest import System


def body_of(system: System, **more: Any) -> dict[str, Any]:
    return {"amount": 1250, "merchant_order_no": f"D-{os.urandom(6).hex()}", "till": system.state["till"],
            "method": {"type": "pay_by_code", "code": system.code()}, **more}  # fmt: skip


def is_problem(told: Any, code: str) -> None:
    assert told["code"] == code, told
    assert {"type", "title", "status", "detail", "request_id", "retryable", "next_step"} <= told.keys()
    assert told["next_step"]["zh"] and told["next_step"]["en"]


# -- bad inputs: one line each, what is sent and what is answered ------------------------------------------------------------

BAD_FIELDS: list[dict[str, Any]] = [
    {"amount": 0}, {"amount": -1}, {"amount": 12.5}, {"amount": "1250"}, {"amount": 10**11}, {"amount": 2**63}, {"amount": None},
    {"amount": True}, {"currency": "USD"}, {"merchant_order_no": ""}, {"merchant_order_no": "x" * 65}, {"merchant_order_no": "a b"},
    {"merchant_order_no": "\u0000"}, {"till": "till_x"}, {"till": "till_01JD8000000000000000000000"}, {"method": {"type": "cash"}},
    {"method": {}}, {"method": {"type": "pay_by_code"}}, {"subject": "\u0000"}, {"subject": "x" * 129}, {"wait_s": 11}, {"wait_s": -1},
    {"metadata": {"k": 1}}, {"metadata": {"k" * 41: "v"}},
    {"metadata": {"k": "\u0000"}}, {"metadata": {"\u0000": "v"}},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=str)
def test_a_bad_field_is_named(system: System, bad: dict[str, Any]) -> None:
    before = len(system.books()["orders"])
    status, told = system.call("POST", "/v1/payments", body_of(system) | bad)
    assert status == 422
    is_problem(told, "bad_field")
    assert len(system.books()["orders"]) == before


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"amount":NaN}', b'{"amount":1250,"amount":1}', b'{"a":"\\ud800"}', b"[" * 100_000,
     b'{"amount":' + b"9" * 5000 + b"}", "金额".encode("gbk")],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_what_is_no_json_is_refused(system: System, raw: bytes) -> None:
    status, told = system.call("POST", "/v1/payments", raw=raw)
    assert status in (400, 422), told
    assert told["code"] in ("bad_json", "bad_field")


def test_money_needs_a_key_and_a_key_is_for_one_request(system: System) -> None:
    for path in ("/v1/payments", "/v1/refunds"):
        body = body_of(system) if path.endswith("payments") else {"payment": system.pay()["id"]}
        for key, code in (
            (None, "key_missing"),
            ("", "key_malformed"),
            ("x" * 256, "key_malformed"),
            ("a b", "key_malformed"),
        ):
            headers = {"Idempotency-Key": key} if key is not None else {"Idempotency-Key": "\x00drop"}
            if key is None:
                status, told = _without_key(system, path, body)
            else:
                status, told = system.call("POST", path, body, headers=headers)
            assert status == 400, (path, key, told)
            is_problem(told, code)


def _without_key(system: System, path: str, body: Any) -> tuple[int, Any]:
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", system.base_port, timeout=10)
    line.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {system.state['api_key']}"})
    reply = line.getresponse()
    return reply.status, json.loads(reply.read())


def test_a_repeat_finds_the_first_and_another_body_is_refused(system: System) -> None:
    body, key = body_of(system), os.urandom(6).hex()
    first = system.call("POST", "/v1/payments", body, headers={"Idempotency-Key": key})[1]
    status, again = system.call("POST", "/v1/payments", body, headers={"Idempotency-Key": key})
    assert status == 200 and again["id"] == first["id"] and again["verdict"] == "paid"
    status, told = system.call("POST", "/v1/payments", body | {"amount": 1}, headers={"Idempotency-Key": key})
    assert status == 422 and told["payment"] == first["id"]
    is_problem(told, "idempotency_key_reused")
    orders = [
        order for order in system.books()["orders"] if order["out_trade_no"] == first["channel_refs"]["out_trade_no"]
    ]
    assert len(orders) == 1


def test_a_paid_sale_is_not_charged_again(system: System) -> None:
    order = f"SALE-{os.urandom(4).hex()}"
    paid = system.pay(order=order)
    status, told = system.call("POST", "/v1/payments", body_of(system, merchant_order_no=order))
    assert status == 409 and told["payment"] == paid["id"]
    is_problem(told, "sale_taken")
    declined = system.pay("no_balance", order=f"{order}-2")
    assert declined["safe_to_retry"] and system.pay(order=f"{order}-2")["verdict"] == "paid"


@pytest.mark.parametrize(
    ("code", "scanned"),
    [("6901234567892", "goods_barcode"), ("https://qr.alipay.com/x", "money_transfer"), ("DZ01JD8000000000000000000000", "own_receipt"),
     ("99" * 9, "unknown_code"), ("28", "unknown_code"), ("２８" * 9, "unknown_code")],
)  # fmt: skip
def test_what_is_no_payment_code_is_named_before_any_call(system: System, code: str, scanned: str) -> None:
    before = len(system.books()["requests"])
    status, told = system.call("POST", "/v1/payments", body_of(system, method={"type": "pay_by_code", "code": code}))
    assert status == 422 and told["scanned"] == scanned and told["cause"] == "operator.wrong_code_type"
    assert len(system.books()["requests"]) == before


def test_a_state_cannot_be_given_from_outside(system: System) -> None:
    """A39: no member of a request sets what only evidence may set."""
    told = system.call("POST", "/v1/payments", body_of(system, method={"type": "pay_by_code", "code": system.code("no_balance")}, wait_s=5)
                       | {"status": "paid", "verdict": "paid", "captured_fen": 1250, "fee": 0, "merchant": "mer_x", "livemode": True})[1]  # fmt: skip
    assert (told["verdict"], told["livemode"], told["merchant"]) == ("not_paid", False, system.state["merchant"])


@pytest.mark.parametrize(
    ("method", "path", "code", "status"),
    [("GET", "/v1/nothing", "no_route", 404), ("DELETE", "/v1/payments", "wrong_method", 405), ("GET", "/v1/payments/pay_x", "not_found", 404),
     ("GET", "/v1/payments/pay_01JD8000000000000000000000", "not_found", 404), ("GET", "/v1/payments?limit=0", "bad_query", 400),
     ("GET", "/v1/payments?limit=１", "bad_query", 400), ("GET", "/v1/payments?status=lost", "bad_query", 400),
     ("GET", "/v1/payments?cursor=x", "bad_cursor", 400), ("GET", "/v1/events?cursor=x", "bad_cursor", 400),
     ("GET", "/v1/payments?created%5Bgte%5D=yesterday", "bad_query", 400), ("GET", "/v1/refunds/rfd_1", "not_found", 404)],
)  # fmt: skip
def test_bad_addresses(system: System, method: str, path: str, code: str, status: int) -> None:
    from urllib.parse import quote

    answered, told = system.call(method, quote(path, safe="/?=&%"))
    assert answered == status
    is_problem(told, code) if code not in ("no_route", "wrong_method") else None
    assert told["code"] == code


def test_problems_speak_the_callers_language(system: System) -> None:
    titles = {
        lang: system.call("GET", "/v1/payments/pay_x", headers={"Accept-Language": lang})[1]["title"]
        for lang in ("zh-CN", "en-GB", "fr, en;q=0.5")
    }
    assert (
        titles["zh-CN"] == KINDS["not_found"].zh and titles["en-GB"] == titles["fr, en;q=0.5"] == KINDS["not_found"].en
    )


def test_every_problem_has_both_languages() -> None:
    for code, kind in KINDS.items():
        assert kind.zh and kind.en and kind.mend_zh and kind.mend_en, code
        assert 400 <= kind.status < 600


# -- keys and tenants -----------------------------------------------------------------------------------------------------


def test_without_a_valid_key_nothing_opens(system: System) -> None:
    for key in ("", "dz_test_sk_wrong", "x" * 5000):
        status, told = system.call("GET", "/v1/payments", api_key=key)
        assert status == 401 and told["code"] in ("no_key", "bad_key")


async def _other_merchant(system: System, scopes: frozenset[str], livemode: bool = False) -> dict[str, str]:
    from daozhang.store.seal import open_or_create_master_key
    from daozhang.store.store import PgStore

    dsn = f"postgresql://daozhang@/daozhang?host={system.data / 'pg' / 's'}"
    store = await PgStore.open(dsn, open_or_create_master_key(system.data / "master.key", True), connections=2)
    try:
        now = time.time_ns() // 1_000_000
        merchant = f"mer_{ulid(now, os.urandom(9), 1)}"
        bucket = bucket_of_merchant(merchant)
        shop, till, key = (f"{kind}_{ulid(now, os.urandom(9), bucket)}" for kind in ("sto", "till", "key"))
        await store.add_merchant(Merchant(merchant, bucket, "另一家", livemode, now))
        await store.add_shop(Shop(shop, bucket, merchant, "店", now))
        await store.add_till(Till(till, bucket, merchant, shop, "1", now))
        secret = f"dz_{'live' if livemode else 'test'}_sk_{os.urandom(24).hex()}"
        await store.add_key(
            ApiKey(key, bucket, merchant, livemode, scopes, hashlib.sha256(secret.encode()).hexdigest(), now)
        )
        return {"api_key": secret, "merchant": merchant, "store": shop, "till": till, "key": key}
    finally:
        await store.close()


ALL = frozenset(
    {
        "payments:read",
        "payments:write",
        "refunds:write",
        "events:read",
        "directory:read",
        "directory:write",
        "sandbox",
        "operations",
    }
)


def _first_lines(system: System, api_key: str) -> str:
    """What a stream of all events says in its first second."""
    import socket

    with socket.create_connection(("127.0.0.1", system.base_port), timeout=1) as line:
        line.sendall(f"GET /v1/events/stream?cursor=0-0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api_key}\r\n\r\n".encode())
        heard = b""
        try:
            while chunk := line.recv(65536):
                heard += chunk
        except TimeoutError:
            pass
    assert b"200 OK" in heard
    return heard.decode()


def test_no_object_of_another_merchant_is_reachable_by_any_route(system: System) -> None:
    """A37: every route of the document, with the other's ids, by another merchant's key that has every right."""
    other = asyncio.run(_other_merchant(system, ALL))
    paid = system.pay()
    refund = system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 1})[1]
    endpoint = system.call("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "types": ["test.none"]})[1]
    event = system.call("GET", "/v1/events?limit=1")[1]["data"][0]
    device = system.call("POST", "/v1/devices", {"type": "speaker", "till": system.state["till"]})[1]["id"]
    mine = {"payments": paid["id"], "refunds": refund["id"], "events": event["id"], "merchants": system.state["merchant"],
            "stores": system.state["store"], "tills": system.state["till"], "keys": "key_01JD8000000000000000000000",
            "webhook_endpoints": endpoint["id"], "devices": device, "speakers": device, "receipts": paid["id"]}  # fmt: skip
    secrets = {
        paid["id"],
        refund["id"],
        paid["merchant_order_no"],
        endpoint["id"],
        system.state["till"],
        system.state["store"],
        system.state["merchant"],
    }
    page = system.call("GET", "/v1/openapi.json")[1]
    tried = 0
    for path, methods in page["paths"].items():
        nameless = ("/v1/codes", "/v1/version", "/v1/status", "/v1/alarms", "/metrics", "/v1/request_log", "/v1/device_types")
        if "/sandbox/" in path or path in nameless:
            continue  # they name no object of a merchant, or only what the caller itself has said
        for method in methods:
            kind = path.split("/")[2]
            filled = path.replace("{id}", mine.get(kind, "x"))
            body = {"payment": paid["id"], "no_tail": paid["id"][-6:], "goods_handed_over": True, "till": mine["tills"], "name": "x",
                    "amount": 1, "merchant_order_no": "x", "method": {"type": "pay_by_code", "code": "280000000000000000"},
                    "store": mine["stores"], "scopes": ["payments:read"], "channel": "alipay", "settings": {}, "secrets": {},
                    "from": "2026-01-01T00:00:00Z", "url": "http://127.0.0.1:9/", "command": "self_test", "type": "speaker", "text": "x"}  # fmt: skip
            if path == "/v1/events/stream":
                assert not any(secret in _first_lines(system, other["api_key"]) for secret in secrets)
                continue
            status, told = system.call(
                method.upper(), filled, body if method in ("post", "patch", "put") else None, api_key=other["api_key"]
            )
            if isinstance(told, dict):
                told.pop("instance", None)  # the caller's own words
            text = json.dumps(told, ensure_ascii=False)
            if "{id}" in path:
                assert status == 404, (method, path, status, text[:200])
            assert not any(secret in text for secret in secrets), (method, path, text[:300])
            tried += 1
    assert tried >= 40
    assert system.call("GET", f"/v1/payments/{paid['id']}")[1]["amount_refunded"] == 1


def test_a_key_without_the_right_is_refused_by_every_route(system: System) -> None:
    weak = asyncio.run(_other_merchant(system, frozenset({"events:read"})))
    page = system.call("GET", "/v1/openapi.json")[1]
    refused = 0
    for path, methods in page["paths"].items():
        for method, operation in methods.items():
            scope = operation.get("description", "").removeprefix("scope: ")
            if scope and scope != "events:read":
                status, told = system.call(method.upper(), path.replace("{id}", "x"), {}, api_key=weak["api_key"])
                assert (status, told["code"]) == (403, "not_allowed"), (method, path)
                refused += 1
    assert refused >= 25


def test_keys_are_shown_once_limited_and_revoked(system: System) -> None:
    status, made = system.call("POST", "/v1/keys", {"scopes": ["payments:read"]})
    assert status == 201 and made["secret"].startswith("dz_test_sk_")
    listed = json.dumps(system.call("GET", "/v1/keys")[1])
    assert made["secret"] not in listed and made["id"] in listed
    assert system.call("GET", "/v1/payments", api_key=made["secret"])[0] == 200
    assert system.call("POST", "/v1/keys", {"scopes": ["payments:write"]}, api_key=made["secret"])[0] == 403
    assert system.call("DELETE", f"/v1/keys/{made['id']}")[0] == 200
    assert system.call("GET", "/v1/payments", api_key=made["secret"])[0] == 401


def test_channel_accounts_keep_their_secrets_and_their_hosts(system: System) -> None:
    given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["alipay"]
    good = {"channel": "alipay", "settings": {"app_id": given["app_id"], "seller_id": given["seller_id"], "gateway": given["gateway"]},
            "secrets": {"app_private_key": given["app_private_key_pkcs1"], "alipay_public_key": given["alipay_public_key"]}}  # fmt: skip
    status, made = system.call("POST", "/v1/channel_accounts", good)
    assert status == 201 and set(made["secrets"].values()) == {"••••"}
    assert "PRIVATE" not in json.dumps(system.call("GET", "/v1/channel_accounts")[1])
    live_host = good | {"settings": good["settings"] | {"gateway": "https://openapi.alipay.com/gateway.do"}}
    assert system.call("POST", "/v1/channel_accounts", live_host)[1]["code"] == "account_unusable"
    assert system.call("POST", "/v1/channel_accounts", good | {"livemode": True})[1]["code"] == "wrong_mode"
    bad_key = good | {"secrets": good["secrets"] | {"app_private_key": "hello"}}
    status, told = system.call("POST", "/v1/channel_accounts", bad_key)
    assert status == 409 and "hello" not in json.dumps(told)
    status, told = system.call("POST", "/v1/channel_accounts", good | {"secrets": {}})
    assert status == 422 and {error["pointer"] for error in told["errors"]} == {
        "/secrets/app_private_key",
        "/secrets/alipay_public_key",
    }
    certificates = good | {"settings": good["settings"] | {"key_mode": "certificate"}, "secrets": {}}
    assert {error["pointer"] for error in system.call("POST", "/v1/channel_accounts", certificates)[1]["errors"]} == {
        f"/secrets/{name}" for name in ("app_private_key", "app_certificate", "alipay_certificate", "alipay_root_certificate")
    }


# -- notifies that lie ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "alarm"),
    [("notify_wrong_amount", "notify.bad_amount"), ("notify_wrong_seller", "notify.bad_seller"), ("notify_wrong_app", "notify.bad_app"),
     ("notify_forged", "notify.bad_signature")],
)  # fmt: skip
def test_a_notify_that_contradicts_us_changes_nothing_is_kept_and_asked_about(
    system: System, mode: str, alarm: str
) -> None:
    system.chaos("lost_after", op="pay")
    system.chaos(mode)
    asked_before = len(system.books()["requests"])
    told = system.pay(wait_s=1)
    assert told["verdict"] == "checking"
    end = time.monotonic() + 15
    kinds: list[str] = []
    while alarm not in kinds and time.monotonic() < end:
        time.sleep(0.2)
        kinds = [row["kind"] for row in system.call("GET", "/v1/alarms")[1]["data"] if row["subject"] == told["id"]]
    assert alarm in kinds
    done = system.until_decided(told["id"], 30)
    assert done["verdict"] == "paid"
    lines = system.call("GET", f"/v1/payments/{told['id']}/evidence")[1]["data"]
    assert not [line for line in lines if line["kind"] == "notified"]
    assert next(line for line in lines if line["id"] == done["decided_by"])["op"] == "query"
    assert len(system.books()["requests"]) > asked_before


def test_notifies_from_nowhere_are_never_thanked(system: System) -> None:
    import urllib.request

    url = f"http://127.0.0.1:{system.base_port}/v1/notify/alipay"
    for form in (
        b"",
        b"a=b",
        urlencode({"app_id": "1", "sign": "x", "out_trade_no": "DZ1"}).encode(),
        b"\xff" * 100,
        b"a=1&a=2",
    ):
        request = urllib.request.Request(
            url, form, {"Content-Type": "application/x-www-form-urlencoded"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert reply.read() != b"success"


# -- below HTTP -------------------------------------------------------------------------------------------------------------


def raw(system: System, sent: bytes, wait_s: float = 3) -> bytes:
    with socket.create_connection(("127.0.0.1", system.base_port), 5) as line:
        line.settimeout(wait_s)
        try:
            line.sendall(sent)
            answer = b""
            while chunk := line.recv(65536):
                answer += chunk
        except (TimeoutError, ConnectionError):
            pass
        return answer


def test_endless_heads_and_long_targets_are_cut_off(system: System) -> None:
    head = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"
    assert b" 200 " in raw(system, head + b"Connection: close\r\n\r\n")
    assert b"431" in raw(system, head + b"X: " + b"a" * 40_000)
    assert b" 200 " not in raw(system, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
    assert b" 200 " not in raw(system, b"\x16\x03\x01hello\r\n\r\n")
    status, told = system.call("POST", "/v1/payments", raw=b" " * 300_000)
    assert status == 413 and told["code"] == "too_long"
    assert system.call("GET", "/v1/status")[0] == 200


def test_a_half_head_is_ended_by_a_deadline(system: System) -> None:
    from daozhang.api.server import HEADERS_WITHIN_S

    began = time.monotonic()
    answer = raw(system, b"GET /v1/status HTTP/1.1\r\nHost:", HEADERS_WITHIN_S + 5)
    assert b"408" in answer
    assert time.monotonic() - began >= HEADERS_WITHIN_S - 1


# -- the document -----------------------------------------------------------------------------------------------------------


def test_the_openapi_document_is_valid_and_served(system: System) -> None:
    from openapi_spec_validator import validate

    page = system.call("GET", "/v1/openapi.json")[1]
    validate(page)
    assert page["openapi"] == "3.1.0" and len(page["paths"]) >= 30
    assert callable(document)


def test_events_by_cursor_are_in_order_and_complete(system: System) -> None:
    paid = system.pay()
    seen, cursor = [], ""
    while True:
        page = system.call("GET", "/v1/events?limit=100" + (f"&cursor={cursor}" if cursor else ""))[1]
        seen += page["data"]
        cursor = page["next_cursor"] or cursor
        if not page["has_more"]:
            break
    mine = [event["type"] for event in seen if event["subject"] == paid["id"]]
    assert mine[:2] == ["payment.created", "payment.paid"]
    assert len({event["id"] for event in seen}) == len(seen)


def test_the_stream_tells_at_once_and_keeps_talking(system: System) -> None:
    import http.client

    told = system.pay("hesitates", wait_s=0)
    line = http.client.HTTPConnection("127.0.0.1", system.base_port, timeout=10)
    line.request(
        "GET", f"/v1/payments/{told['id']}/stream", headers={"Authorization": f"Bearer {system.state['api_key']}"}
    )
    reply, times = line.getresponse(), []
    while len(times) < 4:
        if reply.readline().startswith(b"data: "):
            times.append(time.monotonic())
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 5.0
    system.call("POST", f"/v1/payments/{told['id']}/reverse", {"wait_s": 10})


def test_logs_hold_no_codes_and_no_keys(system: System) -> None:
    code = system.code()
    system.call("POST", "/v1/payments", body_of(system, method={"type": "pay_by_code", "code": code}))
    logs = "".join(path.read_text("utf-8", "replace") for path in (system.data / "logs").glob("*.log"))
    assert code not in logs and system.state["api_key"] not in logs and "PRIVATE KEY" not in logs
    shown = json.dumps(system.call("GET", "/v1/payments?limit=5")[1])
    assert code not in shown


def test_times_before_all_payments_are_an_empty_list_not_a_fault(system: System) -> None:
    for end in ("gte", "lt"):
        status, told = system.call("GET", f"/v1/payments?created[{end}]=0001-01-01T00:00:00Z")
        assert status == 200 and (end == "gte" or told["data"] == [])
