"""Events by cursor: a page at a time, one by its id, or as they happen. A cursor never skips a line that commits late."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, _encode, answer
from daozhang.core.directory import EventRow, Page
from daozhang.core.faults import Unavailable
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.flow.house import House

_LOOK_MS = 300  # other processes' commits are seen at the next look
_BEAT_MS = 10_000  # a comment line, so that both sides know that the line is alive
_MOST_STREAMS = 256
_PAGE = 100
_BEGINNING = "0-0"  # before the first event of all


class Events:
    """The doors of the outbox."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._streams = 0

    def doors(self) -> list[Door]:
        read, given = "events:read", ("cursor", "limit", "subject", "since", "types")
        return [
            Door("GET", "/v1/events", self.list, "事件(按游标)", "events by cursor", read, query=given),
            Door("GET", "/v1/events/stream", self.stream, "实时事件(SSE,Last-Event-ID 续传)", "events as they happen (SSE, goes on from Last-Event-ID)", read, query=("cursor", "since", "types")),
            Door("GET", "/v1/events/cursor", self.cursor, "某时刻的游标", "the cursor of a time", read, query=("since",)),
            Door("GET", "/v1/events/{id}", self.one, "一个事件", "one event", read),
        ]  # fmt: skip

    async def list(self, asked: Asked) -> Response:
        cursor = asked.query("cursor") or await self._since(asked)
        page = await self._page(asked.merchant, cursor, asked.limit(_PAGE), asked.query("subject"))
        rows = [_event(row) for row in page.rows if wanted(row.type, asked.query("types"))]
        return answer({"data": rows, "has_more": page.has_more, "next_cursor": page.next_cursor or None})

    async def cursor(self, asked: Asked) -> Response:
        """Where to listen from, so that nothing since a time (now, without one) is missed."""
        cursor = await self._since(asked) if asked.query("since") else await self._now(asked.merchant)
        return answer({"cursor": cursor or _BEGINNING})

    async def _now(self, merchant: str) -> str:
        return await self._house.reading.cursor_at(merchant, self._house.clock.now_ms() + 1)

    async def one(self, asked: Asked) -> Response:
        row = await self._house.reading.event(asked.merchant, asked.path("id"))
        if row is None:
            raise Problem("not_found")
        return answer(_event(row))

    async def stream(self, asked: Asked) -> Response:
        """From the cursor (or the time, or now) on, for as long as the caller listens."""
        cursor = asked.request.headers.get("last-event-id") or asked.query("cursor") or await self._since(asked)
        if not cursor:
            cursor = await self._now(asked.merchant)
        await self._page(asked.merchant, cursor, 1)  # a wrong cursor is told before the stream begins
        if self._streams >= _MOST_STREAMS:
            raise Problem("overloaded", "too many event streams are open in this process", headers={"Retry-After": "5"})
        lines = self._lines(asked.merchant, cursor, asked.query("types"))
        return StreamingResponse(lines, 200, {"Cache-Control": "no-store"}, "text/event-stream")

    async def _lines(self, merchant: str, cursor: str, types: str) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            yield b"retry: 1000\n\n"
            quiet_since = self._house.clock.monotonic_ms()
            while True:
                try:
                    page = await self._page(merchant, cursor, _PAGE)
                except Unavailable:
                    return  # the caller comes back with the last cursor
                for row in page.rows:
                    if wanted(row.type, types):
                        yield b"id: %b\nevent: %b\ndata: %b\n\n" % (
                            row.cursor.encode(), row.type.encode(), _encode(_event(row)))  # fmt: skip
                cursor = page.next_cursor or cursor
                now = self._house.clock.monotonic_ms()
                if page.rows:
                    quiet_since = now
                elif now - quiet_since >= _BEAT_MS:
                    quiet_since = now
                    # The cursor goes along, so that a filtered stream need not read the same lines again.
                    yield f": {cursor}\n\n".encode()
                if not page.has_more:
                    await asyncio.sleep(_LOOK_MS / 1000)
        finally:
            self._streams -= 1

    async def _page(self, merchant: str, cursor: str, limit: int, subject: str = "") -> Page:
        try:
            return await self._house.reading.events(merchant, cursor=cursor, limit=limit, subject=subject)
        except ValueError:
            raise Problem("bad_cursor") from None

    async def _since(self, asked: Asked) -> str:
        """The cursor before the first event of a time; empty without one."""
        text = asked.query("since")
        if not text:
            return ""
        try:
            return await self._house.reading.cursor_at(asked.merchant, ms_of_rfc3339(text))
        except ValueError as wrong:
            raise Problem("bad_query", f"since: {wrong}") from None


def wanted(kind: str, types: str) -> bool:
    """Whether an event's type is among ``payment.*,refund.succeeded``; empty: all are."""
    return not types or any(
        kind == one or (one.endswith(".*") and kind.startswith(one[:-1])) or one == "*" for one in types.split(",")
    )


def _event(row: EventRow) -> dict[str, Any]:
    return {"id": row.id, "object": "event", "type": row.type, "timestamp": rfc3339(row.at_ms), "subject": row.subject,
            "cursor": row.cursor, "data": row.data}  # fmt: skip
