"""Key mode and certificate mode, gateway and REST, the merchant's own app and a service provider's: the same truth in each."""

import json
import os
import subprocess
from dataclasses import replace
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509

from daozhang.channels.alipay import twin as twins
from daozhang.channels.alipay import wire
from daozhang.channels.keys import BadKey
from daozhang.core.evidence import Op, Proves
from daozhang.core.ports import Exchange
from daozhang.sim.every import START_MS
from tests.channels.alipay.kit import ALIPAY, MODES, Bench, another, changed, first, held, opened, row

WAYS = [(mode, partner) for mode in MODES for partner in (False, True)]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}{'-partner' if way[1] else ''}")
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(*request.param)


def test_pay_query_refund_and_their_end(bench: Bench) -> None:
    code = bench.twin.code("pays", START_MS)["code"]
    paid = bench.ask(Op.PAY, code=code)
    assert (paid.proves, paid.amount_fen, paid.paid_ms) == (Proves.CAPTURED, 1250, START_MS // 1000 * 1000)
    assert bench.ask(Op.PAY, code=code).proves is Proves.CAPTURED  # the same request, the same answer
    assert bench.ask(Op.QUERY).proves is Proves.CAPTURED
    assert bench.ask(Op.REFUND).proves is Proves.REFUND_DONE
    assert bench.ask(Op.REFUND).proves is Proves.REFUND_PENDING  # nothing moved this time: it is asked about
    assert bench.ask(Op.REFUND_QUERY).proves is Proves.REFUND_DONE
    assert bench.ask(Op.CLOSE).proves is Proves.UNDO_REFUSED


def test_typing_then_undone_and_a_refusal(bench: Bench) -> None:
    typing = bench.ask(Op.PAY, code=bench.twin.code("hesitates", START_MS)["code"])
    v3 = bench.account.wire == "v3"
    assert typing.proves is (Proves.NOTHING if v3 else Proves.WAITING)  # v3: nobody has documented how it says so
    assert bench.ask(Op.QUERY).proves is Proves.WAITING
    assert bench.ask(Op.REVERSE).proves is Proves.UNDONE_UNPAID
    assert bench.ask(Op.QUERY).proves is Proves.CLOSED
    bench.payment = replace(bench.payment, id="pay_01JD8000000000000000000001")
    refused = bench.ask(Op.PAY, code=bench.twin.code("no_balance", START_MS)["code"])
    assert (refused.proves, refused.code) == (Proves.REFUSED, "ACQ.BUYER_BALANCE_NOT_ENOUGH")
    assert bench.ask(Op.QUERY).proves is Proves.ABSENT


def test_a_qr_is_shown_scanned_and_notified(bench: Bench) -> None:
    bench.by_qr()
    shown = bench.ask(Op.PAY)
    assert shown.proves is Proves.SHOWN
    bench.twin.scan(shown.qr, "pays", START_MS)
    (push,) = bench.notifies(START_MS + 1000)
    judged = bench.judged(push)
    assert (judged.verified, judged.finding.alarm, judged.finding.proves) == (True, "", Proves.CAPTURED)
    fields = dict(parse_qsl(push.body.decode()))
    assert fields["app_id"] == bench.account.app_id
    assert fields["auth_app_id"] == bench.twin.credentials("")["app_id"]


def test_a_plate_knows_its_payer(bench: Bench) -> None:
    """The page behind a static plate asks for the trade; the payer confirms it on the phone."""
    bench.by_qr()
    shown = bench.ask(Op.PAY, payer="2088123412341234")
    assert (shown.proves, len(shown.qr)) == (Proves.SHOWN, 28)
    assert bench.ask(Op.PAY, payer="2088123412341234").qr == shown.qr
    assert bench.ask(Op.PAY, payer="2088123412341235").code == "ACQ.CONTEXT_INCONSISTENT"
    assert bench.ask(Op.QUERY).proves is Proves.WAITING
    bench.twin.scan(shown.qr, "types_password", START_MS)
    assert bench.ask(Op.QUERY).proves is Proves.WAITING
    (push,) = bench.notifies(START_MS + 9000) or bench.notifies(START_MS + 10_000)
    assert bench.judged(push).finding.proves is Proves.CAPTURED
    assert bench.ask(Op.QUERY, START_MS + 10_000).proves is Proves.CAPTURED
    assert bench.ask(Op.PAY, START_MS + 10_000, payer="2088123412341234").code == "ACQ.TRADE_HAS_SUCCESS"


@pytest.mark.parametrize("mode", ["unsigned", "forged"])
def test_an_answer_that_alipay_did_not_sign_proves_nothing(bench: Bench, mode: str) -> None:
    bench.twin.chaos(mode, START_MS)
    found = bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"])
    assert found.proves is Proves.NOTHING
    assert found.alarm == "signature"
    assert bench.ask(Op.QUERY).proves is Proves.NOTHING


def test_any_changed_byte_of_what_is_signed_is_refused(bench: Bench) -> None:
    """Query, headers and body: whatever byte is changed, no order is made."""
    request = wire.write(bench.account, bench.question(Op.PAY, code=bench.twin.code("pays", START_MS)["code"]))
    tried = 0
    for place in range(0, len(request.body), 3):
        body = bytearray(request.body)
        body[place] ^= 0x01
        bench.send(replace(request, body=bytes(body)))
        tried += 1
    signed = {name: value for name, value in request.headers if name.lower() in ("authorization", "alipay-app-auth-token")}
    for name, value in signed.items():
        for place in range(20, len(value), 5):
            other = "7" if value[place] != "7" else "8"
            bench.send(changed(request, {name: value[:place] + other + value[place + 1 :]}))
            tried += 1
    assert bench.twin.books()["orders"] == []
    assert tried > 60
    assert bench.send(request).status == 200
    assert len(bench.twin.books()["orders"]) == 1


def test_any_changed_byte_of_a_reply_proves_nothing(bench: Bench) -> None:
    """Of its body and (REST) of the headers that are signed or sign; elsewhere it may at most say the same."""
    question = bench.question(Op.PAY, code=bench.twin.code("pays", START_MS)["code"])
    exchange = bench.send(wire.write(bench.account, question))
    assert wire.read(bench.account, question, exchange).proves is Proves.CAPTURED
    step = 1 if bench.account.wire == "v3" else 3
    for place in range(0, len(exchange.body), step):
        body = bytearray(exchange.body)
        body[place] ^= 0x01
        found = wire.read(bench.account, question, replace(exchange, body=bytes(body)))
        assert found.proves is Proves.NOTHING or bench.account.wire == "v2"
        assert found.proves in (Proves.NOTHING, Proves.CAPTURED)
        assert found.amount_fen in (0, 1250)
    for at, (name, value) in enumerate(exchange.headers):
        if not name.startswith("alipay-") or name == "alipay-trace-id":
            continue
        for place in range(0, len(value), 7):
            other = "7" if value[place] != "7" else "8"
            headers = (*exchange.headers[:at], (name, value[:place] + other + value[place + 1 :]), *exchange.headers[at + 1 :])
            assert wire.read(bench.account, question, replace(exchange, headers=headers)).proves is Proves.NOTHING


# -- certificates --------------------------------------------------------------------------------------------------------


def sn_of(pem: str) -> str:
    """As the documents say, with openssl's reading of the certificate."""
    command = ["openssl", "x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-serial"]
    told = subprocess.run(command, input=pem.encode(), capture_output=True, check=True).stdout.decode()
    pairs = dict(line.split("=", 1) for line in told.splitlines())
    return md5(f"{pairs['issuer'].strip()}{int(pairs['serial'], 16)}".encode()).hexdigest()


def test_our_numbers_are_those_that_openssl_tells() -> None:
    bench = Bench("v2-certificate")
    told = bench.twin.credentials("")
    assert bench.account.sns is not None
    assert bench.account.sns.app == sn_of(told["app_certificate"])
    assert list(bench.account.alipay_keys) == [sn_of(told["alipay_certificate"])]
    bundle = told["alipay_root_certificate"].split("\n\n")
    assert len(bundle) == 3  # RSA, ECC, RSA: only the RSA ones count
    assert bench.account.sns.root == f"{sn_of(bundle[0])}_{sn_of(bundle[2])}"


def test_the_certificates_are_a_chain_and_stay_the_same() -> None:
    told, again = (twins.make(held(), os.urandom, lambda record: None).credentials("") for _ in range(2))
    assert told == again
    root = x509.load_pem_x509_certificate(told["alipay_root_certificate"].split("\n\n")[0].encode())
    alipay = x509.load_pem_x509_certificate(told["alipay_certificate"].encode())
    root.verify_directly_issued_by(root)
    root.public_key().verify(  # type: ignore[union-attr,call-arg]
        alipay.signature, alipay.tbs_certificate_bytes, alipay.signature_algorithm_parameters, alipay.signature_hash_algorithm
    )  # fmt: skip


def test_a_data_folder_of_an_earlier_release_has_certificates_too() -> None:
    old = {name: value for name, value in held().items() if name in ("app", "channel", "app_id", "seller_id")}
    bench = Bench()
    bench.twin = twins.make(old, os.urandom, lambda record: None)
    bench.account = wire.open_account(row(bench.twin, "v2-certificate"), ALIPAY.manifest)
    assert bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"]).proves is Proves.CAPTURED


def halved(pem: str) -> str:
    """A certificate that no library reads."""
    body = "".join(pem.strip().splitlines()[1:-1])
    return f"-----BEGIN CERTIFICATE-----\n{body[: len(body) // 8 * 4]}\n-----END CERTIFICATE-----\n"


def test_roots_that_nobody_can_read_are_left_out_unless_they_are_rsa() -> None:
    """Alipay's bundle holds SM2 roots, and ECC ones with a mark that today's libraries refuse."""
    given = row(first(), "v2-certificate")
    rsa, ecc, more = given.secrets["alipay_root_certificate"].split("\n\n")
    for bundle in ((rsa, halved(ecc), more), (halved(ecc), rsa, more)):
        roots = {**given.secrets, "alipay_root_certificate": "\n\n".join(bundle)}
        account = wire.open_account(replace(given, secrets=roots), ALIPAY.manifest)
        assert account.sns == opened("v2-certificate", False).sns
    for bundle in ((rsa, ecc, halved(more)), (ecc,)):
        with pytest.raises(BadKey, match="alipay_root_certificate"):
            roots = {**given.secrets, "alipay_root_certificate": "\n\n".join(bundle)}
            wire.open_account(replace(given, secrets=roots), ALIPAY.manifest)


def test_an_authority_behind_alipays_certificate_signs_no_messages() -> None:
    given = row(first(), "v2-certificate")
    both = given.secrets["alipay_certificate"] + given.secrets["alipay_root_certificate"]
    account = wire.open_account(replace(given, secrets={**given.secrets, "alipay_certificate": both}), ALIPAY.manifest)
    assert list(account.alipay_keys) == list(opened("v2-certificate", False).alipay_keys)


@cache
def changed_keys() -> dict[str, Any]:
    """The same app after Alipay has taken another key."""
    return {**held(), "channel": twins.new_keys(os.urandom)["channel"]}


@pytest.mark.parametrize("mode", ["v2-certificate", "v3-certificate"])
def test_old_and_new_certificate_are_believed_together_and_no_other(mode: str) -> None:
    bench = Bench(mode)
    bench.twin = twins.make(changed_keys(), os.urandom, lambda record: None)
    found = bench.ask(Op.QUERY)
    assert (found.proves, found.code, found.alarm) == (Proves.NOTHING, "RESPONSE_CERTIFICATE_UNKNOWN", "signature")
    given = row(first(), mode)
    both = given.secrets["alipay_certificate"] + bench.twin.credentials("")["alipay_certificate"]
    bench.account = wire.open_account(replace(given, secrets={**given.secrets, "alipay_certificate": both}), ALIPAY.manifest)
    assert bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"]).proves is Proves.CAPTURED
    assert bench.judged(bench.notifies(START_MS + 1000)[0]).finding.proves is Proves.CAPTURED
    bench.twin = another()
    assert bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"]).proves is Proves.CAPTURED


def test_a_certificate_of_another_key_is_not_the_apps() -> None:
    given = row(first(), "v2-certificate")
    theirs = {**given.secrets, "app_certificate": given.secrets["alipay_certificate"]}
    with pytest.raises(BadKey, match="app_certificate: it is not the certificate"):
        wire.open_account(replace(given, secrets=theirs), ALIPAY.manifest)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"app": "0" * 32}, "app-cert-not-exist"), ({"root": "0" * 32}, "invalid-alipay-root-cert-sn"),
     ({"root": ""}, "missing-alipay-root-cert-sn")],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["v2-certificate", "v3-certificate"])
