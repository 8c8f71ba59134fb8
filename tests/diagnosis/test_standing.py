"""Things that stand: each fact names its cause, nothing known names none, and a cause goes when its fact goes."""

from dataclasses import replace
from typing import Any

import pytest

from daozhang.core.stated import Release, Stated, changed_ms
from daozhang.diagnosis.cause import shelf
from daozhang.diagnosis.name import STATIC_CODE_FEN, name_causes, name_standing
from daozhang.diagnosis.standing import Account, Plate, Receiver, of_account, of_plate, of_receiver
from daozhang.flow.standing import plate_cause
from daozhang.sim.drill_plays import PLAYS
from tests.diagnosis.worlds import AT, world

HOUR = 3_600_000

# what is known -> the cause that is named first, or none
ACCOUNTS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"payout": "arrived"}, ""),
    ({"payout": "waiting"}, ""),
    ({"payout": "returned", "payout_code": "AC04"}, "payee.settlement_account_invalid"),
    ({"payout": "returned", "payout_code": "AC01"}, "payee.wrong_account"),
    ({"payout": "returned", "payout_code": "XX99"}, "funds.returned"),
    ({"payout": "waiting", "payout_code": "AM23"}, "funds.capacity"),
    ({"payout": "sent", "payout_code": "AM23"}, ""),
    ({"hold": True}, "funds.held"),
    ({"hold": False, "pending_fen": 100}, ""),
    ({"pending_fen": 100, "minimum_fen": 101}, "funds.below_minimum"),
    ({"pending_fen": 101, "minimum_fen": 101}, ""),
    ({"pending_fen": 0, "minimum_fen": 101}, ""),
    ({"pending_fen": 100, "closed_days": ["2026-11-23"]}, "funds.holiday"),
    ({"pending_fen": 0, "closed_days": ["2026-11-23"]}, ""),
    ({"pending_fen": 100, "weekends": False}, ""),  # a Monday
    ({"pending_fen": 100, "cutoff": "10:43", "pending_since_ms": AT}, "funds.cutoff"),
    ({"pending_fen": 100, "cutoff": "10:44", "pending_since_ms": AT}, ""),
    ({"pending_fen": 100, "cutoff": "10:00", "pending_since_ms": AT - 24 * HOUR}, ""),  # yesterday's money is not late today
]


@pytest.mark.parametrize(("known", "cause"), ACCOUNTS, ids=str)
def test_what_is_known_of_an_account_names_its_cause(known: dict[str, Any], cause: str) -> None:
    named = name_standing(of_account(Account(**known), AT))
    assert (named.id if named is not None else "") == cause
    assert named is None or named.probability >= 0.9


def test_a_holiday_is_over_the_next_day_and_a_weekend_on_monday() -> None:
    saturday = Account(pending_fen=100, weekends=False)
    told = [name_standing(of_account(saturday, AT + day * 24 * HOUR)) for day in (-2, -1, 0)]
    assert [one.id if one is not None else "" for one in told] == ["funds.holiday", "funds.holiday", ""]


def test_two_things_at_once_leave_the_class() -> None:
    both = name_standing(of_account(Account(hold=True, pending_fen=100, minimum_fen=1_000), AT))
    assert both is not None and {"funds.held", "funds.below_minimum"} <= set(both.class_)


@pytest.mark.parametrize(
    ("failures", "status", "cause"),
    [(0, 200, ""), (0, 401, ""), (1, 401, "integration.signature"), (3, 403, "integration.signature"), (1, 500, "integration.webhook_failing"),
     (2, 0, "integration.webhook_failing")],
)  # fmt: skip
def test_a_receiver_is_judged_by_its_last_answer(failures: int, status: int, cause: str) -> None:
    named = name_standing(of_receiver(Receiver("enabled", failures, status)))
    assert (named.id if named is not None else "") == cause


def test_a_plate_is_wrong_until_it_reads_as_it_should() -> None:
    plates = [Plate(""), Plate("A"), Plate("", "B"), Plate("A", "B"), Plate("A", "A")]
    named = [name_standing(of_plate(one)) for one in plates]
    assert [one.id if one is not None else "" for one in named] == ["", "", "", "payee.code_swapped", ""]
    assert not shelf()["payee.code_swapped"].money_safe
    assert [one.step for one in named[3].steps] == ["signs"]  # type: ignore[union-attr]


def test_what_stands_never_explains_a_payment_nor_the_other_way_round() -> None:
    dark = name_causes(*world({"state": "unknown", "doubt": "platform.degraded", "crowd": {"channel": [30, 2], "all": [31, 90]}}))
    assert dark.why_no_information is not None
    ranked = {cause for cause, _ in dark.why_no_information.ranked}
    assert not {cause for cause in ranked if (expects := shelf()[cause].expects) is not None and expects.about != "taking"}
    held = name_standing(of_account(Account(hold=True), AT))
    assert held is not None and {shelf()[cause].party for cause, _ in held.ranked} <= {"funds", "payee", "unknown"}


def test_who_waits_for_the_payer_names_all_that_a_payer_may_do() -> None:
    """Members that show nothing of their own cannot be told from the one that is named, so the class holds them."""
    named = name_causes(*world({"state": "waiting_payer", "age_s": 6})).why_no_information
    assert named is not None and named.id == "payer.not_completed"
    assert {"payer.wrong_password", "payer.password_locked"} <= set(named.class_)


def test_a_static_codes_limit_is_only_suspected_above_it() -> None:
    payment, lines, now, _ = world({"state": "closed", "method": "plate", "seen": True})
    for fen, cause in ((STATIC_CODE_FEN, "payer.not_completed"), (STATIC_CODE_FEN + 1, "limit.static_code")):
        named = name_causes(replace(payment, amount_fen=fen), lines, now).why_no_money
        assert named is not None and named.id == cause and named.confidence == "likely"


def test_the_first_version_is_no_change_and_the_newest_counts() -> None:
    first, second = Release("0.1.0", AT, "start"), Release("0.2.0", AT + HOUR, "start")
    assert (changed_ms([]), changed_ms([first]), changed_ms([second, first])) == (0, 0, AT + HOUR)


def test_every_cause_is_drilled_or_says_why_not() -> None:
    assert {cause.id for cause in shelf().values() if cause.not_drilled} == set(shelf()) - set(PLAYS)


def test_a_plate_is_accused_only_against_what_it_should_read_as() -> None:
    read = Stated(1, "mer_x", "till_x", {"reads": "https://elsewhere.example/9"})
    named = plate_cause(read, "https://ours.example/plate/1")
    assert named is not None and named.id == "payee.code_swapped"
    assert plate_cause(read, "") is None and plate_cause(None, "https://ours.example/plate/1") is None
