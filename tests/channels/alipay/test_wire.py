"""Our side of the Alipay wire against captured vectors, and answers that nobody has ever seen."""

import base64
import json
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from daozhang.channels.alipay import sign, verdict, wire
from daozhang.channels.keys import BadKey, signer, verifier
from daozhang.channels.plug import Question
from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import MaybeArrived, NotSent
from daozhang.core.ids import out_trade_no
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Exchange
from daozhang.core.refund import Refund, RefundKind
from daozhang.sim.every import START_MS, new_payment

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = VECTORS / "keys"
REQUESTS = sorted(VECTORS.glob("0*-alipay*.json")) + sorted(VECTORS.glob("1[0-2]-alipay*.json"))
APP_KEY = (KEYS / "alipay_app_private_pkcs8.pem").read_text()
APP_PUBLIC = (KEYS / "alipay_app_public.pem").read_text()
CHANNEL_KEY = (KEYS / "alipay_platform_private_pkcs8.pem").read_text()
CHANNEL_PUBLIC = (KEYS / "alipay_platform_public.pem").read_text()
ALIPAY = Shelf.look().get("alipay")
assert ALIPAY is not None


def account(**settings: str) -> wire.Account:
    given = {"app_id": "2021000000000001", "seller_id": "2088000000000001", "gateway": "http://127.0.0.1:9/gateway.do"}
    row = AccountRow("acc", 0, "mer", "alipay", False, 380, {**given, **settings},
                     {"app_private_key": APP_KEY, "alipay_public_key": CHANNEL_PUBLIC})  # fmt: skip
    return wire.open_account(row, ALIPAY.manifest)


ACCOUNT = account()


def params(vector: dict[str, dict[str, str]]) -> dict[str, str]:
    query = urlsplit(vector["request"]["line"].split()[1]).query
    body = vector["request"].get("body_utf8") or ""
    return dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_our_canonical_string_is_the_sdks(path: Path) -> None:
    vector = json.loads(path.read_text())
    given = params(vector)
    assert sign.canonical(given) == vector["canonical_string"]
    assert sign.sign(given, signer(APP_KEY, "k", False)) == given["sign"]
    assert sign.holds(sign.canonical(given).encode(), given["sign"], verifier(APP_PUBLIC, "k", False))


def ask(op: Op, payment: Payment, refund: Refund | None = None) -> Question:
    return Question(op, payment, START_MS, 3000, "286123456789012345", refund, "http://127.0.0.1/notify")


def replying(op: Op, reply: dict[str, object], key: str = CHANNEL_KEY, method: Method = Method.PAY_BY_CODE) -> Finding:
    """Read a reply signed with the standard library of another author (not with ours)."""
    payment = new_payment(method)
    refund = Refund("rfd_01JD8000000000000000000000", 0, "m", payment.id, 500, RefundKind.REFUND, "", 1, 1)
    question = ask(op, payment, refund if op in (Op.REFUND, Op.REFUND_QUERY) else None)
    text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
    private = serialization.load_pem_private_key(key.encode(), None)
    signed = private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    name = wire._method(question).replace(".", "_") + "_response"
    body = f'{{"{name}":{text},"sign":"{base64.b64encode(signed).decode()}"}}'
    return wire.read(ACCOUNT, question, Exchange(200, (), body.encode()))


def paid(**changes: object) -> dict[str, object]:
    order = out_trade_no(new_payment().id)
    return {"code": "10000", "out_trade_no": order, "total_amount": "12.50", "trade_no": "T1", **changes}


