"""Incidents as people touch them: opened, told on, published and closed by hand; and how they are shown."""

from collections.abc import Callable
from typing import Any

from daozhang.core.changed import changed
from daozhang.core.faults import Conflict, Fault
from daozhang.core.incident import ENDED, STAGE_NEXT, Incident, Incidents, Owes, Scope, Stage, Step, Update, nobody
from daozhang.core.texts import rfc3339
from daozhang.flow.house import House
from daozhang.watch import texts

_TRIES = 5
Says = dict[str, str]
_TAKEN_ON: Says = {"zh": "已有人接手处理", "en": "Somebody is looking after it now"}


class Ended(Fault):
    """The incident is over: a new one has to be opened."""


class NoSuchStep(Fault):
    """From here it cannot go there."""


def names_of(house: House) -> texts.Names:
    return {channel.name: channel.manifest["words"] for channel in house.shelf}


def opened(house: House, incident: Incident, says: Says | None, who: str, publish: bool) -> Step:
    """A person has seen something before any rule did."""
    now = house.clock.now_ms()
    one = changed(incident, updated_ms=now, published_ms=now if publish else 0, published_by=who if publish else "")
    one = _worded(house, one)
    return Step(one, (), says or texts.observed(one, names_of(house)), who, "incident.opened")


def _worded(house: House, one: Incident) -> Incident:
    return changed(one, title=texts.title(one, names_of(house)), texts=texts.people(one))


def told_on(house: House, one: Incident, says: Says | None, stage: Stage | None, who: str) -> Step:
    """A line for its story, and perhaps another stage. Raises Ended and NoSuchStep."""
    _must_be_open(one)
    to, now = stage or one.stage, house.clock.now_ms()
    if to is not one.stage and (to not in STAGE_NEXT[one.stage] or to is Stage.MERGED):
        raise NoSuchStep(f"{one.stage.value} -> {to.value}")
    times: dict[str, Any] = {"updated_ms": now}
    if to is Stage.IDENTIFIED:
        times["identified_ms"] = one.identified_ms or now
    if to is Stage.MONITORING:
        times["recovered_ms"] = one.recovered_ms or now
    if to in ENDED:
        times["ended_ms"] = now
    after = _worded(house, one.to(to, **times))
    event = "incident.resolved" if to in ENDED else "incident.updated"
    return Step(after, (), says or texts.observed(after, names_of(house)), who, event)


def acknowledged(house: House, one: Incident, says: Says | None, who: str) -> Step:
    """A person looks after it from now on; its stage stays. Raises Ended."""
    return told_on(house, one, says or _TAKEN_ON, None, who)


def published(house: House, one: Incident, who: str) -> Step:
    """From now on those whom it concerns see it. Raises Ended."""
    _must_be_open(one)
    now = house.clock.now_ms()
    after = one if one.published_ms else changed(one, published_ms=now, published_by=who, updated_ms=now)
    return Step(_worded(house, after), (), {} if one.published_ms else texts.observed(after, names_of(house)), who,
                "" if one.published_ms else "incident.opened")  # fmt: skip


def _must_be_open(one: Incident) -> None:
    if one.stage in ENDED:
        raise Ended(one.id)


async def turn(books: Incidents, incident_id: str, how: Callable[[Incident], Step], alert: Owes = nobody) -> Incident | None:
    """Over the newest version, however often the rule is faster; who is owed an alert is written down with it. None: there is
    no such incident."""
    for _ in range(_TRIES):
        one = await books.incident(incident_id)
        if one is None:
            return None
        try:
            return await books.write_incident(how(one).alerted(alert))
        except Conflict:
            continue
    raise Conflict("the incident keeps moving")


def picture(house: House, one: Incident, *, operator: bool, scope: Scope | None = None, updates: list[Update] | None = None) -> dict[str, Any]:
    """An incident as the API shows it. ``scope``: a merchant's own part of it."""
    own = {"shops": len(scope.shops), "merchants": scope.merchants, "payments": scope.payments, "amount": scope.amount_fen} if scope else None
    told: dict[str, Any] = {
        "id": one.id, "object": "incident", "livemode": one.livemode, "stage": one.stage.value, "title": one.title,
        "trouble": one.trouble, "place": one.place, "place_name": one.place_name, "party": one.party, "party_name": one.party_name or None,
        "cause": one.cause, "probability": one.probability, "share": one.share, "next_step": one.texts,
        "scope": {"shops": one.shops, "merchants": one.merchants, "payments": one.payments, "amount": one.amount_fen}, "yours": own,
        "says": texts.observed(one, names_of(house)),
        "evidence": list(one.evidence) if operator else [], "published": bool(one.published_ms), "by": one.by,
        "onset_at": rfc3339(one.onset_ms), "opened_at": rfc3339(one.opened_ms), "identified_at": rfc3339(one.identified_ms),
        "recovered_at": rfc3339(one.recovered_ms), "ended_at": rfc3339(one.ended_ms), "updated_at": rfc3339(one.updated_ms),
        "published_at": rfc3339(one.published_ms), "merged_into": one.merged_into or None, "split_from": one.split_from or None,
    }  # fmt: skip
    if updates is not None:
        told["updates"] = [{"n": line.n, "at": rfc3339(line.at_ms), "by": line.by if operator else "daozhang", "stage": line.stage.value,
                            "says": line.says} for line in updates]  # fmt: skip
    return told
