"""Every fault of the table, on every channel that has it, staged as its one command stages it: what the shop sees, and the books."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.faults import SaleTaken
from daozhang.core.payment import OPEN, Payment, State
from daozhang.core.verdict import Verdict, judge
from daozhang.flow import find_out, heard
from daozhang.flow.take import take
from daozhang.sandbox.table import TABLE, on_channel, picture, stage
from daozhang.sandbox.table import page as table_page
from daozhang.sim.world import World, play
from tests.judge import manners

CHANNELS = [channel.name for channel in Shelf.look()]
S = State
NOTHING = {S.CLOSED, S.NOT_PAID}
# What a row may end in; where more than one stands, the books decide which of them is the truth.
ENDS: dict[str, set[State]] = {
    "F1": {S.PAID}, "F2": NOTHING, "F3": {S.PAID}, "F4": {S.REFUNDED, *NOTHING, S.REVERSED}, "F5": {S.PAID, *NOTHING, S.REVERSED},
    "F6": {S.PAID, S.REVERSED, S.CLOSED, S.REFUNDED}, "F7": NOTHING, "F8": {*NOTHING, S.REVERSED}, "F9": {S.PAID, S.REVERSED, *NOTHING},
    "F10": {S.PAID}, "F11": {S.PAID}, "F12": {S.PAID}, "F13": {S.PAID}, "F14": {S.PAID}, "F15": {S.PAID}, "F16": {S.PAID}, "F19": {S.PAID},
    "F20": {S.PAID, S.REFUNDED, *NOTHING, S.REVERSED},
}  # fmt: skip
_LONG = 3_000_000  # the shop has half an hour to answer, then its policy does


def rows() -> list[Any]:
    """Every row on every channel that can show it."""
    twins = {channel.name: channel.twin.make_simulated("world", lambda count: bytes(count)) for channel in Shelf.look()}
    return [pytest.param(number, name, id=f"{number}-{name}") for number in TABLE for name in CHANNELS if on_channel(number, twins[name])]


def kept(world: World, channel: str, payment: Payment) -> tuple[int, int]:
    """What the channel's own books say of the order: (captured, given back)."""
    order = next((one for one in world.books(channel)["orders"] if one["out_trade_no"] == "DZ" + payment.id[4:]), None)
    return (order["captured_fen"], order["returned_fen"]) if order else (0, 0)


def agree(world: World, channel: str, payment: Payment) -> None:
    """Ours against theirs, and debits against credits."""
    captured, returned = kept(world, channel, payment)
    ours = payment.captured_fen - payment.refunded_fen
    assert captured - returned == ours, f"{payment.state}: the books keep {captured - returned}, we say {ours}"
    if payment.state is State.REVERSED:
        assert captured == returned > 0
    assert sum(world.store.balance.values()) == 0


@pytest.mark.parametrize(("number", "channel"), rows())
def test_the_row_is_seen_and_the_books_agree(number: str, channel: str) -> None:
    found: dict[str, Any] = {"verdicts": []}

    async def story(world: World) -> None:
        twin = world.twins[channel]
        row = stage(number, twin, world.clock.now_ms())
        assert row is not None and [one["mode"] for one in twin.chaos_on()] == [turn.mode for turn in row.turns]
        payment = await world.pay(row.payer, wallet=channel, sale="A1")
        while payment.state in OPEN and world.clock.now_ms() - payment.created_ms < 400_000:
            found["verdicts"].append(judge(payment).verdict)
            with pytest.raises(SaleTaken):  # P3: no second charge while the first is not proven
                await take(world.house, world.order(1250, twin.code("pays", world.clock.now_ms())["code"], sale="A1"), 0)
            await world.clock.sleep_until(world.clock.now_ms() + 15_000)
            payment = await world.store.payment(payment.id) or payment
        if number in ("F7", "F8", "F9"):  # whoever cannot be reached cannot be asked: the fault ends, then the truth is found
            twin.chaos_off()
        found["first"] = (await world.until_proven(payment.id, _LONG)).state
        late = number in ("F4", "F6", "F11", "F20")
        await world.clock.sleep_until(world.clock.now_ms() + (_LONG if late else 120_000))
        found["payment"] = await world.store.payment(payment.id)

    world = play(21, story)
    payment: Payment = found["payment"]
    assert payment.state in ENDS[number], payment.state
    assert set(found["verdicts"]) <= {Verdict.CHECKING, Verdict.WAITING_CUSTOMER, Verdict.LATER}
    agree(world, channel, payment)
    assert not manners(world.books(channel), 1000 if channel == "unionpay" else 3000, 90)
    types = [event.type for _, event in world.store.events_ if event.subject == payment.id]
    assert types.count("payment.paid") == (1 if payment.captured_fen else 0)  # told once
    if number == "F3":
        assert Verdict.WAITING_CUSTOMER in found["verdicts"]
    if number == "F14" and channel != "wechatpay":  # which pushes nothing of code payments
        assert any("amount" in kind for kind, *_ in world.store.alarms_)
    if number == "F4" and payment.captured_fen:
        assert "payment.late_success" in types and payment.refunded_fen == payment.captured_fen


