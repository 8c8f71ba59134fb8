"""What was asked of the doors: one line a request, kept for a few days."""

from dataclasses import dataclass
from typing import Protocol

from daozhang.core.directory import Page

KEPT_MS = 3 * 86_400_000


@dataclass(frozen=True, slots=True)
class Line:
    """``problem`` is the code of an error, empty for none. The path has no query: there may be numbers in it."""

    bucket: int
    merchant: str
    at_ms: int
    request_id: str
    key_id: str
    method: str
    path: str
    status: int
    took_ms: int
    problem: str


class RequestLog(Protocol):
    async def write(self, lines: list[Line]) -> None: ...
    async def sweep(self, before_ms: int) -> None: ...
    async def lines(
        self, merchant: str, *, after: int = 0, before: int = 0, limit: int = 50, status: str = "", path: str = "", since_ms: int = 0
    ) -> Page:
        """Newest first before a number; oldest first after one. ``status``: ``5xx``, ``409``."""
