"""How a channel wants to be asked: policy data, read from the channel's manifest (promise P10)."""

from dataclasses import dataclass, replace
from typing import Any

from daozhang.core.must import must


@dataclass(frozen=True, slots=True)
class Manners:
    """All times in milliseconds.

    ``query_gap_ms`` is the least time between two queries of one order; ``every_ms`` the ordinary rhythm;
    ``slow_ms`` the rhythm after a query that brought nothing, so that a brown-out gets fewer questions, not more.
    """

    pay_deadline_ms: int
    ask_deadline_ms: int
    resend_after_ms: tuple[int, ...]  # gaps between sends while no byte has left us
    first_query_ms: int  # after a reply that proves nothing
    first_query_waiting_ms: int  # after "the payer is typing"
    query_gap_ms: int
    every_ms: int
    slow_ms: int
    window_ms: int  # pay_by_code: from the request to the last query
    qr_window_ms: int
    qr_every_ms: int  # a payer who scans pushes a notify: fewer questions are needed
    absent_needed: int  # "no such order" so many times before we undo without waiting for the window
    absent_after_ms: int  # and the last one not before this time after the request
    fresh_ms: int  # an undo leaves within this time after the last query's answer
    undo_gaps_ms: tuple[int, ...]  # between rounds of undo and query while the result is unknown
    undo_same_day: bool  # the channel undoes only on the order's Beijing day
    deferred_gaps_ms: tuple[int, ...]
    aftercare_ms: tuple[int, ...]  # looks after an order that the channel never showed us
    undo_settles_ms: int  # after this time no undo of ours can still be under way
    queries_most: int  # budget of one order inside its window and its undoing
    refund_query_ms: int
    refund_gap_ms: int  # between two refunds of one order
    refund_again_ms: tuple[int, ...]
    funds_again_ms: tuple[int, ...]  # waiting for the seller's balance
    refund_days: int
    undo_after_ms: int = 0  # no undo may reach the channel earlier than this after the pay request
    undo_within_ms: int = 0  # the channel undoes an order for so long (0: it names no end)
    undo_tells: bool = True  # an accepted undo says whether there had been a charge
    undone_vanishes: bool = False  # an undone order is not found any more: "no such order" says nothing of a younger charge
    pushes_code: bool = True  # the result of a payment by code is pushed; otherwise nobody but us will find a late one
    reverses_qr: bool = True  # an order shown as a QR can be undone with its result unknown; otherwise it is closed
    query_gaps_ms: tuple[int, ...] = ()  # before each query of the window, instead of the rhythm: so many and no more
    qr_query_gaps_ms: tuple[int, ...] = ()
    day_ends_h: int = 24  # the hour of Beijing at which the channel's day ends (undo_same_day)

    def calmer(self) -> "Manners":
        """For a channel that is unwell: fewer questions of each order in its window, never more, and everybody else's turn
        comes sooner. The window's end, its one query and the undo stay where they are; counted queries are counted already."""
        if self.query_gaps_ms:
            return self
        slow = min(2 * self.slow_ms, max(self.slow_ms, self.window_ms // 3))
        return replace(self, first_query_ms=max(self.first_query_ms, self.every_ms), every_ms=max(self.every_ms, self.slow_ms), slow_ms=slow,
                       qr_every_ms=2 * self.qr_every_ms, deferred_gaps_ms=tuple(2 * gap for gap in self.deferred_gaps_ms))  # fmt: skip

    @staticmethod
    def of(table: dict[str, Any]) -> "Manners":
        """Read the ``[manners]`` table of a manifest. Raises Broken when a rhythm contradicts the least gap."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
        }
        manners = Manners(**values)
        must(manners.every_ms >= manners.query_gap_ms > 0, "the ordinary rhythm keeps the least gap")
        must(manners.slow_ms >= manners.every_ms, "a brown-out gets fewer questions, not more")
        must(all(gap >= manners.query_gap_ms for gap in manners.undo_gaps_ms), "every undo round keeps the least gap")
        gaps = (*manners.query_gaps_ms, *manners.qr_query_gaps_ms)
        must(all(gap >= manners.query_gap_ms for gap in gaps), "counted queries keep the least gap")
        must(len(manners.undo_gaps_ms) >= 1 and len(manners.deferred_gaps_ms) >= 1, "somebody always asks again")
        return manners
