"""Raised and withdrawn, with their times; and what was said still stands when the others of that moment are forgotten."""

from dataclasses import replace

from daozhang.diagnosis.history import INFORMATION, Said, heard, line_of, recorded, remembered
from daozhang.diagnosis.name import CauseNamed, Named, name_causes
from tests.diagnosis.worlds import AT, world

LOST = {"state": "unknown", "doubt": "info.reply_lost", "code": "READ_TIMEOUT"}


def named(**more: object) -> CauseNamed:
    found = name_causes(*world({**LOST, **more})).why_no_information
    assert found is not None
    return found


def test_a_cause_is_raised_goes_on_and_is_withdrawn() -> None:
    single, outage = named(later=["answered"]), named(later=["silent"], crowd={"channel": [40, 0], "all": [40, 90]})
    assert (single.id, outage.id) == ("info.reply_lost", "platform.outage")
    told: tuple[Said, ...] = ()
    for at, now in enumerate((single, replace(single, probability=0.99), outage, outage)):
        told = heard(told, Named(now, None), AT + at * 1_000)
    assert [(one.named.id, one.from_ms - AT, one.until_ms and one.until_ms - AT) for one in told] == [
        ("info.reply_lost", 0, 2_000), ("platform.outage", 2_000, 0),
    ]  # fmt: skip
    assert told[0].named.probability == 0.99
    assert all(one.until_ms for one in heard(told, Named(None, None), AT + 9_000))


def test_the_two_questions_have_their_own_histories() -> None:
    p, lines, now, around = world({"state": "closed", "undone": "absent", "doubt": "info.reply_lost"})
    told = heard((), name_causes(p, lines, now, around), now)
    assert {one.question: one.named.id for one in told} == {"information": "info.reply_lost", "money": "info.request_lost"}


def test_what_was_said_stands_when_nobody_can_look_around_any_more() -> None:
    outage = named(later=["silent"], crowd={"channel": [40, 0], "all": [40, 90]})
    p, lines, now, _ = world(LOST)
    story = [*lines, line_of(p.id, Said(INFORMATION, named(), AT, AT + 1), now), line_of(p.id, Said(INFORMATION, outage, AT + 1), now)]
    assert recorded(story, INFORMATION) == outage and recorded(lines, INFORMATION) is None
    alone = name_causes(p, story, now)
    assert alone.why_no_information is not None and alone.why_no_information.id != outage.id
    assert remembered(alone, story, looked=False).why_no_information == outage
    assert remembered(alone, story, looked=True) is alone and remembered(alone, None, looked=False) is alone
