"""A firmware image on its way into a simulated device: what came stays in the flash, a cut line goes on where it broke, and
nothing but the whole image is ever handed over."""

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass, field

_MOST_IMAGE = 64 * 1024 * 1024
_PIECE = 16 * 1024
_TRIES = 4
_PARTIAL, _BEYOND = 206, 416


class Torn(Exception):
    """The power went in the middle: ``at`` bytes of ``of`` lie in the flash."""

    def __init__(self, at: int, of: int) -> None:
        super().__init__(f"{at} of {of} bytes")
        self.at, self.of = at, of


@dataclass
class Downloads:
    """``parts`` survives a power cut. ``tear``: the power goes once, at half of the next image."""

    tear: bool = False
    parts: dict[str, bytearray] = field(default_factory=dict)
    began_at: int = 0  # how much lay there already when the last one began

    def image(self, url: str, sha256: str) -> bytes | None:
        """The whole image by its hash, or None: later, then. Raises Torn."""
        for _ in range(_TRIES):
            part = self.parts.setdefault(sha256, bytearray())
            self.began_at = len(part)
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._more(url, part)
                if hashlib.sha256(part).hexdigest() == sha256:
                    return bytes(self.parts.pop(sha256))
                part.clear()  # whole, and not what was signed: from the beginning
        return None

    def _more(self, url: str, part: bytearray) -> None:
        """From where it broke off; a server that gives no part, or another length by now, gives it from the beginning."""
        asked = urllib.request.Request(url, headers={"Range": f"bytes={len(part)}-"} if part else {})
        try:
            reply = urllib.request.urlopen(asked, timeout=10)
        except urllib.error.HTTPError as refused:
            if refused.code == _BEYOND:
                part.clear()
            raise
        with reply:
            if reply.status != _PARTIAL:
                part.clear()
            whole = len(part) + int(reply.headers["Content-Length"] or 0)
            while piece := reply.read(_PIECE):
                part += piece
                if len(part) > _MOST_IMAGE:
                    part.clear()
                    raise OSError("too large")
                if self.tear and len(part) >= whole // 2:
                    self.tear = False
                    raise Torn(len(part), whole)
            if len(part) < whole:
                raise ConnectionError("the line broke")
