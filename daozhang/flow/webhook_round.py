"""One round at one endpoint: what was tried, what came of it, and what has to be written down."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from daozhang.core.webhook import (
    BREAKS_AFTER,
    DISABLE_AFTER_MS,
    PING,
    SLOWED,
    Attempt,
    Endpoint,
    Outcome,
    Round,
    Wanted,
    next_ms,
    pause_ms,
    state_after,
    wanted_type,
)

_DAY_MS = 86_400_000


def concerns(one: Wanted, endpoint: Endpoint) -> bool:
    """A ping goes to its endpoint by name, and no endpoint is told of its own failing."""
    event = one.event
    return wanted_type(event.type, endpoint.types) and event.type != PING and event.subject != endpoint.id


def stories_of(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Each payment's own events, in their order; an event that comes twice counts once."""
    stories: dict[str, dict[int, Wanted]] = defaultdict(dict)
    for one in sorted(wanted, key=lambda one: one.seq):
        stories[one.event.subject].setdefault(one.seq, one)
    return [list(story.values()) for story in stories.values()]


@dataclass
class Health:
    """An endpoint's health as one round goes on, and what became of each event."""

    failures: int
    failing_since_ms: int
    blocked_until_ms: int = 0
    gone: bool = False
    why: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    again: dict[int, tuple[int, int]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    @property
    def stops(self) -> bool:
        return self.gone or bool(self.blocked_until_ms)

    def taken(self, one: Wanted, began_ms: int, outcome: Outcome) -> None:
        self.failures, self.failing_since_ms = 0, 0
        self.done.add(one.seq)
        self.attempts.append(Attempt(one.seq, one.attempts + 1, began_ms, outcome.status, outcome.took_ms, ""))

    def failed(self, one: Wanted, began_ms: int, now_ms: int, outcome: Outcome, chance: float) -> None:
        n = one.attempts + 1
        self.failures += 1
        self.failing_since_ms = self.failing_since_ms or began_ms
        self.why = outcome.error
        self.gone = self.gone or outcome.status == 410
        at = 0 if outcome.status == 410 else next_ms(n, now_ms, chance, outcome.retry_after_s)
        self.attempts.append(Attempt(one.seq, n, began_ms, outcome.status, outcome.took_ms, outcome.error, at))
        if at:
            self.again[one.seq] = (n, at)
        else:
            self.done.add(one.seq)
        if outcome.status in SLOWED:
            self.blocked_until_ms = now_ms + (min(outcome.retry_after_s, 3600) * 1000 or 30_000)
        elif self.failures >= BREAKS_AFTER:
            self.blocked_until_ms = now_ms + pause_ms(self.failures)

    def hold_back(self, later: Sequence[Wanted], after: Wanted) -> None:
        """Nobody hears the end before the beginning: what follows a failure waits for its first, quick repeat.

        For that one only: a program that always refuses ``payment.created`` must still hear ``payment.paid``.
        """
        _, at = self.again[after.seq]
        for one in later:
            self.again[one.seq] = (one.attempts, at)

    def untouched(self, one: Wanted) -> bool:
        return one.seq not in self.done and one.seq not in self.again


def written(endpoint: Endpoint, found: Sequence[Wanted], to_send: Sequence[Wanted], health: Health, now_ms: int, more: bool) -> Round:
    """What the round changes. The cursor moves over all fresh events up to the last that was handled.

    Those before it that nobody came to (the round had to end) are queued, so that none is sent twice and none is lost.
    """
    sent = {one.seq for one in to_send}
    fresh = [one for one in found if one.fresh]
    handled = [at for at, one in enumerate(fresh) if one.seq in sent and not health.untouched(one)]
    for one in fresh[: handled[-1] if handled else 0]:
        if one.seq in sent and health.untouched(one):
            health.again[one.seq] = (one.attempts, now_ms)
    cursor = ""
    for one in fresh:
        if one.seq in sent and health.untouched(one):
            break
        cursor = one.event.cursor
    since = health.failing_since_ms
    state = state_after(endpoint.state, health.gone, health.failures, now_ms - since if since else 0)
    if state == "failing" and endpoint.state == "enabled":
        since = max(since, now_ms - DISABLE_AFTER_MS + _DAY_MS)  # a day, at the least, from the warning to the end
    told = f"webhook_endpoint.{state}" if state not in (endpoint.state, "enabled") else ""
    let_go = health.stops or state == "disabled" or not (more or any(health.untouched(one) for one in to_send))
    again = tuple((seq, n, at) for seq, (n, at) in health.again.items())
    return Round(
        cursor, tuple(health.attempts), again, tuple(health.done), state, health.failures, since, health.blocked_until_ms, told,
        health.why, let_go,
    )  # fmt: skip
