"""Our side of the UnionPay wire against captured vectors, and answers that nobody has ever seen."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from daozhang.channels.keys import BadKey
from daozhang.channels.plug import BadNotify, Judged
from daozhang.channels.unionpay import sign, verdict, wire
from daozhang.channels.unionpay.account import Incomplete, WrongDoor
from daozhang.channels.unionpay.texts import clearing_day, digits, trace_ms
from daozhang.core.evidence import Op, Proves
from daozhang.core.faults import MaybeArrived, NotSent
from daozhang.core.ids import out_trade_no
from daozhang.core.payment import Method, Payment, State, Undone
from daozhang.core.ports import Exchange
from daozhang.core.refund import RefundKind
from daozhang.sim.every import START_MS, new_payment
from tests.channels.unionpay.kit import (
    ACCOUNT,
    MANIFEST,
    MER_ID,
    TIME,
    ask,
    fields_of,
    pem,
    read,
    refund,
    reply,
    row,
    seen,
    signed,
    vector,
)

# -- the bytes that are signed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["42", "44", "46"])
def test_our_canonical_string_and_signature_are_the_captured_clients(number: str) -> None:
    told = vector(number)
    given = fields_of(told)
    assert sign.canonical(given) == told["canonical_string"]
    assert sign.sign(given, ACCOUNT.key) == given["signature"] == told["signature"]


@pytest.mark.parametrize("number", ["42", "44", "46"])
def test_the_captured_replies_are_believed(number: str) -> None:
    told = sign.parse(vector(number)["response"]["body_utf8"])
    assert told is not None
    key = ACCOUNT.trust.key_of(told["signPubKeyCert"], 1_750_000_000_000)
    assert key is not None and sign.holds(told, key)


@pytest.mark.parametrize(("number", "op", "proves"), [("42", Op.PAY, Proves.WAITING), ("44", Op.QUERY, Proves.CAPTURED)])
def test_captured_replies_mean_what_they_say(number: str, op: Op, proves: Proves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_named", lambda question: ("DZ2025010100000005", "20250101100000"))
    question = ask(op, now_ms=1_750_000_000_000)
    body = vector(number)["response"]["body_utf8"].encode()
    found = wire.read(ACCOUNT, question, Exchange(200, (), body))
    assert (found.proves, found.alarm) == (proves, "")
    early = wire.read(ACCOUNT, replace(question, now_ms=1_600_000_000_000), Exchange(200, (), body))
    assert (early.proves, early.alarm) == (Proves.NOTHING, "signature")  # the certificate was not in force
    for place in range(0, len(body), 3):
        changed = bytearray(body)
        changed[place] ^= 0x01
        spoilt = wire.read(ACCOUNT, question, Exchange(200, (), bytes(changed)))
        assert spoilt.proves in (Proves.NOTHING, proves)
        assert spoilt.proves is Proves.NOTHING or place >= len(body) - 2


# -- what is asked -------------------------------------------------------------------------------------------------------


def written(op: Op, payment: Payment | None = None, **more: object) -> dict[str, str]:
    return dict(parse_qsl(wire.write(ACCOUNT, ask(op, payment, **more)).body.decode()))  # type: ignore[arg-type]


def test_a_code_payment_asks_what_the_captured_client_asks() -> None:
    ours, captured = written(Op.PAY), fields_of(vector("42"))
    assert ours.keys() == captured.keys() - {"termId"}
    changing = {"orderId", "txnTime", "backUrl", "signature", "termId"}
    assert {name: ours[name] for name in ours.keys() - changing} == {name: captured[name] for name in captured.keys() - changing}
    assert written(Op.QUERY).keys() == fields_of(vector("44")).keys()


def test_every_question_about_an_order_names_it_alike() -> None:
    asked = [written(op) for op in (Op.PAY, Op.QUERY, Op.REVERSE, Op.CLOSE)]
    assert {(one["orderId"], one["txnTime"]) for one in asked} == {(out_trade_no(new_payment().id), TIME)}
    assert [(one["txnType"], one["txnSubType"]) for one in asked] == [("01", "06"), ("00", "00"), ("99", "01"), ("99", "01")]
    back, queried = written(Op.REFUND), written(Op.REFUND_QUERY)
    assert (back["orderId"], back["txnTime"]) == (queried["orderId"], queried["txnTime"]) != (asked[0]["orderId"], TIME)
    assert (back["txnType"], back["origQryId"], back["txnAmt"]) == ("04", "4" * 21, "500")


def test_an_undo_is_all_of_the_money_on_the_clearing_day() -> None:
    whole = refund(RefundKind.UNDO, 1250)
    assert written(Op.REFUND, back=whole)["txnType"] == "31"
    assert written(Op.REFUND, back=replace(whole, amount_fen=1249))["txnType"] == "04"
    assert written(Op.REFUND, back=refund(RefundKind.REFUND, 1250))["txnType"] == "04"
    next_day = replace(whole, created_ms=START_MS + 86_400_000)
    assert written(Op.REFUND, back=next_day)["txnType"] == "04"


def test_a_qr_is_payable_until_the_window_ends() -> None:
    asked = written(Op.PAY, replace(new_payment(Method.PAY_BY_QR), window_end_ms=START_MS + 180_000))
    assert (asked["txnSubType"], asked["payTimeout"]) == ("07", digits(START_MS + 180_000))
    assert "qrNo" not in asked


@pytest.mark.parametrize(
    ("at", "day"),
    [("2026-11-23 22:59:59", 0), ("2026-11-23 23:00:00", 1), ("2026-11-24 00:00:00", 1), ("2026-11-24 22:59:59", 1), ("2026-11-24 23:00:00", 2)],
)  # fmt: skip
def test_the_clearing_day_begins_at_23(at: str, day: int) -> None:
    first = clearing_day(_ms("2026-11-23 12:00:00"))
    assert clearing_day(_ms(at)) - first == day


def _ms(text: str) -> int:
    return int((datetime.fromisoformat(text) - timedelta(hours=8)).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "near", "expected"),
    [("1231235959", "2027-01-01 00:00:05", "2026-12-31 23:59:59"), ("0101000001", "2026-12-31 23:59:58", "2027-01-01 00:00:01"),
     ("0229120000", "2028-02-29 12:00:10", "2028-02-29 12:00:00"), ("1123103000", "2026-11-23 10:30:01", "2026-11-23 10:30:00")],
)  # fmt: skip
def test_a_time_without_a_year_is_the_nearest(text: str, near: str, expected: str) -> None:
    assert trace_ms(text, _ms(near)) == _ms(expected)


@pytest.mark.parametrize("text", ["", "1332000000", "11231030", None, "１１２３１０３０００", "0230000000"])
def test_a_time_that_is_none_decides_nothing(text: str | None) -> None:
    assert trace_ms(text, START_MS) == 0


# -- what a reply proves -------------------------------------------------------------------------------------------------

# One line a reply: operation, what it holds besides, what it proves. Worst first.
REPLIES: list[tuple[Op, dict[str, str], Proves]] = [
    (Op.PAY, {"respCode": "03"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "04"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "06"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "12"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "34"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "74"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "99"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "Z9"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "A6"}, Proves.NOTHING),
    (Op.PAY, {"txnAmt": "9950"}, Proves.NOTHING),
    (Op.PAY, {"orderId": "DZ01JD8000000000000000000001"}, Proves.NOTHING),
    (Op.PAY, {"orderId": ""}, Proves.NOTHING),
    (Op.PAY, {"txnTime": "20260921221321"}, Proves.NOTHING),
    (Op.PAY, {"merId": "777290058110049"}, Proves.NOTHING),
    (Op.PAY, {"txnType": "99", "txnSubType": "01"}, Proves.NOTHING),
    (Op.PAY, {"version": "5.0.0"}, Proves.NOTHING),
    (Op.PAY, {"signMethod": "11"}, Proves.NOTHING),
    (Op.PAY, {"respCode": "05"}, Proves.WAITING),
    (Op.PAY, {}, Proves.WAITING),
    (Op.PAY, {"origRespCode": "00", "settleAmt": "1250"}, Proves.WAITING),
    (Op.PAY, {"respCode": "64"}, Proves.REFUSED),
    (Op.PAY, {"respCode": "11"}, Proves.REFUSED),
    (Op.QUERY, {}, Proves.NOTHING),
    (Op.QUERY, {"respCode": "64"}, Proves.NOTHING),
    (Op.QUERY, {"respCode": "11"}, Proves.NOTHING),
    (Op.QUERY, {"respCode": "37"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "03"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "04"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "75"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "Z9"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00", "settleAmt": "1"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00", "txnAmt": "1", "settleAmt": "1250"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00", "settleAmt": "１２５０"}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00", "settleAmt": "1250", "queryId": ""}, Proves.NOTHING),
    (Op.QUERY, {"origRespCode": "00", "settleAmt": "1250", "queryId": "<script>"}, Proves.NOTHING),
    (Op.QUERY, {"respCode": "34"}, Proves.ABSENT),
    (Op.QUERY, {"origRespCode": "05"}, Proves.WAITING),
    (Op.QUERY, {"origRespCode": "64"}, Proves.CLOSED),
    (Op.QUERY, {"origRespCode": "00", "settleAmt": "1250"}, Proves.CAPTURED),
    (Op.QUERY, {"origRespCode": "A6", "txnAmt": "1250", "settleAmt": "1000"}, Proves.CAPTURED),
    (Op.REVERSE, {"respCode": "04"}, Proves.NOTHING),
    (Op.REVERSE, {"respCode": "05"}, Proves.NOTHING),
    (Op.REVERSE, {"respCode": "35"}, Proves.NOTHING),
    (Op.REVERSE, {"respCode": "Z9"}, Proves.NOTHING),
    (Op.REVERSE, {"txnType": "01", "txnSubType": "06"}, Proves.NOTHING),
    (Op.REVERSE, {"respCode": "39"}, Proves.UNDO_REFUSED),
    (Op.REVERSE, {"respCode": "34"}, Proves.UNDONE_ABSENT),
    (Op.REVERSE, {}, Proves.UNDONE),
    (Op.CLOSE, {}, Proves.UNDONE),
    (Op.REFUND, {"respCode": "04"}, Proves.NOTHING),
    (Op.REFUND, {"respCode": "Z9"}, Proves.NOTHING),
    (Op.REFUND, {"txnAmt": "501"}, Proves.NOTHING),
    (Op.REFUND, {"respCode": "05"}, Proves.REFUND_PENDING),
    (Op.REFUND, {}, Proves.REFUND_PENDING),
    (Op.REFUND, {"respCode": "36"}, Proves.REFUND_REFUSED),
    (Op.REFUND_QUERY, {"origRespCode": "Z9"}, Proves.NOTHING),
    (Op.REFUND_QUERY, {"origRespCode": "00", "settleAmt": "501"}, Proves.NOTHING),
    (Op.REFUND_QUERY, {"origRespCode": "04"}, Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, {"respCode": "34"}, Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, {"origRespCode": "01"}, Proves.REFUND_REFUSED),
    (Op.REFUND_QUERY, {"origRespCode": "00", "settleAmt": "500"}, Proves.REFUND_DONE),
]


@pytest.mark.parametrize(("op", "told", "proves"), REPLIES)
def test_what_a_reply_proves(op: Op, told: dict[str, str], proves: Proves) -> None:
    assert read(op, signed(reply(op, **told))).proves is proves


@pytest.mark.parametrize(("op", "told", "proves"), REPLIES)
@pytest.mark.parametrize("key", ["merchant_private_pkcs8", "middle_private_pkcs8"])
def test_a_reply_that_somebody_else_signed_proves_nothing(op: Op, told: dict[str, str], proves: Proves, key: str) -> None:
    found = read(op, signed(reply(op, **told), key))
    assert (found.proves, found.alarm) == (Proves.NOTHING, "signature")


def test_after_an_accepted_reversal_what_was_seen_and_is_gone_was_undone() -> None:
    gone = signed(reply(Op.QUERY, respCode="34"))
    assert read(Op.QUERY, gone, seen(undone=Undone.UNPAID)).proves is Proves.REVOKED
    assert read(Op.QUERY, gone, seen()).proves is Proves.ABSENT
    assert read(Op.QUERY, gone, replace(seen(undone=Undone.ABSENT), seen=False)).proves is Proves.ABSENT
    # Closed, and a charge was notified after that: "no such order" is no word to believe (found by the town, seed 33).
    told = replace(seen(undone=Undone.UNPAID), state=State.CLOSED, capture_seen=True)
    assert read(Op.QUERY, gone, told).proves is Proves.ABSENT
    nothing_there = signed(reply(Op.REVERSE, respCode="34"))
    assert read(Op.REVERSE, nothing_there, seen()).proves is Proves.NOTHING  # the channel has shown it before


def test_the_payer_of_a_qr_may_try_another_card_until_the_time_is_over() -> None:
    failed = signed(reply(Op.QUERY, origRespCode="64"))
    shown = seen(Method.PAY_BY_QR)
    assert read(Op.QUERY, failed, shown, now_ms=START_MS + 60_000).proves is Proves.WAITING
    assert read(Op.QUERY, failed, shown, now_ms=START_MS + 90_000).proves is Proves.CLOSED


def test_a_qr_is_shown_only_with_its_text() -> None:
    told = {"txnSubType": "07"}
    found = read(Op.PAY, signed(reply(Op.PAY, **told, qrCode="https://qr.95516.com/1")), seen(Method.PAY_BY_QR))
    assert (found.proves, found.qr) == (Proves.SHOWN, "https://qr.95516.com/1")
    assert read(Op.PAY, signed(reply(Op.PAY, **told)), seen(Method.PAY_BY_QR)).proves is Proves.NOTHING


def test_what_the_shop_receives_may_be_less_than_the_payer_ordered() -> None:
    found = read(Op.QUERY, signed(reply(Op.QUERY, origRespCode="00", txnAmt="1250", settleAmt="1000", traceTime="0921221321")))
    assert (found.amount_fen, found.received_fen, found.trade_no) == (1250, 1000, "442609212146400000018")
    assert found.paid_ms == START_MS // 1000 * 1000 + 1000


@pytest.mark.parametrize(
    "body", ["", "x", "=", "a=1&a=1", "<html>502</html>", "{", "respCode=00", "respCode=00&signature=", "&" * 9_999, "{" * 9_999],
)  # fmt: skip
def test_what_cannot_be_read_proves_nothing(body: str) -> None:
    found = read(Op.PAY, body)
    assert found.proves is Proves.NOTHING and found.hint == "info.reply_unreadable"


def test_a_value_in_braces_may_hold_what_separates_values() -> None:
    assert sign.parse("a=1&b={c=2&d=3}&e=4=5") == {"a": "1", "b": "{c=2&d=3}", "e": "4=5"}
    said = reply(Op.QUERY, origRespCode="00", settleAmt="1250", accNo="", customerInfo="{a=1&respCode=99}")
    assert read(Op.QUERY, signed(said)).proves is Proves.CAPTURED


def test_faults_of_the_network() -> None:
    refused = wire.read(ACCOUNT, ask(Op.PAY), Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 1}))
    lost = wire.read(ACCOUNT, ask(Op.PAY), Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={"sent_body": 2}))
    assert (refused.proves, refused.code) == (Proves.NOT_SENT, "CONNECT_REFUSED")
    assert (lost.proves, lost.hint, lost.trail) == (Proves.NOTHING, "info.reply_lost", {"sent_body": 2})
    assert wire.read(ACCOUNT, ask(Op.PAY), Exchange(503, (), b"busy")).hint == "platform.maintenance"


# -- certificates --------------------------------------------------------------------------------------------------------


def made(name: str, issuer: str = "middle", *, days: tuple[int, int] = (-10, 10), ca: bool = False, issuer_name: str = "") -> str:
    """A certificate for the channel's own key, as somebody else might make one."""
    by = x509.load_pem_x509_certificate(pem(f"{issuer_name or issuer}_cert").encode())
    key = serialization.load_pem_private_key(pem(f"{issuer}_private_pkcs8").encode(), None)
    public = x509.load_pem_x509_certificate(pem("sign_cert").encode()).public_key()
    start = datetime.fromtimestamp(START_MS / 1000, UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])).issuer_name(by.subject)
        .public_key(public).serial_number(7).not_valid_before(start + timedelta(days[0])).not_valid_after(start + timedelta(days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )  # fmt: skip
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


GOOD = "041@8310000000083040@中国银联股份有限公司@00016493"


def with_certificate(certificate: str) -> Proves:
    fields = {**reply(Op.QUERY, origRespCode="00", settleAmt="1250"), "signPubKeyCert": certificate}
    private = serialization.load_pem_private_key(pem("sign_private_pkcs8").encode(), None)
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    raw = private.sign(sha256(text.encode()).hexdigest().encode(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    body = "&".join(f"{name}={value}" for name, value in {**fields, "signature": base64.b64encode(raw).decode()}.items())
    return read(Op.QUERY, body).proves


def test_a_certificate_of_the_right_company_from_the_right_issuer_is_believed() -> None:
    assert with_certificate(made(GOOD)) is Proves.CAPTURED


@pytest.mark.parametrize(
    "certificate",
    [made("041@8777290058110048@somebody else@00000001"), made("中国银联股份有限公司"), made("a@b@中国银联股份有限公司"),
     made("x@y@z@中国银联股份有限公司"), made(GOOD, "root"), made(GOOD, "sign"), made(GOOD, "sign", issuer_name="middle"),
     made(GOOD, days=(-10, -1)), made(GOOD, days=(1, 10)), pem("middle_cert"), pem("merchant_cert"), "", "x",
     "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ids=["company", "bare name", "three parts", "other place", "from root", "self-made", "claims the issuer", "ended", "not begun",
         "middle", "merchant", "none", "no PEM", "broken"],
)  # fmt: skip
def test_any_other_certificate_proves_nothing(certificate: str) -> None:
    assert with_certificate(certificate) is Proves.NOTHING


# -- notifies ------------------------------------------------------------------------------------------------------------


def notify(**changes: str) -> dict[str, str]:
    """The captured notify's fields, about our order."""
    told = sign.parse(vector("44")["response"]["body_utf8"]) or {}
    given = {**fields_of(vector("47")), "orderId": out_trade_no(new_payment().id), "txnTime": TIME, **changes}
    assert told["signPubKeyCert"] == given["signPubKeyCert"]
    return {name: value for name, value in given.items() if name not in ("signature", "signPubKeyCert") and value}


def heard(fields: dict[str, str], payment: Payment | None = None) -> Judged:
    told = sign.parse(signed(fields)) or {}
    return wire.judge(ACCOUNT, wire.hear("", "", urlencode(told).encode()), payment or seen())


def test_the_captured_notify_is_believed_and_any_changed_byte_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    body = vector("47")["request"]["body_utf8"].encode()
    given = wire.hear("application/x-www-form-urlencoded", "", body)
    assert given.names == {"app_id": MER_ID, "order_no": "DZ2025010100000005"}
    monkeypatch.setattr(wire, "out_trade_no", lambda ident: "DZ2025010100000005")
    payment = replace(seen(), created_ms=1_735_696_800_000, asked_ms=1_735_696_800_000)
    judged = wire.judge(ACCOUNT, given, payment)
    assert (judged.verified, judged.finding.proves, judged.finding.amount_fen) == (True, Proves.CAPTURED, 1250)
    assert judged.finding.paid_ms == 1_735_696_801_000
    fields, changed = fields_of(vector("47")), 0
    for name, value in fields.items():
        variants = [{**fields, name: _other(value, place)} for place in range(len(value))]
        variants += [{_other(name, place) if key == name else key: v for key, v in fields.items()} for place in range(len(name))]
        for variant in variants:
            try:
                spoilt = wire.judge(ACCOUNT, wire.hear("", "", urlencode(variant).encode()), payment)
            except BadNotify:
                changed += 1
                continue
            assert not spoilt.verified and spoilt.finding.proves is Proves.NOTHING, (name, variant)
            changed += 1
    assert changed == sum(len(name) + len(value) for name, value in fields.items())


def _other(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


@pytest.mark.parametrize(
    ("changes", "alarm"),
    [({"txnAmt": "1251"}, "amount"), ({"txnAmt": ""}, "amount"), ({"merId": "777290058110049"}, "seller"), ({"txnTime": "20260921221321"}, "order"),
     ({"txnType": "04", "txnSubType": "00"}, "order"), ({"signMethod": "11"}, "signature"), ({"version": "5.0.0"}, "signature"), ({"queryId": ""}, "order_number")],
)  # fmt: skip
def test_a_signed_notify_that_contradicts_us_raises_an_alarm(changes: dict[str, str], alarm: str) -> None:
    judged = heard(notify(**changes))
    assert (judged.finding.proves, judged.finding.alarm) == (Proves.NOTHING, alarm)


def test_only_a_success_settles_and_an_unknown_order_does_not() -> None:
    assert heard(notify()).finding.proves is Proves.CAPTURED
    assert heard(notify(respCode="A6")).finding.proves is Proves.CAPTURED
    assert heard(notify(respCode="Z9")).finding.proves is Proves.NOTHING
    nobody = wire.judge(ACCOUNT, wire.hear("", "", urlencode(sign.parse(signed(notify())) or {}).encode()), None)
    assert (nobody.verified, nobody.finding.alarm) == (True, "order")


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"a=1&a=2", "twice"), (b"\xff=1", "form"), (b"", "merId"), (b"a=1", "merId"), (b"merId=1&signature=x", "certificate"),
     (b"merId=1&signPubKeyCert=x", "signature")],
)  # fmt: skip
def test_a_notify_that_cannot_be_read(body: bytes, why: str) -> None:
    with pytest.raises(BadNotify, match=why):
        wire.hear("application/x-www-form-urlencoded", "", body)


def test_the_channel_is_told_by_the_status() -> None:
    assert wire.thanks(True)[0] == 200 and wire.thanks(False)[0] == 500


# -- accounts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("livemode", "gateway"),
    [(True, "http://127.0.0.1:7803"), (True, "https://gateway.test.95516.com"), (False, "https://gateway.95516.com"),
     (False, "http://10.0.0.7"), (False, "http://127.0.0.1.evil.example"), (False, "http://user@127.0.0.1"), (False, "")],
)  # fmt: skip
def test_sandbox_and_live_never_meet(livemode: bool, gateway: str) -> None:
    with pytest.raises(WrongDoor):
        wire.open_account(row(livemode, gateway=gateway), MANIFEST)


