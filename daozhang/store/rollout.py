"""Roll-outs in PostgreSQL: a look at one is a read, and what it decided is one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg
import msgspec

from daozhang.core.faults import Conflict
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.rollout import COMMAND_LIVES_MS, Kpi, Member, Move, Rolling, Rollout, Rules, Taking
from daozhang.store.fleet import bucket_of

_ONE = (
    "id, bucket, merchant, type, kind, version, manifest, sha256, url, desired, rules, by, created_ms, state, stage,"
    " stage_ms, why, ended_ms"
)
_encode = msgspec.json.Encoder(enc_hook=str).encode

_MEMBERS = """
select m.device, m.place, m.state, m.told_ms, m.why, m.config_n, coalesce(c.state, '') as outcome,
    coalesce(c.done_ms, 0) as outcome_ms, coalesce(c.result, '{}') as answer, coalesce(s.online, false) as online,
    coalesce(s.offline_ms, 0) as offline_ms, coalesce(s.heard_ms, 0) as heard_ms, coalesce(s.reported, '{}') as reported
from rollout_device m
left join device_command c on c.bucket = m.bucket and c.id = m.command
left join device_state s on s.bucket = m.bucket and s.device = m.device
where m.bucket = $1 and m.rollout = $2 order by m.place
"""
# Payments by the till's side, announcements by the speaker's, from the time at which the stage began.
_KPI = """
with member as (
    select m.device, d.till, m.state in ('told', 'well', 'bad') as new
    from rollout_device m join device d on d.bucket = m.bucket and d.id = m.device
    where m.bucket = $1 and m.rollout = $2
), till as (select till, bool_or(new) as new from member group by till),
paid as (
    select t.new, count(*) as decided, count(*) filter (where p.state in ('paid', 'partly_refunded', 'refunded')) as paid
    from till t join payment p on p.bucket = $1 and p.till = t.till
    where p.created_ms >= $3
        and p.state in ('paid', 'partly_refunded', 'refunded', 'not_paid', 'closed', 'reversed', 'deferred')
    group by t.new
), told as (
    select m.new, count(*) as announced, count(*) filter (where a.alarmed_ms = 0) as heard
    from member m join announcement a on a.bucket = $1 and a.device = m.device
    where a.at_ms >= $3 and (a.played_ms > 0 or a.alarmed_ms > 0) group by m.new
)
select side.new, coalesce(p.decided, 0) as decided, coalesce(p.paid, 0) as paid, coalesce(a.announced, 0) as announced,
    coalesce(a.heard, 0) as heard