# One line a reply: operation, what it holds, what it proves. Worst first.
REPLIES: list[tuple[Op, dict[str, object], Proves]] = [
    (Op.PAY, {"code": "20000", "sub_code": "aop.ACQ.SYSTEM_ERROR"}, Proves.NOTHING),
    (Op.PAY, {"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, Proves.NOTHING),
    (Op.PAY, {"code": "40004", "sub_code": "ACQ.TRADE_HAS_SUCCESS"}, Proves.NOTHING),
    (Op.PAY, {"code": "40004", "sub_code": "ACQ.CONTEXT_INCONSISTENT"}, Proves.NOTHING),
    (Op.PAY, {"code": "40004", "sub_code": "ACQ.NEVER_SEEN_BEFORE"}, Proves.NOTHING),
    (Op.PAY, {"code": "99999"}, Proves.NOTHING),
    (Op.PAY, {"code": 10000, "out_trade_no": out_trade_no(new_payment().id), "total_amount": "12.50"}, Proves.NOTHING),
    (Op.PAY, {}, Proves.NOTHING),
    (Op.PAY, paid(total_amount="99.50"), Proves.NOTHING),
    (Op.PAY, paid(total_amount=12.5), Proves.NOTHING),
    (Op.PAY, paid(total_amount="１２.50"), Proves.NOTHING),
    (Op.PAY, paid(out_trade_no="DZ01JD8000000000000000000001"), Proves.NOTHING),
    (Op.PAY, {"code": "10000", "total_amount": "12.50"}, Proves.NOTHING),
    (Op.PAY, paid(code="10003"), Proves.WAITING),
    (Op.PAY, {"code": "40004", "sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH"}, Proves.REFUSED),
    (Op.PAY, {"code": "40002", "sub_code": "isv.invalid-signature"}, Proves.REFUSED),
    (Op.PAY, paid(), Proves.CAPTURED),
    (Op.QUERY, {"code": "40004", "sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH"}, Proves.NOTHING),
    (Op.QUERY, {"code": "40002", "sub_code": "isv.invalid-signature"}, Proves.NOTHING),
    (Op.QUERY, {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, Proves.ABSENT),
    (Op.QUERY, paid(trade_status="SOMETHING_NEW"), Proves.NOTHING),
    (Op.QUERY, paid(), Proves.NOTHING),
    (Op.QUERY, paid(trade_status="WAIT_BUYER_PAY"), Proves.WAITING),
    (Op.QUERY, paid(trade_status="TRADE_CLOSED"), Proves.CLOSED),
    (Op.QUERY, paid(trade_status="TRADE_CLOSED", send_pay_date="2026-11-23 10:00:01"), Proves.RETURNED),
    (Op.QUERY, paid(trade_status="TRADE_SUCCESS"), Proves.CAPTURED),
    (Op.QUERY, paid(trade_status="TRADE_FINISHED"), Proves.CAPTURED),
    (Op.QUERY, paid(trade_status="TRADE_SUCCESS", total_amount="0.01"), Proves.NOTHING),
    (Op.REVERSE, {"code": "40004", "sub_code": "AQC.SYSTEM_ERROR"}, Proves.NOTHING),
    (Op.REVERSE, paid(retry_flag="Y", action="close"), Proves.UNDO_AGAIN),
    (Op.REVERSE, paid(action="close"), Proves.NOTHING),
    (Op.REVERSE, paid(retry_flag="N", action="something"), Proves.NOTHING),
    (Op.REVERSE, paid(retry_flag="N", action="close"), Proves.UNDONE_UNPAID),
    (Op.REVERSE, paid(retry_flag="N", action="refund"), Proves.UNDONE_PAID),
    (Op.REVERSE, paid(retry_flag="N"), Proves.UNDONE_ABSENT),
    (Op.REVERSE, {"code": "40004", "sub_code": "ACQ.TRADE_CANCEL_TIME_OUT"}, Proves.UNDO_REFUSED),
    (Op.CLOSE, paid(), Proves.UNDONE_UNPAID),
    (Op.CLOSE, {"code": "40004", "sub_code": "ACQ.NEVER_SEEN_BEFORE"}, Proves.NOTHING),
    (Op.REFUND, {"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"}, Proves.REFUND_NO_FUNDS),
    (Op.REFUND, {"code": "40004", "sub_code": "ACQ.NEVER_SEEN_BEFORE"}, Proves.NOTHING),
    (Op.REFUND, paid(fund_change="N"), Proves.REFUND_PENDING),
    (Op.REFUND, paid(fund_change="?"), Proves.NOTHING),
    (Op.REFUND, paid(fund_change="Y"), Proves.REFUND_DONE),
    (Op.REFUND_QUERY, paid(), Proves.REFUND_PENDING),
    (Op.REFUND_QUERY, paid(refund_status="REFUND_NEW"), Proves.NOTHING),
    (Op.REFUND_QUERY, paid(refund_status="REFUND_SUCCESS", out_request_no="other", refund_amount="5.00"), Proves.NOTHING),
    (Op.REFUND_QUERY, paid(refund_status="REFUND_SUCCESS", out_request_no="DR01JD8000000000000000000000",
                           refund_amount="5.01"), Proves.NOTHING),
    (Op.REFUND_QUERY, paid(refund_status="REFUND_SUCCESS", out_request_no="DR01JD8000000000000000000000",
                           refund_amount="5.00"), Proves.REFUND_DONE),
]  # fmt: skip


@pytest.mark.parametrize(("op", "reply", "proves"), REPLIES)
def test_what_a_reply_proves(op: Op, reply: dict[str, object], proves: Proves) -> None:
    assert replying(op, reply).proves is proves


@pytest.mark.parametrize(("op", "reply", "proves"), REPLIES)
def test_a_reply_that_somebody_else_signed_proves_nothing(op: Op, reply: dict[str, object], proves: Proves) -> None:
    found = replying(op, reply, APP_KEY)
    assert (found.proves, found.code, found.alarm) == (Proves.NOTHING, "RESPONSE_SIGNATURE_INVALID", "signature")


def test_a_qr_is_shown_only_with_its_text() -> None:
    shown = replying(Op.PAY, paid(qr_code="https://qr.alipay.com/bax1"), method=Method.PAY_BY_QR)
    assert (shown.proves, shown.qr) == (Proves.SHOWN, "https://qr.alipay.com/bax1")
    assert replying(Op.PAY, paid(), method=Method.PAY_BY_QR).proves is Proves.NOTHING


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"<html>502</html>", b"{}", b"[]", b"null", b'{"alipay_trade_pay_response":{"code":"10000"}',
     b'{"alipay_trade_pay_response":{"code":"10000"}}', b"[" * 100_000, b'{"alipay_trade_pay_response":"x","sign":"y"}',
     b'{"alipay_trade_pay_response":{"code":"10000"},"alipay_trade_pay_response":{"code":"1"},"sign":""}'],
)  # fmt: skip
def test_what_cannot_be_read_proves_nothing(body: bytes) -> None:
    found = wire.read(ACCOUNT, ask(Op.PAY, new_payment()), Exchange(200, (), body))
    assert found.proves is Proves.NOTHING
    assert found.hint == "info.reply_unreadable"


def test_faults_of_the_network() -> None:
    question = ask(Op.PAY, new_payment())
    refused = wire.read(ACCOUNT, question, Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 1}))
    lost = wire.read(ACCOUNT, question, Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={"sent_body": 2}))
    assert (refused.proves, refused.code) == (Proves.NOT_SENT, "CONNECT_REFUSED")
    assert (lost.proves, lost.hint, lost.trail) == (Proves.NOTHING, "info.reply_lost", {"sent_body": 2})
    assert wire.read(ACCOUNT, question, Exchange(503, (), b"busy")).proves is Proves.NOTHING
    assert wire.read(ACCOUNT, question, Exchange(500, (), b"")).proves is Proves.NOTHING


