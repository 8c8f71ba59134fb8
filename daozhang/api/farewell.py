"""A door that is to be closed says so in every answer, long before (RFC 9745 Deprecation, RFC 8594 Sunset)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

LEAST_DAYS = 548  # eighteen months from the notice to the end
_Raw = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Farewell:
    """``since`` and ``until`` are days in UTC; ``instead`` is the path of the door to use."""

    since: date
    until: date
    instead: str

    def __post_init__(self) -> None:
        if (self.until - self.since).days < LEAST_DAYS:
            raise ValueError("a door stays open for eighteen months after its farewell")

    def headers(self) -> _Raw:
        begins, ends = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (self.since, self.until))
        return [(b"deprecation", b"@%d" % begins.timestamp()), (b"sunset", format_datetime(ends, usegmt=True).encode()),
                (b"link", f'<{self.instead}>; rel="successor-version"'.encode())]  # fmt: skip