from (values (true), (false)) as side (new)
left join paid p on p.new = side.new left join told a on a.new = side.new
"""


class PgRollouts:
    """Mixed into the store; needs its pools."""

    _pool: Any
    _together: Callable[..., Any]

    async def add_rollout(self, rollout: Rollout, image: bytes) -> int:
        async def write(link: asyncpg.Connection) -> int:
            if image:
                await link.execute(
                    "insert into rollout_image (sha256, created_ms, image) values ($1, $2, $3) on conflict do nothing",
                    rollout.sha256, rollout.created_ms, image,
                )  # fmt: skip
            await link.execute(
                f"insert into rollout ({_ONE}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb,"
                " $11::text::jsonb, $12, $13, $14, $15, $16, $17, $18)",
                rollout.id, rollout.bucket, rollout.merchant, rollout.type, rollout.kind, rollout.version,
                rollout.manifest, rollout.sha256, rollout.url, _encode(rollout.desired).decode(),
                _encode(asdict(rollout.rules)).decode(), rollout.by, rollout.created_ms, rollout.state.value,
                rollout.stage, rollout.stage_ms, rollout.why, rollout.ended_ms,
            )  # fmt: skip
            rows = await link.fetch(
                "insert into rollout_device (bucket, rollout, device, place, state)"
                " select bucket, $2, id, row_number() over (order by md5($2 || id)), 'waiting' from device"
                " where bucket = $1 and merchant = $3 and type = $4 and standing = 'active' returning 1",
                rollout.bucket, rollout.id, rollout.merchant, rollout.type,
            )  # fmt: skip
            await _event(link, rollout, "rollout.started", rollout.created_ms)
            return len(rows)

        made: int = await self._together(write)
        return made

    async def rollout(self, rollout_id: str) -> Rollout | None:
        row = await self._pool.fetchrow(
            f"select {_ONE} from rollout where bucket = $1 and id = $2", bucket_of(rollout_id), rollout_id
        )
        return _rollout_of(row) if row else None

    async def rollouts(self, merchant: str, limit: int = 50) -> Sequence[Rollout]:
        rows = await self._pool.fetch(
            f"select {_ONE} from rollout where bucket = $1 and merchant = $2 order by id desc limit $3",
            bucket_of_merchant(merchant), merchant, limit,
        )  # fmt: skip
        return [_rollout_of(row) for row in rows]

    async def members(self, rollout: Rollout) -> Sequence[Member]:
        rows = await self._pool.fetch(_MEMBERS, rollout.bucket, rollout.id)
        return [_member_of(row) for row in rows]

    async def rollouts_due(self, now_ms: int, lease_ms: int) -> Sequence[Rollout]:
        rows = await self._pool.fetch(
            "update rollout set lease_ms = $2 where (bucket, id) in (select bucket, id from rollout"
            "   where state in ('rolling', 'turning_back') and lease_ms <= $1 order by lease_ms limit 20"
            f"   for update skip locked) returning {_ONE}",
            now_ms, now_ms + lease_ms,
        )  # fmt: skip
        return [_rollout_of(row) for row in rows]

    async def kpi(self, rollout: Rollout) -> Kpi:
        """Of this stage, and of what has an end."""
        rows = await self._pool.fetch(_KPI, rollout.bucket, rollout.id, rollout.stage_ms)
        new, old = sorted(rows, key=lambda row: not row["new"])
        return Kpi(new["decided"], new["paid"], old["decided"], old["paid"],
                   new["announced"], new["heard"], old["announced"], old["heard"])  # fmt: skip

    async def move_rollout(self, before: Rollout, move: Move, now_ms: int, commands: dict[str, str]) -> None:
        after = move.rollout

        async def write(link: asyncpg.Connection) -> None:
            done = await link.fetchval(
                "update rollout set state = $3, stage = $4, stage_ms = $5, why = $6, ended_ms = $7, lease_ms = 0"
                " where bucket = $1 and id = $2 and state = $8 and stage = $9 returning id",
                after.bucket, after.id, after.state.value, after.stage, after.stage_ms, after.why, after.ended_ms,
                before.state.value, before.stage,
            )  # fmt: skip
            if done is None:
                raise Conflict("somebody else has moved it")
            await link.execute(
                "update rollout_device m set state = w.state, why = w.why, moved_ms = $3"
                " from unnest($4::text[], $5::text[], $6::text[]) as w (device, state, why)"
                " where m.bucket = $1 and m.rollout = $2 and m.device = w.device",
                after.bucket, after.id, now_ms, [one[0] for one in move.moved], [one[1].value for one in move.moved],
                [one[2] for one in move.moved],
            )  # fmt: skip
            if move.tell:
                await _tell(link, after, move, now_ms, commands)
            if move.event:
                await _event(link, after, move.event, now_ms)

        await self._together(write)

    async def image(self, sha256: str) -> bytes | None:
        found = await self._pool.fetchval("select image from rollout_image where sha256 = $1", sha256)
        return bytes(found) if found is not None else None


async def _tell(link: asyncpg.Connection, rollout: Rollout, move: Move, now_ms: int, commands: dict[str, str]) -> None:
    """The devices' orders: a command for an image, another wish for a configuration."""
    devices = list(move.tell)
    if move.command == "roll_back":
        # Who has not fetched the order to update never gets it.
        await link.execute(
            "update device_command c set state = 'expired', done_ms = $4 from rollout_device m"
            " where m.bucket = $1 and m.rollout = $2 and m.device = any($3::text[]) and c.bucket = $1"
            " and c.id = m.command and c.state = 'queued'",
            rollout.bucket, rollout.id, devices, now_ms,
        )  # fmt: skip
    if rollout.kind == "config":
        await _wish(link, rollout, devices, now_ms, back=move.command == "roll_back")
    else:
        args = {"version": rollout.version}
        if move.command == "update":
            args |= {"manifest": rollout.manifest, "sha256": rollout.sha256, "url": rollout.url}
        await link.execute(
            "with told as (update rollout_device m set command = w.command, told_ms = $3"
            "   from unnest($4::text[], $5::text[]) as w (device, command)"
            "   where m.bucket = $1 and m.rollout = $2 and m.device = w.device returning m.device, m.command)"
            " insert into device_command (bucket, id, merchant, device, command, args, by, created_ms, expires_ms, state)"
            " select $1, told.command, $6, told.device, $7, $8::text::jsonb, $9, $3, $10, 'queued' from told",
            rollout.bucket, rollout.id, now_ms, devices, [commands[one] for one in devices], rollout.merchant,
            move.command, _encode(args).decode(), f"rollout {rollout.id}", now_ms + COMMAND_LIVES_MS,
        )  # fmt: skip
    said = "changed" if rollout.kind == "config" else "due"
    for device in devices:
        await link.execute("select pg_notify('dz_device', $1)", f"{said} {device}")


