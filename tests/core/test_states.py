"""The state tables: complete, closed, and the only way to move."""

import pytest

from daozhang.core import payment, refund
from daozhang.core.must import Broken
from daozhang.core.payment import NOTHING_TAKEN, OPEN, RECEIVED, SALE_IS_FREE, State
from daozhang.core.verdict import Money, Verdict, judge
from daozhang.sim.every import new_payment

# One line a state: who may follow. Written by hand from the product's rules, so that the code has a second mind.
TABLE = """
created          sent
sent             waiting_payer unknown reversing paid not_paid closed reversed surplus
waiting_payer    unknown reversing paid not_paid closed reversed surplus
unknown          waiting_payer reversing paid not_paid closed reversed surplus
reversing        deferred paid not_paid closed reversed surplus
deferred         reversing paid not_paid closed reversed surplus
paid             partly_refunded refunded
partly_refunded  refunded
refunded
not_paid         paid surplus
closed           paid surplus
reversed         paid surplus
surplus
"""

VERDICTS = """
created          checking          unresolved
sent             checking          unresolved
waiting_payer    waiting_customer  unresolved
unknown          checking          unresolved
reversing        checking          unresolved
deferred         later             unresolved
paid             paid              received
partly_refunded  paid              received
refunded         paid              received
not_paid         not_paid          not_received
closed           not_paid          not_received
reversed         returned          returned
surplus          checking          unresolved
"""


def test_the_table_is_the_products() -> None:
    expected = {}
    for line in TABLE.strip().splitlines():
        state, *following = line.split()
        expected[State(state)] = frozenset(State(name) for name in following)
    assert expected == payment.FOLLOWS


def test_each_state_has_a_row_and_one_kind() -> None:
    assert set(payment.FOLLOWS) == set(State)
    kinds = [OPEN, RECEIVED, NOTHING_TAKEN, frozenset({State.SURPLUS})]
    assert all(sum(state in kind for kind in kinds) == 1 for state in State)
    assert OPEN.isdisjoint(SALE_IS_FREE)


@pytest.mark.parametrize("before", State)
def test_only_the_table_allows_a_step(before: State) -> None:
    from dataclasses import replace

    attempt = replace(new_payment(), state=before)
    for after in State:
        if after is before or after in payment.FOLLOWS[before]:
            assert attempt.to(after).state is after
        else:
            with pytest.raises(Broken, match="never followed"):
                attempt.to(after)


def test_each_state_has_its_verdict() -> None:
    from dataclasses import replace

    for line in VERDICTS.strip().splitlines():
        state, verdict, money = line.split()
        told = judge(replace(new_payment(), state=State(state)))
        assert (told.verdict, told.money) == (Verdict(verdict), Money(money))
        assert told.safe_to_retry == (verdict in ("not_paid", "returned"))


def test_a_surplus_is_returned_once_its_refund_is_proven() -> None:
    from dataclasses import replace

    surplus = replace(new_payment(), state=State.SURPLUS, captured_fen=1250)
    assert judge(surplus).money is Money.UNRESOLVED
    back = judge(replace(surplus, refunded_fen=1250))
    assert (back.verdict, back.money, back.safe_to_retry) == (Verdict.RETURNED, Money.RETURNED, False)


def test_refund_states_are_closed() -> None:
    assert set(refund.FOLLOWS) == set(refund.RefundState)
    ends = {state for state, following in refund.FOLLOWS.items() if not following}
    assert ends == {refund.RefundState.SUCCEEDED, refund.RefundState.FAILED}
    assert set(refund.RefundState) - ends == refund.UNDER_WAY
