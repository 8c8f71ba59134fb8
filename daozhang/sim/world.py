"""A whole world on virtual time: the real flow over simulated network, store, clock, chance and tasks, with the real twins.

RSA is the only thing that is not the real one: a keyed hash stands for it, so that virtual time is not spent on it.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Heard, Push, Said, Twin, Wire
from daozhang.core.directory import Merchant, Shop, Till
from daozhang.core.faults import MaybeArrived, NotSent, Unreadable
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Exchange, HttpRequest, Key
from daozhang.flow import heard
from daozhang.flow.house import House
from daozhang.flow.janitor import Janitor
from daozhang.flow.take import Order, take
from daozhang.flow.waiters import Waiters
from daozhang.sim.loop import VirtualClock, VirtualLoop, run
from daozhang.sim.store import SimStore

log = logging.getLogger("daozhang.sim")
START_MS = 1_795_400_000_000  # an afternoon in Beijing, far from midnight


def dice(seed: int) -> random.Random:
    """A seeded generator for what the people and the weather of a world do."""
    return random.Random(seed)


class SeededRand:
    """Chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


class SimTasks:
    """The Proc port: tasks of one simulated process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()
        self.failures: list[BaseException] = []

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def hold(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failures.append(task.exception() or RuntimeError(task.get_name()))


class SimNet:
    """The Net port: calls reach the twins after a small delay, and suffer what the twin says about the wire.

    ``twins`` by their port of ``localhost``.
    """

    def __init__(self, twins: dict[int, Twin], clock: VirtualClock, latency_ms: int = 20) -> None:
        self._twins, self._clock, self._latency_ms = twins, clock, latency_ms
        self.down = False

    async def call(self, request: HttpRequest) -> Exchange:
        if self.down:
            return Exchange(fault=NotSent("CONNECT_REFUSED"), trail={"failed": 0.0})
        began = self._clock.now_ms()
        trail: dict[str, Any] = {"connected": 0.1, "sent_headers": 0.2, "sent_body": 0.3}
        await self._clock.sleep_until(began + self._latency_ms)
        parts = urlsplit(request.url)
        twin = self._twins[parts.port or 0]
        said = twin.handle(Heard(request.method, request.url, request.headers, request.body, self._clock.now_ms()))
        return await self._back(said, began, request.deadline_ms, trail)

    async def _back(self, said: Said, began: int, deadline_ms: int, trail: dict[str, Any]) -> Exchange:
        slow = said.delay_ms + self._latency_ms
        if said.wire in (Wire.NO_REPLY, Wire.DRIP) or self._clock.now_ms() + slow > began + deadline_ms:
            await self._clock.sleep_until(began + deadline_ms)
            return Exchange(fault=MaybeArrived("READ_TIMEOUT"), trail={**trail, "failed": float(deadline_ms)})
        await self._clock.sleep_until(self._clock.now_ms() + slow)
        if said.wire is Wire.RESET:
            return Exchange(fault=MaybeArrived("CONNECTION_RESET_AFTER_SEND"), trail=trail)
        if said.wire is Wire.TRUNCATED:
            return Exchange(said.status, fault=Unreadable("HTTP_BODY_TRUNCATED"), trail=trail)
        trail["done"] = float(self._clock.now_ms() - began)
        return Exchange(said.status, said.headers, said.body, trail=trail)


@dataclass
class World:
    """One shop, the flow, the twins, and nobody else's clock. Use inside `play`."""

    seed: int
    loop: VirtualLoop
    clock: VirtualClock = field(init=False)
    twins: dict[str, Twin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.loop)
        self.rand, self.store, self.tasks = SeededRand(self.seed), SimStore(), SimTasks()
        shelf = Shelf.look()
        for channel in shelf:
            self.twins[channel.name] = channel.twin.make_simulated("world", SeededRand(self.seed + 1).bytes)
        self.ports = {channel.name: int(channel.twin.PORT) for channel in shelf}
        self.net = SimNet({self.ports[name]: twin for name, twin in self.twins.items()}, self.clock)
        waiters = Waiters(self.clock)
        self.house = House(
            self.store,
            self.store,
            self.store,
            shelf,
            self.net,
            self.clock,
            self.rand,
            self.tasks,
            waiters,
            "http://us",
            "serve",
        )
        self.janitor = Janitor(self.house)
        self.merchant = self._merchant("goods")
        self.numbers = 0

    def _merchant(self, trade: str) -> Merchant:
        ident = f"mer_{ulid(START_MS, self.rand.bytes(9), 0)}"
        return Merchant(ident, bucket_of_merchant(ident), "店", False, START_MS, trade=trade)

    async def open(self) -> None:
        """A shop with a till and an account at every channel; the janitor and the notifies begin."""
        m = self.merchant
        await self.store.add_merchant(m)
        self.shop, self.till = (f"{kind}_{ulid(START_MS, self.rand.bytes(9), m.bucket)}" for kind in ("sto", "till"))
        await self.store.add_shop(Shop(self.shop, m.bucket, m.id, "店", START_MS))
        await self.store.add_till(Till(self.till, m.bucket, m.id, self.shop, "1", START_MS))
        for name, twin in self.twins.items():
            settings, secrets = twin.simulated_account("world")
            settings["gateway"] = f"http://localhost:{self.ports[name]}/gateway.do"
            row = AccountRow(
                f"acc_{ulid(START_MS, self.rand.bytes(9), m.bucket)}",
                m.bucket,
                m.id,
                name,
                False,
                380,
                settings,
                secrets,
            )
            await self.store.add_account(row, b"")
        self.tasks.spawn(self.janitor.run(), "janitor")
        self.tasks.spawn(self._notifies(), "notifies")

    async def _notifies(self) -> None:
        """What the channels push, over the simulated network, to the real notify door."""
        while True:
            for name, twin in self.twins.items():
                for push in twin.tick(self.clock.now_ms()):
                    await self.deliver(name, push)
            await self.clock.sleep_until(self.clock.now_ms() + 100)

    async def deliver(self, name: str, push: Push) -> None:
        """One notify to the real door, and the answer back to its twin."""
        headers = {key.lower(): value for key, value in push.headers}
        account, kind = push.url.rpartition("/")[2], headers.get("content-type", "")
        status, _, body = await heard.notify(self.house, name, kind, "", push.body, headers, account)
        self.twins[name].pushed(push.push_id, status, body, self.clock.now_ms())

    def order(
        self, amount_fen: int = 1250, code: str | None = None, method: Method = Method.PAY_BY_CODE, sale: str = "",
        channel: str | None = None,
    ) -> Order:  # fmt: skip
        self.numbers += 1
        number = sale or f"S-{self.numbers}"
        key = Key(f"key-{self.numbers}", f"{self.numbers:064d}")
        return Order(
            self.merchant, self.shop, self.till, number, amount_fen, "CNY", method, code, "s", {}, False, key, channel
        )

    async def pay(
        self, behaviour: str = "pays", amount_fen: int = 1250, wait_ms: int = 5_000, sale: str = "", wallet: str = ""
    ) -> Payment:
        """A payer with a habit shows a code (of the first wallet, when none is named), and the shop scans it."""
        twin = self.twins[wallet or next(iter(self.twins))]
        code = twin.code(behaviour, self.clock.now_ms())["code"]
        return await take(self.house, self.order(amount_fen, code, sale=sale), wait_ms)

    async def until_proven(self, payment_id: str, within_ms: int = 400_000) -> Payment:
        end = self.clock.now_ms() + within_ms
        while True:
            payment = await self.store.payment(payment_id)
            if payment is None or payment.proven or self.clock.now_ms() >= end:
                return payment or _gone(payment_id)
            await self.clock.sleep_until(self.clock.now_ms() + 200)

    def books(self, channel: str = "") -> dict[str, Any]:
        return self.twins[channel or next(iter(self.twins))].books()


def _gone(payment_id: str) -> Payment:
    raise LookupError(payment_id)


def play(seed: int, story: Any) -> World:
    """Run ``async def story(world)`` in a world of its own; the world, for the auditor to look at."""
    loop = VirtualLoop(START_MS)
    asyncio.set_event_loop(loop)
    world = World(seed, loop)

    async def whole() -> None:
        await world.open()
        await story(world)

    try:
        run(whole(), loop)
    finally:
        asyncio.set_event_loop(None)
    if world.tasks.failures:
        raise world.tasks.failures[0]
    return world
