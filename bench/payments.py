"""W2, closed loop: code payments at 64 in flight against the sandbox, which signs on the same cores.

``python -m bench.payments [--payments N] [--in-flight 64] [--json FILE]``. Prints payments/s, p50 / p99, CPU-us per payment by process,
steal, the ratio to a null server (same HTTP server, same request and reply sizes, no work) in the same run, and a profile of ``serve``.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil

_NULL = """
import asyncio, sys
from daozhang.api.server import serve
async def app(scope, receive, send):
    while (await receive()).get("more_body"): pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"1400")]})
    await send({"type": "http.response.body", "body": b"x" * 1400})
import uvloop
uvloop.run(serve(app, "127.0.0.1", int(sys.argv[1]), on_ready=lambda: print("ready", flush=True)))
"""


def cpu_us(pids: dict[str, list[int]]) -> dict[str, float]:
    """CPU so far of each kind of process, in microseconds; PostgreSQL with its back ends."""
    told = {}
    for name, group in pids.items():
        total = 0.0
        for pid in group:
            family = [
                psutil.Process(pid),
                *(psutil.Process(pid).children(recursive=True) if name == "postgres" else []),
            ]
            for process in family:
                try:
                    times = process.cpu_times()
                    # A back end that has ended is counted by its parent.
                    total += (
                        times.user
                        + times.system
                        + (times.children_user + times.children_system if process.pid == pid else 0)
                    )
                except psutil.NoSuchProcess:
                    continue
        told[name] = total * 1e6
    return told


async def drive(call: Any, count: int, in_flight: int) -> tuple[float, list[float]]:
    """Closed loop: seconds in all, and each call's milliseconds."""
    left, took = iter(range(count)), []

    async def lane() -> None:
        for at in left:
            began = time.perf_counter()
            await call(at)
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return time.perf_counter() - began, sorted(took)


def at(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(len(took) * share))]


class Run:
    """One measurement over a running system."""

    def __init__(self, state: dict[str, Any], session: aiohttp.ClientSession, codes: list[str], notifies: bool) -> None:
        self._state, self._session, self._codes, self.notifies = state, session, codes, notifies
        self.not_paid = 0

    async def pay(self, number: int) -> None:
        body = {"amount": 1250, "merchant_order_no": f"B-{os.urandom(6).hex()}", "till": self._state["till"],
                "method": {"type": "pay_by_code", "code": self._codes[number]}}  # fmt: skip
        headers = {"Authorization": f"Bearer {self._state['api_key']}", "Idempotency-Key": os.urandom(8).hex()}
        async with self._session.post(self._state["urls"]["api"] + "/payments", json=body, headers=headers) as reply:
            told = await reply.json()
            self.not_paid += told.get("verdict") != "paid"


async def codes_for(state: dict[str, Any], token: str, session: aiohttp.ClientSession, count: int) -> list[str]:
    """Payment codes, drawn before the clock runs."""
    made: list[str] = []

    async def one(_: int) -> None:
        async with session.post(
            state["urls"]["sandbox"] + "/code", data=b"{}", headers={"Authorization": f"Bearer {token}"}
        ) as reply:
            made.append((await reply.json())["code"])

    await drive(one, count, 32)
    return made


