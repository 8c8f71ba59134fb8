"""A first, honest diagnosis: why there was no information, and why no money. Two questions, never mixed.

One payment's own facts only. What happened to others at that moment is looked at by a later room; until then a cause
that only others could separate is named as a class, and never as proven.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daozhang.core.evidence import Evidence, Proves
from daozhang.core.payment import NOTHING_TAKEN, OPEN, Payment, State
from daozhang.diagnosis.cause import Cause, Words, get

DARK_MS = 5_000  # unproven for longer than this is dark (1-product)


@dataclass(frozen=True, slots=True)
class CauseNamed:
    """A cause, how sure we are, by which evidence, and which parties it cannot be."""

    id: str
    number: str
    class_: tuple[str, ...]
    party: str
    party_name: str
    confidence: str
    probability: float | None
    evidence: tuple[str, ...]
    ruled_out: tuple[str, ...]
    says: Words
    cause: Cause


@dataclass(frozen=True, slots=True)
class Named:
    why_no_information: CauseNamed | None
    why_no_money: CauseNamed | None


def name_causes(payment: Payment, evidence: Sequence[Evidence] | None, now_ms: int) -> Named:
    """Both answers; None where the question does not arise."""
    return Named(_no_information(payment, evidence or (), now_ms), _no_money(payment, evidence or ()))


def _no_information(p: Payment, evidence: Sequence[Evidence], now: int) -> CauseNamed | None:
    if p.doubt is not None:
        hint = str(p.doubt.get("hint") or "info.reply_lost")
        lines = tuple(line.id for line in evidence if line.kind == "answered" and line.code == p.doubt.get("code"))
        sure = "proven" if p.doubt.get("alarm") else "likely"
        # That the reply did not reach us is a fact; who lost it is not.
        return _named(hint, p, sure, lines, ("payer", "operator"))
    slow = (p.decided_ms or now) - p.created_ms > DARK_MS
    if slow and p.state is State.WAITING_PAYER:
        return _named("payer.not_completed", p, "likely", _waiting(evidence), ("platform", "us"))
    if slow and p.state in OPEN:
        return _named("unknown.unknown", p, "unknown", (), ())
    return None


def _no_money(p: Payment, evidence: Sequence[Evidence]) -> CauseNamed | None:
    if p.state not in NOTHING_TAKEN:
        return None
    decides = (f"evd_{p.id[4:]}_{p.decided_by}",) if p.decided_by else ()
    if p.refusal is not None:
        hint = str(p.refusal.get("hint") or "unknown.unknown")
        cause = get(hint)
        # A verified refusal proves the refusal; a code that stands for several causes proves only their class.
        sure = "likely" if cause is None or cause.class_ else "proven"
        return _named(hint, p, sure, decides, _ruled_out_by_refusal(hint))
    if p.state is State.REVERSED:
        return _named(str((p.doubt or {}).get("hint") or "info.reply_lost"), p, "likely", decides, ("payer",))
    if p.seen:
        return _named("payer.not_completed", p, "likely", _waiting(evidence) + decides, ("us",))
    return _named(
        str((p.doubt or {}).get("hint") or "unknown.unknown"),
        p,
        "likely" if p.doubt else "unknown",
        decides,
        ("payer",),
    )


def _ruled_out_by_refusal(hint: str) -> tuple[str, ...]:
    """The channel answered in time and signed: the way there and back was open."""
    family = hint.partition(".")[0]
    return tuple(party for party in ("network", "device", "us") if party != family)


def _waiting(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(line.id for line in evidence if line.proves == Proves.WAITING.value)[:3]


def _named(hint: str, p: Payment, sure: str, lines: tuple[str, ...], ruled_out: tuple[str, ...]) -> CauseNamed:
    cause = get(hint) or get("unknown.unknown")
    if cause is None:
        raise LookupError("the shelf of causes is empty")
    if cause.class_ and sure == "proven":
        sure = "likely"
    chance: dict[str, Any] = {"proven": 1.0, "likely": None, "unknown": None}
    name = p.channel if cause.party == "platform" else cause.party
    out = tuple(party for party in ruled_out if party != cause.party)
    return CauseNamed(
        cause.id, cause.number, cause.class_, cause.party, name, sure, chance[sure], lines, out, cause.says, cause
    )
