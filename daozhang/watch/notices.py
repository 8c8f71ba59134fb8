"""A channel's own notice of maintenance: its answers that say so, from several payments, become a window in the calendar.

One such answer proves nothing (at some channels it is not even signed), and a window announces nothing beyond the next minutes:
it lasts a little longer than the answers do.
"""

from collections.abc import Iterator

from daozhang.core.ids import ulid
from daozhang.core.incident import Maintenance

_ENOUGH = 4  # different payments
_WITHIN_MS, _LASTS_MS, _WRITE_EVERY_MS = 60_000, 120_000, 20_000
_WORDS = {"zh": "渠道答复在维护", "en": "the channel answered that it is under maintenance"}


class Notices:
    """``heard`` is told of every such answer; ``due`` gives the windows to write down."""

    def __init__(self) -> None:
        self._heard: dict[str, dict[str, int]] = {}  # channel -> payment -> when
        self._open: dict[str, tuple[str, int, int]] = {}  # channel -> window, since, written

    def heard(self, channel: str, payment: str, hint: str, at_ms: int) -> None:
        if hint == "platform.maintenance":
            said = self._heard.setdefault(channel, {})
            said.setdefault(payment, at_ms)
            if len(said) > 1_000:
                del said[next(iter(said))]

    def due(self, now_ms: int) -> Iterator[Maintenance]:
        for channel, said in self._heard.items():
            for payment in [payment for payment, at in said.items() if at < now_ms - _WITHIN_MS]:
                del said[payment]
            if len(said) < _ENOUGH:
                if channel in self._open and now_ms - self._open[channel][2] > _LASTS_MS:
                    del self._open[channel]
                continue
            since = min(said.values())
            ident, since, written = self._open.get(channel, (f"mnt_{ulid(now_ms, channel.encode()[:9].ljust(9, b'0'), 0)}", since, 0))
            if now_ms - written >= _WRITE_EVERY_MS:
                self._open[channel] = ident, since, now_ms
                yield Maintenance(ident, "platform", channel, since, now_ms + _LASTS_MS, "notice", channel, _WORDS, now_ms)