async def _wish(link: asyncpg.Connection, rollout: Rollout, devices: list[str], now_ms: int, back: bool) -> None:
    """Merge the roll-out's members into what the devices shall be, or put back what stood there before."""
    if back:
        statement = (
            "with wished as (update device d set desired_n = d.desired_n + 1,"
            "   desired = (d.desired - array(select jsonb_object_keys($5::text::jsonb))) || m.before"
            "   from rollout_device m where m.bucket = $1 and m.rollout = $2 and m.device = d.id and d.bucket = $1"
            "   and d.id = any($4::text[]) returning d.id, d.desired_n)"
            " update rollout_device m set config_n = w.desired_n, told_ms = $3 from wished w"
            " where m.bucket = $1 and m.rollout = $2 and m.device = w.id"
        )
    else:
        statement = (
            "with was as (select d.id, (select coalesce(jsonb_object_agg(o.key, o.value), '{}')"
            "     from jsonb_each(d.desired) o where $5::text::jsonb ? o.key) as before"
            "   from device d where d.bucket = $1 and d.id = any($4::text[])),"
            " wished as (update device d set desired = d.desired || $5::text::jsonb, desired_n = d.desired_n + 1"
            "   where d.bucket = $1 and d.id = any($4::text[]) returning d.id, d.desired_n)"
            " update rollout_device m set config_n = w.desired_n, told_ms = $3, before = was.before"
            " from wished w join was on was.id = w.id where m.bucket = $1 and m.rollout = $2 and m.device = w.id"
        )
    await link.execute(statement, rollout.bucket, rollout.id, now_ms, devices, _encode(rollout.desired).decode())


async def _event(link: asyncpg.Connection, rollout: Rollout, kind: str, now_ms: int) -> None:
    data = {"rollout": rollout.id, "type": rollout.type, "version": rollout.version, "stage": rollout.stage, "why": rollout.why}
    await link.execute(
        "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, $3, $4, $5, $6::text::jsonb)",
        rollout.bucket, rollout.merchant, kind, rollout.id, now_ms, _encode(data).decode(),
    )  # fmt: skip


def _rollout_of(row: Any) -> Rollout:
    values = dict(row)
    rules = msgspec.json.decode(values["rules"])
    values |= {"rules": Rules(**{**rules, "stages": tuple(rules["stages"])}), "desired": msgspec.json.decode(values["desired"])}
    return Rollout(**{**values, "state": Rolling(values["state"])})


def _member_of(row: Any) -> Member:
    values = dict(row)
    values |= {name: msgspec.json.decode(values[name]) for name in ("answer", "reported")}
    return Member(**{**values, "state": Taking(values["state"])})
