"""The manners on real sockets, read from the channels' logs (virtual time proves the same exactly in tests/sim)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import System
from tests.judge import all_manners, blind_undos

TILLS = {"alipay": 14, "unionpay": 4, "wechatpay": 4}


def test_an_undo_follows_the_last_query_and_queries_keep_their_distance(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every channel at once, the queries of one in three lost: given up at once, undone when its channel allows it."""
    def give_up(wallet: str) -> str:
        told = system.pay("hesitates", wait_s=0, wallet=wallet)
        status, answer = system.call("POST", f"/v1/payments/{told['id']}/reverse", {"wait_s": 10})
        assert status in (200, 202), answer
        # A pay request that was still on its way is undone after its reply: that may be later than the caller waits.
        ended = system.until_decided(told["id"])
        assert ended["verdict"] == "not_paid", (ended, system.cli("trace", told["id"])[1])
        return str(told["channel_refs"]["out_trade_no"])

    for wallet in TILLS:
        system.chaos("error_500", wallet=wallet, op="query", share=0.3, for_s=10)
    try:
        with ThreadPoolExecutor(22) as tills:
            numbers = set(tills.map(give_up, [wallet for wallet, count in TILLS.items() for _ in range(count)]))
    finally:
        system.calm()
    rows = [{**row, "channel": wallet} for wallet in TILLS for row in system.books(wallet)["requests"]]
    rows = [row for row in rows if row["out_trade_no"] in numbers]
    assert all_manners({"requests": rows}, 60) == [] and blind_undos({"requests": rows}) == []
    undone = {row["out_trade_no"] for row in rows if row["method"].endswith(("cancel", "trade.reverse"))}
    assert undone == numbers
    gaps, last = [], dict[str, int]()
    for row in rows:
        if row["method"].endswith(("cancel", "trade.reverse")) and row["channel"] != "unionpay":
            gaps.append(row["at_ms"] - last[row["out_trade_no"]])
        last[row["out_trade_no"]] = row["at_ms"]
    with capsys.disabled():
        ordered = sorted(gaps)
        print(f"\nundo after the last query, live: p50 {ordered[len(gaps) // 2]} ms, p99 {ordered[-1]} ms, {len(gaps)} undos")
