"""One seed, one town: shops with payers, cashiers, two processes that die, weather; first safety, then healing and liveness."""

import asyncio
import logging
import re
from collections import Counter
from contextvars import copy_context
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Push, Twin
from daozhang.core.directory import Merchant, Shop, Till
from daozhang.core.faults import Fault, KeyUsed, SaleTaken
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, HttpRequest, Key
from daozhang.core.refund import RefundKind
from daozhang.flow import find_out, heard, late, refund
from daozhang.flow.house import House
from daozhang.flow.janitor import LOOK_EVERY_MS, Janitor
from daozhang.flow.take import Order, take
from daozhang.flow.waiters import Waiters
from daozhang.sim.auditor import Auditor, Violation
from daozhang.sim.loop import VirtualClock, VirtualLoop, run
from daozhang.sim.rare import Rare
from daozhang.sim.themes import THEMES, TOWNS
from daozhang.sim.weather import FrailStore, StormNet, Weather, here
from daozhang.sim.world import START_MS, SeededRand, SimTasks, dice

_SHELF = Shelf.look()
_GAP_MS = {"alipay": 3_000, "wechatpay": 5_000, "unionpay": 1_000}  # of two queries; the channels that the auditor knows
_NUMBER = re.compile(rb"DZ[0-9A-Z]{26}")
# The flow reads no bills; an abnormal refund waits for a person at the channel. The rest is played by tests/sim/test_staged.py:
# with more to draw from, the old seeds would tell other stories.
_NOT_OURS = ("bill_", "refund_abnormal", "undo_race", "unknown_enum", "new_field", "retyped", "nulls",
             "notify_twenty", "notify_reordered", "notify_15h")  # fmt: skip
_SOON_MS, _LONG_MS = 300_000, 3 * 86_400_000


@dataclass(frozen=True)
class Options:
    """What a run is made of; with the seed and the commit it is the whole failure. Shares are probabilities."""

    payments: int = 100
    wire: float = 0.05  # of the requests
    store: float = 0.004  # of the commits: away, and as often unknown
    crash: float = 0.0005  # of the awaits of a port
    chaos: float = 0.12  # faults of a channel's own begun, per payment
    chaos_ms: int = 8_000  # the longest of them
    dark: int = 1  # partitions
    dark_ms: int = 8_000  # the longest of them
    odd: float = 0.3  # payers with a habit of their own; the others just pay
    hands: float = 0.2  # payments whose cashier does something more
    gap_ms: int = 400  # between two payments, on average
    theme: str = ""  # of THEMES, or storm; empty: as the seed has it

    def table(self) -> dict[str, Any]:
        return asdict(self)


# Some twenty faults a payment; slower, and for the narrowest corners.
STORM = Options(wire=0.12, store=0.01, crash=0.002, chaos=0.5, chaos_ms=70_000, dark=2, dark_ms=40_000, odd=0.5, hands=0.35)


class Lost(Exception):
    """The process that was asked is gone."""


