"""The tree that the rules look at, and what a rule finds."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "daozhang"


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

    def imports(self, path: Path) -> Iterator[tuple[int, str]]:
        """Line and full name of all that a file imports, ours or not.

        Statements inside functions and under TYPE_CHECKING count too: a type is knowledge of the other room,
        and a late import is how a circle hides.
        """
        for node in ast.walk(self.trees[path]):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    here = list(path.relative_to(self.root).parts[: -node.level])
                    base = ".".join([*here, base] if base else here)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def ours(self, path: Path) -> Iterator[tuple[int, str]]:
        return ((line, name) for line, name in self.imports(path) if name.split(".")[0] == PACKAGE)

    def inside(self, path: Path) -> str:
        """The path from the root, with slashes."""
        return path.relative_to(self.root).as_posix()


_MADE = {"__pycache__", "build", "dist", "data"}


def _tracked(root: Path) -> list[Path]:
    """What git knows or would add. Without git (an archive, or a clone of another user, which git refuses to read):
    everything but what is made, hidden folders among it.
    """
    try:
        told = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
        )
        names = [name for name in told.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(root)) for path in root.rglob("*") if not _is_made(path.relative_to(root))]
    return [root / name for name in sorted(names) if (root / name).is_file()]


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def aliases(tree: ast.Module) -> dict[str, str]:
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


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def _is_made(path: Path) -> bool:
    folders = path.parts[:-1]
    return any(part in _MADE or (part.startswith(".") and part != ".ci") for part in folders)
