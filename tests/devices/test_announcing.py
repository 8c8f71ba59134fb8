"""When a sentence is still news, what it says, and who said it."""

from dataclasses import replace

import pytest

from daozhang.core.fleet import TOLD_NEXT, Announcement, Device, DeviceState, Standing, Told
from daozhang.devices import announcing, enrolment, health, numbers, shelf
from daozhang.devices.announcing import FRESH_MS, SILENT_AFTER_MS
from daozhang.sandbox.device.box import Box

NOW = 1_790_000_000_000
LONG_AGO = NOW - 3_600_000
ONE = Announcement("ann_" + "0" * 32, 1, "mer_1", "dev_1", "pay_1ABC", "paid", 1250, "alipay", NOW, sends=1)
DEVICE = Device("dev_1", 1, "mer_1", "sto_1", "till_1", "speaker", "SN1", "云喇叭", True, Standing.ACTIVE, 1)


@pytest.mark.parametrize(("sends", "age", "connected_before", "late"), [
    (1, 0, 3_600_000, False), (1, FRESH_MS, 3_600_000, False), (1, FRESH_MS + 1, 3_600_000, True), (2, 0, 3_600_000, True),
    (1, SILENT_AFTER_MS, 1_000, False), (1, SILENT_AFTER_MS + 1, 1_000, True), (1, 50_000, 50_000, False), (1, 50_000, 49_999, True),
])  # fmt: skip
def test_when_it_is_late(sends: int, age: int, connected_before: int, late: bool) -> None:
    """Once at most, a minute at most, and nothing that happened while nobody was there."""
    one = replace(ONE, sends=sends, at_ms=NOW - age)
    assert announcing.is_late(one, NOW, NOW - connected_before) is late
    assert announcing.is_late(replace(one, alarmed_ms=NOW - 1), NOW, NOW - connected_before)  # told in writing already


def test_three_late_ones_are_said_and_four_are_summed_up() -> None:
    old = [replace(ONE, id=f"ann_{at:032d}", at_ms=NOW - 600_000 + at, amount_fen=100 + at) for at in range(4)]
    fresh = replace(ONE, at_ms=NOW)
    plan = announcing.plan([*old[:3], fresh], NOW, LONG_AGO)
    assert (plan.fresh, plan.late, plan.summed) == ((fresh,), tuple(old[:3]), ())
    plan = announcing.plan([*old, fresh], NOW, LONG_AGO)
    assert (plan.fresh, plan.late, plan.summed) == ((fresh,), (), tuple(old))
    table = announcing.summary(plan.summed, "dev_1", 7, NOW, {})
    assert table["amount"] == 406 and table["count"] == 4 and table["late"] and "补报" in table["text"]["zh"]
    assert announcing.summary_id(tuple(reversed(old))) == table["announce_id"] and len(table["announce_id"]) == 36


def test_a_summary_counts_only_money_that_came() -> None:
    table = announcing.summary([ONE, replace(ONE, kind="not_paid", amount_fen=999)], "dev_1", 1, NOW, {})
    assert (table["count"], table["amount"]) == (1, 1250)


@pytest.mark.parametrize(("kind", "zh", "en"), [
    ("paid", "支付宝到账12.50元", "Alipay received 12.50 yuan"), ("not_paid", "12.50元没收到钱", "12.50 yuan: not paid"),
    ("returned", "12.50元已撤销,钱退顾客", "12.50 yuan: undone, the money goes back"),
    ("later", "12.50元暂无结果,先别重收", "12.50 yuan: no result yet, do not charge again"),
])  # fmt: skip
def test_every_verdict_speaks_and_never_says_why_the_payer_failed(kind: str, zh: str, en: str) -> None:
    table = announcing.message(replace(ONE, kind=kind), "dev_1", 1, NOW, False, {})
    assert table["text"] == {"zh": zh, "en": en}
    assert not {"cause", "why", "balance", "password"} & table.keys()


def test_a_late_one_says_so_and_when_on_the_shops_wall() -> None:
    at = 1_795_401_698_000  # 2026-11-23T02:41:38Z
    said = announcing.text_of("paid", 1250, "wechatpay", at, True)
    assert said == {"zh": "补报,10点41分,微信到账12.50元", "en": "late news, 10:41, WeChat Pay received 12.50 yuan"}
    words = announcing.words_of("paid", 1250, "wechatpay", at, True, "zh")
    assert words == ["late", "十", "点钟", "四", "十", "一", "分", "wechatpay", "received", "十", "二", "点", "五", "元"]


def test_only_the_amount_where_the_shop_wants_that() -> None:
    assert announcing.message(ONE, "dev_1", 1, NOW, False, {"only_amount": True})["text"]["zh"] == "12.50元"


