"""What a till is told before it begins what will not finish: a channel that is shut refuses, one that is unwell warns."""

from typing import NamedTuple

from daozhang.core.faults import Fault
from daozhang.core.incident import Incident, Stage
from daozhang.flow.lookout import Lookout

OPERATIONAL, MAINTENANCE = "operational", "under_maintenance"
_DEGRADED, _PARTIAL, _MAJOR = "degraded_performance", "partial_outage", "major_outage"
_PARTLY, _MOSTLY = 0.3, 0.9
_LATELY_MS = 60_000
_ENOUGH, _LASTING = 3, 20  # payments: of the last minute, and of the outage


class State(NamedTuple):
    """``until_ms`` 0: nobody knows until when. ``incident`` empty: none is known."""

    word: str
    until_ms: int = 0
    incident: str = ""


def state_of(lookout: Lookout, party: str, name: str, now_ms: int) -> State:
    """What is announced goes before what is observed."""
    kind = "channel" if party == "platform" else "bank"
    found = next((one for one in lookout.incidents if _concerns(one, kind, name) and one.stage is not Stage.MONITORING), None)
    ident = found.id if found is not None and found.published_ms else ""
    notice = max((one.until_ms for one in lookout.notices if (one.party, one.name) == (party, name) and one.holds(now_ms)), default=0)
    if notice:
        return State(MAINTENANCE, notice, ident)
    if found is None:
        return State(OPERATIONAL)
    return State(_MAJOR if found.share >= _MOSTLY else _PARTIAL if found.share >= _PARTLY else _DEGRADED, 0, ident)


def _concerns(one: Incident, kind: str, name: str) -> bool:
    return (one.place, one.place_name) == (kind, name) or one.place == "all" or (kind == "channel" and one.party_name == name)


def _established(one: Incident, channel: str, now_ms: int) -> bool:
    """An outage, and this channel's: it has lasted, and it is known whose it is."""
    here = (one.place, one.place_name) == ("channel", channel) and one.party == "platform"
    return here and one.stage is Stage.IDENTIFIED and one.share >= _MOSTLY and one.payments >= _LASTING and now_ms - one.onset_ms >= _LATELY_MS


class Shut(NamedTuple):
    """Why this channel takes no new payments just now. ``until_ms`` 0: unknown; ``again_ms``: when it is tried next."""

    state: State
    again_ms: int


class Doorkeeper:
    """Lets nobody begin what will not finish; and lets one in a few seconds try, so that the end of an outage is seen.

    Suspicion refuses nobody. A channel is shut only while both are true: maintenance is announced, or an outage of this channel
    is identified and has lasted; and of the last minute's payments some got no information and none got through.
    """

    TRY_EVERY_MS = 5_000

    def __init__(self) -> None:
        self._tried: dict[str, int] = {}

    def shut(self, lookout: Lookout, channel: str, now_ms: int) -> Shut | None:
        """None: go ahead."""
        state = state_of(lookout, "platform", channel, now_ms)
        known = state.word == MAINTENANCE or any(_established(one, channel, now_ms) for one in lookout.incidents)
        if not known:
            return None
        lately = lookout.health.rates("channel", channel, now_ms, _LATELY_MS)
        if lately.paid or lately.business or lately.technical < _ENOUGH:
            return None
        tried = self._tried.get(channel, 0)
        if not 0 <= now_ms - tried < self.TRY_EVERY_MS:
            self._tried[channel] = now_ms
            return None
        return Shut(state, tried + self.TRY_EVERY_MS)


class ChannelShut(Fault):
    """Nothing was begun. ``others``: channels of this merchant that work."""

    def __init__(self, channel: str, shut: Shut, others: tuple[str, ...]) -> None:
        super().__init__(f"{channel} takes no payments at the moment")
        self.channel, self.shut, self.others = channel, shut, others
