"""Things that stand, with what is wrong with them: a settlement account, a webhook endpoint, a code plate."""

from typing import Any

from daozhang.core.ports import Event
from daozhang.core.stated import SETTLEMENT, Stated
from daozhang.core.texts import rfc3339
from daozhang.core.webhook import Endpoint
from daozhang.diagnosis.name import CauseNamed, name_standing
from daozhang.diagnosis.standing import Account, Plate, Receiver, of_account, of_plate, of_receiver
from daozhang.flow.tell import cause_picture

__all__ = ["SETTLEMENT", "account_cause", "endpoint_cause", "plate_cause", "raised", "with_cause"]


def account_cause(stated: Stated | None, now_ms: int) -> CauseNamed | None:
    """Why money that was received is not at the merchant's bank, as far as somebody told us."""
    return name_standing(of_account(Account(**stated.facts), now_ms, _source(stated))) if stated is not None else None


def endpoint_cause(endpoint: Endpoint, last: dict[str, Any] | None) -> CauseNamed | None:
    """By its last attempt, where there was one."""
    status, event = (last["status"], f"evt_{last['seq']}") if last is not None else (0, "")
    return name_standing(of_receiver(Receiver(endpoint.state, endpoint.failures, status), event))


def plate_cause(stated: Stated | None, printed: str) -> CauseNamed | None:
    """``printed``: what the till's plate reads as where the shop entered nothing else."""
    facts = stated.facts if stated is not None else {}
    return name_standing(of_plate(Plate(str(facts.get("own") or printed), str(facts.get("reads") or "")), _source(stated)))


def _source(stated: Stated | None) -> str:
    """Who said it and when, as the evidence of what stands."""
    return f"{stated.by} {rfc3339(stated.at_ms)}" if stated is not None else ""


def raised(kind: str, one: Stated, before: CauseNamed | None, after: CauseNamed | None) -> Event | None:
    """The event that a cause was named, or withdrawn (null); None where the same holds as before."""
    if (before.id if before is not None else "") == (after.id if after is not None else ""):
        return None
    cause = {"id": after.id, "number": after.number, "confidence": after.confidence, "probability": after.probability, "says": after.says} if after is not None else None
    data = {"subject": one.subject, "cause": cause, "withdrawn": before.id if before is not None else None}
    return Event(f"{kind}.cause_named", one.merchant, one.bucket, one.subject, one.at_ms, data)


def with_cause(told: dict[str, Any], named: CauseNamed | None) -> dict[str, Any]:
    """The thing with its cause and what each person does now; null where nothing is known to be wrong."""
    steps = dict(named.cause.meanwhile) if named is not None and named.cause.meanwhile else None
    return {**told, "cause": cause_picture(named), "next_step": steps}
