"""Causes are level-triggered: raised while their evidence holds, withdrawn when it does not; and what was said is remembered.

The history is kept in the payment's own story, so that it can be told when the others of that moment are forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from daozhang.core.evidence import Evidence
from daozhang.diagnosis.cause import get
from daozhang.diagnosis.explain import Step
from daozhang.diagnosis.name import CauseNamed, Named

OP = "cause"
INFORMATION, MONEY = "information", "money"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said about one question, from when to when (0: it still holds)."""

    question: str
    named: CauseNamed
    from_ms: int
    until_ms: int = 0


def heard(history: Sequence[Said], named: Named, now_ms: int) -> tuple[Said, ...]:
    """The history after one more look: what no longer holds is withdrawn, what is new is raised. The same cause with more
    or less certainty goes on."""
    told = list(history)
    for question, now in ((INFORMATION, named.why_no_information), (MONEY, named.why_no_money)):
        at = next((at for at, one in enumerate(told) if one.question == question and not one.until_ms), None)
        if at is not None and now is not None and told[at].named.id == now.id:
            told[at] = replace(told[at], named=now)
            continue
        if at is not None:
            told[at] = replace(told[at], until_ms=now_ms)
        if now is not None:
            told.append(Said(question, now, now_ms))
    return tuple(told)


def line_of(payment: str, one: Said, now_ms: int) -> Evidence:
    """One entry as a line of the payment's story."""
    named = one.named
    detail: dict[str, Any] = {
        "question": one.question, "confidence": named.confidence, "probability": named.probability, "class": list(named.class_),
        "party_name": named.party_name, "evidence": list(named.evidence), "ruled_out": list(named.ruled_out),
        "raised_ms": one.from_ms, "withdrawn_ms": one.until_ms, "ranked": [list(pair) for pair in named.ranked],
        "steps": [{"step": step.step, "says": dict(step.says), "evidence": list(step.evidence)} for step in named.steps],
    }  # fmt: skip
    zh, en = ("判断过,已撤回", "was named, and withdrawn") if one.until_ms else ("判断为此", "is named")
    text = f"{zh}:{named.says['zh']} / {en}: {named.says['en']}"
    return Evidence(payment, 0, now_ms, "act", "us", OP, code=named.id, text=text, detail=detail)


def recorded(lines: Sequence[Evidence], question: str) -> CauseNamed | None:
    """What was said last and not withdrawn, from the story; None when nothing is written down."""
    held = [one for one in lines if one.op == OP and one.detail.get("question") == question and not one.detail.get("withdrawn_ms")]
    cause = get(held[-1].code) if held else None
    if cause is None:
        return None
    told = held[-1].detail
    return CauseNamed(
        cause.id, cause.number, tuple(told["class"]), cause.party, told["party_name"], told["confidence"], told["probability"],
        tuple(told["evidence"]), tuple(told["ruled_out"]), cause.says, cause, tuple((pair[0], pair[1]) for pair in told["ranked"]),
        tuple(Step(one["step"], one["says"], tuple(one["evidence"])) for one in told["steps"]),
    )  # fmt: skip


def remembered(named: Named, lines: Sequence[Evidence] | None, looked: bool) -> Named:
    """Where nobody can look around any more, what was said when it could be seen stands for the question of information."""
    if looked or not lines or named.why_no_information is None:
        return named
    return replace(named, why_no_information=recorded(lines, INFORMATION) or named.why_no_information)
