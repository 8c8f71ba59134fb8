"""Who looks at whom: imports go down, plugs see nobody, no circles, nothing left over."""

import sys
from collections.abc import Iterator
from pathlib import Path

from rules.house import PACKAGE, Fault, House, room_of


def rooms_of(root: Path) -> dict[str, set[str]]:
    rooms = {}
    for line in (root / "rooms.txt").read_text("utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            name, _, allowed = line.partition(":")
            rooms[name.strip()] = set(allowed.split())
    return rooms


def rule_rooms(house: House) -> Iterator[Fault]:
    """Imports go down, so that what is true never depends on how it is shown."""
    rooms = rooms_of(house.root)
    for path, _ in house.package():
        here = room_of(house.module(path))
        if here and here not in rooms and here != "__main__":
            yield Fault(path, 1, "rooms", f"the room {here} is not in rooms.txt: add it with its reason")
        for line, name in house.ours(path):
            there = room_of(name)
            if there in rooms and there != here and there not in rooms.get(here, set()):
                yield Fault(path, line, "rooms", f"{here} may not look into {there} (rooms.txt)")


def rule_core_is_pure(house: House) -> Iterator[Fault]:
    """What is true needs the standard library and nothing else: it can be read, run and trusted alone."""
    for path, _ in house.package():
        for line, name in house.imports(path):
            top = name.split(".")[0]
            if room_of(house.module(path)) == "core" and top != PACKAGE and top not in sys.stdlib_module_names:
                yield Fault(path, line, "core", f"core may not use {top}: only the standard library")


def rule_named_channels(house: House) -> Iterator[Fault]:
    """A plug is found by looking: its name is spoken nowhere else, and no plug sees another."""
    plugs = {
        path.parent.name
        for path in house.files
        if path.name == "manifest.toml" and path.parent.parent.name == "channels"
    }
    for path, _ in house.package():
        parts = path.relative_to(house.root).parts
        own = parts[2] if len(parts) > 3 and parts[1] == "channels" else ""
        for line, name in house.ours(path):
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
    for path, _ in house.package():
        named = set()
        for _, name in house.ours(path):
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


def rule_dead_files(house: House) -> Iterator[Fault]:
    """A module that nobody imports is a leftover."""
    named: set[str] = set()
    for path in house.trees:
        if path.relative_to(house.root).parts[0] != "tests":
            for _, name in house.ours(path):
                named |= {name, name.rpartition(".")[0]}
    for path, _ in house.package():
        module, text = house.module(path), path.read_text("utf-8")
        plug = "channels" in path.parts and path.name in ("wire.py", "verdict.py", "sign.py", "twin.py", "bill.py")
        plug = plug or path.parent.name in ("types", "ways")
        found = module.startswith((f"{PACKAGE}.cli.", f"{PACKAGE}.sim.")) or path.name == "__init__.py"
        if module not in named and not plug and not found and "__main__" not in text and "__main__" not in path.name:
            yield Fault(path, 1, "dead files", "nobody imports it and it is no entry point")