# -- the captured replies -----------------------------------------------------------------------------------------------

CAPTURED_REPLIES = {"51": Proves.WAITING, "52": Proves.NOTHING, "53": Proves.REFUSED, "54": Proves.NOTHING}


@pytest.mark.parametrize(("number", "proves"), CAPTURED_REPLIES.items())
def test_captured_replies(number: str, proves: Proves, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = json.loads(next(VECTORS.glob(f"{number}-*.json")).read_text())
    order = json.loads(params(vector)["biz_content"])["out_trade_no"]
    monkeypatch.setattr(wire, "out_trade_no", lambda _: order)
    body = vector["response"]["body_utf8"].encode()
    found = wire.read(ACCOUNT, ask(Op.PAY, new_payment()), Exchange(200, (), body))
    assert found.proves is proves
    if number == "54":
        assert found.alarm == "signature"


# -- notifies -----------------------------------------------------------------------------------------------------------


def notify_vector() -> tuple[dict[str, str], Payment]:
    vector = json.loads((VECTORS / "13-alipay-notify-verify.json").read_text())
    return dict(parse_qsl(vector["request"]["body_utf8"], keep_blank_values=True)), new_payment()


def heard(fields: dict[str, str]) -> wire.Judged:

    payment = notify_vector()[1]
    return wire.judge(ACCOUNT, wire.hear("application/x-www-form-urlencoded", "", urlencode(fields).encode()), payment)


def test_the_captured_notify_is_believed() -> None:
    judged = heard(notify_vector()[0])
    assert judged.verified
    assert (judged.finding.proves, judged.finding.amount_fen, judged.finding.alarm) == (Proves.CAPTURED, 1250, "")
    assert judged.order_no == "DZ2025010100000001"


def test_any_changed_byte_of_the_notify_is_refused() -> None:
    fields, _ = notify_vector()
    changed = 0
    for key in fields:
        for place in range(len(fields[key])):
            letter = fields[key][place]
            other = "B" if letter == "A" else "A" if letter.isalpha() else "7" if letter != "7" else "8"
            value = fields[key][:place] + other + fields[key][place + 1 :]
            judged = heard({**fields, key: value})
            assert judged.finding.proves is Proves.NOTHING, (key, place)
            assert not judged.verified
            changed += 1
        for place in range(len(key)):
            letter = "z" if key[place] != "z" else "y"
            renamed = {
                (key[:place] + letter + key[place + 1 :] if name == key else name): v for name, v in fields.items()
            }
            try:
                judged = heard(renamed)
            except wire.BadNotify:
                changed += 1
                continue
            assert judged.finding.proves is Proves.NOTHING, (key, place)
            assert not judged.verified
            changed += 1
    assert changed > 900


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"a=1&a=2&app_id=1&sign=x", "twice"), (b"\xff=1", "form"), (b"", "app_id"), (b"a=1", "app_id"), (b"app_id=1&sign=", "app_id")],
)  # fmt: skip
def test_a_notify_that_cannot_be_read(body: bytes, why: str) -> None:
    with pytest.raises(wire.BadNotify, match=why):
        wire.hear("application/x-www-form-urlencoded", "", body)


