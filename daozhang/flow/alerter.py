"""Carrying alerts: each to its own addressee, quietly repeated from the books; only an incident's newest word is worth a repeat."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from types import ModuleType
from typing import Protocol

from daozhang.core.addresses import Forbidden, parse
from daozhang.core.addresses import Target as Address
from daozhang.core.faults import Fault
from daozhang.core.incident import Incidents, Owed, Step
from daozhang.core.ports import Clock, Proc
from daozhang.core.webhook import Outcome
from daozhang.watch.alerts import Alert, Mail, Target, alert_of, shelf

log = logging.getLogger("daozhang.alerter")
GAPS_MS = (5_000, 30_000, 120_000, 600_000)
LOOK_MS = 1_000
_LEASE_MS = 120_000  # longer than a try takes; then another process follows one that died over it
_MOST = 50


class Carrier(Protocol):
    async def say(self, target: Address, headers: dict[str, str], body: bytes, livemode: bool) -> tuple[Outcome, bytes]: ...
    def outside_s(self) -> int: ...


Mailer = Callable[[Mail], Awaitable[Outcome]]


class Owing:
    """Whom a step is owed to, whoever takes it: a rule or a person. ``targets``: each by its place in the file."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = {f"{at} {target.way} {target.name}": target for at, target in enumerate(targets, 1)}

    def __call__(self, step: Step) -> tuple[Owed, ...]:
        """A draft is nobody's news but of those who want drafts; a step without words is no news."""
        alert = alert_of(step)
        wanted = [key for key, target in self.targets.items() if step.says and (target.drafts or alert.published)]
        return tuple(Owed(key, alert.incident, alert.id, asdict(alert)) for key in wanted)


class Alerter:
    """``owes`` says whom a step is owed to; ``run`` carries what the books owe. ``livemode``: only public https addresses are called."""

    def __init__(self, targets: Sequence[Target], books: Incidents, carrier: Carrier, mailer: Mailer, clock: Clock, proc: Proc, *, livemode: bool) -> None:
        self.owes = Owing(targets)
        self._targets = self.owes.targets
        self._books, self._carrier, self._mailer, self._clock, self._proc = books, carrier, mailer, clock, proc
        self._livemode, self._ways = livemode, shelf()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        while not self._stopping:
            try:
                await self.look()
            except (Fault, OSError) as why:
                log.warning("alerts are carried later", extra={"why": repr(why)})
            await self._clock.sleep_until(self._clock.now_ms() + LOOK_MS)

    async def look(self) -> int:
        """Begin carrying what is due; how many."""
        owed = await self._books.owed_alerts(self._clock.now_ms(), _LEASE_MS, _MOST) if self._targets else []
        for one in owed:
            self._proc.spawn(self._deliver(one), f"alert {one.target} {one.alert}")
        return len(owed)

    async def _deliver(self, owed: Owed) -> None:
        target, said = self._targets.get(owed.target), {"target": owed.target, "alert": owed.alert}
        if target is None:
            log.warning("an alert's addressee is no longer in the file", extra=said)
            await self._books.alert_tried(owed, 0)
            return
        outcome = await self._once(self._ways[target.way], target, Alert(**owed.said))
        gives_up = owed.tries >= len(GAPS_MS) or outcome.error.startswith("forbidden")
        if not outcome.taken and gives_up:
            log.warning("an alert was not taken", extra={**said, "why": outcome.error})
        over = outcome.taken or gives_up
        await self._books.alert_tried(owed, 0 if over else self._clock.now_ms() + GAPS_MS[owed.tries])

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
