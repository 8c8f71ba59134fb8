"""RSA2 of the Alipay v2 gateway: the exact bytes that are signed, both ways (dossier 1.1 and 1.4)."""

import base64
import binascii
import json
from collections.abc import Mapping

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


def signed_object(body: str, name: str) -> tuple[str, str] | None:
    """The exact text of the reply object ``name`` and its signature; None when the reply is not of that shape.

    The signature covers the object as it was sent, so it is cut out, never serialised anew.
    """
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or not isinstance(whole.get(name), dict):
        return None
    signature = whole.get("sign")
    start = _value_at(body, name)
    if start < 0:
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(body, start)
    except (ValueError, RecursionError):
        return None
    return body[start:end], signature if isinstance(signature, str) else ""


def _value_at(body: str, name: str) -> int:
    """Where the value of a top-level key begins; -1 when the key is not there or stands there twice."""
    decoder = json.JSONDecoder()
    at, found = body.find("{") + 1, -1
    while at > 0:
        at = _skip(body, at)
        if at >= len(body) or body[at] != '"':
            return found
        key, at = decoder.raw_decode(body, at)
        at = _skip(body, _skip(body, at) + 1)
        if key == name:
            if found >= 0:
                return -1
            found = at
        _, at = decoder.raw_decode(body, at)
        at = _skip(body, at)
        if body[at : at + 1] != ",":
            return found
        at += 1
    return found


def _skip(body: str, at: int) -> int:
    while at < len(body) and body[at] in " \t\r\n":
        at += 1
    return at
