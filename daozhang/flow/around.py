"""What stands in the books and is needed all the time, read every few seconds: maintenance, open incidents, probes, releases, what tills told."""

import contextlib

from daozhang.core.faults import Fault
from daozhang.core.incident import Incidents
from daozhang.core.ports import Clock
from daozhang.core.stated import Statements, changed_ms
from daozhang.diagnosis.facts import Notice
from daozhang.flow.lookout import Lookout

_EVERY_MS = 2_000
_TILLS_EVERY = 60  # rounds
_NEAR_MS = 24 * 3_600_000
HERE = "here"
_PROBE_LIVES_MS = 120_000


async def keep_looking(lookout: Lookout, books: Incidents, stated: Statements, clock: Clock) -> None:
    """For ever; what cannot be read at the moment stays as it was known last."""
    rounds = 0
    while True:
        with contextlib.suppress(Fault, OSError):
            await look(lookout, books, clock.now_ms())
            lookout.released_ms = changed_ms(await stated.releases())
            if rounds % _TILLS_EVERY == 0:
                lookout.about = await books.tills_about()
            rounds += 1
        await clock.sleep_until(clock.now_ms() + _EVERY_MS)


async def look(lookout: Lookout, books: Incidents, now_ms: int) -> None:
    """A probe from elsewhere tells whether the channel or our own way out is gone; our own probe cannot tell that."""
    windows = await books.windows(now_ms - _NEAR_MS, now_ms + _NEAR_MS)
    lookout.notices = tuple(Notice(one.party, one.name, one.from_ms, one.until_ms) for one in windows)
    lookout.incidents = tuple(await books.open_incidents())
    fresh = [one for one in await books.probes() if now_ms - one.at_ms < _PROBE_LIVES_MS]
    lookout.elsewhere = {one.channel: one.answered for one in sorted(fresh, key=lambda one: one.at_ms) if one.place != HERE}
    lookout.probed = {one.channel: one for one in fresh if one.place == HERE}
