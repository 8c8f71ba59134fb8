"""Two captures under different sale numbers that look like one: never refunded by guess, the shop is asked (P3)."""


from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence
from daozhang.core.faults import Conflict
from daozhang.core.payment import Payment, State
from daozhang.core.verdict import time_to_information_ms
from daozhang.flow.house import House
from daozhang.flow.pen import Pen

SLOW_MS = 10_000  # a shop that waited this long may have charged again under another number
NEAR_MS = 15 * 60_000


def watch_for_look_alike(house: House, paid: Payment) -> None:
    """After a proof that came late, look beside the payment (in the background: the till is not kept waiting)."""
    if paid.state is State.PAID and not paid.question and time_to_information_ms(paid) >= SLOW_MS:
        house.proc.spawn(_look(house, paid), f"look alike {paid.id}")


async def _look(house: House, paid: Payment) -> None:
    other = await house.reading.possible_twin(paid, NEAR_MS)
    for _ in range(5):
        fresh = await house.store.payment(paid.id) if other else None
        if fresh is None or fresh.state is not State.PAID or fresh.question:
            return
        row = await house.account(fresh.account)
        pen = Pen(house, fresh, row.fee_rate)
        now = house.clock.now_ms()
        pen.note(Evidence(fresh.id, 0, now, "act", "us", "look_alike", text=other or ""))
        try:
            # Nobody decides for the shop: the question has no hour.
            await pen.commit(changed(fresh, question="look_alike", answer_by_ms=-1), 0)
            return
        except Conflict:
            continue  # a line was added, such as a speaker's word that it spoke: the question stands all the same
