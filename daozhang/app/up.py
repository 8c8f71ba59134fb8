"""``daozhang up``: PostgreSQL, the sandbox, the doors and the workers, supervised until SIGTERM."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from daozhang.app import demo, logs, state, twins
from daozhang.app.child import Child, NotReady
from daozhang.app.fuse import clock_of, master_key_path
from daozhang.app.sandbox_link import SandboxLink
from daozhang.app.witness import FOLDER, fresh_folder
from daozhang.core.faults import Fault
from daozhang.ports.rand import SystemRand
from daozhang.settings import Settings
from daozhang.store.embedded import Embedded, NoPostgres
from daozhang.store.migrate import WrongSchema, migrate
from daozhang.store.seal import BadMasterKey, open_or_create_master_key
from daozhang.store.store import PgStore

log = logging.getLogger("daozhang.up")


class PortTaken(Fault):
    """A port that we need is in use."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


class Supervisor:
    """Brings everything up in order, keeps it up, and takes it down in the opposite order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = state.DataLock(settings.data)
        self._postgres: Embedded | None = None
        self._dsn = settings.dsn
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._demo: demo.Demo | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Until SIGTERM or SIGINT. Raises Running, PortTaken, NotReady and what the database says."""
        self._lock.take()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._bring_up()
            began = self._settings
            print(f"ready  api {began.api_url}  data {began.data}", flush=True)
            if self._demo is not None:
                print("try: daozhang pay 12.50   ·   daozhang why last   ·   daozhang trace last", flush=True)
            await self._stop.wait()
        finally:
            await self._take_down()
        return 0

    async def _bring_up(self) -> None:
        settings = self._settings
        earlier = state.read(settings.data) or {}
        _end_left_overs(earlier.get("pids", {}))
        devices = (settings.mqtt_port, settings.mqtts_port) if settings.gateway else ()
        yard = (*twins.ports(settings.base_port), settings.control_port) if settings.sandbox else ()
        for port in (settings.base_port, *yard, *devices):
            await _free(port)
        if not self._dsn:
            self._postgres = Embedded(settings.data / "pg")
            self._dsn = await self._postgres.start()
            self._watchers.append(asyncio.create_task(self._watch_postgres(self._postgres)))
        await migrate(self._dsn)
        if settings.sandbox:
            await self._start("sandbox", "daozhang.sandbox.main",
                              ["--data", str(settings.data), "--base-port", str(settings.base_port)])  # fmt: skip
        if settings.demo:
            self._demo = await self._ensure_demo(earlier)
        for at in range(settings.work_processes):
            await self._start(f"work{at + 1}", "daozhang.app.work", [])
        if settings.gateway:
            await self._start("gateway", "daozhang.app.gateway", [])
        for at in range(settings.serve_processes):
            await self._start(f"serve{at + 1}", "daozhang.app.serve", [])
        for child in self._children:
            self._watchers.append(asyncio.create_task(child.watch(self._write_state)))
        self._write_state()

    async def _start(self, name: str, module: str, args: list[str]) -> None:
        child = Child(name, module, args, self._environment(), self._settings.data / "logs")
        self._children.append(child)
        await child.start()

    def _environment(self) -> dict[str, str]:
        """What the other processes need to know, by the names of the settings manual."""
        settings = self._settings
        told = {
            "DATA": str(settings.data),
            "BASE_PORT": str(settings.base_port),
            "HOST": settings.host,
            "DSN": self._dsn,
            "SANDBOX": str(settings.sandbox),
            "SERVE_PROCESSES": str(settings.serve_processes),
            "STORE_CONNECTIONS": str(settings.store_connections),
            "NOTIFY_BASE": settings.notify_base,
            "RATE_PER_S": str(settings.rate_per_s),
            "MOST_LAG_MS": str(settings.most_lag_ms),
            "MOST_UNDER_WAY": str(settings.most_under_way),
            "MOST_AT_ONCE": str(settings.most_at_once),
            "MOST_QUEUE_MS": str(settings.most_queue_ms),
            "OTEL_ENDPOINT": settings.otel_endpoint,
            "GATEWAY": str(settings.gateway),
            "GATEWAY_BROKER": settings.gateway_broker,
            "GATEWAY_CERTIFICATE": settings.gateway_certificate,
            "GATEWAY_KEY": settings.gateway_key,
            "MASTER_KEY_FILE": settings.master_key_file,
            "LOG_LEVEL": settings.log_level,
        }
        metrics = {FOLDER: fresh_folder(settings.data)} if not self._children else {FOLDER: str(settings.data / "metrics")}
        return {**os.environ, **metrics, **{f"DAOZHANG_{name}": value for name, value in told.items() if value}}

    async def _ensure_demo(self, earlier: dict[str, Any]) -> demo.Demo:
        settings = self._settings
        seal = open_or_create_master_key(master_key_path(settings), may_create=settings.sandbox)
        store = await PgStore.open(self._dsn, seal, connections=2)
        link = SandboxLink(settings)
        try:
            return await demo.ensure(store, seal, link, clock_of(settings), SystemRand(), earlier)
        finally:
            await link.close()
            await store.close()

    async def _watch_postgres(self, postgres: Embedded) -> None:
        while not self._stop.is_set():
            await postgres.wait()
            if self._stop.is_set():
                return
            log.warning("PostgreSQL died and is started again")
            try:
                await postgres.start()
            except Exception:
                log.exception("PostgreSQL could not be started; trying again")
                await asyncio.sleep(1.0)
            self._write_state()

    def _write_state(self) -> None:
        """state.json is the contract with the command line: exactly these fields."""
        settings = self._settings
        pids = {child.name: child.pid for child in self._children}
        told: dict[str, Any] = {
            "ready": True,
            "urls": {"api": settings.api_url},
            "pids": {
                "up": os.getpid(),
                "postgres": self._postgres.pid if self._postgres is not None else None,
                "serve": [pid for name, pid in pids.items() if name.startswith("serve")],
                "work": [pid for name, pid in pids.items() if name.startswith("work")],
                "sandbox": pids.get("sandbox"),
                "gateway": pids.get("gateway"),
            },
        }
        if settings.sandbox:
            told["urls"] |= twins.urls(settings.base_port)
            told["urls"]["sandbox"] = f"http://127.0.0.1:{settings.control_port}"
        if settings.gateway:
            told["urls"]["mqtt"] = f"mqtt://127.0.0.1:{settings.mqtt_port}"
            told["urls"]["mqtts"] = f"mqtts://{settings.host}:{settings.mqtts_port}"
            told["urls"]["mqtt_ws"] = f"ws://127.0.0.1:{settings.mqtt_port}/mqtt"
        if self._demo is not None:
            told |= {name: getattr(self._demo, name) for name in ("api_key", "merchant", "store", "till")}
        state.write(settings.data, told)

    async def _take_down(self) -> None:
        self._stop.set()
        for child in reversed(self._children):
            await child.stop()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._postgres is not None:
            await self._postgres.stop()
        earlier = state.read(self._settings.data)
        if earlier is not None:
            state.write(self._settings.data, {**earlier, "ready": False, "pids": {}})
        self._lock.drop()