def test_wrong_numbers_are_refused(mode: str, changes: dict[str, str], code: str) -> None:
    bench = Bench(mode)
    assert bench.account.sns is not None
    asking = replace(bench.account, sns=bench.account.sns._replace(**changes))
    said = bench.send(wire.write(asking, bench.question(Op.QUERY)))
    assert code in said.body.decode()


@pytest.mark.parametrize(("mode", "code"), [("v2", "40002/isv.missing-app-cert-sn"), ("v3", "40002/isv.missing-app-cert-sn")])
def test_an_app_in_certificate_mode_hears_nobody_without(mode: str, code: str) -> None:
    bench = Bench(mode)
    bench.twin.control("certificate_mode", True)
    found = bench.ask(Op.PAY, code="1")
    assert (found.proves, found.code) == (Proves.REFUSED, code)
    assert Bench("v2-certificate").ask(Op.QUERY).proves is Proves.ABSENT


@pytest.mark.parametrize("missing", ["app_certificate", "alipay_certificate", "alipay_root_certificate"])
@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"])
def test_a_certificate_that_cannot_be_used_is_named(missing: str, text: str) -> None:
    given = row(first(), "v2-certificate")
    with pytest.raises(BadKey) as bad:
        wire.open_account(replace(given, secrets={**given.secrets, missing: text}), ALIPAY.manifest)
    assert bad.value.which == missing


