"""A real browser, driven over its own debugging protocol; nothing of it is installed by the tests."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Where the browser is. Raises RuntimeError that says how to get one."""
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        raise RuntimeError("this proof needs Chromium: apt-get install chromium, or say where it is with CHROMIUM=/path/to/it")
    return found


class Page:
    """One tab. ``run`` evaluates JavaScript; ``until`` waits for it to be true, by counted looks."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self._line, self._number = line, 0
        self.asked: list[str] = []
        self.faults: list[str] = []

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        self._number += 1
        await self._line.send_json({"id": self._number, "method": method, "params": given})
        while True:
            told = await self._line.receive_json(timeout=60)
            if told.get("id") == self._number:
                assert "error" not in told, told
                return dict(told["result"])
            if told.get("method") == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            if told.get("method") == "Runtime.exceptionThrown":
                self.faults.append(str(told["params"]["exceptionDetails"]))
            if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] in ("warning", "error"):
                self.faults.append(str(told["params"]["entry"]))

    async def open(self, url: str, width: int, height: int, before: str = "") -> None:
        """``before``: a script that runs before any of the page's own."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        if before:
            await self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str, looks: int = 100) -> None:
        for _ in range(looks):
            if await self.run(script):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"never true: {script}; {self.faults}")


@contextlib.asynccontextmanager
async def tab(folder: Path, *more: str) -> AsyncIterator[Page]:
    """A headless browser with an empty profile, and its one tab; ``more``: switches of the command line."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder}", *more]
    process = await asyncio.create_subprocess_exec(chromium(), *words, "about:blank", stderr=asyncio.subprocess.DEVNULL)
    try:
        port_file = folder / "DevToolsActivePort"
        for _ in range(300):
            if port_file.exists() and len(port_file.read_text().splitlines()) == 2:
                break
            await asyncio.sleep(0.1)
        port = port_file.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as reply:
                target = next(one for one in await reply.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as line:
                yield Page(line)
    finally:
        process.terminate()
        await process.wait()
