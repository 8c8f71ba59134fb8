"""Payment codes that are tried out (attack A21): too many wrong ones at one till, or one code at two shops in a minute.
And codes shown again minutes later, for another sale: a code lives a minute, so this is a screenshot.

A code is remembered for half an hour at most, in memory, as a hash under a key that only our own processes have; it is never
stored. Each process tells the others in small batches (`drain`, `take`); what is lost on the way is only missing, never wrong.
"""

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from daozhang.core.faults import Fault

_A_MINUTE_MS = 60_000
DEAD_AFTER_MS = 3 * _A_MINUTE_MS  # three lives of a code: clocks and slow tills are given the benefit of the doubt
_REMEMBERED_MS = 30 * _A_MINUTE_MS
MOST_WRONG = 30  # no honest till scans as many dead codes in a minute
_MOST_TILLS, _MOST_CODES = 10_000, 50_000
_A_PIECE = 24  # glimpses in one notification of the store, which holds 8,000 bytes
_MOST_WAITING = 20_000


class Glimpse(msgspec.Struct, array_like=True, frozen=True):
    """What one process saw. ``name``: of a wrong one the till, else the hash of the code; ``whose``: the merchant, of a first one
    the hash of its sale; ``till``: where it was shown."""

    by: str
    kind: Literal["wrong", "shown", "first"]
    name: str
    whose: str
    till: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tried:
    """Something to raise an alarm for, that only several processes together have seen."""

    kind: str
    till: str
    at_ms: int
    detail: dict[str, Any]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Glimpse]).decode


class TooManyWrongCodes(Fault):
    """This till has tried too many codes that are none; ``wait_s``: when it may go on."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("too many wrong codes")
        self.wait_s = wait_s


class CodeWatch:
    """The last minutes, as this process and (a moment later) the others saw them. ``key``: the same in all of them; ``me``: this one."""

    def __init__(self, key: bytes, me: str = "") -> None:
        self._key, self._me = key, me
        self._wrong: dict[str, deque[tuple[int, bool]]] = {}  # till -> when, and whether here
        self._seen: OrderedDict[str, Glimpse] = OrderedDict()
        self._first: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._waiting: list[Glimpse] = []

    # -- wrong codes at one till -------------------------------------------------------------------------------------------

    def may_try(self, till: str, now_ms: int) -> None:
        """Raises TooManyWrongCodes."""
        wrong = self._wrong.get(till)
        if wrong is not None and _full(wrong, now_ms):
            raise TooManyWrongCodes((wrong[0][0] + _A_MINUTE_MS - now_ms) // 1000 + 1)

    def was_wrong(self, till: str, now_ms: int, merchant: str = "") -> bool:
        """The channel says that it was no code. True when this one filled the measure: somebody shall be told."""
        self._tell("wrong", till, merchant, till, now_ms)
        return self._count(till, now_ms, True)

    def _count(self, till: str, at_ms: int, here: bool) -> bool:
        if len(self._wrong) >= _MOST_TILLS:
            self._wrong.clear()
        wrong = self._wrong.setdefault(till, deque(maxlen=MOST_WRONG))
        before = _full(wrong, at_ms)
        wrong.append((at_ms, here))
        return not before and _full(wrong, at_ms)

    # -- one code at two shops, or minutes later ---------------------------------------------------------------------------

    @property
    def remembered(self) -> int:
        """How many codes are in memory at this moment."""
        return len(self._seen)

    def elsewhere(self, code: str, merchant: str, now_ms: int, till: str = "") -> str:
        """Another merchant that was shown this very code in the last minute; "" when none was."""
        before = self._show(self._tell("shown", self._name(code), merchant, till, now_ms))
        return before.whose if before is not None else ""

    def _show(self, one: Glimpse) -> Glimpse | None:
        """Remember the latest showing of a code; the one before, when it was another merchant's in the same minute."""
        before = self._seen.pop(one.name, None)
        self._seen[one.name] = one if before is None or before.at_ms <= one.at_ms else before
        while len(self._seen) > _MOST_CODES or one.at_ms - next(iter(self._seen.values())).at_ms >= _A_MINUTE_MS:
            self._seen.popitem(last=False)
        apart = before is not None and before.whose != one.whose and abs(one.at_ms - before.at_ms) < _A_MINUTE_MS
        return before if apart else None

    def is_old(self, code: str, sale: str, now_ms: int) -> bool:
        """Whether the code was first shown long ago, for another sale (a repeat of the same request is none of this)."""
        name, of_sale = self._name(code), self._name(sale)
        if self._begin(name, of_sale, now_ms):
            self._tell("first", name, of_sale, "", now_ms)
        at_ms, first_sale = self._first[name]
        return first_sale != of_sale and now_ms - at_ms >= DEAD_AFTER_MS

    def _begin(self, name: str, of_sale: str, at_ms: int) -> bool:
        """Remember when a code was first shown; whether this is the first that is known of it."""
        while self._first and (len(self._first) >= _MOST_CODES or at_ms - next(iter(self._first.values()))[0] >= _REMEMBERED_MS):
            self._first.popitem(last=False)
        known = name in self._first
        self._first.setdefault(name, (at_ms, of_sale))
        return not known

    def _name(self, text: str) -> str:
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).hexdigest()

    # -- between processes -------------------------------------------------------------------------------------------------

    def _tell(self, kind: Literal["wrong", "shown", "first"], name: str, whose: str, till: str, at_ms: int) -> Glimpse:
        one = Glimpse(self._me, kind, name, whose, till, at_ms)
        if self._me and len(self._waiting) < _MOST_WAITING:
            self._waiting.append(one)
        return one

    def drain(self) -> list[str]:
        """What this process has seen since the last call, in pieces that one notification holds."""
        seen, self._waiting = self._waiting, []
        return [_encode(seen[at : at + _A_PIECE]).decode() for at in range(0, len(seen), _A_PIECE)]

    def take(self, payload: str) -> list[Tried]:
        """What another process has seen (our own comes back too, and is known). What both together show is told by the one
        that saw the last of it, so that it is told once."""
        found = [self._learn(one) for one in _decode(payload) if one.by != self._me] if payload else []
        return [one for one in found if one is not None]

    def _learn(self, one: Glimpse) -> Tried | None:
        if one.kind == "first":
            self._begin(one.name, one.whose, one.at_ms)
        elif one.kind == "shown":
            ours = self._show(one)
            if ours is not None and ours.by == self._me and (ours.at_ms, ours.by) > (one.at_ms, one.by):
                return Tried("payment.code_at_two_shops", ours.till, ours.at_ms, {"merchants": [one.whose, ours.whose]})
        elif self._count(one.name, one.at_ms, False):
            last_ms, here = max(self._wrong[one.name])
            if here:
                return Tried("payment.codes_tried", one.name, last_ms, {"merchant": one.whose})
        return None


def _full(wrong: deque[tuple[int, bool]], now_ms: int) -> bool:
    return len(wrong) == MOST_WRONG and now_ms - wrong[0][0] < _A_MINUTE_MS
