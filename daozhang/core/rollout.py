"""Roll-outs of firmware and configuration to a merchant's devices: records, who may follow whom, and what the store promises."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

COMMAND_LIVES_MS = 86_400_000  # a device that is away for longer was missed


class Rolling(StrEnum):
    """A roll-out's way. ``paused``: a person holds it; ``turning_back``: stopped, its devices go back."""

    ROLLING = "rolling"
    PAUSED = "paused"
    TURNING_BACK = "turning_back"
    TURNED_BACK = "turned_back"
    DONE = "done"


ROLLING_NEXT: dict[Rolling, frozenset[Rolling]] = {
    Rolling.ROLLING: frozenset({Rolling.PAUSED, Rolling.TURNING_BACK, Rolling.DONE}),
    Rolling.PAUSED: frozenset({Rolling.ROLLING, Rolling.TURNING_BACK}),
    Rolling.TURNING_BACK: frozenset({Rolling.TURNED_BACK}),
    Rolling.TURNED_BACK: frozenset(),
    Rolling.DONE: frozenset(),
}


class Taking(StrEnum):
    """One device's way through a roll-out. ``bad``: it refused, failed, fell back by itself, or was lost with the new image;
    ``missed``: it was never there; ``leaving``: told to go back; ``back``: it runs what it ran before."""

    WAITING = "waiting"
    TOLD = "told"
    WELL = "well"
    BAD = "bad"
    MISSED = "missed"
    LEAVING = "leaving"
    BACK = "back"


# A bad one may be well after all (it was away), and whoever was well may turn bad.
TAKING_NEXT: dict[Taking, frozenset[Taking]] = {
    Taking.WAITING: frozenset({Taking.TOLD, Taking.BACK}),
    Taking.TOLD: frozenset({Taking.WELL, Taking.BAD, Taking.MISSED, Taking.LEAVING, Taking.BACK}),
    Taking.WELL: frozenset({Taking.BAD, Taking.LEAVING}),
    Taking.BAD: frozenset({Taking.WELL, Taking.LEAVING, Taking.BACK}),
    Taking.MISSED: frozenset({Taking.BACK}),
    Taking.LEAVING: frozenset({Taking.BACK, Taking.MISSED}),
    Taking.BACK: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """When a stage is passed and when everything stops. Shares in percent; times in seconds."""

    stages: tuple[int, ...] = (1, 10, 100)
    soak_s: int = 600
    boot_s: int = 60  # after an order was carried out, an old report is no proof for so long
    bad_percent: int = 5
    worse_percent: int = 10  # payment KPIs and health: how much worse than the others
    least_seen: int = 10  # payments or announcements on the new side before they are judged


@dataclass(frozen=True, slots=True)
class Rollout:
    """``kind`` is firmware or config; ``manifest`` is the signed text; ``desired`` what a configuration changes; ``url`` where
    the image lies (empty: with us, under its hash)."""

    id: str
    bucket: int
    merchant: str
    type: str
    kind: str
    version: str
    manifest: str
    sha256: str
    url: str
    desired: dict[str, Any]
    rules: Rules
    by: str
    created_ms: int
    state: Rolling = Rolling.ROLLING
    stage: int = 0
    stage_ms: int = 0
    why: str = ""
    ended_ms: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A device in a roll-out, with what is known of it now. ``outcome`` is its last command's state, ``answer`` its result."""

    device: str
    place: int
    state: Taking
    told_ms: int = 0
    why: str = ""
    config_n: int = 0
    outcome: str = ""
    outcome_ms: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    online: bool = False
    offline_ms: int = 0
    heard_ms: int = 0
    reported: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kpi:
    """Of payments at tills with, and without, the new version since the stage began; and of announcements in time."""

    decided: int = 0
    paid: int = 0
    others_decided: int = 0
    others_paid: int = 0
    announced: int = 0
    heard: int = 0
    others_announced: int = 0
    others_heard: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What one look at a roll-out decided: its next self, and devices that moved, in one transaction. ``tell``: update,
    roll_back or commit is commanded to these devices; ``event`` is told to the merchant."""

    rollout: Rollout
    moved: tuple[tuple[str, Taking, str], ...] = ()
    tell: tuple[str, ...] = ()
    command: str = ""
    event: str = ""


class Rollouts(Protocol):
    """Atomic methods; each is one transaction."""

    async def add_rollout(self, rollout: Rollout, image: bytes) -> int:
        """The roll-out, its image, and its devices in an order drawn by lot; how many. Raises Conflict while another one
        of the same kind is under way for this type."""

    async def rollout(self, rollout_id: str) -> Rollout | None: ...
    async def rollouts(self, merchant: str, limit: int = 50) -> Sequence[Rollout]: ...
    async def members(self, rollout: Rollout) -> Sequence[Member]: ...
    async def rollouts_due(self, now_ms: int, lease_ms: int) -> Sequence[Rollout]:
        """Lease those that are under way; a lease ends by itself when its holder dies."""

    async def kpi(self, rollout: Rollout) -> Kpi: ...
    async def move_rollout(self, before: Rollout, move: Move, now_ms: int, commands: dict[str, str]) -> None:
        """``commands``: device -> id of its command. Raises Conflict when the roll-out is no longer as ``before``."""

    async def image(self, sha256: str) -> bytes | None: ...
