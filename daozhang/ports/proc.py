"""Tasks of this process: held so that they are not collected, and their failures are told."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("daozhang.proc")


class Tasks:
    """Spawned work. A failure is logged with its name and harms nobody else."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def hold(self, task: "asyncio.Future[Any]") -> None:
        """Keep a task alive whose outcome somebody else reads, whatever happens to that somebody."""
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that a caller who hung up leaves no complaint behind

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work failed", extra={"work": task.get_name()}, exc_info=task.exception())

    def __len__(self) -> int:
        return len(self._tasks)

    async def drain(self, within_s: float) -> int:
        """Wait for what is under way, at most so long; how many tasks are left."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)
        return len(self._tasks)
