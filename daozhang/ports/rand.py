"""Chance, from the operating system; asked for in blocks, because a system call per id is a waste."""

import os


class SystemRand:
    """Unpredictable bytes. Not shared between processes: each opens its own after it has started."""

    def __init__(self, block: int = 4096) -> None:
        self._block = block
        self._left = b""

    def bytes(self, count: int) -> bytes:
        if len(self._left) < count:
            self._left = os.urandom(max(self._block, count))
        taken, self._left = self._left[:count], self._left[count:]
        return taken
