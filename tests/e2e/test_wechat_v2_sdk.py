"""An independent v2 client (wechatpy) against our twin, in the clear and in TLS with the merchant's certificate."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from wechatpy.exceptions import InvalidSignatureException, WeChatPayException
from wechatpy.pay import WeChatPay
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

from tests.conftest import System
from tests.e2e.listener import heard, listening


class Shop:
    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["wechatpay"]
        self.certificate, self.key, self.authority = (folder / name for name in ("cert.pem", "key.pem", "ca.pem"))
        self.certificate.write_text(self.given["client_certificate"])
        self.key.write_text(self.given["client_key"])
        self.authority.write_text(self.given["server_authority"])

    def client(self, base: str = "v2_base_url", *, certificate: bool = False, **more: Any) -> Any:
        cert = {**more, "mch_cert": str(self.certificate), "mch_key": str(self.key)} if certificate else more
        made = WeChatPay(self.given["appid"], self.given["apiv2_key"], self.given["mchid"], **cert)
        made.API_BASE_URL = self.given[base] + "/"
        made._http.trust_env, made._http.verify = False, str(self.authority)
        return made

    def pay(self, sdk: Any, behaviour: str = "pays", fee: int = 1250) -> dict[str, str]:
        number = f"SDK{os.urandom(6).hex()}"
        code = self.system.code(behaviour, "wechat")
        return dict(sdk.micropay.create("测试商品", fee, code, client_ip="127.0.0.1", out_trade_no=number, device_info="POS1"))


listener = pytest.fixture(listening)


@pytest.fixture
def shop(system: System, tmp_path: Path) -> Shop:
    return Shop(system, tmp_path)


def test_micropay_query_refund(shop: Shop) -> None:
    sdk = shop.client()
    paid = shop.pay(sdk)
    assert (paid["result_code"], paid["total_fee"], paid["trade_type"]) == ("SUCCESS", "1250", "MICROPAY")
    assert sdk.check_signature(paid) and (paid["appid"], paid["mch_id"]) == (shop.given["appid"], shop.given["mchid"])
    number = paid["out_trade_no"]
    asked = sdk.micropay.query(out_trade_no=number)
    assert asked["trade_state"] == "SUCCESS" and sdk.check_signature(asked)
    assert sdk.order.query(transaction_id=paid["transaction_id"])["out_trade_no"] == number
    back = sdk.refund.apply(1250, 250, "R" + number, out_trade_no=number)
    assert back["refund_fee"] == "250" and sdk.check_signature(back)
    found = sdk.refund.query(out_refund_no="R" + number)
    assert (found["refund_status_0"], found["refund_fee_0"], found["refund_count"]) == ("SUCCESS", "250", "1")
    assert sdk.refund.query(out_trade_no=number)["out_refund_no_0"] == "R" + number
    with pytest.raises(WeChatPayException) as refused:
        sdk.refund.query(out_refund_no="nobody")
    assert refused.value.errcode == "REFUNDNOTEXIST"


def test_typing_and_reverse(shop: Shop) -> None:
    sdk = shop.client()
    with pytest.raises(WeChatPayException) as typing:
        shop.pay(sdk, "hesitates")
    assert typing.value.errcode == "USERPAYING"
    number = shop.system.books("wechat")["orders"][-1]["out_trade_no"]
    with pytest.raises(WeChatPayException) as early:
        sdk.order.reverse(out_trade_no=number)
    assert early.value.errcode == "INVALID_REQUEST"
    assert shop.system.cli("clock", "advance", "16s")[0] == 0
    undone = sdk.order.reverse(out_trade_no=number)
    assert undone["recall"] == "N" and sdk.check_signature(undone)
    assert sdk.order.query(out_trade_no=number)["trade_state"] == "REVOKED"
    shop.system.chaos("undo_retry", wallet="wechat")
    with pytest.raises(WeChatPayException) as again:
        sdk.order.reverse(out_trade_no=number)
    assert "<recall><![CDATA[Y]]></recall>" in again.value.response.text


@pytest.mark.parametrize(
    ("behaviour", "code"), [("no_balance", "NOTENOUGH"), ("code_expired", "AUTH_CODE_INVALID"), ("bank_timeout", "BANKERROR")]
)
def test_refusals(shop: Shop, behaviour: str, code: str) -> None:
    with pytest.raises(WeChatPayException) as refused:
        shop.pay(shop.client(), behaviour)
    assert refused.value.errcode == code


def test_native_close_and_scan(shop: Shop) -> None:
    sdk, number = shop.client(), f"SDK{os.urandom(6).hex()}"
    made = sdk.order.create("NATIVE", "x", 880, "http://127.0.0.1:9/n", client_ip="127.0.0.1", out_trade_no=number, product_id="1")
    assert made["code_url"].startswith("weixin://") and sdk.check_signature(made)
    assert sdk.order.query(out_trade_no=number)["trade_state"] == "NOTPAY"
    assert sdk.order.close(number)["result_code"] == "SUCCESS"
    assert sdk.order.query(out_trade_no=number)["trade_state"] == "CLOSED"


def test_secapi_in_tls_is_refused_without_the_certificate_and_works_with_it(shop: Shop) -> None:
    bare, known = shop.client("v2_tls_base_url"), shop.client("v2_tls_base_url", certificate=True)
    paid = shop.pay(bare)
    number = paid["out_trade_no"]
    assert bare.order.query(out_trade_no=number)["trade_state"] == "SUCCESS"
    for refused in (lambda: bare.order.reverse(out_trade_no=number),
                    lambda: bare.refund.apply(1250, 250, "R" + number, out_trade_no=number)):  # fmt: skip
        with pytest.raises(WeChatPayException, match="证书"):
            refused()
    assert known.refund.apply(1250, 250, "R" + number, out_trade_no=number)["result_code"] == "SUCCESS"
    assert shop.system.cli("clock", "advance", "16s")[0] == 0
    assert known.order.reverse(out_trade_no=number)["recall"] == "N"
    book = next(o for o in shop.system.books("wechat")["orders"] if o["out_trade_no"] == number)
    assert book["captured_fen"] == book["returned_fen"] == 1250


def test_a_strangers_certificate_opens_nothing(shop: Shop, tmp_path: Path) -> None:
    stranger = shop.client("v2_tls_base_url", certificate=True)
    from daozhang.channels.wechatpay.twin import new_keys

    other = new_keys(os.urandom)
    shop.certificate.write_text(other["client_certificate"])
    shop.key.write_text(other["private_key"])
    with pytest.raises(requests.exceptions.ConnectionError):
        stranger.order.reverse(out_trade_no="SDK000000")


def test_both_kinds_of_digest_are_answered_in_kind(shop: Shop) -> None:
    sdk, key = shop.client(), shop.given["apiv2_key"]
    data = {"appid": shop.given["appid"], "out_trade_no": "SDKnobody"}
    for kind, digest in (("MD5", calculate_signature), ("HMAC-SHA256", calculate_signature_hmac)):
        with pytest.raises(WeChatPayException) as absent:
            sdk.post("pay/orderquery", data={**data, "sign_type": kind})
        assert absent.value.errcode == "ORDERNOTEXIST"
        import xmltodict

        told = dict(xmltodict.parse(absent.value.response.text)["xml"])
        assert told.pop("sign") == digest(told, key)


def test_a_wrong_key_is_refused_without_a_signature(shop: Shop) -> None:
    sdk = shop.client()
    sdk.api_key = "0" * 32
    with pytest.raises(WeChatPayException, match="签名错误") as refused:
        sdk.order.query(out_trade_no="SDKnobody")
    assert "<sign>" not in refused.value.response.text


def test_the_bill_of_yesterday(shop: Shop) -> None:
    sdk = shop.client()
    paid = shop.pay(sdk)
    now = json.loads(shop.system.cli("clock", "now", "--json")[1])["now_ms"] / 1000
    day = time.strftime("%Y%m%d", time.gmtime(now + 8 * 3600))
    with pytest.raises(WeChatPayException, match="No Bill Exist"):
        sdk.tools.download_bill(day)
    assert shop.system.cli("clock", "advance", "36h")[0] == 0
    text = sdk.tools.download_bill(day)
    assert f"`{paid['out_trade_no']}" in text and text.splitlines()[-2].startswith("总交易单数")


SUB = "1900000999"


def test_service_provider_mode(shop: Shop) -> None:
    sdk = shop.client(sub_mch_id=SUB)
    paid = shop.pay(sdk)
    number = paid["out_trade_no"]
    assert (paid["mch_id"], paid["sub_mch_id"]) == (shop.given["mchid"], SUB) and sdk.check_signature(paid)
    assert sdk.order.query(out_trade_no=number)["sub_mch_id"] == SUB
    assert sdk.refund.apply(1250, 250, "R" + number, out_trade_no=number)["sub_mch_id"] == SUB
    assert sdk.refund.query(out_refund_no="R" + number)["refund_status_0"] == "SUCCESS"
    for stranger in (shop.client(), shop.client(sub_mch_id="1900000998")):
        with pytest.raises(WeChatPayException) as absent:
            stranger.order.query(out_trade_no=number)
        assert absent.value.errcode == "ORDERNOTEXIST"
    assert shop.system.cli("clock", "advance", "16s")[0] == 0
    assert sdk.order.reverse(out_trade_no=number)["recall"] == "N"


def test_callbacks_of_a_paid_qr_and_of_a_refund(shop: Shop, listener: str) -> None:
    """Signed the one, sealed the other, both in the words of a service provider."""
    sdk, number = shop.client(sub_mch_id=SUB), f"SDK{os.urandom(6).hex()}"
    made = sdk.order.create("NATIVE", "x", 880, listener, client_ip="127.0.0.1", out_trade_no=number, product_id="1")
    assert shop.system.cli("sandbox", "scan", made["code_url"], "--wallet", "wechat")[0] == 0
    paid = sdk.parse_payment_result(heard(1)[0][1])
    assert (paid["out_trade_no"], paid["total_fee"], paid["sub_mch_id"]) == (number, 880, SUB)
    spoilt = heard(1)[0][1].replace(b"[880]", b"[881]")
    with pytest.raises(InvalidSignatureException):
        sdk.parse_payment_result(spoilt)
    assert sdk.refund.apply(880, 880, "R" + number, out_trade_no=number, notify_url=listener)["result_code"] == "SUCCESS"
    back = sdk.parse_refund_notify_result(heard(2)[1][1])
    assert (back["out_refund_no"], back["refund_status"], back["refund_fee"]) == ("R" + number, "SUCCESS", 880)
