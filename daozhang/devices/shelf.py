"""Device types, found by looking into the folder."""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DeviceType:
    """``speaks``: it says announcements. ``desired``: the configuration that a new one is given."""

    name: str
    zh: str
    en: str
    speaks: bool
    commands: tuple[str, ...]
    desired: dict[str, Any] = field(default_factory=dict)


def look() -> dict[str, DeviceType]:
    """Every type by its name."""
    found = {}
    for path in sorted((Path(__file__).parent / "types").glob("*.py")):
        if path.stem == "__init__":
            continue
        file = importlib.import_module(f"daozhang.devices.types.{path.stem}")
        found[path.stem] = DeviceType(path.stem, file.ZH, file.EN, file.SPEAKS, tuple(file.COMMANDS), dict(file.DESIRED))
    return found
