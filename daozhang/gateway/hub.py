"""Who is connected, who may connect, and what each one is still to be told."""

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from daozhang.core.faults import Fault
from daozhang.core.fleet import Device, Fact, Fleet, Standing
from daozhang.core.ports import Clock, Proc
from daozhang.devices import enrolment
from daozhang.devices.code_word import WordOf
from daozhang.devices.mqtt.packets import V5, Connect, Reason
from daozhang.devices.session import Said, Stage
from daozhang.gateway.ink import Ink
from daozhang.gateway.line import Line
from daozhang.gateway.outgoing import Outgoing
from daozhang.gateway.reports import Reports

log = logging.getLogger("daozhang.gateway")
CONNECT_WITHIN_S = 5.0
_ANSWER_WITHIN_S = 60.0
_ACK_WITHIN_S = 20.0
_MOST_STRANGERS = 4_096  # connections that have not yet said who they are
_TRIES, _TRIES_S = 8, 30.0  # wrong secrets for one name from one place
_CLONES, _CLONES_S = 5, 60.0  # take-overs of a living connection before two boxes are suspected
_ALARM_EVERY_S = 60.0
_MOST_REMEMBERED = 10_000


class Book(Fleet, Protocol):
    """The fleet's store, and where contradictions are written down."""

    async def alarm(self, kind: str, subject: str, at_ms: int, detail: dict[str, Any]) -> None: ...


@dataclass
class Counts:
    """For the log and the benches."""

    accepted: int = 0
    refused: int = 0
    alarms: int = 0


