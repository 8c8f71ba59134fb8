"""The window over others: exact counts however sightings come, bounded, and the smallest place that explains all."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daozhang.diagnosis.window import SLOT_MS, Places, Sighting, Window

AT = 1_795_400_000_000
HERE = Places("t1", "s1", "1.4.0", "c1", "r1", "alipay")


def seen(window: Window, count: int, places: Places, symptom: str = "", prefix: str = "p", bank: str = "") -> None:
    for n in range(count):
        window.see(Sighting(f"{prefix}{n}", AT + n % 9_000, places, symptom, bank))


def best(fits: dict[str, float]) -> str:
    return max(fits, key=lambda name: fits[name])


# who else is dark, and who is fine -> where the fault lies
CROWDS = [
    ([(40, HERE._replace(terminal="t9", shop="s9"), "")], "one"),
    ([(9, HERE._replace(terminal="t2"), "silence"), (60, HERE._replace(terminal="t9", shop="s9"), "")], "shop"),
    ([(9, HERE, "silence"), (60, HERE._replace(terminal="t2"), "")], "terminal"),
    ([(30, HERE._replace(terminal="t9", shop="s9"), "silence"), (40, HERE._replace(terminal="t8", shop="s8", channel="wechatpay"), "")], "channel"),
    ([(30, HERE._replace(terminal="t9", shop="s9"), "silence"), (30, HERE._replace(terminal="t8", shop="s8", channel="wechatpay"), "silence")], "all"),
]  # fmt: skip


@pytest.mark.parametrize(("others", "place"), CROWDS)
def test_the_fault_lies_in_the_smallest_place_that_explains_all(others: list[tuple[int, Places, str]], place: str) -> None:
    window = Window()
    for n, (count, places, symptom) in enumerate(others):
        seen(window, count, places, symptom, f"{n}.")
    crowd = window.crowd("own", HERE._replace(software="", carrier="", region=""), "silence", AT)
    fits = {name: fit for name, fit in crowd.fits.items() if name != "bank"}
    assert best(fits) == place


def test_a_bank_is_found_by_the_successes_that_are_missing() -> None:
    """Its name stands on no failure: only its usual share of the successes is gone."""
    window, rand = Window(), random.Random(1)
    for n in range(2_000):
        bank = rand.choices(["ICBC", "CCB", "ABC"], [0.3, 0.4, 0.3])[0]
        sick = n > 1_500 and bank == "ICBC"
        at = AT - 60_000 + n * 40
        window.see(Sighting(f"b{n}", at, HERE._replace(terminal=f"t{n % 50}", shop=f"s{n % 20}"), "silence" if sick else "", "" if sick else bank))
    crowd = window.crowd("own", HERE, "silence", AT + 10_000)
    assert crowd.bank == "ICBC" and best(dict(crowd.fits)) == "bank" and crowd.share == "few"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60_000), st.sampled_from(["", "silence", "error"])), max_size=60), st.randoms())
def test_twice_late_and_in_any_order_counts_once(facts: list[tuple[int, int, str]], rand: random.Random) -> None:
    """An id's dark word outlives a fine one; otherwise the last word counts. Slots of five seconds add up to all ids."""
    window = Window()
    first = {}
    for n, after, symptom in facts:
        window.see(Sighting(f"p{n}", AT + after, HERE, symptom))
        held = first.get(n)
        if held is None or (held[1] != symptom and not (held[1] and not symptom)):
            first[n] = (after, symptom)
    again = [Sighting(f"p{n}", AT + after, HERE, "") for n, (after, _) in first.items()]
    rand.shuffle(again)
    for one in again:
        window.see(one)
    dark = sum(symptom == "silence" for _, symptom in first.values())
    fine = sum(not symptom for _, symptom in first.values())
    counted = [window._tallies[key].counted("silence", 0, 1 << 60) for key in window._tallies]
    assert all(found == (dark, fine) for found in counted) and len(window) == len(first)


def test_memory_is_bounded_by_time_and_by_number() -> None:
    window = Window(most=500)
    for n in range(5_000):
        window.see(Sighting(f"p{n}", AT + n, HERE._replace(terminal=f"t{n}", shop=f"s{n}"), ""))
    assert len(window) <= 501
    for n in range(40_000):
        window.see(Sighting(f"q{n}", AT + 400_000 + n, HERE._replace(terminal="t0", shop="s0"), ""))
    assert len(window) <= 501 and window.places() < 20


def test_what_is_too_old_is_not_taken() -> None:
    window = Window()
    window.see(Sighting("new", AT, HERE, ""))
    window.see(Sighting("old", AT - 100 * SLOT_MS, HERE, "silence"))
    assert len(window) == 1


def test_its_own_sighting_is_no_other() -> None:
    window = Window()
    window.see(Sighting("own", AT, HERE, "silence"))
    assert window.crowd("own", HERE, "silence", AT).counts["all"] == (0, 0)


def outage(window: Window, heals_ms: int = 60_000, strays: tuple[int, ...] = ()) -> None:
    """Ten payments in each second and in each of two channels: one of them is silent for a minute; ``strays`` are lost by chance."""
    for n in range(0, heals_ms + 60_000, 200):
        sick = 0 <= n - 20_000 < heals_ms - 20_000 or n in strays
        window.see(Sighting(f"a{n}", AT + n, HERE._replace(terminal=f"t{n % 31}", shop=f"s{n % 17}"), "silence" if sick else ""))
        window.see(Sighting(f"w{n}", AT + n, HERE._replace(terminal=f"t{n % 29}", shop=f"s{n % 13}", channel="wechatpay"), ""))


def test_at_the_end_of_an_outage_most_of_it_was_dark_although_one_is_lost_by_chance_afterwards() -> None:
    window = Window()
    outage(window, strays=(80_000,))
    crowd = window.crowd("a58000", HERE._replace(terminal="t1", shop="s1"), "silence", AT + 58_000)
    assert crowd.share == "most" and best(dict(crowd.fits)) == "channel"
    assert crowd.over_ms == AT + 60_000
    assert crowd.counts["all"][0] == crowd.counts["channel"][0]  # the one that was lost afterwards is no part of it


def test_while_it_lasts_nobody_says_that_it_is_over() -> None:
    window = Window()
    outage(window)
    young = Window()
    for one in list(window._seen.values()):
        if one.at_ms < AT + 50_000:
            young.see(one)
    assert young.crowd("a48000", HERE, "silence", AT + 48_000).over_ms == 0
    lone = Window()
    outage(lone, heals_ms=0, strays=(30_000,))
    assert lone.crowd("a30000", HERE, "silence", AT + 30_000).over_ms == 0  # one alone is no stretch
