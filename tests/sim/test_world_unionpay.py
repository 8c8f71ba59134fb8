"""UnionPay on virtual time: what the town found, in its smallest form."""

from daozhang.channels.twin import Push, Twin
from daozhang.core.changed import changed
from daozhang.core.payment import State
from daozhang.flow import heard
from daozhang.sim.world import World, play


class Ear:
    """Keeps what a twin pushes."""

    def __init__(self, twin: Twin) -> None:
        self.kept: list[Push] = []
        self._tick = twin.tick
        twin.tick = self.tick  # type: ignore[method-assign]

    def tick(self, now_ms: int) -> list[Push]:
        pushes = self._tick(now_ms)
        self.kept += pushes
        return pushes


def test_a_notify_that_was_heard_before_an_end_makes_us_ask_when_it_comes_again() -> None:
    """UnionPay numbers a second charge of one order like the first: its notify is no repeat to be thrown away."""

    async def story(world: World) -> None:
        ear = Ear(world.twins["unionpay"])
        paid = await world.pay(wallet="unionpay")
        paid = await world.until_proven(paid.id)
        await world.clock.sleep_until(world.clock.now_ms() + 2_000)
        push = ear.kept[0]

        async def again() -> int:
            kind = dict(push.headers).get("Content-Type", "")
            await heard.notify(world.house, "unionpay", kind, "", push.body, {}, paid.account)
            await world.clock.sleep_until(world.clock.now_ms() + 5_000)
            return len(await world.store.evidence(paid.id))

        lines = len(await world.store.evidence(paid.id))
        assert await again() == lines  # the same word of a paid payment adds nothing
        ended = changed(paid, state=State.REVERSED, captured_fen=0, received_fen=0, payer_paid_fen=0, fee_fen=0, undo_tries=1)
        world.store.payments_[paid.id] = changed(ended, version=world.store.payments_[paid.id].version)
        assert await again() > lines
        late = world.store.payments_[paid.id]
        assert late.state is State.PAID and late.late and late.question == "late_success"

    play(11, story)