def test_a_live_account_opens_at_the_live_host() -> None:
    account = wire.open_account(row(True, gateway="https://gateway.95516.com"), MANIFEST)
    assert wire.write(account, ask(Op.QUERY)).url == "https://gateway.95516.com/gateway/api/queryTrans.do"


@pytest.mark.parametrize(
    ("secrets", "which"),
    [({"pfx_password": "1"}, "merchant_pfx_base64"), ({"merchant_pfx_base64": "AAAA"}, "merchant_pfx_base64"),
     ({"merchant_pfx_base64": "%"}, "merchant_pfx_base64"), ({"root_certificate": "x"}, "root_certificate"),
     ({"middle_certificate": pem("sign_cert")}, "middle_certificate"), ({"root_certificate": pem("middle_cert")}, "root_certificate"),
     ({"merchant_pfx_base64": "simulated:s"}, "merchant_pfx_base64"), ({"root_certificate": "simulated:s"}, "root_certificate")],
)  # fmt: skip
def test_a_key_that_cannot_be_used_is_named_without_its_content(secrets: dict[str, str], which: str) -> None:
    with pytest.raises(BadKey) as bad:
        wire.open_account(row(True, secrets, gateway="https://gateway.95516.com"), MANIFEST)
    assert bad.value.which == which and not any(value in str(bad.value) for value in secrets.values() if len(value) > 3)


