"""Roll-outs: make one from a signed manifest, look at it, hold it, let it go on, end it; and images for devices."""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct, field
from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.core.faults import Conflict
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.rollout import ROLLING_NEXT, Member, Move, Rolling, Rollout, Rules, Taking
from daozhang.core.texts import rfc3339
from daozhang.devices import rolling, shelf
from daozhang.devices.firmware import Manifest, Refused, signed_by, whole
from daozhang.devices.health import software
from daozhang.flow.house import House

_MOST_BODY = 1000 * 1024
_MOST_DESIRED, _MOST_SHOWN = 20, 50
_FROM = re.compile(r"bytes=([0-9]{1,12})-", re.ASCII)
Percent = Annotated[int, Meta(ge=1, le=100)]


class NewRollout(Struct):
    """``manifest`` is the signed text; ``image`` its bytes in base64, or ``url`` says where a larger one lies (https)."""

    manifest: Annotated[str, Meta(min_length=1, max_length=8192)]
    image: Annotated[str, Meta(max_length=_MOST_BODY)] = ""
    url: Annotated[str, Meta(max_length=500)] = ""
    stages: Annotated[list[Percent], Meta(min_length=1, max_length=8)] = field(default_factory=lambda: [1, 10, 100])
    soak_s: Annotated[int, Meta(ge=0, le=604_800)] = 600
    boot_s: Annotated[int, Meta(ge=0, le=3_600)] = 60
    bad_percent: Percent = 5
    worse_percent: Percent = 10
    least_seen: Annotated[int, Meta(ge=1, le=100_000)] = 10


def rollout_picture(one: Rollout, members: list[Member]) -> dict[str, Any]:
    """A roll-out as the API shows it."""
    count = Counter(member.state.value for member in members)
    says = rolling.WHY.get(one.why)
    hurt = [member for member in members if member.why and not member.why.startswith("never")][:_MOST_SHOWN]
    return {
        "id": one.id,
        "object": "rollout",
        "merchant": one.merchant,
        "type": one.type,
        "kind": one.kind,
        "version": one.version,
        "sha256": one.sha256,
        "state": one.state.value,
        "stage": one.stage,
        "stages": list(one.rules.stages),
        "percent": one.rules.stages[one.stage],
        "soak_s": one.rules.soak_s,
        "devices": len(members),
        "counts": {state.value: count[state.value] for state in Taking},
        "why": one.why or None,
        "says": {"zh": says.zh, "en": says.en} if says else None,
        "noted": [{"device": member.device, "state": member.state.value, "why": member.why} for member in hurt],
        "by": one.by,
        "created_at": rfc3339(one.created_ms),
        "stage_at": rfc3339(one.stage_ms),
        "ended_at": rfc3339(one.ended_ms),
    }


