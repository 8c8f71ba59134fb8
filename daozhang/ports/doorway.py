"""A listening socket whose waiting connections are taken in, many in one turn of the loop.

The loop's own servers take one connection in each turn (libuv since its pull request 3696). When a process has so much to do
that a turn takes 20 ms, that is fifty a second: a crowd then waits outside, where nobody can tell it that there is too much
to do. Measured: 6,000 tills that came at once heard nothing for ten seconds, and 1,740 of them were hung up on.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable

log = logging.getLogger("daozhang.doorway")
MOST_AT_ONCE = 256  # in one turn: those who are inside are served between two turns
_REST_S = 1.0  # when there are no more files or no more memory
_HANDSHAKE_S = 5.0
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Doorway:
    """Open from its making until `close`. ``protocol`` makes what talks to one connection; in TLS with a context."""

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None) -> None:
        self._listener, self._protocol, self._tls = listener, protocol, tls
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._loop.add_reader(listener, self._come_in)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Nobody comes in any more; those who are inside stay. A handshake under way is ended."""
        if self._listener.fileno() < 0:
            return
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._entering if self._tls is not None else ():
            task.cancel()

    def _come_in(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                came, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as why:
                if why.errno not in _FULL:
                    raise
                self._rest(why)
                return
            came.setblocking(False)
            with contextlib.suppress(OSError):
                came.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._let_in(came))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _let_in(self, came: socket.socket) -> None:
        handshake_s = _HANDSHAKE_S if self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(self._protocol, came, ssl=self._tls, ssl_handshake_timeout=handshake_s)
        except (OSError, TimeoutError):  # gone already, or it speaks no TLS: its own affair
            came.close()
        except BaseException:
            came.close()
            raise

    def _rest(self, why: OSError) -> None:
        log.error("no more connections can be taken in for a moment", extra={"why": type(why).__name__, "errno": why.errno})
        self._loop.remove_reader(self._listener)
        self._resting = self._loop.call_later(_REST_S, self._again)

    def _again(self) -> None:
        self._resting = None
        self._loop.add_reader(self._listener, self._come_in)


def listen(host: str, port: int, backlog: int, *, reuse_port: bool = False) -> socket.socket:
    """A bound and listening socket. Raises OSError when the address is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
