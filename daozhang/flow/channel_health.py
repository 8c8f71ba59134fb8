"""How channels and banks are now, in the words of a status page."""

from typing import Any

from daozhang.core.incident import Probe
from daozhang.core.texts import rfc3339
from daozhang.flow.doorkeeper import state_of
from daozhang.flow.house import House
from daozhang.flow.lookout import Lookout
from daozhang.watch.health import Rates


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
    return {"at": rfc3339(probe.at_ms), "place": probe.place, "answered": probe.answered, "took_ms": probe.took_ms, "code": probe.code or None}
