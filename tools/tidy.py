"""The style is a program. Each rule is one function with its reason; a rule that no tool can check is advice.

Run ``python tools/tidy.py`` (optionally with another root). Prints ``file:line rule: what, and how to mend it``.
"""

import ast
import csv
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "daozhang"
MOST_LINES, MOST_FUNCTION = 600, 80


class Fault(NamedTuple):
    path: Path
    line: int
    rule: str
    says: str


class House:
    """The tree under one root: parsed once, looked at by every rule."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = _tracked(root)
        self.trees: dict[Path, ast.Module] = {}
        for path in self.files:
            if path.suffix == ".py":
                self.trees[path] = ast.parse(path.read_text("utf-8"), str(path))

    def package(self) -> Iterator[tuple[Path, ast.Module]]:
        for path, tree in self.trees.items():
            if path.relative_to(self.root).parts[0] == PACKAGE:
                yield path, tree

    def module(self, path: Path) -> str:
        parts = list(path.relative_to(self.root).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _tracked(root: Path) -> list[Path]:
    """What git knows or would add; everything, where there is no git."""
    try:
        told = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
        )
        names = told.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return [root / name for name in sorted(names) if (root / name).is_file()]


# -- imports -----------------------------------------------------------------------------------------------------------


def rooms_of(root: Path) -> dict[str, set[str]]:
    rooms = {}
    for line in (root / "rooms.txt").read_text("utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            name, _, allowed = line.partition(":")
            rooms[name.strip()] = set(allowed.split())
    return rooms


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module of ours that is imported, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def rule_rooms(house: House) -> Iterator[Fault]:
    """Imports go down, so that what is true never depends on how it is shown."""
    rooms = rooms_of(house.root)
    for path, tree in house.package():
        here = _room(house.module(path))
        if here and here not in rooms and here != "__main__":
            yield Fault(path, 1, "rooms", f"the room {here} is not in rooms.txt: add it with its reason")
        for line, name in imports(tree):
            there = _room(name)
            if there in rooms and there != here and there not in rooms.get(here, set()):
                yield Fault(path, line, "rooms", f"{here} may not look into {there} (rooms.txt)")


def rule_named_channels(house: House) -> Iterator[Fault]:
    """A plug is found by looking: its name is spoken nowhere else, and no plug sees another."""
    plugs = {
        path.parent.name
        for path in house.files
        if path.name == "manifest.toml" and path.parent.parent.name == "channels"
    }
    for path, tree in house.package():
        parts = path.relative_to(house.root).parts
        own = parts[2] if len(parts) > 3 and parts[1] == "channels" else ""
        for line, name in imports(tree):
            words = name.split(".")
            if len(words) > 2 and words[1] == "channels" and words[2] in plugs and words[2] != own:
                yield Fault(
                    path, line, "channels", f"{words[2]} is named outside its folder: find it through the shelf"
                )
            twin = own and "twin" in parts[3]
            if twin and len(words) > 3 and words[2] == own and words[3] in ("wire", "sign", "verdict"):
                yield Fault(path, line, "channels", "a twin never looks at our side of the wire")


def rule_circles(house: House) -> Iterator[Fault]:
    """Two modules that need each other are one idea in two files."""
    known = {house.module(path): path for path, _ in house.package()}
    looks: dict[str, set[str]] = {}
    for path, tree in house.package():
        named = set()
        for _, name in imports(tree):
            found = name if name in known else name.rpartition(".")[0]
            if found in known and not known[found].name.startswith("__init__"):
                named.add(found)
        looks[house.module(path)] = named - {house.module(path)}
    for start in looks:
        seen, todo = set(), list(looks[start])
        while todo:
            module = todo.pop()
            if module == start:
                yield Fault(known[start], 1, "circles", f"{start} imports itself by way of others")
                break
            if module not in seen:
                seen.add(module)
                todo += looks.get(module, ())


# -- size and habits ---------------------------------------------------------------------------------------------------


def rule_sizes(house: House) -> Iterator[Fault]:
    """A file holds one idea and a function fits a screen."""
    for path, tree in house.trees.items():
        lines = path.read_text("utf-8").count("\n")
        if lines > MOST_LINES:
            yield Fault(path, 1, "sizes", f"{lines} lines, at most {MOST_LINES}: split the ideas")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                size = node.end_lineno - node.lineno + 1
                if size > MOST_FUNCTION:
                    yield Fault(path, node.lineno, "sizes", f"{node.name} has {size} lines, at most {MOST_FUNCTION}")


_OUTSIDE = re.compile(
    r"^(time\.(time|time_ns|monotonic|monotonic_ns|sleep|perf_counter)|datetime\.(datetime\.)?(now|utcnow|today)|datetime\.date\.today"
    r"|random\..*|uuid\.uuid[14]|os\.urandom|secrets\..*|threading\..*|asyncio\.to_thread|socket\..*)$"
)
# Rooms that touch the world by trade. Everywhere else the five ports carry what is not deterministic.
_CARRIERS = ("ports", "sandbox", "app", "cli")
_CARRIER_FILES = ("store/seal.py", "store/batch.py", "api/server.py", "sim/world.py")


def rule_ports(house: House) -> Iterator[Fault]:
    """Time, chance and sockets come through the ports, so that a payment also runs on virtual time."""
    for path, tree in house.package():
        inside = "/".join(path.relative_to(house.root).parts[1:])
        if _room(house.module(path)) in _CARRIERS or inside in _CARRIER_FILES:
            continue
        names = _aliases(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute | ast.Name):
                spoken = _dotted(node, names)
                if spoken and _OUTSIDE.match(spoken):
                    yield Fault(path, node.lineno, "ports", f"{spoken}: take a clock, chance or network as an argument")
        for node in ast.walk(tree):
            timed = inside.startswith(("core/", "channels/", "flow/"))
            if timed and isinstance(node, ast.Attribute) and _dotted(node, names) == "asyncio.sleep":
                yield Fault(path, node.lineno, "ports", "asyncio.sleep: use Clock.sleep_until")


def _aliases(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def rule_floats(house: House) -> Iterator[Fault]:
    """Money is whole fen. A float in these files is a rounding waiting to happen."""
    for path, tree in house.package():
        if path.relative_to(house.root).as_posix() not in (
            f"{PACKAGE}/core/{name}.py" for name in ("money", "fees", "ledger", "refund", "payment")
        ):
            continue
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if literal or call or division:
                yield Fault(path, node.lineno, "floats", "money is an integer of fen: use // and whole numbers")


_BANNED = re.compile(
    r"\b(TO"
    r"DO|FIX"
    r"ME|XX"
    r"X|HA"
    r"CK)\b|NotImplemented"
    r"Error|pytest\.(mark\.)?(ski"
    r"p|xfa"
    r"il)\b|assert Tr"
    r"ue\b"
)


def rule_words(house: House) -> Iterator[Fault]:
    """A note to oneself is a defect that was seen and left."""
    for path in house.files:
        if path.suffix in (".py", ".sql", ".toml", ".md") and path != Path(__file__).resolve():
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if _BANNED.search(line):
                    yield Fault(
                        path, number, "words", "finish it, or write down why not where readers look (DESIGN.md)"
                    )


_PLACES = re.compile(r"(?<![\w.])/(work|root|farm|home|Users)/\w")


def rule_places(house: House) -> Iterator[Fault]:
    """A path of one machine means nothing on another; hosts in lock files tie us to a mirror."""
    for path in house.files:
        name = path.relative_to(house.root).as_posix()
        text_file = path.suffix in (".py", ".md", ".toml", ".sql", ".txt", ".lock", ".csv") or path.name in (
            "Makefile",
            "run",
        )
        if not text_file or name.startswith("tests/") or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if _PLACES.search(line):
                yield Fault(path, number, "places", "a path of a machine: leave it out")
            if path.suffix == ".lock" and ("://" in line or "index-url" in line):
                yield Fault(path, number, "places", "a lock file holds names, versions and hashes only")


# -- the store ---------------------------------------------------------------------------------------------------------


def rule_tables(house: House) -> Iterator[Fault]:
    """The schema is prose: a sentence above every table says what a row is."""
    for path in house.files:
        if path.suffix != ".sql":
            continue
        lines = path.read_text("utf-8").splitlines()
        for at, line in enumerate(lines):
            if re.match(r"\s*create table", line, re.I) and not (at and lines[at - 1].lstrip().startswith("--")):
                yield Fault(path, at + 1, "tables", "no sentence above the table")


_DB_CLOCK = re.compile(
    r"\b(now\(\)|clock_timestamp\(\)|current_timestamp|localtimestamp|statement_timestamp\(\))", re.I
)


def rule_database_clock(house: House) -> Iterator[Fault]:
    """Times are given, so that virtual time works; only leases use the database's clock, and say so."""
    for path in house.files:
        if path.suffix == ".sql" or (path.suffix == ".py" and "store" in path.parts):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                comment = "--" in line and line.index("--") < (
                    found.start() if (found := _DB_CLOCK.search(line)) else 0
                )
                if _DB_CLOCK.search(line) and "lease" not in line and not comment and "tests" not in path.parts:
                    yield Fault(
                        path, number, "database clock", "take the time as an argument, or mark the line as a lease"
                    )


