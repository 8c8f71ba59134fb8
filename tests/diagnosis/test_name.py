"""What may be named, how sure, by which evidence; the two questions never mix."""

from dataclasses import replace
from typing import Any

import pytest

from daozhang.core.evidence import Evidence
from daozhang.core.payment import State
from daozhang.diagnosis.cause import get, shelf
from daozhang.diagnosis.facts import Crowd
from daozhang.diagnosis.name import DARK_MS, CauseNamed, name_causes
from tests.diagnosis.worlds import AT, payment, world


def told(named: CauseNamed | None) -> tuple[str, str] | None:
    return named and (named.id, named.confidence)


# given -> why no information, why no money; worst first
WORLDS: list[tuple[dict[str, Any], tuple[str, str] | None, tuple[str, str] | None]] = [
    # a lost reply: the platform cannot be told from our own way out
    ({"state": "unknown", "doubt": "info.reply_lost"}, ("info.reply_lost", "likely"), None),
    ({"state": "unknown", "doubt": "", "code": ""}, ("info.reply_lost", "likely"), None),
    # one code never proves a fault of the platform
    ({"state": "unknown", "doubt": "platform.degraded"}, ("platform.degraded", "likely"), None),
    ({"state": "deferred", "doubt": "platform.maintenance"}, ("platform.maintenance", "likely"), None),
    # our own finding about an answer is a proof
    ({"state": "unknown", "doubt": "info.reply_unreadable", "alarm": "signature"}, ("info.reply_unreadable", "proven"), None),
    ({"state": "unknown", "doubt": "", "alarm": "amount", "op": "query"}, ("info.reply_unreadable", "proven"), None),
    ({"state": "unknown", "doubt": "", "code": "ACQ.UNSEEN"}, ("info.reply_unknown", "proven"), None),
    # a hint that is not on the shelf is not invented
    ({"state": "unknown", "doubt": "moon.full"}, ("unknown.unknown", "unknown"), None),
    # an undo or a notify that says nothing is no lack of information
    ({"state": "reversing", "doubt": "", "op": "close"}, None, None),
    ({"state": "waiting_payer", "doubt": "", "op": "notify"}, None, None),
    # dark without a doubt
    ({"state": "created", "age_s": 6}, ("us.internal", "proven"), None),
    ({"state": "unknown", "age_s": 6, "orphan": True}, ("us.internal", "likely"), None),
    ({"state": "sent", "age_s": 6, "orphan": True}, ("unknown.unknown", "unknown"), None),
    ({"state": "unknown", "age_s": 6}, ("unknown.unknown", "unknown"), None),
    ({"state": "waiting_payer", "age_s": 6}, ("payer.not_completed", "likely"), None),
    ({"state": "unknown", "age_s": 5}, None, None),
    # proven ends: a refusal proves what it names, and only that
    ({"state": "not_paid", "refusal": "payer.insufficient_funds"}, None, ("payer.insufficient_funds", "proven")),
    ({"state": "not_paid", "refusal": "payer.code_expired"}, None, ("payer.code_expired", "likely")),
    ({"state": "not_paid", "refusal": "bank.declined"}, None, ("bank.declined", "likely")),
    ({"state": "not_paid", "refusal": ""}, None, ("unknown.unknown", "unknown")),
    ({"state": "not_paid", "refusal": "moon.full"}, None, ("unknown.unknown", "unknown")),
    ({"state": "not_paid", "refusal": "us.egress", "code": "NEVER_SENT", "doubt": "us.egress"}, ("us.egress", "likely"), ("us.egress", "likely")),
    # closed: by whom, and what was known
    ({"state": "closed", "seen": True}, None, ("payer.not_completed", "likely")),
    ({"state": "closed", "seen": True, "doubt": "platform.degraded", "later": ["answered"]}, ("platform.degraded", "likely"), ("payer.not_completed", "likely")),
    ({"state": "closed", "method": "qr"}, None, ("payer.not_completed", "likely")),
    # the answer that decides shows the order; nobody had been asked for a password
    ({"state": "closed", "seen": True, "doubt": "platform.degraded"}, ("platform.degraded", "likely"), ("info.no_result_in_time", "likely")),
    ({"state": "closed", "undone": "absent", "doubt": "info.reply_lost"}, ("info.reply_lost", "likely"), ("info.request_lost", "likely")),
    ({"state": "closed", "undone": "unpaid", "doubt": "platform.degraded"}, ("platform.degraded", "likely"), ("info.no_result_in_time", "likely")),
    ({"state": "closed"}, None, ("unknown.unknown", "unknown")),
    ({"state": "closed", "give_up": True, "seen": True}, None, ("operator.undone", "proven")),
    ({"state": "reversed", "doubt": "info.reply_lost"}, ("info.reply_lost", "likely"), ("info.no_result_in_time", "likely")),
    ({"state": "reversed", "give_up": True}, None, ("operator.undone", "proven")),
    # the money came: no question about money
    ({"state": "paid"}, None, None),
    ({"state": "paid", "age_s": 50}, None, None),
    ({"state": "paid", "doubt": "info.reply_lost"}, ("info.reply_lost", "likely"), None),
    ({"state": "paid", "age_s": 50, "orphan": True}, ("us.internal", "likely"), None),
    ({"state": "surplus", "age_s": 50}, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "information", "money"), WORLDS, ids=lambda part: str(part)[:70])
