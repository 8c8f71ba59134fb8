"""What the API says of incidents, of channels' and banks' health, and of announced maintenance."""

from msgspec import Struct

from daozhang.client import words as say
from daozhang.client.causes import NextStep, Words


class Reach(Struct):
    """How far an incident reaches."""

    shops: int
    merchants: int
    payments: int
    amount: say.Fen


class Observation(Struct):
    """One thing that was observed. ``kind``: symptom (``count``), share, cause (``probability``, of so many payments), payment."""

    kind: str
    name: str
    count: int | None = None
    share: float | None = None
    probability: float | None = None
    payments: int | None = None


class IncidentUpdate(Struct):
    n: int
    at: say.Time | None
    by: str
    stage: say.IncidentStage
    says: Words


class Incident(Struct):
    """Many payments without information, one reason. ``says``: what we observe; ``probability`` is that of the party;
    ``yours``: the asking merchant's part."""

    id: str
    object: str
    livemode: bool
    stage: say.IncidentStage
    title: Words
    trouble: str
    place: str
    place_name: str
    party: str
    party_name: str | None
    cause: str
    probability: float
    share: float
    scope: Reach
    yours: Reach | None
    next_step: NextStep
    says: Words
    evidence: list[Observation]
    published: bool
    by: str
    onset_at: say.Time | None
    opened_at: say.Time | None
    identified_at: say.Time | None
    recovered_at: say.Time | None
    ended_at: say.Time | None
    updated_at: say.Time | None
    published_at: say.Time | None
    merged_into: str | None
    split_from: str | None
    updates: list[IncidentUpdate] | None = None


class IncidentPage(Struct):
    data: list[Incident]
    has_more: bool
    next_cursor: str | None


class Probe(Struct):
    """``place``: here, or the name of the place elsewhere."""

    at: say.Time | None
    place: str
    answered: bool
    took_ms: int
    code: str | None


class BankHealth(Struct):
    """Rates of the last five minutes; None where nothing was seen."""

    object: str
    name: str
    status: say.HealthStatus
    until: say.Time | None
    incident: str | None
    window_s: int
    payments: int
    success_rate: float | None
    technical_decline_rate: float | None
    business_decline_rate: float | None
    p95_ms: int | None


class ChannelHealth(BankHealth):
    words: Words
    last_probe: Probe | None = None


class ChannelHealthList(Struct):
    data: list[ChannelHealth]
    has_more: bool
    next_cursor: str | None


class BankHealthList(Struct):
    data: list[BankHealth]
    has_more: bool
    next_cursor: str | None


class Maintenance(Struct):
    """``source``: person, or notice: the channel's own words."""

    id: str
    object: str
    party: str
    name: str
    from_at: say.Time | None
    until_at: say.Time | None
    source: str
    by: str
    says: dict[str, str]
    holds_now: bool


class MaintenancePage(Struct):
    data: list[Maintenance]
    has_more: bool
    next_cursor: str | None
