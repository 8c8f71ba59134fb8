"""A drill in virtual time: merchants, tills, payers and cashiers around the real flow, diagnosis and telling.

Real are: taking, finding out, undoing, the janitor, naming causes, telling, every channel's codec and its twin. Simulated
are: clock, chance, network, store, devices and people. What is true of each payment stays in this file's books.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Push, Twin
from daozhang.core.directory import Merchant, Shop, Till
from daozhang.core.faults import Fault, SaleTaken
from daozhang.core.fleet import Device, Fleet, Standing
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Change, Key, Silent
from daozhang.flow import find_out, heard
from daozhang.flow.house import House
from daozhang.flow.janitor import LOOK_EVERY_MS, Janitor
from daozhang.flow.lookout import Lookout
from daozhang.flow.namer import Namer
from daozhang.flow.take import Order, take
from daozhang.flow.waiters import Waiters
from daozhang.sim.drill_devices import Box, DrillFleet
from daozhang.sim.drill_faults import AtWork, Place, draw
from daozhang.sim.drill_file import Drill
from daozhang.sim.drill_net import Crashed, DrillNet, Sale
from daozhang.sim.drill_watch import DrillWatch
from daozhang.sim.loop import VirtualClock, VirtualLoop, run
from daozhang.sim.store import SimStore
from daozhang.sim.world import START_MS, SeededRand, SimTasks, dice

_SHELF = Shelf.look()
_WAIT_MS = 5_000
_SHOWN_MS = 800  # a QR is on the screen by then
_LONG_MS = 80 * 3_600_000
_HORIZON_MS = 20_000
_HOLDS_NOTIFIES = ("platform.", "bank.", "clearing.")
_CARD = "card:{}_{}"


def _number(twin: Twin, push: Push) -> str:
    """The order that a push is about: a sealed one is opened in the twin's own books."""
    held = twin._journal.notifies.get(push.push_id)  # type: ignore[attr-defined]
    fields = getattr(held, "fields", {})
    return str(getattr(held, "order", "") or fields.get("out_trade_no") or fields.get("orderId") or "")


class DrillStore(SimStore):
    """Tells the drill of every commit, and the janitor of every timer."""

    def __init__(self, world: "DrillWorld") -> None:
        super().__init__()
        self._world = world

    async def apply(self, change: Change) -> Payment:
        stored = await super().apply(change)
        self._world.born(stored)
        for event in change.events:
            self._world.fleet.hear(event, stored.till, stored.amount_fen, stored.channel)
        return stored

    def _set_timer(self, subject: str, bucket: int, at_ms: int) -> None:
        super()._set_timer(subject, bucket, at_ms)
        if at_ms:
            self._world.nudge(at_ms)


@dataclass
class Shops:
    """What stands where, and under which ids."""

    places: list[Place] = field(default_factory=list)
    merchants: dict[str, Merchant] = field(default_factory=dict)
    stores: dict[str, str] = field(default_factory=dict)
    tills: dict[str, str] = field(default_factory=dict)


