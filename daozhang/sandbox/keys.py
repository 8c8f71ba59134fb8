"""Keys of the sandbox: made once per data folder, readable by their owner only."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec


def of_folder(folder: Path, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a twin keeps for ever; made at the first start."""
    path = folder / f"{name}.keys"
    if not path.exists():
        write_private(path, msgspec.json.encode(make()))
    kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return kept


def control_token(folder: Path) -> str:
    """What the control door asks for; other users of this machine cannot read it."""
    path = folder / "control.token"
    if not path.exists():
        write_private(path, os.urandom(24).hex().encode())
    return path.read_text("ascii").strip()


def tls_context(folder: Path, name: str, twin: Any) -> ssl.SSLContext:
    """A listener of its own certificate that *may* be shown a client's, and trusts only the merchant's."""
    own, client = twin.tls()
    path = folder / f"{name}.tls"
    write_private(path, own.encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client)
    return context


def write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
