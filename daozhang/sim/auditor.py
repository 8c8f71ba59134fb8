"""The second mind: reads rows and the twins' books as plain data, and shares no rule with the product.

`saw` is called after every commit, `ends` when everything is quiet. The tables here are written down once more, on purpose.
"""

from collections import defaultdict
from typing import Any

_OPEN = frozenset({"created", "sent", "waiting_payer", "unknown", "reversing", "deferred"})
_HAS = frozenset({"paid", "partly_refunded", "refunded"})
_FREE = frozenset({"not_paid", "closed", "reversed"})
_ENDS = {"not_paid", "closed", "reversed", "paid", "surplus"}
_NEXT = {
    "created": {"sent"}, "sent": {"waiting_payer", "unknown", "reversing"} | _ENDS,
    "waiting_payer": {"unknown", "reversing"} | _ENDS, "unknown": {"waiting_payer", "reversing"} | _ENDS,
    "reversing": {"deferred"} | _ENDS, "deferred": {"reversing"} | _ENDS,
    "paid": {"partly_refunded", "refunded"}, "partly_refunded": {"refunded"}, "refunded": set(),
    "not_paid": {"paid", "surplus"}, "closed": {"paid", "surplus"}, "reversed": {"paid", "surplus"}, "surplus": set(),
}  # fmt: skip
_JUST_NOW_MS = 9_000  # an answer may be so old when it is written down (a slow reply and a slow commit)


class Violation(Exception):
    """An invariant did not hold; the text begins with its number."""