@pytest.mark.parametrize("channel", CHANNELS)
def test_f20_the_second_capture_of_a_sale_goes_back_and_the_shop_is_told(channel: str) -> None:
    found: dict[str, Any] = {}

    async def story(world: World) -> None:
        twin = world.twins[channel]
        stage("F20", twin, world.clock.now_ms())
        first = await world.pay(TABLE["F20"].payer, wallet=channel, sale="A1", wait_ms=0)
        first = await world.until_proven(first.id)
        if first.state not in NOTHING:  # this channel showed the late charge before anything else could be charged
            with pytest.raises(SaleTaken):
                await world.pay("pays", wallet=channel, sale="A1")
            both = [first]
        else:
            both = [first, await world.pay("pays", wallet=channel, sale="A1")]
        twin.chaos_off()
        await world.clock.sleep_until(world.clock.now_ms() + _LONG)
        found["both"] = [await world.store.payment(one.id) for one in both]

    world = play(22, story)
    for one in found["both"]:
        agree(world, channel, one)
    left = sum(one.captured_fen - one.refunded_fen for one in found["both"])
    assert left == 1250 if len(found["both"]) == 2 else left in (0, 1250)  # alone and late: by the shop's policy
    first = found["both"][0]
    assert channel != "alipay" or (len(found["both"]) == 2 and first.captured_fen)  # here it really is charged twice
    if len(found["both"]) == 2 and first.captured_fen:
        told = [event.type for _, event in world.store.events_ if event.subject == first.id]
        assert first.state is State.SURPLUS and "payment.surplus" in told


async def _deliver(world: World, channel: str, push: Any) -> tuple[int, bytes]:
    headers = {name.lower(): value for name, value in push.headers}
    status, _, body = await heard.notify(world.house, channel, headers.get("content-type", ""), "", push.body, headers, push.url.rpartition("/")[2])
    return status, body


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "wechatpay"])
def test_f10_twenty_equal_notifies_at_once_are_one_posting(channel: str) -> None:
    """Each of them is answered as received; nothing is posted or told twice."""

    async def story(world: World) -> None:
        held: list[Any] = []
        twin = world.twins[channel]
        tick = twin.tick
        twin.tick = lambda now: held.extend(tick(now)) or []  # type: ignore[attr-defined]
        twin.chaos("lost_after", world.clock.now_ms(), 1.0, 0, "pay", "")
        payment = await world.pay("pays", wallet=channel, wait_ms=0)
        while not held:
            await world.clock.sleep_until(world.clock.now_ms() + 50)
        answers = await asyncio.gather(*(_deliver(world, channel, held[0]) for _ in range(20)))
        assert len(set(answers)) == 1 and answers[0][0] == 200 and b"fail" not in answers[0][1]
        paid = await world.store.payment(payment.id)
        assert paid is not None and paid.state is State.PAID
        await world.clock.sleep_until(world.clock.now_ms() + 60_000)

    world = play(23, story)
    assert [event.type for _, event in world.store.events_].count("payment.paid") == 1
    assert sum(1 for _, one in world.store.transfers if one.kind == "capture") == 1


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "wechatpay"])
def test_f13_a_notify_of_an_order_that_is_not_ours_yet_is_not_thanked_for(channel: str) -> None:
    """Whatever comes before our own commit must come again: it is answered so that the channel repeats it."""
    told: list[tuple[int, bytes]] = []

    async def story(world: World) -> None:
        held: list[Any] = []
        twin = world.twins[channel]
        tick = twin.tick
        twin.tick = lambda now: held.extend(tick(now)) or []  # type: ignore[attr-defined]
        payment = await world.pay("pays", wallet=channel)
        while not held:
            await world.clock.sleep_until(world.clock.now_ms() + 50)
        row = world.store.payments_.pop(payment.id)  # as if it were not committed yet
        told.append(await _deliver(world, channel, held[0]))
        world.store.payments_[payment.id] = row
        told.append(await _deliver(world, channel, held[0]))

    play(24, story)
    (first_status, first_body), (status, body) = told
    assert (first_status, first_body) != (status, body) and status == 200


