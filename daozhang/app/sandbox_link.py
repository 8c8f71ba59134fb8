"""The platform's line to the sandbox's control door. It exists only where a sandbox runs."""

from pathlib import Path
from typing import Any

import aiohttp

from daozhang.core.faults import Unavailable
from daozhang.settings import Settings


class SandboxLink:
    """``call`` forwards one request to the control door and gives back status and JSON."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"http://127.0.0.1:{settings.control_port}"
        self._token_file = settings.data / "sandbox" / "control.token"
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Raises Unavailable when the sandbox does not answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        headers = {"Authorization": f"Bearer {_token(self._token_file)}"}
        try:
            async with self._session.request(method, self._base + path, json=body, headers=headers) as reply:
                return reply.status, await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as why:
            raise Unavailable(f"the sandbox does not answer ({type(why).__name__})") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _token(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