class Auditor:
    """``orders``: order number -> the channel's own record (captured_fen, returned_fen, paid_ms, refunds)."""

    def __init__(self, orders: Any) -> None:
        self._order = orders
        self.states: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self.keys: dict[str, str] = {}
        self.told: dict[str, list[str]] = defaultdict(list)
        self.ledger: dict[tuple[str, str], int] = defaultdict(int)
        self.asked: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.shown: dict[str, int] = {}  # when a believed answer or notify last showed a charge of a payment
        self.denied: dict[str, list[int]] = defaultdict(list)  # when a query said "no such order"
        self.once: set[str] = set()  # numbers whose pay request may have arrived: it is never sent again
        self.steps = 0

    # -- after every commit ------------------------------------------------------------------------------------------------

    def saw(self, change: Any, stored: Any, now: int) -> None:
        """One committed phase: the row before is what we wrote down ourselves."""
        self.steps += 1
        before, state = self.states.get(stored.id, "created"), str(stored.state)
        if state != before and state not in _NEXT[before]:
            raise Violation(f"I8 {stored.id}: {before} was followed by {state}")
        self.states[stored.id] = state
        if stored.refunding_fen + stored.refunded_fen > stored.captured_fen:
            raise Violation(f"I9 {stored.id}: more goes back than came in")
        for one in change.transfers:
            self.ledger[stored.id, one.debit] += one.amount_fen
            self.ledger[stored.id, one.credit] -= one.amount_fen
        for event in change.events:
            self._heard(event, stored)
        for line in change.evidence:
            if line.proves == "captured":
                self.shown[stored.id] = now
            if line.op == "query" and line.proves == "absent":
                self.denied[stored.id].append(now)
            if line.kind == "answered" and line.op == "pay" and line.proves != "not_sent":
                self.once.add("DZ" + stored.id[4:])
        fresh = change.key is not None and change.refund is None
        if fresh and self.keys.setdefault(change.key.key, stored.id) != stored.id:
            raise Violation(f"I7 {change.key.key}: one key made two payments")
        if state == "paid" and before in _FREE and "payment.late_success" not in self.told[stored.id]:
            raise Violation(f"I5 {stored.id}: told as {before} and then paid, and nobody heard that it was late")
        if state != before:
            self._against_books(stored, state, now)

    def _heard(self, event: Any, stored: Any) -> None:
        said = str(event.type)
        if event.subject == stored.id:
            self.told[stored.id].append(said)
            if said == "payment.paid" and event.data["amount"] != stored.amount_fen:
                raise Violation(f"I5 {stored.id}: announced with another amount")
            if said == "payment.paid" and str(stored.state) not in _HAS:
                raise Violation(f"I5 {stored.id}: announced as paid while {stored.state}")

    def _against_books(self, p: Any, state: str, now: int) -> None:
        order = self._order("DZ" + p.id[4:])
        captured = order.captured_fen if order else 0
        kept = captured - (order.returned_fen if order else 0)
        if state in ("paid", "surplus") and captured != p.amount_fen:
            raise Violation(f"I4 {p.id}: {state}, and the channel captured {captured} of {p.amount_fen}")
        if state in ("paid", "surplus") and kept != p.amount_fen:
            raise Violation(f"I4 {p.id}: {state}, and the channel keeps {kept}")
        # An accepted undo is the channel's word that the order is over, and so is "no such order", said twice after an undo.
        # Where the channel charges all the same, and nobody has shown us this charge, it comes as a late success.
        paid_ms = order.paid_ms if order else 0
        over = bool(order) and (0 < order.closed_ms <= paid_ms or (sum(at > paid_ms for at in self.denied[p.id]) >= 2 and p.undo_tries))
        crossed = over and self.shown.get(p.id, 0) < paid_ms
        if state in _FREE and kept and not crossed and now - order.paid_ms > _JUST_NOW_MS:
            raise Violation(f"I2 {p.id}: told as {state} while the channel has kept {kept} for {now - order.paid_ms} ms")
        if state == "reversed" and not captured:
            raise Violation(f"I4 {p.id}: reversed, and nothing was ever captured")

    def asks(self, op: str, number: str, now: int, gap_ms: int) -> None:
        """I15: a question leaves us. Queries of one order keep the channel's least gap."""
        times = self.asked[op, number]
        if op == "query" and times and now - times[-1] < gap_ms:
            raise Violation(f"I15 {number}: two queries {now - times[-1]} ms apart")
        times.append(now)
        if op == "query" and len(times) > 80:
            raise Violation(f"I15 {number}: {len(times)} queries")
        if op == "pay" and number in self.once:
            raise Violation(f"I2 {number}: the pay request left again after one that may have arrived")
        if op == "pay" and len(times) > 3:
            raise Violation(f"I2 {number}: the pay request left {len(times)} times")

    # -- in the end ------------------------------------------------------------------------------------------------------------

    def soon(self, payments: Any, timers: Any) -> None:
        """Minutes after healing: proven, or put off with its next look written down."""
        for p in payments:
            if str(p.state) in _OPEN and (str(p.state) != "deferred" or p.id not in timers):
                raise Violation(f"I4 {p.id}: still {p.state} five minutes after everything was whole again")

    def ends(self, payments: Any, refunds: Any, orders: Any) -> None:
        """Everything is quiet: rows, ledger, announcements and books say one thing."""
        rows = {"DZ" + p.id[4:]: p for p in payments}
        kept_by_sale: dict[str, int] = defaultdict(int)
        for number, p in rows.items():
            order = orders.get(number)
            self._at_rest(p, order)
            kept_by_sale[p.merchant_order_no] += order.captured_fen - order.returned_fen if order else 0
            if kept_by_sale[p.merchant_order_no] > p.amount_fen:
                raise Violation(f"I2 sale {p.merchant_order_no}: the payer paid twice")
        for number, order in orders.items():
            if order.captured_fen and number not in rows:
                raise Violation(f"I4 {number}: captured, and unknown to us")
        for ident in self.acknowledged:
            if ident not in self.states:
                raise Violation(f"I3 {ident}: acknowledged and gone")
        for r in refunds:
            if str(r.state) not in ("succeeded", "failed"):
                raise Violation(f"I4 {r.id}: a refund is still {r.state}")
        if sum(self.ledger.values()):
            raise Violation("I1: the books do not add up to nothing")

    def _at_rest(self, p: Any, order: Any) -> None:
        state, name = str(p.state), f"{p.id} ({p.state})"
        captured = order.captured_fen if order else 0
        kept = captured - (order.returned_fen if order else 0)
        if state in _OPEN:
            raise Violation(f"I4 {name}: nobody will look at it again")
        if kept != p.captured_fen - p.refunded_fen:
            raise Violation(f"I4 {name}: our row keeps {p.captured_fen - p.refunded_fen}, the channel {kept}")
        if state == "reversed" and not (captured and not kept):
            raise Violation(f"I4 {name}: captured {captured}, kept {kept}")
        if state in _HAS and self.told[p.id].count("payment.paid") != 1:
            raise Violation(f"I5 {name}: told as paid {self.told[p.id].count('payment.paid')} times")
        if state not in _HAS and "payment.paid" in self.told[p.id]:
            raise Violation(f"I5 {name}: told as paid")
        if p.late and state in _HAS and "payment.late_success" not in self.told[p.id]:
            raise Violation(f"I5 {name}: a late success that nobody heard of")
        if p.question == "late_success" or p.refunding_fen:
            raise Violation(f"I4 {name}: left with a question or a refund under way")
        clearing = sum(fen for (of, account), fen in self.ledger.items() if of == p.id and account.startswith("clearing:")) if p.captured_fen else 0
        if p.captured_fen and clearing != p.received_fen - p.refunded_fen:
            raise Violation(f"I1 {name}: the ledger has {clearing} at the channel")
        doubt = self.ledger.get((p.id, f"in_doubt:{p.channel}"), 0)
        if doubt:
            raise Violation(f"I1 {name}: {doubt} is still in doubt")
