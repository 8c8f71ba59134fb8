"""Alipay through the whole platform in its other ways: the REST wire, certificates, and a service provider's token at once."""

import json
import time
from typing import Any

from tests.conftest import System


def account(told: dict[str, Any], **more: str) -> dict[str, Any]:
    settings = {"app_id": told["partner_app_id"], "auth_app_id": told["app_id"], "seller_id": told["seller_id"],
                "gateway": told["gateway"], "wire": "v3", "key_mode": "certificate", **more}  # fmt: skip
    secrets = {name: told[name] for name in ("app_certificate", "alipay_certificate", "alipay_root_certificate", "app_auth_token")}
    return {"channel": "alipay", "settings": settings, "secrets": {**secrets, "app_private_key": told["app_private_key_pkcs8"]}}


def until_refunded(system: System, ident: str) -> str:
    status = ""
    for _ in range(120):
        status = system.call("GET", f"/v1/refunds/{ident}")[1]["status"]
        if status in ("succeeded", "failed"):
            break
        time.sleep(0.3)
    return status


def test_rest_with_certificates_for_a_service_providers_merchant(own_system: System) -> None:
    told = json.loads(own_system.cli("sandbox", "credentials", "--json")[1])["alipay"]
    status, refused = own_system.call("POST", "/v1/channel_accounts", account(told, wire="v9"))
    assert (status, refused["detail"]) == (409, "wire: v2 or v3")
    status, made = own_system.call("POST", "/v1/channel_accounts", account(told))
    assert status == 201
    assert set(made["secrets"].values()) == {"••••"}
    time.sleep(6)  # an account is known for a few seconds
    paid, typed = own_system.pay(), own_system.pay("types_password", wait_s=0)
    assert paid["verdict"] == "paid"
    assert own_system.until_decided(typed["id"], 40)["verdict"] == "paid"
    refused = own_system.pay("no_balance")
    assert (refused["verdict"], refused["why_no_money"]["id"]) == ("not_paid", "payer.insufficient_funds")
    body = {"amount": 880, "merchant_order_no": "Q1", "till": own_system.state["till"], "wait_s": 1,
            "method": {"type": "pay_by_qr", "channel": "alipay"}}  # fmt: skip
    shown = own_system.call("POST", "/v1/payments", body)[1]
    assert own_system.cli("sandbox", "scan", shown["method"]["qr"])[0] == 0
    assert own_system.until_decided(shown["id"], 30)["verdict"] == "paid"
    lines = own_system.call("GET", f"/v1/payments/{shown['id']}/trace")[1]["evidence"]
    assert ("notified", "captured") in [(line["kind"], line["proves"]) for line in lines]
    back = own_system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 250, "wait_s": 5})[1]
    assert until_refunded(own_system, back["id"]) == "succeeded"
    books = own_system.books()["orders"]
    assert sum(order["captured_fen"] - order["returned_fen"] for order in books) == 1250 + 1250 + 880 - 250
