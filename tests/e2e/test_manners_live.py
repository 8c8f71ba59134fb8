"""The manners on real sockets, read from the channel's log (virtual time proves the same exactly in tests/sim)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import System
from tests.judge import manners


def test_an_undo_follows_the_last_query_and_queries_keep_their_distance(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    def give_up(_: int) -> str:
        told = system.pay("hesitates", wait_s=0)
        status, answer = system.call("POST", f"/v1/payments/{told['id']}/reverse", {"wait_s": 10})
        assert status in (200, 202), answer
        # A pay request that was still on its way is undone after its reply: that may be later than the caller waits.
        ended = system.until_decided(told["id"])
        assert ended["verdict"] == "not_paid", (ended, system.cli("trace", told["id"])[1])
        return str(told["channel_refs"]["out_trade_no"])

    with ThreadPoolExecutor(5) as tills:
        numbers = set(tills.map(give_up, range(20)))
    books = system.books()
    last: dict[str, tuple[str, int]] = {}
    gaps = []
    for request in books["requests"]:
        number = request["out_trade_no"]
        if request["method"].endswith("cancel") and number in numbers:
            method, at_ms = last[number]
            assert method.endswith("query"), "an undo follows a query"
            gaps.append(request["at_ms"] - at_ms)
        last[number] = (request["method"], request["at_ms"])
    assert len(gaps) >= 20
    assert not manners(books, 3000, 60)
    with capsys.disabled():
        ordered = sorted(gaps)
        print(
            f"\nundo after the last query, live: p50 {ordered[len(gaps) // 2]} ms, p99 {ordered[-1]} ms, {len(gaps)} undos"
        )