def test_a_world_and_its_causes(
    given: dict[str, Any], information: tuple[str, str] | None, money: tuple[str, str] | None
) -> None:
    named = name_causes(*world(given))
    assert (told(named.why_no_information), told(named.why_no_money)) == (information, money)


def test_every_claim_in_every_world_can_be_defended() -> None:
    """What is shown as evidence exists; nobody suspected is ruled out; a class is never proven; every answer has its steps."""
    for given, _, _ in WORLDS:
        p, lines, now, _ = world(given)
        for found in (name_causes(p, lines, now).why_no_information, name_causes(p, lines, now).why_no_money):
            if found is None:
                continue
            assert set(found.evidence) <= {line.id for line in lines}
            suspects = {found.party, *(member.partition(".")[0] for member in found.class_)}
            assert not suspects & set(found.ruled_out), (given, found)
            assert 0 < found.probability <= 1 and not (found.class_ and found.confidence == "proven")
            assert found.ranked and found.steps
            assert found.number == shelf()[found.id].number and found.says == shelf()[found.id].says
            if found.confidence == "proven" and found.id != "us.internal":
                assert found.evidence, (given, found)


def test_the_payer_and_the_shop_are_cleared_when_a_reply_is_lost() -> None:
    found = name_causes(
        *world({"state": "unknown", "doubt": "info.reply_lost", "code": "READ_TIMEOUT"})
    ).why_no_information
    assert found is not None
    assert found.ruled_out == ("device", "network", "operator", "payer")
    assert {"info.reply_lost", "platform.degraded", "us.egress", "bank.slow"} <= set(found.class_)
    assert found.evidence == (f"evd_{payment().id[4:]}_2",)


def test_a_request_that_never_left_clears_the_bank() -> None:
    given = {"state": "not_paid", "refusal": "us.egress", "code": "NEVER_SENT"}
    found = name_causes(*world(given)).why_no_money
    assert found is not None and found.class_ == ("us.egress", "platform.outage")
    assert "bank" in found.ruled_out and not {"us", "platform"} & set(found.ruled_out)


def test_names_of_the_instance() -> None:
    names = {}
    for hint in ("platform.degraded", "payee.frozen", "us.internal", "risk.payer_blocked", "payer.insufficient_funds"):
        found = name_causes(*world({"state": "not_paid", "refusal": hint})).why_no_money
        assert found is not None
        names[found.party] = found.party_name
    assert names == {"platform": "alipay", "payee": "mer_1", "us": "daozhang", "risk": "alipay", "payer": "payer"}


