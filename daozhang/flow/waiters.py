"""Who waits for a payment to change: answers that are held open, and streams."""

import asyncio
from collections import defaultdict

from daozhang.core.ports import Clock


class Waiters:
    """Wakes those who wait for one payment, in this process. Other processes are reached through the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Whoever waited first is woken first: the same order in every run of a simulation.
        self._events: dict[str, dict[asyncio.Event, None]] = defaultdict(dict)

    def wake(self, payment: str) -> None:
        for event in self._events.get(payment, ()):
            event.set()

    async def wait(self, payment: str, until_ms: int) -> bool:
        """True when the payment changed before ``until_ms``, False when the time came first."""
        if until_ms <= self._clock.now_ms():
            return False
        event = asyncio.Event()
        self._events[payment][event] = None
        changed = asyncio.ensure_future(event.wait())
        time = asyncio.ensure_future(self._clock.sleep_until(until_ms))
        try:
            await asyncio.wait({changed, time}, return_when=asyncio.FIRST_COMPLETED)
            return event.is_set()
        finally:
            changed.cancel()
            time.cancel()
            self._events[payment].pop(event, None)
            if not self._events[payment]:
                del self._events[payment]
