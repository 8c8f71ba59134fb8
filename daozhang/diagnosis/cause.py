"""The shelf of causes: one file each, found by looking."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PEOPLE = ("cashier", "payer", "merchant", "support", "operations", "developer")
Words = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cause:
    """``party`` is the family that the cause points to; ``class_`` names the members that cannot be told apart yet,
    and ``separated_by`` what would tell them apart. ``next`` has one sentence per person and language."""

    id: str
    number: str
    party: str
    class_: tuple[str, ...]
    separated_by: Words
    says: Words
    next: Mapping[str, Words]


@cache
def shelf() -> Mapping[str, Cause]:
    """Every cause by its id."""
    found = {}
    for path in sorted((Path(__file__).parent / "causes").glob("*.toml")):
        table = tomllib.loads(path.read_text("utf-8"))
        cause = Cause(
            table["id"], table["number"], table["party"], tuple(table.get("class", ())),
            table.get("separated_by", {"zh": "", "en": ""}), table["says"], table["next"],
        )  # fmt: skip
        found[cause.id] = cause
    return found


def get(cause_id: str) -> Cause | None:
    return shelf().get(cause_id)
