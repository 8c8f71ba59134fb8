"""Python's collector of cycles looks at all that lives, again and again. A process that remembers the payments of the last
minutes, or a channel's books, stood still for it: a fifth of a second every eight at 430 payments a second, measured.

So what has lived for some seconds is set aside and not looked at any more; reference counts still free it the moment it is
let go. Only a cycle that was alive when it was set aside stays until the next full round: in an hour, and in each process at a
moment of its own, because whoever makes it stands still. (All in the same moment, a channel and a till waited for each other.)
Measured over a minute at 200 payments a second: 75 such cycles, all of them closed connections, which leave none any more.

And the C library keeps what is large on its heap once something as large was freed; a table of the last minutes that is renewed
there now and then leaves holes. The tables of 700,000 payments at 278 a second grew from 64.6 to 72.2 MB, by 3.8 at a time;
with large pieces always given back they stay at 64.6.
"""

import asyncio
import ctypes
import gc
import os

_EVERY_S = 5.0
_FULL = 720  # rounds
_LARGE = 256 * 1024  # bytes
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def keep_still() -> None:
    """From now on, for as long as the running loop runs."""
    give_back_large()
    asyncio.get_running_loop().call_later(_EVERY_S, _round, 1 + os.getpid() % (_FULL // 2))


def give_back_large() -> None:
    """Large pieces go back to the system when they are freed. Elsewhere than with glibc nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)


def _round(number: int) -> None:
    set_aside(full=number % _FULL == 0)
    asyncio.get_running_loop().call_later(_EVERY_S, _round, number + 1)


def set_aside(*, full: bool) -> None:
    """Young cycles are collected, all of them with ``full``; what is left is not looked at until the next full round."""
    if full:
        gc.unfreeze()
        gc.collect()
    else:
        gc.collect(1)
    gc.freeze()
