"""WeChat Pay through the whole platform on real sockets: no push for code payments, sealed callbacks, v2 over TLS."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from daozhang.cli.link import Sandbox
from tests.conftest import System


def given(system: System) -> dict[str, Any]:
    return dict(json.loads(system.cli("sandbox", "credentials", "--json")[1])["wechatpay"])


def evidence(system: System, ident: str) -> list[tuple[str, str, str]]:
    told = system.call("GET", f"/v1/payments/{ident}/trace")[1]
    return [(line["kind"], line["op"], line["proves"]) for line in told["evidence"]]


def refunded(system: System, ident: str, within_s: float = 60) -> dict[str, Any]:
    end = time.monotonic() + within_s
    while True:
        told: dict[str, Any] = system.call("GET", f"/v1/refunds/{ident}")[1]
        if told["status"] in ("succeeded", "failed") or time.monotonic() > end:
            return told
        time.sleep(0.3)


def test_credentials_are_whole(system: System) -> None:
    told = given(system)
    assert {
        "base_url", "v2_base_url", "v2_tls_base_url", "appid", "mchid", "serial_no", "private_key", "apiv3_key", "apiv2_key",
        "public_key_id", "public_key", "platform_serial", "platform_certificate", "client_certificate", "client_key",
    } <= told.keys()  # fmt: skip
    assert all(isinstance(value, str) and value for value in told.values())


def test_the_demo_shop_is_paid_by_wechat(system: System) -> None:
    code, out, _ = system.cli("pay", "12.50", "--wallet", "wechat", "--json")
    paid = json.loads(out)
    assert (code, paid["verdict"], paid["method"]["channel"]) == (0, "paid", "wechatpay")
    assert ("notified", "notify", "captured") not in evidence(system, paid["id"])
    code, out, _ = system.cli("refund", paid["id"], "2.50", "--json")
    assert code == 0 and json.loads(out)["status"] == "succeeded"
    book = next(o for o in system.books("wechat")["orders"] if o["out_trade_no"] == paid["channel_refs"]["out_trade_no"])
    assert (book["captured_fen"], book["returned_fen"]) == (1250, 250)


def test_the_tables_and_the_faults_know_the_name_that_people_use(system: System) -> None:
    by_people, by_us = (system.call("GET", f"/v1/codes?channel={name}&q=REVOKED")[1]["data"] for name in ("wechat", "wechatpay"))
    assert by_people == by_us and {row["op"] for row in by_us} == {"query", "v2.query"}
    modes = json.loads(system.cli("chaos", "list", "--channel", "wechat", "--json")[1])["modes"]
    assert {"signtest", "bank_error_charged", "bill_missing"} <= {mode["name"] for mode in modes}
    assert all(mode["zh"] and mode["en"] for mode in modes)


@pytest.mark.parametrize(
    ("behaviour", "cause"), [("no_balance", "payer.insufficient_funds"), ("day_limit", "limit.method")]
)
def test_a_refusal_is_proven_and_named(system: System, behaviour: str, cause: str) -> None:
    told = system.pay(behaviour, wallet="wechat")
    assert (told["verdict"], told["why_no_money"]["id"], told["safe_to_retry"]) == ("not_paid", cause, True)


def test_a_sealed_callback_settles_a_qr(system: System) -> None:
    body = {"amount": 880, "merchant_order_no": f"WXQ-{time.time_ns()}", "till": system.state["till"], "wait_s": 1,
            "method": {"type": "pay_by_qr", "channel": "wechat"}}  # fmt: skip
    status, shown = system.call("POST", "/v1/payments", body)
    assert status == 202 and shown["method"]["qr"].startswith("weixin://")
    assert system.cli("sandbox", "scan", shown["method"]["qr"], "--wallet", "wechat")[0] == 0
    assert system.until_decided(shown["id"], 20)["verdict"] == "paid"
    assert ("notified", "notify", "captured") in evidence(system, shown["id"])


@pytest.mark.parametrize("mode", ["notify_forged", "notify_signtest", "notify_wrong_amount", "notify_wrong_seller"])
def test_a_false_callback_settles_nothing_and_the_query_does(system: System, mode: str) -> None:
    system.chaos(mode, wallet="wechat")
    body = {"amount": 880, "merchant_order_no": f"WXQ-{time.time_ns()}", "till": system.state["till"], "wait_s": 1,
            "method": {"type": "pay_by_qr", "channel": "wechat"}}  # fmt: skip
    shown = system.call("POST", "/v1/payments", body)[1]
    system.cli("sandbox", "scan", shown["method"]["qr"], "--wallet", "wechat")
    assert system.until_decided(shown["id"], 40)["verdict"] == "paid"
    lines = evidence(system, shown["id"])
    assert ("answered", "query", "captured") in lines and ("notified", "notify", "captured") not in lines


def test_a_callback_to_a_wrong_address_is_not_received(system: System) -> None:
    sealed = {"id": "x", "resource_type": "encrypt-resource", "event_type": "TRANSACTION.SUCCESS",
              "resource": {"algorithm": "AEAD_AES_256_GCM", "nonce": "n" * 12, "associated_data": "", "ciphertext": "AAAA"}}  # fmt: skip
    for place in ("wechatpay", "wechatpay/acc_01JD8000000000000000000000", "wechatpay/x"):
        status, _ = system.call("POST", f"/v1/notify/{place}", sealed)
        assert status == 500


def test_a_plate_is_paid_on_the_payers_phone(system: System) -> None:
    """No till order: the payer's page asks, gets what the wallet wants, and the payer confirms."""

    def ask(**method: str) -> tuple[int, dict[str, Any]]:
        body = {"amount": 880, "merchant_order_no": f"PLT-{time.time_ns()}", "till": system.state["till"], "wait_s": 1,
                "method": {"type": "plate", "wallet": "wechat", "payer": "oPayer", **method}}  # fmt: skip
        return system.call("POST", "/v1/payments", body)

    status, shown = ask()
    assert (status, shown["verdict"], shown["method"]["type"]) == (202, "waiting_customer", "plate")
    page = shown["method"]["pay"]
    assert set(page) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"} and shown["method"]["qr"] is None
    assert "oPayer" not in json.dumps(shown)
    assert system.cli("sandbox", "scan", page["package"].removeprefix("prepay_id="), "--wallet", "wechat")[0] == 0
    assert system.until_decided(shown["id"], 20)["verdict"] == "paid"
    assert ("notified", "notify", "captured") in evidence(system, shown["id"])
    other = ask(wallet="alipay", payer="2088102146225135")[1]
    assert set(other["method"]["pay"]) == {"trade_no"}  # tradePay's tradeNO
    assert system.cli("sandbox", "scan", other["method"]["pay"]["trade_no"])[0] == 0
    assert system.until_decided(other["id"], 20)["verdict"] == "paid"
    nobody = ask()[1]
    closed = system.call("POST", f"/v1/payments/{nobody['id']}/close", {"wait_s": 1})[1]
    assert system.until_decided(closed["id"], 60)["verdict"] == "not_paid"
    for wrong in ({"wallet": "unionpay"}, {"wallet": "nobody"}, {"payer": ""}, {"payer": "o p"}):
        assert ask(**wrong)[0] == 422


