"""A first, honest diagnosis: why there was no information, and why no money. Two questions, never mixed.

One payment's own facts only. What happened to others at that moment is looked at by a later room; until then a cause
that only others could separate is named as a class, and never as proven. No probability is given: none is calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from daozhang.core.evidence import Evidence, Op, Proves
from daozhang.core.payment import NOTHING_TAKEN, OPEN, Method, Payment, State, Undone
from daozhang.diagnosis.cause import UNKNOWN, Cause, Words, get, shelf

DARK_MS = 5_000  # unproven for longer than this is dark (1-product)

# What the shop's request reached us proves: these links have done their part.
_REACHED_US = ("device", "network", "operator", "payer")
_ANSWERED = ("device", "network", "us")  # a verified refusal: the way there and back was open
_NEVER_LEFT = ("device", "network", "operator", "payer", "bank")
_MOST_LINES = 3


@dataclass(frozen=True, slots=True)
class CauseNamed:
    """A cause, how sure we are, by which evidence, and which parties it cannot be.

    ``confidence``: proven (verified words of the channel, or our own record, name it and nothing else fits), likely, or
    unknown. ``party`` is the family, ``party_name`` the instance. ``probability`` stays None until it is calibrated.
    """

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
    """Both answers; None where the question does not arise. ``evidence`` None: fewer lines can be named."""
    lines = evidence or ()
    return Named(_no_information(payment, lines, now_ms), _no_money(payment, lines))


# -- why was there no information? -------------------------------------------------------------------------------------


def _no_information(p: Payment, evidence: Sequence[Evidence], now: int) -> CauseNamed | None:
    if _doubtful(p):
        return _of_doubt(p, evidence)
    if (p.decided_ms or now) - p.created_ms <= DARK_MS:
        return None
    if p.state is State.CREATED:
        # The request for the channel is durable before it leaves: in this state nothing has left us.
        return _named("us.internal", p, "proven", (), (*_NEVER_LEFT, "platform"))
    if p.state in OPEN and (p.state is State.WAITING_PAYER or p.seen):
        return _named("payer.not_completed", p, "likely", _lines(evidence, Proves.WAITING), ("device", "network", "us"))
    orphan = _orphan(evidence) if p.state is not State.SENT else ()
    if orphan:
        # A question that we wrote down and whose answer, or loss, we did not: we stopped in between.
        return _named("us.internal", p, "likely", orphan, _REACHED_US)
    return _named(UNKNOWN, p, "unknown", (), ()) if p.state in OPEN else None


def _doubtful(p: Payment) -> bool:
    """An undo or a notify that proves nothing, and that the table connects with no cause, is no lack of information."""
    if p.doubt is None:
        return False
    return bool(p.doubt.get("hint")) or p.doubt.get("op") in (None, "", Op.PAY, Op.QUERY)


def _of_doubt(p: Payment, evidence: Sequence[Evidence]) -> CauseNamed:
    doubt = p.doubt or {}
    code = str(doubt.get("code") or "")
    # A code without a row in the channel's table is an answer that nobody has seen, not a lost one.
    unnamed = "info.reply_unreadable" if doubt.get("alarm") else "info.reply_unknown" if code else "info.reply_lost"
    hint = str(doubt.get("hint") or unnamed)
    # That a reply cannot be believed is our own finding; of everything else one code is a sign, not a proof.
    sure = "proven" if doubt.get("alarm") or hint == "info.reply_unknown" else "likely"
    lines = tuple(
        line.id
        for line in evidence
        if line.kind in ("answered", "notified") and line.code == code and doubt.get("op") in (None, line.op)
    )
    return _named(hint, p, sure, lines[:_MOST_LINES], _REACHED_US)


def _orphan(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    asked = [line.id for line in evidence if line.kind == "asked" and line.op == Op.PAY.value]
    answered = any(line.kind == "answered" and line.op == Op.PAY.value for line in evidence)
    return () if answered else tuple(asked[:_MOST_LINES])


# -- why did no money come? --------------------------------------------------------------------------------------------


def _no_money(p: Payment, evidence: Sequence[Evidence]) -> CauseNamed | None:
    if p.state not in NOTHING_TAKEN:
        return None
    decides = (f"evd_{p.id[4:]}_{p.decided_by}",) if p.decided_by else ()
    if p.state is State.NOT_PAID or p.refusal:
        return _of_refusal(p, decides)
    if p.give_up:
        acts = tuple(line.id for line in evidence if line.kind == "act")
        return _named("operator.undone", p, "proven", acts[:1] + decides, ("platform", "bank", "network", "us"))
    if p.state is State.REVERSED:
        return _named("info.no_result_in_time", p, "likely", decides, ("bank", "operator", "device"))
    waited = p.seen or (p.method is Method.PAY_BY_QR and bool(p.qr) and not _doubtful(p))
    if waited:
        lines = _lines(evidence, Proves.WAITING)
        return _named("payer.not_completed", p, "likely", lines + decides, ("device", "us"))
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
    cause = get(cause_id)
    if cause is None:
        cause, sure = shelf()[UNKNOWN], "unknown"
    if cause.class_ and sure == "proven":
        sure = "likely"
    suspects = {cause.party, *(member.partition(".")[0] for member in cause.class_)}
    cleared = tuple(party for party in ruled_out if party not in suspects)
    name = {"platform": p.channel, "risk": p.channel, "payee": p.merchant, "us": "daozhang"}.get(
        cause.party, cause.party
    )
    return CauseNamed(
        cause.id, cause.number, cause.class_, cause.party, name, sure, None, lines, cleared, cause.says, cause
    )
