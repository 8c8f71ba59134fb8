"""What a crowd hears at the door itself: the honest 503 of `limits.Gate` from a template, at a tenth of a request's price.

The first refusals of each second go the whole way: they are in the request log and cost what a request costs. All further ones
are answered before anything of ours runs, so that a crowd takes little from those who are inside.
"""

from collections.abc import Callable, Iterable

from daozhang.api.limits import Gate, too_many
from daozhang.api.problem import preferred, respond
from daozhang.core.ids import ulid
from daozhang.core.ports import Clock, Rand

_IN_FULL = 100  # a second
_MARK = "req_" + "0" * 26  # as long as any request's id
_Header = tuple[bytes, bytes]


class Crowd:
    """``paths``: where something with money begins by POST. ``told`` hears of each that was turned away: its path."""

    def __init__(self, gate: Gate, clock: Clock, rand: Rand, paths: Iterable[str], told: Callable[[str], None]) -> None:
        self._gate, self._clock, self._rand, self._told = gate, clock, rand, told
        self._paths = {path.encode(): path for path in paths}
        self._templates: dict[tuple[str, str, str], tuple[bytes, bytes, bytes]] = {}
        self._since_ms, self._in_full = 0.0, 0

    def turned_away(self, method: bytes, target: bytes, headers: list[_Header]) -> bytes:
        """A whole answer, or nothing: then the request goes its way."""
        path = self._paths.get(target)
        if path is None or method != b"POST":
            return b""
        later = self._gate.full()
        if not later or self._goes_in_full():
            return b""
        self._gate.refused += 1
        self._told(path)
        return self._answer(path, later, headers)

    def _goes_in_full(self) -> bool:
        now = self._clock.monotonic_ms()
        if now - self._since_ms >= 1_000:
            self._since_ms, self._in_full = now, 0
        self._in_full += 1
        return self._in_full <= _IN_FULL

    def _answer(self, path: str, later: str, headers: list[_Header]) -> bytes:
        wanted, trace = b"", b""
        for name, value in headers:
            if name == b"accept-language":
                wanted = value
            elif name == b"traceparent" and len(value) <= 64:
                trace = b"traceparent: " + value + b"\r\n"
        key = path, later, preferred(wanted.decode("latin-1"))
        before, between, after = self._templates.get(key) or self._template(*key)
        name = f"req_{ulid(self._clock.now_ms(), self._rand.bytes(9), 0)}".encode()
        return b"".join((before, name, b"\r\n", trace, between, name, after))

    def _template(self, path: str, later: str, language: str) -> tuple[bytes, bytes, bytes]:
        reply = respond(too_many(later), language, _MARK, path)
        lines = [b"HTTP/1.1 %d Service Unavailable" % reply.status_code, *(b": ".join(header) for header in reply.raw_headers)]
        between, _, after = bytes(reply.body).partition(_MARK.encode())
        made = b"\r\n".join(lines) + b"\r\nrequest-id: ", b"\r\n" + between, after
        self._templates[path, later, language] = made
        return made
