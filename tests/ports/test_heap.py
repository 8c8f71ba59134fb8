"""What lives long is not looked at again and again, and nothing that can be freed is kept."""

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from daozhang.ports import heap


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


class Thing:
    other: "Thing | None" = None


def ring() -> tuple[Thing, "weakref.ref[Thing]"]:
    one, two = Thing(), Thing()
    one.other, two.other = two, one
    return one, weakref.ref(two)


def test_what_lives_is_set_aside_and_still_freed_when_it_is_let_go() -> None:
    kept = [Thing() for _ in range(1000)]
    watched = weakref.ref(kept[0])
    heap.set_aside(full=False)
    assert gc.get_freeze_count() >= 1000
    looked_at = {id(one) for one in gc.get_objects()}
    assert not looked_at & {id(one) for one in kept}
    kept.clear()
    assert watched() is None


def test_young_cycles_go_at_once_and_those_that_were_set_aside_at_the_full_round() -> None:
    one, early = ring()
    del one
    heap.set_aside(full=False)
    assert early() is None
    two, late = ring()
    heap.set_aside(full=False)
    del two
    heap.set_aside(full=False)
    assert late() is not None
    heap.set_aside(full=True)
    assert late() is None


async def test_it_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[bool] = []
    monkeypatch.setattr(heap, "_EVERY_S", 0.001)
    monkeypatch.setattr(heap, "_FULL", 3)
    monkeypatch.setattr(heap, "set_aside", lambda *, full: rounds.append(full))
    heap.keep_still()
    for _ in range(1000):
        if len(rounds) >= 6:
            break
        await asyncio.sleep(0.002)
    assert rounds[:6] == [False, False, True, False, False, True]


_TABLES = """
import sys
from daozhang.ports.heap import give_back_large

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "given back":
    give_back_large()
bytes(8 << 20)  # whoever has freed so much keeps as much from then on
before, tables, small = megabytes(), [], []
for _ in range(20):
    tables.append(bytearray(b"x") * (4 << 20))
    small.append(bytes(2_000))  # lives on behind it
del tables
print(megabytes() - before)
"""


@pytest.mark.parametrize(("how", "least", "most"), [("given back", -5.0, 5.0), ("kept", 40.0, 100.0)])
def test_a_large_table_that_is_let_go_is_given_back_to_the_system(how: str, least: float, most: float) -> None:
    """And without being told so, the C library keeps it: otherwise this would prove nothing."""
    told = subprocess.run([sys.executable, "-c", _TABLES, how], capture_output=True, text=True, check=True)
    assert least <= float(told.stdout) <= most
