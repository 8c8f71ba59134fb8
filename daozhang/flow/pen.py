"""Writing down one phase: state, evidence, postings, events and the next timer in one transaction."""


from daozhang.core.changed import changed
from daozhang.core.evidence import Evidence, Finding, Op, answered, asked
from daozhang.core.faults import SaleTaken
from daozhang.core.ledger import of_payment, with_fee
from daozhang.core.payment import NOTHING_TAKEN, Payment, State
from daozhang.core.ports import Change, Event, Key
from daozhang.core.resolve import as_surplus
from daozhang.core.verdict import judge
from daozhang.flow.house import House

_EVENT = {
    State.WAITING_PAYER: "payment.waiting_payer",
    State.UNKNOWN: "payment.unknown",
    State.REVERSING: "payment.reversing",
    State.DEFERRED: "payment.deferred",
    State.PAID: "payment.paid",
    State.PARTLY_REFUNDED: "payment.refunded",
    State.REFUNDED: "payment.refunded",
    State.NOT_PAID: "payment.not_paid",
    State.CLOSED: "payment.closed",
    State.REVERSED: "payment.reversed",
    State.SURPLUS: "payment.surplus",
}


class Pen:
    """Holds the payment as stored and the evidence that is not yet durable. One writer at a time uses it."""

    def __init__(self, house: House, payment: Payment, fee_rate: int) -> None:
        self.house = house
        self.stored = payment
        self._rate = fee_rate
        self._lines: list[Evidence] = []
        self._more: list[Event] = []

    def note_answer(self, op: Op, finding: Finding) -> None:
        """Keep an answer for the next commit."""
        who = self.stored.channel if finding.detail or finding.text else "us"
        self._lines.append(answered(self.stored.id, 0, self.house.clock.now_ms(), who, op, finding))

    def note_asked(self, op: Op) -> None:
        self._lines.append(asked(self.stored.id, 0, self.house.clock.now_ms(), self.house.who, op))

    def note(self, line: Evidence) -> None:
        self._lines.append(line)

    def also(self, event: Event) -> None:
        """Tell the outbox of something besides the payment's own steps."""
        self._more.append(event)

    async def commit(self, after: Payment, timer_ms: int, *, key: Key | None = None, wake: bool = True) -> Payment:
        """Make a snapshot durable over the stored version. Raises Conflict, SaleTaken, KeyUsed, Unavailable.

        A late capture that finds its sale taken is written down as a surplus instead (promise P3).
        """
        after = await self._with_hour(after)
        if after.question and not self.stored.question and after.answer_by_ms > 0:
            timer_ms = min(timer_ms, after.answer_by_ms) if timer_ms else after.answer_by_ms
        change = self._change(after, timer_ms, key, wake)
        before = self.stored
        try:
            self.stored = await self.house.store.apply(change)
        except SaleTaken:
            if self.stored.state not in NOTHING_TAKEN:
                raise
            surplus = as_surplus(after, self.stored.state)
            # Due at once: the janitor gives it back, whatever happens to us.
            self.stored = await self.house.store.apply(self._change(surplus, self.house.clock.now_ms(), None, True))
        self._lines.clear()
        self._more.clear()
        self.house.waiters.wake(self.stored.id)
        self.house.witness.moved(before, self.stored)
        return self.stored

    def drop_lines(self) -> None:
        """Forget lines that belong to a version that was never stored."""
        self._lines.clear()

    async def _with_hour(self, after: Payment) -> Payment:
        """A question to the shop gets the hour at which the merchant's policy answers instead."""
        if not after.question or after.answer_by_ms:
            return after
        merchant = await self.house.directory.merchant(after.merchant)
        wait_s = merchant.late_after_s if merchant is not None else 1800
        return changed(after, answer_by_ms=self.house.clock.now_ms() + wait_s * 1000)

    def _change(self, after: Payment, timer_ms: int, key: Key | None, wake: bool) -> Change:
        before = self.stored
        first = before.evidence_n + 1
        lines = tuple(changed(line, n=first + at) for at, line in enumerate(self._lines))
        after = changed(after, version=before.version, evidence_n=before.evidence_n + len(lines))
        if after.decided_ms != before.decided_ms:
            deciding = [line.n for line in lines if line.kind in ("answered", "notified")]
            after = changed(after, decided_by=deciding[-1] if deciding else before.evidence_n)
        after = with_fee(before.state, after, self._rate)
        return Change(
            after,
            lines,
            tuple(of_payment(before.state, after)),
            (*events_of(before, after, self.house.clock.now_ms()), *self._more),
            timer_ms,
            key,
            wake=wake,
        )


def events_of(before: Payment, after: Payment, now_ms: int) -> list[Event]:
    """What everybody must hear about one step: a line for a new attempt, for a new state, for a late success."""
    told = []
    if before.version == 0 and before.state is State.CREATED:
        told.append(event("payment.created", after, now_ms))
    elif after.state is not before.state and after.state in _EVENT:
        told.append(event(_EVENT[after.state], after, now_ms))
    if after.late and not before.late:
        told.append(event("payment.late_success", after, now_ms))
    return told


def event(kind: str, payment: Payment, now_ms: int) -> Event:
    """A thin event: what a till needs to know at once; the rest is read from the payment."""
    told = judge(payment)
    data = {
        "payment": payment.id,
        "merchant_order_no": payment.merchant_order_no,
        "amount": payment.amount_fen,
        "amount_refunded": payment.refunded_fen,
        "currency": payment.currency,
        "status": payment.state.value,
        "verdict": told.verdict.value,
        "money": told.money.value,
        "till": payment.till,
        "channel": payment.channel,
    }
    return Event(kind, payment.merchant, payment.bucket, payment.id, now_ms, data)
