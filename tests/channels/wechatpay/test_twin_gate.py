"""Captured requests of independent SDKs pass the twin's doors, and are refused after a change of any one byte."""

from urllib.parse import urlsplit

import pytest

from daozhang.channels.twin import Heard
from daozhang.channels.wechatpay.twin.door_v2 import DoorV2
from daozhang.channels.wechatpay.twin.gate import Gate, RsaKeys, Turned
from tests.channels.wechatpay.kit import KEYS, NAMES, PLATFORM_PRIVATE, PUBLIC_PRIVATE, vector

V3 = ["18", "19", "20", "21", "22", "23", "24", "25", "27", "48", "49", "50"]
V2 = ["28", "29", "30", "31"]


def keys() -> RsaKeys:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    public = x509.load_pem_x509_certificate((KEYS / "wx_mch_cert.pem").read_bytes()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    own = {NAMES["wx_pubkey_id"]: PUBLIC_PRIVATE, NAMES["wx_platform_serial"]: PLATFORM_PRIVATE}
    return RsaKeys(own, NAMES["wx_pubkey_id"], pem)


GATE = Gate(NAMES["wx_mchid"], NAMES["wx_mch_serial"], keys(), window_s=None)
OLD = DoorV2(NAMES["wx_appid"], NAMES["wx_mchid"], NAMES["wx_apiv2_key"], lambda count: b"n" * count)


def pieces(number: str) -> tuple[str, str, dict[str, str], bytes]:
    request = vector(number)["request"]
    method, target, _ = request["line"].split()
    return method, target, {name.lower(): value for name, value in request["headers"]}, request["body_utf8"].encode()


@pytest.mark.parametrize("number", V3)
def test_the_captured_request_passes_as_it_was_sent(number: str) -> None:
    method, target, headers, body = pieces(number)
    let = GATE.pass_(method, target, headers, body, 0)
    asked = headers.get("wechatpay-serial", NAMES["wx_platform_serial"])
    assert (let.path, let.signer) == (urlsplit(target).path, asked)
    absolute = GATE.pass_(method, f"http://127.0.0.1{target}", headers, body, 0)
    assert absolute == let


def changed(raw: bytes, place: int) -> bytes:
    other = bytearray(raw)
    other[place] ^= 1
    return bytes(other)


@pytest.mark.parametrize("number", V3)
def test_every_changed_byte_is_refused(number: str) -> None:
    """In the body, in the target and in the Authorization header."""
    method, target, headers, body = pieces(number)
    refused = 0
    for place in range(len(body)):
        with pytest.raises(Turned):
            GATE.pass_(method, target, headers, changed(body, place), 0)
        refused += 1
    for place in range(1, len(target)):
        other = changed(target.encode(), place).decode("latin-1")
        with pytest.raises(Turned):
            GATE.pass_(method, other, headers, body, 0)
        refused += 1
    given = headers["authorization"].encode()
    for place in range(len(given)):
        spoilt = {**headers, "authorization": changed(given, place).decode("latin-1")}
        with pytest.raises(Turned):
            GATE.pass_(method, target, spoilt, body, 0)
        refused += 1
    with pytest.raises(Turned):
        GATE.pass_("PUT", target, headers, body, 0)
    assert refused > 500


def test_pairs_may_come_in_any_order_and_none_twice() -> None:
    method, target, headers, body = pieces("18")
    scheme, _, rest = headers["authorization"].partition(" ")
    pairs = rest.split(",")
    turned_round = {**headers, "authorization": f"{scheme} {', '.join(reversed(pairs))}"}
    assert GATE.pass_(method, target, turned_round, body, 0).path == target
    for spoilt in (f"{rest},{pairs[0]}", ",".join(pairs[1:]), rest + ",x", f"x{rest}", ""):
        with pytest.raises(Turned):
            GATE.pass_(method, target, {**headers, "authorization": f"{scheme} {spoilt}"}, body, 0)


def test_an_old_timestamp_is_refused_when_the_window_is_on() -> None:
    strict = Gate(NAMES["wx_mchid"], NAMES["wx_mch_serial"], keys())
    method, target, headers, body = pieces("18")
    sent_ms = 1_795_403_237_000
    assert strict.pass_(method, target, headers, body, sent_ms + 299_000).path == target
    moved = strict.pass_(method, target, headers, body, sent_ms + 86_400_000, sent_ms + 9_000)
    assert moved.clock_ms == sent_ms + 9_000  # the sandbox's clock was moved: a client outside is answered in its own time
    for at_ms in (sent_ms + 301_000, sent_ms - 301_000):
        with pytest.raises(Turned, match="5分钟"):
            strict.pass_(method, target, headers, body, at_ms)


def test_another_merchant_or_certificate_is_turned_away() -> None:
    method, target, headers, body = pieces("18")
    for mchid, serial in (("1900000108", NAMES["wx_mch_serial"]), (NAMES["wx_mchid"], "00")):
        with pytest.raises(Turned, match="序列号"):
            Gate(mchid, serial, keys(), None).pass_(method, target, headers, body, 0)


# -- v2 -------------------------------------------------------------------------------------------------------------------


def heard(number: str, body: bytes | None = None, peer: str = "") -> tuple[Heard, str]:
    method, target, _, sent = pieces(number)
    return Heard(method, target, (), sent if body is None else body, 0, peer), target


@pytest.mark.parametrize("number", V2)
def test_the_captured_v2_request_passes(number: str) -> None:
    call = OLD.open(*heard(number))
    assert call.order == "DZ2025010100000002" and call.signer == "MD5"


@pytest.mark.parametrize("number", V2)
def test_every_changed_byte_of_v2_content_is_refused(number: str) -> None:
    """A change either breaks the XML or the digest; white space between elements carries nothing."""
    sent = pieces(number)[3]
    refused = passed = 0
    for place in range(len(sent)):
        try:
            OLD.open(*heard(number, changed(sent, place)))
        except Turned:
            refused += 1
        else:
            assert sent[place : place + 1] == b"\n"
            passed += 1
    assert refused > 250 and passed <= sent.count(b"\n")


@pytest.mark.parametrize(("number", "needs"), [("28", False), ("29", False), ("30", True), ("31", True)])
def test_secapi_asks_for_the_client_certificate_in_tls(number: str, needs: bool) -> None:
    assert OLD.open(*heard(number, peer="7132D72A"))
    if needs:
        with pytest.raises(Turned, match="证书"):
            OLD.open(*heard(number, peer="none"))
    else:
        assert OLD.open(*heard(number, peer="none"))


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"", "为空"), (b"\xff", "编码"), (b"<xml>", "XML"), (b"<xml><a>1</a><a>1</a></xml>", "XML"), (b"<x/>", "XML"),
     (b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>&a;</a></xml>', "XML"), (b"<xml><mch_id>1</mch_id></xml>", "不匹配"),
     (b"<xml><sign_type>NONE</sign_type></xml>", "sign_type")],
)  # fmt: skip
def test_v2_says_why_it_does_not_listen(body: bytes, why: str) -> None:
    with pytest.raises(Turned, match=why):
        OLD.open(*heard("28", body))
    said = OLD.turned(Turned(why)).body.decode()
    assert "<return_code><![CDATA[FAIL]]>" in said and "<sign>" not in said


def test_a_serial_in_small_letters_is_the_same_number() -> None:
    """As wechatpay-node-v3 reads it out of the certificate."""
    serial = NAMES["wx_mch_serial"]
    gate = Gate(NAMES["wx_mchid"], serial.upper(), keys(), window_s=None)
    method, target, headers, body = pieces("18")
    for written in (serial.lower(), serial.upper()):
        spoken = {**headers, "authorization": headers["authorization"].replace(serial, written)}
        assert gate.pass_(method, target, spoken, body, 0).path == target
    with pytest.raises(Turned, match="证书序列号"):
        gate.pass_(method, target, {**headers, "authorization": headers["authorization"].replace(serial, serial[:-1] + "x")}, body, 0)