@pytest.mark.parametrize("channel", CHANNELS)
def test_f5_an_undo_that_crosses_the_payment_leaves_one_truth(channel: str) -> None:
    """The payer finishes in the same instant in which the shop gives up, a few milliseconds before or after."""
    _races(channel, range(0, 300, 6))


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("channel", CHANNELS)
def test_f5_ten_thousand_races(channel: str) -> None:
    for start in range(0, 3_400, 50):
        _races(channel, range(start, start + 50))


def _races(channel: str, offsets: range) -> None:
    ended: dict[str, Payment] = {}

    async def story(world: World) -> None:
        begun = []
        for offset in offsets:
            payment = await world.pay("types_slowly", wallet=channel, wait_ms=0)
            begun.append(payment.id)
            world.tasks.spawn(_give_up_at(world, payment, payment.created_ms + 24_900 + offset), "gives up")
        await world.clock.sleep_until(world.clock.now_ms() + _LONG)
        for ident in begun:
            ended[ident] = await world.store.payment(ident) or pytest.fail("gone")

    world = play(len(offsets) + offsets.start, story)
    for payment in ended.values():
        assert payment.state in (State.PAID, State.CLOSED, State.REVERSED, State.REFUNDED), payment.state
        agree(world, channel, payment)


async def _give_up_at(world: World, payment: Payment, at_ms: int) -> None:
    await world.clock.sleep_until(at_ms)
    await find_out.give_up(world.house, payment.id, "till", 0)


def test_f9_a_slow_channel_slows_no_other() -> None:
    """A payment of another channel takes as long as ever while one answers after eight seconds."""

    def takes(slow: bool) -> int:
        spent: list[int] = []

        async def story(world: World) -> None:
            if slow:
                stage("F9", world.twins["alipay"], world.clock.now_ms())
                for _ in range(10):
                    await world.pay("pays", wallet="alipay", wait_ms=0)
            began = world.clock.now_ms()
            for name in ("wechatpay", "unionpay"):
                payment = await world.pay("pays", wallet=name)
                await world.until_proven(payment.id)
            spent.append(world.clock.now_ms() - began)

        play(25, story)
        return spent[0]

    assert takes(True) <= takes(False) * 1.2


@pytest.mark.parametrize("channel", CHANNELS)
def test_f8_a_brown_out_is_asked_no_more_than_a_healthy_channel(channel: str) -> None:
    def queries(staged: bool) -> float:
        async def story(world: World) -> None:
            if staged:
                stage("F8", world.twins[channel], world.clock.now_ms())
            payments = [await world.pay("hesitates", wait_ms=0, wallet=channel) for _ in range(20)]
            await world.clock.sleep_until(world.clock.now_ms() + 120_000)
            assert len(payments) == 20

        books = play(26, story).books(channel)
        methods = [request["method"].lower() for request in books["requests"]]
        asked = sum("query" in method or method.startswith("00") for method in methods)
        undone = sum(any(word in method for word in ("cancel", "reverse")) or method.startswith("99") for method in methods)
        return (asked - undone) / 20  # a query follows each undo, which a brown-out makes fail and be repeated

    assert 0 < queries(True) <= queries(False) * 1.05


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_of_the_docs_is_the_table(lang: str) -> None:
    page = Path(__file__).parents[2] / "docs" / ("faults.md" if lang == "zh" else "faults.en.md")
    assert page.read_text("utf-8") == table_page(lang), "make it again: python -m daozhang.sandbox.table zh|en"


def test_every_row_has_words_and_a_channel() -> None:
    twins = [channel.twin.make_simulated("world", lambda count: bytes(count)) for channel in Shelf.look()]
    for number, row in TABLE.items():
        assert all(picture(number, row)[word] for word in ("zh", "en", "payer")) and row.sees_zh and row.sees_en
        assert any(on_channel(number, twin) for twin in twins)
    assert {f"F{n}" for n in range(1, 21)} - set(TABLE) == {"F17", "F18"}  # bills: see their own tests