@dataclass
class Hub:
    """The desk of all lines of this process."""

    fleet: Book
    clock: Clock
    proc: Proc
    name: str
    most: int = 15_000
    word_of: WordOf | None = None
    lines: dict[str, Line] = field(default_factory=dict)
    strangers: set[Line] = field(default_factory=set)
    counts: Counts = field(default_factory=Counts)
    _open: int = 0
    _wrong: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _taken: dict[str, deque[float]] = field(default_factory=dict)
    _alarmed: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ink = Ink(self.fleet)
        self.out = Outgoing(self.fleet, self.clock, self.proc, self.word_of)
        self.reports = Reports(self.clock, self.ink)

    # -- lines call ------------------------------------------------------------------------------------------------------

    def seconds(self) -> float:
        return self.clock.monotonic_ms() / 1000

    def opened(self, line: Line) -> bool:
        self._open += 1
        if self._open > self.most or len(self.strangers) >= _MOST_STRANGERS:
            self.counts.refused += 1
            return False
        self.strangers.add(line)
        return True

    def wants_in(self, line: Line, connect: Connect) -> None:
        self.proc.spawn(self._let_in(line, connect), "a device wants in")

    def said(self, line: Line, said: Said) -> None:
        if line.device is None:
            return
        if self.ink.full:
            line.do(line.session.close(Reason.BUSY, "more is said than can be written down"))
            return
        self.reports.take(line, said)

    def delivered(self, line: Line, mark: str, reason: int) -> None:
        self.reports.delivered(line, mark, reason)
        self.out.flow(line)

    def command_done(self, line: Line, command: str, table: dict[str, Any]) -> None:
        """A command was delivered, done or refused by the device that it was given to."""
        device = line.device
        if device is None:
            return
        state = {"delivered": "delivered", "done": "done"}.get(str(table.get("state")), "failed")
        result: dict[str, Any] = {name: table[name] for name in ["result", "why"] if name in table}
        if table.get("refused"):
            self.alarm(line, "image_refused", str(table["refused"])[:40])
        at = self.clock.now_ms()
        self.proc.spawn(self.fleet.command_told(command, device, at, state, result), "a command's outcome")

    def listens(self, line: Line, kinds: frozenset[str]) -> None:
        if line.device is None:
            return
        if line.keep:
            self.proc.spawn(self.fleet.listens(line.device, line.number, kinds), "subscriptions")
        self.out.wanted(line, greet=True)

    def alarm(self, line: Line, kind: str, detail: str) -> None:
        """Somebody tries what no honest device does: written down, at most once a minute for each kind."""
        subject = line.device.id if line.device is not None else line.peer
        now = self.seconds()
        if now - self._alarmed.get((subject, kind), -_ALARM_EVERY_S) < _ALARM_EVERY_S:
            return
        if len(self._alarmed) > _MOST_REMEMBERED:
            self._alarmed.clear()
        self._alarmed[subject, kind] = now
        self.counts.alarms += 1
        at = self.clock.now_ms()
        told = {"detail": detail, "from": line.peer}
        self.proc.spawn(self.fleet.alarm(f"device.{kind}", subject, at, told), "alarm")
        if line.device is not None:
            device = line.device
            self.ink.fact(Fact(device.id, device.bucket, device.merchant, at, kind, told))

    def closed(self, line: Line, why: str, clean: bool) -> None:
        self._open -= 1
        self.strangers.discard(line)
        device = line.device
        if device is None or not line.number:
            return
        if self.lines.get(device.id) is line:
            del self.lines[device.id]
        if line.session.will is not None and not clean:
            self.reports.will(line)
        self.proc.spawn(self._log_out(device, line.number, why, line.keep), "a device is gone")

    # -- letting in ----------------------------------------------------------------------------------------------------------

    async def _let_in(self, line: Line, connect: Connect) -> None:
        try:
            await self._who(line, connect)
        except (Fault, OSError) as why:
            log.warning("a device is asked to come again", extra={"why": repr(why)})
            line.do(line.session.refused(Reason.BUSY, "the store is away"))

    async def _who(self, line: Line, connect: Connect) -> None:
        name = connect.username or connect.client_id
        device = None
        if self._patient_with(name, line.peer):
            device = await self.fleet.device(name) if name.startswith("dev_") else None
            if device is None or not (line.trusted or self._right(device, connect.password or b"")):
                device = None
                self._note_wrong(line, name)
        if line.end is not None:
            return
        if device is None:
            self.counts.refused += 1
            line.do(line.session.refused(Reason.BAD_LOGIN, "unknown device or wrong secret"))
            return
        if device.standing is not Standing.ACTIVE:
            line.do(line.session.refused(Reason.BANNED, f"the device is {device.standing.value}"))
            return
        line.device = device
        line.do(line.session.fits(device.merchant, device.id))
        if line.end is None and await self._no_clone(line, device):
            await self._seat(line, device, connect)

    def _right(self, device: Device, secret: bytes) -> bool:
        old = device.old_sha256 if device.old_until_ms > self.clock.now_ms() else ""
        return enrolment.matches(secret, (device.secret_sha256, old))

    async def _seat(self, line: Line, device: Device, connect: Connect) -> None:
        expiry = connect.properties.get("session_expiry_s", 0)
        line.keep = expiry > 0 if connect.level == V5 else not connect.clean
        now = self.clock.now_ms()
        login = await self.fleet.log_in(device, self.name, now, connect.clean)
        if line.end is not None:
            await self._log_out(device, login.session, "connection lost", False)
            return
        earlier = self.lines.get(device.id)
        if earlier is not None and earlier.number > login.session:
            line.do(line.session.refused(Reason.BUSY, "another connection was faster"))
            return
        line.number, line.online_ms = login.session, now
        self.lines[device.id] = line
        if earlier is not None:
            earlier.do(earlier.session.close(Reason.TAKEN_OVER, "taken over"))
        self.strangers.discard(line)
        self.counts.accepted += 1
        line.let_in()
        line.do(line.session.admitted(device.merchant, device.id, login.kinds, bool(login.kinds) and not connect.clean))
        self.out.wanted(line, greet=True)

    async def _no_clone(self, line: Line, device: Device) -> bool:
        """One box that lost its network comes back once. Two boxes with one identity throw each other out again and
        again: then neither is believed until a person has looked."""
        earlier, now = self.lines.get(device.id), self.seconds()
        if earlier is None or now - earlier.heard_s > earlier.session.keep_alive_s * 1.5:
            return True
        taken = self._taken.setdefault(device.id, deque(maxlen=_CLONES))
        taken.append(now)
        if len(taken) < _CLONES or now - taken[0] > _CLONES_S:
            return True
        del self._taken[device.id]
        self.alarm(line, "cloned", f"{_CLONES} take-overs of a living connection within {_CLONES_S:.0f} s")
        at = self.clock.now_ms()
        told = {"cause": "device.misbound", "says": "two boxes with one identity"}
        self.ink.fact(Fact(device.id, device.bucket, device.merchant, at, "frozen", told, "device.misconfigured"))
        await self.fleet.change_device(replace(device, standing=Standing.FROZEN))
        line.do(line.session.refused(Reason.BANNED, "two boxes with one identity"))
        earlier.do(earlier.session.close(Reason.NOT_AUTHORIZED, "two boxes with one identity"))
        return False

    def _patient_with(self, name: str, peer: str) -> bool:
        wrong = self._wrong.get((peer, name))
        return wrong is None or len(wrong) < _TRIES or self.seconds() - wrong[0] > _TRIES_S

    def _note_wrong(self, line: Line, name: str) -> None:
        if len(self._wrong) > _MOST_REMEMBERED:
            self._wrong.clear()
        wrong = self._wrong.setdefault((line.peer, name), deque(maxlen=_TRIES))
        wrong.append(self.seconds())
        if len(wrong) == _TRIES:
            self.alarm(line, "secret_guessed", name[:60])

    async def _log_out(self, device: Device, number: int, why: str, keep: bool) -> None:
        try:
            await self.fleet.log_out(device, number, self.clock.now_ms(), why, keep)
        except Fault as gone:
            log.warning("not written: a device is gone", extra={"device": device.id, "why": str(gone)})

    # -- others call -----------------------------------------------------------------------------------------------------------

    def notified(self, payload: str) -> None:
        """From the store: devices with something due, devices that changed, devices that connected elsewhere.

        Nothing ("") means that notifications may have been missed: everybody is looked at again.
        """
        what, *names = payload.split() or ["due", *self.lines]
        if what == "due":
            for name in names:
                if (line := self.lines.get(name)) is not None:
                    self.out.wanted(line)
        elif what == "changed":
            self.proc.spawn(self._changed(names[0]), "a device changed")
        elif what == "taken":
            line = self.lines.get(names[0])
            if line is not None and line.number < int(names[1]):
                line.do(line.session.close(Reason.TAKEN_OVER, "taken over"))

    async def _changed(self, name: str) -> None:
        """Rights are read again: a revoked device is out at once, a new wish is told."""
        line = self.lines.get(name)
        if line is None or line.device is None:
            return
        device = await self.fleet.device(name)
        if device is None or device.standing is not Standing.ACTIVE:
            line.do(line.session.close(Reason.NOT_AUTHORIZED, "its rights were taken back"))
            return
        if device.merchant != line.device.merchant or device.keys != line.device.keys:
            line.do(line.session.close(Reason.NOT_AUTHORIZED, "its place or its keys have changed"))
            return
        line.device = device
        self.out.wanted(line, greet=True)

    def sweep(self) -> None:
        """Once a second: strangers who say nothing, and devices whose keep-alive is over.

        Whoever has said who it is waits for us, not we for it: in a storm that may take longer.
        """
        now = self.seconds()
        for line in list(self.strangers):
            waits = CONNECT_WITHIN_S if line.session.stage is Stage.WAITING else _ANSWER_WITHIN_S
            if now - line.born > waits:
                line.abort("it did not say who it is")
        for line in list(self.lines.values()):
            limit = line.session.keep_alive_s * 1.5
            if limit and now - line.heard_s > limit:
                line.do(line.session.close(Reason.KEEP_ALIVE, "keep-alive lost"))
                continue
            since = line.session.waiting_since
            if since is not None and now - since > _ACK_WITHIN_S:
                # It takes bytes and answers nothing: a new connection starts clean, and what it missed comes as late.
                line.do(line.session.close(Reason.UNSPECIFIED, "it does not acknowledge"))

    async def close(self) -> None:
        """Say good-bye to everybody and write down what they said."""
        for line in list(self.lines.values()):
            line.do(line.session.close(Reason.SHUTTING_DOWN, "the gateway is stopping"))
        await self.ink.close()

