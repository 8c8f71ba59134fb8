"""The watch over real books: two processes and one leader, a restart in the middle, and what people do in between."""

import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.changed import changed
from daozhang.core.incident import Incident, Stage
from daozhang.core.ports import Silent
from daozhang.diagnosis.facts import Notice
from daozhang.diagnosis.window import Places, Sighting
from daozhang.flow import around, incidents
from daozhang.flow.channel_health import channels
from daozhang.flow.doorkeeper import Doorkeeper, state_of
from daozhang.flow.house import House
from daozhang.flow.lookout import Lookout
from daozhang.flow.waiters import Waiters
from daozhang.flow.watcher import Watcher
from daozhang.sim.world import SeededRand, SimTasks
from daozhang.store.store import PgStore
from tests.store import kit
from tests.store.conftest import dsn, link, store  # noqa: F401
from tests.store.kit import new_id

START = 1_795_400_000_000
RANKED = (("platform.outage", 0.9), ("us.egress", 0.05))


class Moved:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.ms = START

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> float:
        return float(self.ms)

    async def sleep_until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


class Office:
    """One working process, and the traffic that both of them see."""

    def __init__(self, books: PgStore, clock: Moved, seed: int = 1) -> None:
        self.lookout = Lookout(Silent(), clock)
        self.house = House(books, books, books, Shelf.look(), None, clock, SeededRand(seed), SimTasks(), Waiters(clock), "",  # type: ignore[arg-type]
                           "work", lookout=self.lookout, incidents=books)  # fmt: skip
        self.watcher = Watcher(self.house, books)


@pytest.fixture
async def books(store: PgStore, link: asyncpg.Connection) -> AsyncIterator[PgStore]:  # noqa: F811
    await link.execute("delete from watch_lead")
    await link.execute("update incident set stage = 'resolved', ended_ms = 1 where stage not in ('resolved', 'merged')")
    yield store
    await link.execute("delete from watch_lead")


async def live(clock: Moved, offices: list[Office], seconds: int, dark: float, merchant: Any, dice: random.Random) -> list[Any]:
    """So many seconds with four payments each, a share of the sick channel's in the dark; every office sees all of it."""
    steps: list[Any] = []
    for _ in range(seconds):
        for _ in range(4):
            at, channel, shop = clock.ms - 6_000, dice.choice(("alipay", "wechatpay")), f"sto_{dice.randrange(9)}"
            sick = channel == "alipay" and dice.random() < dark
            seen = Sighting(new_id("pay", merchant.bucket, at), at, Places(f"till_{shop}", shop, "", "", "", channel), "silence" if sick else "",
                            "", merchant.id, 1_000, 50)  # fmt: skip
            for office in offices:
                office.lookout._see(seen)
                if sick:
                    office.watcher.desk.named(seen.id, RANKED)
        clock.ms += 1_000
        for office in offices:
            steps += [(office, step) for step in await office.watcher.look()]
            if steps:
                await around.look(office.lookout, office.house.incidents, clock.ms)  # type: ignore[arg-type]
    return steps


async def test_one_of_two_processes_leads_and_an_incident_survives_its_restart(books: PgStore, link: asyncpg.Connection) -> None:  # noqa: F811
    clock, dice, mer = Moved(), random.Random(1), kit.merchant()
    pair = [Office(books, clock, 1), Office(books, clock, 2)]
    await live(clock, pair, 40, 0.0, mer, dice)
    steps = await live(clock, pair, 30, 0.95, mer, dice)
    assert {office for office, _ in steps} == {pair[0]} and pair[0].watcher.leads and not pair[1].watcher.leads
    [one] = await books.open_incidents()
    assert (one.stage, one.place, one.place_name, one.party) == (Stage.IDENTIFIED, "channel", "alipay", "platform")
    assert one.published_by == "rule" and one.payments >= 20 and (await books.hits_of(one.id)).payments == one.payments
    assert channels(pair[0].house)[0]["status"] in ("partial_outage", "major_outage")
    # The leader dies; the other one follows, knows the incident from the books, and opens nothing new.
    await link.execute("update watch_lead set until = clock_timestamp() - interval '1 second'")
    left = [pair[1], Office(books, clock, 3)]
    await live(clock, left, 15, 0.95, mer, dice)
    assert left[0].watcher.leads and [held.id for held in await books.open_incidents()] == [one.id]
    # It is well again: told within a minute, and over two minutes later.
    steps = await live(clock, left, 60, 0.0, mer, dice)
    assert any(step.incident.stage is Stage.MONITORING and step.event for _, step in steps)
    await live(clock, left, 130, 0.0, mer, dice)
    ended = await books.incident(one.id)
    assert ended is not None and ended.stage is Stage.RESOLVED and await books.open_incidents() == []
    assert [line.stage.value for line in await books.updates_of(one.id)][-2:] == ["monitoring", "resolved"]


