"""Captured requests of independent SDKs pass the twin's gate, and are refused after a change of any one byte."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from daozhang.channels.alipay.twin.gate import Gate, RsaKeys, Turned

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = VECTORS / "keys"
REQUESTS = sorted(VECTORS.glob("0*-alipay*.json")) + sorted(VECTORS.glob("1[0-2]-alipay*.json"))
FORM = "application/x-www-form-urlencoded;charset=utf-8"


def gate() -> Gate:
    keys = RsaKeys(
        (KEYS / "alipay_platform_private_pkcs8.pem").read_text(), (KEYS / "alipay_app_public.pem").read_text()
    )
    return Gate("2021000000000001", keys, lambda method: method.startswith("alipay."), window_s=None)


GATE = gate()


def pieces(path: Path) -> tuple[str, str, str]:
    request = json.loads(path.read_text())["request"]
    return request["line"].split()[1], FORM, request.get("body_utf8") or ""


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_the_captured_request_passes_as_it_was_sent(path: Path) -> None:
    target, kind, body = pieces(path)
    let = GATE.pass_(target, kind, body.encode(), 0)
    assert let.method.startswith("alipay.")


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_changed_byte_is_refused(path: Path) -> None:
    target, kind, body = pieces(path)
    parts = urlsplit(target)
    fields = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
    changed = 0
    for name, value in fields.items():
        variants = [{**fields, name: _other(value, place)} for place in range(len(value.encode()))]
        variants += [
            {(_other(name, place) if key == name else key): v for key, v in fields.items()}
            for place in range(len(name))
        ]
        for variant in variants:
            rebuilt = f"{parts.path}?{urlencode(variant)}"
            with pytest.raises(Turned):
                GATE.pass_(rebuilt, kind, b"", 0)
            changed += 1
    assert changed > 500


def _other(text: str, place: int) -> str:
    """The text with one byte changed (kept readable as UTF-8)."""
    raw = bytearray(text.encode())
    if raw[place] >= 0x80:  # inside a Chinese letter: the next letter of the alphabet of codes
        letter = len(raw[: place + 1].decode("utf-8", "ignore"))
        letter = min(letter, len(text) - 1)
        return text[:letter] + chr(ord(text[letter]) + 1) + text[letter + 1 :]
    raw[place] = ord("7") if raw[place] != ord("7") else ord("8")
    return raw.decode()


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"app_id": ""}, "isv.missing-app-id"), ({"sign": ""}, "isv.missing-signature"), ({"method": ""}, "isv.missing-method"),
        ({"sign_type": ""}, "isv.missing-signature-type"), ({"timestamp": ""}, "isv.missing-timestamp"), ({"version": ""}, "isv.missing-version"),
        ({"app_id": "2021000000000009"}, "isv.invalid-app-id"), ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
        ({"timestamp": "yesterday"}, "isv.invalid-timestamp"), ({"charset": "latin-9"}, "isv.invalid-charset"),
        ({"format": "XML"}, "isv.invalid-format"), ({"sign": "AAAA"}, "isv.invalid-signature"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_own_code(change: dict[str, str], sub_code: str) -> None:
    target, kind, body = pieces(REQUESTS[0])
    fields = dict(parse_qsl(urlsplit(target).query)) | dict(parse_qsl(body)) | change
    with pytest.raises(Turned) as turned:
        GATE.pass_("/gateway.do?" + urlencode(fields), kind, b"", 0)
    assert turned.value.sub_code == sub_code


def test_a_name_that_stands_twice_is_an_attack() -> None:
    target, kind, body = pieces(REQUESTS[0])
    with pytest.raises(Turned) as turned:
        GATE.pass_(target + "&app_id=2021000000000001", kind, body.encode(), 0)
    assert turned.value.sub_code == "isv.suspected-attack"


def test_an_old_timestamp_is_refused_when_the_window_is_on() -> None:
    keys = RsaKeys(
        (KEYS / "alipay_platform_private_pkcs8.pem").read_text(), (KEYS / "alipay_app_public.pem").read_text()
    )
    strict = Gate("2021000000000001", keys, lambda method: True, window_s=300)
    target, kind, body = pieces(REQUESTS[0])
    with pytest.raises(Turned) as turned:
        strict.pass_(target, kind, body.encode(), 1_900_000_000_000)
    assert turned.value.sub_code == "isv.invalid-timestamp"
