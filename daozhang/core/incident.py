"""The states of an incident, who may follow whom, and the record of one: many payments without information, one reason.

This file owns the table. The database's check is held equal to it by a test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from daozhang.core.changed import changed
from daozhang.core.directory import Page
from daozhang.core.must import must


class Stage(StrEnum):
    """``investigating``: something is wrong there; ``identified``: and whose it is; ``monitoring``: it seems to be over;
    ``merged``: it was a part of another."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    MERGED = "merged"


_S = Stage
# A recovery may have been too early, and what was identified may turn out to be a part of something larger.
STAGE_NEXT: dict[Stage, frozenset[Stage]] = {
    _S.INVESTIGATING: frozenset({_S.IDENTIFIED, _S.MONITORING, _S.RESOLVED, _S.MERGED}),
    _S.IDENTIFIED: frozenset({_S.INVESTIGATING, _S.MONITORING, _S.RESOLVED, _S.MERGED}),
    _S.MONITORING: frozenset({_S.INVESTIGATING, _S.IDENTIFIED, _S.RESOLVED, _S.MERGED}),
    _S.RESOLVED: frozenset(),
    _S.MERGED: frozenset(),
}

ENDED = frozenset({_S.RESOLVED, _S.MERGED})
PLACES = ("till", "shop", "merchant", "software", "carrier", "region", "bank", "channel", "all")
Texts = Mapping[str, Mapping[str, str]]  # person -> language -> words


@dataclass(frozen=True)
class Incident:
    """One incident. Amounts in fen, times in milliseconds of UTC (0: not yet).

    ``place`` and ``place_name``: the smallest place that explains it (`PLACES`); ``trouble``: what is seen there.
    ``party`` is the family, ``party_name`` the instance, ``probability`` that of the party. ``published_ms`` 0: a draft, for
    operators only. ``evidence``: what was observed, in both languages. ``version`` counts writers, as in a payment.
    """

    id: str
    livemode: bool
    trouble: str
    place: str
    place_name: str
    onset_ms: int
    opened_ms: int
    by: str = "rule"

    stage: Stage = Stage.INVESTIGATING
    version: int = 0
    party: str = "unknown"
    party_name: str = ""
    cause: str = "unknown.unknown"
    probability: float = 0.0
    shops: int = 0
    merchants: int = 0
    payments: int = 0
    amount_fen: int = 0
    share: float = 0.0
    identified_ms: int = 0
    recovered_ms: int = 0  # since when it is well again, as far as we observe
    ended_ms: int = 0
    updated_ms: int = 0
    published_ms: int = 0
    published_by: str = ""
    merged_into: str = ""
    split_from: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    texts: Texts = field(default_factory=dict)
    evidence: Sequence[Mapping[str, Any]] = ()

    def to(self, stage: Stage, **changes: Any) -> "Incident":
        """The same incident in another stage; Broken when the table does not allow the step."""
        must(stage is self.stage or stage in STAGE_NEXT[self.stage], f"{self.stage} is never followed by {stage}")
        return changed(self, stage=stage, **changes)

    @property
    def open(self) -> bool:
        return self.stage not in ENDED


@dataclass(frozen=True, slots=True)
class Update:
    """One line of an incident's story. ``says``: what we observe, in both languages."""

    incident: str
    n: int
    at_ms: int
    by: str
    stage: Stage
    says: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A payment that an incident concerns."""

    payment: str
    bucket: int
    merchant: str
    shop: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Owed:
    """An alert that an addressee has not taken yet. ``target``: its place in the file of addressees; ``alert``: the same for
    every repeat; ``tries``: how often it was tried before."""

    target: str
    incident: str
    alert: str
    said: Mapping[str, Any]
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one writer does to an incident, in one transaction: its new snapshot, the payments that joined, a line for its
    story, the event that its merchants hear when it is published (empty: none), and who is to be alerted."""

    incident: Incident
    hits: tuple[Hit, ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)
    by: str = "rule"
    event: str = ""
    alerts: tuple[Owed, ...] = ()

    def alerted(self, owes: "Owes") -> "Step":
        """With what is owed of its news, under the version that is stored with it."""
        told = replace(self, incident=changed(self.incident, version=self.incident.version + 1))
        return replace(self, alerts=owes(told) if self.event else ())


Owes = Callable[[Step], tuple[Owed, ...]]


def nobody(_step: Step) -> tuple[Owed, ...]:
    """No alerts are wanted."""
    return ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """An announced window of maintenance. ``party``: platform (``name`` a channel) or bank. ``source``: person, or notice: the
    channel's own words."""

    id: str
    party: str
    name: str
    from_ms: int
    until_ms: int
    source: str
    by: str
    says: Mapping[str, str]
    created_ms: int
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """The last probe of a channel. ``place``: here, or the name of the place elsewhere from which it was made."""

    channel: str
    place: str
    at_ms: int
    answered: bool
    took_ms: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """How far an incident reaches, counted from its payments."""

    payments: int = 0
    amount_fen: int = 0
    merchants: int = 0
    shops: tuple[str, ...] = ()


class Incidents(Protocol):
    """What the store keeps of incidents, maintenance and probes; every method is one transaction."""

    async def lead(self, who: str, lease_ms: int) -> bool:
        """Whether this process watches for all: one at a time, by a lease of the database's clock."""

    async def write_incident(self, step: Step) -> Incident:
        """Raises Conflict when another version is stored. Payments that belong to another open incident stay there."""

    async def incident(self, incident_id: str) -> Incident | None: ...
    async def open_incidents(self) -> list[Incident]: ...
    async def incidents(
        self, *, merchant: str = "", drafts: bool = False, stage: str = "", livemode: bool | None = None, cursor: str = "", limit: int = 50
    ) -> Page:
        """A page, newest first. ``merchant``: only those that concern it. ``drafts``: unpublished ones too."""

    async def updates_of(self, incident_id: str) -> list[Update]: ...
    async def hits_of(self, incident_id: str, merchant: str = "") -> Scope: ...
    async def incident_of(self, payment_id: str) -> str:
        """The published incident that concerns a payment; empty: none."""

    async def owed_alerts(self, now_ms: int, lease_ms: int, most: int) -> list[Owed]:
        """Those that are due; nobody else gets them for ``lease_ms``."""

    async def alert_tried(self, owed: Owed, again_ms: int) -> None:
        """``again_ms`` 0: it was taken, or is given up. Nothing happens where there is newer news."""

    async def add_window(self, window: Maintenance) -> None:
        """A notice that is heard again lasts longer."""

    async def windows(self, from_ms: int, to_ms: int) -> list[Maintenance]:
        """Those that touch this span, earliest first; removed ones are not told."""

    async def remove_window(self, window_id: str, now_ms: int) -> bool: ...
    async def probed(self, probe: Probe) -> None: ...
    async def probes(self) -> list[Probe]: ...
    async def tills_about(self, most: int = 100_000) -> dict[str, tuple[str, str, str]]:
        """Till -> software, carrier and region, as its devices told them."""
