"""A channel that is known to be unwell is asked less, never more rudely, and never forgotten; probes are few and prove only presence."""

from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.faults import KeyUsed, SaleTaken
from daozhang.core.incident import Incident, Probe, Stage
from daozhang.core.payment import State
from daozhang.core.ports import Silent
from daozhang.flow.doorkeeper import ChannelShut
from daozhang.flow.lookout import Lookout
from daozhang.flow.prober import IN_DOUBT_MS, ORDINARY_MS, Prober
from daozhang.flow.take import take
from daozhang.sim.world import START_MS, World, play
from daozhang.watch.notices import Notices
from tests.judge import manners

DOWN = Incident("inc_1", False, "dark", "channel", "alipay", START_MS - 90_000, START_MS, share=0.97, payments=40, party="platform",
                stage=Stage.IDENTIFIED, published_ms=1, published_by="rule")  # fmt: skip


def looked_after(world: World, sick: bool) -> Lookout:
    """The world's house gets a lookout, which knows of an outage or of none."""
    lookout = Lookout(Silent(), world.clock)
    object.__setattr__(world.house, "lookout", lookout)
    object.__setattr__(world.house, "witness", lookout)
    lookout.incidents = (DOWN,) if sick else ()
    return lookout


def queries(world: World) -> int:
    return sum(request["method"].endswith("query") for request in world.books()["requests"])


def run(sick: bool, fault: str) -> World:
    async def story(world: World) -> None:
        looked_after(world, sick)
        twin = world.twins["alipay"]
        twin.chaos(fault, world.clock.now_ms(), 1.0, 0, "", "")
        twin.chaos("notify_lost", world.clock.now_ms(), 1.0, 0, "", "")
        made = [await world.pay("pays" if at % 2 else "hesitates", wait_ms=0, sale=f"S-{fault}-{at}") for at in range(2)]
        await world.clock.sleep_until(world.clock.now_ms() + 90_000)
        for one in made:
            stored = await world.store.payment(one.id)
            assert stored is not None and (stored.proven or one.id in world.store.timers.by_subject)  # P6: somebody will ask again
        twin.chaos_off()
        for one in made:
            ended = await world.until_proven(one.id)
            assert ended.proven and ended.state in (State.PAID, State.CLOSED, State.REVERSED)

    world = play(5, story)
    assert not manners(world.books(), 3000, 60) and sum(world.store.balance.values()) == 0
    return world


@pytest.mark.parametrize("fault", ["lost_after", "error_500", "query_stale"])
def test_a_sick_channel_is_asked_less_and_nobody_is_forgotten(fault: str) -> None:
    usual, calm = queries(run(False, fault)), queries(run(True, fault))
    assert calm < usual, (calm, usual)


def test_calmer_manners_ask_less_and_keep_every_promise() -> None:
    for channel in Shelf.look():
        usual, calm = channel.manners, channel.calm_manners
        for name in ("first_query_ms", "every_ms", "slow_ms", "qr_every_ms"):
            assert getattr(calm, name) >= getattr(usual, name), (channel.name, name)
        for name in ("query_gap_ms", "window_ms", "undo_gaps_ms", "query_gaps_ms", "queries_most", "undo_after_ms", "fresh_ms"):
            assert getattr(calm, name) == getattr(usual, name), (channel.name, name)
        assert all(a <= b for a, b in zip(usual.deferred_gaps_ms, calm.deferred_gaps_ms, strict=True))


def test_a_shut_channel_begins_nothing_and_an_earlier_wish_is_answered_all_the_same() -> None:
    async def story(world: World) -> None:
        lookout = looked_after(world, True)
        twin = world.twins["alipay"]
        twin.chaos("reset_before", world.clock.now_ms(), 1.0, 0, "", "")
        first = world.order(code=twin.code("pays", world.clock.now_ms())["code"])
        made = await take(world.house, first, 0)
        await world.clock.sleep_until(world.clock.now_ms() + 1_000)
        assert len(lookout.window) == 1
        for _ in range(3):
            lookout.health.see(next(iter(lookout.window._seen.values())))
        world.house.doorkeeper._tried["alipay"] = world.clock.now_ms()
        before = len(world.store.payments_)
        with pytest.raises(ChannelShut) as refused:
            await world.pay(sale="S-new")
        assert refused.value.others == ("unionpay", "wechatpay") and len(world.store.payments_) == before
        with pytest.raises(KeyUsed):
            await take(world.house, first, 0)
        with pytest.raises(SaleTaken):
            await world.pay(sale=first.merchant_order_no)
        assert (await world.pay(wallet="wechatpay")).state is State.PAID
        twin.chaos_off()
        await world.until_proven(made.id)

    play(6, story)


class Books:
    def __init__(self) -> None:
        self.rows: list[Probe] = []

    async def probed(self, probe: Probe) -> None:
        self.rows.append(probe)


def test_probes_are_polite_and_show_presence_only() -> None:
    found: dict[str, Any] = {}

    async def story(world: World) -> None:
        books = Books()
        lookout = looked_after(world, False)
        quiet, doubting, always = (Prober(world.house, books, always=a, in_doubt=d) for a, d in ((False, False), (False, True), (True, True)))  # type: ignore[arg-type]
        assert await always.round() == []  # no account is known to be in use
        await world.pay()
        seen = len(world.books()["requests"])
        assert await quiet.round() == [] and await doubting.round() == []
        [one] = await always.round()
        assert one.answered and one.place == "here" and one.channel == "alipay" and len(world.books()["requests"]) == seen + 1
        assert await always.round() == []  # not so soon again
        lookout.incidents = (DOWN,)
        world.twins["alipay"].chaos("lost_before", world.clock.now_ms(), 1.0, 0, "", "")
        began, count = world.clock.now_ms(), 0
        while world.clock.now_ms() < began + ORDINARY_MS:
            count += len(await doubting.round())
            await world.clock.sleep_until(world.clock.now_ms() + 1_000)
        assert not books.rows[-1].answered and 1 < count <= ORDINARY_MS // IN_DOUBT_MS + 1
        assert await world.store.payment("pay_probe") is None and len(world.store.payments_) == 1
        found["rows"] = books.rows

    play(7, story)
    assert len(found["rows"]) >= 3


def test_a_channels_notice_needs_several_witnesses_and_lasts_no_longer_than_its_answers() -> None:
    notices, now = Notices(), 1_800_000_000_000
    for n in range(3):
        notices.heard("alipay", f"pay_{n}", "platform.maintenance", now)
        notices.heard("alipay", "pay_0", "platform.maintenance", now)
        notices.heard("wechatpay", f"pay_{n}", "platform.degraded", now)
    assert list(notices.due(now)) == []
    notices.heard("alipay", "pay_3", "platform.maintenance", now + 1_000)
    [window] = notices.due(now + 1_000)
    assert (window.party, window.name, window.source, window.from_ms, window.until_ms) == ("platform", "alipay", "notice", now, now + 121_000)
    assert list(notices.due(now + 2_000)) == []  # not at every look
    for n in range(4):
        notices.heard("alipay", f"pay_1{n}", "platform.maintenance", now + 50_000)
    [longer] = notices.due(now + 50_000)
    assert longer.id == window.id and longer.until_ms == now + 170_000
    assert list(notices.due(now + 200_000)) == []  # it says so no more
