"""The causes as people and programs read them: at the API's doors, in the docs, on the command line."""

from typing import Any

from daozhang.diagnosis.cause import Cause, get, shelf


def pictures() -> list[dict[str, Any]]:
    return [picture(cause) for cause in shelf().values()]


def picture_of(which: str) -> dict[str, Any] | None:
    """By id, or by the number that is spoken on the telephone."""
    found = get(which) or next((cause for cause in shelf().values() if cause.number == which.upper()), None)
    return picture(found) if found is not None else None


def picture(cause: Cause) -> dict[str, Any]:
    """``looks_at``: the families of facts that speak for it. Nothing is charged again before a proven end, which
    ``safe_to_retry`` says has words for; ``money_safe`` is false where money may be on its way to somebody else."""
    return {
        "id": cause.id,
        "object": "cause",
        "number": cause.number,
        "party": cause.party,
        "class": list(cause.class_),
        "separated_by": dict(cause.separated_by) or None,
        "says": cause.says,
        "meanwhile": {person: dict(words) for person, words in cause.meanwhile.items()},
        "next": {person: dict(words) for person, words in cause.next.items()},
        "looks_at": sorted(cause.expects.of) if cause.expects is not None else [],
        "safe_to_retry": {"while_unproven": False, "once_not_paid": cause.safe_to_retry},
        "money_safe": cause.money_safe,
        "examples": [{"question": one.question, "given": dict(one.given), "named": one.named} for one in cause.examples],
        "stage": dict(cause.stage),
    }
