"""Payment codes that are tried out (attack A21): too many wrong ones at one till, or one code at two shops in a minute.
And codes shown again minutes later, for another sale: a code lives a minute, so this is a screenshot.

A code is remembered for half an hour at most, in memory, as a hash under a key that nobody else has; it is never stored.
"""

import hashlib
from collections import OrderedDict, deque

from daozhang.core.faults import Fault

_A_MINUTE_MS = 60_000
DEAD_AFTER_MS = 3 * _A_MINUTE_MS  # three lives of a code: clocks and slow tills are given the benefit of the doubt
_REMEMBERED_MS = 30 * _A_MINUTE_MS
MOST_WRONG = 30  # no honest till scans as many dead codes in a minute
_MOST_TILLS, _MOST_CODES = 10_000, 50_000


class TooManyWrongCodes(Fault):
    """This till has tried too many codes that are none; ``wait_s``: when it may go on."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("too many wrong codes")
        self.wait_s = wait_s


class CodeWatch:
    """One process's memory of the last minute. ``key``: random bytes of this life."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._wrong: dict[str, deque[int]] = {}
        self._seen: OrderedDict[bytes, tuple[int, str]] = OrderedDict()
        self._first: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    def may_try(self, till: str, now_ms: int) -> None:
        """Raises TooManyWrongCodes."""
        wrong = self._wrong.get(till)
        if wrong is not None and len(wrong) == MOST_WRONG and now_ms - wrong[0] < _A_MINUTE_MS:
            raise TooManyWrongCodes((wrong[0] + _A_MINUTE_MS - now_ms) // 1000 + 1)

    def was_wrong(self, till: str, now_ms: int) -> bool:
        """The channel says that it was no code. True when this one filled the measure: somebody shall be told."""
        if len(self._wrong) >= _MOST_TILLS:
            self._wrong.clear()
        wrong = self._wrong.setdefault(till, deque(maxlen=MOST_WRONG))
        wrong.append(now_ms)
        return len(wrong) == MOST_WRONG and now_ms - wrong[0] < _A_MINUTE_MS

    @property
    def remembered(self) -> int:
        """How many codes are in memory at this moment."""
        return len(self._seen)

    def _oldest_ms(self) -> int:
        return next(iter(self._seen.values()))[0]

    def elsewhere(self, code: str, merchant: str, now_ms: int) -> str:
        """Another merchant that was shown this very code in the last minute; "" when none was."""
        name = self._name(code)
        at_ms, other = self._seen.pop(name, (0, ""))
        self._seen[name] = (now_ms, merchant)
        while len(self._seen) > _MOST_CODES or now_ms - self._oldest_ms() >= _A_MINUTE_MS:
            self._seen.popitem(last=False)
        return other if other != merchant and now_ms - at_ms < _A_MINUTE_MS else ""

    def is_old(self, code: str, sale: str, now_ms: int) -> bool:
        """Whether the code was first shown long ago, for another sale (a repeat of the same request is none of this)."""
        name, of_sale = self._name(code), self._name(sale)
        while self._first and (len(self._first) >= _MOST_CODES or now_ms - next(iter(self._first.values()))[0] >= _REMEMBERED_MS):
            self._first.popitem(last=False)
        at_ms, first_sale = self._first.setdefault(name, (now_ms, of_sale))
        return first_sale != of_sale and now_ms - at_ms >= DEAD_AFTER_MS

    def _name(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()
