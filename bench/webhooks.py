"""W3: events to webhook endpoints. ``python -m bench.webhooks [--events N] [--json FILE]``.

One run: 1 endpoint; 5 endpoints for each event; the same with one and two working processes, in turns; 1 healthy endpoint beside ten that hang;
events of 300 merchants with an endpoint each; and a bare client that posts the same signed bodies to the same receiver,
which is what no delivery can be faster than here.
"""

import argparse
import asyncio
import json
import os
import random
import time
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import httptools
import psutil

from bench.load import Client, at, closed_loop
from bench.system import Meter, System
from daozhang.core import standard_webhook
from daozhang.core.directory import Merchant
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.webhook import Endpoint
from daozhang.store.seal import open_or_create_master_key
from daozhang.store.store import PgStore

_ROUNDS = 3
_ONE = "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, 'bench.event', 's', 1, '{}') returning seq"


class Receiver(asyncio.Protocol):
    """Takes everything at once (or never answers), and writes down when."""

    def __init__(self, heard: list[tuple[bytes, float]], hangs: bool = False) -> None:
        self._heard, self._hangs = heard, hangs
        self._parser = httptools.HttpRequestParser(self)
        self._id = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"webhook-id":
            self._id = value

    def on_message_complete(self) -> None:
        if not self._hangs:
            self._heard.append((self._id, time.time()))
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def open_receiver(heard: list[tuple[bytes, float]], hangs: bool = False) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(heard, hangs), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def endpoint(system: System, port: int) -> str:
    body = json.dumps({"url": f"http://127.0.0.1:{port}/hook"}).encode()
    reply = await Client(system.base_port).post("/v1/webhook_endpoints", _headers(system), body)
    return str(json.loads(reply.body)["id"])


def _headers(system: System) -> str:
    return f"Authorization: Bearer {system.state['api_key']}\r\nIdempotency-Key: {os.urandom(8).hex()}\r\n"


async def write_events(system: System, count: int) -> float:
    """Lines of the outbox with 1 KB of data, written as fast as the database takes them; seconds."""
    dsn = psutil.Process(system.state["pids"]["serve"][0]).environ()["DAOZHANG_DSN"]
    merchant = system.state["merchant"]
    link, data = await asyncpg.connect(dsn), json.dumps({"x": "y" * 900})
    began = time.perf_counter()
    for start in range(0, count, 200):
        await link.execute(
            "insert into event (bucket, merchant, type, subject, at_ms, data) select $1, $2, 'bench.event', 's' || n,"
            " (extract(epoch from clock_timestamp()) * 1000)::bigint, $3::text::jsonb from generate_series($4::int, $5) n",
            bucket_of_merchant(merchant), merchant, data, start, min(start + 199, count - 1),
        )  # fmt: skip
    took = time.perf_counter() - began
    await link.close()
    return took


async def measure(system: System, count: int, endpoints: int, hanging: int) -> dict[str, Any]:
    heard: list[tuple[bytes, float]] = []
    servers = [await open_receiver(heard) for _ in range(endpoints)] + [await open_receiver([], True) for _ in range(hanging)]
    ids = [await endpoint(system, port) for _, port in servers]
    meter, began = Meter(system.pids()), time.time()
    written_s = await write_events(system, count)
    end = time.time() + 120
    while len(heard) < count * endpoints and time.time() < end:
        await asyncio.sleep(0.02)
    seconds = time.time() - began
    told = meter.stop(max(len(heard), 1))
    took = sorted((at_s - began) * 1000 for _, at_s in heard)
    for (server, _), ident in zip(servers, ids, strict=True):
        server.close()
        await _delete(system, ident)
    return {"accepted_per_s": round(count / written_s), "delivered_per_s": round(len(heard) / seconds), "delivered": len(heard),
            "wanted": count * endpoints, "drained_p50_ms": round(at(took, 0.5)), "drained_p99_ms": round(at(took, 0.99)), **told}  # fmt: skip


async def trickle(system: System, per_s: int, seconds: int, hanging: int) -> dict[str, Any]:
    """Events one by one beside endpoints that hang: how late the healthy one hears of each."""
    heard: list[tuple[bytes, float]] = []
    servers = [await open_receiver(heard)] + [await open_receiver([], True) for _ in range(hanging)]
    ids = [await endpoint(system, port) for _, port in servers]
    dsn = psutil.Process(system.state["pids"]["serve"][0]).environ()["DAOZHANG_DSN"]
    link, born = await asyncpg.connect(dsn), dict[bytes, float]()
    for _ in range(per_s * seconds):
        seq = await link.fetchval(_ONE, bucket_of_merchant(system.state["merchant"]), system.state["merchant"])
        born[f"evt_{seq}".encode()] = time.time()
        await asyncio.sleep(1 / per_s)
    await asyncio.sleep(2)
    await link.close()
    took = sorted((when - born[ident]) * 1000 for ident, when in heard if ident in born)
    for (server, _), ident in zip(servers, ids, strict=True):
        server.close()
        await _delete(system, ident)
    return {"events": len(born), "heard": len(took), "hanging_endpoints": hanging, "p50_ms": round(at(took, 0.5), 1), "p99_ms": round(at(took, 0.99), 1)}


