"""Secrets at rest: AES-256-GCM under a master key, with the account's id as associated data.

A sealed text moved to another account, or changed by one bit, does not open.
"""

import hashlib
import hmac
import os
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang.core.faults import Fault

_NONCE = 12
_MADE_HERE = b"made-by-sandbox\n"


class BadMasterKey(Fault):
    """The master key is missing, malformed, or not the one that sealed."""


class Seal:
    """Closes and opens small tables of secrets."""

    def __init__(self, key: bytes) -> None:
        self._box = AESGCM(key)
        self._root = hmac.digest(key, b"daozhang derived secrets", hashlib.sha256)

    def derived(self, purpose: str) -> bytes:
        """A secret of its own for one purpose; it tells nothing about the master key nor about any other."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)

    def close(self, account: str, secrets: dict[str, str]) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._box.encrypt(nonce, msgspec.json.encode(secrets), account.encode())

    def open(self, account: str, sealed: bytes) -> dict[str, str]:
        """Raises BadMasterKey."""
        try:
            text = self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], account.encode())
        except (InvalidTag, ValueError):
            raise BadMasterKey(
                "a channel secret does not open: the master key is not the one that sealed it, or the row was changed"
            ) from None
        return msgspec.json.decode(text, type=dict[str, str])


def open_or_create_master_key(path: str | Path, may_create: bool) -> Seal:
    """The key in the file (32 bytes as 64 hex digits). One made by the sandbox is refused in live mode."""
    path = Path(path)
    if not path.exists():
        if not may_create:
            raise BadMasterKey(
                f"{path} does not exist: live mode needs a master key of your own (64 hex digits, mode 0600)"
            )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_MADE_HERE + os.urandom(32).hex().encode() + b"\n")
    held = path.read_bytes()
    if held.startswith(_MADE_HERE) and not may_create:
        raise BadMasterKey(f"{path} was made by the sandbox: live mode needs a master key of your own")
    try:
        key = bytes.fromhex(held.removeprefix(_MADE_HERE).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadMasterKey(f"{path} does not hold 64 hex digits")
    return Seal(key)