async def measure(state: dict[str, Any], data: Path, count: int, in_flight: int) -> dict[str, Any]:
    token = (data / "sandbox" / "control.token").read_text().strip()
    pids = {"serve": state["pids"]["serve"], "work": state["pids"]["work"], "sandbox": [state["pids"]["sandbox"]],
            "postgres": [state["pids"]["postgres"]], "load generator": [os.getpid()]}  # fmt: skip
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        warm = Run(state, session, await codes_for(state, token, session, 300), True)
        await drive(warm.pay, 300, in_flight)
        codes = await codes_for(state, token, session, count)
        run = Run(state, session, codes, True)
        before, steal = cpu_us(pids), psutil.cpu_times()
        seconds, took = await drive(run.pay, count, in_flight)
        after, later = cpu_us(pids), psutil.cpu_times()
        more = Run(state, session, await codes_for(state, token, session, count // 2), True)
        spy = asyncio.create_task(asyncio.to_thread(profile, state["pids"]["serve"][0], 5))
        await drive(more.pay, count // 2, in_flight)
        told_by_spy = await spy
    busy = sum(later) - sum(steal)
    return {
        "payments_per_s": count / seconds, "p50_ms": at(took, 0.5), "p99_ms": at(took, 0.99), "not_paid": run.not_paid,
        "cpu_us_per_payment": {name: (after[name] - before[name]) / count for name in pids},
        "profile_of_serve": told_by_spy,
        "steal_share": (later.steal - steal.steal) / busy if busy else 0.0,
    }  # fmt: skip


async def null_server(port: int, count: int, in_flight: int) -> dict[str, float]:
    """The same HTTP server with nothing behind it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "null.py"
        file.write_text(_NULL)
        process = subprocess.Popen([sys.executable, str(file), str(port)], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            body = json.dumps(
                {
                    "amount": 1250,
                    "merchant_order_no": "x" * 14,
                    "till": "x" * 31,
                    "method": {"type": "pay_by_code", "code": "2" * 18},
                }
            )
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

                async def call(_: int) -> None:
                    async with session.post(f"http://127.0.0.1:{port}/", data=body) as reply:
                        await reply.read()

                before = cpu_us({"null": [process.pid]})["null"]
                seconds, _ = await drive(call, count, in_flight)
                return {
                    "requests_per_s": count / seconds,
                    "cpu_us": (cpu_us({"null": [process.pid]})["null"] - before) / count,
                }
        finally:
            process.terminate()
            process.wait(20)


def profile(pid: int, seconds: int) -> list[str]:
    """Where ``serve`` spends its time, when py-spy is at hand (it is no dependency of ours)."""
    import shutil

    spy = shutil.which("py-spy")
    if spy is None:
        return ["py-spy is not installed: no profile"]
    done = subprocess.run(
        [spy, "record", "-p", str(pid), "-d", str(seconds), "-f", "raw", "-o", "/dev/stdout"],
        capture_output=True,
        text=True,
    )
    totals: dict[str, int] = {}
    for line in done.stdout.splitlines():
        stack, _, samples = line.rpartition(" ")
        leaf = stack.rpartition(";")[2]
        if samples.isdigit():
            totals[leaf] = totals.get(leaf, 0) + int(samples)
    whole = sum(totals.values()) or 1
    return [f"{share / whole:6.1%} {name}" for name, share in sorted(totals.items(), key=lambda item: -item[1])[:15]]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--payments", type=int, default=4000)
    words.add_argument("--in-flight", type=int, default=64)
    words.add_argument("--base-port", type=int, default=7900)
    words.add_argument("--json", type=Path, default=None)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "d"
        up = subprocess.Popen([sys.executable, "-m", "daozhang.cli.main", "up", "--demo", "--data", str(data), "--base-port", str(given.base_port)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            assert up.stdout is not None
            up.stdout.readline()
            state = json.loads((data / "state.json").read_text())
            told = asyncio.run(measure(state, data, given.payments, given.in_flight))
            told["null_server"] = asyncio.run(null_server(given.base_port + 60, given.payments * 2, given.in_flight))
            told["ratio_to_null"] = told["payments_per_s"] / told["null_server"]["requests_per_s"]
            # On two cores: one signature on each side, and a notify's, at about 430 us each, and three verifications.
            told["share_of_rsa_limit"] = told["payments_per_s"] / (psutil.cpu_count(True) / ((3 * 430 + 3 * 32) / 1e6))
        finally:
            up.terminate()
            up.wait(60)
    show(told, given.in_flight)
    if given.json:
        given.json.write_text(json.dumps(told, indent=2))
    return 0 if not told["not_paid"] else 1


def show(told: dict[str, Any], in_flight: int) -> None:
    print(f"code payments, closed loop at {in_flight} in flight, twin signing and notifying on the same cores")
    print(
        f"  {told['payments_per_s']:.0f} payments/s   p50 {told['p50_ms']:.1f} ms   p99 {told['p99_ms']:.1f} ms   not paid: {told['not_paid']}"
    )
    for name, cost in told["cpu_us_per_payment"].items():
        print(f"  {name:15} {cost:7.0f} CPU-us per payment")
    print(f"  steal {told['steal_share']:.1%}   null server {told['null_server']['requests_per_s']:.0f}/s "
          f"({told['null_server']['cpu_us']:.0f} CPU-us)   ratio {told['ratio_to_null']:.2f}")  # fmt: skip
    print(
        f"  {told['share_of_rsa_limit']:.0%} of the RSA limit of this machine (430 CPU-us a signature taken for granted)"
    )
    print("  where serve spends its time:")
    for line in told["profile_of_serve"]:
        print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
