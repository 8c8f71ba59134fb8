"""The desk: what looks like many is one, what looks like one is two, and what is said has words for everybody."""

import itertools
import random
from collections.abc import Callable

from daozhang.core.changed import changed
from daozhang.core.incident import PLACES, Incident, Stage, Step
from daozhang.diagnosis.cause import PEOPLE
from daozhang.diagnosis.window import Places, Sighting
from daozhang.watch import texts
from daozhang.watch.banks import Banks
from daozhang.watch.change import LEAST, Usual, burst, well_since
from daozhang.watch.counts import DARK, SLOT_MS, Counts, Slot
from daozhang.watch.desk import Desk
from daozhang.watch.where import where
from daozhang.watch.whose import SETTLES_MS, identified, whose

START = 1_795_400_000_000
NAMES = {"alipay": {"zh": "支付宝", "en": "Alipay"}}
Sick = Callable[[float, str, str], bool]  # seconds, channel, shop


def play(sick: Sick, seconds: int = 90, per_s: int = 6, named: str = "platform.outage", healthy_s: int = 60) -> tuple[Desk, list[Step]]:
    """Traffic of three channels and nine shops; after ``healthy_s`` the sick ones are dark."""
    ids, dice, steps = itertools.count(), random.Random(4), list[Step]()
    made = itertools.count(1)
    desk = Desk(lambda: f"inc_{next(made)}", NAMES)
    for second in range(healthy_s + seconds):
        now = START + second * 1_000
        for _ in range(per_s):
            at, channel, shop = second - 6, dice.choice(("alipay", "wechatpay", "unionpay")), f"s{dice.randrange(9)}"
            dark = at >= healthy_s and sick(at - healthy_s, channel, shop)
            one = Sighting(f"pay_{next(ids)}", now - 6_000, Places(f"t{shop}", shop, "", "", "", channel), "silence" if dark else "", "",
                           f"m{shop}", 1_250, 40)  # fmt: skip
            desk.see(one)
            if dark:
                desk.named(one.id, ((named, 0.9),))
        steps += desk.look(now)
    return desk, steps


def open_ones(desk: Desk) -> set[tuple[str, str]]:
    return {case.place for case in desk.cases.values()}


def test_one_channel_after_the_other_is_one_incident_in_the_end() -> None:
    order = ("alipay", "wechatpay", "unionpay")
    desk, steps = play(lambda at, channel, shop: at >= 12 * order.index(channel), named="us.egress")
    assert open_ones(desk) == {("all", "*")}
    [case] = desk.cases.values()
    assert case.incident.party == "us" and case.incident.payments > 300 and case.incident.merchants == 9
    written = {hit.payment for step in steps for hit in step.hits}
    assert len(written) == case.incident.payments  # each counts once, whatever was merged


def test_two_faults_at_once_are_two_incidents() -> None:
    desk, _ = play(lambda at, channel, shop: channel == "alipay" or shop == "s5")
    assert open_ones(desk) >= {("channel", "alipay")} and {kind for kind, _ in open_ones(desk)} & {"shop", "till", "merchant"}
    small = next(case for case in desk.cases.values() if case.place[0] != "channel")
    assert small.shops == {"s5"}


def test_an_ended_one_is_not_said_twice_and_a_relapse_goes_back() -> None:
    _, steps = play(lambda at, channel, shop: channel == "alipay" and not 40 <= at < 100, seconds=140)
    stages = [step.incident.stage for step in steps if step.event]
    assert Stage.MONITORING in stages and stages[-1] in (Stage.IDENTIFIED, Stage.INVESTIGATING)
    assert len({step.incident.id for step in steps}) == 1 and stages.count(Stage.RESOLVED) == 0


def test_where_nobody_pays_any_more_what_was_known_stays_known() -> None:
    """Its payments are older than what is remembered; that is no doubt, and not news."""
    desk, _ = play(lambda at, channel, shop: channel == "alipay")
    [case] = desk.cases.values()
    before = case.incident
    assert before.stage is Stage.IDENTIFIED
    later = [step for second in range(400) for step in desk.look(START + (150 + second) * 1_000)]
    now = case.incident
    assert (now.stage, now.party, now.cause, now.probability) == (before.stage, before.party, before.cause, before.probability)
    assert now.share >= 0.9 and {step.incident.stage for step in later} <= {Stage.IDENTIFIED} and sum(bool(step.event) for step in later) <= 1


