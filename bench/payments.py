"""W2: code payments, from the till's request to the durable, verified answer.

``python -m bench.payments [--payments N] [--in-flight 64] [--mix] [--json FILE]``. One run measures, on the same cores:
the twin signing, without and with notifies; replies signed before (the channel costs nothing); the null server (the same
HTTP, the same two commits, the same signature and exchange, no logic) and a bare HTTP server; and in an open loop at
200/s the latency: with the twin signing on the same cores, with replies signed before (what we add), and of the null server. ``--mix``: only Alipay alone against the three channels mixed 55/40/5, see `bench.mix`. Printed with CPU-us by process, steal, and the share of what the machine's RSA allows.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench import presigned
from bench.load import Client, at, closed_loop, open_loop
from bench.system import Meter, System, profile, sign_us
from daozhang.core.ids import bucket_of_merchant, ulid

_BARE = """
import sys, uvloop
from daozhang.api.server import serve
from daozhang.ports.doorway import Doorway, listen
async def app(scope, receive, send):
    while (await receive()).get("more_body"): pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"1400")]})
    await send({"type": "http.response.body", "body": b"x" * 1400})
async def main():
    await serve(app, listen("127.0.0.1", int(sys.argv[1]), 2_048), Doorway, on_ready=lambda: print("ready", flush=True))


