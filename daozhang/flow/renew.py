"""The keys that a channel signs with change: a new one is fetched when it is first met, and the message is read after that."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from daozhang.channels.plug import KeysWire
from daozhang.core.ports import Exchange
from daozhang.flow.house import House

log = logging.getLogger("daozhang.keys")


async def known_keys(
    house: House, channel: str, account_id: str, account: Any, headers: Iterable[tuple[str, str]]
) -> None:
    """Return once the keys that these headers name are known, or cannot be. One fetch serves all who wait."""
    keys = house.channel(channel).keys
    if keys is None:
        return
    running = house.renewing.get(account_id)
    if running is not None:
        await asyncio.wait({running})
        return
    now = house.clock.now_ms()
    request = keys.ask_keys(account, {name.lower(): value for name, value in headers}, now)
    if request is None:
        return
    done = house.renewing[account_id] = asyncio.get_running_loop().create_future()
    try:
        exchange = await house.net.call(request)
        _learnt(keys, account, exchange, house.clock.now_ms(), account_id)
    finally:
        del house.renewing[account_id]
        done.set_result(None)


def _learnt(keys: KeysWire, account: Any, exchange: Exchange, now_ms: int, account_id: str) -> None:
    if keys.learn_keys(account, exchange, now_ms):
        log.info("the channel's new keys are known", extra={"account": account_id})
    else:
        log.warning("the channel's keys could not be learnt", extra={"account": account_id, "status": exchange.status})
