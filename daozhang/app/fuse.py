"""Building the house for one process from the settings: real store, network, clock, chance, tasks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daozhang.channels.shelf import Shelf
from daozhang.flow.house import House
from daozhang.flow.waiters import Waiters
from daozhang.ports.clock import RealClock, SandboxClock
from daozhang.ports.net import HttpNet
from daozhang.ports.proc import Tasks
from daozhang.ports.rand import SystemRand
from daozhang.settings import Settings
from daozhang.store.seal import Seal, open_or_create_master_key
from daozhang.store.store import PgStore


@dataclass
class Built:
    """A house and how to take it down again, in order."""

    house: House
    store: PgStore
    seal: Seal
    tasks: Tasks
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def close(self) -> None:
        await self.tasks.drain(8.0)
        for closer in reversed(self.closers):
            await closer()


def clock_of(settings: Settings) -> RealClock:
    """The sandbox's movable clock, or the real one."""
    return SandboxClock(settings.data / "clock.offset") if settings.sandbox else RealClock()


async def build(settings: Settings, who: str) -> Built:
    """Open the store and the network and put the house together for the process ``who``."""
    clock = clock_of(settings)
    seal = open_or_create_master_key(master_key_path(settings), may_create=settings.sandbox)
    store = await PgStore.open(settings.dsn, seal, connections=settings.store_connections)
    net, tasks, waiters = HttpNet(clock), Tasks(), Waiters(clock)
    await store.listen(waiters.wake)
    house = House(
        store=store,
        directory=store,
        reading=store,
        shelf=Shelf.look(),
        net=net,
        clock=clock,
        rand=SystemRand(),
        proc=tasks,
        waiters=waiters,
        notify_base=settings.notify_url,
        who=who,
    )
    return Built(house, store, seal, tasks, [store.close, net.close])


def master_key_path(settings: Settings) -> str:
    return settings.master_key_file or str(settings.data / "master.key")
