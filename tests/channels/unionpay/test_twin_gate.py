"""Captured requests of an independent client pass the twin's gate, and are refused after a change of any one byte."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from daozhang.channels.twin import Heard
from daozhang.channels.unionpay import sign
from daozhang.channels.unionpay.twin.gate import Gate, RsaKeys, Turned
from daozhang.channels.unionpay.twin.unionpay import UnionpayTwin
from daozhang.sim.world import SeededRand
from tests.channels.unionpay.kit import ACCOUNT, CERT_ID, MER_ID, REQUESTS, fields_of, pem, vector

KEYS = RsaKeys(pem("sign_private_pkcs8"), pem("sign_cert"), pem("merchant_cert"))
GATE = Gate(MER_ID, CERT_ID, KEYS, window_s=None)


@pytest.mark.parametrize(("path", "op"), list(zip(REQUESTS, ("pay", "query", "undo"), strict=True)))
def test_the_captured_request_passes_as_it_was_sent(path: Path, op: str) -> None:
    told = json.loads(path.read_text("utf-8"))
    assert GATE.pass_(told["request"]["body_utf8"].encode(), 0).op == op


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_changed_byte_is_refused(path: Path) -> None:
    fields, changed = fields_of(json.loads(path.read_text("utf-8"))), 0
    for name, value in fields.items():
        variants = [{**fields, name: _other(value, place)} for place in range(len(value))]
        variants += [{(_other(name, place) if key == name else key): v for key, v in fields.items()} for place in range(len(name))]
        variants.append({key: v for key, v in fields.items() if key != name})
        for variant in variants:
            with pytest.raises(Turned):
                GATE.pass_(urlencode(variant).encode(), 0)
            changed += 1
    assert changed > 500


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_changed_byte_of_the_body_as_sent_is_refused_or_means_the_same(path: Path) -> None:
    """On the wire a letter can be written in two ways (``%2F`` and ``%2f``); what is read must then be the same."""
    told = json.loads(path.read_text("utf-8"))
    body, same = told["request"]["body_utf8"].encode(), 0
    for place in range(len(body)):
        raw = bytearray(body)
        raw[place] = raw[place] ^ 0x20 if chr(raw[place]).isalpha() else ord("7") if raw[place] != ord("7") else ord("8")
        try:
            GATE.pass_(bytes(raw), 0)
        except Turned:
            continue
        assert dict(parse_qsl(raw.decode())) == fields_of(told)
        same += 1
    assert same < len(body) // 4


def _other(text: str, place: int) -> str:
    return text[:place] + ("7" if text[place] != "7" else "8") + text[place + 1 :]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"version": ""}, "13"), ({"certId": ""}, "13"), ({"signature": ""}, "13"), ({"merId": ""}, "13"), ({"version": "5.0.0"}, "10"),
     ({"signMethod": "11"}, "10"), ({"encoding": "GBK"}, "10"), ({"merId": "777290058110049"}, "31"), ({"certId": "1"}, "11"),
     ({"signature": "AAAA"}, "11"), ({"signature": "%%%"}, "11"), ({"txnAmt": "1251"}, "11")],
)  # fmt: skip
def test_each_refusal_has_its_own_code(change: dict[str, str], code: str) -> None:
    with pytest.raises(Turned) as turned:
        GATE.pass_(urlencode({**fields_of(vector("42")), **change}).encode(), 0)
    assert turned.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [({"txnType": "02"}, "32"), ({"qrNo": ""}, "13"), ({"backUrl": ""}, "13"), ({"txnAmt": "0"}, "10"), ({"txnAmt": "12.50"}, "10"),
     ({"txnTime": "20250230100000"}, "10"), ({"txnTime": "yesterday"}, "10"), ({"orderId": "DZ-1"}, "10"), ({"accessType": "3"}, "10"),
     ({"accessType": "1"}, "13"), ({"accessType": "2"}, "13")],
)  # fmt: skip
def test_what_is_wrong_is_refused_also_when_it_is_signed(change: dict[str, str], code: str) -> None:
    fields = {**fields_of(vector("42")), **change}
    fields = {name: value for name, value in fields.items() if value}
    fields["signature"] = sign.sign(fields, ACCOUNT.key)
    with pytest.raises(Turned) as turned:
        GATE.pass_(urlencode(fields).encode(), 0)
    assert turned.value.code == code


def test_a_name_that_stands_twice_is_refused() -> None:
    body = vector("42")["request"]["body_utf8"]
    for more in ("&txnAmt=1250", "&txnAmt=1"):
        with pytest.raises(Turned) as turned:
            GATE.pass_((body + more).encode(), 0)
        assert turned.value.code == "10"


def test_an_old_time_is_refused_when_the_window_is_on() -> None:
    strict = Gate(MER_ID, CERT_ID, KEYS)
    body = vector("42")["request"]["body_utf8"].encode()
    assert strict.pass_(body, 1_735_696_800_000).op == "pay"  # 2025-01-01 10:00 in Beijing
    assert strict.pass_(body, 1_900_000_000_000, 1_735_696_800_000).op == "pay"  # a client in the time outside
    with pytest.raises(Turned):
        strict.pass_(body, 1_900_000_000_000)


def test_the_twin_answers_the_captured_client_as_the_capture_shows() -> None:
    """The same names in the reply, the same meaning, and a signature that our side believes."""
    twin = UnionpayTwin({"mer_id": MER_ID, "cert_id": CERT_ID}, KEYS, SeededRand(1).bytes, window_s=None)
    now = 1_735_696_801_000
    code = twin.code("pays", now)["code"]
    fields = {**fields_of(vector("42")), "qrNo": code}
    fields["signature"] = sign.sign(fields, ACCOUNT.key)
    paid = _answer(twin, "/gateway/api/backTransReq.do", urlencode(fields), now)
    captured = sign.parse(vector("42")["response"]["body_utf8"])
    assert captured is not None and paid.keys() == captured.keys()
    told = _answer(twin, "/gateway/api/queryTrans.do", vector("44")["request"]["body_utf8"], now)
    shown = sign.parse(vector("44")["response"]["body_utf8"])
    assert shown is not None and told.keys() == shown.keys()
    assert (told["origRespCode"], told["settleAmt"]) == ("00", "1250")
    wrong = _answer(twin, "/gateway/api/backTransReq.do", vector("46")["request"]["body_utf8"], now)
    assert wrong["respCode"] == "35"  # the captured undo names another payment


def _answer(twin: UnionpayTwin, path: str, body: str, now: int) -> dict[str, str]:
    fields = sign.parse(twin.handle(Heard("POST", path, (), body.encode(), now)).body.decode())
    assert fields is not None
    key = ACCOUNT.trust.key_of(fields["signPubKeyCert"], now)
    assert key is not None and sign.holds(fields, key)
    return fields
