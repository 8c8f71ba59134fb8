"""A21: codes that are tried out, and one code at two shops."""

import asyncio
import os

import pytest

from daozhang.flow.code_watch import DEAD_AFTER_MS, MOST_WRONG, CodeWatch, TooManyWrongCodes, Tried
from tests.api.test_doors import ALL, _other_merchant
from tests.conftest import System
from tests.gateway.kit import new_till

MINUTE = 60_000


def test_too_many_wrong_codes_stop_one_till_for_a_minute() -> None:
    watch = CodeWatch(b"k" * 32)
    told = [watch.was_wrong("till_1", 1000 + at) for at in range(MOST_WRONG)]
    assert told == [False] * (MOST_WRONG - 1) + [True]
    try:
        watch.may_try("till_1", 2000)
        raise AssertionError("it may go on")
    except TooManyWrongCodes as why:
        assert why.wait_s == 60
    watch.may_try("till_2", 2000)
    watch.may_try("till_1", 1000 + MINUTE)
    assert not watch.was_wrong("till_1", 1000 + 2 * MINUTE)


def test_one_code_at_two_shops_within_a_minute() -> None:
    watch = CodeWatch(b"k" * 32)
    assert watch.elsewhere("28123", "mer_1", 0) == "" and watch.elsewhere("28123", "mer_1", 10) == ""
    assert watch.elsewhere("28123", "mer_2", 20) == "mer_1" and watch.elsewhere("28124", "mer_2", 20) == ""
    assert watch.elsewhere("28123", "mer_1", 20 + MINUTE) == ""
    assert "28123" not in repr(vars(watch))


def two_doors() -> tuple[CodeWatch, CodeWatch]:
    return CodeWatch(b"k" * 32, "a"), CodeWatch(b"k" * 32, "b")


def exchange(*doors: CodeWatch) -> list[Tried]:
    """As the store does it: each piece comes to everybody, its sender too."""
    pieces = [piece for door in doors for piece in door.drain()]
    assert all(len(piece) < 8_000 for piece in pieces)
    return [one for piece in pieces for door in doors for one in door.take(piece)]


def test_one_code_at_two_shops_of_two_doors() -> None:
    here, there = two_doors()
    assert here.elsewhere("28123", "mer_1", 1000, "till_1") == "" and exchange(here, there) == []
    assert there.elsewhere("28123", "mer_2", 1500, "till_2") == "mer_1" and exchange(here, there) == [], "told once, at once"
    assert here.elsewhere("28123", "mer_3", 1500 + MINUTE, "till_3") == "", "a minute later it is no news"


def test_one_code_at_two_shops_before_the_doors_have_spoken_is_told_once() -> None:
    here, there = two_doors()
    assert there.elsewhere("28123", "mer_2", 1010, "till_2") == here.elsewhere("28123", "mer_1", 1000, "till_1") == ""
    assert exchange(here, there) == [Tried("payment.code_at_two_shops", "till_2", 1010, {"merchants": ["mer_1", "mer_2"]})]


def test_wrong_codes_of_one_till_count_at_both_doors() -> None:
    here, there = two_doors()
    for at in range(MOST_WRONG - 1):
        assert not (here, there)[at % 2].was_wrong("till_1", 1000 + at, "mer_1")
    assert exchange(here, there) == []
    for door in (here, there):
        door.may_try("till_1", 1100)
    assert here.was_wrong("till_1", 1200, "mer_1") and exchange(here, there) == []
    for door in (here, there):
        with pytest.raises(TooManyWrongCodes):
            door.may_try("till_1", 1300)
        door.may_try("till_2", 1300)


def test_the_measure_that_is_full_only_together_is_told_once() -> None:
    here, there = two_doors()
    for at in range(MOST_WRONG):
        assert not (here, there)[at % 2].was_wrong("till_1", 1000 + at, "mer_1")
    assert exchange(here, there) == [Tried("payment.codes_tried", "till_1", 1000 + MOST_WRONG - 1, {"merchant": "mer_1"})]


def test_a_screenshot_is_known_at_the_other_door_and_no_code_leaves_in_clear() -> None:
    here, there = two_doors()
    code = "281234567890123456"
    assert not here.is_old(code, "mer_1 A-1", 0) and here.elsewhere(code, "mer_1", 0) == ""
    pieces = here.drain()
    assert code not in str(pieces) and "A-1" not in str(pieces)
    for piece in pieces:
        there.take(piece)
    assert not there.is_old(code, "mer_1 A-1", DEAD_AFTER_MS) and there.is_old(code, "mer_1 A-2", DEAD_AFTER_MS)
    assert there.take("") == []


def test_guessing_is_stopped_at_the_door_and_told(system: System) -> None:
    till = new_till(system)

    def guess() -> tuple[int, dict[str, object]]:
        body = {"amount": 1, "merchant_order_no": f"G-{os.urandom(6).hex()}", "till": till, "wait_s": 5,
                "method": {"type": "pay_by_code", "code": f"28{int.from_bytes(os.urandom(6), 'big') % 10**16:016d}"}}  # fmt: skip
        return system.call("POST", "/v1/payments", body)

    answers = [guess() for _ in range(MOST_WRONG)]
    assert all(status == 201 and told["verdict"] == "not_paid" for status, told in answers), answers[-1]
    status, told = guess()
    assert status == 429 and told["code"] == "too_many_codes" and told["retryable"]
    assert any(row["kind"] == "payment.codes_tried" and row["subject"] == till for row in system.call("GET", "/v1/alarms?limit=100")[1]["data"])
    assert system.pay(till=new_till(system))["verdict"] == "paid"


def test_a_code_shown_at_two_shops_is_flagged(system: System) -> None:
    other = asyncio.run(_other_merchant(system, ALL))
    code = system.code()
    body = {"amount": 1, "merchant_order_no": f"T-{os.urandom(6).hex()}", "till": system.state["till"], "method": {"type": "pay_by_code", "code": code}}
    assert system.call("POST", "/v1/payments", body)[0] == 201
    there = {**body, "merchant_order_no": f"T-{os.urandom(6).hex()}", "till": other["till"]}
    system.call("POST", "/v1/payments", there, api_key=other["api_key"])
    rows = [row for row in system.call("GET", "/v1/alarms?limit=100")[1]["data"] if row["kind"] == "payment.code_at_two_shops"]
    assert rows and system.state["merchant"] in rows[0]["detail"]["merchants"] and code not in str(rows)


def test_a_code_is_remembered_for_a_minute_and_no_longer() -> None:
    watch = CodeWatch(b"k" * 32)
    for second in range(600):
        assert watch.elsewhere(f"28{second:016d}", "mer_a", second * 1000) == ""
        assert watch.remembered <= 60
    assert watch.elsewhere("280000000000000599", "mer_b", 600_000) == "mer_a"
