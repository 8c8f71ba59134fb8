"""RSA2 of the Alipay v2 gateway: the exact bytes that are signed, both ways (dossier 1.1 and 1.4)."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from daozhang.channels.keys import Signer, Verifier


def canonical(params: Mapping[str, str]) -> str:
    """All parameters but ``sign`` and empty ones, sorted by key, raw ``k=v`` joined by ``&``."""
    return "&".join(f"{key}={params[key]}" for key in sorted(params) if key != "sign" and params[key] != "")


def canonical_notify(params: Mapping[str, str]) -> str:
    """A notify is signed without ``sign_type`` as well."""
    return canonical({key: value for key, value in params.items() if key != "sign_type"})


def sign(params: Mapping[str, str], key: Signer) -> str:
    """The base64 signature of a request's parameters, in UTF-8."""
    return base64.b64encode(key.sign(canonical(params).encode())).decode()


def holds(message: bytes, signature: str, key: Verifier) -> bool:
    """Whether a base64 signature is the key's for these very bytes."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    # base64 has texts that decode alike; only the canonical one is taken.
    return base64.b64encode(raw).decode() == signature and key.verify(message, raw)


class Signed(NamedTuple):
    """An object of a reply: its exact text, its value, and the signature (with its certificate's SN) beside it."""

    text: str
    value: dict[str, Any]
    signature: str
    certificate: str = ""


_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")


def signed_object(body: str, *names: str) -> Signed | None:
    """The first of the objects ``names`` that stands in the reply; None when the reply is not of that shape.

    The signature covers the object as it was sent, so it is cut out, never serialised anew. A reply that says
    something twice is of no shape: nobody knows which of the two was signed.
    """
    try:
        members = _members(body)
    except (ValueError, IndexError, RecursionError):
        return None
    signature, certificate = (_text(members.get(name)) for name in ("sign", "alipay_cert_sn"))
    for name in names:
        text, value = members.get(name, ("", None))
        if isinstance(value, dict):
            return Signed(text, value, signature, certificate)
    return None


def _text(member: tuple[str, Any] | None) -> str:
    return member[1] if member is not None and isinstance(member[1], str) else ""


def _members(body: str) -> dict[str, tuple[str, Any]]:
    """Text and value of each member of one object, and nothing after it. Raises ValueError, IndexError."""
    members: dict[str, tuple[str, Any]] = {}
    at = _expect(body, 0, "{")
    while True:
        name, at = _DECODER.raw_decode(body, at)
        if not isinstance(name, str) or name in members:
            raise ValueError("no name, or one that stands there twice")
        start = _expect(body, at, ":")
        value, at = _DECODER.raw_decode(body, start)
        members[name] = body[start:at], value
        at = _blank(body, at)
        if body[at] == "}":
            break
        at = _expect(body, at, ",")
    if _blank(body, at + 1) != len(body):
        raise ValueError("something follows")
    return members


def _expect(body: str, at: int, mark: str) -> int:
    """Where the next thing after ``mark`` begins."""
    at = _blank(body, at)
    if body[at] != mark:
        raise ValueError(f"no {mark}")
    return _blank(body, at + 1)


def _blank(body: str, at: int) -> int:
    found = _BLANK.match(body, at)
    return found.end() if found else at
