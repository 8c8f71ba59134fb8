"""Every world of a refund: with up to three faults it ends as the channel's books say, and is never sent as another one."""

import itertools

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.refund import AskRefund, Refund, RefundKind, RefundState, refunding

SHELF = Shelf.look()
REFUND = ("done", "lost_before", "lost_after", "pending", "refused", "no_funds", "not_sent", "error")
QUERY = ("truth", "lost", "empty")
START = 1_790_000_000_000


class Books:
    def __init__(self) -> None:
        self.done = False
        self.times = 0

    def refund(self, how: str) -> Proves:
        if how in ("done", "lost_after", "pending") and not self.done:
            self.done, self.times = True, self.times + 1
        elif how == "done":
            return Proves.REFUND_PENDING  # fund_change=N: it moved before
        elif how == "refused" and self.done:
            return Proves.REFUND_REFUSED  # "already refunded" looks like a refusal
        return {
            "done": Proves.REFUND_DONE, "pending": Proves.REFUND_PENDING, "refused": Proves.REFUND_REFUSED,
            "no_funds": Proves.REFUND_NO_FUNDS, "not_sent": Proves.NOT_SENT,
        }.get(how, Proves.NOTHING)  # fmt: skip

    def query(self, how: str) -> Proves:
        if how == "lost":
            return Proves.NOTHING
        return Proves.REFUND_DONE if self.done and how == "truth" else Proves.REFUND_PENDING


def new_refund() -> Refund:
    return Refund("rfd_01JD8000000000000000000000", 0, "mer", "pay_01JD8000000000000000000000", 500, RefundKind.REFUND,
                  "", START, START)  # fmt: skip


@pytest.mark.parametrize("channel", [channel.name for channel in SHELF])
def test_every_world_of_a_refund(channel: str) -> None:
    plug = SHELF.get(channel)
    assert plug is not None
    worlds = 0
    for first, second, third in itertools.product(REFUND, (*REFUND, *QUERY), (*REFUND, *QUERY)):
        books, now, asks = Books(), START, 0
        planned = [first, second, third]
        talk = refunding(new_refund(), plug.manners, now)
        last: dict[Op, int] = {}
        try:
            wish = next(talk)
            while True:
                if not isinstance(wish, AskRefund):
                    now = wish.until_ms
                    wish = talk.send((Finding(), now))
                    continue
                asks += 1
                assert asks < 60, planned
                gap = plug.manners.refund_query_ms if wish.op is Op.REFUND_QUERY else plug.manners.refund_gap_ms
                assert now - max(last.values(), default=0) >= gap, "the channel wants a pause"
                last[wish.op] = now
                names = REFUND if wish.op is Op.REFUND else QUERY
                how = planned.pop(0) if planned and planned[0] in names else names[0]
                proves = books.refund(how) if wish.op is Op.REFUND else books.query(how)
                now += 40
                wish = talk.send((Finding(proves, how), now))
        except StopIteration as end:
            worlds += 1
            done = end.value
            assert done.state is (RefundState.SUCCEEDED if books.done else RefundState.FAILED), (first, second, third)
            assert books.times <= 1
    assert worlds == len(REFUND) * (len(REFUND) + len(QUERY)) ** 2
