"""The simulated store's timers: one for a payment or refund, leased to one holder at a time."""

import heapq
from dataclasses import replace

from daozhang.core.ports import Due


class Timers:
    """In the order of when they can be claimed: when due, and no lease runs. Old places in the queue are skipped when met."""

    def __init__(self) -> None:
        self.by_subject: dict[str, Due] = {}
        self._leases: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []

    def write(self, subject: str, bucket: int, at_ms: int) -> None:
        """A new due time, free for everybody; 0: none."""
        held = self.by_subject.get(subject)
        self._leases.pop(subject, None)
        if at_ms:
            self.by_subject[subject] = due = Due(subject, bucket, at_ms, held.fence + 1 if held else 1)
            heapq.heappush(self._queue, (self._free_ms(due), subject))
        else:
            self.by_subject.pop(subject, None)

    def claim(self, now_ms: int, most: int, lease_ms: int) -> list[Due]:
        free: list[Due] = []
        while (at := self.next_ms()) is not None and at <= now_ms:
            subject = heapq.heappop(self._queue)[1]
            due = self.by_subject[subject]
            if due not in free:
                free.append(due)
        free.sort(key=lambda due: due.run_at_ms)
        claimed = [replace(due, fence=due.fence + 1) for due in free[:most]]
        for due in claimed:
            self.by_subject[due.subject] = due
            self._leases[due.subject] = now_ms + lease_ms
            heapq.heappush(self._queue, (now_ms + lease_ms, due.subject))
        for due in free[most:]:
            heapq.heappush(self._queue, (self._free_ms(due), due.subject))
        return claimed

    def release(self, due: Due) -> None:
        held = self.by_subject.get(due.subject)
        if held is not None and held.fence == due.fence:
            self.write(due.subject, due.bucket, 0)

    def next_ms(self) -> int | None:
        """When something can next be claimed."""
        queue = self._queue
        while queue:
            at, subject = queue[0]
            due = self.by_subject.get(subject)
            if due is not None and self._free_ms(due) == at:
                return at
            heapq.heappop(queue)
        return None

    def _free_ms(self, due: Due) -> int:
        return max(due.run_at_ms, self._leases.get(due.subject, 0))
