"""Our side of v2: the digests of the SDKs, what each reply proves, and the way through our own twin."""

import json
from dataclasses import replace
from typing import Any

import pytest

from daozhang.channels.twin import Heard
from daozhang.channels.wechatpay import sign, wire, xml
from daozhang.channels.wechatpay.account import Incomplete
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Exchange
from daozhang.sim.every import START_MS, new_payment
from daozhang.sim.world import SeededRand
from tests.channels.wechatpay.kit import NAMES, PUBLIC_MODE, WECHAT, account, ask, vector

KEY = NAMES["wx_apiv2_key"]
NUMBER, REFUND_NO = out_trade_no(new_payment().id), out_request_no("rfd_01JD8000000000000000000000")
ACCOUNT = account(api="v2", sign_type="MD5")


@pytest.mark.parametrize("number", ["28", "29", "30", "31"])
def test_our_digest_is_the_sdks_both_ways(number: str) -> None:
    given = vector(number)
    fields = xml.read(given["request"]["body_utf8"].encode())
    assert f"{sign.canonical_v2(fields)}&key={KEY}" == given["canonical_string"]
    assert sign.sign_v2(fields, KEY, "MD5") == given["signature"] == fields["sign"]
    reply = xml.read(given["response"]["body_utf8"].encode())
    assert sign.holds_v2(reply, KEY, "MD5") and not sign.holds_v2(reply | {"total_fee": "1"}, KEY, "MD5")
    assert not sign.holds_v2(reply, KEY, "HMAC-SHA256")
    assert xml.read(xml.written(fields)) == fields


def said(fields: dict[str, str], kind: str = "MD5", key: str = KEY) -> Exchange:
    whole = {"return_code": "SUCCESS", "appid": NAMES["wx_appid"], "mch_id": NAMES["wx_mchid"], "nonce_str": "n", **fields}
    return Exchange(200, (), xml.written(whole | {"sign": sign.sign_v2(whole, key, kind)}))


def replying(op: Op, fields: dict[str, str], payment: Payment | None = None) -> Finding:
    return wire.read(ACCOUNT, ask(op, payment), said(fields))


OK = {"result_code": "SUCCESS"}
PAID = OK | {"out_trade_no": NUMBER, "total_fee": "1250", "transaction_id": "42", "time_end": "20260921221321"}


def failed(code: str, **more: str) -> dict[str, str]:
    return {"result_code": "FAIL", "err_code": code, **more}


def back(status: str, **changes: str) -> dict[str, str]:
    return OK | {"out_trade_no": NUMBER, "out_refund_no_0": REFUND_NO, "refund_fee_0": "500", "refund_status_0": status} | changes