async def test_what_a_person_closes_is_not_opened_again_while_it_lasts(books: PgStore) -> None:
    clock, dice, mer = Moved(), random.Random(2), kit.merchant()
    office = Office(books, clock)
    await live(clock, [office], 30, 0.0, mer, dice)
    await live(clock, [office], 25, 0.95, mer, dice)
    [one] = await books.open_incidents()
    closed = await incidents.turn(books, one.id, lambda held: incidents.told_on(office.house, held, None, Stage.RESOLVED, "key:1"))
    assert closed is not None and closed.stage is Stage.RESOLVED
    await live(clock, [office], 20, 0.95, mer, dice)
    assert await books.open_incidents() == []
    with pytest.raises(incidents.Ended):
        incidents.published(office.house, closed, "key:1")


async def test_what_a_person_opens_gathers_its_payments_and_is_ended_by_people(books: PgStore) -> None:
    clock, dice, mer = Moved(), random.Random(3), kit.merchant()
    office = Office(books, clock)
    made = Incident("inc_" + new_id("x", 0)[2:], False, "dark", "channel", "alipay", clock.ms, clock.ms, "key:1")
    await books.write_incident(incidents.opened(office.house, made, None, "key:1", True))
    await live(clock, [office], 12, 0.5, mer, dice)
    await live(clock, [office], 60, 0.0, mer, dice)
    [one] = await books.open_incidents()
    assert one.id == made.id and one.payments >= 5 and one.stage is Stage.INVESTIGATING
    with pytest.raises(incidents.NoSuchStep):
        incidents.told_on(office.house, one, None, Stage.MERGED, "key:1")


def test_a_channel_is_shut_only_by_what_is_known_and_seen() -> None:
    clock = Moved()
    lookout, keeper = Lookout(Silent(), clock), Doorkeeper()
    down = Incident("inc_1", False, "dark", "channel", "alipay", START - 90_000, START, share=0.97, payments=40, party="platform",
                    stage=Stage.IDENTIFIED)  # fmt: skip

    def seen(n: int, symptom: str = "") -> None:
        lookout._see(Sighting(f"pay_{n}", clock.ms - 1_000, Places("t", "s", "", "", "", "alipay"), symptom))

    assert keeper.shut(lookout, "alipay", clock.ms) is None and state_of(lookout, "platform", "alipay", clock.ms).word == "operational"
    for n in range(20):
        seen(n, "silence")
    assert keeper.shut(lookout, "alipay", clock.ms) is None  # nobody has established anything: suspicion refuses nobody
    for doubtful in (changed(down, stage=Stage.INVESTIGATING), changed(down, onset_ms=START - 5_000), changed(down, payments=9),
                     changed(down, share=0.6), changed(down, place="all", place_name="*"), changed(down, party="us")):  # fmt: skip
        lookout.incidents = (doubtful,)
        assert [keeper.shut(lookout, "alipay", clock.ms) for _ in range(3)] == [None] * 3, doubtful
    lookout.incidents = (down,)
    assert state_of(lookout, "platform", "alipay", clock.ms).word == "major_outage"
    assert keeper.shut(lookout, "alipay", clock.ms) is None  # one may try
    shut = keeper.shut(lookout, "alipay", clock.ms)
    assert shut is not None and shut.again_ms == clock.ms + Doorkeeper.TRY_EVERY_MS and shut.state.incident == ""
    lookout.incidents = (changed(down, published_ms=1),)
    later = keeper.shut(lookout, "alipay", clock.ms)
    assert later is not None and later.state.incident == "inc_1" and keeper.shut(lookout, "wechatpay", clock.ms) is None
    seen(99)
    assert keeper.shut(lookout, "alipay", clock.ms) is None  # one came through: it is open
    lookout.incidents = (changed(down, share=0.5),)
    assert state_of(lookout, "platform", "alipay", clock.ms).word == "partial_outage"


def test_announced_maintenance_shuts_a_channel_only_when_it_is_felt() -> None:
    clock = Moved()
    lookout, keeper = Lookout(Silent(), clock), Doorkeeper()
    lookout.notices = (Notice("platform", "alipay", START - 1, START + 60_000),)
    assert state_of(lookout, "platform", "alipay", START) == ("under_maintenance", START + 60_000, "")
    assert [keeper.shut(lookout, "alipay", START) for _ in range(3)] == [None] * 3  # it works all the same
    for n in range(5):
        lookout._see(Sighting(f"pay_{n}", START - 1_000, Places("t", "s", "", "", "", "alipay"), "error"))
    shut = [keeper.shut(lookout, "alipay", START) for _ in range(2)]
    assert shut[0] is None and shut[1] is not None and shut[1].state.until_ms == START + 60_000
    assert keeper.shut(lookout, "alipay", START + 60_000) is None  # the window is over
