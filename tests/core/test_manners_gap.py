"""The least gap counts from the answer too: found by 300 kills, where a slow commit let a query leave late."""

from dataclasses import replace

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Op
from daozhang.core.payment import State
from daozhang.core.resolve import plan
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
