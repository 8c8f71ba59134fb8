"""A channel that counts its queries (UnionPay: six, at growing gaps) is asked so often and no more, whoever dies."""

from dataclasses import replace

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.payment import Method, Payment, State
from daozhang.core.resolve import Answer, Ask, asking, channel_day, learn, may_undo, plan, resolve
from daozhang.flow.find_out import _may_look
from daozhang.sim.every import START_MS, new_payment, the_real_one, walk

CODE, QR = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000), (10_000, 20_000, 30_000, 40_000, 40_000, 40_000)
ALIPAY = Shelf.look().get("alipay")
assert ALIPAY is not None
COUNTED = replace(
    ALIPAY.manners, query_gap_ms=1_000, query_gaps_ms=CODE, qr_query_gaps_ms=QR, window_ms=70_000, day_ends_h=23,
    undo_tells=False,
)  # fmt: skip


def asks(method: Method, found: Proves = Proves.NOTHING, manners: Manners = COUNTED) -> list[tuple[Op, int]]:
    """What is asked, and when after the pay request, while every answer is the same and comes at once; to the first undo."""
    talk = resolve(new_payment(method), manners, START_MS, code_in_hand=True)
    told, now, wish = [], START_MS, next(talk)
    while not told or told[-1][0] not in (Op.REVERSE, Op.CLOSE):
        if isinstance(wish, Ask):
            told.append((wish.op, now - START_MS))
            wish = talk.send(Answer(Finding(found), now))
        else:
            now = wish.until_ms
            wish = talk.send(now)
    return told


@pytest.mark.parametrize("found", [Proves.NOTHING, Proves.WAITING])
def test_six_queries_at_growing_gaps_then_the_undo_at_once(found: Proves) -> None:
    at = [1_000, 3_000, 7_000, 15_000, 31_000, 63_000]
    expected = [(Op.PAY, 0), *((Op.QUERY, moment) for moment in at), (Op.REVERSE, 63_000)]
    assert asks(Method.PAY_BY_CODE, found) == expected


def test_a_qr_has_a_count_of_its_own() -> None:
    verbs = [op for op, _ in asks(Method.PAY_BY_QR)]
    assert verbs == [Op.PAY, *[Op.QUERY] * len(QR), Op.REVERSE]


@pytest.mark.parametrize("method", [Method.PAY_BY_CODE, Method.PAY_BY_QR])
def test_no_world_breaks_a_promise(method: Method) -> None:
    tally = walk(the_real_one, COUNTED, faults=2, method=method)
    assert tally.broken == [] and tally.worlds > 1_000


def in_window(**changes: object) -> Payment:
    base = replace(new_payment(), state=State.UNKNOWN, sends=1, asked_ms=START_MS, window_end_ms=START_MS + 70_000)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_dead_worker_costs_no_query() -> None:
    """It died in the middle of the sixth query: the next one undoes, and a query after that decides."""
    row = in_window(queries=6, last_query_ms=START_MS + 63_000)
    step = plan(row, COUNTED, START_MS + 80_000, False)
    assert step is not None and step[0] is Op.REVERSE
    undoing = asking(row, Op.REVERSE, COUNTED, START_MS + 80_000)
    assert undoing.state is State.REVERSING
    after = plan(learn(undoing, Op.REVERSE, Finding(Proves.UNDONE), COUNTED, START_MS + 80_000), COUNTED, START_MS + 80_100, False)
    assert after is not None and after[0] is Op.QUERY
    sent = in_window(state=State.SENT, send_out=True, queries=6, last_query_ms=START_MS + 63_000)
    again = plan(sent, COUNTED, START_MS + 80_000, False)
    assert again is not None and again[0] is Op.REVERSE


def test_people_do_not_spend_the_channels_patience() -> None:
    row = in_window(queries=2, last_query_ms=START_MS + 3_000, last_answer_ms=START_MS + 3_040)
    assert not _may_look(row, COUNTED, START_MS + 7_000)
    assert _may_look(row, COUNTED, START_MS + 7_040)
    assert not _may_look(replace(row, queries=6), COUNTED, START_MS + 300_000)


def test_the_shop_that_gives_up_need_not_wait_for_the_next_query() -> None:
    row = in_window(queries=5, last_query_ms=START_MS + 31_000, last_answer_ms=START_MS + 31_040, give_up=True)
    assert plan(row, COUNTED, START_MS + 32_000, False) == (Op.REVERSE, START_MS + 32_000)


def test_the_channels_day_may_end_before_midnight() -> None:
    at_22_59, hour = 1_795_359_540_000, 3_600_000  # 2026-11-22 22:59 in Beijing
    order = replace(new_payment(), created_ms=at_22_59)
    assert may_undo(order, COUNTED, at_22_59 + 59_000) and not may_undo(order, COUNTED, at_22_59 + 60_000)
    plain = replace(COUNTED, day_ends_h=24)
    assert may_undo(order, plain, at_22_59 + hour) and not may_undo(order, plain, at_22_59 + hour + 60_000)
    assert channel_day(at_22_59 + hour, COUNTED) == channel_day(at_22_59 + 23 * hour, COUNTED)
