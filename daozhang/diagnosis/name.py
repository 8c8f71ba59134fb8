"""Why there was no information, and why no money: two questions, never mixed. Ranked, with probabilities and what else it could be.

Proven is said only when verified words of the channel, or our own record, name a cause and nothing else fits. All else is
weighed (`signs`, `window`, `weigh`); where members of a class cannot be told apart the class is named, not a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from daozhang.core.evidence import Evidence, Op, Proves
from daozhang.core.payment import NOTHING_TAKEN, OPEN, Method, Payment, State, Undone
from daozhang.core.verdict import contradicted
from daozhang.diagnosis.cause import UNKNOWN, Cause, Words, get, shelf
from daozhang.diagnosis.explain import Step, explain, explain_rule
from daozhang.diagnosis.facts import DARK_MS, NOBODY_LOOKED, Around, Crowd, Facts, Terminal, untold
from daozhang.diagnosis.signs import TAKING, USUAL, Signs, of_till, signs
from daozhang.diagnosis.weigh import Weighed, weigh

__all__ = ["DARK_MS", "CauseNamed", "Named", "name_causes", "name_standing", "name_till"]

# What the shop's request reached us proves: these links have done their part.
_REACHED_US = ("device", "network", "operator", "payer")
_ANSWERED = ("device", "network", "us")  # a verified refusal: the way there and back was open
_NEVER_LEFT = ("device", "network", "operator", "payer", "bank")
# Who can have had a hand in it once the named link is the first that does not prove anything.
_CLEARED = {
    "us": (*_NEVER_LEFT, "platform"), "out": _NEVER_LEFT, "channel": _REACHED_US, "reply": _REACHED_US, "said": _REACHED_US,
    "payer": ("device", "network", "us"), "notify": ("device", "network", "operator", "payer", "bank"),
    "telling": ("payer", "platform", "bank"), "shop": ("payer", "platform", "bank"),
}  # fmt: skip
_NEVER_MADE = ("payer", "limit", "operator", "risk", "payee")
_MOST_LINES = 3
_MOST_RANKED = 5
_SURE_ENOUGH = 0.85  # above it a member of a class is named alone
_WHOLE = 0.98  # so much of all there is belongs to a class; fitted on labelled drills, whole ones and thinned ones
_MEMBER = 0.02  # what is less probable is told apart already
_LIKELY_FROM = 0.15  # no cause reaches it: we do not know
_OUT = 0.02  # a party that is less probable altogether may be ruled out
# The probability of what a rule names: our record or verified words, one reading among few, nothing to go by.
_PROVEN, _RULED, _OPEN = 0.995, 0.9, 0.3
STATIC_CODE_FEN = 50_000  # a static code's limit by payer and day (level D); held on the payer's side, so we only see that nobody paid


@dataclass(frozen=True, slots=True)
class CauseNamed:
    """A cause, how sure we are, by which evidence, what else it could be, and which parties it cannot be.

    ``confidence``: proven (verified words of the channel, or our own record, name it and nothing else fits), likely, or
    unknown. ``class_``: the members that cannot be told apart by what is known now; ``probability`` is that of the class.
    ``party`` is the family, ``party_name`` the instance. ``ranked``: causes with their own probabilities, best first.
    ``steps``: hop, blast radius, codes and telemetry, as the explanation shows them.
    """

    id: str
    number: str
    class_: tuple[str, ...]
    party: str
    party_name: str
    confidence: str
    probability: float
    evidence: tuple[str, ...]
    ruled_out: tuple[str, ...]
    says: Words
    cause: Cause
    ranked: tuple[tuple[str, float], ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    why_no_information: CauseNamed | None
    why_no_money: CauseNamed | None


def name_causes(
    payment: Payment, evidence: Sequence[Evidence] | None, now_ms: int, around: Around = NOBODY_LOOKED
) -> Named:
    """Both answers; None where the question does not arise. ``evidence`` None: fewer lines can be named."""
    lines = evidence or ()
    facts = Facts(payment, lines, now_ms, around)
    return Named(_no_information(facts), _no_money(payment, lines, facts))


def name_till(terminal: Terminal, now_ms: int, crowd: Crowd | None = None) -> CauseNamed | None:
    """What is wrong with a till's device: silent for two heartbeats, or telling of an illness. None: nothing is known to be."""
    found = of_till(terminal, now_ms, crowd)
    usual = {"power": "good", "line": "good", "sim": "active", "data": "left", "clock": "right", "software": "current",
             "standing": "active", "parts": "good", "gone": "here"}  # fmt: skip
    ill = [name for name, well in usual.items() if name in found.shown and found.shown[name].value != well]
    if not ill or (ill == ["gone"] and not terminal.offline_ms and not terminal.heard_ms):
        return None
    return _weighed(found, None, crowd)


