"""From a payment's step to a sighting: what others learn of it. Pure; the cost for a healthy payment is one small tuple."""

from daozhang.core.payment import NOTHING_TAKEN, Method, Payment, State
from daozhang.diagnosis.facts import DARK_MS
from daozhang.diagnosis.signs import symptom
from daozhang.diagnosis.window import Places, Sighting

NO_NOTIFY = "no_notify"
WAITING = "waiting"  # no lack of information yet: only who counts over many can see that payers cannot all be slow
# Ends that one fault may show in turn belong together; codes of one merchant's making stand apart.
_GROUPS = {
    "read_timeout": "silence", "reset": "silence", "refused": "out", "dns": "out", "connect_timeout": "out", "tls": "out",
    "http_503": "error", "http_5xx": "error", "error": "error", "cut": "unreadable", "unverified": "unreadable",
    "unseen": "unreadable",
}  # fmt: skip
_APART = frozenset({"platform.rejected_config", "integration.idempotency", "integration.signature"})


NOWHERE = ("", "", "")


def places_of(p: Payment, about: tuple[str, str, str] = NOWHERE) -> Places:
    """``about``: software, carrier and region of the till, where its device told them."""
    return Places(p.till, p.store, *about, p.channel)


def symptom_of(p: Payment, by_query: bool = False) -> str:
    """The group of its symptom; empty for one that had its information in time."""
    if p.doubt is not None:
        code, hint, alarm = (str(p.doubt.get(name) or "") for name in ("code", "hint", "alarm"))
        return hint if hint in _APART else _GROUPS[symptom(code, alarm, hint)]
    return NO_NOTIFY if by_query else ""


def sighting_of(
    before: Payment, after: Payment, bank: str = "", by_query: bool = False, took_ms: int = 0, about: tuple[str, str, str] = NOWHERE
) -> Sighting | None:
    """What this step lets others know; None when it tells nothing new.

    ``by_query``: its result was asked for, although the channel should have told it. A payer who took long is no
    symptom: the channel had answered.
    """
    if after.doubt is not None and before.doubt is None:
        symptom = symptom_of(after)
    elif after.state is State.WAITING_PAYER and before.state is not after.state and after.method is Method.PAY_BY_CODE:
        if after.doubt is not None:
            return None
        symptom = WAITING
    elif before.proven or not after.proven or after.doubt is not None:
        return None
    else:
        late = by_query and after.decided_ms - after.created_ms > DARK_MS
        symptom = symptom_of(after, late)
    refused = str((after.refusal or {}).get("hint") or "unknown") if after.state in NOTHING_TAKEN else ""
    return Sighting(
        after.id, after.created_ms, places_of(after, about), symptom, "" if after.doubt is not None else bank, after.merchant,
        after.amount_fen, took_ms, refused, after.livemode,
    )  # fmt: skip
