"""Sometimes-assertions: states that are rare in life and must not be rare in the simulation."""

from typing import Any

from daozhang.core.payment import FOLLOWS, OPEN
from daozhang.core.refund import FOLLOWS as REFUND_FOLLOWS

_SAID = (
    "the same key answers the same payment", "a second charge of a sale is refused", "a QR is scanned",
    "late paid after a refusal or an undo", "paid while an undo had been accepted", "a charge is seen while an undo may take it back",
    "a surplus goes back", "two refunds of one payment", "a refund in parts comes to the whole", "the shop gives up early",
    "an end is looked at again", "the shop is asked about a late success", "two look-alike sales are pointed out",
    "the pay request is sent twice because it never left", "an undo is tried three times", "not found, three times",
    "five queries in a row bring nothing", "twenty queries of one order",
)  # fmt: skip
_FOUND = (
    "pay captured", "pay refused", "pay waiting", "pay shown", "pay nothing", "pay not_sent", "query captured", "query waiting",
    "query absent", "query closed", "query returned", "query nothing", "query not_sent", "query revoked", "reverse undone",
    "reverse undone_paid", "reverse undone_unpaid", "reverse undone_absent", "reverse undo_again", "reverse undo_refused",
    "reverse nothing", "close nothing", "refund refund_done", "refund nothing", "refund refund_no_funds", "refund_query refund_done",
    "notify captured",
)  # fmt: skip
_NO_WAY = ("sent waiting", "waiting_funds failed")  # allowed by the table, and taken by nobody: a query comes between
STATES = (
    *_SAID,
    *(f"answer: {one}" for one in _FOUND),
    *(f"refund {a.value} then {b.value}" for a, after in REFUND_FOLLOWS.items() for b in sorted(after) if f"{a.value} {b.value}" not in _NO_WAY),
)  # fmt: skip


class Rare:
    """Counts what one town reached. Names outside `STATES` (every step of the state table) are reported too."""

    def __init__(self, town: Any) -> None:
        self._town = town
        self.counts: dict[str, int] = {}
        self._refunds: dict[str, str] = {}

    def reached(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def saw(self, before: str, change: Any, p: Any) -> None:
        state = p.state.value
        if before != state:
            self.reached(f"step: {before} then {state}")
        for line in change.evidence:
            if line.kind in ("answered", "notified"):
                self.reached(f"answer: {line.op} {line.proves}")
        r = change.refund
        if r is not None:
            was = self._refunds.get(r.id, "")
            if was and was != r.state.value:
                self.reached(f"refund {was} then {r.state.value}")
            self._refunds[r.id] = r.state.value
        self._facts(before, state, p)

    def _facts(self, before: str, state: str, p: Any) -> None:
        facts = (
            (state == "paid" and before in ("closed", "reversed", "not_paid"), _SAID[3]),
            (state == "paid" and p.undone in ("unpaid", "absent", "paid"), _SAID[4]),
            (p.capture_seen and p.state in OPEN, _SAID[5]),
            (state == "surplus" and p.refunded_fen > 0, _SAID[6]),
            (p.refunded_fen and p.refunding_fen, _SAID[7]),
            (before == "partly_refunded" and state == "refunded", _SAID[8]),
            (p.give_up, _SAID[9]),
            (p.rechecks > 0, _SAID[10]),
            (p.question == "late_success", _SAID[11]),
            (p.question == "look_alike", _SAID[12]),
            (p.sends > 1, _SAID[13]),
            (p.undo_tries >= 3, _SAID[14]),
            (p.absent >= 3, _SAID[15]),
            (p.blanks >= 5, _SAID[16]),
            (p.queries >= 20, _SAID[17]),
        )
        for true, name in facts:
            if true:
                self.reached(name)


def all_steps() -> list[str]:
    """Every step that the table allows, for the report."""
    return [f"step: {a.value} then {b.value}" for a, after in FOLLOWS.items() for b in sorted(after)]