class DrillWorld:
    """One run. `sales`, `faults`, `fleet` and the twins' books are the ground truth; `house` is the product."""

    def __init__(self, drill: Drill, seed: int, loop: VirtualLoop) -> None:
        self.drill, self.loop, self.clock, self.dice = drill, loop, VirtualClock(loop), dice(seed)
        w = drill.world
        self.rand = SeededRand(seed)
        self.fleet = DrillFleet(self.clock, dice(seed + 1), w.heartbeat_loss, w.heartbeat_s, w.clock_skew_s)
        self.store, self.tasks = DrillStore(self), SimTasks()
        self.twins: dict[str, Twin] = {channel.name: channel.twin.make_simulated("drill", SeededRand(seed + at).bytes) for at, channel in enumerate(_SHELF, 2)}
        self.ports = {channel.name: int(channel.twin.PORT) for channel in _SHELF}
        self.shops, self.sales, self.by_payment = Shops(), list[Sale](), dict[str, Sale]()
        self._people = dice(seed + 50)
        self._lay_out()
        self.faults = draw(drill, self.shops.places, dice(seed + 51), START_MS)
        wires = {self.ports[name]: (name, twin) for name, twin in self.twins.items()}
        self.net = DrillNet(wires, self.clock, dice(seed + 52), self.faults, self._sale_of, w.unknown_rate, w.latency_ms)
        self.lookout = Lookout(Silent(), self.clock)
        self.house = House(
            self.store, self.store, self.store, _SHELF, self.net, self.clock, self.rand, self.tasks, Waiters(self.clock), "http://us", "drill",
            self.lookout, cast(Fleet, self.fleet), self.lookout,
        )  # fmt: skip
        self.janitor, self.namer = Janitor(self.house), Namer(self.house)
        self.watch = DrillWatch(self.house, self.fleet)
        self.lookout.on_dark, self.namer.on_named = self.namer.dark, self.watch.watcher.named
        self.end_ms = START_MS + round(drill.minutes * 60_000)
        self.healthy, self.refused = True, 0
        self._bell: asyncio.TimerHandle | None = None
        self._rings_ms = 0
        self._rested: asyncio.Future[None] = loop.create_future()
        self._stirred = asyncio.Event()
        self.net.on_asked = self._stirred.set
        self.fleet.on_played = self._played

    def _lay_out(self) -> None:
        w, d = self.drill.world, self._people

        def some(shares: dict[str, float]) -> str:
            return str(d.choices(list(shares), list(shares.values()))[0])

        for m in range(1, w.merchants + 1):
            region, carrier = some(w.regions), some(w.carriers)
            for t in range(1, w.tills_per_merchant + 1):
                self.shops.places.append(Place(f"m{m}", f"m{m}/t{t}", region, carrier, some(w.software)))

    def _sale_of(self, number: str) -> Sale | None:
        return self.by_payment.get(f"pay_{number[2:]}")

    def born(self, stored: Payment) -> None:
        """A new row is a leg of its sale; a second charge of the same sale is a leg of its own."""
        if stored.id in self.by_payment:
            return
        sale = self.sales[int(stored.merchant_order_no[2:]) - 1]
        if sale.payment:
            sale = replace(sale, habit="pays", hands="", hesitates="", also="", label="", money="", by=None, left=False, arrived=False, queries=[], told_ms=0)
        sale.payment = stored.id
        self.by_payment[stored.id] = sale

    def _played(self, payment: str, at_ms: int) -> None:
        sale = self.by_payment.get(payment)
        if sale is not None and not sale.told_ms:
            sale.told_ms = at_ms

    # -- the shops open --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        for place in self.shops.places:
            if place.merchant not in self.shops.merchants:
                await self._open_merchant(place)
            await self._open_till(place)

    def _id(self, prefix: str, bucket: int) -> str:
        return f"{prefix}_{ulid(START_MS, self.rand.bytes(9), bucket)}"

    async def _open_merchant(self, place: Place) -> None:
        ident = self._id("mer", 0)
        m = Merchant(ident, bucket_of_merchant(ident), "店", False, START_MS, trade="goods")
        self.shops.merchants[place.merchant] = m
        await self.store.add_merchant(m)
        self.shops.stores[place.merchant] = shop = self._id("sto", m.bucket)
        await self.store.add_shop(Shop(shop, m.bucket, m.id, "店", START_MS))
        for name, twin in self.twins.items():
            settings, secrets = twin.simulated_account("drill")
            settings["gateway"] = f"http://localhost:{self.ports[name]}/gateway.do"
            await self.store.add_account(AccountRow(self._id("acc", m.bucket), m.bucket, m.id, name, False, 380, settings, secrets), b"")

    async def _open_till(self, place: Place) -> None:
        m, shop = self.shops.merchants[place.merchant], self.shops.stores[place.merchant]
        self.shops.tills[place.till] = till = self._id("till", m.bucket)
        await self.store.add_till(Till(till, m.bucket, m.id, shop, place.till, START_MS))
        for kind in ("pos", "speaker"):
            device = Device(self._id("dev", m.bucket), m.bucket, m.id, shop, till, kind, place.till, place.till, kind == "speaker", Standing.ACTIVE, START_MS)
            self.fleet.add(device, place)

    def boxes(self, one: AtWork) -> list[Box]:
        """The devices of a fault: the terminal, and with the line of a shop its speaker too."""
        speaks = one.fault.play.kind == "speaker"
        line = one.fault.cause in ("network.down", "network.carrier")
        return [box for box in self.fleet.boxes.values() if box.place.till in one.tills and (line or box.device.speaks == speaks)]

    # -- faults of devices and notices ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """What the seed decided comes about at its time."""
        self.watch.announce("platform", "elsewhere", START_MS - 7_200_000, START_MS - 3_600_000)  # the calendar is kept
        self.watch.release(START_MS - 86_400_000)
        for one in self.faults:
            play = one.fault.play
            if one.announced and play.notice in ("platform", "bank"):
                self.watch.announce(play.notice, one.channel if play.notice == "platform" else one.bank, one.from_ms, one.until_ms)
            if play.notice == "release":
                self.loop.call_at(one.from_ms / 1000, self.watch.release, one.from_ms)
            if play.kind in ("till", "speaker"):
                self.loop.call_at(one.from_ms / 1000, self._begin, one)
                if one.until_ms < self.end_ms:
                    self.loop.call_at(one.until_ms / 1000, self._end, one)

    def _begin(self, one: AtWork) -> None:
        for box in self.boxes(one):
            how = one.report.get("how")
            if one.fault.play.gone or how == "offline":
                self.fleet.go(box, one)
            elif how == "unbound":
                self.fleet.unbind(box)
            elif how == "muted":
                box.ill |= {"mute": True, **({"muted": True, "volume": 0} if self.dice.random() < 0.7 else {})}
            else:
                self.fleet.fall_ill(box, one)

    def _end(self, one: AtWork) -> None:
        for box in self.boxes(one):
            how = one.report.get("how")
            if one.fault.play.gone or how == "offline":
                self.fleet.come_back(box, one)
            elif how == "unbound":
                self.fleet.bind(box)
            elif how == "muted":
                for name in ("mute", "muted", "volume"):
                    box.ill.pop(name, None)
                box.usual |= {"muted": False, "volume": 80}
            else:
                self.fleet.get_well(box, one)

    # -- the janitor, who rests where nothing is due ------------------------------------------------------------------------------

    async def look_after(self) -> None:
        while True:
            if not await self.janitor.round():
                await self._rest()

    async def _rest(self) -> None:
        now = self.clock.now_ms()
        due = self.store.timers.next_ms() or now + 60_000
        self._rested = self.loop.create_future()
        self._ring_at(max(now + LOOK_EVERY_MS, due))
        await self._rested

    def _ring_at(self, at_ms: int) -> None:
        if self._bell is not None:
            self._bell.cancel()
        self._rings_ms = at_ms
        self._bell = self.loop.call_at(at_ms / 1000, _ring, self._rested)

    def nudge(self, at_ms: int) -> None:
        if at_ms < self._rings_ms and not self._rested.done():
            self._ring_at(max(at_ms, self.clock.now_ms() + LOOK_EVERY_MS))

    # -- channels push ----------------------------------------------------------------------------------------------------------

    async def notifies(self) -> None:
        while True:
            now = self.clock.now_ms()
            for name, twin in self.twins.items():
                for push in twin.tick(now):
                    self.tasks.spawn(self._deliver(name, twin, push), "notify")
            due = [at for twin in self.twins.values() if (at := twin.next_due_ms()) is not None]
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.1, (min([*due, now + _HORIZON_MS]) - now) / 1000)):
                    await self._stirred.wait()
                    await asyncio.sleep(0.05)

    async def _deliver(self, name: str, twin: Twin, push: Push) -> None:
        late = self._notify_late(twin, push)
        if late is None:
            twin.pushed(push.push_id, None, b"", self.clock.now_ms())
            return
        await asyncio.sleep(late + self.dice.uniform(0.01, 0.3))
        headers = {key.lower(): value for key, value in push.headers}
        status, answer = None, b""
        with contextlib.suppress(Fault):
            status, _, answer = await heard.notify(self.house, name, headers.get("content-type", ""), "", push.body, headers, push.url.rpartition("/")[2])
        twin.pushed(push.push_id, status, answer, self.clock.now_ms())

    def _notify_late(self, twin: Twin, push: Push) -> float | None:
        """Seconds that a notify is late; None: it is lost. A payment that was asked about in time is in nobody's dark."""
        sale, now = self._sale_of(_number(twin, push)), self.clock.now_ms()
        if sale is None:
            return 0.0
        if sale.by is not None and sale.by.fault.cause.startswith(_HOLDS_NOTIFIES):
            return self._held(sale, now)
        if sale.method is not Method.PAY_BY_QR:
            return 0.0
        for one in self.faults:
            if one.fault.play.kind != "notify" or not one.on(now) or not one.reaches(sale.place, sale.channel, sale.bank):
                continue
            if sale.by is None and self.dice.random() < one.share:
                sale.by, sale.label = one, one.fault.cause
                one.strikes(now)
            if sale.by is one:
                return float(one.report["late_s"]) or None
        return 0.0

    def _held(self, sale: Sale, now: int) -> float:
        """What is ill at the channel or the bank tells of its payments late too."""
        if sale.notify_late_s < 0:
            ill = self.dice.random() < 0.9
            sale.notify_late_s = max(self.dice.uniform(8, 60) if ill else 0.0, (sale.busy_until_ms - now) / 1000)
            return sale.notify_late_s
        return 0.0

    # -- people -------------------------------------------------------------------------------------------------------------------

    async def sell(self, seen: Callable[[Sale], Awaitable[None]]) -> None:
        """Payers come by chance; `seen` follows each payment once it exists."""
        d, gap = self._people, 60.0 / self.drill.world.payments_per_minute
        while True:
            await asyncio.sleep(d.expovariate(1 / gap))
            if self.clock.now_ms() >= self.end_ms:
                return
            self.tasks.spawn(self._sale(seen), "sale")

    def _customer(self) -> Sale:
        w, d = self.drill.world, self._people
        place = d.choice(self.shops.places)
        channel = str(d.choices(list(w.wallets), list(w.wallets.values()))[0])
        bank = str(d.choices(list(w.banks), list(w.banks.values()))[0])
        qr = d.random() < w.qr_share
        sale = Sale(len(self.sales) + 1, place, self.shops.tills[place.till], bank, channel, d.randint(100, 60_000), Method.PAY_BY_QR if qr else Method.PAY_BY_CODE)
        if channel == "wechatpay" and not bank.startswith("OTHER"):
            sale.habit = _CARD.format(bank, "DEBIT" if d.random() < 0.8 else "CREDIT")
        if not qr:
            self._habit(sale)
        self.sales.append(sale)
        return sale

    def _habit(self, sale: Sale) -> None:
        """What the payer, or a rule of the channel, does today."""
        now = self.clock.now_ms()
        for one in self.faults:
            play = one.fault.play
            if play.kind != "payer" or not one.on(now) or not one.reaches(sale.place, sale.channel, sale.bank):
                continue
            kinds = play.habits.get(sale.channel)
            if kinds and self._people.random() < one.share:
                sale.habit, sale.hands = str(self._people.choice(kinds)), str(play.report.get("hands", ""))
                sale.by, sale.hesitates = one, "payer.not_completed" if sale.hands else ""
                if play.asks == "money":
                    sale.money = one.fault.cause
                else:
                    sale.label = one.fault.cause
                one.strikes(now)
                return

    async def _sale(self, seen: Callable[[Sale], Awaitable[None]]) -> None:
        sale = self._customer()
        if any(one.fault.play.gone and one.on(self.clock.now_ms()) and sale.place.till in one.tills for one in self.faults):
            return  # nothing of a dead till reaches us
        twin = self.twins[sale.channel]
        code = None if sale.method is Method.PAY_BY_QR else twin.code(sale.habit, self.clock.now_ms())["code"]
        following = asyncio.ensure_future(seen(sale))
        made = await self._take(sale, self._order(sale, code, 1))
        if made is None:
            return
        if sale.method is Method.PAY_BY_QR and made.qr:
            await asyncio.sleep(self._people.uniform(1.0, 3.0))
            with contextlib.suppress(Exception):
                twin.scan(made.qr, sale.habit, self.clock.now_ms())
            self._stirred.set()
        if sale.hands == "reverse":
            await asyncio.sleep(3)
            with contextlib.suppress(Fault):
                await find_out.give_up(self.house, made.id, "till", 1_000)
        if not made.proven and self._people.random() < self.drill.world.impatience:
            self.tasks.spawn(self._try_again(sale), "again")
        await self._hear_the_end(sale, made.id)
        await following

    def _order(self, sale: Sale, code: str | None, n: int) -> Order:
        key = Key(f"key-{sale.number}-{n}", f"{sale.number * 10 + n:064d}")
        shop = self.shops.stores[sale.place.merchant]
        return Order(self.shops.merchants[sale.place.merchant], shop, sale.till, f"S-{sale.number}", sale.amount_fen, "CNY", sale.method, code,
                     "s", {}, False, key, None if code else sale.channel)  # fmt: skip

    async def _take(self, sale: Sale, order: Order) -> Payment | None:
        """The till asks and waits; when our process dies over it, the till asks again and finds the payment."""
        try:
            return await take(self.house, order, _SHOWN_MS if order.method is Method.PAY_BY_QR else _WAIT_MS)
        except Fault:
            return None  # refused before anything was begun (a channel that is shut): the payer takes another wallet
        except (asyncio.CancelledError, Crashed):
            pass
        rows = await self.store.sale(order.merchant.id, order.merchant_order_no)
        return rows[0] if rows else None

    async def _try_again(self, sale: Sale) -> None:
        """The cashier, or the payer, wants to pay again for the same sale while the first is open."""
        await asyncio.sleep(self._people.uniform(1, 12))
        code = self.twins[sale.channel].code("pays", self.clock.now_ms())["code"]
        try:
            second = await take(self.house, self._order(sale, code, 2), _WAIT_MS)
            await self._hear_the_end(self.by_payment[second.id], second.id)
        except SaleTaken:
            self.refused += 1
        except Fault:
            return

    async def _hear_the_end(self, sale: Sale, payment: str) -> None:
        """The till goes on waiting for the proof, as its page does."""
        until = self.end_ms + _LONG_MS
        while not (end := await find_out.wait_for_proof(self.house, payment, 30_000)).proven and self.clock.now_ms() < until:
            continue
        if end.proven and not sale.told_ms:
            sale.told_ms = self.clock.now_ms()

    # -- the run --------------------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """The faults are over: everybody must come to know."""
        for one in self.faults:
            one.until_ms = min(one.until_ms, self.end_ms)
        await asyncio.sleep(240)  # longer than the namer follows a payment
        self.fleet.resting = True
        self.namer.stop()
        while (due := self.store.timers.next_ms()) is not None and self.clock.now_ms() < self.end_ms + _LONG_MS:
            await self.clock.sleep_until(max(self.clock.now_ms(), due) + 1_000)
        await asyncio.sleep(30)


def _ring(rested: "asyncio.Future[None]") -> None:
    if not rested.done():
        rested.set_result(None)


def play(drill: Drill, seed: int, story: Callable[[DrillWorld], Awaitable[None]]) -> DrillWorld:
    """One run from beginning to end; ``story`` is the runner's part."""
    loop = VirtualLoop(START_MS)
    asyncio.set_event_loop(loop)
    log = logging.getLogger("daozhang")
    was, log.level = log.level, logging.CRITICAL  # what the faults do is not news
    try:
        world = DrillWorld(drill, seed, loop)
        run(cast(Any, story(world)), loop)
    finally:
        log.level = was
        asyncio.set_event_loop(None)
    if world.tasks.failures:
        raise world.tasks.failures[0]
    return world
