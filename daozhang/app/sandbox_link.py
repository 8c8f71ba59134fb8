"""The platform's line to the sandbox's control door. It exists only where a sandbox runs."""

from pathlib import Path
from typing import Any

import msgspec

from daozhang.core.faults import Unavailable
from daozhang.core.ports import HttpRequest
from daozhang.ports.clock import RealClock
from daozhang.ports.net import HttpNet
from daozhang.settings import Settings

_WITHIN_MS = 10_000
_MOST_BYTES = 1 << 30  # the twin's books


class SandboxLink:
    """``call`` forwards one request to the control door and gives back status and JSON."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"http://127.0.0.1:{settings.control_port}"
        self._token_file = settings.data / "sandbox" / "control.token"
        self._net = HttpNet(RealClock())

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Raises Unavailable when the sandbox does not answer."""
        headers = (("Authorization", f"Bearer {_token(self._token_file)}"), ("Content-Type", "application/json"))
        sent = b"" if body is None else msgspec.json.encode(body)
        told = await self._net.call(HttpRequest(method, self._base + path, headers, sent, _WITHIN_MS, most_bytes=_MOST_BYTES))
        if told.fault is not None:
            raise Unavailable(f"the sandbox does not answer ({told.fault.code})")
        try:
            return told.status, msgspec.json.decode(told.body or b"null")
        except msgspec.DecodeError:
            raise Unavailable(f"the sandbox does not answer (status {told.status} without JSON)") from None

    async def close(self) -> None:
        await self._net.close()


def _token(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
