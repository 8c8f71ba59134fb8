"""Incidents, maintenance and probes in PostgreSQL: few rows, each writer's step one transaction."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import asyncpg
import msgspec

from daozhang.core.changed import changed
from daozhang.core.directory import Page
from daozhang.core.faults import Conflict
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.incident import Incident, Maintenance, Owed, Probe, Scope, Stage, Step, Update
from daozhang.store.directory import page
from daozhang.store.fleet import bucket_of

_NAMES = tuple(field.name for field in fields(Incident))
_ONE = ", ".join(_NAMES)
_JSON = ("title", "texts", "evidence")
_WINDOW = ", ".join(field.name for field in fields(Maintenance))
_PROBE = ", ".join(field.name for field in fields(Probe))
_PLACES = ", ".join(f"${n}::text::jsonb" if name in _JSON else f"${n}" for n, name in enumerate(_NAMES, 1))
_INSERT = f"insert into incident ({_ONE}) values ({_PLACES}) on conflict (id) do nothing returning id"
_UPDATE = (
    f"update incident set ({_ONE}) = ({_PLACES}) where id = $1 and version = ${len(_NAMES) + 1} returning id"
)  # fmt: skip
_encode = msgspec.json.Encoder(enc_hook=str).encode


OPENED, UPDATED = "incident.opened", "incident.updated"


class PgIncidents:
    """Mixed into the store; needs its pools."""

    _pool: Any
    _together: Callable[..., Any]
    _row: Callable[..., Any]

    async def lead(self, who: str, lease_ms: int) -> bool:
        row = await self._row(
            "insert into watch_lead (who, until) values ($1, clock_timestamp() + $2 * interval '1 millisecond')"  # lease
            " on conflict (one) do update set who = excluded.who, until = excluded.until"
            " where watch_lead.who = excluded.who or watch_lead.until < clock_timestamp() returning who",  # lease
            who, lease_ms,
        )  # fmt: skip
        return row is not None

    async def write_incident(self, step: Step) -> Incident:
        before = step.incident.version
        after = changed(step.incident, version=before + 1)
        values = [_encode(value).decode() if name in _JSON else str(value) if name == "stage" else value
                  for name in _NAMES for value in [getattr(after, name)]]  # fmt: skip

        async def write(link: asyncpg.Connection) -> None:
            done = await (link.fetchval(_UPDATE, *values, before) if before else link.fetchval(_INSERT, *values))
            if done is None:
                raise Conflict("somebody else has moved the incident")
            if step.hits:
                await _join(link, step)
            await _owe(link, step)
            if step.says:
                await link.execute(
                    "insert into incident_update (incident, n, at_ms, by, stage, says)"
                    " select $1, coalesce(max(n), 0) + 1, $2, $3, $4, $5::text::jsonb from incident_update where incident = $1",
                    after.id, after.updated_ms, step.by, after.stage.value, _encode(step.says).decode(),
                )  # fmt: skip
            if after.stage is Stage.MERGED:
                await link.execute("update incident_payment set incident = $2 where incident = $1", after.id, after.merged_into)
            if after.published_ms and (step.event or step.hits):
                await _tell(link, after, step)

        await self._together(write)
        return after

    async def incident(self, incident_id: str) -> Incident | None:
        row = await self._pool.fetchrow(f"select {_ONE} from incident where id = $1", incident_id)
        return _incident_of(row) if row else None

    async def open_incidents(self) -> list[Incident]:
        rows = await self._pool.fetch(f"select {_ONE} from incident where stage not in ('resolved', 'merged') order by opened_ms")
        return [_incident_of(row) for row in rows]

    async def incidents(
        self, *, merchant: str = "", drafts: bool = False, stage: str = "", livemode: bool | None = None, cursor: str = "", limit: int = 50
    ) -> Page:
        rows = await self._pool.fetch(
            f"select {_ONE} from incident i where ($1 = '' or i.id < $1) and ($2 = '' or i.stage = $2) and ($3 or i.published_ms > 0)"
            " and ($4::boolean is null or i.livemode = $4) and ($5 = '' or i.place in ('channel', 'bank', 'all')"
            "   or exists (select 1 from incident_payment p where p.incident = i.id and p.merchant = $5))"
            " order by i.id desc limit $6",
            cursor, stage, drafts, livemode, merchant, limit + 1,
        )  # fmt: skip
        return page([_incident_of(row) for row in rows], limit)

    async def updates_of(self, incident_id: str) -> list[Update]:
        rows = await self._pool.fetch(
            "select incident, n, at_ms, by, stage, says from incident_update where incident = $1 order by n", incident_id
        )
        return [Update(**{**row, "stage": Stage(row["stage"]), "says": msgspec.json.decode(row["says"])}) for row in rows]

    async def hits_of(self, incident_id: str, merchant: str = "") -> Scope:
        row = await self._pool.fetchrow(
            "select count(*) as payments, coalesce(sum(amount_fen), 0)::bigint as amount_fen, count(distinct merchant) as merchants,"
            " coalesce(array_agg(distinct shop), '{}') as shops from incident_payment where incident = $1 and ($2 = '' or merchant = $2)",
            incident_id, merchant,
        )  # fmt: skip
        return Scope(row["payments"], row["amount_fen"], row["merchants"], tuple(row["shops"]))

    async def incident_of(self, payment_id: str) -> str:
        found = await self._pool.fetchval(
            "select p.incident from incident_payment p join incident i on i.id = p.incident and i.published_ms > 0"
            " where p.bucket = $1 and p.payment = $2",
            bucket_of(payment_id), payment_id,
        )  # fmt: skip
        return str(found or "")

    # -- alerts --------------------------------------------------------------------------------------------------------------

    async def owed_alerts(self, now_ms: int, lease_ms: int, most: int) -> list[Owed]:
        rows = await self._pool.fetch(
            "with w as materialized (select target, incident from alert_owed where due_ms <= $1"
            "  order by due_ms limit $3 for update skip locked)"
            " update alert_owed o set due_ms = $2 from w where o.target = w.target and o.incident = w.incident"
            " returning o.target, o.incident, o.alert, o.said, o.tries",
            now_ms, now_ms + lease_ms, most,
        )  # fmt: skip
        return [Owed(**{**row, "said": msgspec.json.decode(row["said"])}) for row in rows]

    async def alert_tried(self, owed: Owed, again_ms: int) -> None:
        row = (owed.target, owed.incident, owed.alert)
        if again_ms:
            await self._pool.execute(
                "update alert_owed set tries = $4, due_ms = $5 where target = $1 and incident = $2 and alert = $3", *row, owed.tries + 1, again_ms
            )
        else:
            await self._pool.execute("delete from alert_owed where target = $1 and incident = $2 and alert = $3", *row)

    # -- maintenance and probes ----------------------------------------------------------------------------------------------

    async def add_window(self, window: Maintenance) -> None:
        """A notice that is heard again lasts longer."""
        await self._pool.execute(
            f"insert into maintenance ({_WINDOW}) values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10)"
            " on conflict (id) do update set until_ms = greatest(maintenance.until_ms, excluded.until_ms) where maintenance.source = 'notice'",
            window.id, window.party, window.name, window.from_ms, window.until_ms, window.source, window.by,
            _encode(window.says).decode(), window.created_ms, window.removed_ms,
        )  # fmt: skip

    async def windows(self, from_ms: int, to_ms: int) -> list[Maintenance]:
        rows = await self._pool.fetch(
            f"select {_WINDOW} from maintenance where removed_ms = 0 and until_ms > $1 and from_ms < $2 order by from_ms, id limit 500",
            from_ms, to_ms,
        )  # fmt: skip
        return [Maintenance(**{**row, "says": msgspec.json.decode(row["says"])}) for row in rows]

    async def remove_window(self, window_id: str, now_ms: int) -> bool:
        row = await self._row("update maintenance set removed_ms = $2 where id = $1 and removed_ms = 0 returning id", window_id, now_ms)
        return row is not None

    async def probed(self, probe: Probe) -> None:
        await self._pool.execute(
            f"insert into channel_probe ({_PROBE}) values ($1, $2, $3, $4, $5, $6) on conflict (channel, place) do update"
            " set at_ms = excluded.at_ms, answered = excluded.answered, took_ms = excluded.took_ms, code = excluded.code"
            " where channel_probe.at_ms <= excluded.at_ms",
            probe.channel, probe.place, probe.at_ms, probe.answered, probe.took_ms, probe.code,
        )  # fmt: skip

    async def probes(self) -> list[Probe]:
        rows = await self._pool.fetch(f"select {_PROBE} from channel_probe order by channel, place")
        return [Probe(**row) for row in rows]

    async def tills_about(self, most: int = 100_000) -> dict[str, tuple[str, str, str]]:
        """Till -> software, carrier and region, as its devices told them."""
        rows = await self._pool.fetch(
            "select d.till, coalesce(max(s.reported ->> 'software'), '') as software, coalesce(max(s.reported ->> 'carrier'), '') as carrier,"
            " coalesce(max(s.reported ->> 'place'), '') as region"
            " from device d join device_state s on s.bucket = d.bucket and s.device = d.id"
            " where d.standing = 'active' and d.till <> '' and s.reported ?| array['software', 'carrier', 'place']"
            " group by d.till limit $1",
            most,
        )  # fmt: skip
        return {row["till"]: (row["software"], row["carrier"], row["region"]) for row in rows}


async def _owe(link: asyncpg.Connection, step: Step) -> None:
    """Newer news takes the place of older."""
    for one in step.alerts:
        await link.execute(
            "insert into alert_owed (target, incident, alert, said, tries, due_ms) values ($1, $2, $3, $4::text::jsonb, 0, $5)"
            " on conflict (target, incident) do update set alert = excluded.alert, said = excluded.said, tries = 0, due_ms = excluded.due_ms",
            one.target, one.incident, one.alert, _encode(one.said).decode(), step.incident.updated_ms,
        )  # fmt: skip


async def _join(link: asyncpg.Connection, step: Step) -> None:
    """Payments of an incident that is over may join another; those of an open one stay where they are."""
    hits = step.hits
    await link.execute(
        "insert into incident_payment (bucket, payment, incident, merchant, shop, amount_fen)"
        " select w.bucket, w.payment, $1, w.merchant, w.shop, w.amount_fen"
        " from unnest($2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[]) as w (bucket, payment, merchant, shop, amount_fen)"
        " on conflict (bucket, payment) do update set incident = excluded.incident",
        step.incident.id, [one.bucket for one in hits], [one.payment for one in hits], [one.merchant for one in hits],
        [one.shop for one in hits], [one.amount_fen for one in hits],
    )  # fmt: skip


async def _tell(link: asyncpg.Connection, incident: Incident, step: Step) -> None:
    """One event for each merchant that it concerns: the whole story for those who are new, the news for the others."""
    data = {
        "incident": incident.id, "stage": incident.stage.value, "title": incident.title, "party": incident.party,
        "party_name": incident.party_name, "place": incident.place, "place_name": incident.place_name, "says": step.says or incident.title,
        "next_step": incident.texts, "merged_into": incident.merged_into or None,
    }  # fmt: skip
    known = {hit.merchant for hit in step.hits}
    if step.event:  # news for all of them, not only for those who join
        owner = incident.merged_into or incident.id
        known |= {row["merchant"] for row in await link.fetch("select distinct merchant from incident_payment where incident = $1", owner)}
    buckets = sorted({bucket_of_merchant(one) for one in known})
    told = {row["merchant"] for row in await link.fetch(
        "select merchant from event where bucket = any($2::smallint[]) and subject = $1 and type = $3", incident.id, buckets, OPENED)}  # fmt: skip
    news = UPDATED if step.event == OPENED else step.event
    lines = [(one, kind) for one in sorted(known) if (kind := news if one in told else OPENED if incident.open else "")]
    await link.execute(
        "insert into event (bucket, merchant, type, subject, at_ms, data)"
        " select w.bucket, w.merchant, w.type, $1, $2, $3::text::jsonb from unnest($4::smallint[], $5::text[], $6::text[])"
        " as w (bucket, merchant, type)",
        incident.id, incident.updated_ms, _encode(data).decode(), [bucket_of_merchant(one) for one, _ in lines],
        [one for one, _ in lines], [kind for _, kind in lines],
    )  # fmt: skip


def _incident_of(row: Any) -> Incident:
    values = dict(row)
    values |= {name: msgspec.json.decode(values[name]) for name in _JSON}
    return Incident(**{**values, "stage": Stage(values["stage"])})
