"""The process that carries on what is unproven: ``python -m daozhang.app.work``."""

import asyncio
import signal
import sys

from daozhang import settings as manual
from daozhang.app import logs
from daozhang.app.fuse import Built, alert_targets, build, loopback_allowed
from daozhang.core.webhook import Outcome
from daozhang.flow.alerter import Alerter
from daozhang.flow.janitor import Janitor
from daozhang.flow.namer import Namer
from daozhang.flow.prober import Prober
from daozhang.flow.watcher import Watcher
from daozhang.flow.webhook_message import Describer
from daozhang.flow.webhooks import Pump
from daozhang.gateway.crier import Crier
from daozhang.gateway.roller import Roller
from daozhang.ports import mail
from daozhang.ports.heap import keep_still
from daozhang.ports.outward import Outward
from daozhang.watch.alerts import Mail


async def run(settings: manual.Settings) -> None:
    """Tend due timers, and tell the shops, until SIGTERM."""
    built = await build(settings, "work")
    keep_still()
    janitor = Janitor(built.house)
    outward = Outward(built.house.clock, loopback_allowed=loopback_allowed(settings))
    pump = Pump(built.store, outward, built.house.clock, built.house.rand, built.house.proc, Describer(built.house, built.store))
    crier = Crier(built.house, built.store)
    namer = Namer(built.house)
    if built.house.lookout is not None:
        built.house.lookout.on_dark = namer.dark
    prober = Prober(built.house, built.store, always=settings.probes, in_doubt=settings.sandbox or settings.probes)
    alerter = alerter_of(settings, built, outward)
    watcher = Watcher(built.house, built.store, livemode=not settings.sandbox, publish_at=settings.incident_publish_payments, alert=alerter.owes)
    namer.on_named = watcher.named
    roller = Roller(built.store, built.house.clock, built.house.rand)
    ear = await built.store.hear("dz_payment", crier.woken)

    def stop() -> None:
        janitor.stop()
        pump.stop()
        crier.stop()
        namer.stop()
        roller.stop()
        watcher.stop()
        alerter.stop()
        prober.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    print("ready", flush=True)
    try:
        await asyncio.gather(janitor.run(), pump.run(), crier.run(), namer.run(), roller.run(), watcher.run(), alerter.run(), prober.run(lambda: watcher.leads))
    finally:
        ear.cancel()
        await asyncio.gather(ear, return_exceptions=True)
        await pump.wind_up()
        await outward.close()
        await built.close()


def alerter_of(settings: manual.Settings, built: Built, outward: Outward) -> Alerter:
    """Raises BadTarget."""
    local = loopback_allowed(settings)

    async def mailed(one: Mail) -> Outcome:
        letter = mail.Letter(one.sender, one.to, one.subject, one.text, one.message_id)
        return await mail.send(letter, one.host, one.port, one.tls, one.user, one.password, loopback_allowed=local)

    return Alerter(alert_targets(settings), built.store, outward, mailed, built.house.clock, built.house.proc, livemode=not settings.sandbox)


def main() -> int:
    settings = manual.load()
    logs.set_up("work", settings.log_level)
    import uvloop

    uvloop.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