async def _free(port: int) -> None:
    """Wait a moment for a port that an ending process still holds. Raises PortTaken."""
    for _ in range(20):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return
        await asyncio.sleep(0.25)
    raise PortTaken(port)


def _end_left_overs(pids: dict[str, Any]) -> None:
    """Processes of a supervisor that was killed: they end by themselves, and are ended here when they did not."""
    numbers = [pid for name in ("serve", "work") for pid in pids.get(name) or []]
    numbers += [pids.get("sandbox") or 0, pids.get("gateway") or 0]
    for pid in numbers:
        with contextlib.suppress(OSError, ValueError):
            if pid and b"daozhang." in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


class Failed(NamedTuple):
    """Why it did not come up: the exit code of ``daozhang up``, and the words for the person before it."""

    code: int
    zh: str
    en: str


def main(settings: Settings) -> Failed | None:
    """Run the supervisor until SIGTERM. None when it was stopped in order; 1 a port, folder or process, 2 the database."""
    logs.set_up("up", settings.log_level)
    try:
        asyncio.run(Supervisor(settings).run())
    except PortTaken as why:
        return Failed(
            1,
            f"端口 {why.port} 被占用:停掉占用它的程序,或换 --base-port",
            f"{why}: stop who uses it, or choose another --base-port",
        )
    except state.Running as why:
        return Failed(
            1, f"{why} 里已有一个系统在运行:先 daozhang down", f"a system runs in {why} already: daozhang down first"
        )
    except NotReady as why:
        return Failed(
            1, f"{why.name} 没有起来,原因见 {why.log_file}", f"{why.name} did not come up: see {why.log_file}"
        )
    except NoPostgres as why:
        return Failed(2, why.zh, why.en)
    except WrongSchema as why:
        return Failed(2, f"数据库与程序版本不合:{why}", f"the database and this version do not fit: {why}")
    except BadMasterKey as why:
        return Failed(1, f"主密钥不可用:{why}", f"the master key cannot be used: {why}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as why:
        what = type(why).__name__
        return Failed(
            2,
            f"连不上数据库({what}):检查 dsn 和它的权限",
            f"the database cannot be reached ({what}): check the dsn and its rights",
        )
    return None
