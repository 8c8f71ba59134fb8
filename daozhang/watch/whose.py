"""Whose is it? The causes that were named for its payments, one by one, agree or not; the place rules some of them out."""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import NamedTuple

from daozhang.core.incident import Incident
from daozhang.diagnosis.sighting import NO_NOTIFY, WAITING
from daozhang.watch.counts import REFUSED

# Whose fault can lie in such a place and nowhere else.
_PARTIES = {
    "till": ("device", "network", "operator", "integration", "payer"),
    "shop": ("network", "device", "integration", "payee", "operator"),
    "merchant": ("platform", "payee", "risk", "integration"),
    "software": ("device", "us"),
    "carrier": ("network",),
    "region": ("network", "clearing"),
    "bank": ("bank",),
    "channel": ("platform",),
    "all": ("us", "clearing"),
}
# What is thought before any payment's cause is named.
_FIRST = {
    "till": ("device", "device.offline"), "shop": ("network", "network.down"), "merchant": ("platform", "platform.rejected_config"),
    "software": ("device", "device.outdated_software"), "carrier": ("network", "network.carrier"), "region": ("network", "network.carrier"),
    "bank": ("bank", "bank.unavailable"), "channel": ("platform", "platform.degraded"), "all": ("us", "us.egress"),
}  # fmt: skip
_UNLIKELY = 0.05
# A bank or the clearing network behind one channel shows as such elsewhere too; where it does not, the channel itself is likelier.
# And where everything suffers, one platform or one bank explains only a part.
_BEHIND = {("channel", "bank"): 0.4, ("channel", "clearing"): 0.3, ("all", "platform"): 0.25, ("all", "bank"): 0.25}
_MISSED = 0.005  # at a bank whose successes are clearly missing it is nobody else
# One payment cannot tell them apart; many at one place cannot be this.
_ONE_BY_ONE = frozenset({"info.reply_lost", "payer.not_completed", "unknown.unknown", "info.no_result_in_time", "info.reply_unknown"})
_SURE_OF_PLACE = {WAITING: 0.8, NO_NOTIFY: 0.75}
_LEAST = 0.003  # what stands in no list of a payment's probable causes
_LIKE_SO_MANY = 4  # independent witnesses
SURE = 0.7  # of the party: it is identified
SURE_OF_A_BANK = 0.9  # it is known only from what is missing: nobody is accused by chance
ENOUGH = 3  # payments whose cause was named
SETTLES_MS = 15_000
Ranked = Sequence[tuple[str, float]]


class Whose(NamedTuple):
    """``named``: how many payments' causes it rests on."""

    party: str
    party_name: str
    cause: str
    probability: float
    named: int


def whose(place: tuple[str, str], behind: tuple[str, str], trouble: str, named: Sequence[Ranked]) -> Whose:
    """The party of an incident at ``place`` from the ranked causes of its payments."""
    kind, name = place
    if trouble in _SURE_OF_PLACE or not named:
        party, cause = _first(kind, trouble)
        sure = _SURE_OF_PLACE.get(trouble, 0.5) if kind in ("channel", "bank", "merchant") else 0.4
        return Whose(party, _name_of(party, name, behind), cause, sure, 0)
    weights = _weights(kind, named)
    parties: dict[str, float] = {}
    for cause, weight in weights.items():
        party = cause.partition(".")[0]
        parties[party] = parties.get(party, 0.0) + weight
    whole = sum(parties.values()) or 1.0
    party = max(parties, key=lambda one: parties[one])
    cause = max((one for one in weights if one.startswith(f"{party}.")), key=lambda one: weights[one])
    return Whose(party, _name_of(party, name, behind), cause, round(parties[party] / whole, 3), len(named))


def _weights(kind: str, named: Sequence[Ranked]) -> Mapping[str, float]:
    """Many payments tell more than one, but not so many times more: what is around them is the same for all."""
    causes = {cause for ranked in named for cause, _ in ranked}
    told = min(len(named), _LIKE_SO_MANY) / len(named)
    scores = {cause: told * sum(log(max(dict(ranked).get(cause, 0.0), _LEAST)) for ranked in named) for cause in causes}
    for cause in causes:
        party = cause.partition(".")[0]
        allowed = 1.0 if party in _PARTIES[kind] else _BEHIND.get((kind, party), _MISSED if kind == "bank" else _UNLIKELY)
        scores[cause] += log(allowed if cause not in _ONE_BY_ONE else _UNLIKELY)
    top = max(scores.values())
    return {cause: exp(score - top) for cause, score in scores.items()}


def _first(kind: str, trouble: str) -> tuple[str, str]:
    if trouble == NO_NOTIFY:
        return ("us", "us.notify_door") if kind == "all" else ("platform", "info.notify_lost")
    if trouble == REFUSED and kind in ("channel", "all"):
        return "platform", "platform.degraded"
    return _FIRST[kind]


def _name_of(party: str, name: str, behind: tuple[str, str]) -> str:
    if party == "us":
        return "daozhang"
    if party == "platform":
        return behind[1] if behind[0] == "channel" else ""
    return "" if name == "*" else name


def identified(one: Whose, incident: Incident, now_ms: int) -> bool:
    """Known well enough to say whose it is. Whose fault cannot lie in such a place speaks for a place that is still too small:
    it is given a moment to grow."""
    enough = one.named >= ENOUGH or incident.trouble in _SURE_OF_PLACE
    settled = one.party in _PARTIES[incident.place] or now_ms - incident.opened_ms >= SETTLES_MS
    return enough and settled and one.probability >= (SURE_OF_A_BANK if incident.place == "bank" else SURE)


def not_the_bank(one: Whose) -> bool:
    """Successes of a bank may be missing by chance; where its payments say that it is somebody else, it is not the place."""
    return one.party != "bank" and one.named >= ENOUGH and one.probability >= SURE
