"""The yard's hand on the device gateway's data (fault F50)."""

from daozhang.app.fuse import master_key_path
from daozhang.settings import Settings
from daozhang.store.embedded import Embedded
from daozhang.store.seal import open_or_create_master_key
from daozhang.store.store import PgStore


async def wipe_gateway(settings: Settings) -> dict[str, int]:
    """Delete what a broker keeps; how much of each. Only beside a sandbox."""
    if not settings.sandbox:
        raise ValueError("the gateway's data are wiped in the sandbox only")
    seal = open_or_create_master_key(master_key_path(settings), may_create=settings.sandbox)
    store = await PgStore.open(settings.dsn or Embedded(settings.data / "pg").dsn, seal, connections=2)
    try:
        return await store.wipe_gateway()
    finally:
        await store.close()
