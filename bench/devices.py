"""W4: many speakers, a steady stream of payments, and how long until each is told.

``python -m bench.devices [--devices N] [--per-s 200] [--seconds S] [--base-port P] [--json]``. One run measures, with the
same client on the same cores: our gateway fed from the outbox (a line of the outbox becomes an announcement, is claimed,
signed, sent and acknowledged, all of it durable), and Mosquitto with the same devices and the same rate, which only passes
bytes on (no outbox, nothing durable, no signatures): a peer for the wire, not for the work.

``told`` is from the commit of the outbox's line (Mosquitto: from the publish) to the message at the device; ``puback`` is
from the commit to the gateway's reading of the device's PUBACK. N is at most what file descriptors allow.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from bench.load import at
from bench.system import Meter, System
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.devices import topics
from daozhang.devices.enrolment import sha256
from daozhang.devices.mqtt.packets import V4, Ack, Acked, Connack, Connect, Disconnect, Ping, Publish, Subscribe
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode
from daozhang.store.seal import open_or_create_master_key

_SPARE = 400
_AT_ONCE = 200  # connections under way while connecting
_SECRET = "s" * 48


class Box(asyncio.Protocol):
    """The smallest speaker: connects, subscribes, acknowledges, notes when each message came."""

    def __init__(self, ident: str, topic: str, came: dict[str, float]) -> None:
        self.ident, self.topic, self.came = ident, topic, came
        self.reader = Reader(1 << 16, V4)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(encode(Connect(V4, self.ident, False, 300, self.ident, _SECRET.encode()), V4))

    def data_received(self, data: bytes) -> None:
        for packet in self.reader.feed(data):
            if isinstance(packet, Publish):
                tail = json.loads(packet.payload).get("payment_tail")  # a summary has none
                self.came.setdefault(tail, time.time() * 1000)
                self.transport.write(encode(Acked(Ack.PUBACK, packet.packet_id), V4))
            elif isinstance(packet, Connack) and packet.code == 0:
                self.transport.write(encode(Subscribe(1, ((self.topic, 1),)), V4))
            elif not isinstance(packet, Ping | Disconnect) and not self.ready.done():
                self.ready.set_result(None)

    def connection_lost(self, why: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("refused"))


async def connect(port: int, names: list[tuple[str, str]], came: dict[str, float]) -> tuple[list[Box], float]:
    """Everybody, a few at a time; a refused one tries again. The seconds until the last one listens."""
    loop, room, boxes = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE), []
    began = time.monotonic()

    async def one(ident: str, topic: str) -> None:
        async with room:
            for attempt in range(20):
                try:
                    _, box = await loop.create_connection(lambda: Box(ident, topic, came), "127.0.0.1", port)
                    await asyncio.wait_for(box.ready, 30)
                    boxes.append(box)
                    return
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.1 * (attempt + 1))
            raise RuntimeError("a device never came in")

    await asyncio.gather(*(one(ident, topic) for ident, topic in names))
    return boxes, time.monotonic() - began


async def stream(names: list[tuple[str, str]], came: dict[str, float], per_s: float, seconds: float, publish: Any) -> dict[str, Any]:
    """An open loop: one message each tick, to the next device; when each left and when each came."""
    left: dict[str, float] = {}
    began, count = time.monotonic(), round(per_s * seconds)
    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0, began + number / per_s - time.monotonic()))

        async def one(tail: str, target: tuple[str, str]) -> None:
            await publish(tail, target)
            left[tail] = time.time() * 1000

        tasks.append(asyncio.ensure_future(one(f"{number:04X}"[-4:], names[number * 7919 % len(names)])))
    await asyncio.gather(*tasks)
    for _ in range(200):
        if len(came) >= count:
            break
        await asyncio.sleep(0.05)
    took = sorted(max(0.0, came[tail] - sent) for tail, sent in left.items() if tail in came)
    return {"sent": count, "came": len(took), "told_p50_ms": round(at(took, 0.5), 1), "told_p99_ms": round(at(took, 0.99), 1)}


# -- ours ----------------------------------------------------------------------------------------------------------------------


async def enrol(link: asyncpg.Connection, system: System, count: int) -> list[tuple[str, str]]:
    """Devices as the doors would have made them, each at a till of its own: (id, topic)."""
    state, now = system.state, round(time.time() * 1000)
    bucket = bucket_of_merchant(state["merchant"])
    seal = open_or_create_master_key(system.data / "master.key", may_create=True)
    devices, tills = [], []
    for number in range(count):
        ident, till = (f"{kind}_{ulid(now, number.to_bytes(9, 'big'), bucket)}" for kind in ("dev", "till"))
        tills.append((bucket, till, state["merchant"], state["store"], f"till {number}", now))
        devices.append((bucket, ident, state["merchant"], state["store"], till, "speaker", f"BENCH{number:08d}", "bench", True, "active",
                        now - 1, now - 1, sha256(_SECRET), "", 0, seal.close(ident, {"sign": "k" * 64}), "{}", 1))  # fmt: skip
    await link.copy_records_to_table("till", records=tills)
    await link.copy_records_to_table("device", records=devices)
    return [(device[1], topics.down(state["merchant"], device[1], "announce")) for device in devices]


async def ours(system: System, count: int, per_s: float, seconds: float) -> dict[str, Any]:
    pid = int(system.state["pids"]["gateway"])
    dsn = next(line for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line.startswith("DAOZHANG_DSN=")).partition("=")[2]
    link = await asyncpg.create_pool(dsn, min_size=4, max_size=4)
    async with link.acquire() as one:
        names = await enrol(one, system, count)
    gateway = psutil.Process(pid)
    empty = gateway.memory_info().rss
    came: dict[str, float] = {}
    boxes, seconds_in = await connect(system.base_port + 6, names, came)
    await asyncio.sleep(2)
    idle = (gateway.memory_info().rss - empty) / count
    state = system.state
    bucket, merchant = bucket_of_merchant(state["merchant"]), state["merchant"]

    async def publish(tail: str, target: tuple[str, str]) -> None:
        """A line of the outbox, as a paid payment writes it. The payment itself is not there: W2 measures that."""
        now = round(time.time() * 1000)
        payment = f"pay_{ulid(now, os.urandom(9), bucket)[:-4]}{tail}"
        data = {"payment": payment, "amount": 1250, "till": "till" + target[0][3:], "channel": "alipay"}
        await link.execute(
            "with e as (insert into event (bucket, merchant, type, subject, at_ms, data)"
            " values ($1, $2, 'payment.paid', $3, $4, $5::text::jsonb)) select pg_notify('dz_payment', $3)",
            bucket, merchant, payment, now, json.dumps(data),
        )  # fmt: skip

    meter = Meter({**system.pids(), "gateway": [pid]})
    told = await stream(names, came, per_s, seconds, publish)
    cost = meter.stop(told["sent"])
    await asyncio.sleep(2)
    rows = await link.fetch("select delivered_ms - at_ms as took, state from announcement")
    pubacks = sorted(float(row["took"]) for row in rows if row["state"] != "queued")
    for box in boxes:
        box.transport.abort()
    await asyncio.sleep(0.5)
    boxes, back_s = await connect(system.base_port + 6, names, came)
    for box in boxes:
        box.transport.abort()
    await link.close()
    return {"devices": count, "connect_s": round(seconds_in, 1), "reconnect_storm_s": round(back_s, 1), "idle_bytes": round(idle), **told,
            "puback_p50_ms": round(at(pubacks, 0.5), 1), "puback_p99_ms": round(at(pubacks, 0.99), 1), "acknowledged": len(pubacks), **cost}  # fmt: skip


# -- the peer ------------------------------------------------------------------------------------------------------------------


async def mosquitto(port: int, count: int, per_s: float, seconds: float) -> dict[str, Any] | None:
    """None when it is not installed (Debian: mosquitto)."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_connections -1\nuser root\n")
        conf.flush()
        broker = subprocess.Popen([program, "-c", conf.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await asyncio.sleep(1)
            process = psutil.Process(broker.pid)
            empty = process.memory_info().rss
            names, came = [(f"d{number}", f"t/{number}") for number in range(count)], dict[str, float]()
            boxes, seconds_in = await connect(port, names, came)
            await asyncio.sleep(1)
            idle = (process.memory_info().rss - empty) / count
            (source,), _ = await connect(port, [("source", "none")], {})

            async def publish(tail: str, target: tuple[str, str]) -> None:
                payload = json.dumps({"payment_tail": tail, "pad": "x" * 600}).encode()
                source.transport.write(encode(Publish(target[1], payload, 1, int(tail, 16) + 1), V4))

            meter = Meter({"mosquitto": [broker.pid], "load generator": [os.getpid()]})
            told = await stream(names, came, per_s, seconds, publish)
            cost = meter.stop(told["sent"])
            for box in [*boxes, source]:
                box.transport.abort()
            return {"devices": count, "connect_s": round(seconds_in, 1), "idle_bytes": round(idle), **told, **cost}
        finally:
            broker.terminate()
            broker.wait(20)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--devices", type=int, default=10_000)
    arguments.add_argument("--per-s", type=float, default=200)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--base-port", type=int, default=24_450)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(given.devices, hard - _SPARE)
    seconds = min(given.seconds, 60_000 / given.per_s)  # a message is known by four hexadecimal digits
    told: dict[str, Any] = {"workload": "W4", "file_descriptors": hard}
    with System(given.base_port) as system:
        told["daozhang"] = asyncio.run(ours(system, count, given.per_s, seconds))
    told["mosquitto"] = asyncio.run(mosquitto(given.base_port + 5, count, given.per_s, seconds))
    if given.json:
        print(json.dumps(told, indent=2))
    else:
        print(f"W4  {count} devices of {hard} descriptors, {given.per_s:.0f}/s for {seconds:.0f} s")
        for name in ("daozhang", "mosquitto"):
            print(f"  {name}: {told[name] if told[name] else 'not installed, not measured'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