def name_standing(found: Signs) -> CauseNamed | None:
    """What is wrong with a thing that stands (`standing`): an account, a receiver, a plate. None: nothing is known to be."""
    usual = {name: max(values, key=lambda value: values[value]) for name, values in USUAL.items()} | {"payout": ""}
    well = ("waiting", "sent", "arrived")
    if not any(sign.value != usual.get(name) and sign.value not in well for name, sign in found.shown.items()):
        return None
    return _weighed(found, None, None)


# -- why was there no information? -------------------------------------------------------------------------------------


def _no_information(facts: Facts) -> CauseNamed | None:
    p, now = facts.payment, facts.at_ms
    doubtful = _doubtful(p)
    dark = (p.decided_ms or now) - p.created_ms > DARK_MS
    telling = untold(p, facts.around, now)
    if not doubtful and not dark and not telling:
        return None
    if doubtful:
        ruled = _of_doubt(p, facts.lines)
        if ruled is not None:
            return ruled
    elif p.state is State.CREATED:
        # The request for the channel is durable before it leaves: in this state nothing has left us.
        return _named("us.internal", p, "proven", (), (*_NEVER_LEFT, "platform"))
    found = signs(facts)
    if not doubtful and not telling and not _to_be_told(p, found):
        return None
    if "hop" not in found.shown or (p.state is State.SENT and not doubtful):
        return _named(UNKNOWN, p, "unknown", (), ())
    return _weighed(found, p, facts.around.crowd)


def _to_be_told(p: Payment, found: Signs) -> bool:
    """Dark without a doubt: while it is open, and afterwards where we ourselves or a notify had gone silent."""
    hop = found.shown.get("hop")
    return p.state in OPEN or (hop is not None and hop.value in ("us", "notify"))


def _doubtful(p: Payment) -> bool:
    """An undo or a notify that proves nothing, and that the table connects with no cause, is no lack of information."""
    if p.doubt is None:
        return False
    return bool(p.doubt.get("hint")) or p.doubt.get("op") in (None, "", Op.PAY, Op.QUERY)


def _of_doubt(p: Payment, evidence: Sequence[Evidence]) -> CauseNamed | None:
    """What our own record or the words alone decide; None where it has to be weighed."""
    doubt = p.doubt or {}
    code, hint = str(doubt.get("code") or ""), str(doubt.get("hint") or "")
    lines = tuple(
        line.id
        for line in evidence
        if line.kind in ("answered", "notified") and line.code == code and doubt.get("op") in (None, line.op)
    )[:_MOST_LINES]
    # That a reply cannot be believed, or that nobody has ever seen it, is our own finding.
    if doubt.get("alarm"):
        return _named("info.reply_unreadable", p, "proven", lines, _REACHED_US)
    if not hint and code:
        return _named("info.reply_unknown", p, "proven", lines, _REACHED_US)
    if hint and get(hint) is None:
        return _named(UNKNOWN, p, "unknown", lines, _REACHED_US)
    cause = get(hint)
    if cause is not None and (cause.expects is None or cause.expects.about != TAKING):
        return _named(hint, p, "likely", lines, _REACHED_US)
    return None


def _weighed(found: Signs, p: Payment | None, crowd: Crowd | None) -> CauseNamed:
    ranked = weigh(found, shelf().values())
    best = ranked[0]
    members = _members(best, ranked)
    together = sum(one.probability for one in ranked if one.cause.id in members)
    hop = found.shown["hop"].value if "hop" in found.shown else ""
    suspects = {one.cause.party for one in ranked if one.cause.id in members}
    parties: dict[str, float] = {}
    for one in ranked:
        parties[one.cause.party] = parties.get(one.cause.party, 0.0) + one.probability
    cleared = tuple(
        party for party in _CLEARED.get(hop, ()) if party not in suspects and parties.get(party, 0.0) < _OUT
    )
    known = best.cause.id != UNKNOWN and best.probability >= _LIKELY_FROM
    chosen = best.cause if known else shelf()[UNKNOWN]
    # Members that show nothing of their own are weighed with nobody, and cannot be told from it either.
    members += tuple(one for one in best.cause.class_ if one not in members and (other := get(one)) is not None and other.expects is None)
    order = ("said", "symptom", "hop", "later", "notify", "pace") if found.about == TAKING else tuple(found.shown)
    lines = tuple(dict.fromkeys(line for name in order if name in found.shown for line in found.shown[name].lines))
    return CauseNamed(
        chosen.id, chosen.number, members if known and len(members) > 1 else (), chosen.party, _name_of(chosen, p, crowd),
        "likely" if known else "unknown", round(together if known else best.probability, 3), lines[:_MOST_LINES], cleared,
        chosen.says, chosen, tuple((one.cause.id, round(one.probability, 3)) for one in ranked[:_MOST_RANKED]),
        explain(found, crowd),
    )  # fmt: skip


