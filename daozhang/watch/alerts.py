"""Alerts: what is said of an incident to the people who look after the system, and to whom. The ways lie on a shelf beside.

Who is alerted stands in a file (`Target`), one table each; a mistake in it is told with its place, not found out in the night.
"""

import importlib
import pkgutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from daozhang.core.faults import Fault
from daozhang.core.incident import Stage, Step
from daozhang.diagnosis.cause import Words
from daozhang.watch import ways

_COMMON = {"way": True, "lang": False, "drafts": False, "name": False}


class BadTarget(Fault):
    """The file of who is alerted cannot be used; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Target:
    """One addressee. ``drafts``: of unpublished incidents too. ``keys`` are the way's own, secrets among them."""

    way: str
    name: str
    lang: str
    drafts: bool
    keys: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. ``id`` is the same for every repeat."""

    id: str
    incident: str
    stage: str
    published: bool
    title: Words
    says: Words
    step: Words  # what operations do now
    facts: Mapping[str, str | int | None]
    by: str = "rule"  # or the key of the person who took the step


@dataclass(frozen=True, slots=True)
class Post:
    """An HTTP request to a robot or a program."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail, and the server that takes it. ``tls``: starttls, tls or none."""

    host: str
    port: int
    tls: str
    user: str
    password: str = field(repr=False)
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    message_id: str


def shelf() -> Mapping[str, ModuleType]:
    """Every way by its name."""
    return {one.name: importlib.import_module(f"{ways.__name__}.{one.name}") for one in pkgutil.iter_modules(ways.__path__)}


def targets(file: Path) -> tuple[Target, ...]:
    """Those of a file; none when there is no such file. Raises BadTarget."""
    if not file.is_file():
        return ()
    try:
        rows = tomllib.loads(file.read_text("utf-8")).get("alert", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise BadTarget(f"{file}: {wrong}") from None
    return tuple(_target(f"{file}: alert {at}", row) for at, row in enumerate(rows, 1))


def _target(where: str, row: Mapping[str, object]) -> Target:
    known = shelf()
    way = str(row.get("way", ""))
    if way not in known:
        raise BadTarget(f"{where}: way is one of {', '.join(sorted(known))}")
    keys: Mapping[str, bool] = known[way].KEYS
    unknown = sorted(row.keys() - keys.keys() - _COMMON.keys())
    missing = sorted(name for name, needed in keys.items() if needed and not row.get(name))
    if unknown or missing:
        raise BadTarget(f"{where}: {'nobody reads ' + unknown[0] if unknown else missing[0] + ' is missing'}")
    lang = str(row.get("lang", "zh"))
    if lang not in ("zh", "en"):
        raise BadTarget(f"{where}: lang is zh or en")
    return Target(way, str(row.get("name") or way), lang, bool(row.get("drafts", True)), {name: str(row[name]) for name in keys if name in row})


def alert_of(step: Step) -> Alert:
    i = step.incident
    facts: dict[str, str | int | None] = {"payments": i.payments, "shops": i.shops, "amount": i.amount_fen, "party": i.party, "party_name": i.party_name or None,
             "place": i.place, "place_name": i.place_name, "cause": i.cause}  # fmt: skip
    return Alert(f"{i.id}-{i.version}", i.id, i.stage.value, bool(i.published_ms), i.title, step.says, i.texts.get("operations", i.title), facts, step.by)


_STAGE: Mapping[str, Words] = {
    Stage.INVESTIGATING: {"zh": "调查中", "en": "investigating"}, Stage.IDENTIFIED: {"zh": "已定位", "en": "identified"},
    Stage.MONITORING: {"zh": "恢复观察", "en": "monitoring"}, Stage.RESOLVED: {"zh": "已恢复", "en": "resolved"},
    Stage.MERGED: {"zh": "已并入", "en": "merged"},
}  # fmt: skip


def headline(alert: Alert, lang: str) -> str:
    draft = {"zh": "(草稿)", "en": " (draft)"}[lang] if not alert.published else ""
    return f"[{_STAGE[Stage(alert.stage)][lang]}]{draft} {alert.title[lang]}"


def lines(alert: Alert, lang: str) -> list[str]:
    """The message's body, a sentence a line."""
    who = [] if alert.by == "rule" else [{"zh": f"人工操作:{alert.by}", "en": f"By a person: {alert.by}"}[lang]]
    return [alert.says[lang], alert.step[lang], *who, alert.incident]