ACQUIRER = {"access_type": "1", "acq_ins_code": "48020000", "mer_cat_code": "5411", "mer_name": "小李包子铺", "mer_abbr": "小李"}
PLATFORM = {"access_type": "2", "sub_mer_id": "123456", "sub_mer_name": "小李包子铺", "sub_mer_abbr": "小李"}


@pytest.mark.parametrize(
    ("settings", "needs"),
    [({"access_type": "3"}, "access_type"), ({"mer_id": "1"}, "mer_id"), ({"access_type": "1"}, "acq_ins_code, mer_cat_code, mer_name, mer_abbr"),
     ({**PLATFORM, "sub_mer_abbr": ""}, "sub_mer_abbr"), ({**ACQUIRER, "mer_cat_code": "x"}, "mer_cat_code"), ({"term_id": "1"}, "term_id")],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_named(settings: dict[str, str], needs: str) -> None:
    with pytest.raises(Incomplete, match=re.escape(needs)):
        wire.open_account(row(**settings), MANIFEST)


@pytest.mark.parametrize(
    ("settings", "said", "always"),
    [(ACQUIRER, {"acqInsCode": "48020000", "merCatCode": "5411", "merName": "小李包子铺", "merAbbr": "小李"}, {"acqInsCode"}),
     (PLATFORM, {"subMerId": "123456", "subMerName": "小李包子铺", "subMerAbbr": "小李"}, set())],
)  # fmt: skip
def test_an_acquirer_and_a_platform_say_whom_they_speak_for(settings: dict[str, str], said: dict[str, str], always: set[str]) -> None:
    account = wire.open_account(row(**settings), MANIFEST)
    for op in (Op.PAY, Op.REVERSE, Op.REFUND):
        asked = dict(parse_qsl(wire.write(account, ask(op)).body.decode()))
        assert asked["accessType"] == settings["access_type"] and asked.items() >= said.items()
    for op in (Op.QUERY, Op.REFUND_QUERY):
        asked = dict(parse_qsl(wire.write(account, ask(op)).body.decode()))
        assert asked.keys() & said.keys() == always


def test_the_table_is_whole() -> None:
    assert len(verdict.rows()) > 200
    for line in verdict.rows():
        assert line["zh"] and line["en"], line
        if line["proves"] == "captured":
            assert line["op"] in ("query", "notify") and line["code"] in ("orig=00", "orig=A6", "00", "A6")
        if line["op"] in ("query", "reverse"):
            assert line["proves"] != "refused", "an error on a query or an undo never settles a payment"