def test_v2_over_tls_with_the_merchants_certificate(own_system: System) -> None:
    """The account speaks v2: micropay, query, reverse and refund, the last two with the client certificate."""
    told = given(own_system)
    settings = {name: told[name] for name in ("appid", "mchid", "serial_no")}
    settings |= {"gateway": told["v2_tls_base_url"], "api": "v2", "sign_type": "HMAC-SHA256"}
    secrets = {name: told[name] for name in ("private_key", "apiv3_key", "apiv2_key", "client_certificate", "server_authority")}
    account = {"channel": "wechat", "settings": settings, "secrets": secrets}
    status, made = own_system.call("POST", "/v1/channel_accounts", account)
    assert status == 201 and made["channel"] == "wechatpay"
    time.sleep(6)  # an account is known for a few seconds
    paid = own_system.pay(wallet="wechat")
    assert paid["verdict"] == "paid"
    undone = own_system.pay("hesitates", wait_s=0, wallet="wechat")
    own_system.call("POST", f"/v1/payments/{undone['id']}/reverse", {"wait_s": 1})
    refund = own_system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 250, "wait_s": 1})[1]
    assert refunded(own_system, refund["id"])["status"] == "succeeded"
    assert own_system.until_decided(undone["id"])["verdict"] == "not_paid"
    methods = {request["method"] for request in own_system.books("wechat")["requests"]}
    assert {"v2.trade.pay", "v2.trade.query", "v2.trade.reverse", "v2.refund", "v2.refund.query"} <= methods


def test_certificates_change_while_payments_run(own_system: System) -> None:
    """F15, F16: the account knows one certificate; replies and callbacks are signed by two, and by none on purpose."""
    told = given(own_system)
    settings = {name: told[name] for name in ("appid", "mchid", "serial_no")} | {"gateway": told["base_url"]}
    secrets = {name: told[name] for name in ("private_key", "apiv3_key")} | {"platform_certificates": told["platform_certificate"]}
    account = {"channel": "wechat", "settings": settings, "secrets": secrets}
    assert own_system.call("POST", "/v1/channel_accounts", account)[0] == 201
    time.sleep(6)  # an account is known for a few seconds
    own_system.chaos("rotating", wallet="wechat")
    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(lambda _: own_system.pay(wallet="wechat"), range(24)))
    assert [one["verdict"] for one in paid] == ["paid"] * 24
    assert not any(("answered", "pay", "nothing") in evidence(own_system, one["id"]) for one in paid), "each reply was read"
    Sandbox(own_system.data).call("POST", "/control", {"channel": "wechat", "rotate_certificate": True})
    own_system.chaos("notify_signtest", wallet="wechat")
    body = {"amount": 880, "merchant_order_no": f"WXQ-{time.time_ns()}", "till": own_system.state["till"], "wait_s": 1,
            "method": {"type": "pay_by_qr", "channel": "wechat"}}  # fmt: skip
    shown = own_system.call("POST", "/v1/payments", body)[1]
    own_system.cli("sandbox", "scan", shown["method"]["qr"], "--wallet", "wechat")
    assert own_system.until_decided(shown["id"], 40)["verdict"] == "paid"
    kinds = {alarm["kind"] for alarm in own_system.call("GET", "/v1/alarms")[1]["data"]}
    assert not any(kind.startswith("notify") or "signature" in kind for kind in kinds), kinds