REPLIES: list[tuple[Op, dict[str, str], Proves]] = [
    (Op.PAY, failed("SYSTEMERROR"), Proves.NOTHING),
    (Op.PAY, failed("BANKERROR"), Proves.NOTHING),
    (Op.PAY, failed("NEVER_SEEN_BEFORE"), Proves.NOTHING),
    (Op.PAY, failed("ORDERPAID"), Proves.NOTHING),
    (Op.PAY, failed("OUT_TRADE_NO_USED"), Proves.NOTHING),
    (Op.PAY, failed("ACCOUNTERROR"), Proves.NOTHING),
    (Op.PAY, {"result_code": "FAIL"}, Proves.NOTHING),
    (Op.PAY, {}, Proves.NOTHING),
    (Op.PAY, PAID | {"total_fee": "99"}, Proves.NOTHING),
    (Op.PAY, PAID | {"total_fee": "1250.0"}, Proves.NOTHING),
    (Op.PAY, PAID | {"total_fee": "１２５０"}, Proves.NOTHING),
    (Op.PAY, PAID | {"fee_type": "USD"}, Proves.NOTHING),
    (Op.PAY, PAID | {"out_trade_no": "DZ01JD8000000000000000000001"}, Proves.NOTHING),
    (Op.PAY, PAID | {"mch_id": "1"}, Proves.NOTHING),
    (Op.PAY, failed("USERPAYING"), Proves.WAITING),
    (Op.PAY, failed("NOTENOUGH"), Proves.REFUSED),
    (Op.PAY, failed("AUTHCODEEXPIRE"), Proves.REFUSED),
    (Op.PAY, PAID, Proves.CAPTURED),
    (Op.QUERY, failed("NOTENOUGH"), Proves.NOTHING),
    (Op.QUERY, failed("ORDERNOTEXIST"), Proves.ABSENT),
    (Op.QUERY, OK | {"trade_state": "SOMETHING"}, Proves.NOTHING),
    (Op.QUERY, OK | {"trade_state": "NOTPAY"}, Proves.NOTHING),
    (Op.QUERY, OK | {"trade_state": "NOTPAY", "out_trade_no": NUMBER}, Proves.WAITING),
    (Op.QUERY, OK | {"trade_state": "ACCEPT", "out_trade_no": NUMBER}, Proves.WAITING),
    (Op.QUERY, OK | {"trade_state": "REVOKED", "out_trade_no": NUMBER}, Proves.REVOKED),
    (Op.QUERY, OK | {"trade_state": "CLOSED", "out_trade_no": NUMBER}, Proves.CLOSED),
    (Op.QUERY, PAID | {"trade_state": "SUCCESS"}, Proves.CAPTURED),
    (Op.REVERSE, failed("SYSTEMERROR"), Proves.NOTHING),
    (Op.REVERSE, failed("CERT_ERROR"), Proves.NOTHING),
    (Op.REVERSE, OK, Proves.NOTHING),
    (Op.REVERSE, failed("TRADE_ERROR"), Proves.UNDO_REFUSED),
    (Op.REVERSE, failed("SYSTEMERROR", recall="Y"), Proves.UNDO_AGAIN),
    (Op.REVERSE, OK | {"recall": "Y"}, Proves.UNDO_AGAIN),
    (Op.REVERSE, OK | {"recall": "N"}, Proves.UNDONE),
    (Op.CLOSE, failed("ORDERPAID"), Proves.UNDO_REFUSED),
    (Op.CLOSE, OK, Proves.UNDONE_UNPAID),
    (Op.REFUND, failed("NOTENOUGH"), Proves.REFUND_NO_FUNDS),
    (Op.REFUND, failed("NEVER_SEEN_BEFORE"), Proves.NOTHING),
    (Op.REFUND, OK, Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, failed("REFUNDNOTEXIST"), Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, back("PROCESSING"), Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, back("SUCCESS", refund_fee_0="501"), Proves.NOTHING),
    (Op.REFUND_QUERY, back("SUCCESS", out_refund_no_0="other"), Proves.NOTHING),
    (Op.REFUND_QUERY, back("REFUNDCLOSE"), Proves.REFUND_REFUSED),
    (Op.REFUND_QUERY, back("SUCCESS"), Proves.REFUND_DONE),
]


@pytest.mark.parametrize(("op", "fields", "proves"), REPLIES)
def test_what_a_reply_proves(op: Op, fields: dict[str, str], proves: Proves) -> None:
    assert replying(op, fields).proves is proves


@pytest.mark.parametrize(("op", "fields", "proves"), REPLIES)
def test_a_reply_of_another_key_or_digest_proves_nothing(op: Op, fields: dict[str, str], proves: Proves) -> None:
    for exchange in (said(fields, key="x" * 32), said(fields, "HMAC-SHA256")):
        found = wire.read(ACCOUNT, ask(op), exchange)
        assert (found.proves, found.alarm) == (Proves.NOTHING, "signature")


def test_the_second_of_several_refunds_is_found() -> None:
    fields = back("PROCESSING", out_refund_no_0="other", refund_fee_0="1", out_refund_no_1=REFUND_NO, refund_fee_1="500",
                  refund_status_1="SUCCESS")  # fmt: skip
    assert replying(Op.REFUND_QUERY, fields).proves is Proves.REFUND_DONE


@pytest.mark.parametrize(
    "body",
    [b"", b"<xml>", b"{}", b"<html/>", b"\xff", b"<xml><return_code>FAIL</return_code></xml>",
     b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>",
     b'<!DOCTYPE x [<!ENTITY a "b">]><xml><return_code>&a;</return_code></xml>', b"<xml><a><b/></a></xml>",
     b"<xml><a>1</a><a>2</a></xml>", b"<xml>" + b"<a>" * 5000],
)  # fmt: skip
@pytest.mark.parametrize("op", [Op.PAY, Op.QUERY, Op.REVERSE])
def test_what_is_not_signed_or_not_flat_proves_nothing(body: bytes, op: Op) -> None:
    assert wire.read(ACCOUNT, ask(op), Exchange(200, (), body)).proves is Proves.NOTHING


