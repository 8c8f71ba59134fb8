"""Our side of APIv3: the bytes that SDKs sign, what each reply proves, and what is not believed."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from daozhang.channels.keys import BadKey, signer, verifier
from daozhang.channels.shelf import HERE
from daozhang.channels.wechatpay import sign, v3, verdict, wire
from daozhang.channels.wechatpay.account import Incomplete
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import MaybeArrived, NotSent
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.payment import Method, Payment, Undone
from daozhang.core.ports import Exchange
from daozhang.sim.every import START_MS, new_payment
from tests.channels.wechatpay.kit import (
    CERTIFICATE_MODE,
    MERCHANT_KEY,
    NAMES,
    PLATFORM_PRIVATE,
    PUBLIC_MODE,
    PUBLIC_PRIVATE,
    account,
    ask,
    exchange,
    signed,
    vector,
)

ACCOUNT = account()
NUMBER, REFUND_NO = out_trade_no(new_payment().id), out_request_no("rfd_01JD8000000000000000000000")
REQUESTS = ["18", "19", "20", "21", "22", "23", "24", "25", "27", "48", "49", "50"]


@pytest.mark.parametrize("number", REQUESTS)
def test_our_request_text_and_signature_are_the_sdks(number: str) -> None:
    given = vector(number)
    method, target, _ = given["request"]["line"].split()
    header = dict(given["request"]["headers"])["Authorization"]
    pairs = dict(pair.split("=", 1) for pair in header.partition(" ")[2].split(","))
    timestamp, nonce = pairs["timestamp"].strip('"'), pairs["nonce_str"].strip('"')
    text = sign.request_text(method, target, timestamp, nonce, given["request"]["body_utf8"])
    assert text == given["canonical_string"]
    key = signer(MERCHANT_KEY, "private_key", False)
    assert base64.b64encode(key.sign(text.encode())).decode() == given["signature"] == pairs["signature"].strip('"')
    mine = sign.authorization(NAMES["wx_mchid"], NAMES["wx_mch_serial"], timestamp, nonce, text, key)
    assert sorted(mine.partition(" ")[2].split(",")) == sorted(header.partition(" ")[2].split(","))


def replying(op: Op, status: int, reply: Any, payment: Payment | None = None, **how: Any) -> Finding:
    return wire.read(ACCOUNT, ask(op, payment), exchange(status, reply, **how))


def trade(state: str = "SUCCESS", **changes: Any) -> dict[str, Any]:
    told = {"appid": NAMES["wx_appid"], "mchid": NAMES["wx_mchid"], "out_trade_no": NUMBER, "trade_state": state,
            "transaction_id": "4200", "amount": {"total": 1250, "payer_total": 1250, "currency": "CNY"}}  # fmt: skip
    return told | changes


def refunded(status: str, **changes: Any) -> dict[str, Any]:
    return {"refund_id": "503", "out_refund_no": REFUND_NO, "out_trade_no": NUMBER, "status": status,
            "amount": {"refund": 500, "total": 1250}} | changes  # fmt: skip


def error(code: str) -> dict[str, Any]:
    return {"code": code, "message": "…"}


# One line a reply: operation, status, what it holds, what it proves. Worst first.
REPLIES: list[tuple[Op, int, Any, Proves]] = [
    (Op.PAY, 500, error("SYSTEM_ERROR"), Proves.NOTHING),
    (Op.PAY, 500, error("BANK_ERROR"), Proves.NOTHING),
    (Op.PAY, 500, error("NOTENOUGH"), Proves.NOTHING),
    (Op.PAY, 503, error("NOTENOUGH"), Proves.NOTHING),
    (Op.PAY, 302, error("NOTENOUGH"), Proves.NOTHING),
    (Op.PAY, 502, error("SERVICE_UNAVAILABLE"), Proves.NOTHING),
    (Op.PAY, 400, error("NEVER_SEEN_BEFORE"), Proves.NOTHING),
    (Op.PAY, 400, error("AUTH_CODE_INVALID"), Proves.NOTHING),
    (Op.PAY, 400, error("ORDER_CLOSED"), Proves.NOTHING),
    (Op.PAY, 400, error("INVALID_REQUEST"), Proves.NOTHING),
    (Op.PAY, 403, error("OUT_TRADE_NO_USED"), Proves.NOTHING),
    (Op.PAY, 404, error("ORDER_NOT_EXIST"), Proves.NOTHING),
    (Op.PAY, 400, {}, Proves.NOTHING),
    (Op.PAY, 200, {}, Proves.NOTHING),
    (Op.PAY, 200, trade("NEVER_SEEN"), Proves.NOTHING),
    (Op.PAY, 202, trade(), Proves.NOTHING),
    (Op.PAY, 201, trade(), Proves.NOTHING),
    (Op.PAY, 400, trade(), Proves.NOTHING),
    (Op.PAY, 200, trade(amount={"total": 9_999}), Proves.NOTHING),
    (Op.PAY, 200, trade(amount={"total": 1250.0}), Proves.NOTHING),
    (Op.PAY, 200, trade(amount={"total": "1250"}), Proves.NOTHING),
    (Op.PAY, 200, trade(amount={"total": True}), Proves.NOTHING),
    (Op.PAY, 200, trade(amount={"total": 1250, "currency": "USD"}), Proves.NOTHING),
    (Op.PAY, 200, trade(amount=None), Proves.NOTHING),
    (Op.PAY, 200, trade(out_trade_no="DZ01JD8000000000000000000001"), Proves.NOTHING),
    (Op.PAY, 200, trade(mchid="1900000108"), Proves.NOTHING),
    (Op.PAY, 202, trade("USERPAYING", amount=None), Proves.WAITING),
    (Op.PAY, 200, trade("USERPAYING"), Proves.WAITING),
    (Op.PAY, 403, error("NOTENOUGH"), Proves.REFUSED),
    (Op.PAY, 401, error("SIGN_ERROR"), Proves.REFUSED),
    (Op.PAY, 429, error("RATELIMIT_EXCEEDED"), Proves.REFUSED),
    (Op.PAY, 200, trade(), Proves.CAPTURED),
    (Op.QUERY, 403, error("NOTENOUGH"), Proves.NOTHING),
    (Op.QUERY, 401, error("SIGN_ERROR"), Proves.NOTHING),
    (Op.QUERY, 500, error("ORDER_NOT_EXIST"), Proves.NOTHING),
    (Op.QUERY, 200, trade("NEVER_SEEN"), Proves.NOTHING),
    (Op.QUERY, 202, trade(), Proves.NOTHING),
    (Op.QUERY, 404, error("ORDER_NOT_EXIST"), Proves.ABSENT),
    (Op.QUERY, 404, error("ORDERNOTEXIST"), Proves.ABSENT),
    (Op.QUERY, 200, trade("NOTPAY"), Proves.WAITING),
    (Op.QUERY, 200, trade("USERPAYING"), Proves.WAITING),
    (Op.QUERY, 200, trade("CLOSED"), Proves.CLOSED),
    (Op.QUERY, 200, trade("PAYERROR"), Proves.CLOSED),
    (Op.QUERY, 200, trade("REVOKED"), Proves.REVOKED),
    (Op.QUERY, 200, trade("REVOKED", out_trade_no=None), Proves.NOTHING),
    (Op.QUERY, 200, trade("REFUND"), Proves.CAPTURED),
    (Op.QUERY, 200, trade(), Proves.CAPTURED),
    (Op.QUERY, 200, trade(amount={"total": 1}), Proves.NOTHING),
    (Op.REVERSE, 500, error("SYSTEM_ERROR"), Proves.NOTHING),
    (Op.REVERSE, 404, error("ORDER_NOT_EXIST"), Proves.NOTHING),
    (Op.REVERSE, 400, error("INVALID_REQUEST"), Proves.NOTHING),
    (Op.REVERSE, 200, {}, Proves.NOTHING),
    (Op.REVERSE, 200, {"out_trade_no": NUMBER, "recall": "?"}, Proves.NOTHING),
    (Op.REVERSE, 200, {"out_trade_no": "DZ01JD8000000000000000000001"}, Proves.NOTHING),
    (Op.REVERSE, 403, error("TRADE_ERROR"), Proves.UNDO_REFUSED),
    (Op.REVERSE, 403, error("USERPAYING"), Proves.UNDO_AGAIN),
    (Op.REVERSE, 200, {"out_trade_no": NUMBER, "recall": "Y"}, Proves.UNDO_AGAIN),
    (Op.REVERSE, 200, {"out_trade_no": NUMBER, "recall": "N"}, Proves.UNDONE),
    (Op.REVERSE, 200, {"out_trade_no": NUMBER}, Proves.UNDONE),
    (Op.CLOSE, 200, {}, Proves.NOTHING),
    (Op.CLOSE, 400, error("NEVER_SEEN_BEFORE"), Proves.NOTHING),
    (Op.CLOSE, 400, error("ORDERPAID"), Proves.UNDO_REFUSED),
    (Op.CLOSE, 404, error("ORDER_NOT_EXIST"), Proves.UNDONE_ABSENT),
    (Op.CLOSE, 204, None, Proves.UNDONE_UNPAID),
    (Op.REFUND, 500, error("SYSTEM_ERROR"), Proves.NOTHING),
    (Op.REFUND, 400, error("NEVER_SEEN_BEFORE"), Proves.NOTHING),
    (Op.REFUND, 200, refunded("NEVER_SEEN"), Proves.NOTHING),
    (Op.REFUND, 200, refunded("SUCCESS", amount={"refund": 501}), Proves.NOTHING),
    (Op.REFUND, 200, refunded("SUCCESS", out_refund_no="other"), Proves.NOTHING),
    (Op.REFUND, 200, refunded("SUCCESS", out_trade_no="DZ01JD8000000000000000000001"), Proves.NOTHING),
    (Op.REFUND, 403, error("NOT_ENOUGH"), Proves.REFUND_NO_FUNDS),
    (Op.REFUND, 429, error("FREQUENCY_LIMITED"), Proves.NOTHING),
    (Op.REFUND, 200, refunded("PROCESSING"), Proves.REFUND_PENDING),
    (Op.REFUND, 200, refunded("ABNORMAL"), Proves.REFUND_PENDING),
    (Op.REFUND, 200, refunded("CLOSED"), Proves.REFUND_REFUSED),
    (Op.REFUND, 200, refunded("SUCCESS"), Proves.REFUND_DONE),
    (Op.REFUND_QUERY, 404, error("RESOURCE_NOT_EXISTS"), Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, 200, refunded("PROCESSING"), Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, 200, refunded("SUCCESS"), Proves.REFUND_DONE),
]


@pytest.mark.parametrize(("op", "status", "reply", "proves"), REPLIES)
def test_what_a_reply_proves(op: Op, status: int, reply: Any, proves: Proves) -> None:
    assert replying(op, status, reply).proves is proves


@pytest.mark.parametrize(("op", "status", "reply", "proves"), REPLIES)
@pytest.mark.parametrize(
    "how",
    [{"key": MERCHANT_KEY}, {"serial": "PUB_KEY_ID_SOMEBODY"}, {"at_ms": START_MS - 301_000}, {"at_ms": START_MS + 301_000}],
    ids=["forged", "unknown serial", "old", "from the future"],
)  # fmt: skip
def test_a_reply_that_is_not_the_channels_of_this_moment_proves_nothing(
    op: Op, status: int, reply: Any, proves: Proves, how: dict[str, Any]
) -> None:
    found = replying(op, status, reply, **how)
    assert (found.proves, found.code, found.alarm) == (Proves.NOTHING, "RESPONSE_SIGNATURE_INVALID", "signature")


def test_a_wrong_signature_on_purpose_is_refused() -> None:
    body = json.dumps(trade()).encode()
    headers = signed(body) | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abcdef=="}
    found = wire.read(ACCOUNT, ask(Op.PAY), Exchange(200, tuple(headers.items()), body))
    assert (found.proves, found.alarm, found.detail["why"]) == (Proves.NOTHING, "", "probe")


def test_certificate_mode_and_the_overlap_while_keys_change() -> None:
    body, serial = json.dumps(trade()).encode(), NAMES["wx_platform_serial"]
    by_certificate = Exchange(200, tuple(signed(body, PLATFORM_PRIVATE, serial).items()), body)
    by_public_key = Exchange(200, tuple(signed(body).items()), body)
    for trust, old, new in ((CERTIFICATE_MODE, True, False), (PUBLIC_MODE, False, True), (CERTIFICATE_MODE | PUBLIC_MODE, True, True)):
        opened = account(trust)
        for given, believed in ((by_certificate, old), (by_public_key, new)):
            assert (wire.read(opened, ask(Op.PAY), given).proves is Proves.CAPTURED) is believed
    asked = dict(wire.write(account(CERTIFICATE_MODE), ask(Op.QUERY)).headers)
    assert "Wechatpay-Serial" not in asked
    assert dict(wire.write(ACCOUNT, ask(Op.QUERY)).headers)["Wechatpay-Serial"] == NAMES["wx_pubkey_id"]


def test_given_back_after_our_undo_is_not_a_payment() -> None:
    undone = replace(new_payment(), undo_tries=1, undone=Undone.UNPAID)
    assert replying(Op.QUERY, 200, trade("REFUND"), undone).proves is Proves.RETURNED
    assert replying(Op.QUERY, 200, trade("REFUND"), replace(undone, undone=Undone.REFUSED)).proves is Proves.CAPTURED


def test_three_amounts() -> None:
    coupons = [{"type": "NOCASH", "amount": 100}, {"type": "CASH", "amount": 50}, {"type": "NOCASH", "amount": "7"}, "x"]
    found = replying(Op.PAY, 200, trade(amount={"total": 1250, "payer_total": 1100}, promotion_detail=coupons,
                                        success_time="2026-09-21T22:13:21+08:00"))  # fmt: skip
    assert (found.amount_fen, found.payer_paid_fen, found.received_fen) == (1250, 1100, 1150)
    assert found.trade_no == "4200" and found.paid_ms == 1_790_000_001_000


def test_a_qr_is_shown_only_with_its_text() -> None:
    payment = new_payment(Method.PAY_BY_QR)
    shown = replying(Op.PAY, 200, {"code_url": "weixin://wxpay/bizpayurl?pr=1"}, payment)
    assert (shown.proves, shown.qr) == (Proves.SHOWN, "weixin://wxpay/bizpayurl?pr=1")
    assert replying(Op.PAY, 200, {"code_url": 1}, payment).proves is Proves.NOTHING
    assert replying(Op.PAY, 200, trade(), payment).proves is Proves.NOTHING


def test_faults_of_the_network_and_of_the_edge() -> None:
    refused = wire.read(ACCOUNT, ask(Op.PAY), Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 1}))
    lost = wire.read(ACCOUNT, ask(Op.PAY), Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={"sent_body": 2}))
    assert (refused.proves, refused.code, refused.trail) == (Proves.NOT_SENT, "CONNECT_REFUSED", {"failed": 1})
    assert (lost.proves, lost.hint) == (Proves.NOTHING, "info.reply_lost")
    edge = wire.read(ACCOUNT, ask(Op.PAY), Exchange(503, (), b"<html>"))
    assert (edge.proves, edge.hint, edge.alarm) == (Proves.NOTHING, "platform.maintenance", "")


def test_requests_name_the_order_by_what_is_known_of_it() -> None:
    def line(op: Op, payment: Payment | None = None) -> str:
        request = wire.write(ACCOUNT, ask(op, payment))
        return f"{request.method} {request.url.removeprefix('http://127.0.0.1:9')}"

    known = replace(new_payment(), trade_no="4200000001")
    mine = f"mchid={NAMES['wx_mchid']}"
    assert line(Op.QUERY) == f"GET /v3/pay/transactions/out-trade-no/{NUMBER}?{mine}"
    assert line(Op.QUERY, known) == f"GET /v3/pay/transactions/id/4200000001?{mine}"
    assert line(Op.REVERSE) == f"POST /v3/pay/transactions/out-trade-no/{NUMBER}/reverse"
    assert line(Op.CLOSE) == f"POST /v3/pay/transactions/out-trade-no/{NUMBER}/close"
    assert line(Op.REFUND_QUERY) == f"GET /v3/refund/domestic/refunds/{REFUND_NO}"
    body = json.loads(wire.write(ACCOUNT, ask(Op.PAY)).body)
    assert body["payer"] == {"auth_code": "136123456789012345"} and "notify_url" not in body
    assert body["amount"] == {"total": 1250, "currency": "CNY"}
    nonces = {v3.nonce_of(ask(op, replace(new_payment(), queries=n))) for op in Op for n in range(3)}
    assert len(nonces) == 3 * len(Op) and all(len(nonce) == 32 for nonce in nonces)


def test_a_service_provider_names_itself_and_its_sub_merchant() -> None:
    partner = account(sub_mchid="1900000999", sub_appid="wxsub")
    pay = wire.write(partner, ask(Op.PAY))
    assert pay.url.endswith("/v3/pay/partner/transactions/codepay")
    body = json.loads(pay.body)
    assert (body["sp_mchid"], body["sub_mchid"], body["sp_appid"]) == (NAMES["wx_mchid"], "1900000999", NAMES["wx_appid"])
    assert "mchid" not in body and json.loads(wire.write(partner, ask(Op.REFUND)).body)["sub_mchid"] == "1900000999"
    assert wire.write(partner, ask(Op.QUERY)).url.endswith(f"?sp_mchid={NAMES['wx_mchid']}&sub_mchid=1900000999")
    told = trade(sp_mchid=NAMES["wx_mchid"], sub_mchid="1900000999")
    del told["mchid"]
    assert wire.read(partner, ask(Op.PAY), exchange(200, told)).proves is Proves.CAPTURED
    assert wire.read(partner, ask(Op.PAY), exchange(200, told | {"sub_mchid": "1"})).alarm == "order_number"


# -- the captured replies -----------------------------------------------------------------------------------------------

CAPTURED = {"18": Proves.CAPTURED, "48": Proves.WAITING, "49": Proves.NOTHING, "50": Proves.NOTHING}


@pytest.mark.parametrize(("number", "proves"), CAPTURED.items())
def test_captured_replies(number: str, proves: Proves, monkeypatch: pytest.MonkeyPatch) -> None:
    given = vector(number)
    monkeypatch.setattr(v3, "out_trade_no", lambda _: "DZ2025010100000002")
    headers = [(name, value) for name, value in given["response"]["headers"]]
    sent_ms = int(dict(headers)["Wechatpay-Timestamp"]) * 1000
    body = given["response"]["body_utf8"].encode()
    found = wire.read(ACCOUNT, ask(Op.PAY, now_ms=sent_ms), Exchange(given["response"]["status"], tuple(headers), body))
    assert found.proves is proves
    expected = {"48": ("202 USERPAYING", ""), "49": ("SYSTEM_ERROR", ""), "50": ("RESPONSE_SIGNATURE_INVALID", "signature")}
    assert (found.code, found.alarm) == expected.get(number, ("SUCCESS", ""))
    for place in range(len(body)):
        spoilt = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        other = wire.read(ACCOUNT, ask(Op.PAY, now_ms=sent_ms), Exchange(given["response"]["status"], tuple(headers), spoilt))
        assert other.proves is Proves.NOTHING and other.alarm == "signature"


# -- callbacks ----------------------------------------------------------------------------------------------------------


def callback() -> tuple[bytes, dict[str, str], int]:
    given = vector("26")["request"]
    headers = {name.lower(): value for name, value in given["headers"]}
    return given["body_utf8"].encode(), headers, int(headers["wechatpay-timestamp"]) * 1000


def judged(opened: wire.Account, payment: Payment | None) -> Any:
    body, headers, at_ms = callback()
    heard = wire.unseal(opened, wire.hear("application/json", "", body), headers, at_ms)
    return wire.judge(opened, heard, payment)


def test_the_captured_callback_is_believed() -> None:
    found = judged(account(CERTIFICATE_MODE), replace(new_payment(), amount_fen=1))
    assert found.verified and found.order_no == "DZ2025010100000004" and not found.about_refund
    assert (found.finding.proves, found.finding.amount_fen, found.finding.alarm) == (Proves.CAPTURED, 1, "")
    assert found.finding.detail["notify_id"] == "a0b1c2d3-0000-5000-8000-000000000001"
    assert "openid" not in json.dumps(found.finding.detail)


def test_a_callback_about_something_else_raises_an_alarm() -> None:
    opened = account(CERTIFICATE_MODE)
    assert judged(opened, new_payment()).finding.alarm == "amount"
    assert judged(opened, None).finding.alarm == "order"
    assert judged(account(CERTIFICATE_MODE, appid="wx1"), replace(new_payment(), amount_fen=1)).finding.alarm == "app"
    assert judged(account(CERTIFICATE_MODE, mchid="1900000108"), replace(new_payment(), amount_fen=1)).finding.alarm == "seller"


def test_any_changed_byte_of_the_callback_is_refused() -> None:
    body, headers, at_ms = callback()
    opened, refused = account(CERTIFICATE_MODE), 0
    for place in range(len(body)):
        spoilt = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(wire.BadNotify):
            wire.unseal(opened, wire.hear("", "", spoilt), headers, at_ms)
        refused += 1
    for name in ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial"):
        for place in range(len(headers[name])):
            value = headers[name]
            letter = "A" if value[place] != "A" else "B"
            with pytest.raises(wire.BadNotify):
                wire.unseal(opened, wire.hear("", "", body), {**headers, name: value[:place] + letter + value[place + 1 :]}, at_ms)
            refused += 1
    assert refused > 1_300


def test_a_callback_that_is_old_probing_or_sealed_for_somebody_else() -> None:
    body, headers, at_ms = callback()
    heard, opened = wire.hear("", "", body), account(CERTIFICATE_MODE)
    for given, at, why in (
        (headers, at_ms + 301_000, "time"),
        ({**headers, "wechatpay-signature": "WECHATPAY/SIGNTEST/x"}, at_ms, "probe"),
        ({}, at_ms, "missing"),
        ({**headers, "wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, at_ms, "type"),
    ):
        with pytest.raises(wire.BadNotify, match=why):
            wire.unseal(opened, heard, given, at)
    other = replace(opened, apiv3_key=b"x" * 32)
    with pytest.raises(wire.BadNotify, match="our key"):
        wire.unseal(other, heard, headers, at_ms)


def test_thanks_in_both_wires() -> None:
    assert wire.thanks(True)[0] == 200 and b"<![CDATA[SUCCESS]]>" in wire.thanks(True)[2]
    assert wire.thanks(False)[0] == 500 and json.loads(wire.thanks(False)[2])["code"] == "FAIL"


# -- accounts -----------------------------------------------------------------------------------------------------------


def test_an_account_that_cannot_verify_replies_is_refused() -> None:
    for trust in ({}, {"public_key": PUBLIC_MODE["public_key"]}):
        with pytest.raises(Incomplete):
            account(trust, public_key_id="")
    with pytest.raises(BadKey, match="platform_certificates"):
        account({"platform_certificates": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"})
    with pytest.raises(Incomplete, match="v3 or v2"):
        account(api="v4")


@pytest.mark.parametrize(
    ("livemode", "gateway"),
    [(True, "http://127.0.0.1:7802"), (True, "http://api.mch.weixin.qq.com"), (False, "https://api.mch.weixin.qq.com"),
     (False, "http://10.0.0.7"), (False, "http://127.0.0.1.evil.example"), (False, "http://user@127.0.0.1"), (False, "")],
)  # fmt: skip
def test_sandbox_and_live_never_meet(livemode: bool, gateway: str) -> None:
    with pytest.raises(wire.WrongDoor):
        account(livemode=livemode, gateway=gateway)


def test_a_live_account_may_use_both_hosts() -> None:
    for gateway in ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"):
        assert account(livemode=True, gateway=gateway).origin == gateway


def test_the_table_is_whole() -> None:
    rows = verdict.rows()
    assert len(rows) > 180
    for row in rows:
        assert row["zh"] and row["en"] and Proves(row["proves"]), row
        if row["proves"] == "captured":
            assert row["code"] in ("SUCCESS", "REFUND")
        if row["op"].removeprefix("v2.") in ("query", "reverse", "close"):
            assert row["proves"] != "refused", "an error on a query or an undo never settles a payment"


def test_the_keys_are_two() -> None:
    message = b"m"
    made = signer(PUBLIC_PRIVATE, "k", True).sign(message)
    assert verifier(PUBLIC_MODE["public_key"], "k", True).verify(message, made)


# -- for people ---------------------------------------------------------------------------------------------------------

DESCRIBED = {"18-codepay.reply.json": ("transaction", "captured"), "26-callback.json": ("callback", "nothing"),
             "48-reply-202.json": ("transaction", "waiting"), "49-reply-500.json": ("error", "nothing"),
             "50-reply-forged.json": ("transaction", "captured"), "28-v2-micropay.reply.xml": ("reply", "captured"),
             "30-v2-reverse.reply.xml": ("reply", "nothing")}  # fmt: skip


@pytest.mark.parametrize(("name", "says"), DESCRIBED.items())
def test_a_message_is_told_without_what_is_the_payers(name: str, says: tuple[str, str]) -> None:
    raw = (HERE / "wechatpay" / "samples" / name).read_bytes()
    told = wire.describe(raw)
    assert told is not None and (told["what"], told["proves"]) == says
    assert all(one["zh"] and one["en"] for one in told["notes"])
    assert "oUpF8uMuAJO" not in json.dumps(told)
    half = wire.describe(raw[: len(raw) // 2])
    assert half is None or half["proves"] == "nothing"


@pytest.mark.parametrize("number", ["18", "28", "31", "48"])
def test_a_request_is_told_without_the_payers_code(number: str) -> None:
    told = wire.describe(vector(number)["request"]["body_utf8"].encode())
    assert told is not None and told["proves"] == "nothing" and "130061098828009406" not in json.dumps(told)


@pytest.mark.parametrize("body", [b"hello", b"{}", b"<html></html>", b'{"a":1}', b"\xff\xfe", b"[1]", b'{"alipay_trade_pay_response":{}}'])
def test_what_is_not_of_these_wires_is_left_to_others(body: bytes) -> None:
    assert wire.describe(body) is None


@pytest.mark.parametrize(
    ("settings", "who", "app"),
    [({}, {"openid": "oPayer"}, NAMES["wx_appid"]), ({"sub_mchid": "1900000999"}, {"sp_openid": "oPayer"}, NAMES["wx_appid"]),
     ({"sub_mchid": "1900000999", "sub_appid": "wx9"}, {"sub_openid": "oPayer"}, "wx9")],
)  # fmt: skip
def test_a_plates_page_is_signed_for_the_wallet(settings: dict[str, str], who: dict[str, str], app: str) -> None:
    opened = account(**settings)
    question = replace(ask(Op.PAY, new_payment(Method.PLATE)), code="", payer="oPayer")
    request = wire.write(opened, question)
    asked = json.loads(request.body)
    assert request.url.endswith("/transactions/jsapi") and ("/partner/" in request.url) is bool(settings)
    assert asked["payer"] == who and asked["notify_url"] and "scene_info" not in asked
    page = json.loads(wire.read(opened, question, exchange(200, {"prepay_id": "wx2016"})).qr)
    assert (page["appId"], page["package"], page["signType"]) == (app, "prepay_id=wx2016", "RSA")
    text = "".join(f"{page[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package"))
    public = serialization.load_pem_private_key(MERCHANT_KEY.encode(), None).public_key()
    public.verify(base64.b64decode(page["paySign"]), text.encode(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    for reply in ({}, {"prepay_id": ""}, {"prepay_id": 1}, {"code_url": "weixin://"}):
        assert wire.read(opened, question, exchange(200, reply)).proves is Proves.NOTHING
