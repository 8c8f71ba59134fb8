"""The three steps as people read them: both languages, every sign has words, no bank is named without missing successes."""

from daozhang.diagnosis.explain import _HOP, _PLACE, _SIGN, explain
from daozhang.diagnosis.name import name_causes
from daozhang.diagnosis.signs import FAMILIES, USUAL, Sign, Signs
from tests.diagnosis.worlds import crowd, world

# What is well, or is told by another step, needs no sentence of its own.
SILENT = {("later", ""), ("pace", "normal"), ("notice", "none"), ("release", "none"), ("speaker", "played"), ("gone", "here")}


def test_every_link_and_place_and_every_sign_that_is_not_usual_has_words() -> None:
    assert set(_HOP) == set(FAMILIES["hop"]) and set(_PLACE) == set(FAMILIES["blast"])
    for family, values in FAMILIES.items():
        if family in ("hop", "said", "blast", "share"):
            continue
        for value in values:
            well = value in USUAL.get(family, {}) or (family, value) in SILENT
            assert well or (family, value) in _SIGN, (family, value)
    for zh, en in (*_HOP.values(), *_PLACE.values(), *_SIGN.values()):
        assert zh and en.isascii()


def test_the_steps_come_in_the_order_of_the_reasoning() -> None:
    given = {"state": "unknown", "doubt": "info.reply_lost", "code": "READ_TIMEOUT", "later": ["silent"],
             "crowd": {"channel": [40, 0], "all": [40, 90]}}  # fmt: skip
    found = name_causes(*world(given)).why_no_information
    assert found is not None and [step.step for step in found.steps][:2] == ["hop", "blast"]
    assert "40" in found.steps[1].says["zh"] and "40" in found.steps[1].says["en"]
    assert found.steps[0].evidence and set(found.steps[0].evidence) <= set(found.evidence)


def test_a_bank_is_said_only_where_its_successes_are_missing() -> None:
    for bank, zh in (("", "一家银行"), ("ICBC", "")):
        around = crowd({"crowd": {"channel": [12, 28], "all": [12, 88]}, "missing_bank": bank} if bank else {"crowd": {"channel": [2, 5], "all": [2, 5]}})
        assert around is not None
        step = explain(Signs({"hop": Sign("channel")}, around.fits), around)[1]
        assert ("一家银行" in step.says["zh"]) is bool(bank), (bank, zh, step)