@pytest.mark.parametrize(("name", "value"), [("wire", "v4"), ("key_mode", "Certificate")])
def test_a_mode_that_does_not_exist_is_refused(name: str, value: str) -> None:
    given = row(first(), "v2")
    with pytest.raises(BadKey, match=name):
        wire.open_account(replace(given, settings={**given.settings, name: value}), ALIPAY.manifest)


# -- service providers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["v2", "v3"])
@pytest.mark.parametrize(
    ("partner", "token", "code"),
    [(True, "", "40006/isv.insufficient-isv-permissions"), (True, "somebody's", "20001/aop.invalid-app-auth-token"),
     (False, "the partner's", "20001/aop.invalid-app-auth-token")],
)  # fmt: skip
def test_a_token_belongs_to_one_app_and_one_merchant(mode: str, partner: bool, token: str, code: str) -> None:
    bench = Bench(mode, partner)
    real = bench.twin.credentials("")["app_auth_token"]
    bench.account = replace(bench.account, app_auth_token=real if token == "the partner's" else token)
    found = bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"])
    assert (found.proves, found.code) == (Proves.REFUSED, code)
    assert bench.twin.books()["orders"] == []


@pytest.mark.parametrize("mode", ["v2", "v3"])
@pytest.mark.parametrize(
    ("biz", "code"),
    [({"grant_type": "authorization_code", "code": "the code"}, ""), ({"grant_type": "refresh_token", "refresh_token": "the other"}, ""),
     ({"grant_type": "authorization_code", "code": "x"}, "code-invalid"), ({"grant_type": "authorization_code"}, "code-invalid"),
     ({"grant_type": "refresh_token", "refresh_token": "the code"}, "refresh-token-invalid"), ({}, "grant-type-invalid")],
)  # fmt: skip
def test_a_code_is_exchanged_for_the_token(mode: str, biz: dict[str, str], code: str) -> None:
    bench = Bench(mode, True)
    told = bench.twin.credentials("")
    words = {"the code": told["app_auth_code"], "the other": told["app_refresh_token"]}
    given = {name: words.get(value, value) for name, value in biz.items()}
    asking = replace(bench.account, app_auth_token="")

    def exchange(account: wire.Account) -> str:
        method = "alipay.open.auth.token.app"
        if mode == "v3":
            return bench.send(wire.v3.write(account, method, given, START_MS, 3000, nonce="n")).body.decode()
        return bench.send(wire.v2.write(account, method, given, START_MS, 3000)).body.decode()

    assert (code or told["app_auth_token"]) in exchange(asking)
    assert "insufficient-isv-permissions" in exchange(replace(asking, app_id=told["app_id"]))


