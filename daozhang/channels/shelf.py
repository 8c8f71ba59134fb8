"""Finding the channels: every folder beside this file with a ``manifest.toml`` is one."""

import importlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from daozhang.channels.plug import KeysWire, Wire
from daozhang.core.manners import Manners
from daozhang.core.ports import AccountRow

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Channel:
    """One channel: its manifest, its manners, and its modules, loaded when first used."""

    name: str
    manifest: dict[str, Any]

    @cached_property
    def wire(self) -> Wire:
        return self._module("wire")

    @cached_property
    def keys(self) -> KeysWire | None:
        """The same module, of channels that change the keys they sign with."""
        wire: Any = self.wire
        return wire if hasattr(wire, "ask_keys") else None

    @property
    def twin(self) -> Any:
        """The package or module with the channel's other side: ``PORT``, ``new_keys``, ``make``."""
        return self._module("twin")

    @property
    def bill(self) -> Any:
        """The module with the channel's reader of bills: ``read``; of channels that have one."""
        return self._module("bill")

    @cached_property
    def manners(self) -> Manners:
        return Manners.of(self.manifest["manners"])

    @cached_property
    def calm_manners(self) -> Manners:
        """While the channel is known to be unwell: it is asked less."""
        return self.manners.calmer()

    def codes(self) -> list[dict[str, str]]:
        """The verdict table, row by row, for people."""
        rows: list[dict[str, str]] = self._module("verdict").rows()
        return rows

    def takes_code(self, code: str) -> bool:
        """Whether a payment code belongs to this channel, by prefix and length (dossier 0, routing)."""
        return any(
            len(code) in range(rule["digits"][0], rule["digits"][1] + 1)
            and any(code.startswith(prefix) for prefix in rule["prefixes"])
            and (code.isascii() and (code.isdigit() or rule.get("letters", False)))
            for rule in self.manifest.get("codes", [])
        )

    def _module(self, part: str) -> ModuleType:
        return importlib.import_module(f"{__package__}.{self.name}.{part}")


class Shelf:
    """All channels that lie in the folder, and the accounts whose keys have been parsed."""

    def __init__(self, channels: dict[str, Channel]) -> None:
        self._channels = channels
        self._opened: dict[str, tuple[AccountRow, Any]] = {}

    @staticmethod
    def look(folder: Path = HERE) -> "Shelf":
        """Find every channel; the template is a pattern, not a channel."""
        found = {}
        for manifest in sorted(folder.glob("*/manifest.toml")):
            table = tomllib.loads(manifest.read_text("utf-8"))
            if not table.get("template", False):
                found[manifest.parent.name] = Channel(manifest.parent.name, table)
        return Shelf(found)

    def __iter__(self) -> Any:
        return iter(self._channels.values())

    def get(self, name: str) -> Channel | None:
        """By its name, or by another name that its manifest says people use (``also``)."""
        named = (channel for channel in self if name in channel.manifest.get("also", ()))
        return self._channels.get(name) or next(named, None)

    def for_code(self, code: str) -> Channel | None:
        """The channel whose payment codes look like this one."""
        return next((channel for channel in self if channel.takes_code(code)), None)

    def names(self, text: str) -> str:
        """What a channel's manifest (``not_codes``) calls a text that is not a payment code, as `core.scanned` has it; or ""."""
        small = text.lower()
        rules = ((start, rule["is"]) for channel in self for rule in channel.manifest.get("not_codes", ()) for start in rule["starts"])
        found = max(((start, is_) for start, is_ in rules if small.startswith(start)), key=lambda one: len(one[0]), default=("", ""))
        return str(found[1])

    def code_prefixes(self) -> tuple[str, ...]:
        """How payment codes of any channel begin."""
        rules = (rule for channel in self for rule in channel.manifest.get("codes", ()))
        return tuple(prefix for rule in rules for prefix in rule["prefixes"])

    def account(self, row: AccountRow) -> Any:
        """The opened account: keys parsed once, and again only when the row has changed."""
        kept = self._opened.get(row.id)
        if kept is not None and kept[0] == row:
            return kept[1]
        channel = self._channels[row.channel]
        opened = channel.wire.open_account(row, channel.manifest)
        self._opened[row.id] = (row, opened)
        return opened

    def describe(self, message: bytes) -> dict[str, Any] | None:
        """Ask every channel whether it can read the message."""
        found = (channel.wire.describe(message) for channel in self)
        return next((told for told in found if told is not None), None)
