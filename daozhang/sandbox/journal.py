"""The twins' books on disk: one JSON line a change, written before the reply leaves, replayed after any death."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class Journal:
    """Append-only. Every record reaches the operating system at once, so that kill -9 loses nothing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._handle: int | None = None

    def records(self) -> Iterator[dict[str, Any]]:
        """What earlier lives wrote. A torn last line (the machine died in the middle of it) is cut off."""
        if not self._path.exists():
            return
        good = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    record = msgspec.json.decode(line)
                except msgspec.DecodeError:
                    break
                good += len(line)
                yield record
        if good < self._path.stat().st_size:
            os.truncate(self._path, good)

    def append(self, record: dict[str, Any]) -> None:
        if self._handle is None:
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(self._handle, _encode(record) + b"\n")

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
