"""Weighing: from signs to a ranked list of causes with probabilities. Each cause's own file says what it would show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from daozhang.diagnosis.cause import UNKNOWN, Cause, Expects
from daozhang.diagnosis.signs import FAMILIES, USUAL, Signs

_LEAST = 0.003  # nothing is impossible that a person wrote down in a file
_SAID = 40  # how many causes a channel's words may name
_NAMED = 0.9  # a channel's words, if any, name the cause itself
_BY_SYMPTOM = ("out", "channel", "reply", "said")  # hops that are read from how the call ended
# Families overlap (a code and a hop tell partly the same), so their joint weight is taken down; fitted on labelled drills.
TEMPER = 0.9


@dataclass(frozen=True, slots=True)
class Weighed:
    """A cause and how probable it is among all that can be named."""

    cause: Cause
    probability: float


def weigh(found: Signs, causes: Iterable[Cause]) -> list[Weighed]:
    """The most probable first. Only causes that say what they would show, and are looked for in this, take part."""
    top_fit = max(found.fits.values(), default=0.0)
    places = [(name, exp(fit - top_fit)) for name, fit in found.fits.items()]
    scored = [
        (cause, _score(cause.id, cause.expects, found, places))
        for cause in causes
        if cause.expects is not None and (cause.expects.about == found.about or cause.id == UNKNOWN)
    ]
    if not scored:
        return []
    top = max(score for _, score in scored)
    weights = [(cause, exp((score - top) * TEMPER)) for cause, score in scored]
    whole = sum(weight for _, weight in weights)
    ranked = [Weighed(cause, weight / whole) for cause, weight in weights]
    return sorted(ranked, key=lambda one: (-one.probability, one.cause.id))


def _score(cause_id: str, expects: Expects, found: Signs, places: Sequence[tuple[str, float]]) -> float:
    """Log of how well it explains what is shown. The crowd's word is soft: each place counts as much as it explains."""
    product, known = expects.prior, expects.worked_out
    hop, symptom = found.shown.get("hop"), found.shown.get("symptom")
    if hop is not None and symptom is not None and hop.value in _BY_SYMPTOM:
        part = known.get((hop.value, symptom.value))
        product *= part if part is not None else _one_call(cause_id, expects, hop.value, symptom.value)
        rest = [one for one in found.shown.items() if one[0] not in ("hop", "symptom")]
    else:
        rest = list(found.shown.items())
    for family, sign in rest:
        part = known.get((family, sign.value))
        product *= part if part is not None else _work_out(cause_id, expects, family, sign.value)
    if not places:
        return log(product)
    place = 0.0
    for name, weight in places:
        part = known.get(("blast", name))
        place += weight * (part if part is not None else _work_out(cause_id, expects, "blast", name))
    return log(product) + log(place)


def _one_call(cause_id: str, expects: Expects, hop: str, symptom: str) -> float:
    """How a call ended says where it stopped: a cause that shows both shows them together, as often as the rarer of the two."""
    parts = [_work_out(cause_id, expects, "hop", hop), _work_out(cause_id, expects, "symptom", symptom)]
    both = hop in expects.of.get("hop", ()) and symptom in expects.of.get("symptom", ())
    expects.worked_out[hop, symptom] = part = min(parts) if both else parts[0] * parts[1]
    return part


def _work_out(cause_id: str, expects: Expects, family: str, value: str) -> float:
    expected = expects.of.get(family)
    if family == "said" and expected is None:
        expected = {cause_id: _NAMED}
    expects.worked_out[family, value] = part = chance(expected, family, value)
    return part


def chance(expected: Mapping[str, float] | None, family: str, value: str) -> float:
    """How often this cause shows this value; a family that its file does not name is left to chance."""
    values = FAMILIES[family]
    size = len(values) or _SAID
    expected = expected if expected is not None else USUAL.get(family)
    if expected is None:
        return 1 / size
    if value in expected:
        return max(expected[value], _LEAST)
    left = 1 - sum(expected.values())
    return max(left / max(size - len(expected), 1), _LEAST)