class RolloutDoors:
    """``where`` names the public key that signs images."""

    def __init__(self, house: House, store: Any, where: Mapping[str, Any]) -> None:
        self._house, self._store, self._where = house, store, where
        self._types = shelf.look()

    def doors(self) -> list[Door]:
        read, write = "directory:read", "directory:write"
        return [
            Door("POST", "/v1/rollouts", self.create, "推送固件或配置(分批)", "roll out firmware or configuration, in stages", write,
                 NewRollout, statuses=(201,), most_body=_MOST_BODY),
            Door("GET", "/v1/rollouts", self.list, "推送列表", "list roll-outs", read),
            Door("GET", "/v1/rollouts/{id}", self.get, "一次推送", "one roll-out", read),
            Door("POST", "/v1/rollouts/{id}/pause", self.pause, "暂停推送", "hold a roll-out", write),
            Door("POST", "/v1/rollouts/{id}/resume", self.resume, "继续推送", "let a roll-out go on", write),
            Door("POST", "/v1/rollouts/{id}/abort", self.abort, "中止推送并回退", "end a roll-out and go back", write),
            Door("GET", "/v1/device_images/{sha256}", self.image, "设备取镜像(按哈希)", "a device fetches an image by its hash", None),
        ]  # fmt: skip

    async def create(self, asked: Asked) -> Response:
        wanted: NewRollout = asked.body
        if wanted.stages != sorted(set(wanted.stages)) or wanted.stages[-1] != 100:
            raise _bad("stages", "percentages that rise and end with 100, such as [1, 10, 100]")
        if wanted.url and not wanted.url.startswith("https://"):
            raise _bad("url", "an address that begins with https://")
        told, image = self._signed(wanted)
        now, bucket = self._house.clock.now_ms(), bucket_of_merchant(asked.merchant)
        rules = Rules(tuple(wanted.stages), wanted.soak_s, wanted.boot_s, wanted.bad_percent, wanted.worse_percent, wanted.least_seen)
        made = Rollout(self._house.new_id("rol", bucket), bucket, asked.merchant, told.type, told.kind, told.version,
                       wanted.manifest, told.sha256, wanted.url, _desired(image) if told.kind == "config" else {}, rules,
                       asked.caller.name, now, stage_ms=now)  # fmt: skip
        try:
            count = await self._store.add_rollout(made, image)
        except Conflict:
            raise Problem("rollout_under_way", f"{told.type}: {told.kind}") from None
        if not count:
            raise _bad("manifest", f"the merchant has no active device of the type {told.type}")
        return answer(await self._picture(made), 201)

    def _signed(self, wanted: NewRollout) -> tuple[Manifest, bytes]:
        """Nothing that our key did not sign is even stored. Raises Problem."""
        try:
            image = base64.b64decode(wanted.image, validate=True)
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(self._where.get("firmware_key", ""))))
            told = signed_by(wanted.manifest.encode(), key)
            if told.type not in self._types or told.kind not in ("firmware", "config") or software(told.version) is None:
                raise Refused("manifest")
            if image or not wanted.url:
                whole(told, image)
        except binascii.Error:
            raise _bad("image", "the image's bytes in base64") from None
        except (Refused, ValueError) as why:
            raise Problem("image_refused", str(why)) from None
        if told.kind == "config" and not image:
            raise _bad("image", "a configuration is sent along, not fetched")
        return told, image

    async def list(self, asked: Asked) -> Response:
        rows = await self._store.rollouts(asked.merchant)
        told = [rollout_picture(row, list(await self._store.members(row))) for row in rows]
        return answer({"data": told, "has_more": False, "next_cursor": None})

    async def get(self, asked: Asked) -> Response:
        return answer(await self._picture(await self._mine(asked)))

    async def pause(self, asked: Asked) -> Response:
        return await self._turned(asked, Rolling.PAUSED, "rollout.paused")

    async def resume(self, asked: Asked) -> Response:
        return await self._turned(asked, Rolling.ROLLING, "rollout.resumed")

    async def abort(self, asked: Asked) -> Response:
        return await self._turned(asked, Rolling.TURNING_BACK, "rollout.stopped")

    async def _turned(self, asked: Asked, to: Rolling, event: str) -> Response:
        """A person's word. A repeat of it changes nothing."""
        for _ in range(5):
            one = await self._mine(asked)
            if one.state is to:
                return answer(await self._picture(one))
            if to not in ROLLING_NEXT[one.state]:
                raise Problem("rollout_ended", one.state.value)
            now = self._house.clock.now_ms()
            ends = {"why": "person", "ended_ms": now} if to is Rolling.TURNING_BACK else {}
            moved = replace(one, state=to, **ends)  # type: ignore[arg-type]
            try:
                await self._store.move_rollout(one, Move(moved, event=event), now, {})
            except Conflict:
                continue
            return answer(await self._picture(moved))
        raise Problem("rollout_under_way", "it keeps moving")

    async def image(self, asked: Asked) -> Response:
        found = await self._store.image(asked.path("sha256"))
        if found is None:
            raise Problem("not_found")
        return _piece(found, asked.request.headers.get("range", ""))

    async def _mine(self, asked: Asked) -> Rollout:
        one: Rollout | None = await self._store.rollout(asked.path("id"))
        if one is None or one.merchant != asked.merchant:
            raise Problem("not_found")
        return one

    async def _picture(self, one: Rollout) -> dict[str, Any]:
        return rollout_picture(one, list(await self._store.members(one)))


def _piece(image: bytes, wanted: str) -> Response:
    """All of it, or what a device lacks whose download broke off (``Range: bytes=N-``, RFC 9110 section 14; another range is left
    aside, as the RFC allows)."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Accept-Ranges": "bytes"}
    found = _FROM.fullmatch(wanted)
    if found is None:
        return Response(image, 200, headers, "application/octet-stream")
    start = int(found[1])
    if start >= len(image):
        return Response(b"", 416, {"Content-Range": f"bytes */{len(image)}"})
    place = {"Content-Range": f"bytes {start}-{len(image) - 1}/{len(image)}"}
    return Response(image[start:], 206, {**headers, **place}, "application/octet-stream")


def _desired(image: bytes) -> dict[str, Any]:
    """What a configuration changes: a small flat JSON object. Raises Problem."""
    try:
        table = json.loads(image)
    except ValueError:
        table = None
    small = isinstance(table, dict) and 1 <= len(table) <= _MOST_DESIRED and all(
        isinstance(value, bool | int | str) and len(str(value)) <= 200 for value in table.values())  # fmt: skip
    if not small:
        raise _bad("image", f"a JSON object of at most {_MOST_DESIRED} short members")
    return dict(table)


def _bad(where: str, says: str) -> Problem:
    return Problem("bad_field", says, errors=[{"pointer": f"/{where}", "detail": says}])