def test_news_is_told_now_and_then_but_every_payment_is_written_down() -> None:
    _, steps = play(lambda at, channel, shop: channel == "alipay")
    assert sum(bool(step.event) for step in steps) <= 12 and sum(len(step.hits) for step in steps) > 100
    told = [step for step in steps if step.event]
    assert told[0].event == "incident.opened" and all(step.says["zh"].startswith("我们观察到") and step.says["en"].startswith("We observe") for step in told)
    published = [step for step in steps if step.incident.published_ms]
    assert published and published[0].incident.stage is Stage.IDENTIFIED and published[0].incident.payments >= 20


def test_every_place_and_stage_has_words_for_six_people() -> None:
    for place, stage in itertools.product(PLACES, Stage):
        one = Incident("inc_1", False, DARK, place, "*" if place == "all" else "alipay", START, START, stage=stage, party="bank", merged_into="inc_0",
                       recovered_ms=START, amount_fen=123_405)  # fmt: skip
        words = texts.people(one)
        assert set(words) == set(PEOPLE) and all(said["zh"] and said["en"] for said in words.values())
        assert len(words["cashier"]["zh"]) <= 20 and "¥1234.05" in texts.observed(one, NAMES)["zh"]
        if stage not in (Stage.RESOLVED, Stage.MERGED, Stage.MONITORING):
            assert "重收" in words["cashier"]["zh"] or place == "merchant"
            assert "不要" in words["payer"]["zh"] or "请勿" in words["payer"]["zh"]


