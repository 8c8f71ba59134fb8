"""Keys of the sandbox: made once per data folder, readable by their owner only, and worth nothing elsewhere."""

import os
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_PEM = serialization.Encoding.PEM
_CLEAR = serialization.NoEncryption()


def _pair() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "pkcs1": key.private_bytes(_PEM, serialization.PrivateFormat.TraditionalOpenSSL, _CLEAR).decode(),
        "pkcs8": key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _CLEAR).decode(),
        "public": key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
    }


def of_folder(folder: Path) -> dict[str, Any]:
    """``{app, channel, app_id, seller_id}``; made at the first start."""
    path = folder / "alipay.keys"
    if path.exists():
        kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        return kept
    number = int.from_bytes(os.urandom(6), "big")
    made = {
        "app": _pair(),
        "channel": _pair(),
        "app_id": f"2021{number % 10**12:012d}",
        "seller_id": f"2088{number // 7 % 10**12:012d}",
    }
    write_private(path, msgspec.json.encode(made))
    return made


def control_token(folder: Path) -> str:
    """What the control door asks for; other users of this machine cannot read it."""
    path = folder / "control.token"
    if not path.exists():
        write_private(path, os.urandom(24).hex().encode())
    return path.read_text("ascii").strip()


def write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
