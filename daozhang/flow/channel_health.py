"""How channels and banks are now, in the words of a status page, and whether a channel is shut: what a till is told beforehand."""

from typing import Any, NamedTuple

from daozhang.core.incident import Incident, Probe, Stage
from daozhang.core.texts import rfc3339
from daozhang.flow.house import House
from daozhang.flow.lookout import Lookout
from daozhang.watch.health import Rates

OPERATIONAL, MAINTENANCE = "operational", "under_maintenance"
_DEGRADED, _PARTIAL, _MAJOR = "degraded_performance", "partial_outage", "major_outage"
_PARTLY, _MOSTLY = 0.3, 0.9
_LATELY_MS = 60_000


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


def channels(house: House) -> list[dict[str, Any]]:
    """Every channel on the shelf."""
    lookout = house.lookout
    if lookout is None:
        return []
    now = house.clock.now_ms()
    return [
        {**_picture("channel_health", "channel", channel.name, lookout, now, "platform"), "words": channel.manifest["words"],
         "last_probe": probe_picture(lookout.probed.get(channel.name))}
        for channel in house.shelf
    ]  # fmt: skip


def banks(house: House) -> list[dict[str, Any]]:
    """Every bank that a success has named in the last minutes, and those that are announced or suspected."""
    lookout = house.lookout
    if lookout is None:
        return []
    names = {*lookout.health.names("bank"), *(one.name for one in lookout.notices if one.party == "bank"),
             *(one.place_name for one in lookout.incidents if one.place == "bank")}  # fmt: skip
    return [_picture("bank_health", "bank", name, lookout, house.clock.now_ms(), "bank") for name in sorted(names)]


def _picture(kind: str, place: str, name: str, lookout: Lookout, now_ms: int, party: str) -> dict[str, Any]:
    rates, state = lookout.health.rates(place, name, now_ms), state_of(lookout, party, name, now_ms)
    return {
        "object": kind, "name": name, "status": state.word, "until": rfc3339(state.until_ms), "incident": state.incident or None,
        **rates_picture(rates),
    }  # fmt: skip


def rates_picture(rates: Rates) -> dict[str, Any]:
    return {
        "window_s": 300, "payments": rates.payments, "success_rate": rates.share(rates.paid),
        "technical_decline_rate": rates.share(rates.technical), "business_decline_rate": rates.share(rates.business),
        "p95_ms": rates.p95_ms or None,
    }  # fmt: skip


def probe_picture(probe: Probe | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    return {"at": rfc3339(probe.at_ms), "from": probe.place, "answered": probe.answered, "took_ms": probe.took_ms, "code": probe.code or None}


# -- before a payment is begun -----------------------------------------------------------------------------------------


class Shut(NamedTuple):
    """Why this channel takes no new payments just now. ``until_ms`` 0: unknown; ``again_ms``: when it is tried next."""

    state: State
    again_ms: int


class Doorkeeper:
    """Lets nobody begin what will not finish; and lets one in a few seconds try, so that the end of an outage is seen.

    Suspicion refuses nobody: a channel is shut only while both are true, an outage or a maintenance window is known, and no
    payment of the last minute got through while some were tried.
    """

    TRY_EVERY_MS = 5_000

    def __init__(self) -> None:
        self._tried: dict[str, int] = {}

    def shut(self, lookout: Lookout, channel: str, now_ms: int) -> Shut | None:
        """None: go ahead."""
        state = state_of(lookout, "platform", channel, now_ms)
        if state.word not in (MAINTENANCE, _MAJOR):
            return None
        lately = lookout.health.rates("channel", channel, now_ms, _LATELY_MS)
        if lately.paid or lately.business or not lately.technical:
            return None
        tried = self._tried.get(channel, 0)
        if not 0 <= now_ms - tried < self.TRY_EVERY_MS:
            self._tried[channel] = now_ms
            return None
        return Shut(state, tried + self.TRY_EVERY_MS)
