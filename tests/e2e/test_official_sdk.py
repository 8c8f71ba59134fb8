"""The channel's own SDK against our twin: an independent client that pays, asks, undoes, refunds and verifies every reply."""

import http.client
import json
import os
from typing import Any

import pytest
from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.request.AlipayTradeCancelRequest import AlipayTradeCancelRequest
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeCreateRequest import AlipayTradeCreateRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import AlipayTradeFastpayRefundQueryRequest
from alipay.aop.api.request.AlipayTradePayRequest import AlipayTradePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.util import WebUtils

from tests.conftest import System


@pytest.fixture
def sdk(system: System, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The official client; its transport only knows ports 80 and 443, so the connection is given (6-peers)."""
    given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["alipay"]
    port = system.base_port + 1

    def connection(url: str, query: str, timeout: int) -> tuple[str, http.client.HTTPConnection]:
        """As the SDK does it (an absolute-form target), with our port."""
        return f"http://127.0.0.1/gateway.do?{query}", http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    monkeypatch.setattr(WebUtils, "get_http_connection", connection)
    config = AlipayClientConfig()
    config.server_url = given["gateway"]
    config.app_id = given["app_id"]
    config.app_private_key = _bare(given["app_private_key_pkcs1"])
    config.alipay_public_key = _bare(given["alipay_public_key"])
    return DefaultAlipayClient(alipay_client_config=config)


def _bare(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if "-----" not in line)


def ask(sdk: Any, request: Any, **biz: Any) -> dict[str, Any]:
    """One call; the SDK raises when the reply's signature does not hold."""
    request.biz_content = biz
    return dict(json.loads(sdk.execute(request)))


def test_pay_query_refund(system: System, sdk: Any) -> None:
    number = f"SDK{os.urandom(6).hex()}"
    paid = ask(
        sdk,
        AlipayTradePayRequest(),
        out_trade_no=number,
        scene="bar_code",
        auth_code=system.code(),
        subject="测试商品",
        total_amount="12.50",
    )
    assert (paid["code"], paid["total_amount"]) == ("10000", "12.50")
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
    back = ask(sdk, AlipayTradeRefundRequest(), out_trade_no=number, refund_amount="2.50", out_request_no="R1")
    assert (back["fund_change"], back["refund_fee"]) == ("Y", "2.50")
    again = ask(sdk, AlipayTradeRefundRequest(), out_trade_no=number, refund_amount="2.50", out_request_no="R1")
    assert again["fund_change"] == "N"
    asked = ask(sdk, AlipayTradeFastpayRefundQueryRequest(), out_trade_no=number, out_request_no="R1")
    assert asked["refund_status"] == "REFUND_SUCCESS"


def test_amounts_as_numbers_and_what_else_clients_send(system: System, sdk: Any) -> None:
    """Alipay's own samples write prices as numbers; nested extras are taken as they are."""
    number = f"SDK{os.urandom(6).hex()}"
    extras = {"goods_detail": [{"goods_id": "1", "goods_name": "红茶,大杯", "quantity": 1, "price": 12.5}], "query_options": ["fund_bill_list"],
              "extend_params": {"sys_service_provider_id": "2088511833207846"}, "business_params": {"mc_create_trade_ip": "127.0.0.1"}}  # fmt: skip
    paid = ask(sdk, AlipayTradePayRequest(), out_trade_no=number, scene="bar_code", auth_code=system.code(), subject="茶", total_amount=12.5, **extras)
    assert (paid["code"], paid["total_amount"]) == ("10000", "12.50")
    back = ask(sdk, AlipayTradeRefundRequest(), out_trade_no=number, refund_amount=2, out_request_no="R1")
    assert (back["code"], back["refund_fee"]) == ("10000", "2.00")
    for wrong in (0, -1, True, 2.505, 1e30, None):
        refused = ask(sdk, AlipayTradeRefundRequest(), out_trade_no=number, refund_amount=wrong, out_request_no="R2")
        assert (refused["code"], refused["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER"), wrong


def test_typing_cancel_close_and_unknown(system: System, sdk: Any) -> None:
    number = f"SDK{os.urandom(6).hex()}"
    waiting = ask(
        sdk,
        AlipayTradePayRequest(),
        out_trade_no=number,
        scene="bar_code",
        auth_code=system.code("hesitates"),
        subject="x",
        total_amount="1.00",
    )
    assert waiting["code"] == "10003"
    undone = ask(sdk, AlipayTradeCancelRequest(), out_trade_no=number)
    assert (undone["code"], undone["action"], undone["retry_flag"]) == ("10000", "close", "N")
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["trade_status"] == "TRADE_CLOSED"
    other = f"SDK{os.urandom(6).hex()}"
    ask(
        sdk,
        AlipayTradePayRequest(),
        out_trade_no=other,
        scene="bar_code",
        auth_code=system.code("hesitates"),
        subject="x",
        total_amount="1.00",
    )
    assert ask(sdk, AlipayTradeCloseRequest(), out_trade_no=other)["code"] == "10000"
    nobody = ask(sdk, AlipayTradeQueryRequest(), out_trade_no="SDKnobody")
    assert (nobody["code"], nobody["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


def test_precreate_and_scan(system: System, sdk: Any) -> None:
    number = f"SDK{os.urandom(6).hex()}"
    shown = ask(sdk, AlipayTradePrecreateRequest(), out_trade_no=number, subject="x", total_amount="8.80")
    assert shown["qr_code"].startswith("https://qr.alipay.com/")
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert system.cli("sandbox", "scan", shown["qr_code"])[0] == 0
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
    twice = ask(sdk, AlipayTradePrecreateRequest(), out_trade_no=number, subject="x", total_amount="8.80")
    assert twice["sub_code"] == "ACQ.APPLY_PC_MERCHANT_CODE_ERROR"


def test_a_plates_trade_is_confirmed_on_the_payers_phone(system: System, sdk: Any) -> None:
    number = f"SDK{os.urandom(6).hex()}"
    made = ask(sdk, AlipayTradeCreateRequest(), out_trade_no=number, subject="x", total_amount="8.80", buyer_id="2088123412341234")
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["trade_status"] == "WAIT_BUYER_PAY"
    assert system.cli("sandbox", "scan", made["trade_no"])[0] == 0
    assert ask(sdk, AlipayTradeQueryRequest(), out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
    assert system.cli("sandbox", "scan", made["trade_no"])[0] != 0


def test_a_forged_reply_is_noticed_by_the_sdk(system: System, sdk: Any) -> None:
    system.chaos("forged")
    with pytest.raises(Exception, match="sign verify failed"):
        ask(sdk, AlipayTradeQueryRequest(), out_trade_no="SDKnobody")
