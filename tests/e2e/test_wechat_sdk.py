"""An independent APIv3 client (wechatpayv3, sync and async) against our twin: it signs by its own hand and verifies every reply."""

import asyncio
import gzip
import hashlib
import inspect
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wechatpayv3.async_.utils
import wechatpayv3.utils
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.async_ import AsyncWeChatPay
from wechatpayv3.async_ import WeChatPayType as AsyncType

from tests.conftest import System
from tests.e2e.listener import Listener, heard, listening


class Shop:
    """The client's side: credentials of the sandbox, and a clock that follows the sandbox's."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["wechatpay"]
        self.offset_s = 0.0
        self.look()

    def look(self) -> None:
        self.offset_s = json.loads(self.system.cli("clock", "now", "--json")[1])["now_ms"] / 1000 - time.time()

    def advance(self, span: str) -> None:
        assert self.system.cli("clock", "advance", span)[0] == 0
        self.look()

    def now(self) -> float:
        return time.time() + self.offset_s

    def _named(self, kind: Any, **trust: Any) -> dict[str, Any]:
        given = self.given
        return {"wechatpay_type": kind, "mchid": given["mchid"], "private_key": given["private_key"], "appid": given["appid"],
                "cert_serial_no": given["serial_no"], "apiv3_key": given["apiv3_key"], "notify_url": "http://127.0.0.1:9/n",
                **trust}  # fmt: skip

    def client(self, kind: Any = WeChatPayType.CODEPAY, **more: Any) -> Any:
        trust = {"public_key": self.given["public_key"], "public_key_id": self.given["public_key_id"]}
        made = WeChatPay(**self._named(kind, **trust, **more))
        made._core._gate_way = self.given["base_url"]
        return made

    def async_client(self, kind: Any = AsyncType.CODEPAY) -> Any:
        trust = {"public_key": self.given["public_key"], "public_key_id": self.given["public_key_id"]}
        made = AsyncWeChatPay(**self._named(kind, **trust))
        made._core._gate_way = self.given["base_url"]
        return made

    def by_certificate(self, folder: Path, make: Any = WeChatPay, kind: Any = WeChatPayType.CODEPAY) -> Any:
        """The constructor asks the real host unless the certificate lies there already."""
        (folder / f"{self.given['platform_serial']}.pem").write_text(self.given["platform_certificate"])
        made = make(**self._named(kind, cert_dir=str(folder)))
        made._core._gate_way = self.given["base_url"]
        return made

    def any_client(self, way: str, folder: Path, kind: str = "CODEPAY") -> Any:
        """``way``: sync or async, by public key or by certificate."""
        if way == "sync public":
            return self.client(WeChatPayType[kind])
        if way == "sync certificate":
            return self.by_certificate(folder, kind=WeChatPayType[kind])
        if way == "async public":
            return Waiting(self.async_client(AsyncType[kind]))
        return Waiting(self.by_certificate(folder, AsyncWeChatPay, AsyncType[kind]))

    def order(self, behaviour: str = "pays", total: int = 1250) -> dict[str, Any]:
        return {"description": "测试商品", "out_trade_no": f"SDK{os.urandom(6).hex()}", "amount": {"total": total, "currency": "CNY"},
                "payer": {"auth_code": self.system.code(behaviour, "wechat")}, "scene_info": {"store_info": {"id": "0001"}}}  # fmt: skip


class Waiting:
    """The async client, each call waited for, so that one story serves both."""

    def __init__(self, sdk: Any) -> None:
        self._runner, self._sdk = asyncio.Runner(), sdk
        self._runner.run(sdk.__aenter__())

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sdk, name)
        if not callable(found):
            return found

        def called(*words: Any, **named: Any) -> Any:
            made = found(*words, **named)
            return self._runner.run(made) if inspect.isawaitable(made) else made

        return called


WAYS = ["sync public", "sync certificate", "async public", "async certificate"]


listener = pytest.fixture(listening)


@pytest.fixture
def shop(system: System, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(system)
    for utils in (wechatpayv3.utils, wechatpayv3.async_.utils):
        monkeypatch.setattr(utils, "time", SimpleNamespace(time=made.now))
    return made


def told(answer: tuple[int, Any]) -> tuple[int, dict[str, Any]]:
    return answer[0], json.loads(answer[1]) if answer[1] else {}


def test_pay_query_refund(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order()
    status, paid = told(sdk.pay(**order))
    assert (status, paid["trade_state"], paid["amount"]["total"]) == (200, "SUCCESS", 1250)
    number = order["out_trade_no"]
    by_number, by_id = told(sdk.query(out_trade_no=number)), told(sdk.query(transaction_id=paid["transaction_id"]))
    assert by_number == by_id and by_number[1]["trade_state"] == "SUCCESS"
    amount = {"refund": 250, "total": 1250, "currency": "CNY"}
    status, back = told(sdk.refund(out_refund_no="R1" + number, amount=amount, out_trade_no=number, reason="退"))
    assert (status, back["status"], back["amount"]["refund"], back["funds_account"]) == (200, "SUCCESS", 250, "UNSETTLED")
    from_balance = told(sdk.refund(out_refund_no="R3" + number, amount={**amount, "refund": 1}, transaction_id=paid["transaction_id"], funds_account="AVAILABLE"))
    assert (from_balance[0], from_balance[1]["funds_account"]) == (200, "AVAILABLE")
    for wrong in ({"funds_account": "POCKET"}, {"amount": {"refund": 1, "total": 1250}}):
        refused = told(sdk.refund(**{"out_refund_no": "R4" + number, "amount": {**amount, "refund": 1}, "out_trade_no": number, **wrong}))
        assert (refused[0], refused[1]["code"]) == (400, "PARAM_ERROR")
    again = told(sdk.refund(out_refund_no="R1" + number, amount=amount, out_trade_no=number))[1]
    assert again["refund_id"] == back["refund_id"]
    assert told(sdk.query_refund("R1" + number))[1]["status"] == "SUCCESS"
    assert told(sdk.query(out_trade_no=number))[1]["trade_state"] == "REFUND"
    too_much = told(sdk.refund(out_refund_no="R2" + number, amount={**amount, "refund": 1001}, out_trade_no=number))
    assert (too_much[0], too_much[1]["code"]) == (400, "PARAM_ERROR")
    assert told(sdk.query_refund("R9" + number))[0] == 404
    book = next(o for o in shop.system.books("wechat")["orders"] if o["out_trade_no"] == number)
    assert (book["captured_fen"], book["returned_fen"]) == (1250, 251)


def test_the_payer_types_and_a_reverse_comes_not_too_early(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order("hesitates")
    number = order["out_trade_no"]
    status, waiting = told(sdk.pay(**order))
    assert (status, waiting["trade_state"]) == (202, "USERPAYING")
    assert told(sdk.query(out_trade_no=number))[1]["trade_state"] == "USERPAYING"
    status, refused = told(sdk.codepay_reverse(number))
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")
    shop.advance("16s")
    assert told(sdk.codepay_reverse(number)) == (200, {"appid": sdk._appid, "mchid": sdk._mchid, "out_trade_no": number})
    assert told(sdk.query(out_trade_no=number))[1]["trade_state"] == "REVOKED"


def test_a_typing_payer_pays(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order("types_password")
    assert sdk.pay(**order)[0] == 202
    shop.advance("9s")
    assert told(sdk.query(out_trade_no=order["out_trade_no"]))[1]["trade_state"] == "SUCCESS"
    shop.advance("10s")
    assert sdk.codepay_reverse(order["out_trade_no"])[0] == 200
    book = next(o for o in shop.system.books("wechat")["orders"] if o["out_trade_no"] == order["out_trade_no"])
    assert book["captured_fen"] == book["returned_fen"] == 1250


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [("no_balance", 403, "NOTENOUGH"), ("code_expired", 400, "AUTH_CODE_INVALID"), ("day_limit", 403, "RULE_LIMIT"),
     ("bank_timeout", 500, "BANK_ERROR")],
)  # fmt: skip
def test_refusals(shop: Shop, behaviour: str, status: int, code: str) -> None:
    found = told(shop.client().pay(**shop.order(behaviour)))
    assert (found[0], found[1]["code"]) == (status, code)


def test_an_order_number_is_used_once(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order()
    first, second = told(sdk.pay(**order)), told(sdk.pay(**order))
    assert first == second
    other = told(sdk.pay(**{**order, "amount": {"total": 1}}))
    assert (other[0], other[1]["code"]) == (403, "OUT_TRADE_NO_USED")
    assert told(sdk.query(out_trade_no="SDKnobody"))[0] == 404


def test_certificate_mode_and_rotation(shop: Shop, tmp_path: Path) -> None:
    """The client knows one certificate; when the channel signs with the other, it fetches and opens the new one."""
    sdk = shop.by_certificate(tmp_path)
    assert [f"{one.serial_number:X}" for one in sdk._core._certificates] == [shop.given["platform_serial"]]
    assert sdk.pay(**shop.order())[0] == 200
    control = {"channel": "wechat", "rotate_certificate": True}
    from daozhang.cli.link import Sandbox

    Sandbox(shop.system.data).call("POST", "/control", control)
    try:
        assert sdk.pay(**shop.order())[0] == 200
        assert len(sdk._core._certificates) == 2 and len(list(tmp_path.glob("*.pem"))) == 2
    finally:
        Sandbox(shop.system.data).call("POST", "/control", control)


def test_native_scan_close_and_callbacks(shop: Shop, listener: str) -> None:
    sdk = shop.client(WeChatPayType.NATIVE)
    number = f"SDK{os.urandom(6).hex()}"
    status, made = told(sdk.pay(description="x", out_trade_no=number, amount={"total": 880}, notify_url=listener))
    assert status == 200 and made["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert told(sdk.query(out_trade_no=number))[1]["trade_state"] == "NOTPAY"
    assert shop.system.cli("sandbox", "scan", made["code_url"], "--wallet", "wechat")[0] == 0
    headers, body = heard(1)[0]
    found = sdk.callback(headers, body)
    assert (found["event_type"], found["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", number)
    assert found["resource"]["amount"]["total"] == 880
    assert sdk.callback(headers, body.replace(b"TRANSACTION", b"TRANSACTIOM")) is None
    paid = told(sdk.close(number))
    assert (paid[0], paid[1]["code"]) == (400, "ORDERPAID")
    refund = {"refund": 880, "total": 880, "currency": "CNY"}
    assert sdk.refund(out_refund_no="R" + number, amount=refund, out_trade_no=number, notify_url=listener)[0] == 200
    event = sdk.callback(*heard(2)[1])
    assert (event["event_type"], event["resource"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    other = f"SDK{os.urandom(6).hex()}"
    sdk.pay(description="x", out_trade_no=other, amount={"total": 1}, notify_url=listener)
    assert sdk.close(other)[0] == 204
    assert told(sdk.query(out_trade_no=other))[1]["trade_state"] == "CLOSED"


def test_jsapi_as_behind_a_static_code_plate(shop: Shop, listener: str) -> None:
    """The payer scans a plate, our page asks with the openid, and the payer confirms on the phone."""
    sdk, number = shop.client(WeChatPayType.JSAPI), f"SDK{os.urandom(6).hex()}"
    made = sdk.pay(description="x", out_trade_no=number, amount={"total": 500}, notify_url=listener, payer={"openid": "oPayer"})
    status, page = told(made)
    assert status == 200 and page["prepay_id"].startswith("wx")
    assert shop.system.cli("sandbox", "scan", page["prepay_id"], "--wallet", "wechat")[0] == 0
    found = sdk.callback(*heard(1)[0])["resource"]
    assert (found["trade_type"], found["payer"]["openid"], found["amount"]["total"]) == ("JSAPI", "oPayer", 500)
    nobody = told(sdk.pay(description="x", out_trade_no=number + "2", amount={"total": 5}, notify_url=listener, payer={"x": 1}))
    assert (nobody[0], nobody[1]["code"]) == (400, "PARAM_ERROR")


def test_a_code_payment_is_never_pushed(shop: Shop, listener: str) -> None:
    shop.client().pay(**shop.order())
    shop.advance("30s")
    assert Listener.got == []


def test_a_forged_reply_and_a_probe_are_noticed_by_the_sdk(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order()
    for mode in ("forged", "signtest"):
        shop.system.calm()
        shop.system.chaos(mode, wallet="wechat")
        with pytest.raises(Exception, match=r"verify|padding|decod"):
            sdk.pay(**order)


SUB = "1900000999"


def test_service_provider_mode(shop: Shop, listener: str) -> None:
    """Pay, query by both ids, reverse, QR with callback, close, refund, refund query: all for a sub-merchant."""
    sdk, order = shop.client(partner_mode=True), shop.order()
    number = order["out_trade_no"]
    status, paid = told(sdk.pay(**order, sub_mchid=SUB))
    assert (status, paid["sub_mchid"], paid["trade_state"]) == (200, SUB, "SUCCESS")
    by_number, by_id = told(sdk.query(out_trade_no=number, sub_mchid=SUB)), told(sdk.query(paid["transaction_id"], sub_mchid=SUB))
    assert by_number == by_id and (by_number[1]["sp_mchid"], by_number[1]["sub_mchid"]) == (shop.given["mchid"], SUB)
    amount = {"refund": 250, "total": 1250, "currency": "CNY"}
    assert told(sdk.refund(out_refund_no="R" + number, amount=amount, out_trade_no=number, sub_mchid=SUB))[1]["status"] == "SUCCESS"
    assert told(sdk.query_refund("R" + number, sub_mchid=SUB))[1]["status"] == "SUCCESS"
    for other in (sdk.query(out_trade_no=number, sub_mchid="1900000998"), sdk.query_refund("R" + number, sub_mchid="1900000998"),
                  shop.client().query(out_trade_no=number)):  # fmt: skip
        assert other[0] == 404, "what one sub-merchant took is nothing to another"
    waiting = shop.order("hesitates")
    assert sdk.pay(**waiting, sub_mchid=SUB)[0] == 202
    shop.advance("16s")
    status, undone = told(sdk.codepay_reverse(waiting["out_trade_no"], sub_mchid=SUB))
    assert (status, undone["sub_mchid"]) == (200, SUB)
    assert told(sdk.query(out_trade_no=waiting["out_trade_no"], sub_mchid=SUB))[1]["trade_state"] == "REVOKED"


def test_service_provider_shows_qrs_and_plates(shop: Shop, listener: str) -> None:
    """Callbacks come in the words of the service provider too."""
    shown = {"description": "x", "amount": {"total": 880}, "notify_url": listener, "sub_mchid": SUB}
    number, plate, closed = (f"SDK{os.urandom(6).hex()}" for _ in range(3))
    sdk = shop.client(WeChatPayType.NATIVE, partner_mode=True)
    made = told(sdk.pay(**shown, out_trade_no=number))[1]
    assert shop.system.cli("sandbox", "scan", made["code_url"], "--wallet", "wechat")[0] == 0
    found = sdk.callback(*heard(1)[0])["resource"]
    assert (found["out_trade_no"], found["sp_mchid"], found["sub_mchid"], "mchid" in found) == (number, shop.given["mchid"], SUB, False)
    sdk.pay(**shown, out_trade_no=closed)
    assert sdk.close(closed, sub_mchid=SUB)[0] == 204
    assert told(sdk.query(out_trade_no=closed, sub_mchid=SUB))[1]["trade_state"] == "CLOSED"
    by_page = shop.client(WeChatPayType.JSAPI, partner_mode=True)
    page = told(by_page.pay(**shown, out_trade_no=plate, payer={"sub_openid": "oSub"}, sub_appid="wx0000000000000009"))[1]
    assert shop.system.cli("sandbox", "scan", page["prepay_id"], "--wallet", "wechat")[0] == 0
    found = by_page.callback(*heard(2)[1])["resource"]
    assert (found["payer"], found["sub_appid"], found["trade_type"]) == ({"sub_openid": "oSub"}, "wx0000000000000009", "JSAPI")
    nameless = told(by_page.pay(**shown, out_trade_no=plate + "2", payer={"sub_openid": "oSub"}))
    assert (nameless[0], nameless[1]["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("way", WAYS)
def test_each_client_in_each_key_mode(shop: Shop, listener: str, tmp_path: Path, way: str) -> None:
    """Pay, the payer types, query, reverse, refund, refund query, and a callback that is verified."""
    sdk, order, waiting = shop.any_client(way, tmp_path), shop.order(), shop.order("hesitates")
    number = order["out_trade_no"]
    status, paid = told(sdk.pay(**order))
    assert (status, paid["trade_state"]) == (200, "SUCCESS")
    assert told(sdk.query(transaction_id=paid["transaction_id"])) == told(sdk.query(out_trade_no=number))
    assert sdk.pay(**waiting)[0] == 202
    assert told(sdk.query(out_trade_no=waiting["out_trade_no"]))[1]["trade_state"] == "USERPAYING"
    shop.advance("16s")
    assert sdk.codepay_reverse(waiting["out_trade_no"])[0] == 200
    assert told(sdk.query(out_trade_no=waiting["out_trade_no"]))[1]["trade_state"] == "REVOKED"
    refund = {"refund": 1250, "total": 1250, "currency": "CNY"}
    assert sdk.refund(out_refund_no="R" + number, amount=refund, out_trade_no=number, notify_url=listener)[0] == 200
    assert told(sdk.query_refund("R" + number))[1]["status"] == "SUCCESS"
    headers, body = heard(1)[0]
    assert sdk.callback(headers, body)["resource"]["out_refund_no"] == "R" + number
    assert sdk.callback(headers, body.replace(b"REFUND", b"REFUMD")) is None
    shown = shop.any_client(way, tmp_path, "NATIVE")
    made = told(shown.pay(description="x", out_trade_no=number + "Q", amount={"total": 1}, notify_url=listener))[1]
    assert shop.system.cli("sandbox", "scan", made["code_url"], "--wallet", "wechat")[0] == 0
    assert shown.callback(*heard(2)[1])["resource"]["trade_state"] == "SUCCESS"


def test_each_client_downloads_the_bills_in_each_key_mode(shop: Shop, tmp_path: Path) -> None:
    """The trades, those of one sub-merchant, and the movements; the hash is that of the unpacked file."""
    order, other = shop.order(), shop.order()
    assert shop.client().pay(**order)[0] == 200
    assert shop.client(partner_mode=True).pay(**other, sub_mchid=SUB)[0] == 200
    day = time.strftime("%Y-%m-%d", time.gmtime(shop.now() + 8 * 3600))
    shop.advance("36h")
    both = {order["out_trade_no"], other["out_trade_no"]}
    for way in WAYS:
        sdk = shop.any_client(way, tmp_path)
        for asked in (sdk.trade_bill(day), sdk.fundflow_bill(day)):
            assert in_file(sdk, asked, both) == both, way
    partner = shop.client(partner_mode=True)
    assert in_file(partner, partner.trade_bill(day, sub_mchid=SUB), both) == {other["out_trade_no"]}


def in_file(sdk: Any, asked: tuple[int, Any], wanted: set[str]) -> set[str]:
    """Which of the orders stand in the file that the answer leads to."""
    where = told(asked)[1]
    status, packed = sdk.download_bill(where["download_url"])
    content = gzip.decompress(packed)
    assert status == 200 and hashlib.sha1(content).hexdigest() == where["hash_value"]
    return {number for number in wanted if f"`{number}".encode() in content}


def test_the_bill_of_yesterday(shop: Shop) -> None:
    sdk, order = shop.client(), shop.order()
    sdk.pay(**order)
    day = time.strftime("%Y-%m-%d", time.gmtime(shop.now() + 8 * 3600))
    early = told(sdk.trade_bill(day))
    assert (early[0], early[1]["code"]) == (400, "NO_STATEMENT_EXIST")
    shop.advance("36h")
    for asked in (sdk.trade_bill(day), sdk.fundflow_bill(day)):
        status, where = told(asked)
        assert status == 200 and where["hash_type"] == "SHA1"
        status, packed = sdk.download_bill(where["download_url"])
        content = gzip.decompress(packed)
        assert status == 200 and hashlib.sha1(content).hexdigest() == where["hash_value"]
        assert f"`{order['out_trade_no']}".encode() in content


def test_a_client_that_knows_nothing_of_our_clock_works_after_it_was_moved(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.advance("2h")
    monkeypatch.undo()
    sdk, order = shop.client(), shop.order()
    assert told(sdk.pay(**order))[1]["trade_state"] == "SUCCESS"
    seen: list[Any] = []
    verify = sdk._core._verify_signature
    monkeypatch.setattr(sdk._core, "_verify_signature", lambda headers, body: seen.append(headers) or verify(headers, body))
    assert sdk.query(out_trade_no=order["out_trade_no"])[0] == 200
    assert abs(int(seen[0]["Wechatpay-Timestamp"]) - time.time()) < 300