def _members(best: Weighed, ranked: Sequence[Weighed]) -> tuple[str, ...]:
    """The cause alone when it stands out; otherwise it and those that it cannot be told from by what is known now."""
    members, together = [best.cause.id], best.probability
    for one in ranked[1:]:
        if together >= _WHOLE or one.probability < _MEMBER or one.cause.id == UNKNOWN:
            break
        members.append(one.cause.id)
        together += one.probability
    return tuple(members)


def _name_of(cause: Cause, p: Payment | None, crowd: Crowd | None) -> str:
    """The instance of the party, where it is known which one it is."""
    if cause.party == "us":
        return "daozhang"
    if cause.party == "bank" and crowd is not None and crowd.bank:
        return crowd.bank
    names = {"platform": p.channel, "risk": p.channel, "payee": p.merchant} if p is not None else {}
    return names.get(cause.party, cause.party)


# -- why did no money come? --------------------------------------------------------------------------------------------


def _no_money(p: Payment, evidence: Sequence[Evidence], facts: Facts) -> CauseNamed | None:
    if p.state not in NOTHING_TAKEN or contradicted(p):
        return None
    decides = (f"evd_{p.id[4:]}_{p.decided_by}",) if p.decided_by else ()
    if (p.refusal or {}).get("code") == "NEVER_SENT" and any(call.proves == Proves.NOT_SENT for call in facts.calls):
        return _weighed(signs(facts), p, facts.around.crowd)  # nothing left us: how it failed tells where
    if p.state is State.NOT_PAID or p.refusal:
        return _of_refusal(p, decides)
    if p.give_up:
        acts = tuple(line.id for line in evidence if line.kind == "act")
        return _named("operator.undone", p, "proven", acts[:1] + decides, ("platform", "bank", "network", "us"))
    if p.state is State.REVERSED:
        return _named("info.no_result_in_time", p, "likely", decides, ("bank", "operator", "device"))
    # The very answer that decides shows that the channel knows the order; that alone does not say that a payer was asked.
    asked_payer = p.seen and not (_doubtful(p) and evidence and not _lines(evidence, Proves.WAITING))
    waited = asked_payer or (p.method.shown and bool(p.qr) and not _doubtful(p))
    if waited:
        lines = _lines(evidence, Proves.WAITING)
        over = p.method is Method.PLATE and p.amount_fen > STATIC_CODE_FEN
        return _named("limit.static_code" if over else "payer.not_completed", p, "likely", lines + decides, ("device", "us"))
    said = get(str((p.doubt or {}).get("hint") or ""))
    if p.undone is Undone.ABSENT and said is not None and said.party in _NEVER_MADE:
        return _named(said.id, p, "likely", decides, _ANSWERED)  # its words named why the order never came to be
    if p.undone is Undone.ABSENT and _doubtful(p):
        return _named("info.request_lost", p, "likely", decides, _REACHED_US)
    if _doubtful(p):
        return _named("info.no_result_in_time", p, "likely", decides, ("operator", "device"))
    return _named(UNKNOWN, p, "unknown", decides, ())


def _of_refusal(p: Payment, decides: tuple[str, ...]) -> CauseNamed:
    """A verified refusal proves what it names; a code that stands for several causes proves only their class."""
    refusal = p.refusal or {}
    cause = get(str(refusal.get("hint") or ""))
    if cause is None or cause.id == UNKNOWN:
        return _named(UNKNOWN, p, "unknown", decides, _ANSWERED)
    never_left = refusal.get("code") == "NEVER_SENT"
    return _named(cause.id, p, "proven", decides, _NEVER_LEFT if never_left else _ANSWERED)


# -- naming ------------------------------------------------------------------------------------------------------------


def _lines(evidence: Sequence[Evidence], proves: Proves) -> tuple[str, ...]:
    return tuple(line.id for line in evidence if line.proves == proves.value)[:_MOST_LINES]


def _named(cause_id: str, p: Payment, sure: str, lines: tuple[str, ...], ruled_out: tuple[str, ...]) -> CauseNamed:
    """What a rule names: the record itself speaks, nothing is weighed."""
    cause = get(cause_id)
    if cause is None:
        cause, sure = shelf()[UNKNOWN], "unknown"
    if cause.class_ and sure == "proven":
        sure = "likely"
    suspects = {cause.party, *(member.partition(".")[0] for member in cause.class_)}
    cleared = tuple(party for party in ruled_out if party not in suspects)
    probability = {"proven": _PROVEN, "likely": _RULED}.get(sure, _OPEN)
    return CauseNamed(
        cause.id, cause.number, cause.class_, cause.party, _name_of(cause, p, None), sure, probability, lines, cleared,
        cause.says, cause, ((cause.id, probability),), explain_rule(sure),
    )  # fmt: skip
