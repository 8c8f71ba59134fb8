"""The process that opens the doors: ``python -m daozhang.app.serve``."""

import asyncio
import sys

from daozhang import settings as manual
from daozhang.api.app import Building, build_app
from daozhang.api.server import serve
from daozhang.api.webhooks import Webhooks
from daozhang.app import logs, witness
from daozhang.app.fuse import build
from daozhang.app.sandbox_link import SandboxLink
from daozhang.ports.outward import system_resolver


async def run(settings: manual.Settings) -> None:
    """Serve until SIGTERM, then finish what is under way."""
    built = await build(settings, "serve")
    sandbox = SandboxLink(settings) if settings.sandbox else None
    webhooks = Webhooks(built.house, built.store, settings.sandbox, system_resolver)
    building = Building(
        built.seal, webhooks, built.store, sandbox, witness.page, settings.rate_per_s, settings.most_lag_ms, settings.most_under_way
    )
    app = build_app(built.house, building)
    try:
        await serve(app, settings.host, settings.base_port, reuse_port=settings.serve_processes > 1,
                    on_ready=lambda: print("ready", flush=True))  # fmt: skip
    finally:
        if sandbox is not None:
            await sandbox.close()
        await built.close()


def main() -> int:
    settings = manual.load()
    logs.set_up("serve", settings.log_level)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
