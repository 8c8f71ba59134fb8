"""What the API says about causes: which, how sure, by what, and what each person does."""

from typing import Any

from msgspec import Struct

from daozhang.client import words as say


class Words(Struct):
    zh: str
    en: str


class NextStep(Struct):
    """One sentence for each person."""

    cashier: Words
    payer: Words
    merchant: Words
    support: Words
    operations: Words
    developer: Words


class Ranked(Struct):
    """One possible cause and how probable it is (simulated calibration; field accuracy unmeasured)."""

    id: str
    probability: float


class Reasoning(Struct):
    """One step of the explanation: ``hop`` (where the information stopped), ``blast`` (who else), ``signs``."""

    step: str
    says: Words
    evidence: list[str]


class Cause(Struct, rename={"class_": "class"}):
    """``confidence``: proven, likely or unknown; ``class``: members that cannot be told apart."""

    id: str
    number: str
    party: str
    party_name: str | None
    confidence: say.Confidence
    probability: float | None
    evidence: list[str]
    ruled_out: list[str]
    says: Words
    class_: list[str] | None = None
    ranked: list[Ranked] = []
    steps: list[Reasoning] = []


class Example(Struct):
    """A small world, and whether the cause is named in it."""

    question: str
    given: dict[str, Any]
    named: bool


class RetryRule(Struct):
    while_unproven: bool
    once_not_paid: bool


class CauseCard(Struct, rename={"class_": "class"}):
    """A cause on the shelf. ``meanwhile``: each person's step while nothing is proven; ``next``: once no money moved.
    ``money_safe``: false where money may be on its way to somebody else."""

    id: str
    object: str
    number: str
    party: str
    separated_by: Words | None
    says: Words
    meanwhile: dict[str, Words]
    next: dict[str, Words]
    looks_at: list[str]
    safe_to_retry: RetryRule
    examples: list[Example]
    stage: dict[str, Any]
    class_: list[str] = []
    money_safe: bool = True


class CausePage(Struct):
    data: list[CauseCard]
    has_more: bool
    next_cursor: str | None