async def many_shops(system: System, shops: int, per_s: int, seconds: int) -> dict[str, Any]:
    """What it is like in life: many merchants with an endpoint each, and now and then an event of one of them."""
    heard: list[tuple[bytes, float]] = []
    server, port = await open_receiver(heard)
    dsn = psutil.Process(system.state["pids"]["serve"][0]).environ()["DAOZHANG_DSN"]
    store = await PgStore.open(dsn, open_or_create_master_key(system.data / "master.key", may_create=True), connections=2)
    merchants = [await _shop(store, port) for _ in range(shops)]
    link, chance, born = await asyncpg.connect(dsn), random.Random(1), dict[bytes, float]()
    await asyncio.sleep(1)
    meter, next_at = Meter(system.pids()), time.perf_counter()
    for _ in range(per_s * seconds):
        merchant = chance.choice(merchants)
        seq = await link.fetchval(_ONE, merchant.bucket, merchant.id)
        born[f"{merchant.id} evt_{seq}".encode()] = time.time()
        next_at += 1 / per_s
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
    await asyncio.sleep(2)
    told = meter.stop(max(len(heard), 1))
    await link.close()
    await store.close()
    server.close()
    seqs = {ident.split()[1]: when for ident, when in born.items()}
    took = sorted((when - seqs[ident]) * 1000 for ident, when in heard if ident in seqs)
    return {"shops": shops, "per_s": per_s, "events": len(born), "heard": len(took), "p50_ms": round(at(took, 0.5), 1),
            "p99_ms": round(at(took, 0.99), 1), **told}  # fmt: skip


async def _shop(store: PgStore, port: int) -> Merchant:
    now = time.time_ns() // 1_000_000
    ident = f"mer_{ulid(now, os.urandom(9), os.urandom(1)[0])}"
    merchant = Merchant(ident, bucket_of_merchant(ident), "x", False, now)
    await store.add_merchant(merchant)
    secret = standard_webhook.new_secret(os.urandom(32))
    await store.add_endpoint(Endpoint(
        f"we_{ulid(now, os.urandom(9), merchant.bucket)}", merchant.bucket, ident, False, f"http://127.0.0.1:{port}/hook", (), "",
        "enabled", now, ((secret, 0),),
    ))  # fmt: skip
    return merchant


async def _delete(system: System, ident: str) -> None:
    link = await Client(system.base_port)._connect()
    head = f"DELETE /v1/webhook_endpoints/{ident} HTTP/1.1\r\nHost: x\r\n{_headers(system)}\r\n"
    await link.ask(head.encode(), b"", lambda _: None)


async def bare(count: int) -> dict[str, Any]:
    """The same bodies, signed, posted by a client with nothing behind it."""
    heard: list[tuple[bytes, float]] = []
    server, port = await open_receiver(heard)
    client, body = Client(port), json.dumps({"type": "bench.event", "timestamp": "x", "data": {"x": "y" * 900}}).encode()
    secret = standard_webhook.new_secret(bytes(32))

    async def call(number: int) -> None:
        signature = standard_webhook.sign(secret, f"evt_{number}", 1, body)
        await client.post("/hook", f"webhook-id: evt_{number}\r\nwebhook-timestamp: 1\r\nwebhook-signature: {signature}\r\n", body)

    began = time.process_time()
    seconds, _ = await closed_loop(call, count, 8)
    server.close()
    return {"per_s": round(count / seconds), "cpu_us": round((time.process_time() - began) / count * 1e6)}


def in_turns(base_port: int, count: int) -> dict[str, Any]:
    """One and two working processes, in turns, so that what else the machine does meets both alike; each long enough that they share."""
    runs: dict[str, list[dict[str, Any]]] = {"1": [], "2": []}
    for _ in range(_ROUNDS):
        for processes, kept in runs.items():
            with System(base_port, notify_base="none", work_processes=processes) as system:
                kept.append(asyncio.run(measure(system, count, 5, 0)))
    rounds = [round(two["delivered_per_s"] / one["delivered_per_s"], 2) for one, two in zip(runs["1"], runs["2"], strict=True)]
    return {"five_one_work": runs["1"][-1], "five_two_work": runs["2"][-1], "two_work_to_one": median(rounds), "rounds": rounds}


def main() -> int:
    words = argparse.ArgumentParser(description="webhook deliveries: throughput, and what bad neighbours cost")
    words.add_argument("--events", type=int, default=4000)
    words.add_argument("--base-port", type=int, default=8000)
    words.add_argument("--json", type=Path, default=None)
    given = words.parse_args()
    with System(given.base_port, notify_base="none") as system:
        told = {
            "one": asyncio.run(measure(system, given.events, 1, 0)),
            "five": asyncio.run(measure(system, given.events // 4, 5, 0)),
            "beside_hanging": asyncio.run(trickle(system, 50, 10, 10)),
            "many_shops": asyncio.run(many_shops(system, 300, 100, 10)),
        }
    told |= in_turns(given.base_port, 2 * given.events)
    told["bare"] = asyncio.run(bare(given.events))
    told["ratio_to_bare"] = round(told["one"]["delivered_per_s"] / told["bare"]["per_s"], 3)
    print(f"webhooks: {told['one']['delivered_per_s']}/s to one endpoint, {told['five']['delivered_per_s']}/s to five;"
          f" a bare client {told['bare']['per_s']}/s ({told['bare']['cpu_us']} CPU-us with its receiver), ratio {told['ratio_to_bare']}")  # fmt: skip
    print(f"  two working processes to one, five endpoints: {told['two_work_to_one']} (median of rounds in turns: {told['rounds']})")
    for name in ("one", "five", "five_one_work", "five_two_work"):
        print(f"  {name}: delivered {told[name]['delivered']} of {told[name]['wanted']}, steal {told[name]['steal']:.1%}, CPU-us per delivery {told[name]['cpu_us']}")
    print(f"  beside ten endpoints that hang: {told['beside_hanging']}")
    print(f"  events here and there, an endpoint each: {told['many_shops']}")
    if given.json:
        given.json.write_text(json.dumps(told, indent=2))
    return 0 if told["one"]["delivered"] >= told["one"]["wanted"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
