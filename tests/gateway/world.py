"""Many speakers and the real gateway on virtual time: latency, cuts, power loss, lost messages, take-overs, restarts.

The hub, the sessions, the codec and the boxes are the product's own; only sockets and the database are replaced. The
auditor keeps its own books: what came out of which box, and who was told in writing.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daozhang.core.fleet import Announcement, Command, Device, Fact, Heard, Login, Standing, Told
from daozhang.devices import enrolment, topics
from daozhang.devices.announcing import SILENT_AFTER_MS
from daozhang.devices.mqtt.packets import V5, Ack, Acked, Connack, Connect, Packet, Ping, Publish, Subscribe
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode
from daozhang.gateway.hub import Hub
from daozhang.gateway.line import Line
from daozhang.ports.proc import Tasks
from daozhang.sandbox.device.box import Box
from daozhang.sim.loop import VirtualClock, VirtualLoop, run

START_MS = 1_790_000_000_000
_A_DAY_MS = 86_400_000


class Books:
    """The fleet's store in memory, with the rules of `store/announcing.py` and `store/queries/devices.sql`."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.sessions: dict[str, int] = {}
        self.kinds: dict[str, frozenset[str]] = {}
        self.online: dict[str, bool] = {}
        self.rows: dict[str, Announcement] = {}
        self.sent_in: dict[str, int] = {}
        self.summary: dict[str, list[str]] = {}
        self.open: dict[str, set[str]] = defaultdict(set)
        self.alarms: list[str] = []

    async def device(self, ident: str) -> Device | None:
        return self.devices.get(ident)

    async def change_device(self, device: Device, sealed: bytes | None = None) -> None:
        self.devices[device.id] = device

    async def log_in(self, device: Device, gateway: str, now_ms: int, clean: bool) -> Login:
        number = max(self.sessions.get(device.id, 0) + 1, now_ms // 1000)
        was, self.sessions[device.id] = self.online.get(device.id, False), number
        self.online[device.id] = True
        return Login(number, frozenset() if clean else self.kinds.get(device.id, frozenset()), was, gateway)

    async def listens(self, device: Device, session: int, kinds: frozenset[str]) -> None:
        if self.sessions.get(device.id) == session:
            self.kinds[device.id] = kinds

    async def log_out(self, device: Device, session: int, now_ms: int, why: str, keep: bool) -> bool:
        if self.sessions.get(device.id) != session:
            return False
        self.online[device.id] = False
        return True

    async def beats(self, beats: Sequence[Any]) -> None: ...
    async def facts(self, facts: Sequence[Fact]) -> None: ...
    async def alarm(self, kind: str, subject: str, at_ms: int, detail: dict[str, Any]) -> None:
        self.alarms.append(kind)

    async def take_commands(self, device: Device, session: int, now_ms: int) -> Sequence[Command]:
        return []

    async def take(self, device: Device, session: int, now_ms: int) -> Sequence[Announcement]:
        if self.sessions.get(device.id) != session:
            return []
        taken = []
        for ident in sorted(self.open[device.id]):
            if self.sent_in.get(ident, 0) < session and self.rows[ident].at_ms > now_ms - _A_DAY_MS:
                self.rows[ident] = replace(self.rows[ident], sends=self.rows[ident].sends + 1)
                self.sent_in[ident] = session
                taken.append(self.rows[ident])
        return sorted(taken, key=lambda one: one.at_ms)

    async def summarise(self, device: Device, summary: str, ids: Sequence[str]) -> None:
        self.summary[summary] = list(ids)

    async def heard(self, heard: Sequence[Heard]) -> None:
        for one in heard:
            played = one.state is Told.PLAYED
            for ident in self.summary.get(one.id, []) if played else []:
                self._move(ident, one, Told.SUMMARISED)
            if one.id in self.rows:
                self._move(one.id, one, Told.PLAYED if played else Told.DELIVERED)

    def _move(self, ident: str, one: Heard, state: Told) -> None:
        row = self.rows[ident]
        if row.device != one.device or row.state not in (Told.QUEUED, Told.DELIVERED):
            return
        end = state is not Told.DELIVERED
        self.rows[ident] = replace(row, state=state, played_ms=one.at_ms if end else 0, late=row.late or one.late or state is Told.SUMMARISED, why=one.why)
        if end:
            self.open[row.device].discard(ident)


class Wire(asyncio.Transport):
    """One direction in order and with delay; ``dead``: nothing arrives any more, and nobody is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: random.Random) -> None:
        super().__init__()
        self._loop, self._rng, self._at = loop, rng, 0.0
        self.to: Any = None
        self.lost: Any = None
        self.dead = self._closing = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if not (self.dead or self._closing):
            self._later(self._arrive, bytes(data))

    def _later(self, call: Any, *given: Any) -> None:
        # Later than what was sent before, by a little: two timers of one moment fire in any order, a line keeps its own.
        self._at = max(self._at + 1e-5, self._loop.time() + self._rng.uniform(0.002, 0.06))
        self._loop.call_at(self._at, call, *given)

    def _arrive(self, data: bytes) -> None:
        if not self.dead:
            self.to(data)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._later(self._gone)

    def _gone(self) -> None:
        if not self.dead and self.lost is not None:
            self.lost()

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.1", 1) if name == "peername" else default


@dataclass
class Speaker:
    """A box with a radio that comes back after every cut."""

    world: "World"
    box: Box
    told: dict[str, str]
    line: Line | None = None
    up: Wire | None = None
    down: Wire | None = None
    reader: Reader = field(default_factory=lambda: Reader(1 << 20, V5))
    powered: bool = True

    def connect(self) -> None:
        world = self.world
        if not self.powered or self.up is not None:
            return
        if world.hub is None:
            self._again(world.rng.uniform(0.3, 2))
            return
        up, down = Wire(world.loop, world.rng), Wire(world.loop, world.rng)
        line = Line(world.hub)
        up.to, up.lost = line.data_received, lambda: line.connection_lost(None)
        down.to, down.lost = self.hears, lambda: self.cut(told=True)
        line.connection_made(down)
        self.line, self.up, self.down, self.reader = line, up, down, Reader(1 << 20, V5)
        device = self.box.device
        self.say(Connect(V5, device, False, 30, device, b"secret", None, {"session_expiry_s": 3600}))
        world.loop.call_later(10, self._connected_or_again, up)
        world.loop.call_later(20, self._ping, up)

    def _ping(self, up: Wire) -> None:
        if self.up is up:
            self.say(Ping())
            self.world.loop.call_later(20, self._ping, up)

    def _connected_or_again(self, up: Wire) -> None:
        if self.up is up and up.dead:
            self.cut(told=True)

    def _again(self, after_s: float) -> None:
        self.world.loop.call_later(after_s, self.connect)

    def say(self, packet: Packet) -> None:
        if self.up is not None:
            self.up.write(encode(packet, V5))

    def cut(self, told: bool) -> None:
        """The line is gone; ``told``: the gateway knows at once, otherwise only by what does not come any more."""
        up, down, self.up, self.down = self.up, self.down, None, None
        if up is None or down is None:
            return
        down.dead = True
        if told:
            up.close()
        else:
            up.dead = True
        self._again(self.world.rng.uniform(0.2, 4))

    def power_cut(self, for_s: float) -> None:
        self.powered = False
        self.box.power_cut()
        self.cut(told=False)
        self.world.loop.call_later(for_s, self._power_back)

    def _power_back(self) -> None:
        self.powered = True
        self.connect()

    def hears(self, data: bytes) -> None:
        for packet in self.reader.feed(data):
            match packet:
                case Connack(code=0):
                    self.say(Subscribe(1, tuple((self.told[kind], 1) for kind in topics.DOWN)))
                case Connack():
                    self.cut(told=True)
                case Publish():
                    self._message(packet)

    def _message(self, packet: Publish) -> None:
        rng = self.world.rng
        if rng.random() < self.world.loss:
            return
        if rng.random() < 0.98:
            self.say(Acked(Ack.PUBACK, packet.packet_id))
        now = self.world.clock.now_ms()
        for kind, table in self.box.hears(packet.topic.rpartition("/")[2], packet.payload, now):
            for _ in range(2 if rng.random() < 0.05 else 1):
                if rng.random() >= self.world.loss:
                    data = repr(table).replace("'", '"').replace("True", "true").replace("False", "false").encode()
                    self.say(Publish(self.told[kind], data, 1, rng.randint(1, 65_000)))


class World:
    """``count`` announcements for ``speakers`` boxes from one seed."""

    def __init__(self, seed: int, speakers: int, count: int, loss: float = 0.02) -> None:
        self.rng = random.Random(seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.books, self.hub, self.loss = Books(), None, loss
        self.count = count
        self.restarts = 0
        self.told_in_writing: set[str] = set()
        self.speakers = [self._speaker(at) for at in range(speakers)]
        self.hub: Hub | None = None

    def _speaker(self, at: int) -> Speaker:
        ident = f"dev_{at:026d}"
        self.books.devices[ident] = Device(ident, 1, "mer_1", "sto_1", "till_1", "speaker", f"SN{at}", "s", True, Standing.ACTIVE, 1, 1,
                                           enrolment.sha256("secret"), keys={"sign": ident})  # fmt: skip
        return Speaker(self, Box(ident, ident), topics.of_device("mer_1", ident))

    def play(self) -> "World":
        run(self._play(), self.loop)
        return self

    async def _play(self) -> None:
        self._start_gateway()
        for speaker in self.speakers:
            self.loop.call_later(self.rng.uniform(0, 2), speaker.connect)
        tasks = [asyncio.ensure_future(work) for work in (self._sweeps(), self._alarms(), self._faults(), self._restarts())]
        await self._payments()
        await asyncio.sleep(30)
        for task in tasks[2:]:
            task.cancel()
        self.loss = 0.0
        if self.hub is None:
            self._start_gateway()  # the end came in the middle of a restart
        await asyncio.sleep(300)  # everything is whole again: whoever is due is told
        for task in tasks:
            task.cancel()

    def _start_gateway(self) -> None:
        self.hub = Hub(self.books, self.clock, Tasks(), "here", most=100_000)  # type: ignore[arg-type]

    async def _payments(self) -> None:
        for at in range(self.count):
            await asyncio.sleep(self.rng.expovariate(20))
            speaker, now = self.rng.choice(self.speakers), self.clock.now_ms()
            row = Announcement(f"ann_{at:032d}", 1, "mer_1", speaker.box.device, f"pay_{at:026d}", "paid", 100 + at % 900, "alipay", now, now)
            self.books.rows[row.id] = row
            self.books.open[row.device].add(row.id)
            if self.hub is not None and self.rng.random() < 0.99:
                self.hub.notified(f"due {row.device}")

    async def _sweeps(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self.hub is not None:
                self.hub.sweep()
                if self.rng.random() < 0.1:
                    self.hub.notified("")  # what the store says after notifications may have been missed

    async def _alarms(self) -> None:
        """The crier's law: not heard in time, or said to be silent: told in writing."""
        while True:
            await asyncio.sleep(0.2)
            now = self.clock.now_ms()
            for ids in list(self.books.open.values()):
                for ident in ids:
                    row = self.books.rows[ident]
                    if not row.alarmed_ms and (row.why or row.at_ms <= now - SILENT_AFTER_MS):
                        self.books.rows[ident] = replace(row, alarmed_ms=now)
                        self.told_in_writing.add(ident)

    async def _faults(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(2))
            speaker, kind = self.rng.choice(self.speakers), self.rng.random()
            if kind < 0.35:
                speaker.cut(told=True)
            elif kind < 0.7:
                speaker.cut(told=False)
            elif kind < 0.9:
                speaker.power_cut(self.rng.choice((0.5, 5, 40)))
            elif speaker.up is not None:
                speaker.up.dead = True  # one way only: it hears, and is not heard

    async def _restarts(self) -> None:
        """kill -9: what the gateway had in its hands is gone."""
        while True:
            await asyncio.sleep(self.rng.uniform(20, 60))
            hub, self.hub = self.hub, None
            self.restarts += 1
            if hub is not None:
                hub.ink._task.cancel()
            for speaker in self.speakers:
                speaker.cut(told=False)
            await asyncio.sleep(self.rng.uniform(0.5, 4))
            self._start_gateway()

    # -- the auditor -------------------------------------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        """What breaks P7, in words."""
        new: dict[str, int] = defaultdict(int)
        found = []
        for speaker in self.speakers:
            for one in speaker.box.spoken:
                if not one.late:
                    new[one.announce_id] += 1
                if not one.announce_id.startswith("sum_") and one.announce_id not in self.books.rows:
                    found.append(f"{one.announce_id}: spoken, and nobody paid")
            found += [f"{speaker.box.device}: refused {why}" for why in speaker.box.refused if why == "signature"]
        found += [f"{ident}: spoken {times} times as new" for ident, times in new.items() if times > 1]
        spoken = {one.announce_id for speaker in self.speakers for one in speaker.box.spoken}
        for ident, row in self.books.rows.items():
            if row.state not in (Told.PLAYED, Told.SUMMARISED):
                # Its word that it spoke was lost for good: then it did speak, and the shop has it in writing.
                if ident not in spoken or ident not in self.told_in_writing:
                    found.append(f"{ident}: still {row.state.value}")
            elif row.played_ms - row.at_ms > SILENT_AFTER_MS + 600 and ident not in self.told_in_writing:
                found.append(f"{ident}: heard after {row.played_ms - row.at_ms} ms, and nobody was told in writing")
        return found