# -- accounts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("livemode", "gateway"),
    [(True, "http://127.0.0.1:7801/gateway.do"), (True, "https://openapi-sandbox.dl.alipaydev.com/gateway.do"),
     (False, "https://openapi.alipay.com/gateway.do"), (False, "http://10.0.0.7/gateway.do"),
     (False, "http://127.0.0.1.evil.example/gateway.do"), (False, "file:///etc/passwd"), (False, "")],
)  # fmt: skip
def test_sandbox_and_live_never_meet(livemode: bool, gateway: str) -> None:
    row = AccountRow("a", 0, "m", "alipay", livemode, 0, {"app_id": "1", "seller_id": "2", "gateway": gateway},
                     {"app_private_key": APP_KEY, "alipay_public_key": CHANNEL_PUBLIC})  # fmt: skip
    with pytest.raises(wire.WrongDoor):
        wire.open_account(row, ALIPAY.manifest)


def test_keys_are_taken_with_and_without_pem_lines() -> None:
    bare = "".join(line for line in APP_KEY.splitlines() if "-----" not in line)
    bare1 = "".join(
        line for line in (KEYS / "alipay_app_private_pkcs1.pem").read_text().splitlines() if "-----" not in line
    )
    message = b"money"
    signatures = {signer(text, "k", True).sign(message) for text in (APP_KEY, bare, bare1)}
    assert len(signatures) == 1
    public = "".join(line for line in APP_PUBLIC.splitlines() if "-----" not in line)
    assert verifier(public, "k", True).verify(message, signatures.pop())


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----", "simulated:s"]
)
def test_a_key_that_cannot_be_used_is_named_without_its_content(text: str) -> None:
    with pytest.raises(BadKey, match="app_private_key") as bad:
        signer(text, "app_private_key", True)
    assert "AA==" not in str(bad.value)


def test_the_table_is_whole() -> None:
    rows = verdict.rows()
    assert len(rows) > 150
    for row in rows:
        assert row["zh"] and row["en"], row
        assert Proves(row["proves"])
        if row["proves"] == "captured":
            assert row["code"] in ("10000", "TRADE_SUCCESS", "TRADE_FINISHED")
        if row["op"] in ("query", "reverse", "close"):
            assert row["proves"] != "refused", "an error on a query or an undo never settles a payment"
