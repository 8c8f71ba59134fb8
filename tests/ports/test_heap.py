"""What lives long is not looked at again and again, and nothing that can be freed is kept."""

import asyncio
import gc
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