uvloop.run(main())
"""
_CODE = "28" + "0" * 16
_STEADY_PER_S = 200


class Till:
    """Pays one code after another and counts what was not paid."""

    def __init__(self, state: dict[str, Any], port: int, codes: list[str]) -> None:
        self._client, self._till, self._codes = Client(port), state["till"], codes
        self._key = state["api_key"]
        self.not_paid = 0

    async def pay(self, number: int) -> None:
        body = {"amount": presigned.AMOUNT_FEN, "merchant_order_no": f"B-{os.urandom(8).hex()}", "till": self._till,
                "method": {"type": "pay_by_code", "code": self._codes[number] if self._codes else _CODE}}  # fmt: skip
        headers = f"Authorization: Bearer {self._key}\r\nIdempotency-Key: {os.urandom(8).hex()}\r\n"
        reply = await self._client.post("/v1/payments", headers, json.dumps(body).encode())
        self.not_paid += b'"verdict":"paid"' not in reply.body


async def draw_codes(system: System, count: int, wallets: Sequence[str] = ("alipay",)) -> list[str]:
    """Payment codes, drawn before the clock runs; of each wallet in turn."""
    client, headers = Client(system.base_port + 7), f"Authorization: Bearer {system.control_token}\r\n"
    drawn: dict[str, list[str]] = {}
    for wallet in dict.fromkeys(wallets):
        left, drawn[wallet] = wallets.count(wallet) * -(-count // len(wallets)), []
        while left > 0:
            body = json.dumps({"wallet": wallet, "count": min(left, 500)}).encode()
            codes = json.loads((await client.post("/code", headers, body)).body)["codes"]
            drawn[wallet] += codes
            left -= len(codes)
    return [drawn[wallets[number % len(wallets)]].pop() for number in range(count)]


async def measured(call: Callable[[int], Awaitable[None]], pids: dict[str, list[int]], count: int, in_flight: int) -> dict[str, Any]:
    meter = Meter(pids)
    seconds, took = await closed_loop(call, count, in_flight)
    return {"per_s": round(count / seconds, 1), "p50_ms": round(at(took, 0.5), 1), "p99_ms": round(at(took, 0.99), 1),
            **meter.stop(count)}  # fmt: skip


async def with_twin(
    system: System, count: int, in_flight: int, wallets: Sequence[str] = ("alipay",)
) -> dict[str, Any]:
    """The whole way, the twins signing their replies on the same cores."""
    state = system.state
    await Till(state, system.base_port, warm := await draw_codes(system, 300, wallets)).pay(0)
    till = Till(state, system.base_port, warm[1:])
    await closed_loop(till.pay, 299, in_flight)
    till = Till(state, system.base_port, await draw_codes(system, count, wallets))
    return {**await measured(till.pay, system.pids(), count, in_flight), "not_paid": till.not_paid}


async def steadily(call: Callable[[int], Awaitable[None]], pids: dict[str, list[int]], count: int) -> dict[str, Any]:
    """What a payment takes when arrivals do not wait for each other."""
    meter = Meter(pids)
    _, took = await open_loop(call, count, _STEADY_PER_S)
    return {"per_s": _STEADY_PER_S, "p50_ms": round(at(took, 0.5), 1), "p99_ms": round(at(took, 0.99), 1), **meter.stop(count)}


async def at_a_steady_rate(system: System, count: int) -> dict[str, Any]:
    """The twin answers at once, but it signs and checks on the same cores."""
    till = Till(system.state, system.base_port, await draw_codes(system, count))
    return {**await steadily(till.pay, system.pids(), count), "not_paid": till.not_paid}


async def against_presigned(
    system: System, kind: str, count: int, in_flight: int, spy: bool = False, doors: int = 1, steady: bool = False
) -> dict[str, Any]:
    """``kind``: serve (the real doors) or null (the same work without logic); ``doors``: so many processes share the tills;
    ``steady``: in an open loop instead of with so many in flight."""
    state, port = system.state, system.base_port + (40 if kind == "serve" else 50)
    ports = [port + 30 * at for at in range(doors)]
    key, _, public = presigned.new_key()
    bucket, now = bucket_of_merchant(state["merchant"]), time.time_ns() // 1_000_000
    ids = ["pay_" + ulid(now, os.urandom(9), bucket) for _ in range(count + 300 + doors)]
    replies = presigned.sign_replies(key, ids)
    loop = asyncio.get_running_loop()
    channel = await loop.create_server(lambda: presigned.Channel(replies), "127.0.0.1", port + 1)
    await _point_at(system, port + 1, public)
    with tempfile.TemporaryDirectory() as folder:
        processes = [_presigned(system, kind, at, ids[number::doors], Path(folder)) for number, at in enumerate(ports)]
        try:
            for process in processes:
                assert process.stdout is not None
                await asyncio.to_thread(process.stdout.readline)
            tills = [Till(state, at, []) for at in ports]
            calls = [till.pay for till in tills] if kind == "serve" else [_posts(at) for at in ports]

            async def call(number: int) -> None:
                await calls[number % doors](number)

            await closed_loop(call, 300, in_flight)
            watcher = asyncio.create_task(asyncio.to_thread(profile, processes[0].pid, 3)) if spy else None
            pids = {**system.pids(), "serve": [process.pid for process in processes]}
            if watcher is not None:
                half = count // 2
                await closed_loop(call, half, in_flight)
                lines, count = await watcher, count - half
            running = steadily(call, pids, count) if steady else measured(call, pids, count, in_flight)
            result = {**await running, "not_paid": sum(till.not_paid for till in tills)}
            return {**result, "profile": lines} if watcher is not None else result
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)
            channel.close()


def _presigned(system: System, kind: str, port: int, ids: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """One process of `bench.presigned`, whose payments are called as the ready-made replies say."""
    file = folder / f"{port}.json"
    file.write_text(json.dumps(ids))
    told = {name: system.state[name] for name in ("merchant", "store", "till")}
    env = {**psutil.Process(system.state["pids"]["serve"][0]).environ(), "DAOZHANG_BASE_PORT": str(port),
           "DAOZHANG_NOTIFY_BASE": "none", "BENCH_NULL": json.dumps(told)}  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "bench.presigned", kind, str(file)], env=env, stdout=subprocess.PIPE)


async def _point_at(system: System, port: int, public: str) -> None:
    """A further account of the demo merchant, whose gateway is the ready-made channel. The newest account is used."""
    client, told = Client(system.base_port + 7), system.state
    reply = await Client(system.base_port + 7).post("/nothing", "", b"")  # the control door answers: it is up
    assert reply.status in (401, 404, 405)
    credentials = json.loads((await _get(client, "/credentials", system.control_token)).body)["alipay"]
    body = {"channel": "alipay", "settings": {"app_id": credentials["app_id"], "seller_id": credentials["seller_id"],
                                              "gateway": f"http://127.0.0.1:{port}/gateway.do"},
            "secrets": {"app_private_key": credentials["app_private_key_pkcs8"], "alipay_public_key": public}}  # fmt: skip
    made = await Client(system.base_port).post("/v1/channel_accounts", f"Authorization: Bearer {told['api_key']}\r\n", json.dumps(body).encode())
    if made.status != 201:
        raise RuntimeError(made.body.decode())


async def _get(client: Client, path: str, token: str) -> Any:
    link = await client._connect()
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    return await link.ask(head, b"", lambda _: None)


def _posts(port: int) -> Callable[[int], Awaitable[None]]:
    client, body = Client(port), b"x" * 180

    async def call(_: int) -> None:
        await client.post("/", "", body)

    return call


async def bare_http(port: int, count: int, in_flight: int) -> dict[str, Any]:
    """The same HTTP server with nothing behind it."""
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        return await measured(_posts(port), {"serve": [process.pid], "load generator": [os.getpid()]}, count, in_flight)
    finally:
        process.terminate()
        process.wait(20)


def run(base_port: int, count: int, in_flight: int) -> dict[str, Any]:
    told: dict[str, Any] = {"in_flight": in_flight, "cores": psutil.cpu_count(True), "sign_us": round(sign_us())}
    with System(base_port, notify_base="none") as system:
        told["twin_signs"] = asyncio.run(with_twin(system, count, in_flight))
        calm = max(count // 2, 5 * _STEADY_PER_S)
        told["steady_200"] = asyncio.run(at_a_steady_rate(system, calm))
        told["null_200"] = asyncio.run(against_presigned(system, "null", calm, in_flight, steady=True))
        told["added_200"] = asyncio.run(against_presigned(system, "serve", calm, in_flight, steady=True))
        told["null"] = asyncio.run(against_presigned(system, "null", count, in_flight))
        told["presigned"] = asyncio.run(against_presigned(system, "serve", count, in_flight, spy=True))
        told["two_doors"] = asyncio.run(against_presigned(system, "serve", count, in_flight, doors=2))
        told["bare_http"] = asyncio.run(bare_http(base_port + 60, count * 2, in_flight))
    with System(base_port) as system:
        told["twin_signs_and_notifies"] = asyncio.run(with_twin(system, count, in_flight))
    told["sign_us_after"] = round(sign_us())
    wall = 1e6 * told["cores"] / ((told["sign_us"] + told["sign_us_after"]) / 2)  # signatures a second, all cores
    told["ratio_to_null"] = round(told["presigned"]["per_s"] / told["null"]["per_s"], 3)
    told["two_doors_to_one"] = round(told["two_doors"]["per_s"] / told["presigned"]["per_s"], 3)
    told["share_of_limit"] = {
        "twin_signs": round(2 * told["twin_signs"]["per_s"] / wall, 3),
        "twin_signs_and_notifies": round(3 * told["twin_signs_and_notifies"]["per_s"] / wall, 3),
        "presigned": round(told["presigned"]["per_s"] / wall, 3),
    }
    return told


def show(told: dict[str, Any]) -> None:
    print(f"code payments, {told['in_flight']} in flight, {told['cores']} cores, one RSA signature {told['sign_us']}-{told['sign_us_after']} CPU-us")
    names = {"twin_signs": "twin signs", "twin_signs_and_notifies": "twin signs and notifies", "presigned": "replies signed before", "two_doors": "the same, two serve",
             "null": "null server", "bare_http": "bare HTTP", "steady_200": "open loop 200/s, twin", "added_200": "open loop, signed before", "null_200": "open loop, null server"}  # fmt: skip
    for key, name in names.items():
        row = told[key]
        cpu = "  ".join(f"{who} {cost}" for who, cost in row["cpu_us"].items() if cost)
        print(f"  {name:24} {row['per_s']:7.0f}/s  p50 {row['p50_ms']:6.1f}  p99 {row['p99_ms']:6.1f} ms  CPU-us: {cpu}  steal {row['steal']:.1%}"
              + (f"  NOT PAID {row['not_paid']}" if row.get("not_paid") else ""))  # fmt: skip
    print(f"  two serve processes to one: {told['two_doors_to_one']:.2f}; ratio to the null server {told['ratio_to_null']:.2f}; share of what RSA alone would allow: "
          + ", ".join(f"{names[key]} {share:.0%}" for key, share in told["share_of_limit"].items()))  # fmt: skip
    print("  where serve spends its time (replies signed before):")
    for line in told["presigned"]["profile"]:
        print(f"    {line}")


def main() -> int:
    words = argparse.ArgumentParser(description="code payments: closed and open loop, with what limits them")
    words.add_argument("--payments", type=int, default=4000)
    words.add_argument("--in-flight", type=int, default=64)
    words.add_argument("--base-port", type=int, default=7900)
    words.add_argument("--mix", action="store_true", help="the three channels mixed 55/40/5 against Alipay alone")
    words.add_argument("--json", type=Path, default=None)
    given = words.parse_args()
    if given.mix:
        from bench import mix

        return mix.main(given.base_port, 2 * given.payments, mix.PLACES * given.in_flight, given.json)
    told = run(given.base_port, given.payments, given.in_flight)
    show(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=2))
    paid = ("twin_signs", "twin_signs_and_notifies", "presigned", "steady_200")
    return 1 if any(told[name]["not_paid"] for name in paid) else 0


if __name__ == "__main__":
    sys.exit(main())
