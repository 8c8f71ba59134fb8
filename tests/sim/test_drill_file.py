"""Scenario files: what is written is what runs; what is not understood is refused with file, line and the nearest right word."""

from pathlib import Path

import pytest

from daozhang.sim.drill_file import BadDrill, parse, read

DRILLS = sorted((Path(__file__).parents[2] / "drills").glob("*.yaml"))
HERE = Path("some.yaml")
WHOLE = """name: evening-rush
seed: 7
minutes: 30
world: {merchants: 60, wallets: {alipay: 0.6, wechat: 0.4}, banks: {ICBC: 0.6, OTHER: 0.4}}
faults:
  - {cause: bank.unavailable, bank: ICBC, at: 5m, for: 90s, share: 0.9}
  - {cause: device.battery_low, till: m3/t1, at: 1h, level: 3}
"""


def test_every_shipped_scenario_is_right_and_each_is_another() -> None:
    drills = [read(path) for path in DRILLS]
    assert len(drills) >= 40
    assert [path.stem for path in DRILLS] == [drill.name for drill in drills]
    assert len({(drill.faults, drill.world, drill.minutes) for drill in map(_hashable, drills)}) == len(drills)


def _hashable(drill):  # type: ignore[no-untyped-def]
    return type("Plain", (), {"faults": str(drill.faults), "world": str(drill.world), "minutes": drill.minutes})


def test_durations_scopes_and_defaults() -> None:
    drill = parse(WHOLE.replace("1h", "2m"), HERE)
    bank, battery = drill.faults
    assert (bank.at_s, bank.until_s, bank.share) == (300, 390, 0.9)
    assert (battery.till, battery.level, battery.until_s) == ("m3/t1", 3, 0)
    assert drill.world.wallets == {"alipay": 0.6, "wechatpay": 0.4}
    assert drill.world.unknown_rate == 0.002 and drill.mode == "virtual"
    assert parse("name: well\nfaults: []\n", HERE).faults == ()


WRONG = [
    ("cause: bank.unavailable", "cause: bank.unavailabel", 6, "did you mean bank.unavailable?"),
    ("share: 0.9", "shares: 0.9", 6, "did you mean share?"),
    ("share: 0.9", "share: 1.5", 6, "<= 1.0"),
    ("share: 0.9", "level: 3", 6, "level means nothing for bank.unavailable"),
    ("bank: ICBC", "bank: ICBX", 6, "did you mean ICBC?"),
    ("till: m3/t1", "till: m3/t9", 7, "here are m1..m60/t1..t2"),
    ("till: m3/t1", "bank: ICBC", 7, "device.battery_low cannot be limited to one bank"),
    ("at: 5m", "at: soon", 6, "5m, 90s or 2h"),
    ("at: 1h", "at: 45m", 7, "after the scenario's end"),
    ("for: 90s", "for: 0s", 6, "above nothing"),
    ("merchants: 60", "merchant: 60", 4, "did you mean merchants?"),
    ("merchants: 60", "merchants: many", 4, "Expected `int`"),
    ("wechat: 0.4", "wehcat: 0.4", 4, "did you mean wechat?"),
    ("minutes: 30", "minutes: 30\nminutes: 31", 4, "written twice"),
    ("name: evening-rush\n", "", 1, "the name of the scenario is missing"),
    ("seed: 7", "seed: *x", 0, "aliases"),
    ("seed: 7", "seed: [", 0, "no YAML"),
    ("cause: bank.unavailable, ", "", 6, "names its cause"),
    ("cause: bank.unavailable", "cause: unknown.unknown", 6, "no drill brings unknown.unknown about"),
    ("cause: bank.unavailable", "cause: operator.wrong_code_type", 6, "before there is a payment"),
    ("cause: bank.unavailable", "cause: funds.refund_no_balance", 6, "makes no refunds"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "says"), WRONG)
def test_what_is_not_understood_is_refused_with_its_line(right: str, wrong: str, line: int, says: str) -> None:
    text = WHOLE if right == "at: 1h" else WHOLE.replace("at: 1h", "at: 2m")
    assert right in text
    with pytest.raises(BadDrill) as caught:
        parse(text.replace(right, wrong, 1), HERE)
    assert says in caught.value.en
    assert not line or caught.value.en.startswith(f"some.yaml:{line}:"), caught.value.en
    assert caught.value.zh.startswith("some.yaml:")
