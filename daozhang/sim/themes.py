"""What a town is about. Rare ends need several rare things at once: one town in two has them oftener than life does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """``modes`` and ``habits``: half of the draws come from these; ``hands``: what a cashier does more, and how often it is done."""

    modes: tuple[str, ...] = ()
    habits: tuple[str, ...] = ()
    hands: tuple[str, ...] = ("double", "again", "reverse", "refund", "resolve")
    often: float = 1.0
    chaos: float = 1.0  # how much oftener a channel has faults of its own


THEMES = {
    "day": Theme(),
    "refunds": Theme(
        ("refund_lost", "refund_lost", "refund_no_balance", "refund_refused", "refund_refused", "lost_after", "error_500"), (),
        ("refund", "refund", "refund", "resolve"), 3, 8,
    ),
    "late": Theme(
        ("success_after_cancel", "success_long_after", "success_long_after", "not_found", "late_arrival", "lost_after", "query_stale", "undo_lost", "undo_refused",
         "notify_late"),
        ("hesitates", "pays_at_deadline", "types_slowly"), ("again", "over", "over", "reverse", "resolve"), 3, 2,
    ),
}  # fmt: skip
TOWNS = ("day", "day", "day", "refunds", "refunds", "late", "late", "storm")
