"""The sandbox process: ``python -m daozhang.sandbox.main --data DIR --base-port N``; prints ``ready``."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Push, Twin
from daozhang.ports.clock import SandboxClock
from daozhang.ports.heap import keep_still
from daozhang.sandbox import keys
from daozhang.sandbox.control import Control
from daozhang.sandbox.door import open_door
from daozhang.sandbox.journal import Journal
from daozhang.sandbox.phone import Phones

_PUSH_WITHIN_S = 5.0
_MOST_PUSHES = 32


class Pusher:
    """Sends notifies when they are due, a few at a time, and tells the twin what came back."""

    def __init__(self, twins: list[Twin], clock: SandboxClock) -> None:
        self._twins, self._clock = twins, clock
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PUSH_WITHIN_S))
        self._room = asyncio.Semaphore(_MOST_PUSHES)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            await self.due()
            await asyncio.sleep(0.05)

    async def due(self) -> None:
        now = self._clock.now_ms()
        for twin in self._twins:
            due = twin.next_due_ms()
            if due is None or due > now:
                continue
            for push in twin.tick(now):
                task = asyncio.get_running_loop().create_task(self._send(twin, push))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Everything due has left and been answered."""
        await self.due()
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=_PUSH_WITHIN_S)

    async def _send(self, twin: Twin, push: Push) -> None:
        status, body = None, b""
        async with self._room:
            try:
                async with self._session.post(
                    push.url, data=push.body, headers=dict(push.headers), allow_redirects=False
                ) as reply:
                    status, body = reply.status, await reply.content.read(1024)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                pass  # the schedule of repeats takes care of it
        twin.pushed(push.push_id, status, body, self._clock.now_ms())

    async def close(self) -> None:
        await self._session.close()


def twins_of(folder: Path) -> tuple[dict[str, Twin], dict[str, int]]:
    """Every channel's twin with its earlier books, found by looking, and its place after the base port."""
    twins: dict[str, Twin] = {}
    places: dict[str, int] = {}
    for channel in Shelf.look():
        module = channel.twin
        held = keys.of_folder(folder, channel.name, lambda module=module: module.new_keys(os.urandom))  # type: ignore[misc]
        journal = Journal(folder / f"{channel.name}.journal")
        twin = module.make(held, os.urandom, journal.append)
        for record in journal.records():
            twin.replay(record)
        twins[channel.name], places[channel.name] = twin, module.PORT
    return twins, places


async def run(data: Path, base_port: int, host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM."""
    folder = data / "sandbox"
    clock = SandboxClock(data / "clock.offset")
    twins, places = twins_of(folder)
    urls = {name: f"http://{host}:{base_port + place}" for name, place in places.items()}
    pusher = Pusher(list(twins.values()), clock)
    phones = Phones(twins, Journal(folder / "phones.journal"))
    control = Control(twins, urls, clock, keys.control_token(folder), pusher.settle, phones)
    config = uvicorn.Config(
        control.app(), host=host, port=base_port + 7, log_level="warning", lifespan="off", http="httptools"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    doors = [await open_door(twin, clock, host, base_port + places[name]) for name, twin in twins.items()]
    for channel in Shelf.look():
        if hasattr(channel.twin, "TLS_PORT"):
            tls = keys.tls_context(folder, channel.name, twins[channel.name])
            doors.append(await open_door(twins[channel.name], clock, host, base_port + channel.twin.TLS_PORT, tls))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work: list[asyncio.Task[Any]] = [loop.create_task(pusher.run()), loop.create_task(server._serve())]
    while not server.started:
        await asyncio.sleep(0.01)
        if work[1].done():
            await work[1]
    keys.write_private(folder / "control.url", f"http://{host}:{base_port + 7}".encode())
    keep_still()
    print("ready", flush=True)
    await stop.wait()
    server.should_exit = True
    for door in doors:
        door.close()
    work[0].cancel()
    await asyncio.gather(*work, return_exceptions=True)
    await pusher.close()


def main() -> int:
    words = argparse.ArgumentParser(description="Twins of the payment channels, over the real wires.")
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--base-port", type=int, default=7800)
    given = words.parse_args()
    import uvloop

    uvloop.run(run(given.data.expanduser(), given.base_port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
