"""Time. The real one, and the sandbox's, which can be moved forward for all processes at once.

The sandbox's clock is the real one plus an offset in milliseconds that every process reads from eight bytes of a
shared file. Only the sandbox writes it, and only forward.
"""

import asyncio
import mmap
import os
import struct
import time
from pathlib import Path

_OFFSET = struct.Struct("<q")
_LOOK_S = 0.05  # how long a sleeper may miss that the clock was moved


class RealClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6

    async def sleep_until(self, at_ms: int) -> None:
        while (left := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(left / 1000)


class SandboxClock(RealClock):
    """The real clock plus the sandbox's offset. ``path`` is made when it is not there yet (offset 0)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size < _OFFSET.size:
                os.write(handle, _OFFSET.pack(0))
            self._shared = mmap.mmap(handle, _OFFSET.size)
        finally:
            os.close(handle)

    @property
    def offset_ms(self) -> int:
        offset: int = _OFFSET.unpack_from(self._shared)[0]
        return offset

    def now_ms(self) -> int:
        offset: int = _OFFSET.unpack_from(self._shared)[0]
        return time.time_ns() // 1_000_000 + offset

    def move_to(self, at_ms: int) -> None:
        """Set the clock forward. A time that has passed changes nothing: it never runs backwards."""
        ahead = at_ms - self.now_ms()
        if ahead > 0:
            _OFFSET.pack_into(self._shared, 0, self.offset_ms + ahead)

    async def sleep_until(self, at_ms: int) -> None:
        while (left := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(min(left / 1000, _LOOK_S))
