"""Devices: register, enrol, look, change, command; and what speakers were told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

import daozhang
from daozhang.api.asyncapi import document
from daozhang.api.auth import Guard
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import Ident, Text
from daozhang.core.faults import Conflict
from daozhang.core.fleet import Announcement, Command, Device, DeviceState, Standing
from daozhang.core.texts import rfc3339
from daozhang.devices import announcing, enrolment, health, shelf, topics
from daozhang.devices.announcing import silence
from daozhang.devices.code_word import words_from
from daozhang.flow.house import House
from daozhang.flow.lookout import name_device
from daozhang.flow.tell import cause_picture

_COMMAND_LIVES_MS = 600_000
_MOST_DESIRED = 20
Serial = Annotated[str, Meta(min_length=4, max_length=64, pattern=r"^[0-9A-Za-z._:-]*$")]


class NewDevice(Struct):
    type: str
    till: Ident
    serial: Serial | None = None
    name: Text | None = None


class Enrol(Struct):
    """What a device sends, without any key: its one-time code and its serial."""

    code: Annotated[str, Meta(min_length=4, max_length=32)]
    serial: Serial


class DeviceChange(Struct):
    name: Text | None = None
    till: Ident | None = None
    desired: dict[str, bool | int | str] | None = None


class NewCommand(Struct):
    command: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z_]*$")]
    args: dict[str, bool | int | str] = {}


def announcement_picture(one: Announcement) -> dict[str, Any]:
    """One announcement as the payment and the speaker show it."""
    silent = silence(one)
    return {
        "id": one.id,
        "object": "announcement",
        "speaker": one.device,
        "payment": one.payment,
        "kind": one.kind,
        "amount": one.amount_fen,
        "state": one.state.value,
        "late": one.late,
        "why": one.why or None,
        "cause": silent[0] if silent else None,
        "says": {"zh": silent[1], "en": silent[2]} if silent else None,
        "at": rfc3339(one.played_ms or one.delivered_ms or one.queued_ms),
        "event_at": rfc3339(one.at_ms),
        "queued_at": rfc3339(one.queued_ms),
        "delivered_at": rfc3339(one.delivered_ms),
        "played_at": rfc3339(one.played_ms),
        "alarmed_at": rfc3339(one.alarmed_ms),
    }


def device_picture(device: Device, state: DeviceState | None, now_ms: int) -> dict[str, Any]:
    """A device as the API shows it: no hash, no key."""
    state = state or DeviceState(device.id)
    wrong = health.causes(device, state, now_ms)
    return {
        "id": device.id,
        "object": "device",
        "merchant": device.merchant,
        "store": device.store,
        "till": device.till,
        "type": device.type,
        "serial": device.serial,
        "name": device.name,
        "status": device.standing.value,
        "online": state.online,
        "online_at": rfc3339(state.online_ms),
        "offline_at": rfc3339(state.offline_ms),
        "offline_why": state.offline_why or None,
        "heard_at": rfc3339(state.heard_ms),
        "health": "unknown" if not state.session else "ok" if not wrong else "attention",
        "causes": wrong,
        "desired": device.desired,
        "desired_n": device.desired_n,
        "reported": state.reported,
        "created_at": rfc3339(device.created_ms),
        "enrolled_at": rfc3339(device.enrolled_ms),
    }


class DeviceDoors:
    """``where``: how devices reach the gateway (host, ports, WebSocket URL, authority)."""

    def __init__(self, house: House, guard: Guard, fleet: Any, seal: Any, where: Mapping[str, Any]) -> None:
        self._house, self._guard, self._fleet, self._seal, self._where = house, guard, fleet, seal, where
        self._types = shelf.look()
        self._word_of = words_from(seal.derived)

    def doors(self) -> list[Door]:
        read, write, pays = "directory:read", "directory:write", "payments:read"
        return [
            Door("POST", "/v1/devices", self.create, "登记设备(一次性入网码)", "register a device (one-time code)", write, NewDevice, statuses=(201,)),
            Door("GET", "/v1/devices", self.list, "设备列表", "list devices", read, query=("cursor", "limit", "serial")),
            Door("POST", "/v1/devices/enroll", self.enrol, "设备凭入网码入网", "a device enrols with its code", None, Enrol, statuses=(201,)),
            Door("GET", "/v1/devices/{id}", self.get, "一台设备", "one device", read),
            Door("PATCH", "/v1/devices/{id}", self.change, "修改设备", "change a device", write, DeviceChange),
            Door("DELETE", "/v1/devices/{id}", self.revoke, "停用设备", "revoke a device", write),
            Door("POST", "/v1/devices/{id}/rotate", self.rotate, "换新的设备密钥", "give a device a new secret", write),
            Door("POST", "/v1/devices/{id}/code", self.code, "新的入网码(解冻)", "a new one-time code (unfreezes)", write, statuses=(201,)),
            Door("POST", "/v1/devices/{id}/commands", self.command, "远程命令", "a remote command", write, NewCommand, statuses=(201,)),
            Door("GET", "/v1/devices/{id}/commands", self.commands, "命令及结果", "commands and their outcome", read),
            Door("GET", "/v1/devices/{id}/facts", self.facts, "设备经历", "what happened to it", read),
            Door("GET", "/v1/device_types", self.types, "设备类型", "device types", None),
            Door("GET", "/v1/asyncapi.json", self.asyncapi, "设备接口文档(AsyncAPI 3)", "the device plane (AsyncAPI 3)", None),
            Door("GET", "/v1/speakers/{id}/announcements", self.announcements, "播报记录", "what a speaker was told", pays, query=("limit",)),
            Door("GET", "/v1/stores/{id}/code_word", self.code_word, "今日暗号", "the word of the day", pays),
        ]  # fmt: skip

    async def _mine(self, asked: Asked) -> Device:
        device: Device | None = await self._fleet.device(asked.path("id"))
        if device is None or device.merchant != asked.merchant:
            raise Problem("not_found")
        return device

    async def _picture(self, device: Device) -> dict[str, Any]:
        states = await self._fleet.device_states([device])
        return device_picture(device, states.get(device.id), self._house.clock.now_ms())

    async def _place(self, merchant: str, till: str) -> str:
        found = await self._house.directory.till(merchant, till)
        if found is None:
            raise Problem("bad_field", "no such till", errors=[{"pointer": "/till", "detail": "no such till"}])
        return found.store

    async def create(self, asked: Asked) -> Response:
        wanted: NewDevice = asked.body
        merchant = await self._guard.merchant(asked.merchant)
        kind = self._types.get(wanted.type)
        if kind is None:
            says = "type is among: " + ", ".join(self._types)
            raise Problem("bad_field", says, errors=[{"pointer": "/type", "detail": says}])
        now, rand = self._house.clock.now_ms(), self._house.rand
        ident = self._house.new_id("dev", merchant.bucket)
        serial = wanted.serial or f"SN-{rand.bytes(6).hex().upper()}"
        device = Device(ident, merchant.bucket, merchant.id, await self._place(merchant.id, wanted.till), wanted.till,
                        kind.name, serial, wanted.name or f"{kind.zh} {serial[-4:]}", kind.speaks, Standing.ENROLLING, now,
                        desired=dict(kind.desired))  # fmt: skip
        code, until = enrolment.code_of(rand.bytes(8)), now + enrolment.CODE_LIVES_MS
        try:
            await self._fleet.add_device(device, enrolment.sha256(enrolment.plain(code)), until)
        except Conflict:
            raise Problem("serial_taken", serial) from None
        told = {**device_picture(device, None, now), "enroll": {"code": code, "until": rfc3339(until)}}
        return answer(told, 201)

    async def enrol(self, asked: Asked) -> Response:
        wanted: Enrol = asked.body
        secret, sign = self._house.rand.bytes(24).hex(), self._house.rand.bytes(32).hex()
        ident = await self._fleet.enrol(
            enrolment.sha256(enrolment.plain(wanted.code)), wanted.serial, enrolment.sha256(secret),
            lambda device: self._seal.close(device, {"sign": sign}), self._house.clock.now_ms(),
        )  # fmt: skip
        device = await self._fleet.device(ident) if ident else None
        if device is None:
            raise Problem("bad_enrol_code")
        return answer(self._credentials(device, secret, sign), 201)

    def _credentials(self, device: Device, secret: str, sign: str) -> dict[str, Any]:
        """Shown once. ``sign_key`` checks that what the device is told comes from us."""
        where = {name: value for name, value in self._where.items() if name not in ("ca_file", "firmware_key")}
        ca = self._where.get("ca_file")
        authority = Path(ca).read_text("ascii") if ca and Path(ca).is_file() else None
        return {
            "device": device.id,
            "type": device.type,
            "serial": device.serial,
            "merchant": device.merchant,
            "till": device.till,
            "mqtt": {**where, "username": device.id, "password": secret, "client_id": device.id, "ca_pem": authority},
            "topics": topics.of_device(device.merchant, device.id),
            "sign_key": sign,
            "firmware_key": str(self._where.get("firmware_key", "")),
            "heartbeat_s": health.HEARTBEAT_S,
        }

    async def list(self, asked: Asked) -> Response:
        limit = asked.limit()
        rows = await self._fleet.devices(asked.merchant, asked.query("cursor"), limit + 1, asked.query("serial"))
        shown, now = rows[:limit], self._house.clock.now_ms()
        states = await self._fleet.device_states(shown) if shown else {}
        return answer({"data": [device_picture(row, states.get(row.id), now) for row in shown],
                       "has_more": len(rows) > limit, "next_cursor": shown[-1].id if len(rows) > limit else None})  # fmt: skip

    async def get(self, asked: Asked) -> Response:
        """With what is wrong with it, seen among the devices of its shop, and what each person does now."""
        device = await self._mine(asked)
        states = await self._fleet.device_states([device])
        told = device_picture(device, states.get(device.id), self._house.clock.now_ms())
        named = await name_device(self._fleet, device, states.get(device.id), self._house.clock.now_ms())
        steps = dict(named.cause.meanwhile) if named is not None and named.cause.meanwhile else None
        return answer({**told, "cause": cause_picture(named), "next_step": steps})

    async def change(self, asked: Asked) -> Response:
        wanted: DeviceChange = asked.body
        device = await self._mine(asked)
        if wanted.name is not None:
            device = replace(device, name=wanted.name)
        if wanted.till is not None:
            device = replace(device, till=wanted.till, store=await self._place(asked.merchant, wanted.till))
        if wanted.desired is not None:
            merged = {**device.desired, **wanted.desired}
            if len(merged) > _MOST_DESIRED or any(isinstance(value, str) and len(value) > 200 for value in merged.values()):
                raise Problem("bad_field", f"desired: at most {_MOST_DESIRED} short members")
            if merged.get("quiet") and not announcing.quiet_hours(merged):
                raise Problem("bad_field", 'desired.quiet: such as "22:00-07:00"', errors=[{"pointer": "/desired/quiet", "detail": "HH:MM-HH:MM"}])
            if not isinstance(merged.get("code_word", False), bool):
                raise Problem("bad_field", "desired.code_word: true or false", errors=[{"pointer": "/desired/code_word", "detail": "true, false"}])
            device = replace(device, desired=merged, desired_n=device.desired_n + 1)
        await self._fleet.change_device(device)
        return answer(await self._picture(device))

    async def revoke(self, asked: Asked) -> Response:
        device = replace(await self._mine(asked), standing=Standing.REVOKED)
        await self._fleet.change_device(device)
        return answer({"id": device.id, "object": "device", "revoked": True})

    async def rotate(self, asked: Asked) -> Response:
        """The old secret stays good for a day, so that the device can be given the new one in peace."""
        device = await self._mine(asked)
        if device.standing is not Standing.ACTIVE:
            raise Problem("device_not_active", device.standing.value)
        secret = self._house.rand.bytes(24).hex()
        until = self._house.clock.now_ms() + enrolment.OLD_SECRET_LIVES_MS
        await self._fleet.change_device(replace(device, secret_sha256=enrolment.sha256(secret),
                                                old_sha256=device.secret_sha256, old_until_ms=until))  # fmt: skip
        return answer({**self._credentials(device, secret, device.keys["sign"]), "old_secret_until": rfc3339(until)})

    async def code(self, asked: Asked) -> Response:
        device = await self._mine(asked)
        if device.standing is Standing.REVOKED:
            raise Problem("device_not_active", device.standing.value)
        code = enrolment.code_of(self._house.rand.bytes(8))
        until = self._house.clock.now_ms() + enrolment.CODE_LIVES_MS
        await self._fleet.new_code(device, enrolment.sha256(enrolment.plain(code)), until)
        return answer({"device": device.id, "enroll": {"code": code, "until": rfc3339(until)}}, 201)

    async def command(self, asked: Asked) -> Response:
        wanted: NewCommand = asked.body
        device = await self._mine(asked)
        kind = self._types.get(device.type)
        if kind is None or wanted.command not in kind.commands:
            says = "command is among: " + ", ".join(kind.commands if kind else ())
            raise Problem("bad_field", says, errors=[{"pointer": "/command", "detail": says}])
        now = self._house.clock.now_ms()
        made = Command(self._house.new_id("cmd", device.bucket), device.bucket, device.merchant, device.id, wanted.command,
                       dict(wanted.args), asked.caller.name, now, now + _COMMAND_LIVES_MS)  # fmt: skip
        await self._fleet.add_command(made)
        return answer(_command(made), 201)

    async def commands(self, asked: Asked) -> Response:
        rows = await self._fleet.commands_of(await self._mine(asked))
        return answer({"data": [_command(row) for row in rows], "has_more": False, "next_cursor": None})

    async def facts(self, asked: Asked) -> Response:
        rows = await self._fleet.facts_of(await self._mine(asked))
        told = [{"at": rfc3339(row.at_ms), "kind": row.kind, "detail": row.detail} for row in rows]
        return answer({"data": told, "has_more": False, "next_cursor": None})

    async def types(self, asked: Asked) -> Response:
        told = [{"type": kind.name, "name": {"zh": kind.zh, "en": kind.en}, "speaks": kind.speaks,
                 "commands": list(kind.commands)} for kind in self._types.values()]  # fmt: skip
        return answer({"data": told, "has_more": False, "next_cursor": None})

    async def asyncapi(self, asked: Asked) -> Response:
        return answer(document(daozhang.__version__, self._where))

    async def announcements(self, asked: Asked) -> Response:
        rows = await self._fleet.announcements_to(await self._mine(asked), asked.limit())
        return answer({"data": [announcement_picture(row) for row in rows], "has_more": False, "next_cursor": None})

    async def code_word(self, asked: Asked) -> Response:
        """What a speaker of this store says after an announcement today, where its setting ``code_word`` is true."""
        store = await self._house.directory.shop(asked.merchant, asked.path("id"))
        if store is None:
            raise Problem("not_found")
        word = self._word_of(asked.merchant, store.id, self._house.clock.now_ms())
        return answer({"object": "code_word", "store": store.id, "date": word.date, "word": word.text, "until": rfc3339(word.until_ms)})


def _command(row: Command) -> dict[str, Any]:
    return {"id": row.id, "object": "command", "device": row.device, "command": row.command, "args": row.args,
            "state": row.state, "by": row.by, "created_at": rfc3339(row.created_ms), "expires_at": rfc3339(row.expires_ms),
            "delivered_at": rfc3339(row.delivered_ms), "done_at": rfc3339(row.done_ms), "result": row.result}  # fmt: skip
