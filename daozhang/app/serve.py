"""The process that opens the doors: ``python -m daozhang.app.serve``."""

import asyncio
import sys
from typing import Any
from urllib.parse import urlsplit

import daozhang
from daozhang import settings as manual
from daozhang.api.app import Building, build_app
from daozhang.api.limits import GateLimits
from daozhang.api.server import serve
from daozhang.api.webhooks import Webhooks
from daozhang.app import logs, witness
from daozhang.app.fuse import build, loopback_allowed
from daozhang.app.sandbox_link import SandboxLink
from daozhang.core.stated import Release
from daozhang.gateway.certificate import authority
from daozhang.gateway.rollout_key import public_key
from daozhang.ports.doorway import Doorway, listen
from daozhang.ports.heap import keep_still
from daozhang.ports.outward import SystemResolver

_BACKLOG = 4_096  # the kernel's own limit where nobody has raised it


async def run(settings: manual.Settings) -> None:
    """Serve until SIGTERM, then finish what is under way."""
    built = await build(settings, "serve")
    keep_still()
    sandbox = SandboxLink(settings) if settings.sandbox else None
    webhooks = Webhooks(built.house, built.store, loopback_allowed(settings), SystemResolver())
    release = Release(daozhang.__version__, built.house.clock.now_ms(), "start")
    await built.store.note_release(release)  # the first start of a version is the moment of the change
    building = Building(
        built.seal, webhooks, built.store, sandbox, witness.page, settings.rate_per_s,
        GateLimits(settings.most_lag_ms, settings.most_at_once, settings.most_queue_ms, settings.most_under_way), built.store.queue_ms,
        gateway_of(settings),
    )  # fmt: skip
    app = build_app(built.house, building)
    try:
        listener = listen(settings.host, settings.base_port, _BACKLOG, reuse_port=settings.serve_processes > 1)
        await serve(app, listener, Doorway, app.turned_away, lambda: print("ready", flush=True))
    finally:
        await app.close()
        if sandbox is not None:
            await sandbox.close()
        await built.close()


def gateway_of(settings: manual.Settings) -> dict[str, Any]:
    """Where devices find their gateway: in clear on this machine, with TLS from anywhere."""
    outside = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"
    keys = {
        "firmware_key": public_key(settings.data / "gateway", settings.rollout_key),
        "ca_file": "" if settings.gateway_certificate else str(authority(settings.data / "gateway")),
    }
    if settings.gateway_broker:
        return {**at_broker(settings.gateway_broker), **keys, "ca_file": ""}  # not our authority's; devices trust whom they always do
    return {
        "host": "127.0.0.1",
        "port": settings.mqtt_port,
        "tls_host": outside,
        "tls_port": settings.mqtts_port,
        "ws_url": f"ws://127.0.0.1:{settings.mqtt_port}/mqtt",
        "wss_url": f"wss://{outside}:{settings.mqtts_port}/mqtt",
        **keys,
    }


def at_broker(url: str) -> dict[str, Any]:
    """Where the devices of an external broker find it: the one door that it was told to us by."""
    broker = urlsplit(url)
    tls = broker.scheme == "mqtts"
    port = broker.port or (8883 if tls else 1883)
    return {"host": broker.hostname, "port": port, "tls_host": broker.hostname, "tls_port": port, "use_tls": tls, "ws_url": "", "wss_url": ""}


def main() -> int:
    settings = manual.load()
    logs.set_up("serve", settings.log_level)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
