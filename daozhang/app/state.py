"""DATA/state.json: what runs where, for the command line. Written by ``up`` only, readable by its owner only."""

import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec

from daozhang.core.faults import Fault


class Running(Fault):
    """Another system runs in this data folder."""


class DataLock:
    """One running system per data folder, held for the life of the process."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = data / "lock"
        self._handle: int | None = None

    def take(self) -> None:
        """Raises Running when another process holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Running(str(self._path.parent)) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def drop(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def write(data: Path, state: dict[str, Any]) -> None:
    """Replace the state file as a whole: a reader sees the old one or the new one."""
    path = data / "state.json"
    draft = data / f"state.json.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(data: Path) -> dict[str, Any] | None:
    """The state as last written; None when there is none."""
    try:
        state: dict[str, Any] = msgspec.json.decode((data / "state.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return state
