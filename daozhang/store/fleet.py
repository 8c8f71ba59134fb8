"""Devices in PostgreSQL: who they are, what is known of them, what they shall do."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg
import msgspec

from daozhang.core.faults import Conflict, Unavailable
from daozhang.core.fleet import Beat, Command, Device, DeviceState, Fact, Login, Standing
from daozhang.core.ids import BUCKETS, bucket_of_merchant, bucket_of_ulid, is_ulid
from daozhang.core.texts import kept
from daozhang.store.batch import AWAY, BAD_VALUE
from daozhang.store.seal import Seal

_DEVICE = (
    "bucket, id, merchant, shop as store, till, type, serial, name, speaks, standing, created_ms, enrolled_ms,"
    " secret_sha256, old_sha256, old_until_ms, sealed, desired, desired_n"
)
_STATE = "device, session, online, gateway, online_ms, offline_ms, offline_why, heard_ms, kinds, reported"
_COMMAND = (
    "id, bucket, merchant, device, command, args, by, created_ms, expires_ms, state, delivered_ms, done_ms, result"
)
_encode = msgspec.json.Encoder(enc_hook=str).encode


def _json(value: Any) -> str:
    return _encode(kept(value)).decode()


def _own_bucket(text: str) -> int:
    return zlib.crc32(text.encode()) % BUCKETS


def bucket_of(ident: str) -> int | None:
    """The bucket inside one of our ids; None for a text that is none."""
    tail = ident.partition("_")[2]
    return bucket_of_ulid(tail) if is_ulid(tail) else None


class PgFleet:
    """Mixed into the store; needs its pools and seal."""

    _pool: Any
    _real_pool: asyncpg.Pool
    _seal: Seal

    # -- who they are --------------------------------------------------------------------------------------------------

    async def add_device(self, device: Device, code_sha256: str, code_until_ms: int) -> None:
        async def write(link: asyncpg.Connection) -> None:
            holder = await link.fetchrow(
                "insert into device_serial (bucket, serial, merchant, device) values ($1, $2, $3, $4)"
                " on conflict (bucket, serial) do update set serial = excluded.serial returning merchant, device",
                _own_bucket(device.serial), device.serial, device.merchant, device.id,
            )  # fmt: skip
            if holder["device"] != device.id:
                raise Conflict("this serial is at work already; retire the device that has it first")
            await link.execute(
                "insert into device (bucket, id, merchant, shop, till, type, serial, name, speaks, standing, created_ms,"
                " enrolled_ms, secret_sha256, old_sha256, old_until_ms, sealed, desired, desired_n) values"
                " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', '', 0, '', $12::text::jsonb, 1)",
                device.bucket, device.id, device.merchant, device.store, device.till, device.type, device.serial,
                device.name, device.speaks, device.standing.value, device.created_ms, _json(device.desired),
            )  # fmt: skip
            await _add_code(link, device.id, code_sha256, code_until_ms)

        await self._together(write)

    async def new_code(self, device: Device, code_sha256: str, code_until_ms: int) -> None:
        """Another one-time code for a device that has to enrol again."""
        await self._together(lambda link: _add_code(link, device.id, code_sha256, code_until_ms))

    async def enrol(
        self, code_sha256: str, serial: str, secret_sha256: str, sealed: Callable[[str], bytes], now_ms: int
    ) -> str | None:
        async def write(link: asyncpg.Connection) -> str | None:
            code = await link.fetchrow(
                "select device from device_code where bucket = $1 and sha256 = $2 and used_ms = 0 and until_ms > $3"
                " for update",
                _own_bucket(code_sha256), code_sha256, now_ms,
            )  # fmt: skip
            if code is None:
                return None
            device = code["device"]
            done = await link.fetchval(
                "update device set secret_sha256 = $3, old_sha256 = '', old_until_ms = 0, sealed = $4, standing = 'active',"
                " enrolled_ms = $5 where bucket = $1 and id = $2 and serial = $6 and standing <> 'revoked' returning id",
                bucket_of(device), device, secret_sha256, sealed(device), now_ms, serial,
            )  # fmt: skip
            if done is None:
                return None
            await link.execute(
                "update device_code set used_ms = $3 where bucket = $1 and sha256 = $2",
                _own_bucket(code_sha256), code_sha256, now_ms,
            )  # fmt: skip
            await link.execute("select pg_notify('dz_device', $1)", f"changed {device}")
            return str(device)

        done: str | None = await self._together(write)
        return done

    async def device(self, device_id: str) -> Device | None:
        row = await self._pool.fetchrow(
            f"select {_DEVICE} from device where bucket = $1 and id = $2", bucket_of(device_id), device_id
        )
        return self._device_of(row) if row else None

    async def devices(self, merchant: str, cursor: str = "", limit: int = 50, serial: str = "") -> Sequence[Device]:
        """A merchant's devices, newest first."""
        rows = await self._pool.fetch(
            f"select {_DEVICE} from device where bucket = $1 and merchant = $2 and ($3 = '' or id < $3)"
            " and ($5 = '' or serial = $5) order by id desc limit $4",
            bucket_of_merchant(merchant), merchant, cursor, limit, serial,
        )  # fmt: skip
        return [self._device_of(row) for row in rows]

    async def devices_at(self, merchant: str, store: str) -> Sequence[Device]:
        rows = await self._pool.fetch(
            f"select {_DEVICE} from device where bucket = $1 and merchant = $2 and shop = $3 order by id desc limit 200",
            bucket_of_merchant(merchant), merchant, store,
        )  # fmt: skip
        return [self._device_of(row) for row in rows]

    async def change_device(self, device: Device, sealed: bytes | None = None) -> None:
        async def write(link: asyncpg.Connection) -> None:
            await link.execute(
                "update device set name = $3, shop = $4, till = $5, standing = $6, secret_sha256 = $7, old_sha256 = $8,"
                " old_until_ms = $9, sealed = coalesce($10, sealed), desired = $11::text::jsonb, desired_n = $12"
                " where bucket = $1 and id = $2",
                device.bucket, device.id, device.name, device.store, device.till, device.standing.value,
                device.secret_sha256, device.old_sha256, device.old_until_ms, sealed, _json(device.desired), device.desired_n,
            )  # fmt: skip
            if device.standing is Standing.REVOKED:
                await link.execute(
                    "delete from device_serial where bucket = $1 and serial = $2 and device = $3",
                    _own_bucket(device.serial), device.serial, device.id,
                )  # fmt: skip
            await link.execute("select pg_notify('dz_device', $1)", f"changed {device.id}")

        await self._together(write)

    def _device_of(self, row: Any) -> Device:
        values = dict(row)
        sealed = bytes(values.pop("sealed"))
        values["standing"] = Standing(values["standing"])
        values["desired"] = msgspec.json.decode(values["desired"])
        return Device(**values, keys=self._seal.open(values["id"], sealed) if sealed else {})

    # -- what is known of them -----------------------------------------------------------------------------------------

    async def device_states(self, devices: Sequence[Device]) -> dict[str, DeviceState]:
        rows = await self._pool.fetch(
            f"select {_STATE} from device_state where (bucket, device) in"
            " (select w.bucket, w.device from unnest($1::smallint[], $2::text[]) as w (bucket, device))",
            [device.bucket for device in devices], [device.id for device in devices],
        )  # fmt: skip
        return {row["device"]: _state_of(row) for row in rows}

    async def log_in(self, device: Device, gateway: str, now_ms: int, clean: bool) -> Login:
        """Sessions are numbered from the seconds of the clock, so that they go on growing when this table is lost."""
        row = await self._row(
            "with old as (select session, online, gateway, kinds from device_state where bucket = $1 and device = $2),"
            " told as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            "   select $1, $5, 'device.online', $2, $4, jsonb_build_object('device', $2::text)"
            "   where not coalesce((select online from old), false)),"
            " fact as (insert into device_fact (bucket, device, merchant, at_ms, kind, detail)"
            "   values ($1, $2, $5, $4, 'online', '{}')),"
            " new as (insert into device_state (bucket, device, session, online, gateway, online_ms, offline_ms, offline_why,"
            "   heard_ms, kinds, reported) values ($1, $2, $4::bigint / 1000, true, $3, $4, 0, '', $4, '{}', '{}')"
            "   on conflict (bucket, device) do update set session = greatest(device_state.session + 1, $4::bigint / 1000),"
            "   online = true,"
            "   gateway = $3, online_ms = $4, heard_ms = $4,"
            "   kinds = case when $6::boolean then '{}' else device_state.kinds end returning session, kinds)"
            " select new.session, new.kinds, coalesce(old.online, false) as was_online,"
            " coalesce(old.gateway, '') as was_gateway, pg_notify('dz_device', 'taken ' || $2 || ' ' || new.session)"
            " from new left join old on true",
            device.bucket, device.id, gateway, now_ms, device.merchant, clean,
        )  # fmt: skip
        return Login(row["session"], frozenset(row["kinds"]), row["was_online"], row["was_gateway"])

    async def listens(self, device: Device, session: int, kinds: frozenset[str]) -> None:
        await self._pool.execute(
            "update device_state set kinds = $4 where bucket = $1 and device = $2 and session = $3",
            device.bucket, device.id, session, sorted(kinds),
        )  # fmt: skip

    async def log_out(self, device: Device, session: int, now_ms: int, why: str, keep: bool) -> bool:
        done = await self._pool.fetchval(
            "with gone as (update device_state set online = false, offline_ms = $4, offline_why = $5,"
            "   kinds = case when $6::boolean then kinds else '{}' end"
            "   where bucket = $1 and device = $2 and session = $3 and online returning device),"
            " told as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            "   select $1, $7, 'device.offline', $2, $4, jsonb_build_object('device', $2::text, 'why', $5::text) from gone),"
            " fact as (insert into device_fact (bucket, device, merchant, at_ms, kind, detail)"
            "   select $1, $2, $7, $4, 'offline', jsonb_build_object('why', $5::text) from gone)"
            " select count(*) from gone",
            device.bucket, device.id, session, now_ms, why, keep, device.merchant,
        )  # fmt: skip
        return bool(done)

    async def nobody_at(self, gateway: str, now_ms: int) -> int:
        """A gateway has started: nobody is connected to its earlier life any more. How many that says."""
        done = await self._pool.fetch(
            "update device_state set online = false, offline_ms = $2, offline_why = 'the gateway started again'"
            " where online and gateway = $1 returning device",
            gateway,
            now_ms,
        )
        return len(done)

    async def beats(self, beats: Sequence[Beat]) -> None:
        """The latest report of each device replaces what it names and leaves the rest."""
        await self._pool.execute(
            "update device_state s set heard_ms = greatest(s.heard_ms, b.at_ms), reported = s.reported || b.reported"
            " from (select distinct on (r.device) r.bucket, r.device, r.at_ms, r.reported"
            "   from jsonb_to_recordset($1::text::jsonb) as r(bucket smallint, device text, at_ms bigint, reported jsonb)"
            "   order by r.device, r.at_ms desc) b"
            " where s.bucket = b.bucket and s.device = b.device",
            _json([asdict(beat) for beat in beats]),
        )  # fmt: skip

    async def facts(self, facts: Sequence[Fact]) -> None:
        await self._pool.execute(
            "with f as (select bucket, device, merchant, at_ms, kind, detail, event"
            "   from jsonb_to_recordset($1::text::jsonb) as r(bucket smallint, device text, merchant text, at_ms bigint,"
            "   kind text, detail jsonb, event text)),"
            " told as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            "   select bucket, merchant, event, device, at_ms, detail || jsonb_build_object('device', device)"
            "   from f where event <> '')"
            " insert into device_fact (bucket, device, merchant, at_ms, kind, detail)"
            " select bucket, device, merchant, at_ms, kind, detail from f",
            _json([asdict(fact) for fact in facts]),
        )  # fmt: skip

    async def facts_of(self, device: Device, limit: int = 50) -> Sequence[Fact]:
        rows = await self._pool.fetch(
            "select device, bucket, merchant, at_ms, kind, detail from device_fact where bucket = $1 and device = $2"
            " order by seq desc limit $3",
            device.bucket, device.id, limit,
        )  # fmt: skip
        return [Fact(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows]

    async def forget_facts(self, before_ms: int, most: int) -> int:
        """Facts older than this, at most so many at once; how many are gone."""
        gone = await self._pool.fetchval(
            "with gone as (delete from device_fact where ctid = any (array(select ctid from device_fact"
            " where at_ms < $1 limit $2 for update skip locked)) returning 1) select count(*) from gone",
            before_ms, most,
        )  # fmt: skip
        return int(gone or 0)

    # -- what they shall do --------------------------------------------------------------------------------------------

    async def add_command(self, command: Command) -> None:
        await self._row(
            "with made as (insert into device_command (bucket, id, merchant, device, command, args, by, created_ms,"
            "   expires_ms, state) values ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, 'queued') returning device)"
            " select pg_notify('dz_device', 'due ' || device) from made",
            command.bucket, command.id, command.merchant, command.device, command.command, _json(command.args), command.by,
            command.created_ms, command.expires_ms,
        )  # fmt: skip

    async def take_commands(self, device: Device, session: int, now_ms: int) -> Sequence[Command]:
        rows = await self._pool.fetch(
            "with late as (update device_command set state = 'expired', done_ms = $4"
            "   where bucket = $1 and device = $2 and state = 'queued' and expires_ms <= $4)"
            " update device_command set session = $3"
            f" where bucket = $1 and device = $2 and state = 'queued' and session <> $3 and expires_ms > $4 returning {_COMMAND}",
            device.bucket, device.id, session, now_ms,
        )  # fmt: skip
        return sorted((_command_of(row) for row in rows), key=lambda command: command.id)

    async def command_told(
        self, command_id: str, device: Device, now_ms: int, state: str, result: dict[str, Any]
    ) -> None:
        await self._pool.execute(
            "update device_command set state = $4, result = result || $5::text::jsonb,"
            " delivered_ms = case when delivered_ms = 0 then $3 else delivered_ms end,"
            " done_ms = case when $4 = 'delivered' then 0 else $3 end"
            " where bucket = $1 and id = $2 and device = $6 and (state = 'queued' or (state = 'delivered' and $4 <> 'delivered'))",
            device.bucket, command_id, now_ms, state, _json(result), device.id,
        )  # fmt: skip

    async def commands_of(self, device: Device, limit: int = 50) -> Sequence[Command]:
        rows = await self._pool.fetch(
            f"select {_COMMAND} from device_command where bucket = $1 and device = $2 order by id desc limit $3",
            device.bucket, device.id, limit,
        )  # fmt: skip
        return [_command_of(row) for row in rows]

    # -- inside ----------------------------------------------------------------------------------------------------------

    async def _together(self, write: Callable[[asyncpg.Connection], Any]) -> Any:
        """Several statements in one transaction. Raises Conflict, ValueError, Unavailable."""
        try:
            async with self._real_pool.acquire() as link, link.transaction():
                return await write(link)
        except asyncpg.UniqueViolationError:
            raise Conflict("it exists already") from None
        except BAD_VALUE as why:
            raise ValueError(f"no database can hold this: {type(why).__name__}") from None
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None

    async def wipe_gateway(self) -> dict[str, int]:
        """All that a broker keeps is gone: sessions, the queue, how far the outbox was read. Only the yard does that; what was
        heard stays a fact, and what is due is made anew from the outbox."""
        gone: dict[str, int] = {}
        async with self._real_pool.acquire() as link, link.transaction():
            for table in ("device_state", "announcement", "outbox_place"):
                done = await link.execute(f"delete from {table}")
                gone[table] = int(done.rpartition(" ")[2])
        return gone

    async def _row(self, *args: Any) -> Any:
        """A write that gives a row; not repeated by itself. Raises Unavailable."""
        try:
            return await self._real_pool.fetchrow(*args)
        except AWAY as why:
            raise Unavailable(f"the database is away ({type(why).__name__})", 2) from None


async def _add_code(link: asyncpg.Connection, device: str, sha256: str, until_ms: int) -> None:
    """A new code ends the device's earlier ones only by time; each opens once."""
    await link.execute(
        "insert into device_code (bucket, sha256, device, until_ms) values ($1, $2, $3, $4)",
        _own_bucket(sha256), sha256, device, until_ms,
    )  # fmt: skip


def _state_of(row: Any) -> DeviceState:
    values = dict(row)
    values["kinds"] = frozenset(values["kinds"])
    values["reported"] = msgspec.json.decode(values["reported"])
    return DeviceState(**values)


def _command_of(row: Any) -> Command:
    values = dict(row)
    values["args"] = msgspec.json.decode(values["args"])
    values["result"] = msgspec.json.decode(values["result"])
    return Command(**values)
