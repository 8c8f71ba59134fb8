"""One process under supervision: started, waited for, started again when it dies, ended in order."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("daozhang.up")
_PR_SET_PDEATHSIG = 1
_READY_WITHIN_S = 30.0
_LONG_LIFE_S = 5.0


class NotReady(Exception):
    """A process did not come up; ``log_file`` says why."""

    def __init__(self, name: str, log_file: Path) -> None:
        super().__init__(f"{name} did not come up: see {log_file}")
        self.name = name
        self.log_file = log_file


def _dies_with_us(parent: int) -> Callable[[], None]:
    """In the child before it starts: end when the supervisor is gone, however it went."""

    def set_up() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return set_up


class Child:
    """``module`` run by this interpreter. It says ``ready`` on its standard output; its log goes to a file."""

    def __init__(self, name: str, module: str, args: list[str], env: dict[str, str], logs: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *args]
        self._env = env
        self._log_file = logs / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.starts = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Raises NotReady."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._log_file.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                start_new_session=True,  # Ctrl-C reaches us, and we end the others in order
                preexec_fn=_dies_with_us(os.getpid()),
            )
        self.starts += 1
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                await self._hear_ready()
        except TimeoutError:
            await self.stop()
            raise NotReady(self.name, self._log_file) from None

    async def _hear_ready(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            raise NotReady(self.name, self._log_file)
        while line := await process.stdout.readline():
            if line.startswith(b"ready"):
                return
        raise NotReady(self.name, self._log_file)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Start it again whenever it dies, at once after a long life and ever more slowly after short ones."""
        loop = asyncio.get_running_loop()
        pause = 0.1
        while not self._stopping and self._process is not None:
            born = loop.time()
            code = await self._process.wait()
            if self._stopping:
                return
            pause = 0.1 if loop.time() - born > _LONG_LIFE_S else min(pause * 2, 5.0)
            log.warning("a process died and is started again", extra={"name_": self.name, "code": code})
            await asyncio.sleep(pause)
            with contextlib.suppress(NotReady):
                await self.start()
            changed()

    async def stop(self, within_s: float = 12.0) -> None:
        """SIGTERM, and SIGKILL when that was not heard."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
