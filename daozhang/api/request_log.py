"""The request log: filled without holding anybody up, and read by those who asked."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.core.ports import Clock
from daozhang.core.request_log import KEPT_MS, MOST_LINES, Line, RequestLog
from daozhang.core.texts import ms_of_rfc3339, rfc3339

log = logging.getLogger("daozhang.requests")
_MOST_WAITING = 20_000
_FLUSH_S = 0.5
_AT_ONCE = 4_000
_SWEEP_EVERY_MS = 60_000
_SWEEPS = 10
_STATUS = re.compile(r"[1-5](xx|\d\d)")


class Scribe:
    """Lines wait here for at most half a second. When the store cannot keep up they are dropped, and counted."""

    def __init__(self, store: RequestLog, clock: Clock, tell_lost: Callable[[int], None]) -> None:
        self._store, self._clock, self._tell_lost = store, clock, tell_lost
        self._waiting: list[Line] = []
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._swept_ms = 0
        self.dropped = 0

    def write(self, line: Line) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="request log")
        if len(self._waiting) >= _MOST_WAITING:
            self._lose(1)
            return
        self._waiting.append(line)

    async def close(self) -> None:
        """What waits is still written."""
        self._ending.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting or not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):
                    await self._ending.wait()
            await self._flush()
            try:
                await self._sweep()
            except Exception as why:
                log.warning("old lines of the request log could not be swept", extra={"why": type(why).__name__})

    async def _flush(self) -> None:
        """Whatever is wrong with a batch costs this batch only: the log goes on."""
        lines = self._waiting[:_AT_ONCE]
        if not lines:
            return
        try:
            await self._store.write(lines)
        except Exception as why:
            self._lose(len(lines))
            log.warning("lines of the request log were dropped", extra={"lines": len(lines), "why": type(why).__name__})
        del self._waiting[: len(lines)]

    def _lose(self, lines: int) -> None:
        self.dropped += lines
        self._tell_lost(lines)

    async def _sweep(self) -> None:
        now = self._clock.now_ms()
        if now - self._swept_ms < _SWEEP_EVERY_MS:
            return
        self._swept_ms = now
        for _ in range(_SWEEPS):
            if not await self._store.sweep(now - KEPT_MS, MOST_LINES):
                return


class RequestLogDoors:
    """A merchant's programmers see their own requests."""

    def __init__(self, store: RequestLog) -> None:
        self._store = store

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/v1/request_log", self.list, "请求日志", "request log", "events:read",
                 query=("cursor", "after", "limit", "status", "path", "since")),
        ]  # fmt: skip

    async def list(self, asked: Asked) -> Response:
        status = asked.query("status")
        if status and not _STATUS.fullmatch(status):
            raise Problem("bad_query", "status is such as 404 or 5xx")
        try:
            since = ms_of_rfc3339(asked.query("since")) if asked.query("since") else 0
        except ValueError as wrong:
            raise Problem("bad_query", f"since: {wrong}") from None
        page = await self._store.lines(
            asked.merchant, after=_number(asked.query("after")) if asked.query("after") else -1, before=_number(asked.query("cursor")), limit=asked.limit(),
            status=status, path=asked.query("path"), since_ms=since,
        )  # fmt: skip
        return answer({"data": [_shown(row) for row in page.rows], "has_more": page.has_more, "next_cursor": page.next_cursor or None})


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Problem("bad_cursor")
    return int(text or 0)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"no": row["no"], "at": rfc3339(row["at_ms"]), "request_id": row["request_id"], "key": row["key_id"], "method": row["method"],
            "path": row["path"], "status": row["status"], "took_ms": row["took_ms"], "problem": row["problem"] or None,
            "language": row["language"]}  # fmt: skip