def test_without_evidence_the_same_cause_is_named_with_fewer_lines() -> None:
    for given, information, money in WORLDS:
        if given.get("orphan") or (given.get("seen") and "doubt" in given and "later" not in given):
            continue  # only the evidence shows it
        p, _, now, _ = world(given)
        named = name_causes(p, None, now)
        assert (told(named.why_no_information), told(named.why_no_money)) == (information, money), given


def test_darkness_begins_after_five_seconds() -> None:
    p = payment("unknown")
    assert name_causes(p, None, AT + DARK_MS).why_no_information is None
    assert told(name_causes(p, None, AT + DARK_MS + 1).why_no_information) == ("unknown.unknown", "unknown")


def test_only_lines_of_the_doubt_are_shown_and_at_most_three() -> None:
    p, lines, now, _ = world({"state": "unknown", "doubt": "platform.degraded", "code": "20000", "op": "query"})
    many = [Evidence(p.id, n, AT, "answered", "alipay", "query", "nothing", "20000") for n in range(3, 9)]
    other = Evidence(p.id, 9, AT, "answered", "alipay", "reverse", "nothing", "20000")
    found = name_causes(p, [*lines, *many, other], now).why_no_information
    assert found is not None
    assert found.evidence == tuple(f"evd_{p.id[4:]}_{n}" for n in (2, 3, 4))


def test_the_unknown_has_words_of_its_own() -> None:
    unknown = get("unknown.unknown")
    assert unknown is not None
    assert "不知道" in unknown.says["zh"] and "do not know" in unknown.says["en"]


@pytest.mark.parametrize("state", list(State))
def test_no_state_is_without_an_answer_to_what_it_asks(state: State) -> None:
    """Whatever the state, with no doubt and no refusal: dark and open has a cause, no money has a cause."""
    p = payment(state.value, decided_ms=0)
    named = name_causes(p, None, AT + 60_000)
    assert (named.why_no_information is not None) is not p.proven
    assert (named.why_no_money is not None) is (state.value in ("not_paid", "closed", "reversed"))


def test_what_answers_after_an_outage_does_not_make_it_smaller() -> None:
    """The channel was gone for all; that it answers the questions which came after it had healed says nothing against that."""
    told = {"state": "unknown", "doubt": "info.reply_lost", "code": "READ_TIMEOUT", "later": ["answered", "answered"], "age_s": 30,
            "crowd": {"channel": (40, 1), "all": (40, 60)}}  # fmt: skip
    p, lines, now, near = world(told)
    assert near.crowd is not None
    over = replace(near, crowd=replace(near.crowd, over_ms=AT))
    named = name_causes(p, lines, now, over).why_no_information
    assert named is not None and named.id == "platform.outage"


@pytest.mark.parametrize(("heard_s", "gone"), [(25, False), (35, True)])
def test_a_speaker_that_said_nothing_since_the_sentence_may_have_lost_its_power_or_its_network(heard_s: int, gone: bool) -> None:
    """That it still counts as connected is its keepalive only; who has heard of it since the sentence knows that it is there."""
    p, lines, now, near = world({"state": "paid", "age_s": 30, "quick": True, "speaker": "silent"})
    box = replace(near.terminals[0], heard_ms=now - heard_s * 1000)
    crowd = Crowd({"one": -0.2, "all": -6.0}, {"all": (0, 69)})  # of payments, not of speakers
    named = name_causes(p, lines, now, replace(near, terminals=(box,), crowd=crowd)).why_no_information
    assert named is not None and (named.id == "device.speaker_offline" or not gone)
    away = {"device.power_lost", "network.down", "device.offline", "network.carrier"}
    assert (away <= set(named.class_)) is gone, named.ranked
