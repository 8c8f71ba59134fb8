"""HTTP to the platform and to the sandbox's control door, with the standard library (a fast start matters here)."""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from daozhang.cli.say import Oops

_NOT_UP = ("没有正在运行的系统:先运行 daozhang up --demo", "nothing is running here: start it with daozhang up --demo")


def state_of(data: Path) -> dict[str, Any]:
    """DATA/state.json. Raises Oops when there is none."""
    try:
        state: dict[str, Any] = json.loads((data / "state.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise Oops(*_NOT_UP, code=3) from None
    return state


def fresh_key() -> str:
    """An Idempotency-Key that nobody else has."""
    return f"cli-{os.urandom(12).hex()}"


class Link:
    """Calls with the demo's key (or DAOZHANG_API_KEY) against the API of this data folder."""

    def __init__(self, data: Path) -> None:
        self.state = state_of(data)
        self._data = data
        self.api = os.environ.get("DAOZHANG_API") or self.state["urls"]["api"]
        self.key = os.environ.get("DAOZHANG_API_KEY") or self.state.get("api_key", "")

    def call(self, method: str, path: str, body: Any = None, *, key: str = "", timeout: float = 30) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        return _call(self.api + path, method, body, headers, timeout)

    def must(self, method: str, path: str, body: Any = None, *, key: str = "", timeout: float = 30) -> Any:
        """The answer of a call that has to succeed. Raises Oops with the problem's own words."""
        status, told = self.call(method, path, body, key=key, timeout=timeout)
        if status >= 400:
            raise problem(told)
        return told

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """The control door of the sandbox. Raises Oops."""
        return Sandbox(self._data).call(method, path, body)

    def stream(self, path: str) -> Iterator[dict[str, Any]]:
        """The payment at once and at each change, until it is proven or the line breaks."""
        parts = urlsplit(self.api)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
        try:
            line.request("GET", parts.path + path, headers={"Authorization": f"Bearer {self.key}"})
            reply = line.getresponse()
            while text := reply.readline():
                if text.startswith(b"data: "):
                    yield json.loads(text[6:])
        except (OSError, http.client.HTTPException, ValueError):
            return
        finally:
            line.close()


def _sandbox_url(data: Path) -> str:
    """Where the sandbox of this folder last said that it listens: it may run without a platform. Raises Oops."""
    try:
        return (data / "sandbox" / "control.url").read_text("ascii").strip()
    except OSError:
        state_of(data)  # nothing at all is running: say so first
        raise Oops(
            "这里没有沙箱:沙箱命令只用于测试环境", "there is no sandbox here: its commands are for the test system"
        ) from None


class Sandbox:
    """The control door, by the token of the data folder."""

    def __init__(self, data: Path) -> None:
        self._url = _sandbox_url(data)
        try:
            self._token = (data / "sandbox" / "control.token").read_text("ascii").strip()
        except OSError:
            raise Oops(
                "读不到沙箱口令:用启动它的用户运行",
                "the sandbox's token cannot be read: run as the user who started it",
            ) from None

    @property
    def page(self) -> str:
        """The page's address with the token in it, behind ``#``, where it never leaves the browser."""
        return f"{self._url}/#{self._token}"

    def call(self, method: str, path: str, body: Any = None, timeout: float = 15) -> Any:
        status, told = _call(self._url + path, method, body, {"Authorization": f"Bearer {self._token}"}, timeout)
        if status >= 400:
            raise problem(told)
        return told


def _call(url: str, method: str, body: Any, headers: dict[str, str], timeout: float) -> tuple[int, Any]:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    path = quote(parts.path, safe="/:%") + (f"?{parts.query}" if parts.query else "")
    try:
        line.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        reply = line.getresponse()
        return reply.status, json.loads(reply.read() or b"null")
    except (OSError, http.client.HTTPException):
        raise Oops("系统没有应答:用 daozhang status 看状态,或用 daozhang up 启动",
                   "it does not answer: see daozhang status, or start it with daozhang up", code=3) from None  # fmt: skip
    except ValueError:
        raise Oops("应答不是 JSON:地址可能不对", "the answer is not JSON: the address may be wrong") from None
    finally:
        line.close()


def problem(told: Any) -> Oops:
    """An RFC 9457 answer as the command line says it."""
    told = told if isinstance(told, dict) else {}
    step = told.get("next_step") or {}
    detail = told.get("detail")
    if not detail or detail in step.values():  # what to do is said behind it anyway
        detail = told.get("title") or "?"
    places = "; ".join(f"{one.get('pointer')}: {one.get('detail')}" for one in told.get("errors") or [])
    if places:
        detail = f"{detail} ({places})"
    return Oops(f"{detail}。{step.get('zh', '')}", f"{detail}. {step.get('en', '')}", told)
