"""Building the house for one process from the settings: real store, network, clock, chance, tasks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from daozhang.app.witness import Watcher
from daozhang.channels.shelf import Shelf
from daozhang.core.faults import Fault
from daozhang.flow.alerter import Owing
from daozhang.flow.around import keep_looking
from daozhang.flow.code_watch import CodeWatch
from daozhang.flow.house import House
from daozhang.flow.lookout import Lookout
from daozhang.flow.waiters import Waiters
from daozhang.ports.clock import RealClock, SandboxClock
from daozhang.ports.net import HttpNet
from daozhang.ports.proc import Tasks
from daozhang.ports.rand import SystemRand
from daozhang.settings import BadSetting, Settings
from daozhang.store.seal import Seal, open_or_create_master_key
from daozhang.store.store import PgStore
from daozhang.watch.alerts import Target, targets

_TELL_EVERY_S = 0.25


@dataclass
class Built:
    """A house and how to take it down again, in order."""

    house: House
    store: PgStore
    seal: Seal
    tasks: Tasks
    witness: Watcher
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def close(self) -> None:
        await self.tasks.drain(8.0)
        for closer in reversed(self.closers):
            await closer()
        self.witness.close()


def clock_of(settings: Settings) -> RealClock:
    """The sandbox's movable clock, or the real one."""
    return SandboxClock(settings.data / "clock.offset") if settings.sandbox else RealClock()


def loopback_allowed(settings: Settings) -> bool:
    """Test deliveries may reach this machine only in the sandbox; live ones are never allowed to (ports/outward)."""
    return settings.sandbox and settings.webhook_loopback


def alert_targets(settings: Settings) -> tuple[Target, ...]:
    """Who is alerted. Raises BadTarget: a mistake in the file is found at the start."""
    return targets(Path(settings.alerts_file) if settings.alerts_file else settings.data / "alerts.toml")


async def build(settings: Settings, who: str) -> Built:
    """Open the store and the network and put the house together for the process ``who``."""
    clock = clock_of(settings)
    seal = open_or_create_master_key(master_key_path(settings), may_create=settings.sandbox)
    store = await PgStore.open(settings.dsn, seal, connections=settings.store_connections)
    net, tasks, waiters = HttpNet(clock), Tasks(), Waiters(clock)
    await store.listen(waiters.wake)
    witness = witness_of(settings, who)
    lookout = Lookout(witness, clock)
    # Only the doors are shown codes; their watches share one key, so that they know a code by the same hash.
    codes = CodeWatch(seal.derived("payment codes that are tried out"), SystemRand().bytes(6).hex()) if who == "serve" else None
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
        witness=lookout,
        fleet=store,
        lookout=lookout,
        incidents=store,
        alert=Owing(alert_targets(settings)),
        stated=store,
        codes=codes,
    )
    tasks_of_ours = [
        asyncio.create_task(_tell_others(lookout, codes, store), name="lookout"),
        asyncio.create_task(keep_looking(lookout, store, store, clock), name="what is known around"),
        await store.hear("dz_seen", lookout.take),
    ]
    if codes is not None:
        tasks_of_ours.append(await store.hear("dz_codes", partial(_codes_heard, codes, store, tasks)))

    async def end() -> None:
        for task in tasks_of_ours:
            task.cancel()
        await asyncio.gather(*tasks_of_ours, return_exceptions=True)

    return Built(house, store, seal, tasks, witness, [store.close, net.close, end])


async def _tell_others(lookout: Lookout, codes: CodeWatch | None, store: PgStore) -> None:
    """What this process sees, the others know a moment later; what the store cannot carry is only missing."""
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        with contextlib.suppress(Fault, OSError):
            for piece in lookout.drain():
                await store.say("dz_seen", piece)
            for piece in codes.drain() if codes is not None else ():
                await store.say("dz_codes", piece)


def _codes_heard(codes: CodeWatch, store: PgStore, tasks: Tasks, payload: str) -> None:
    for one in codes.take(payload):
        tasks.spawn(store.alarm(one.kind, one.till, one.at_ms, one.detail), "codes tried")


def witness_of(settings: Settings, who: str) -> Watcher:
    """Metrics and the log; traces too where they are wanted. Raises BadSetting when they cannot be had."""
    if not settings.otel_endpoint:
        return Watcher()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from daozhang.app.traces import Tracer
    except ImportError:
        raise BadSetting(
            "otel_endpoint 需要附加包:pip install 'daozhang[otel]'",
            "otel_endpoint needs an extra: pip install 'daozhang[otel]'",
        ) from None
    return Tracer(who, OTLPSpanExporter(endpoint=settings.otel_endpoint))


def master_key_path(settings: Settings) -> str:
    return settings.master_key_file or str(settings.data / "master.key")
