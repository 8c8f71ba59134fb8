"""Promise P11: kill -9 of everything, under load, in random order; judged by a program of its own against the books."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from tests.conftest import System

JUDGE = Path(__file__).parents[1] / "judge.py"
WALLETS = [channel.name for channel in Shelf.look()]
VICTIMS = ("serve", "work", "sandbox", "postgres")


def keep_paying(system: System, seed: int, stop: threading.Event, acknowledged: set[str]) -> None:
    """One till: pays, and when there is no answer asks by the same key, as a till must."""
    draw = random.Random(seed)
    while not stop.is_set():
        order, key = f"K-{seed}-{draw.randrange(10**9)}", f"key-{seed}-{draw.randrange(10**12)}"
        body = None
        for _ in range(40):
            if stop.is_set():
                break
            try:
                if body is None:
                    behaviour = draw.choice(["pays", "pays", "pays", "types_password", "no_balance"])
                    body = {"amount": draw.randrange(1, 50_000), "merchant_order_no": order, "till": system.state["till"],
                            "method": {"type": "pay_by_code", "code": system.code(behaviour, draw.choice(WALLETS))}, "wait_s": 3}  # fmt: skip
                status, told = system.call("POST", "/v1/payments", body, headers={"Idempotency-Key": key}, timeout=12)
            except (OSError, HTTPException, KeyError, TypeError, ValueError):
                time.sleep(0.2)
                continue
            if status in (200, 201, 202):
                acknowledged.add(told["id"])
                break
            time.sleep(0.2)


def kill_and_judge(system: System, kills: int, seed: int) -> str:
    draw = random.Random(seed)
    stop, acknowledged = threading.Event(), set[str]()
    tills = [
        threading.Thread(target=keep_paying, args=(system, at, stop, acknowledged), daemon=True) for at in range(8)
    ]
    for till in tills:
        till.start()
    for _ in range(kills):
        time.sleep(draw.uniform(0.3, 1.5))
        pids = system.state["pids"]
        victim = pids[draw.choice(VICTIMS)]
        try:
            os.kill(draw.choice(victim) if isinstance(victim, list) else victim, signal.SIGKILL)
        except (ProcessLookupError, TypeError):
            continue
    patience = time.monotonic() + 60
    while len(acknowledged) < 40 and time.monotonic() < patience:
        time.sleep(0.5)  # a slow machine gets time to have something to lose
    stop.set()
    for till in tills:
        till.join(30)
    return until_settled(system, acknowledged)


def until_settled(system: System, acknowledged: set[str], within_s: float = 200) -> str:
    """Nothing is open any more within its window after the last kill; then the judge speaks."""
    end = time.monotonic() + within_s
    states = ("sent", "waiting_payer", "unknown", "reversing", "deferred")
    while time.monotonic() < end:
        try:
            left = [row for state in states for row in system.call("GET", f"/v1/payments?status={state}")[1]["data"]]
        except (OSError, HTTPException, KeyError, TypeError, ValueError):
            left = [{}]
        if not left:
            break
        time.sleep(1)
    every = {wallet: system.books(wallet) for wallet in WALLETS}
    books: dict[str, Any] = {
        part: [{**row, "channel": wallet} for wallet, one in every.items() for row in one[part]] for part in ("orders", "requests")
    }
    books["acknowledged"] = sorted(acknowledged)
    file = system.data.parent / "books.json"
    file.write_text(json.dumps(books))
    state = system.state
    done = subprocess.run([sys.executable, str(JUDGE), state["urls"]["api"], state["api_key"], str(file), "--settled"],
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout
    balances = system.call("GET", "/v1/balances")[1]["balances"]
    assert sum(balances.values()) == 0 and balances.get("suspense", 0) == 0
    assert all(balances.get(f"in_doubt:{wallet}", 0) == 0 for wallet in WALLETS)
    assert all(one["orders"] for one in every.values())
    assert len(acknowledged) > 12
    return f"{len(acknowledged)} acknowledged; {done.stdout.strip()}"


def test_twelve_kills_under_load_lose_nothing(own_system: System, capsys: pytest.CaptureFixture[str]) -> None:
    told = kill_and_judge(own_system, 12, seed=int.from_bytes(os.urandom(3), "big"))
    with capsys.disabled():
        print(f"\n12 kills: {told}")


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_three_hundred_kills_under_load_lose_nothing(own_system: System) -> None:
    print("300 kills:", kill_and_judge(own_system, 300, seed=7))


@pytest.mark.prove
def test_everything_killed_at_once_and_started_again(own_system: System) -> None:
    """As after a power cut of the processes: a second start finds everything."""
    before = [own_system.pay(wallet=wallet)["id"] for wallet in WALLETS for _ in range(3)]
    hanging = [own_system.pay("hesitates", wait_s=0, wallet=wallet)["id"] for wallet in WALLETS]
    pids = own_system.state["pids"]
    everybody = [pids["up"], pids["postgres"], pids["sandbox"], *pids["serve"], *pids["work"]]
    for pid in everybody:
        os.kill(pid, signal.SIGKILL)
    assert own_system.process is not None
    own_system.process.wait(20)
    own_system.start()
    for ident in before:
        assert own_system.call("GET", f"/v1/payments/{ident}")[1]["verdict"] == "paid"
    for ident in hanging:
        assert own_system.until_decided(ident)["verdict"] == "not_paid"
    for wallet in WALLETS:
        assert own_system.pay(wallet=wallet)["verdict"] == "paid"
