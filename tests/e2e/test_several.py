"""Two doors and two workers: the same promises and manners, each webhook delivered, and both doors really serve."""

import os
import threading
import time
from pathlib import Path

from daozhang.flow.code_watch import MOST_WRONG
from tests.conftest import System, free_base_port
from tests.e2e.test_kills import WALLETS, keep_paying, until_settled
from tests.e2e.test_webhooks import Endpoint, add, wait_for
from tests.judge import all_manners


def guessing_is_stopped_at_both(system: System) -> None:
    """Whichever door is asked, the till's wrong codes count (A21)."""

    def guess() -> int:
        body = {"amount": 1, "merchant_order_no": f"G-{os.urandom(6).hex()}", "till": system.state["till"], "wait_s": 5,
                "method": {"type": "pay_by_code", "code": f"28{int.from_bytes(os.urandom(6), 'big') % 10**16:016d}"}}  # fmt: skip
        return system.call("POST", "/v1/payments", body)[0]

    first = [guess() for _ in range(MOST_WRONG)]
    time.sleep(1)
    after = [guess() for _ in range(12)]
    assert first.count(201) == MOST_WRONG and set(after) == {429}, (first, after)
    rows = system.call("GET", "/v1/alarms?limit=100")[1]["data"]
    assert sum(row["kind"] == "payment.codes_tried" for row in rows) == 1


def test_two_serve_and_two_work_keep_every_promise(tmp_path: Path) -> None:
    data = tmp_path / "d"
    data.mkdir()
    (data / "settings.toml").write_text("serve_processes = 2\nwork_processes = 2\n")
    system = System(data, free_base_port() + 4000)
    system.start()
    try:
        assert len(system.state["pids"]["serve"]) == len(system.state["pids"]["work"]) == 2
        receiver = Endpoint()
        add(system, receiver)
        stop, acknowledged = threading.Event(), set[str]()
        tills = [threading.Thread(target=keep_paying, args=(system, at, stop, acknowledged), daemon=True) for at in range(8)]
        for till in tills:
            till.start()
        patience = time.monotonic() + 60
        time.sleep(12)
        while len(acknowledged) < 60 and time.monotonic() < patience:
            time.sleep(0.5)
        stop.set()
        for till in tills:
            till.join(30)
        until_settled(system, acknowledged)
        rows = [{**row, "channel": wallet} for wallet in WALLETS for row in system.books(wallet)["requests"]]
        assert not all_manners({"requests": rows}, 60)
        truth, cursor = [], "0-0"
        while True:
            _, page = system.call("GET", f"/v1/events?limit=100&cursor={cursor}")
            truth += [event["id"] for event in page["data"]]
            if not page["has_more"]:
                break
            cursor = page["next_cursor"]
        assert wait_for(lambda: set(truth) <= set(receiver.ids()), 60)
        # Nobody was killed, so nothing may come twice but what was in hand when an endpoint changed hands.
        assert len(receiver.heard) - len(set(receiver.ids())) <= len(truth) // 50
        served = [(data / "logs" / f"serve{at}.log").read_text().count('"decided"') for at in (1, 2)]
        assert all(served), f"both doors served: {served}"
        guessing_is_stopped_at_both(system)
    finally:
        system.stop()