def test_a_token_can_end_and_is_never_shown() -> None:
    bench = Bench("v2", True)
    bench.twin.chaos("token_expired", START_MS)
    assert bench.ask(Op.PAY, code="1").code == "20001/aop.app-auth-token-time-out"
    assert bench.account.app_auth_token not in repr(bench.account)


def test_a_notify_for_another_merchants_app_is_not_believed() -> None:
    bench = Bench("v2", True)
    bench.ask(Op.PAY, code=bench.twin.code("pays", START_MS)["code"])
    (push,) = bench.notifies(START_MS + 1000)
    bench.account = replace(bench.account, auth_app_id="2021000000000009")
    judged = bench.judged(push)
    assert (judged.finding.alarm, judged.finding.proves) == ("app", Proves.NOTHING)


# -- the REST wire ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"", "HTTP_BODY_UNREADABLE"), (b"[]", "HTTP_BODY_UNREADABLE"), (b"\xff", "HTTP_BODY_UNREADABLE"),
     (b'{"a":1,"a":2}', "HTTP_BODY_UNREADABLE"), (b"[" * 9999, "HTTP_BODY_UNREADABLE"), (b"{}", "10000+unsaid")],
)  # fmt: skip
def test_what_rest_cannot_mean_proves_nothing(body: bytes, why: str) -> None:
    """Signed by Alipay, and still nothing that settles an order."""
    bench = Bench("v3")
    found = wire.read(bench.account, bench.question(Op.PAY), Exchange(200, headers_for(bench, body), body))
    assert (found.proves, found.code) == (Proves.NOTHING, why)