def test_v2_needs_its_key() -> None:
    with pytest.raises(Incomplete):
        account({}, api="v3")
    assert account({}, api="v2").api == "v2"


# -- through the twin ---------------------------------------------------------------------------------------------------


class Bench:
    """A v2 account at the real twin, without sockets."""

    def __init__(self, kind: str, **more: str) -> None:
        assert WECHAT is not None
        self.twin = WECHAT.twin.make_simulated("s", SeededRand(3).bytes)
        settings, secrets = self.twin.simulated_account("s")
        settings |= {"gateway": "http://127.0.0.1:9", "api": "v2", "sign_type": kind, **more}
        self.account = wire.open_account(AccountRow("a", 0, "m", "wechatpay", False, 0, settings, secrets), WECHAT.manifest)
        self.payment = replace(new_payment(), window_end_ms=START_MS + 60_000)

    def ask(self, op: Op, at_ms: int = START_MS, code: str = "", payment: Payment | None = None) -> Finding:
        question = replace(ask(op, payment or self.payment), code=code or "136123456789012345")
        request = wire.write(self.account, question)
        told = self.twin.handle(Heard(request.method, request.url, request.headers, request.body, at_ms))
        return wire.read(self.account, question, Exchange(told.status, told.headers, told.body))


@pytest.fixture(params=["MD5", "HMAC-SHA256"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_a_payment_from_beginning_to_end(bench: Bench) -> None:
    assert bench.ask(Op.QUERY).proves is Proves.ABSENT
    paid = bench.ask(Op.PAY, code=bench.twin.code("pays_with_coupon", START_MS)["code"])
    assert (paid.proves, paid.amount_fen, paid.payer_paid_fen, paid.received_fen) == (Proves.CAPTURED, 1250, 1150, 1150)
    assert bench.ask(Op.QUERY, payment=replace(bench.payment, trade_no=paid.trade_no)).proves is Proves.CAPTURED
    assert bench.ask(Op.REFUND).proves is Proves.REFUND_PENDING
    assert bench.ask(Op.REFUND_QUERY).proves is Proves.REFUND_DONE


def test_typing_undone_and_asked(bench: Bench) -> None:
    code = bench.twin.code("hesitates", START_MS)["code"]
    assert bench.ask(Op.PAY, code=code).proves is Proves.WAITING
    assert bench.ask(Op.REVERSE).proves is Proves.NOTHING  # too early
    assert bench.ask(Op.REVERSE, START_MS + 16_000).proves is Proves.UNDONE
    assert bench.ask(Op.QUERY, START_MS + 21_000).proves is Proves.REVOKED


def test_a_qr_is_shown_paid_pushed_and_believed(bench: Bench) -> None:
    qr = replace(bench.payment, method=Method.PAY_BY_QR)
    shown = bench.ask(Op.PAY, payment=qr)
    assert shown.proves is Proves.SHOWN
    bench.twin.scan(shown.qr, "pays", START_MS + 1_000)
    assert bench.ask(Op.CLOSE, START_MS + 2_000, payment=qr).proves is Proves.UNDO_REFUSED
    push = bench.twin.tick(START_MS + 3_000)[0]
    heard = wire.hear("text/xml", "", push.body)
    judged = wire.judge(bench.account, heard, qr)
    assert judged.verified and judged.finding.proves is Proves.CAPTURED and judged.finding.amount_fen == 1250
    for spoilt, alarm in (({"total_fee": "1"}, "signature"), ({"mch_id": "1"}, "signature"), ({"sign": "0" * 32}, "signature")):
        other = replace(heard, fields={**heard.fields, **spoilt})
        assert wire.judge(bench.account, other, qr).finding.alarm == alarm
    assert wire.judge(bench.account, heard, None).finding.alarm == "order"
    assert wire.judge(bench.account, heard, replace(qr, amount_fen=1)).finding.alarm == "amount"
    assert "openid" not in json.dumps(judged.finding.detail)
    status, _, words = wire.thanks(True)
    bench.twin.pushed(push.push_id, status, words, START_MS + 3_100)
    later: Any = bench.twin.tick(START_MS + 90_000_000)
    assert later == []


def test_a_qr_that_nobody_scanned_is_closed(bench: Bench) -> None:
    qr = replace(bench.payment, method=Method.PAY_BY_QR)
    bench.ask(Op.PAY, payment=qr)
    assert bench.ask(Op.CLOSE, payment=qr).proves is Proves.UNDONE_UNPAID
    assert bench.ask(Op.QUERY, payment=qr).proves is Proves.CLOSED


def test_a_close_whose_answer_was_lost_is_answered_alike_when_it_is_repeated(bench: Bench) -> None:
    """Of an order that never came: the first close takes its number, and the second finds it taken."""
    qr = replace(bench.payment, method=Method.PAY_BY_QR)
    said = [bench.ask(Op.CLOSE, payment=qr) for _ in range(2)]
    assert [one.proves for one in said] == [Proves.UNDONE_UNPAID] * 2, said
    assert bench.ask(Op.QUERY, payment=qr).proves is Proves.ABSENT


def test_the_public_key_is_not_needed_for_v2() -> None:
    assert account(PUBLIC_MODE, api="v2").api == "v2"


def test_a_plate_is_paid_on_the_page_that_we_signed(bench: Bench) -> None:
    plate = replace(bench.payment, method=Method.PLATE)
    question = replace(ask(Op.PAY, plate), code="", payer="oPayer")
    fields = xml.read(wire.write(bench.account, question).body)
    assert (fields["trade_type"], fields["openid"]) == ("JSAPI", "oPayer") and "product_id" not in fields
    request = wire.write(bench.account, question)
    told = bench.twin.handle(Heard(request.method, request.url, request.headers, request.body, START_MS))
    shown = wire.read(bench.account, question, Exchange(told.status, told.headers, told.body))
    page = json.loads(shown.qr)
    assert shown.proves is Proves.SHOWN and page["signType"] == bench.account.sign_type
    assert page.pop("paySign") == sign.sign_v2(page, bench.account.apiv2_key, bench.account.sign_type)
    bench.twin.scan(page["package"].removeprefix("prepay_id="), "pays", START_MS + 1_000)
    found = bench.ask(Op.QUERY, START_MS + 2_000, payment=plate)
    assert (found.proves, found.amount_fen) == (Proves.CAPTURED, 1250)
    judged = wire.judge(bench.account, wire.hear("text/xml", "", bench.twin.tick(START_MS + 3_000)[0].body), plate)
    assert judged.verified and judged.finding.proves is Proves.CAPTURED


@pytest.mark.parametrize(("sub_appid", "named"), [("", "openid"), ("wx9", "sub_openid")])
def test_a_service_providers_orders_go_through_and_come_back(sub_appid: str, named: str) -> None:
    """Code, QR and plate of a sub-merchant; its notifies name it, and nobody else's are taken."""
    bench = Bench("MD5", sub_mchid="1900000999", **({"sub_appid": sub_appid} if sub_appid else {}))
    assert bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"]).proves is Proves.CAPTURED
    assert bench.ask(Op.QUERY).proves is Proves.CAPTURED
    other = replace(new_payment(Method.PLATE), id="pay_01JD8000000000000000000001", window_end_ms=START_MS + 60_000)
    question = replace(ask(Op.PAY, other), code="", payer="oPayer")
    request = wire.write(bench.account, question)
    assert xml.read(request.body)[named] == "oPayer"
    told = bench.twin.handle(Heard(request.method, request.url, request.headers, request.body, START_MS))
    page = json.loads(wire.read(bench.account, question, Exchange(told.status, told.headers, told.body)).qr)
    assert page["appId"] == (sub_appid or bench.account.appid)
    bench.twin.scan(page["package"].removeprefix("prepay_id="), "pays", START_MS + 1_000)
    heard = wire.hear("text/xml", "", bench.twin.tick(START_MS + 3_000)[0].body)
    assert wire.judge(bench.account, heard, other).finding.proves is Proves.CAPTURED
    alone = Bench("MD5")
    assert wire.judge(alone.account, heard, other).finding.alarm == "seller"
