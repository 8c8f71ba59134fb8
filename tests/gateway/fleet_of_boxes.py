"""A fleet of simulated boxes over the real store, without sockets: commands in, acknowledgements and heartbeats out."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daozhang.core.directory import Merchant, Shop, Till
from daozhang.core.fleet import Beat, Device, Standing
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.rollout import Rolling, Rollout, Rules
from daozhang.devices import enrolment, firmware
from daozhang.gateway.roller import Roller
from daozhang.ports.rand import SystemRand
from daozhang.sandbox.device.box import Box
from daozhang.store.store import PgStore
from tests.store import kit
from tests.store.kit import NOW, new_id

KEY = Ed25519PrivateKey.generate()
GOOD, BAD, DUMB = b"a good image", b"sim: does not start", b"sim: does not speak"


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = NOW + 1_000_000

    def now_ms(self) -> int:
        return self.at


class Fleet:
    """``boxes`` of one merchant, each at a till of its own (``tills`` of them)."""

    def __init__(self, store: PgStore) -> None:
        self.store, self.clock = store, Hands()
        self.boxes: dict[str, Box] = {}
        self.devices: dict[str, Device] = {}
        self.off: set[str] = set()
        self.roller = self.new_roller()

    def new_roller(self) -> Roller:
        """As a new ``work`` process has it: it knows nothing but the rows."""
        self.roller = Roller(self.store, self.clock, SystemRand())  # type: ignore[arg-type]
        return self.roller

    async def enrol(self, count: int, mer: Merchant | None = None) -> "Fleet":
        self.mer = mer or kit.merchant()
        await self.store.add_merchant(self.mer)
        shop, till = new_id("sto", self.mer.bucket), new_id("till", self.mer.bucket)
        await self.store.add_shop(Shop(shop, self.mer.bucket, self.mer.id, "店", NOW))
        await self.store.add_till(Till(till, self.mer.bucket, self.mer.id, shop, "1", NOW))
        for start in range(0, count, 8):
            await asyncio.gather(*(self._one(shop, till) for _ in range(min(8, count - start))))
        return self

    async def _one(self, shop: str, till: str) -> None:
        code, serial = os.urandom(8).hex(), os.urandom(8).hex()
        made = Device(new_id("dev", self.mer.bucket), self.mer.bucket, self.mer.id, shop, till, "speaker", serial, "喇叭", True,
                      Standing.ENROLLING, NOW, desired={"volume": 80, "lang": "zh"})  # fmt: skip
        await self.store.add_device(made, enrolment.sha256(code), NOW + 1000)
        await self.store.enrol(enrolment.sha256(code), serial, enrolment.sha256("s"), lambda one: self.store._seal.close(one, {"sign": "k"}), NOW)
        login = await self.store.log_in(replace(made, standing=Standing.ACTIVE), "here", self.clock.at, True)
        self.devices[made.id] = made
        self.boxes[made.id] = Box(made.id, firmware_key=KEY.public_key().public_bytes_raw().hex())
        self.sessions = {**getattr(self, "sessions", {}), made.id: login.session}

    async def begin(self, image: bytes, version: str = "2.0.0", key: Ed25519PrivateKey = KEY, **rules: Any) -> Rollout:
        kind = "config" if image.startswith(b"{") else "firmware"
        manifest = firmware.made(image, "speaker", version, key, kind=kind)
        told = firmware.signed_by(manifest, key.public_key())
        bucket = bucket_of_merchant(self.mer.id)
        desired = json.loads(image) if kind == "config" else {}
        made = Rollout(new_id("rol", bucket), bucket, self.mer.id, "speaker", kind, version, manifest.decode(), told.sha256, "", desired,
                       Rules(**{"soak_s": 60, "boot_s": 0, **rules}), "tester", self.clock.at, stage_ms=self.clock.at)  # fmt: skip
        await self.store.add_rollout(made, image)
        return made

    async def live(self, rollout: Rollout, seconds: float, step_s: float = 2) -> Rollout:
        """So many seconds of shops and gateway: looks, commands, answers; heartbeats of whoever moved, and of all each 20 s."""
        end = self.clock.at + seconds * 1000
        while self.clock.at < end:
            self.clock.at += int(step_s * 1000)
            await self.roller.round()
            await self._commands(rollout)
            if (self.clock.at // 1000) % 20 < step_s:
                await self._beats(list(self.boxes))
            now = await self.now(rollout)
            if now.state in (Rolling.DONE, Rolling.TURNED_BACK):
                await self._commands(rollout)
                return now
        return await self.now(rollout)

    async def _commands(self, rollout: Rollout) -> None:
        """Only devices that have a command are asked, as the gateway does it after a notification."""
        due = await self.store._pool.fetch("select distinct device from device_command where bucket = $1 and merchant = $2"
                                           " and state = 'queued'", rollout.bucket, self.mer.id)  # fmt: skip
        for row in due:
            if row["device"] not in self.off:
                await self._carry(row["device"])

    async def _carry(self, ident: str) -> None:
        box, device = self.boxes[ident], self.devices[ident]
        for command in await self.store.take_commands(device, self.sessions[ident], self.clock.at):
            image = await self.store.image(str(command.args.get("sha256")))
            box.images = {str(command.args.get("sha256")): image} if image else {}
            n = box.flash["n"] + 1
            table = {"device": ident, "n": n, "command_id": command.id, "command": command.command, "args": command.args}
            box.sign_key = ""
            for kind, said in box.hears("cmd", json.dumps(table).encode(), self.clock.at):
                if kind == "ack":
                    await self.store.command_told(command.id, device, self.clock.at, said["state"], {"why": said.get("why")})
                else:
                    self.clock.at += 1
                    await self.store.beats([Beat(ident, device.bucket, self.clock.at, said)])

    async def _beats(self, idents: Sequence[str]) -> None:
        await self._configure(idents)
        beats = [Beat(one, self.mer.bucket, self.clock.at, self.boxes[one].heartbeat(self.clock.at)) for one in idents if one not in self.off]
        await self.store.beats(beats)

    async def _configure(self, idents: Sequence[str]) -> None:
        for device in await self.store.devices(self.mer.id, "", 2_000):
            box = self.boxes[device.id]
            if device.desired_n != box.config_n and device.id in idents and device.id not in self.off:
                box._configure({"desired": device.desired, "config_n": device.desired_n})

    async def now(self, rollout: Rollout) -> Rollout:
        found = await self.store.rollout(rollout.id)
        assert found is not None
        return found

    def versions(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for box in self.boxes.values():
            found[box.slots.running] = found.get(box.slots.running, 0) + 1
        return found


__all__ = ["BAD", "DUMB", "GOOD", "KEY", "Fleet"]
