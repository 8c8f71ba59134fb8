"""Queries before, during and after a fault, beside those of a poller that never slows down."""

from daozhang.sim.drill_asked import Open, polling


def test_queries_are_told_by_phase_beside_what_would_have_been_asked() -> None:
    opens = [Open(1, 2, 5), Open(12, 43, 5), Open(20, 26, 5), Open(70, 81, 5)]
    before, during, after = polling(opens, [3, 17, 30, 45, 72, 200], from_s=10, until_s=60, end_s=90)
    assert (before["dark"], before["queries"], before["unthrottled"], before["per_payment"]) == (0, 1, 0, None)
    assert (during["dark"], during["queries"], during["unthrottled"]) == (2, 3, 7)
    assert (during["per_payment"], during["unthrottled_per_payment"], during["per_minute"], during["unthrottled_per_minute"]) == (1.5, 3.5, 3.6, 8.4)
    assert (after["dark"], after["queries"], after["unthrottled"], after["per_minute"]) == (1, 1, 2, 2.0)
