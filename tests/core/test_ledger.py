"""Postings: debits equal credits by shape, doubt is visible from the first moment and gone at the end."""

from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daozhang.core.ledger import Transfer, fee_back, of_payment, of_refund, with_fee
from daozhang.core.payment import NOTHING_TAKEN, OPEN, Payment, State
from daozhang.core.refund import Refund, RefundKind, RefundState
from daozhang.sim.every import AMOUNT, new_payment

RATE = 380


def balances(transfers: list[Transfer]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        assert transfer.amount_fen > 0
        assert transfer.debit != transfer.credit
        sums[transfer.debit] += transfer.amount_fen
        sums[transfer.credit] -= transfer.amount_fen
    return {account: fen for account, fen in sums.items() if fen}


def step(payment: Payment, state: State, **changes: int) -> tuple[Payment, list[Transfer]]:
    after = with_fee(payment.state, payment.to(state, **changes), RATE)
    return after, of_payment(payment.state, after)


def test_a_paid_payment() -> None:
    sent, doubt = step(new_payment(), State.SENT)
    assert balances(doubt) == {"in_doubt:x": AMOUNT, "suspense": -AMOUNT}
    paid, earned = step(sent, State.PAID, captured_fen=AMOUNT, received_fen=AMOUNT)
    assert balances(doubt + earned) == {"clearing:x": AMOUNT, "payable": -AMOUNT + 5, "fee_income": -5}
    assert paid.fee_fen == 5


def test_a_coupon_paid_by_the_shop_lowers_what_it_gets() -> None:
    sent, doubt = step(new_payment(), State.SENT)
    _, earned = step(sent, State.PAID, captured_fen=AMOUNT, received_fen=AMOUNT - 250)
    assert balances(doubt + earned) == {"clearing:x": 1000, "payable": -1000 + 4, "fee_income": -4}


def test_doubt_is_released_when_nothing_was_taken() -> None:
    for state in NOTHING_TAKEN:
        sent, doubt = step(new_payment(), State.SENT)
        _, released = step(sent, state)
        assert balances(doubt + released) == {}


def test_open_states_move_nothing() -> None:
    for before in OPEN - {State.CREATED}:
        for after in OPEN:
            assert of_payment(before, replace(new_payment(), state=after)) == []


def test_a_late_success_and_a_surplus_are_booked_anew() -> None:
    closed = replace(new_payment(), state=State.CLOSED)
    _, late = step(closed, State.PAID, captured_fen=AMOUNT, received_fen=AMOUNT)
    assert balances(late) == {"clearing:x": AMOUNT, "payable": -AMOUNT + 5, "fee_income": -5}
    surplus, found = step(closed, State.SURPLUS, captured_fen=AMOUNT, received_fen=AMOUNT)
    refund = _refund(AMOUNT, RefundKind.SURPLUS)
    back = of_refund(RefundState.SENT, replace(refund, state=RefundState.SUCCEEDED), surplus)
    assert balances(found) == {"clearing:x": AMOUNT, "suspense": -AMOUNT}
    assert balances(found + back) == {}


def _refund(amount: int, kind: RefundKind = RefundKind.REFUND) -> Refund:
    return Refund("rfd_01JD8000000000000000000000", 0, "mer", "pay", amount, kind, "", 1, 1)


@given(st.lists(st.integers(1, AMOUNT), min_size=1, max_size=8), st.integers(0, 100_000))
def test_partial_refunds_give_back_money_and_fee_exactly(wanted: list[int], rate: int) -> None:
    sent, doubt = step(new_payment(), State.SENT)
    paid = with_fee(State.SENT, sent.to(State.PAID, captured_fen=AMOUNT, received_fen=AMOUNT), rate)
    moved = doubt + of_payment(State.SENT, paid)
    for amount in [*wanted, AMOUNT]:
        part = min(amount, paid.captured_fen - paid.refunded_fen)
        if not part:
            break
        refund = _refund(part)
        done = replace(refund, state=RefundState.SUCCEEDED, fee_back_fen=fee_back(paid, part, True))
        moved += of_refund(None, refund, paid) + of_refund(RefundState.UNKNOWN, done, paid)
        paid = replace(paid, refunded_fen=paid.refunded_fen + part)
    assert paid.refunded_fen == AMOUNT
    assert balances(moved) == {}


def test_a_failed_refund_leaves_everything_as_it_was() -> None:
    payment = replace(new_payment(), state=State.PAID, captured_fen=AMOUNT)
    refund = _refund(500)
    moved = of_refund(None, refund, payment)
    assert balances(moved) == {"payable": 500, "refund_suspense": -500}
    moved += of_refund(RefundState.SENT, replace(refund, state=RefundState.FAILED), payment)
    assert balances(moved) == {}
