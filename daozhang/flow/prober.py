"""Probes: a channel is asked for an order that does not exist, with an account's own key, politely and only where it helps.

An answer, whatever it says, proves that the channel is there. Silence proves nothing about whose fault it is: it goes the same
way out as everything of ours, so it never counts as a probe from elsewhere.
"""

import logging
from collections.abc import Callable

from daozhang.core.evidence import Op, Proves
from daozhang.core.faults import Fault
from daozhang.core.incident import Incidents, Probe
from daozhang.core.payment import Method, Payment, State
from daozhang.core.ports import AccountRow
from daozhang.flow.around import HERE
from daozhang.flow.doorkeeper import OPERATIONAL, state_of
from daozhang.flow.house import House

log = logging.getLogger("daozhang.prober")
_LOOK_MS = 1_000
IN_DOUBT_MS, ORDINARY_MS = 15_000, 120_000
_DOUBTFUL = 2  # payments without information in the last minute


class Prober:
    """``in_doubt``: channels that seem unwell are probed; ``always``: the others too, now and then. Accounts are those that took
    a payment lately, so that no probe asks with a key that nobody uses."""

    def __init__(self, house: House, books: Incidents, *, always: bool, in_doubt: bool) -> None:
        self._house, self._books, self._always, self._in_doubt = house, books, always, in_doubt
        self._last: dict[str, int] = {}
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self, leads: Callable[[], bool]) -> None:
        """One process probes: the one that leads the watch."""
        while not self._stopping:
            await self._house.clock.sleep_until(self._house.clock.now_ms() + _LOOK_MS)
            if not leads():
                continue
            try:
                await self.round()
            except (Fault, OSError) as why:
                log.warning("channels are probed later", extra={"why": repr(why)})

    async def round(self) -> list[Probe]:
        """Probe what is due."""
        made, now = [], self._house.clock.now_ms()
        for channel in self._house.shelf:
            every = self._every_ms(channel.name, now)
            if every and now - self._last.get(channel.name, 0) >= every:
                row = await self._account(channel.name)
                if row is not None:
                    self._last[channel.name] = now
                    made.append(await self.probe(row))
        return made

    def _every_ms(self, channel: str, now: int) -> int:
        """0: not now."""
        lookout = self._house.lookout
        if lookout is None or not (self._in_doubt or self._always):
            return 0
        unwell = state_of(lookout, "platform", channel, now).word != OPERATIONAL
        if self._in_doubt and (unwell or lookout.health.rates("channel", channel, now, 60_000).technical >= _DOUBTFUL):
            return IN_DOUBT_MS
        return ORDINARY_MS if self._always else 0

    async def _account(self, channel: str) -> AccountRow | None:
        """The account that was in use last, in this process."""
        lookout = self._house.lookout
        known = lookout.accounts.get(channel, "") if lookout is not None else ""
        return await self._house.store.account(known) if known else None

    async def probe(self, row: AccountRow) -> Probe:
        """One question, and what it shows."""
        house = self._house
        now, wire = house.clock.now_ms(), house.channel(row.channel).wire
        nobody = Payment(
            house.new_id("pay", row.bucket), row.bucket, row.merchant, "", "", "probe", 1, "CNY", Method.PAY_BY_CODE, row.channel, row.id,
            row.livemode, "", "", {}, now, state=State.UNKNOWN, asked_ms=now,
        )  # fmt: skip
        question = house.question(Op.QUERY, nobody, now + house.channel(row.channel).manners.ask_deadline_ms)
        account = house.shelf.account(row)
        exchange = await house.net.call(wire.write(account, question))
        finding = wire.read(account, question, exchange)
        spoke = finding.proves not in (Proves.NOTHING, Proves.NOT_SENT) and not finding.alarm
        took = round(house.clock.now_ms() - now)
        made = Probe(row.channel, HERE, now, spoke, took, "" if spoke else finding.code)
        await self._books.probed(made)
        return made
