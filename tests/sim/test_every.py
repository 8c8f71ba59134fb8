"""Acceptance: every world that a channel can make, up to two faults each; and the five wrong procedures are caught."""

from dataclasses import replace

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.payment import Method, Payment, State
from daozhang.core.resolve import Answer, Ask, Rest, Talk, asking, learn
from daozhang.sim.every import the_real_one, walk

SHELF = Shelf.look()


@pytest.fixture(params=sorted(channel.name for channel in SHELF))
def manners(request: pytest.FixtureRequest) -> Manners:
    channel = SHELF.get(request.param)
    assert channel is not None
    return channel.manners


@pytest.mark.parametrize("method", [Method.PAY_BY_CODE, Method.PAY_BY_QR, pytest.param(Method.PLATE, marks=pytest.mark.prove)])
def test_no_world_breaks_a_promise(manners: Manners, method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    tally = walk(the_real_one, manners, faults=2, method=method)
    with capsys.disabled():
        print(f"\nwalk of resolve, {method.value}: {tally.worlds} worlds, {tally.asks} questions, ends {tally.ends}")
    assert tally.broken == []
    assert tally.worlds > 1_000
    assert {"paid", "not_paid", "closed"} <= tally.ends.keys()


def test_a_plate_walks_as_a_qr_does(manners: Manners) -> None:
    qr, plate = (walk(the_real_one, manners, faults=1, method=method) for method in (Method.PAY_BY_QR, Method.PLATE))
    assert plate == qr and plate.broken == [] and plate.ends["closed"] > 0


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_no_world_with_three_faults_breaks_a_promise(manners: Manners) -> None:
    tally = walk(the_real_one, manners, faults=3)
    print(f"walk of resolve, three faults: {tally.worlds} worlds, {tally.asks} questions, ends {tally.ends}")
    assert tally.broken == []


# -- procedures seen in the field, each wrong in its own way -----------------------------------------------------------


def _field(payment: Payment, m: Manners, now: int, settle: "type[Exception] | object") -> Talk:
    """A common shape: pay, then let ``settle`` say what an answer makes of the payment, else ask each five seconds."""
    assert callable(settle)
    end = now + m.window_ms
    op = Op.PAY if payment.state is State.CREATED else Op.QUERY
    while True:
        payment = replace(asking(payment, op, m, now), queries=0)
        answer = yield Ask(payment, op, now + 3000)
        assert isinstance(answer, Answer)
        now = answer.at_ms
        decided = settle(payment, op, answer, now, end)
        if decided is not None:
            return decided
        op = Op.QUERY
        woken = yield Rest(payment, now + 5000)
        now = woken if isinstance(woken, int) else woken.at_ms


def _refused(payment: Payment, now: int, state: State = State.NOT_PAID) -> Payment:
    return replace(payment, state=state, decided_ms=now)


def _paid(payment: Payment, op: Op, answer: Answer, m_now: int) -> Payment | None:
    if answer.finding.proves is Proves.CAPTURED:
        return replace(payment, state=State.PAID, captured_fen=answer.finding.amount_fen, decided_ms=m_now)
    return None


def default_is_failed(payment: Payment, m: Manners, now: int) -> Talk:
    """Every answer but success and "typing" is a failure (the enumeration with a default branch)."""

    def settle(p: Payment, op: Op, answer: Answer, at: int, end: int) -> Payment | None:
        if answer.finding.proves is Proves.WAITING:
            return None
        return _paid(p, op, answer, at) or _refused(p, at)

    return _field(payment, m, now, settle)


def exception_is_failed(payment: Payment, m: Manners, now: int) -> Talk:
    """A time-out of the pay request is taken for a failure (the catch block that sets the status)."""

    def settle(p: Payment, op: Op, answer: Answer, at: int, end: int) -> Payment | None:
        lost = answer.finding.proves is Proves.NOTHING and answer.finding.code.startswith("lost")
        if op is Op.PAY and (lost or answer.finding.proves is Proves.REFUSED):
            return _refused(p, at)
        return _paid(p, op, answer, at) or (_refused(p, at, State.CLOSED) if at > end else None)

    return _field(payment, m, now, settle)


def not_found_is_proof(payment: Payment, m: Manners, now: int) -> Talk:
    """The first "order not found" closes the payment."""

    def settle(p: Payment, op: Op, answer: Answer, at: int, end: int) -> Payment | None:
        if answer.finding.proves in (Proves.ABSENT, Proves.REFUSED, Proves.NOT_SENT):
            return _refused(p, at)
        return _paid(p, op, answer, at)

    return _field(payment, m, now, settle)


def closed_by_a_timer(payment: Payment, m: Manners, now: int) -> Talk:
    """Past its window a payment is closed in our own database, and the channel is not asked."""

    def settle(p: Payment, op: Op, answer: Answer, at: int, end: int) -> Payment | None:
        if answer.finding.proves in (Proves.REFUSED, Proves.NOT_SENT):
            return _refused(p, at)
        return _paid(p, op, answer, at) or (_refused(p, at, State.CLOSED) if at > end else None)

    return _field(payment, m, now, settle)


def pay_again_when_unknown(payment: Payment, m: Manners, now: int) -> Talk:
    """The cashier scans again because nothing is known: a second request with a new number."""
    if payment.state is not State.CREATED:
        return payment
    answer = yield Ask(asking(payment, Op.PAY, m, now), Op.PAY, now + 3000)
    assert isinstance(answer, Answer)
    if answer.finding.proves is Proves.NOTHING:
        answer = yield Ask(asking(payment, Op.PAY, m, answer.at_ms), Op.PAY, answer.at_ms + 3000)
        assert isinstance(answer, Answer)
    paid = _paid(asking(payment, Op.PAY, m, now), Op.PAY, answer, answer.at_ms)
    return paid or learn(asking(payment, Op.PAY, m, now), Op.PAY, answer.finding, m, answer.at_ms)


WRONG = {
    default_is_failed: "P2",
    exception_is_failed: "P2",
    not_found_is_proof: "P2",
    closed_by_a_timer: "P2",
    pay_again_when_unknown: "P3",
}


@pytest.mark.parametrize("procedure", WRONG, ids=lambda procedure: procedure.__name__)
def test_a_wrong_procedure_of_the_field_is_caught(manners: Manners, procedure: object) -> None:
    assert callable(procedure)
    # None of them counts its queries; here the graver faults are looked for.
    patient = replace(manners, query_gaps_ms=(), qr_query_gaps_ms=())
    promise = WRONG[procedure]
    tally = walk(procedure, patient, faults=2, most_broken=2_000, enough=promise)
    assert any(broken.startswith(promise) for broken in tally.broken), tally.broken[:3]
