"""A pump over the real database with a clock, a network and chance of our own, for tests of webhooks."""

import asyncio
import time
from collections.abc import Callable

from daozhang.core.addresses import Target
from daozhang.core.directory import Merchant
from daozhang.core.standard_webhook import new_secret
from daozhang.core.webhook import Endpoint, Outcome
from daozhang.flow.webhook_message import Describe, nothing_more
from daozhang.flow.webhooks import Pump
from daozhang.store.store import PgStore
from tests.store.kit import NOW, merchant, new_id, past_the_horizon

Answer = Callable[[str, str], Outcome]


class Clock:
    def __init__(self) -> None:
        self.now = NOW + 10_000_000
        self.mono = 0.0  # milliseconds

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> float:
        return self.mono

    async def sleep_until(self, at_ms: int) -> None:
        self.mono += 20
        await asyncio.sleep(0)


class Carrier:
    """Writes down what it was given and answers by a rule."""

    def __init__(self, rule: Answer = lambda url, event: Outcome(204)) -> None:
        self.rule = rule
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []

    async def post(self, target: Target, headers: dict[str, str], body: bytes, livemode: bool) -> Outcome:
        await asyncio.sleep(0)
        self.sent.append((target.path, headers["webhook-id"], headers, body))
        return self.rule(target.path, headers["webhook-id"])

    def outside_s(self) -> int:
        return int(time.time())

    def ids(self, path: str = "/a") -> list[str]:
        return [event for where, event, _, _ in self.sent if where == path]


class Tasks:
    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: object, name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))  # type: ignore[arg-type]



class Chance:
    def bytes(self, count: int) -> bytes:
        return bytes(count)


class Bench:
    """A merchant with endpoints, and a pump that runs only when told."""

    def __init__(self, store: PgStore, rule: Answer = lambda url, event: Outcome(204)) -> None:
        self.store, self.clock, self.carrier, self.merchant = store, Clock(), Carrier(rule), merchant()
        self.describe: Describe = nothing_more

    def pump(self, carrier: Carrier | None = None, tasks: Tasks | None = None) -> Pump:
        return Pump(self.store, carrier or self.carrier, self.clock, Chance(), tasks or Tasks(), self.describe)  # type: ignore[arg-type]

    async def claimed(self) -> Endpoint:
        """Its only endpoint, leased."""
        rows = [*await self.store.claim_endpoints(self.clock.now, 10_000, 60_000),
                *await self.store.claim_endpoints(self.clock.now, 10_000, 60_000, failing=True)]  # fmt: skip
        (mine,) = [row for row in rows if row.merchant == self.merchant.id]
        for row in rows:
            if row is not mine:
                await self.store.let_go(row)
        return mine

    async def open(self, *paths: str, types: tuple[str, ...] = ()) -> list[Endpoint]:
        await self.store.add_merchant(self.merchant)
        for path in paths:
            await self.store.add_endpoint(endpoint(self.merchant, path, types))
        return await self.store.endpoints(self.merchant.id)

    async def settle(self, carrier: Carrier | None = None) -> None:
        """Round after round until nothing is left to do at this time."""
        await past_the_horizon(self.store)
        for _ in range(200):
            tasks = Tasks()
            await self.pump(carrier, tasks).round()
            if not tasks.tasks:
                return
            await asyncio.gather(*tasks.tasks)
        raise AssertionError("it never comes to rest")

    async def events(self) -> list[str]:
        return [row.id for row in (await self.store.events(self.merchant.id, limit=1000)).rows]


def endpoint(of: Merchant, path: str, types: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint(new_id("we", of.bucket), of.bucket, of.id, False, f"http://127.0.0.1:9{path}", types, "", "enabled", NOW,
                    ((new_secret(bytes(range(32))), 0),))  # fmt: skip
