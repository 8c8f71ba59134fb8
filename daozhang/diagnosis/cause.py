"""The shelf of causes: one file each, found by looking. A newcomer adds a cause by adding a file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from daozhang.diagnosis.signs import FAMILIES, FIELDS, TAKING

PEOPLE = ("cashier", "payer", "merchant", "support", "operations", "developer")
QUESTIONS = ("information", "money", "till", "funds", "receiver", "plate")
Words = Mapping[str, str]
Steps = Mapping[str, Words]

UNKNOWN = "unknown.unknown"
_FIELDS = {
    "id", "number", "party", "class", "separated_by", "money_safe", "says", "meanwhile", "next", "examples", "expects", "stage", "not_drilled",
}  # fmt: skip


class BadCause(ValueError):
    """A file on the shelf is not a whole cause; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class Example:
    """A small world and whether the cause is named in it: the file tests itself. ``question`` is one of QUESTIONS."""

    question: str
    given: Mapping[str, Any]
    named: bool


@dataclass(frozen=True, slots=True)
class Expects:
    """What a dark payment, or a silent till, would show if this were the cause: for each family of `signs` the values and
    how often. ``prior``: how common it is among all dark ones before anything is known. ``about``: what it is looked for
    in, a payment or its till (``taking``) or one of the others of FIELDS. ``worked_out``: the chance of each family and
    value once `weigh` has met it."""

    prior: float
    of: Mapping[str, Mapping[str, float]]
    about: str = TAKING
    worked_out: dict[tuple[str, str], float] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Cause:
    """``party`` is the family that the cause points to; ``class_`` names the members that cannot be told apart yet,
    and ``separated_by`` what would tell them apart.

    ``meanwhile`` holds while nothing is proven (nobody charges again), ``next`` once it is proven that no money moved.
    Each has one sentence per person and language, or is empty where the verdict's own sentences say it all. ``stage`` is
    how the sandbox makes it really happen: the name of a play and what it is given (`daozhang trigger`). ``money_safe``
    is false where money may be on its way to somebody else. ``not_drilled``: why no fault of a drill brings it about.
    """

    id: str
    number: str
    party: str
    class_: tuple[str, ...]
    separated_by: Words
    says: Words
    meanwhile: Steps
    next: Steps
    examples: tuple[Example, ...]
    expects: Expects | None = None
    stage: Mapping[str, Any] = field(default_factory=dict)
    money_safe: bool = True
    not_drilled: Words = field(default_factory=dict)

    @property
    def safe_to_retry(self) -> bool:
        """A new charge is offered only where the verdict is a proven end; a cause with no words for it never invites one."""
        return bool(self.next)


@cache
def shelf() -> Mapping[str, Cause]:
    """Every cause by its id. Raises BadCause."""
    return look(Path(__file__).parent / "causes")


def look(folder: Path) -> Mapping[str, Cause]:
    """The causes of a folder. A number is for the telephone: it names one cause. Raises BadCause."""
    found: dict[str, Cause] = {}
    numbers: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        cause = read(path)
        if cause.number in numbers:
            raise BadCause(f"{path.name}: number {cause.number} belongs to {numbers[cause.number]}")
        numbers[cause.number] = cause.id
        found[cause.id] = cause
    return found


def get(cause_id: str) -> Cause | None:
    return shelf().get(cause_id)


def read(path: Path) -> Cause:
    """One file, checked. Raises BadCause."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        cause = _of(table)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as fault:
        raise BadCause(f"{path.name}: {fault!r}") from fault
    for wrong in _wrong(cause, table, path.stem):
        raise BadCause(f"{path.name}: {wrong}")
    return cause


def _of(table: Mapping[str, Any]) -> Cause:
    return Cause(
        table["id"],
        table["number"],
        table["party"],
        tuple(table.get("class", ())),
        table.get("separated_by", {}),
        table["says"],
        table.get("meanwhile", {}),
        table.get("next", {}),
        tuple(Example(one["question"], one["given"], one["named"]) for one in table.get("examples", ())),
        _expects(table.get("expects")),
        table.get("stage", {}),
        table.get("money_safe", True),
        table.get("not_drilled", {}),
    )


def _expects(table: Mapping[str, Any] | None) -> Expects | None:
    if table is None:
        return None
    families = {name: values for name, values in table.items() if name not in ("prior", "about")}
    return Expects(float(table["prior"]), families, table.get("about", TAKING))


def _wrong_expects(cause: Cause) -> list[str]:
    if cause.expects is None:
        return []
    wrong = [] if cause.expects.prior > 0 else ["its prior is above nothing"]
    if cause.expects.about not in FIELDS:
        wrong.append(f"it is looked for in {', '.join(FIELDS)}")
    for family, values in cause.expects.of.items():
        known = FAMILIES.get(family)
        if known is None:
            wrong.append(f"there is no family of signs called {family}")
            continue
        wrong += [f"{family} has no value {value}" for value in values if known and value not in known]
        if not 0 < sum(values.values()) <= 1.0001 or min(values.values()) < 0:
            wrong.append(f"the chances of {family} are between nothing and one together")
    return wrong


def _wrong(cause: Cause, table: Mapping[str, Any], stem: str) -> list[str]:
    """What is missing; empty for a whole cause."""
    wrong = [f"nobody reads {name}" for name in sorted(table.keys() - _FIELDS)]
    if cause.id.replace(".", "_") != stem or cause.id.partition(".")[0] != cause.party:
        wrong.append("the file is named after the id, and the id begins with the party")
    if not cause.meanwhile and not cause.next:
        wrong.append("it has words for nobody")
    for steps in (cause.meanwhile, cause.next):
        if steps and set(steps) != set(PEOPLE):
            wrong.append(f"its words are not for {', '.join(PEOPLE)}")
    if cause.class_ and (cause.id not in cause.class_ or not cause.separated_by):
        wrong.append("a class holds the cause itself and says what would separate it")
    wrong += _wrong_expects(cause)
    if not cause.stage.get("play"):
        wrong.append("nobody can stage it: [stage] names a play")
    spoken = [cause.says, *cause.meanwhile.values(), *cause.next.values()]
    if not all(words.get("zh") and words.get("en") for words in [*spoken, *filter(None, [cause.separated_by, cause.not_drilled])]):
        wrong.append("a language is missing")
    if {one.named for one in cause.examples} != {True, False}:
        wrong.append("it needs an example that is named and one that is not")
    return wrong
