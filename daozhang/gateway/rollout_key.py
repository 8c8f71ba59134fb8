"""Who may sign images: the key from the settings, or a pair of our own for the sandbox and small shops.

Whoever runs real fleets keeps the private half elsewhere and names only the public one: then nothing that we hold can make a
device start anything.
"""

import os
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def private_file(folder: Path) -> Path:
    return folder / "rollout.key"


def public_key(folder: Path, named: str) -> str:
    """The public key in hexadecimal; makes our own pair when none is named."""
    if named:
        return named.lower()
    file = private_file(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        made = Ed25519PrivateKey.generate().private_bytes_raw().hex()
        part = folder / f"rollout.key.{os.getpid()}"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as written:
            written.write(made)
        with suppress(FileExistsError):
            os.link(part, file)  # whole, and by one process only
        part.unlink()
    return opened(file).public_key().public_bytes_raw().hex()


def opened(file: Path) -> Ed25519PrivateKey:
    """Raises OSError, ValueError."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text("ascii").strip()))