class Process:
    """One of our processes: memory and tasks that a crash takes away; the store stays."""

    def __init__(self, town: "Town", name: str) -> None:
        self._town, self.name, self.alive = town, name, False
        self.running: dict[asyncio.Task[Any], None] = {}  # in order: a seed must end its tasks in the same order

    def start(self) -> None:
        self._until_ms, self._step_ms = 0, self._town.dice.randrange(LOOK_EVERY_MS)
        t, clock = self._town, self._town.clock
        self.tasks, self.alive = SimTasks(), True
        self.house = House(t.store, t.store, t.store, _SHELF, t.net, clock, t.rand, self.tasks, Waiters(clock), "http://us", self.name)
        self.janitor = Janitor(self.house)
        self.inside(self._work())

    def inside(self, work: Any) -> "asyncio.Task[Any]":
        """A task of this process: what it starts belongs to the process too."""
        context = copy_context()
        context.run(here.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def ask(self, work: Any) -> Any:
        """What a till does over HTTP. Raises Lost when the process dies meanwhile."""
        task = self.inside(work)
        await asyncio.wait({task})
        if task.cancelled():
            raise Lost
        return task.result()

    async def _work(self) -> None:
        """The janitor, as `run` has it; where nothing can be due, the looks in between are left out."""
        while True:
            if not await self.janitor.round():
                await self._rest()

    async def _rest(self) -> None:
        loop, now = asyncio.get_running_loop(), self._town.clock.now_ms()
        self._rested: asyncio.Future[None] = loop.create_future()
        self._least_ms, self._until_ms = now + LOOK_EVERY_MS, 0
        self._look_at(self._town.quiet_until())
        await self._rested

    def _look_at(self, at_ms: int) -> None:
        """The two look out of step, as they do in life: whoever comes first carries it on."""
        self._until_ms = max(at_ms + self._step_ms, self._least_ms)
        self._bell = asyncio.get_running_loop().call_at(self._until_ms / 1000, self._ring, self._rested)

    def _ring(self, rested: "asyncio.Future[None]") -> None:
        if rested.done():
            return
        at_ms = self._town.quiet_until()
        if at_ms > self._town.clock.now_ms():
            self._look_at(at_ms)  # somebody else was faster
        else:
            rested.set_result(None)

    def nudge(self, at_ms: int) -> None:
        """A timer was written: look again when it is due."""
        if self.alive and at_ms + self._step_ms < self._until_ms and not self._rested.done():
            self._bell.cancel()
            self._look_at(at_ms)

    def crash(self) -> None:
        self.alive = False
        self._town.failures += self.tasks.failures
        for task in list(self.running):
            task.cancel()
        w = self._town.weather
        asyncio.get_running_loop().call_later(w.dice.choice((0.1, 2, 14)) if w.storm else 0.1, self._again)

    def _again(self) -> None:
        if not self.alive:
            self.start()


@dataclass
class Town:
    seed: int
    options: Options
    loop: VirtualLoop
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        theme = self.options.theme or dice(self.seed + 2).choice(TOWNS)
        if theme == "storm":
            self.options, theme = replace(STORM, payments=self.options.payments), "late"
        o, self.clock, self.dice = self.options, VirtualClock(self.loop), dice(self.seed)
        self.rand, self.weather = SeededRand(self.seed), Weather(dice(self.seed + 1), o.wire, o.store, o.crash)
        self.twins: dict[str, Twin] = {
            channel.name: channel.twin.make_simulated("town", SeededRand(self.seed + at).bytes)
            for at, channel in enumerate((one for one in _SHELF if one.name in _GAP_MS), 2)
        }
        ports = {channel.name: int(channel.twin.PORT) for channel in _SHELF if channel.name in _GAP_MS}
        self.theme = THEMES[theme]
        self.auditor = Auditor(self._order)
        self.wrong: list[str] = []
        self.store = FrailStore(self.weather, self.clock, self)
        self.rare = Rare(self)
        self.net = StormNet({f"localhost:{ports[name]}": twin for name, twin in self.twins.items()}, self.clock, self.weather, self._leaves)
        self.ports, self.processes = ports, [Process(self, name) for name in ("one", "two")]
        self.refused: Counter[str] = Counter()
        self.healed_ms = 0

    # -- what the auditor is shown ------------------------------------------------------------------------------------------

    def saw(self, change: Any, stored: Payment, now: int) -> None:
        before = self.auditor.states.get(stored.id, "created")
        try:
            self.auditor.saw(change, stored, now)
        except Violation as broken:
            self.wrong.append(str(broken))
        self.rare.saw(before, change, stored)

    def _order(self, number: str) -> Any:
        journals = (twin._journal.orders for twin in self.twins.values())  # type: ignore[attr-defined]
        return next((orders[number] for orders in journals if number in orders), None)

    def _leaves(self, request: HttpRequest, now: int) -> None:
        where = request.url.encode() + b" " + request.body
        found = _NUMBER.search(where)
        if found is None:
            return
        name = next(name for name, port in self.ports.items() if f":{port}/" in request.url)
        op = "query" if b"trade.query" in where or b"orderquery" in where or request.method == "GET" else ""
        op = "pay" if b"trade.pay&" in where or b"codepay " in where or b"micropay" in where else op
        try:
            self.auditor.asks(op, found[0].decode(), now, _GAP_MS.get(name, 3_000))
        except Violation as broken:
            self.wrong.append(str(broken))

    def faults(self) -> int:
        """How many struck: on requests, commits and processes, and what the channels themselves did to a request."""
        own = sum("fault" in request for twin in self.twins.values() for request in twin._journal.requests)  # type: ignore[attr-defined]
        return sum(self.weather.struck.values()) + own

    def nudge(self, at_ms: int) -> None:
        for process in self.processes:
            process.nudge(at_ms)

    def quiet_until(self) -> int:
        """The next time anything in the store can be claimed."""
        at_ms = self.store.timers.next_ms()
        return self.clock.now_ms() + 60_000 if at_ms is None else at_ms

    # -- the run ---------------------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        await self._open()
        for process in self.processes:
            process.start()
        pushing = asyncio.ensure_future(self._notifies())
        faults = asyncio.ensure_future(self._faults())
        sales = []
        for at in range(self.options.payments):
            await asyncio.sleep(self.dice.expovariate(1000 / self.options.gap_ms))
            sales.append(asyncio.ensure_future(self._sale(at)))
        await asyncio.gather(*sales)
        await asyncio.sleep(self.dice.uniform(0, 90))
        faults.cancel()
        await self._heal()
        pushing.cancel()

    async def _heal(self) -> None:
        """Everything is whole again: everybody must come to know, and soon."""
        self.weather.storm = False
        for twin in self.twins.values():
            twin.chaos_off()
        self.healed_ms = healed = self.clock.now_ms()
        await self.clock.sleep_until(healed + _SOON_MS)
        self._judge(lambda: self.auditor.soon(self.store.payments_.values(), self.store.timers.by_subject))
        while self.store.timers.by_subject and self.clock.now_ms() < healed + _LONG_MS and not self._broken():
            await self.clock.sleep_until(max(self.clock.now_ms() + 1_000, self.quiet_until() + 1_000))
        await asyncio.sleep(30)
        orders: dict[str, Any] = {}
        for twin in self.twins.values():
            orders |= twin._journal.orders  # type: ignore[attr-defined]
        self._judge(lambda: self.auditor.ends(self.store.payments_.values(), self.store.refunds_.values(), orders))
        for process in self.processes:
            self.failures += process.tasks.failures
        self.wrong += [f"a task failed: {failure!r}" for failure in self.failures if not isinstance(failure, Fault)]

    def _broken(self) -> bool:
        """What comes after the first violation, or after a task that broke an invariant, is of no interest."""
        failures = [failure for process in self.processes for failure in process.tasks.failures]
        return bool(self.wrong) or any(not isinstance(failure, Fault) for failure in failures)

    def _judge(self, look: Any) -> None:
        try:
            look()
        except Violation as broken:
            self.wrong.append(str(broken))

    async def _open(self) -> None:
        ident = f"mer_{ulid(START_MS, self.rand.bytes(9), 0)}"
        bucket = bucket_of_merchant(ident)
        policy = self.dice.choice(("keep", "refund"))
        self.merchant = Merchant(ident, bucket, "店", False, START_MS, trade="goods", late_policy=policy)
        await self.store.add_merchant(self.merchant)
        self.shop, *self.tills = (f"{kind}_{ulid(START_MS, self.rand.bytes(9), bucket)}" for kind in ("sto", "till", "till", "till"))
        await self.store.add_shop(Shop(self.shop, bucket, ident, "店", START_MS))
        for at, till in enumerate(self.tills):
            await self.store.add_till(Till(till, bucket, ident, self.shop, str(at), START_MS))
        for name, twin in self.twins.items():
            settings, secrets = twin.simulated_account("town")
            settings["gateway"] = f"http://localhost:{self.ports[name]}/gateway.do"
            row = AccountRow(f"acc_{ulid(START_MS, self.rand.bytes(9), bucket)}", bucket, ident, name, False, 380, settings, secrets)
            await self.store.add_account(row, b"")

    async def _process(self) -> Process:
        while not (alive := [process for process in self.processes if process.alive]):
            await asyncio.sleep(0.3)
        return self.dice.choice(alive)

    # -- channels push -----------------------------------------------------------------------------------------------------------

    async def _notifies(self) -> None:
        while True:
            for name, twin in self.twins.items():
                for push in twin.tick(self.clock.now_ms()):
                    asyncio.ensure_future(self._deliver(name, twin, push))
            due = [at for twin in self.twins.values() if (at := twin.next_due_ms()) is not None]
            now = self.clock.now_ms()
            horizon = now + (2_000 if self.weather.storm else 20_000 if now < self.healed_ms + _SOON_MS else 300_000)
            await self.clock.sleep_until(max(now + 100, min([*due, horizon])))

    async def _deliver(self, name: str, twin: Twin, push: Push) -> None:
        await asyncio.sleep(self.dice.uniform(0.01, 0.3))
        headers = {key.lower(): value for key, value in push.headers}
        body, kind = push.body, headers.get("content-type", "")
        if self.weather.strikes(0.03):
            body = body.replace(b"0", b"9", 1) if self.dice.random() < 0.7 else body[: len(body) // 2]  # somebody in the middle
            self.weather.struck["notify tampered"] += 1
        status, answer = None, b""
        try:
            process = await self._process()
            status, _, answer = await process.ask(heard.notify(process.house, name, kind, "", body, headers, push.url.rpartition("/")[2]))
        except (Lost, Fault):
            self.weather.struck["notify not taken"] += 1
        twin.pushed(push.push_id, status, answer, self.clock.now_ms())

    # -- people ----------------------------------------------------------------------------------------------------------------------

    async def _sale(self, at: int) -> None:
        """A payer with a habit, and a cashier who may be impatient: repeats, scans again, reverses, refunds."""
        d, name = self.dice, self.dice.choice(sorted(self.twins))
        twin, amount = self.twins[name], self.dice.choice((1, 880, 1250, 99_900, 100_001, d.randint(1, 500_000)))
        habits = [one["name"] for one in twin.behaviours()]
        habit = self._draw(habits, self.theme.habits) if d.random() < self.options.odd else "pays"
        if d.random() < 0.15:
            await self._by_qr(at, name, twin, amount, habit)
            return
        hands = d.choice(self.theme.hands) if d.random() < self.options.hands * self.theme.often else ""
        order = self._order_for(at, amount, twin.code(habit, self.clock.now_ms())["code"])
        tries = [self._try(order)] + ([self._try(order)] if hands == "double" else [])
        told = [one for one in await asyncio.gather(*tries) if one is not None]
        if told and hands:
            await self._more(at, told[0], hands, twin, amount)

    def _draw(self, names: list[str], often: tuple[str, ...]) -> str:
        """One of what a channel has; half of the time one that the town is about."""
        about = [name for name in often if name in names]
        return self.dice.choice(about if about and self.dice.random() < 0.5 else names)

    def _order_for(self, at: int, amount: int, code: str | None, method: Method = Method.PAY_BY_CODE, channel: str = "", n: int = 1) -> Order:
        key, till = Key(f"key-{at}-{n}", f"{at * 10 + n:064d}"), self.tills[at % len(self.tills)]
        return Order(self.merchant, self.shop, till, f"S-{at}", amount, "CNY", method, code, "s", {}, False, key, channel or None)

    async def _try(self, order: Order) -> Payment | None:
        """Until somebody answers: the same key at every try."""
        for _ in range(12):
            process = await self._process()
            try:
                payment: Payment = await process.ask(take(process.house, order, self.dice.choice((0, 1_000, 5_000))))
                self.auditor.acknowledged.add(payment.id)
                return payment
            except KeyUsed as used:
                self.rare.reached("the same key answers the same payment")
                return await self.store.payment(used.made)
            except SaleTaken as taken:
                self.rare.reached("a second charge of a sale is refused")
                return await self.store.payment(taken.payment)
            except (Lost, Fault) as why:
                self.refused[type(why).__name__] += 1
                await asyncio.sleep(self.dice.uniform(0.2, 2))
        return None

    async def _by_qr(self, at: int, name: str, twin: Twin, amount: int, habit: str) -> None:
        shown = await self._try(self._order_for(at, amount, None, Method.PAY_BY_QR, name))
        if shown is None or not shown.qr:
            return
        await asyncio.sleep(self.dice.uniform(1, 40))
        if self.dice.random() < 0.85:
            try:
                twin.scan(shown.qr, habit, self.clock.now_ms())
                self.rare.reached("a QR is scanned")
            except Exception as why:
                self.refused[type(why).__name__] += 1
        if self.dice.random() < 0.3:
            await self._more(at, shown, "reverse", twin, amount)

    async def _more(self, at: int, payment: Payment, hands: str, twin: Twin, amount: int) -> None:
        await asyncio.sleep(self.dice.uniform(0, 20))
        try:
            process = await self._process()
            house = process.house
            if hands == "again":
                await asyncio.sleep(self.dice.choice((0, 60, 120)))
                second = self._order_for(at, amount, twin.code("pays", self.clock.now_ms())["code"], n=2)
                await self._try(second)
            elif hands == "over":
                await process.ask(find_out.give_up(house, payment.id, "till", 40_000))
                await self._try(self._order_for(at, amount, twin.code("pays", self.clock.now_ms())["code"], n=2))
            elif hands == "reverse":
                await process.ask(find_out.give_up(house, payment.id, "till", 1_000))
            elif hands == "resolve":
                await process.ask(find_out.look_now(house, payment.id, "till"))
            elif hands == "refund":
                await self._refund(process, payment.id)
        except (Lost, Fault) as why:
            self.refused[type(why).__name__] += 1

    async def _refund(self, process: Process, ident: str) -> None:
        for n in range(self.dice.randint(1, 3)):
            paid = await self.store.payment(ident)
            if paid is None or not paid.refundable_fen:
                return
            if paid.question and self.dice.random() < 0.7:
                await process.ask(late.answer(process.house, ident, self.dice.random() < 0.5, "till"))
                continue
            part = None if self.dice.random() < 0.5 else self.dice.randint(1, paid.amount_fen)
            await process.ask(refund.begin(process.house, paid, part, RefundKind.REFUND, "", Key(f"r-{ident}-{n}", "0" * 64), 1_000))

    # -- weather -----------------------------------------------------------------------------------------------------------------------

    async def _faults(self) -> None:
        """Faults of the channels' own, and partitions, all along."""
        d, o = self.dice, self.options
        span_s = max(o.payments * o.gap_ms / 1000, 1)
        darks = sorted(d.uniform(0, span_s) for _ in range(o.dark))
        begun = self.loop.time()
        while True:
            await asyncio.sleep(d.expovariate(max(o.chaos * self.theme.chaos, 0.01) * 1000 / o.gap_ms))
            if darks and self.loop.time() - begun > darks[0]:
                darks.pop(0)
                self.weather.dark, self.weather.dark_until_ms = d.choice(("both", "out", "in")), self.clock.now_ms() + d.randint(500, o.dark_ms)
                self.weather.struck[f"dark {self.weather.dark}"] += 1
            if not o.chaos:
                continue
            name = d.choice(sorted(self.twins))
            mode = self._draw([one["name"] for one in self.twins[name].modes() if not one["name"].startswith(_NOT_OURS)], self.theme.modes)
            self.twins[name].chaos(mode, self.clock.now_ms(), d.choice((0.3, 1.0)), round(o.chaos_ms ** d.uniform(0.6, 1)), "", "")
            self.weather.struck[f"{name} {mode}"] += 1


def _factory(loop: asyncio.AbstractEventLoop, work: Any, context: Any = None) -> "asyncio.Task[Any]":
    """Whatever a process starts is taken away with it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    process = context.get(here) if context is not None else here.get()
    if process is not None:
        process.running[task] = None
        task.add_done_callback(lambda done: process.running.pop(done, None))
    return task


def play(seed: int, options: Options) -> Town:
    """One seed from beginning to end; what went wrong is in `wrong`."""
    loop = VirtualLoop(START_MS)
    loop.set_task_factory(_factory)
    asyncio.set_event_loop(loop)
    town = Town(seed, options, loop)
    log = logging.getLogger("daozhang")
    was, log.level = log.level, logging.CRITICAL  # what the weather does is not news
    try:
        run(town.play(), loop)
    finally:
        log.level = was
        asyncio.set_event_loop(None)
    return town
