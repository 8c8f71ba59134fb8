"""What people and programs have told us about a merchant, and when our own software was changed: facts with a time and a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from daozhang.core.ports import Event

SETTLEMENT = "settlement_account"


@dataclass(frozen=True, slots=True)
class Stated:
    """The last word about one ``subject`` of a merchant (SETTLEMENT, or a till's id for its code plate)."""

    bucket: int
    merchant: str
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    at_ms: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of our own software, when it was at work first, and who says so (``start``: it noted itself)."""

    version: str
    at_ms: int
    by: str
    says: Mapping[str, str] = field(default_factory=dict)


def changed_ms(releases: list[Release]) -> int:
    """When our software was changed last; 0: never, what is here first is no change."""
    times = sorted(one.at_ms for one in releases)
    return times[-1] if len(times) > 1 else 0


class Statements(Protocol):
    """The port of what was told."""

    async def stated(self, merchant: str, subject: str) -> Stated | None: ...
    async def state(self, one: Stated, event: Event | None = None) -> None:
        """The latest word holds; ``event`` tells of it, in the same transaction."""

    async def note_release(self, one: Release) -> bool:
        """True when it is new; one that started before keeps its first time."""

    async def releases(self, most: int = 20) -> list[Release]:
        """Newest first."""
