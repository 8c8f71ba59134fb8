"""F13: a notify that comes before our own commit must come again: it is answered so that the channel repeats it."""

from typing import Any

import pytest

from daozhang.core.payment import State
from daozhang.flow import heard
from daozhang.sim.world import World, play


async def _deliver(world: World, channel: str, push: Any) -> tuple[int, bytes]:
    headers = {name.lower(): value for name, value in push.headers}
    kind, account = headers.get("content-type", ""), push.url.rpartition("/")[2]
    status, _, body = await heard.notify(world.house, channel, kind, "", push.body, headers, account)
    return status, body


@pytest.mark.parametrize("channel", ["alipay", "unionpay"])  # WeChat Pay pushes nothing of code payments
def test_a_notify_of_an_order_that_is_not_written_yet_is_not_thanked_for(channel: str) -> None:
    told: list[tuple[int, bytes]] = []
    ended: list[State] = []

    async def story(world: World) -> None:
        held: list[Any] = []
        twin = world.twins[channel]
        tick = twin.tick
        twin.tick = lambda now: held.extend(tick(now)) or []  # type: ignore[method-assign]
        twin.chaos("lost_after", world.clock.now_ms(), 1.0, 0, "pay", "")
        payment = await world.pay("pays", wallet=channel, wait_ms=0)
        while not held:
            await world.clock.sleep_until(world.clock.now_ms() + 50)
        row = world.store.payments_.pop(payment.id)  # as if it were not committed yet
        told.append(await _deliver(world, channel, held[0]))
        world.store.payments_[payment.id] = row
        told.append(await _deliver(world, channel, held[0]))
        after = await world.until_proven(payment.id)
        ended.append(after.state)

    play(24, story)
    (first_status, first_body), (status, body) = told
    assert (first_status, first_body) != (status, body) and status == 200
    assert ended == [State.PAID]
