"""A21: codes that are tried out, and one code at two shops."""

import asyncio
import os

from daozhang.flow.code_watch import MOST_WRONG, CodeWatch, TooManyWrongCodes
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