def slots(*counts: tuple[int, int]) -> list[Slot]:
    made = []
    for at, (dark, fine) in enumerate(counts):
        one = Slot(START // SLOT_MS + at)
        one.add(DARK, dark)
        one.add("", fine)
        made.append(one)
    return made


def test_a_burst_is_more_than_chance_and_its_onset_is_where_it_began() -> None:
    now, usual = START + 9 * SLOT_MS, LEAST[DARK]
    assert burst(slots(*[(0, 20)] * 9), DARK, usual, now) is None
    assert burst(slots((0, 20), (1, 19), (0, 20), (1, 19), (1, 20), (1, 20)), DARK, usual, now) is None  # ordinary bad luck
    found = burst(slots((0, 20), (0, 20), (0, 20), (9, 11), (8, 12), (9, 9)), DARK, usual, now)
    assert found is not None and found.first == START // SLOT_MS + 3 and found.troubled == 26
    assert burst(slots((3, 0), (1, 0)), DARK, usual, now) is None  # four payments are no incident


def test_a_recovery_needs_payments_that_get_through() -> None:
    usual = LEAST[DARK]
    assert well_since([(9, 0, 0), (8, 0, 0), (7, 12, 0)], usual, 0.95) is None
    assert well_since([(9, 0, 8), (8, 0, 9), (7, 12, 0)], usual, 0.95) == 8
    assert well_since([(9, 5, 6), (8, 6, 5), (7, 12, 0)], usual, 0.5) is None


def test_usual_is_learned_and_bounded() -> None:
    usual = Usual()
    assert usual.share(DARK) == LEAST[DARK]
    for _ in range(500):
        usual.learn(DARK, 1, 49)
    assert 0.03 < usual.share(DARK) < 0.05
    for _ in range(5_000):
        usual.learn(DARK, 50, 0)
    assert usual.share(DARK) == 0.25


def test_a_bank_is_missed_only_where_it_was_usual() -> None:
    banks, dice, n = Banks(), random.Random(3), 0
    first = START // SLOT_MS
    for slot in range(first, first + 40):
        for _ in range(10):
            bank = dice.choices(["ICBC", "CCB", "ABC"], [0.4, 0.4, 0.2])[0]
            if slot < first + 30 or bank != "ICBC":
                n += 1
                banks.see(Sighting(f"p{n}", slot * SLOT_MS, Places("", "", "", "", "", "wechatpay"), "", bank))
        if slot < first + 30:
            banks.learn(slot, slot)
    missing = banks.missing(set(), first + 30, first + 39)
    assert missing.bank == "ICBC" and missing.sure > 10 and 0.3 < missing.usual < 0.5
    assert banks.missing({"alipay"}, first + 30, first + 39).bank == "" and banks.missing(set(), first + 20, first + 29).sure < 3


def test_a_bank_is_ahead_only_where_no_other_is_missed_as_much() -> None:
    def missed(*without: str) -> tuple[str, bool]:
        banks, ids = Banks(), itertools.count()
        for slot in range(30):
            for bank in ("A", "B", "C", "D"):
                if slot < 20 or bank not in without:
                    for _ in range(2):
                        banks.see(Sighting(f"p{next(ids)}", slot * SLOT_MS, Places("t", "s", "", "", "", "wechatpay"), "", bank))
        banks.learn(0, 19)
        found = banks.missing(set(), 20, 29)
        return found.bank, found.ahead >= 3.0

    assert missed("B") == ("B", True)
    assert missed("A", "C")[1] is False


def test_a_bank_is_the_place_only_while_its_payments_say_that_it_is_a_bank() -> None:
    """Its successes are missing behind one channel; whose it is, the causes of the dark ones say."""

    def placed(cause: str) -> tuple[Incident, set[str]]:
        ids, dice, identified_at = itertools.count(), random.Random(7), set[str]()
        desk = Desk(lambda: "inc_1", NAMES)
        for second in range(400):
            now = START + second * 1_000
            for _ in range(6):
                channel, bank = dice.choice(("alipay", "wechatpay")), dice.choice(("ICBC", "CCB", "ABC", "CMB"))
                dark = second >= 360 and channel == "wechatpay" and bank == "ABC"
                one = Sighting(f"pay_{next(ids)}", now, Places("t1", "s1", "", "", "", channel), "error" if dark else "",
                               "" if dark or channel == "alipay" else bank, "m1", 1_250, 40)  # fmt: skip
                desk.see(one)
            identified_at |= {step.incident.place for step in desk.look(now) if step.incident.stage is Stage.IDENTIFIED}
            for case in desk.cases.values():
                for held in case.held:
                    desk.named(held, ((cause, 0.97),))
        [case] = desk.cases.values()
        return case.incident, identified_at

    bank, _ = placed("bank.unavailable")
    assert (bank.stage, bank.place, bank.place_name, bank.party) == (Stage.IDENTIFIED, "bank", "ABC", "bank")
    platform, at = placed("platform.degraded")
    assert (platform.stage, platform.place, platform.place_name, platform.party) == (Stage.IDENTIFIED, "channel", "wechatpay", "platform")
    assert "bank" not in at


def test_what_cannot_lie_in_such_a_place_waits_a_moment_for_a_larger_one() -> None:
    at = Incident("inc_1", False, DARK, "channel", "alipay", START, START)
    clearing = whose(("channel", "alipay"), ("channel", "alipay"), DARK, [(("clearing.outage", 0.99),)] * 5)
    assert clearing.party == "clearing" and clearing.probability > 0.9
    assert not identified(clearing, at, START + 3_000) and identified(clearing, at, START + SETTLES_MS)
    assert identified(clearing, changed(at, place="all", place_name="*"), START + 3_000)


def test_the_smallest_place_that_explains_it_all() -> None:
    counts = {("all", "*"): (40, 200), ("channel", "alipay"): (40, 60), ("shop", "s1"): (12, 20), ("till", "t1"): (6, 9)}
    found = where(counts, lambda place: counts.get(place, (0, 0)))
    assert found.place == ("channel", "alipay") and found.ahead > 0
    assert whose(("channel", "alipay"), ("channel", "alipay"), DARK, [(("platform.outage", 0.8), ("us.egress", 0.2))] * 5).party == "platform"
    assert whose(("bank", "ICBC"), ("channel", "wechatpay"), DARK, [(("platform.degraded", 0.5), ("bank.slow", 0.4))] * 5)[:2] == ("bank", "ICBC")
    assert whose(("all", "*"), ("all", "*"), DARK, []).probability < 0.7


def test_memory_is_bounded_and_repeats_count_once() -> None:
    counts = Counts()
    for n in range(3_000):
        at = START + n * 1_000
        one = Sighting(f"p{n}", at, Places(f"t{n % 7}", f"s{n % 3}", "", "", "", "alipay"), "silence" if n % 50 == 0 else "", "", "m1")
        assert bool(counts.see(one)) == (n % 50 == 0)
        assert counts.see(one) == "" and counts.see(one._replace(symptom="")) == ""  # a dark one stays dark
    assert len(counts) <= 200 and len(counts.slots(("all", "*"))) <= 40
    assert counts.within(("all", "*"), DARK, 0, 1 << 40)[0] <= 5
