"""Every mode and every payer of every channel, one after another: an end, one announcement at most, and books that agree."""

from dataclasses import dataclass
from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.payment import Method, Payment, State
from daozhang.flow.take import take
from daozhang.sandbox import table
from daozhang.sim.world import SeededRand, World, play
from tests.judge import all_manners, blind_undos

CHANNELS = [channel.name for channel in Shelf.look()]
PAID, FREE = {State.PAID}, {State.CLOSED, State.NOT_PAID, State.REVERSED}


@dataclass
class Seen:
    """What one story left behind."""

    payment: Payment
    world: World

    def books(self) -> dict[str, Any]:
        return self.world.books(str(self.payment.channel))

    def kept(self) -> int:
        return sum(order["captured_fen"] - order["returned_fen"] for order in self.books()["orders"])

    def types(self, payment: str = "") -> list[str]:
        return [event.type for _, event in self.world.store.events_ if event.subject == (payment or self.payment.id)]


async def shown(world: World, channel: str) -> Payment:
    """A QR of ours, scanned by a payer who pays at once."""
    payment = await take(world.house, world.order(method=Method.PAY_BY_QR, channel=channel), 1_000)
    world.twins[channel].scan(payment.qr, "pays", world.clock.now_ms())
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


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_charge_that_the_channel_hides_is_never_free_to_charge_again(channel: str) -> None:
    """F6: while the channel keeps the money and says waiting, no row ever says that the shop may charge again."""
    wrong: list[str] = []

    async def story(world: World) -> None:
        twin = world.twins[channel]
        assert table.stage("F6", twin, world.clock.now_ms()) is not None
        payment = await world.pay(wallet=channel, wait_ms=0)
        for _ in range(900):
            await world.clock.sleep_until(world.clock.now_ms() + 200)
            row = await world.store.payment(payment.id)
            kept = sum(order["captured_fen"] - order["returned_fen"] for order in twin.books()["orders"])
            if kept and row is not None and row.state in FREE:
                wrong.append(f"{row.state} while {kept} is kept")

    play(22, story)
    assert wrong == []


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
            payment = await shown(world, channel)
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
