"""F1 to F20 as `daozhang chaos stage` stages them, on every channel: what people see, one charge at most, both books agree."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Push
from daozhang.core.payment import Method, Payment, State
from daozhang.core.refund import RefundKind
from daozhang.flow import refund
from daozhang.flow.take import take
from daozhang.sandbox import staged
from daozhang.sim.world import SeededRand, World, play
from tests.judge import all_manners, blind_undos, counted_manners, manners

GAP_MS = {"alipay": 3000, "wechatpay": 5000, "unionpay": 1000}
PAID, FREE = {State.PAID}, {State.CLOSED, State.NOT_PAID, State.REVERSED}
# fault -> where the payment may end
ENDS: dict[str, set[State]] = {
    "F1": PAID, "F2": FREE, "F3": PAID, "F4": {State.REFUNDED}, "F5": PAID | FREE, "F6": PAID | FREE, "F7": PAID | FREE,
    "F8": PAID | FREE, "F9": PAID | FREE, "F10": PAID, "F11": {State.PARTLY_REFUNDED}, "F12": PAID, "F13": PAID, "F14": PAID,
    "F15": PAID, "F16": PAID, "F17": PAID, "F17B": PAID, "F18": PAID, "F20B": PAID, "F19": PAID, "F20": {State.SURPLUS},
}  # fmt: skip
ROWS = [(one.number, channel) for one in staged.STAGED for channel in one.channels]


@dataclass
class Seen:
    """What one story left behind."""

    payment: Payment
    world: World
    thanks: list[bytes] = field(default_factory=list)

    def books(self) -> dict[str, Any]:
        return self.world.books(str(self.payment.channel))

    def kept(self) -> int:
        return sum(order["captured_fen"] - order["returned_fen"] for order in self.books()["orders"])

    def types(self, payment: str = "") -> list[str]:
        return [event.type for _, event in self.world.store.events_ if event.subject == (payment or self.payment.id)]


def staging(number: str, channel: str, seed: int = 21, after_s: int = 30) -> Seen:
    """Stage it, take the payment that shows it, and wait for the end."""
    found: dict[str, Seen] = {}

    async def story(world: World) -> None:
        one = staged.find(number)
        assert one is not None
        heard = _at_once(world)
        one.stage(world.twins[channel], world.clock.now_ms())
        payment = await shown(world, channel, one) if one.qr else await world.pay(one.payer, wallet=channel, sale="A1")
        done = await world.until_proven(payment.id, 2_000_000)
        assert done.proven
        await THEN.get(number, _nothing)(world, channel, done)
        await world.clock.sleep_until(world.clock.now_ms() + after_s * 1000)
        last = await world.store.payment(payment.id)
        assert last is not None
        found["seen"] = Seen(last, world, heard)

    play(seed, story)
    return found["seen"]


async def _nothing(world: World, channel: str, done: Payment) -> None:
    """Most stories are over here."""


async def _give_some_back(world: World, channel: str, done: Payment) -> None:
    await refund.begin(world.house, done, 500, RefundKind.REFUND, "", None, 30_000)
    await world.clock.sleep_until(world.clock.now_ms() + 90_000)


async def _nobody_answers(world: World, channel: str, done: Payment) -> None:
    await world.clock.sleep_until(world.clock.now_ms() + 30_000)
    late_one = await world.store.payment(done.id)
    assert late_one is not None and late_one.late and late_one.question == "late_success"
    await world.clock.sleep_until(late_one.answer_by_ms + 60_000)


async def _charged_again(world: World, channel: str, done: Payment) -> None:
    assert done.state in FREE
    again = await world.pay("pays", wallet=channel, sale="A1")
    assert (await world.until_proven(again.id)).state is State.PAID
    end = world.clock.now_ms() + 8_000_000
    while world.clock.now_ms() < end:
        first = await world.store.payment(done.id)
        if first is not None and first.state is State.SURPLUS and first.refunded_fen:
            return
        await world.clock.sleep_until(world.clock.now_ms() + 5_000)


THEN = {"F4": _nobody_answers, "F11": _give_some_back, "F20": _charged_again}


def _at_once(world: World) -> list[bytes]:
    """The notifies of one moment come at once, into a store that lets others in between; what each was answered."""
    heard: list[bytes] = []

    async def pause() -> None:
        await asyncio.sleep(0)

    world.store._pause = pause
    one_by_one = world.deliver

    async def deliver(name: str, push: Push) -> None:
        world.tasks.spawn(one_by_one(name, push), "a notify")

    twins = world.twins
    for twin in twins.values():
        pushed = twin.pushed

        def told(ident: str, status: int | None, body: bytes, now: int, pushed: Any = pushed) -> None:
            heard.append(body if status == 200 or status == 204 else b"fail")
            pushed(ident, status, body, now)

        twin.pushed = told  # type: ignore[method-assign]
    world.deliver = deliver  # type: ignore[method-assign]
    return heard


async def shown(world: World, channel: str, one: staged.Staged) -> Payment:
    payment = await take(world.house, world.order(method=Method.PAY_BY_QR, channel=channel), 1_000)
    world.twins[channel].scan(payment.qr, one.payer, world.clock.now_ms())
    return payment


def agree(seen: Seen) -> None:
    """The channel keeps exactly what we say it keeps; the ledger adds up; the manners held."""
    payments = list(seen.world.store.payments_.values())
    ours = sum(p.captured_fen - p.refunded_fen for p in payments if p.state not in FREE)
    assert ours <= 1250
    assert seen.kept() == ours, [(str(p.state), p.captured_fen, p.refunded_fen) for p in payments]
    assert sum(seen.world.store.balance.values()) == 0
    channel = str(seen.payment.channel)
    rows = {"requests": [{**row, "channel": channel} for row in seen.books()["requests"]]}
    assert not all_manners(rows, 60) and not blind_undos(rows)


@pytest.mark.parametrize(("number", "channel"), ROWS)
def test_each_fault_on_each_channel(number: str, channel: str) -> None:
    seen = staging(number, channel)
    assert seen.payment.state in ENDS[number]
    for order in seen.books()["orders"]:
        assert order["captured_fen"] in (0, 1250)
    assert seen.types().count("payment.paid") <= 1
    if seen.payment.state is State.PAID and not seen.payment.late:
        assert seen.types().count("payment.paid") == 1
    agree(seen)


def test_twenty_copies_make_one_posting_and_twenty_thanks() -> None:
    for channel in staged.ALL:
        seen = staging("F10", channel)
        word = {"alipay": b"success", "unionpay": b"ok", "wechatpay": b"SUCCESS"}[channel]
        assert len(seen.thanks) == 20 and all(word in body for body in seen.thanks), (channel, seen.thanks[:3])
        captured = [one for _, one in seen.world.store.transfers if one.amount_fen == 1250]
        assert len({(one.debit, one.credit) for one in captured}) == len(captured)


def test_what_contradicts_us_is_told_and_never_thanked_for() -> None:
    for channel in staged.ALL:
        seen = staging("F14", channel)
        assert seen.world.store.alarms_ and b"success" not in seen.thanks and b"ok" not in seen.thanks
        assert "notify.bad_amount" in {kind for kind, *_ in seen.world.store.alarms_}


@pytest.mark.parametrize("channel", staged.ALL)
def test_a_notify_after_fifteen_hours_finds_everything_decided(channel: str) -> None:
    found: dict[str, Any] = {}

    async def story(world: World) -> None:
        one = staged.find("F12")
        assert one is not None
        heard = _at_once(world)
        one.stage(world.twins[channel], world.clock.now_ms())
        payment = await shown(world, channel, one)
        done = await world.until_proven(payment.id)
        assert done.state is State.PAID and done.decided_ms - done.created_ms < 120_000 and not heard
        for task in [task for task in asyncio.all_tasks() if task.get_name() in ("notifies", "janitor")]:
            task.cancel()  # nothing is due for fifteen hours
        await world.clock.sleep_until(world.clock.now_ms() + 15 * 3_600_000)
        world.tasks.spawn(world._notifies(), "notifies")
        await world.clock.sleep_until(world.clock.now_ms() + 10_000)
        after = await world.store.payment(payment.id)
        assert after is not None
        found["seen"] = Seen(after, world, heard)

    play(21, story)
    seen = found["seen"]
    assert len(seen.thanks) == 1 and seen.thanks != [b"fail"]
    assert seen.payment.state is State.PAID and seen.types().count("payment.paid") == 1
    agree(seen)


@pytest.mark.parametrize("channel", staged.ALL)
def test_a_charge_that_the_channel_hides_is_never_free_to_charge_again(channel: str) -> None:
    """F6: while the channel keeps the money and says waiting, no row ever says that the shop may charge again."""
    wrong: list[str] = []

    async def story(world: World) -> None:
        one, twin = staged.find("F6"), world.twins[channel]
        assert one is not None
        one.stage(twin, world.clock.now_ms())
        payment = await world.pay(one.payer, wallet=channel, wait_ms=0)
        for _ in range(900):
            await world.clock.sleep_until(world.clock.now_ms() + 200)
            row = await world.store.payment(payment.id)
            kept = sum(order["captured_fen"] - order["returned_fen"] for order in twin.books()["orders"])
            if kept and row is not None and row.state in FREE:
                wrong.append(f"{row.state} while {kept} is kept")

    play(22, story)
    assert wrong == []


@pytest.mark.parametrize("mode", ["unknown_enum", "new_field", "retyped", "nulls"])
@pytest.mark.parametrize("channel", staged.ALL)
def test_signed_replies_of_a_strange_shape(channel: str, mode: str) -> None:
    """F19: a field more is no reason for doubt; whatever else proves nothing, and while it lasts nothing is claimed."""
    found: dict[str, Any] = {}

    async def story(world: World) -> None:
        twin = world.twins[channel]
        twin.chaos(mode, world.clock.now_ms(), 1.0, 20_000, "pay query", "")
        twin.chaos("notify_lost", world.clock.now_ms(), 1.0, 20_000, "", "")
        payment = await world.pay("pays", wallet=channel)
        await world.clock.sleep_until(payment.created_ms + 15_000)
        during = await world.store.payment(payment.id)
        assert during is not None
        found["during"] = during.state
        found["seen"] = Seen(await world.until_proven(payment.id), world)

    play(23, story)
    assert found["seen"].payment.state is State.PAID
    if mode == "new_field":
        assert found["during"] is State.PAID
    elif mode == "unknown_enum":
        assert found["during"] is not State.PAID
    agree(found["seen"])


def the_race(channel: str, rounds: int, seed: int) -> dict[State, int]:
    """F5, so many times: the payer confirms in the very moment in which the undo arrives."""
    ends: dict[State, int] = {}

    async def story(world: World) -> None:
        twin = world.twins[channel]
        twin.chaos("undo_race", world.clock.now_ms())
        made = [await world.pay("hesitates", wait_ms=0, wallet=channel) for _ in range(rounds)]
        for payment in made:
            done = await world.until_proven(payment.id, 2_000_000)
            ends[done.state] = ends.get(done.state, 0) + 1
            order = next(one for one in twin.books()["orders"] if one["out_trade_no"] == "DZ" + payment.id[4:])
            kept = order["captured_fen"] - order["returned_fen"]
            assert done.proven and kept == (1250 if done.state is State.PAID else 0), (done.state, order)
            assert done.state is not State.REVERSED or order["captured_fen"] == 1250

    play(seed, story)
    return ends


@pytest.mark.parametrize("channel", staged.ALL)
def test_an_undo_that_meets_the_confirmation(channel: str) -> None:
    ends = the_race(channel, 100, 24)
    assert sum(ends.values()) == 100 and not set(ends) - PAID - FREE
    assert len(ends) > 1 or channel == "wechatpay"


@pytest.mark.prove
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("channel", staged.ALL)
def test_ten_thousand_undos_that_meet_the_confirmation(channel: str) -> None:
    total: dict[State, int] = {}
    for seed in range(100):
        for state, count in the_race(channel, 100, 1_000 + seed).items():
            total[state] = total.get(state, 0) + count
    print(channel, {str(state): count for state, count in total.items()})
    assert sum(total.values()) == 10_000


@pytest.mark.parametrize("channel", staged.ALL)
def test_half_of_all_requests_fail_and_nobody_asks_faster(channel: str) -> None:
    """F8: queries a minute of an order that nobody pays, in a brown-out and on a good day."""

    def rate(share: float) -> float:
        open_ms: list[int] = []

        async def story(world: World) -> None:
            if share:
                world.twins[channel].chaos("brown_out", world.clock.now_ms(), share, 0, "query", "")
            made = [await world.pay("hesitates", wait_ms=0, wallet=channel) for _ in range(12)]
            for payment in made:
                done = await world.until_proven(payment.id, 2_000_000)
                open_ms.append(done.decided_ms - done.created_ms)

        books = play(25, story).books(channel)
        assert not manners(books, GAP_MS[channel], 60) and not (channel == "unionpay" and counted_manners(books))
        asked = sum(request["method"].endswith("trade.query") for request in books["requests"])
        return asked / (sum(open_ms) / 60_000)

    healthy, brown = rate(0), rate(0.5)
    print(f"{channel}: queries a minute, healthy {healthy:.2f}, brown-out {brown:.2f}")
    assert brown <= healthy


@pytest.mark.parametrize("channel", staged.ALL)
def test_a_slow_channel_slows_nobody_else(channel: str) -> None:
    """F9: in virtual time the payments of the other channels take as long as ever."""

    def took(number: str) -> list[int]:
        times: list[int] = []

        async def story(world: World) -> None:
            found = staged.find(number)
            if found is not None:
                found.stage(world.twins[channel], world.clock.now_ms())
            sick = [asyncio.ensure_future(world.pay("pays", wallet=channel)) for _ in range(20)]
            for other in staged.ALL:
                if other != channel:
                    began = world.clock.now_ms()
                    payment = await world.pay("pays", wallet=other)
                    await world.until_proven(payment.id)
                    times.append(world.clock.now_ms() - began)
            await asyncio.gather(*sick)

        play(26, story)
        return times

    assert took("F9") == took("")


def modes() -> list[tuple[str, str]]:
    return [(channel.name, row["name"]) for channel in Shelf.look()
            for row in channel.twin.make_simulated("s", SeededRand(1).bytes).modes()]  # fmt: skip


@pytest.mark.parametrize(("channel", "mode"), modes())
def test_each_mode_of_each_channel_ends_with_books_that_agree(channel: str, mode: str) -> None:
    """For a minute and a half; the payer does what lets the fault strike."""
    found: dict[str, Seen] = {}
    undo = mode.startswith(("undo", "success"))

    async def story(world: World) -> None:
        twin = world.twins[channel]
        twin.chaos(mode, world.clock.now_ms(), 1.0, 90_000, "", "")
        if mode.startswith("notify"):
            payment = await shown(world, channel, staged.STAGED[0])
        else:
            payment = await world.pay("hesitates" if undo else "pays", wallet=channel)
        await world.until_proven(payment.id, 4_000_000)
        await world.clock.sleep_until(world.clock.now_ms() + 100_000)
        done = await world.until_proven(payment.id)
        found["seen"] = Seen(done, world)

    play(28, story)
    seen = found["seen"]
    assert seen.payment.proven and seen.types().count("payment.paid") <= 1
    if mode in LONG_AFTER and seen.payment.state in FREE:
        return  # the channel charged after its own word, and nobody can know it yet: F4 and F20 wait until it is known
    agree(seen)


LONG_AFTER = ("success_long_after", "late_arrival")


def behaving() -> list[tuple[str, str]]:
    return [(channel.name, row["name"]) for channel in Shelf.look()
            for row in channel.twin.make_simulated("s", SeededRand(1).bytes).behaviours()]  # fmt: skip


@pytest.mark.parametrize(("channel", "behaviour"), behaving())
def test_each_payer_of_each_channel_comes_to_an_end_on_which_both_books_agree(channel: str, behaviour: str) -> None:
    found: dict[str, Seen] = {}

    async def story(world: World) -> None:
        payment = await world.pay(behaviour, wallet=channel)
        found["seen"] = Seen(await world.until_proven(payment.id), world)

    play(27, story)
    seen = found["seen"]
    assert seen.payment.proven and seen.payment.state in PAID | FREE
    assert (seen.payment.state is State.PAID) == bool(seen.kept())
    agree(seen)
