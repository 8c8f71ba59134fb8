"""The least gap counts from the answer too: found by 300 kills, where a slow commit let a query leave late."""

from dataclasses import replace

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Op
from daozhang.core.payment import State
from daozhang.core.resolve import plan, polite_ms
from daozhang.sim.every import START_MS, new_payment


@pytest.mark.parametrize("state", [State.UNKNOWN, State.WAITING_PAYER, State.REVERSING, State.DEFERRED, State.CLOSED])
@pytest.mark.parametrize("channel", [channel.name for channel in Shelf.look()])
def test_a_query_that_left_late_still_keeps_its_distance(channel: str, state: State) -> None:
    plug = Shelf.look().get(channel)
    assert plug is not None
    written, answered = START_MS + 5_000, START_MS + 9_000  # the commit took four seconds
    payment = replace(
        new_payment(), state=state, sends=1, asked_ms=START_MS, window_end_ms=START_MS + 60_000, queries=1,
        last_query_ms=written, last_answer_ms=answered, undo_tries=1, last_undo_ms=written - 1, first_undo_ms=written - 1,
        recheck_ms=1, decided_ms=1,
    )  # fmt: skip
    step = plan(payment, plug.manners, answered + 500, False)
    assert step is not None
    op, at_ms = step
    if plug.manners.query_gaps_ms and state is State.REVERSING:
        assert op is Op.REVERSE  # at a channel that counts, an undo needs no fresh query
        return
    assert op is Op.QUERY and at_ms >= answered + plug.manners.query_gap_ms


@pytest.mark.parametrize("channel", [channel.name for channel in Shelf.look()])
def test_a_query_whose_asker_died_may_have_left_late(channel: str) -> None:
    """Found by the town: 38,070 written, left at 38,101, nobody wrote an answer down, and a shop gave up: asked again after 4,969 ms."""
    plug = Shelf.look().get(channel)
    assert plug is not None
    written = START_MS + 60_000
    payment = replace(new_payment(), state=State.DEFERRED, sends=1, asked_ms=START_MS, undo_tries=1, first_undo_ms=written - 9,
                      last_undo_ms=written - 9, queries=1, last_query_ms=written, last_answer_ms=written - 9_000)  # fmt: skip
    assert polite_ms(payment, plug.manners) >= written + plug.manners.query_gap_ms + 500
