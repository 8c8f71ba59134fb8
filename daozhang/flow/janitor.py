"""Nobody is forgotten: due timers are leased, and whoever leases one carries the payment or refund on (promise P6)."""

import asyncio
import logging
from collections.abc import Callable

from daozhang.core.faults import Conflict, Fault, Unavailable
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Due
from daozhang.flow import late
from daozhang.flow.find_out import drive, due_ms
from daozhang.flow.house import LEASE_MS, House
from daozhang.flow.look_alike import watch_for_look_alike
from daozhang.flow.refund import drive_refund

log = logging.getLogger("daozhang.janitor")
MOST_AT_ONCE = 200
LOOK_EVERY_MS = 200


class Janitor:
    """Runs until ``stop`` is called. ``busy`` counts errands under way (the sandbox's clock waits for zero)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stopping = False
        self.busy = 0

    def stop(self) -> None:
        self._stopping = True

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Look for due timers for ever; ``beat`` is called once a round."""
        while not self._stopping:
            beat()
            found = await self.round()
            if not found:
                await self._house.clock.sleep_until(self._house.clock.now_ms() + LOOK_EVERY_MS)

    async def round(self) -> int:
        """Claim what is due and start carrying it on; how many were claimed."""
        free = MOST_AT_ONCE - self.busy
        if free <= 0:
            return 0
        try:
            claimed = await self._house.store.claim(self._house.clock.now_ms(), free, LEASE_MS)
        except Unavailable as why:
            log.warning("the store is not to be had", extra={"why": str(why)})
            return 0
        for due in claimed:
            self.busy += 1
            self._house.proc.spawn(self._errand(due), f"due {due.subject}")
        return len(claimed)

    async def settle(self) -> None:
        """Return when no errand is under way."""
        while self.busy:
            await asyncio.wait({asyncio.ensure_future(self._house.clock.sleep_until(self._house.clock.now_ms() + 5))})

    async def _errand(self, due: Due) -> None:
        try:
            await tend(self._house, due)
        except Conflict:
            pass  # somebody else carries it on, with a timer of its own
        except (Fault, OSError) as why:
            # The lease ends by itself and the timer comes back: nothing is forgotten, nothing is concluded.
            log.warning("an errand will be tried again", extra={"subject": due.subject, "why": repr(why)})
        finally:
            self.busy -= 1


async def tend(house: House, due: Due) -> None:
    """Do what one timer asks for."""
    if due.subject.startswith("rfd_"):
        refund = await drive_refund(house, due.subject)
        if refund is None or refund.decided_ms:
            await house.store.release(due)
        return
    payment = await house.store.payment(due.subject)
    if payment is None:
        await house.store.release(due)
        return
    stored = await _tend_payment(house, payment)
    if stored is None:
        await house.store.release(due)


async def _tend_payment(house: House, payment: Payment) -> Payment | None:
    """None when the payment has nothing left that a timer could do."""
    now = house.clock.now_ms()
    if payment.state is State.SURPLUS:
        return await late.return_surplus(house, payment)
    if payment.question and 0 < payment.answer_by_ms <= now:
        await late.answer_by_policy(house, payment)
        return payment
    manners = house.manners(payment.channel)
    if not due_ms(payment, manners, now):
        return None
    stored = await drive(house, payment)
    watch_for_look_alike(house, stored)
    return stored
