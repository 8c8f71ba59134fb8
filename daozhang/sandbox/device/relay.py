"""A line between a device and its gateway that can be cut in one direction only: what is sent that way waits, as TCP repeats it."""

import asyncio
import contextlib
from typing import Any

UP, DOWN = "up", "down"  # from the device, and to it
_MOST = 65_536


class Relay:
    """Listens on this machine; ``hold`` and ``let_go`` may be called from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._free = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        for way in self._free.values():
            way.set()
        self._loop = asyncio.get_running_loop()
        self._lines: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """The port that stands for the gateway's."""
        self._server = await asyncio.start_server(self._line, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def hold(self, way: str) -> None:
        self._loop.call_soon_threadsafe(self._free[way].clear)

    def let_go(self, way: str) -> None:
        self._loop.call_soon_threadsafe(self._free[way].set)

    async def close(self) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the device, until either side ends it."""
        this: Any = asyncio.current_task()
        self._lines.add(this)
        beyond: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError):
                from_gateway, beyond = await asyncio.open_connection(self._host, self._port)
                ways = [asyncio.create_task(self._pump(reader, beyond, UP)), asyncio.create_task(self._pump(from_gateway, writer, DOWN))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._lines.discard(this)
            writer.close()
            if beyond is not None:
                beyond.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        while data := await reader.read(_MOST):
            await self._free[way].wait()
            writer.write(data)
            await writer.drain()
        await self._free[way].wait()  # nor is the end of a line heard through a cut
