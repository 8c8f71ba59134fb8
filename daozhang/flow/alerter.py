"""Carrying alerts: each to its own addressee, quietly repeated; only an incident's newest word is worth a repeat."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Protocol

from daozhang.core.addresses import Forbidden, parse
from daozhang.core.addresses import Target as Address
from daozhang.core.incident import Step
from daozhang.core.ports import Clock, Proc
from daozhang.core.webhook import Outcome
from daozhang.watch.alerts import Alert, Mail, Target, alert_of, shelf

log = logging.getLogger("daozhang.alerter")
GAPS_MS = (5_000, 30_000, 120_000, 600_000)


class Carrier(Protocol):
    async def say(self, target: Address, headers: dict[str, str], body: bytes, livemode: bool) -> tuple[Outcome, bytes]: ...
    def outside_s(self) -> int: ...


Mailer = Callable[[Mail], Awaitable[Outcome]]


class Alerter:
    """``tell`` returns at once. ``livemode``: only public https addresses are called."""

    def __init__(self, targets: Sequence[Target], carrier: Carrier, mailer: Mailer, clock: Clock, proc: Proc, *, livemode: bool) -> None:
        self._targets, self._carrier, self._mailer, self._clock, self._proc = targets, carrier, mailer, clock, proc
        self._livemode, self._ways = livemode, shelf()
        self._newest: dict[tuple[int, str], str] = {}
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def tell(self, step: Step) -> None:
        alert = alert_of(step)
        for at, target in enumerate(self._targets):
            if not step.says or not (target.drafts or alert.published):
                continue
            if len(self._newest) > 10_000:
                self._newest.clear()
            self._newest[at, alert.incident] = alert.id
            self._proc.spawn(self._deliver(at, target, alert), f"alert {target.name} {alert.id}")

    async def _deliver(self, at: int, target: Target, alert: Alert) -> None:
        for gap in (*GAPS_MS, 0):
            outcome = await self._once(self._ways[target.way], target, alert)
            if outcome.taken:
                return
            if not gap or self._stopping or outcome.error.startswith("forbidden"):
                log.warning("an alert was not taken", extra={"target": target.name, "alert": alert.id, "why": outcome.error})
                return
            await self._clock.sleep_until(self._clock.now_ms() + gap)
            if self._newest.get((at, alert.incident)) != alert.id:
                return  # there is newer news of this incident

    async def _once(self, way: ModuleType, target: Target, alert: Alert) -> Outcome:
        made = way.write(target, alert, self._carrier.outside_s())
        if isinstance(made, Mail):
            return await self._mailer(made)
        try:
            address = parse(made.url, plain_allowed=not self._livemode)
        except Forbidden as why:
            return Outcome(0, f"forbidden: {why}")
        outcome, body = await self._carrier.say(address, dict(made.headers), made.body, self._livemode)
        if outcome.taken and not way.taken(outcome.status, body):
            return Outcome(502, f"the robot said no: {body[:200].decode('utf-8', 'replace')}")
        return outcome
