"""What leaves for one device: claimed in the store first, fresh before late, one late sentence at a time."""

import heapq
import json
import logging
from collections.abc import Callable
from typing import Any

from daozhang.core.faults import Fault
from daozhang.core.fleet import Announcement, Command, Fleet
from daozhang.core.ports import Clock, Proc
from daozhang.core.texts import rfc3339
from daozhang.devices import announcing
from daozhang.devices.code_word import WordOf
from daozhang.devices.session import Stage
from daozhang.gateway.line import Line

log = logging.getLogger("daozhang.gateway")
_MARKS = 1 << 20  # messages of one session; numbers grow over all sessions of a device
_FULL = 2_000
_FIRST = 0  # configuration and commands go before sentences of the same freshness

Payload = Callable[[int, int], bytes]  # (number, now) -> bytes


class Outgoing:
    """Feeds lines from the store. ``word_of``: the word of the day of a store, for speakers that shall say it."""

    def __init__(self, fleet: Fleet, clock: Clock, proc: Proc, word_of: WordOf | None = None) -> None:
        self._fleet, self._clock, self._proc, self._word_of = fleet, clock, proc, word_of

    def wanted(self, line: Line, greet: bool = False) -> None:
        """There may be something for this device. ``greet``: it has just come, or its configuration has changed."""
        if line.session.stage is not Stage.OPEN or line.device is None:
            return
        if greet and "config" in line.session.kinds:
            self._configure(line)
        line.wanted = True
        if not line.pumping:
            line.pumping = True
            self._proc.spawn(self._pump(line), "outgoing")

    async def _pump(self, line: Line) -> None:
        try:
            while line.wanted and line.session.stage is Stage.OPEN:
                line.wanted = False
                await self._fetch(line)
                self.flow(line)
        except Fault as why:
            log.warning("a device is fed later", extra={"why": str(why)})
            await self._clock.sleep_until(self._clock.now_ms() + 300)
            line.wanted = True
        finally:
            line.pumping = False
        if line.wanted and line.session.stage is Stage.OPEN:
            self.wanted(line)

    async def _fetch(self, line: Line) -> None:
        device = line.device
        if device is None:
            return
        if "cmd" in line.session.kinds:
            for command in await self._fleet.take_commands(device, line.number, self._clock.now_ms()):
                line.push(False, _FIRST, "cmd", f"c:{command.id}", _command(command), 0)
        if "announce" not in line.session.kinds or not device.speaks:
            return
        now = self._clock.now_ms()
        taken = await self._fleet.take(device, line.number, now)
        plan = announcing.plan(taken, now, line.online_ms)
        for one in (*plan.fresh, *plan.late):
            late = announcing.is_late(one, now, line.online_ms)
            line.push(late, one.at_ms, "announce", f"a:{one.id}", one, 60)
        if plan.summed:
            name = announcing.summary_id(plan.summed)
            await self._fleet.summarise(device, name, [one.id for one in plan.summed])
            line.push(True, plan.summed[0].at_ms, "announce", f"s:{name}", plan.summed, 0)
        if len(taken) >= _FULL:
            line.wanted = True

    def _configure(self, line: Line) -> None:
        device = line.device
        if device is not None:
            table = {"config_n": device.desired_n, "device": device.id, "desired": device.desired}
            line.push(False, _FIRST, "config", f"f:{device.desired_n}", table, 0)

    def flow(self, line: Line) -> None:
        """Send what waits while there is room; a late sentence only when no other one is being said."""
        queue = line.queue
        while queue and line.session.room > 0 and line.session.stage is Stage.OPEN:
            late, _, mark, kind, what, expiry = queue[0]
            if late and line.late_out:
                return
            heapq.heappop(queue)
            payload, late = self._payload(line, what)
            if kind == "announce" and late:
                mark, expiry = f"{mark}:late", 0
                line.late_out = mark
            line.do(line.session.tell(kind, payload, mark, expiry, line.desk.seconds()))

    def _payload(self, line: Line, what: Any) -> tuple[bytes, bool]:
        """The signed bytes, worded for this moment."""
        device, now = line.device, self._clock.now_ms()
        if device is None:
            return b"", False
        line.said_n += 1
        n = line.number * _MARKS + line.said_n
        late = False
        if isinstance(what, Announcement):
            late = announcing.is_late(what, now, line.online_ms)
            table = announcing.message(what, device.id, n, now, late, device.desired)
        elif isinstance(what, tuple):
            late, table = True, announcing.summary(what, device.id, n, now, device.desired)
        else:
            table = {**what, "n": n, "sent_at": rfc3339(now)}
        if "clips" in table and device.desired.get("code_word") is True and self._word_of is not None:
            table = announcing.with_word(table, self._word_of(device.merchant, device.store, now))
        if device.keys:
            return announcing.signed(table, device.keys["sign"]), late
        return json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode(), late


def _command(command: Command) -> dict[str, Any]:
    return {"command_id": command.id, "device": command.device, "command": command.command, "args": command.args,
            "expires": rfc3339(command.expires_ms)}  # fmt: skip
