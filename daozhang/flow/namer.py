"""Naming while it lasts: each dark payment is looked at again as facts come in; what was raised and withdrawn is written down.

Nothing is written while a payment is open (others move it then); its history goes into its story once its end is proven.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from daozhang.core.faults import Conflict, Fault
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Event
from daozhang.diagnosis.facts import NOBODY_LOOKED
from daozhang.diagnosis.history import OP, Said, heard, line_of
from daozhang.diagnosis.name import name_causes
from daozhang.flow.find_out import due_ms
from daozhang.flow.house import House
from daozhang.flow.lookout import look_around
from daozhang.flow.pen import Pen
from daozhang.watch.whose import Ranked

log = logging.getLogger("daozhang.namer")
_TICK_MS = 500
_GAPS_MS = (500, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000)
_SETTLES_MS = 6_000  # after its end: the others of that moment are known by then
_MOST = 2_000
_GIVES_UP_MS = 180_000  # longer than the window over others remembers


@dataclass
class _Case:
    since_ms: int
    next_ms: int
    looks: int = 0
    history: tuple[Said, ...] = ()


def _nobody(_payment: Payment, _ranked: Ranked) -> None:
    """Nobody in this process watches over all."""


class Namer:
    """``dark`` is told of payments that have no information; ``run`` until ``stop``. ``on_named`` hears of every look."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._cases: dict[str, _Case] = {}
        self._stopping = False
        self.on_named: Callable[[Payment, Ranked], None] = _nobody

    def stop(self) -> None:
        self._stopping = True

    def dark(self, payment_id: str) -> None:
        now = self._house.clock.now_ms()
        if payment_id not in self._cases and len(self._cases) < _MOST:
            self._cases[payment_id] = _Case(now, now + _GAPS_MS[0])

    async def run(self) -> None:
        while not self._stopping:
            await self._house.clock.sleep_until(self._house.clock.now_ms() + _TICK_MS)
            try:
                await self.look()
            except (Fault, OSError) as why:
                log.warning("causes are named later", extra={"why": repr(why)})

    async def look(self) -> None:
        """Look at each case that is due."""
        now = self._house.clock.now_ms()
        for ident in [ident for ident, case in self._cases.items() if case.next_ms <= now]:
            case = self._cases[ident]
            if await self._one(ident, case, now):
                del self._cases[ident]
            else:
                case.looks += 1
                case.next_ms = now + _GAPS_MS[min(case.looks, len(_GAPS_MS) - 1)]

    async def _one(self, ident: str, case: _Case, now: int) -> bool:
        """One look; True when the case is closed."""
        house = self._house
        payment = await house.store.payment(ident)
        if payment is None:
            return True
        lines = await house.store.evidence(ident)
        if any(line.op == OP for line in lines):
            return True  # another worker has written it down
        around = await look_around(house.lookout, house.fleet, payment, now)
        named = name_causes(payment, lines, now, around or NOBODY_LOOKED)
        if named.why_no_information is not None:
            self.on_named(payment, named.why_no_information.ranked)
        case.history = heard(case.history, named, now)
        if not payment.proven or payment.state is State.SURPLUS:
            return now - case.since_ms > _GIVES_UP_MS
        if now - payment.decided_ms < _SETTLES_MS:
            return False
        return not case.history or await self._write(payment, case, now)

    async def _write(self, payment: Payment, case: _Case, now: int) -> bool:
        """The whole history in one transaction, with one event for what holds in the end."""
        house = self._house
        row = await house.account(payment.account)
        pen = Pen(house, payment, row.fee_rate)
        for one in case.history:
            pen.note(line_of(payment.id, one, now))
        held = {one.question: one.named for one in case.history if not one.until_ms}
        data = {question: {"id": named.id, "number": named.number, "confidence": named.confidence, "probability": named.probability}
                for question, named in held.items()}  # fmt: skip
        pen.also(Event("payment.cause_named", payment.merchant, payment.bucket, payment.id, now, {"payment": payment.id, **data}))
        try:
            await pen.commit(payment, due_ms(payment, house.channel(payment.channel).manners, now), wake=False)
        except Conflict:
            return False  # it moved: the next look reads it anew
        return True