def rule_select_all(house: House) -> Iterator[Fault]:
    """`select *` breaks running transactions when a column is added."""
    for path in house.files:
        if "store" in path.parts and path.suffix in (".sql", ".py") and "tests" not in path.parts:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if re.search(r"select \*", line, re.I):
                    yield Fault(path, number, "columns", "name the columns")


# -- plugs and words for people ----------------------------------------------------------------------------------------


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


_HAN = re.compile(r"[\u4e00-\u9fff]")


def rule_translated(house: House) -> Iterator[Fault]:
    """Chinese and English are equal: whoever has one has the other, and each is in its own language."""
    for path, tree in house.package():
        for node in ast.walk(tree):
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


def rule_dead_files(house: House) -> Iterator[Fault]:
    """A module that nobody imports is a leftover."""
    named: set[str] = set()
    for path, tree in house.trees.items():
        if path.relative_to(house.root).parts[0] != "tests":
            for _, name in imports(tree):
                named |= {name, name.rpartition(".")[0]}
    for path, _ in house.package():
        module, text = house.module(path), path.read_text("utf-8")
        plug = "channels" in path.parts and path.name in ("wire.py", "verdict.py", "sign.py", "twin.py")
        found = module.startswith((f"{PACKAGE}.cli.", f"{PACKAGE}.sim.")) or path.name == "__init__.py"
        if module not in named and not plug and not found and "__main__" not in text and "__main__" not in path.name:
            yield Fault(path, 1, "dead files", "nobody imports it and it is no entry point")


RULES = [rule for name, rule in list(globals().items()) if name.startswith("rule_")]


def look(root: Path) -> list[Fault]:
    house = House(root)
    return [fault for rule in RULES for fault in rule(house)]


def main() -> int:
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    faults = look(root)
    for path, line, rule, says in faults:
        print(f"{path.relative_to(root)}:{line} {rule}: {says}")
    print(f"tidy: {len(RULES)} rules, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