@pytest.mark.parametrize(("quiet", "hour", "volume"), [
    ("22:00-07:00", 22, 20), ("22:00-07:00", 6, 20), ("22:00-07:00", 7, None), ("22:00-07:00", 21, None), ("12:00-14:00", 13, 20),
    ("12:00-14:00", 14, None), ("", 23, None), ("25:00-07:00", 23, None), ("08:00-08:00", 8, None),
])  # fmt: skip
def test_quiet_hours_are_soft_and_by_the_shops_wall(quiet: str, hour: int, volume: int | None) -> None:
    midnight = 1_795_392_000_000 - 8 * 3_600_000  # 2026-11-23 00:00 +08:00
    now = midnight + hour * 3_600_000
    told = announcing.message(replace(ONE, at_ms=now), "dev_1", 1, now, False, {"quiet": quiet, "lang": "zh"})
    assert told.get("volume") == volume
    summed = announcing.summary([replace(ONE, at_ms=now)], "dev_1", 1, now, {"quiet": quiet, "quiet_volume": 0})
    assert summed.get("volume") == (None if volume is None else 0)


def test_a_speaker_that_the_shop_wants_silent_says_that_it_was() -> None:
    """Nobody heard it: the shop reads it, and no payment is left without information."""
    table = announcing.message(ONE, "dev_1", 1, NOW, False, {"quiet": "00:00-23:59", "quiet_volume": 0})
    (kind, answer), *_ = Box("dev_1", "k").hears("announce", announcing.signed(table, "k"), NOW)
    assert (kind, answer["state"], answer["why"]) == ("ack", "failed", "muted")


@pytest.mark.parametrize(("fen", "zh", "en"), [
    (1, "零点零一元", "zero point zero one yuan"), (10, "零点一元", "zero point one yuan"), (1000, "十元", "ten yuan"),
    (100_100, "一千零一元", "one thousand one yuan"), (1_001_000, "一万零一十元", "ten thousand ten yuan"),
    (21_005, "二百一十点零五元", "two hundred ten point zero five yuan"), (10_000_000_000, "一亿元", "one hundred million yuan"),
    (1_000_000_00, "一百万元", "one million yuan"), (10_203_040_00, "一千零二十万三千零四十元", "ten million two hundred three thousand forty yuan"),
])  # fmt: skip
def test_amounts_as_people_say_them(fen: int, zh: str, en: str) -> None:
    assert ("".join(numbers.amount(fen, "zh")), " ".join(numbers.amount(fen, "en"))) == (zh, en)


def test_a_signature_covers_every_byte_and_every_device_has_its_own() -> None:
    raw = announcing.signed(announcing.message(ONE, "dev_1", 1, NOW, False, {}), "key")
    assert (announcing.verified(raw, "key") or {})["announce_id"] == ONE.id
    assert announcing.verified(raw, "another key") is None and announcing.verified(b"{}", "key") is None
    for place in range(0, len(raw), 7):
        broken = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert announcing.verified(broken, "key") is None


def test_the_table_of_followers_is_whole() -> None:
    assert set(TOLD_NEXT) == set(Told) and not TOLD_NEXT[Told.PLAYED] and Told.QUEUED not in set().union(*TOLD_NEXT.values())


@pytest.mark.parametrize(("reported", "online", "cause"), [
    ({"battery": 3}, True, "device.battery_low"), ({"battery": 3}, False, "device.power_lost"), ({"battery": 80}, False, "device.offline"),
    ({"volume": 0}, True, "device.speaker_muted"), ({"muted": True}, True, "device.speaker_muted"), ({"skew_ms": -94_608_000_000}, True, "device.clock_skew"),
    ({"software": "1.0.3"}, True, "device.outdated_software"), ({"data_left_mb": 0}, True, "network.no_data_left"),
    ({"signal_dbm": -113}, True, "network.lossy"), ({"sim": "suspended"}, True, "network.sim_suspended"), ({"printer": "no_paper"}, True, "device.printer"),
])  # fmt: skip
def test_a_report_names_its_cause(reported: dict[str, object], online: bool, cause: str) -> None:
    found = health.causes(DEVICE, DeviceState("dev_1", session=1, online=online, reported=reported), NOW)
    assert cause in found


def test_a_healthy_report_names_none_and_strange_members_are_dropped() -> None:
    good = {"battery": 81, "volume": 80, "software": "1.4.0", "signal_dbm": -70, "skew_ms": 12}
    assert health.causes(DEVICE, DeviceState("dev_1", session=1, online=True, reported=good), NOW) == []
    assert health.cleaned({"battery": 5, "evil": "x", "sim": "y" * 999, "volume": float("inf"), "network": {"a": 1}}) == {"battery": 5, "sim": "y" * 64}


def test_a_code_is_typed_in_many_ways_and_means_the_same() -> None:
    code = enrolment.code_of(bytes(range(200, 208)))
    assert len(enrolment.plain(code)) == 12 and enrolment.plain(code.lower().replace("-", " ")) == enrolment.plain(code)
    assert enrolment.plain("oil0-0000-0000") == "011000000000"
    assert enrolment.matches(b"s", ("", enrolment.sha256("s"))) and not enrolment.matches(b"s", ("", ""))


def test_types_are_found_by_looking() -> None:
    types = shelf.look()
    assert {"speaker", "pos", "phone", "signature_pos", "plate", "scanner_box", "printer"} <= types.keys()
    assert types["speaker"].speaks and not types["plate"].commands and all(one.zh and one.en for one in types.values())
