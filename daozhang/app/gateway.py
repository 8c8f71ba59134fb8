"""The device door: ``python -m daozhang.app.gateway``; MQTT over TCP, TLS and WebSocket."""

import asyncio
import contextlib
import logging
import resource
import signal
import ssl
import sys
from urllib.parse import unquote, urlsplit

from daozhang import settings as manual
from daozhang.app import logs
from daozhang.app.fuse import build
from daozhang.devices.code_word import words_from
from daozhang.gateway.abroad import Abroad
from daozhang.gateway.certificate import context
from daozhang.gateway.hub import Hub
from daozhang.gateway.line import Line
from daozhang.ports.doorway import Doorway, listen
from daozhang.ports.heap import keep_still

_SPARE_FILES = 200  # for the store, the logs and what is being accepted
_BACKLOG = 4_096
_CONNECT_S, _AGAIN_S = 10.0, 1.0
log = logging.getLogger("daozhang.gateway")


async def run(settings: manual.Settings) -> None:
    """Listen until SIGTERM. In clear only on loopback, whatever address is set: devices outside come with TLS."""
    built = await build(settings, "gateway")
    keep_still()
    name = f"{settings.host}:{settings.mqtts_port}"
    hub = Hub(built.store, built.house.clock, built.tasks, name, _files() - _SPARE_FILES, words_from(built.seal.derived))
    tls = context(settings.data / "gateway", settings.gateway_certificate, settings.gateway_key, settings.host,
                  built.house.clock.now_ms())  # fmt: skip
    await built.store.nobody_at(name, built.house.clock.now_ms())
    ear = await built.store.hear("dz_device", hub.notified)
    loop = asyncio.get_running_loop()
    plain = Doorway(listen("127.0.0.1", settings.mqtt_port, _BACKLOG), lambda: Line(hub))
    secure = Doorway(listen(settings.host, settings.mqtts_port, _BACKLOG), lambda: Line(hub), tls)
    sweeping = asyncio.create_task(_sweep(hub), name="sweep")
    abroad = asyncio.create_task(_abroad(hub, settings.gateway_broker), name="external broker")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print("ready", flush=True)
    await stop.wait()
    for door in (plain, secure):
        door.close()
    for task in (ear, sweeping, abroad):
        task.cancel()
    await hub.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(ear, sweeping, abroad, return_exceptions=True), 2)
    await built.close()


async def _sweep(hub: Hub) -> None:
    while True:
        await asyncio.sleep(1.0)
        hub.sweep()


async def _abroad(hub: Hub, url: str) -> None:
    """Connected to the external broker whenever that can be; nothing without one."""
    if not url:
        return
    broker = urlsplit(url)
    tls = ssl.create_default_context() if broker.scheme == "mqtts" else None
    port = broker.port or (8883 if tls else 1883)
    user, password = unquote(broker.username or ""), unquote(broker.password or "")
    while True:
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, line = await asyncio.get_running_loop().create_connection(lambda: Abroad(hub, user, password), broker.hostname or "", port, ssl=tls)
            log.warning("the external broker is away", extra={"why": await line.lost})
        except OSError as why:
            log.warning("the external broker is not reached", extra={"why": repr(why)})
        await asyncio.sleep(_AGAIN_S)


def _files() -> int:
    """As many open files as we may have: each device is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def main() -> int:
    settings = manual.load()
    logs.set_up("gateway", settings.log_level)
    import uvloop

    uvloop.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