@pytest.mark.parametrize(("status", "proves"), [(200, Proves.NOTHING), (202, Proves.NOTHING), (302, Proves.NOTHING),
                                                (400, Proves.REFUSED), (500, Proves.REFUSED)])  # fmt: skip
def test_a_refusal_is_one_only_as_an_error(status: int, proves: Proves) -> None:
    bench = Bench("v3")
    body = json.dumps({"code": "ACQ.BUYER_BALANCE_NOT_ENOUGH", "message": "余额不足"}).encode()
    found = wire.read(bench.account, bench.question(Op.PAY), Exchange(status, headers_for(bench, body), body))
    assert found.proves is proves


def test_an_error_that_nobody_signed_proves_nothing() -> None:
    bench = Bench("v3")
    body = b'{"code":"ACQ.BUYER_BALANCE_NOT_ENOUGH"}'
    assert wire.read(bench.account, bench.question(Op.PAY), Exchange(400, (), body)).proves is Proves.NOTHING


def headers_for(bench: Bench, body: bytes) -> tuple[tuple[str, str], ...]:
    import base64

    signature = base64.b64encode(bench.twin._keys.sign(b"1\nn\n" + body + b"\n")).decode()
    return (("alipay-timestamp", "1"), ("alipay-nonce", "n"), ("alipay-signature", signature))


def test_rest_says_each_refusal_of_the_gateway_without_its_prefix() -> None:
    bench = Bench("v3")
    request = wire.write(bench.account, bench.question(Op.QUERY))
    auth = dict(request.headers)["Authorization"]
    tries: list[tuple[dict[str, Any], int, str]] = [
        ({"Authorization": None}, 400, "missing-signature-type"),
        ({"Authorization": auth.partition(",sign=")[0]}, 400, "missing-signature"),
        ({"Authorization": auth.replace("app_id=", "app=")}, 400, "missing-app-id"),
        ({"Authorization": auth.replace("app_id=2021", "app_id=2022")}, 401, "invalid-app-id"),
        ({"Authorization": auth.replace("timestamp=", "timestamp=x")}, 400, "invalid-timestamp"),
        ({"Authorization": auth.replace("nonce=", "nonce=x")}, 401, "invalid-signature"),
        ({"Authorization": auth.replace("app_id=", "nonce=1,app_id=")}, 400, "suspected-attack"),
    ]
    for headers, status, code in tries:
        said = bench.send(changed(request, headers))
        assert (said.status, json.loads(said.body)["code"]) == (status, code)
    assert json.loads(bench.send(replace(request, method="GET")).body)["code"] == "invalid-signature"
    late = bench.send(request, START_MS + 2 * 86_400_000)
    assert json.loads(late.body)["code"] == "invalid-timestamp"


def test_rest_has_a_path_for_each_operation() -> None:
    paths = set()
    bench = Bench("v3")
    for op in (Op.PAY, Op.QUERY, Op.REVERSE, Op.CLOSE, Op.REFUND, Op.REFUND_QUERY):
        paths.add(urlsplit(wire.write(bench.account, bench.question(op)).url).path)
    bench.by_qr()
    paths |= {urlsplit(wire.write(bench.account, bench.question(Op.PAY, payer=who)).url).path for who in ("", "2088123412341234")}
    assert paths == {f"/v3/alipay/trade/{name}" for name in (
        "pay", "query", "cancel", "close", "refund", "fastpay/refund/query", "precreate", "create")}  # fmt: skip


def test_a_request_of_the_rest_wire_is_described_without_its_secrets() -> None:
    sample = Path(wire.__file__).with_name("samples") / "v3-pay.request.http"
    told = wire.describe(sample.read_bytes())
    assert told is not None
    assert (told["wire"], told["what"], told["signature"]) == ("alipay.v3", "alipay.trade.pay", "present")
    fields = {field["name"]: field["value"] for field in told["fields"]}
    assert (fields["app_id"], fields["total_amount"], fields["auth_code"]) == ("2021000000000001", "12.50", "••••")
