"""What people read and what plugs hold: fixed names, two languages, papers that agree."""

import ast
import csv
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rules.house import PACKAGE, Fault, House


def rule_plugs(house: House) -> Iterator[Fault]:
    """A plug is a folder with fixed names."""
    shelf = house.root / PACKAGE / "channels"
    for manifest in sorted(shelf.glob("*/manifest.toml")):
        folder = manifest.parent
        for name in ("sign.py", "wire.py", "verdict.py", "codes.csv", "samples"):
            if not (folder / name).exists():
                yield Fault(manifest, 1, "plugs", f"{folder.name} has no {name}")
        if not ((folder / "twin.py").exists() or (folder / "twin").is_dir()):
            yield Fault(manifest, 1, "plugs", f"{folder.name} has no twin")


def rule_causes(house: House) -> Iterator[Fault]:
    """A cause that nobody can explain, try or play is a guess with a name: words, examples of both kinds, and a stage."""
    for path in sorted((house.root / PACKAGE / "diagnosis" / "causes").glob("*.toml")):
        try:
            told = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as wrong:
            yield Fault(path, 1, "causes", f"it cannot be read: {wrong}")
            continue
        lacks = [part for part in ("id", "number", "party", "says") if not told.get(part)]
        lacks += [] if told.get("meanwhile") or told.get("next") else ["words for anybody ([meanwhile] or [next])"]
        lacks += [] if told.get("stage", {}).get("play") else ["a [stage] with its play"]
        lacks += [] if {one.get("named") for one in told.get("examples", ())} == {True, False} else ["an example of yes and one of no"]
        for part in lacks:
            yield Fault(path, 1, "causes", f"it lacks {part}")


_HAN = re.compile(r"[\u4e00-\u9fff]")


def rule_translated(house: House) -> Iterator[Fault]:
    """Chinese and English are equal: whoever has one has the other, and each is in its own language."""
    for path, tree in house.package():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                said = {word.arg: _text(word.value) for word in node.keywords if word.arg in ("zh", "en")}
                yield from _pair(path, node.lineno, said)
            if isinstance(node, ast.Dict):
                keys = {
                    key.value: value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                yield from _pair(path, node.lineno, {name: _text(keys[name]) for name in ("zh", "en") if name in keys})
    for path in house.files:
        if path.suffix == ".toml" and PACKAGE in path.parts:
            yield from _pairs_in(path, tomllib.loads(path.read_text("utf-8")))
        if path.suffix == ".csv" and PACKAGE in path.parts:
            with path.open(encoding="utf-8", newline="") as file:
                for number, row in enumerate(csv.DictReader(file), 2):
                    yield from _pair(path, number, {name: row[name] for name in ("zh", "en") if name in row})


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _pairs_in(path: Path, value: object) -> Iterator[Fault]:
    if isinstance(value, dict):
        if "zh" in value or "en" in value:
            yield from _pair(path, 1, {name: value[name] for name in ("zh", "en") if name in value})
        for part in value.values():
            yield from _pairs_in(path, part)
    elif isinstance(value, list):
        for part in value:
            yield from _pairs_in(path, part)


def _pair(path: Path, line: int, words: dict[str, str | None]) -> Iterator[Fault]:
    if not words:
        return
    if set(words) != {"zh", "en"}:
        yield Fault(path, line, "translated", "one language is missing")
    zh, en = words.get("zh"), words.get("en")
    if zh is not None and en is not None and bool(zh) != bool(en):
        yield Fault(path, line, "translated", "one language is empty")
    if en and _HAN.search(en):
        yield Fault(path, line, "translated", "Chinese words on the English side")


def rule_readmes(house: House) -> Iterator[Fault]:
    """Both READMEs say the same."""
    counts = {}
    for name in ("README.md", "README.zh-CN.md"):
        path = house.root / name
        if not path.exists():
            yield Fault(path, 1, "readmes", "it is missing")
            return
        counts[name] = sum(line.startswith("#") for line in path.read_text("utf-8").splitlines())
    if len(set(counts.values())) != 1:
        yield Fault(house.root / "README.zh-CN.md", 1, "readmes", f"the headings differ: {counts}")


_NAMED = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*)`")


def rule_papers(house: House) -> Iterator[Fault]:
    """A paper that names a file that is gone sends its reader astray."""
    for name in ("README.md", "README.zh-CN.md", "DESIGN.md", "GLOSSARY.md", "CONTRIBUTING.md"):
        path = house.root / name
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            for said in _NAMED.findall(line):
                places = (base / said for base in (house.root, house.root / PACKAGE))
                if not any(_is_there(place) for place in places):
                    yield Fault(path, number, "papers", f"{said} is not there: name what is")


def _is_there(place: Path) -> bool:
    """A file, a folder, a pattern, or a module (`flow/take`) with perhaps one of its names (`core/resolve.learn`)."""
    stem = place.name.partition(".")[0]
    patterns = (place.name, f"{place.name}.py", f"{stem}.py")
    parents = [place.parent] if "*" not in str(place.parent) else list(place.parents[1].glob(place.parent.name))
    return any(found for parent in parents for pattern in patterns if pattern for found in parent.glob(pattern))


def rule_lock(house: House) -> Iterator[Fault]:
    """What pyproject asks for is locked, or a clean clone cannot be set up."""
    project, lock = house.root / "pyproject.toml", house.root / "requirements.lock"
    if not (project.exists() and lock.exists()):
        return
    told = tomllib.loads(project.read_text("utf-8"))["project"]
    extras = told.get("optional-dependencies", {})
    locked = {line.partition("==")[0].lower() for line in lock.read_text("utf-8").splitlines() if "==" in line}
    for asked in [*told.get("dependencies", []), *(one for extra in extras.values() for one in extra)]:
        name = re.split(r"[\[<>=!~; ]", asked)[0].lower().replace("_", "-")
        if name not in locked:
            yield Fault(project, 1, "lock", f"{name} is not in requirements.lock: run make lock")
