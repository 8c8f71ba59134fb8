"""What was asked of the doors: one line a request, kept for a few days."""

import re
from typing import NamedTuple, Protocol

from daozhang.core.directory import Page
from daozhang.core.texts import kept

KEPT_MS = 3 * 86_400_000
MOST_LINES = 5_000_000  # about a gigabyte; with more, the oldest go before their time
_MOST_PATH = 200
# A payer's code or a key that stands in a path by mistake; our own ids have letters before their digits.
_SECRET = re.compile(r"(?<!\w)\d{14,}|dz_(?:live|test)_sk_\w+")


def path_kept(path: str) -> str:
    """The path as it is kept: nothing in it that takes money or opens a door, nothing that no database can hold."""
    return kept(_SECRET.sub(_masked, path[: 2 * _MOST_PATH]))[:_MOST_PATH]  # type: ignore[no-any-return]


def _masked(found: re.Match[str]) -> str:
    text = found[0]
    return f"{text[:2]}••••{text[-4:]}" if text[0] != "d" else "dz_••••"


class Line(NamedTuple):
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
    language: str


class RequestLog(Protocol):
    async def write(self, lines: list[Line]) -> None: ...
    async def sweep(self, before_ms: int, most: int) -> bool:
        """Some of the lines that are too old or too many; True when there may be more of them."""

    async def lines(
        self, merchant: str, *, after: int = -1, before: int = 0, limit: int = 50, status: str = "", path: str = "", since_ms: int = 0
    ) -> Page:
        """Newest first before a number; oldest first after one (0: from the beginning). ``status``: ``5xx``, ``409``."""
