"""What the product says about each dark payment and each troubled till, look by look, against what was true.

The looks go through the product's own telling (the same that a till's page and ``daozhang why`` show). The truth comes in
only here, after the words have been said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daozhang.core.payment import NOTHING_TAKEN, Payment
from daozhang.diagnosis.cause import UNKNOWN
from daozhang.diagnosis.facts import DARK_MS, SILENT_MS, UNTOLD_MS
from daozhang.flow.lookout import name_device
from daozhang.flow.tell import cause_picture, described
from daozhang.sim.drill_devices import Box
from daozhang.sim.drill_faults import AtWork
from daozhang.sim.drill_net import Sale
from daozhang.sim.drill_world import DrillWorld

# After it became dark; then until some seconds after its proof.
_LOOKS_MS = (100, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_500, 8_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000)
_SOON_MS = 1_000  # a shop looks at a refusal at once
_SETTLES_MS = 8_000
_LEAST_MS = 10_000
_TILL_TELLS_MS = 5_000
_FOLLOWS_MS = 1_200_000
_FACTS = frozenset({"answered", "notified"})
_UNTOLD_LOOKS_MS = (200, 1_000, 2_500, 5_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """One look: what was said. ``fact_ms``: when the newest fact of this payment or till itself had come by then."""

    at_ms: int
    id: str
    members: tuple[str, ...]
    confidence: str
    probability: float
    party: str
    party_name: str
    wide: bool
    fact_ms: int = 0


@dataclass(eq=False)
class Episode:
    """``labels``: what was true; more than one where two faults hold the same till. ``kind``: unproven, untold, declined, till."""

    subject: str
    kind: str
    labels: tuple[str, ...]
    dark_ms: int
    answers: list[Answer] = field(default_factory=list)
    code: str = ""

    @property
    def last(self) -> Answer | None:
        """What was said last while the question stood: once proven, the product withdraws what holds no more."""
        said = [one for one in self.answers if one.id != "none"]
        return said[-1] if said else self.answers[-1] if self.answers else None

    def right(self, one: Answer | None) -> bool:
        return one is not None and any(label in one.members for label in self.labels)

    @property
    def label(self) -> str:
        """The label that the last answer names, where one of several is named."""
        said = self.last
        return next((one for one in self.labels if said is not None and one in said.members), self.labels[0])

    @property
    def named_after_ms(self) -> int | None:
        """When the right answer stood from then on, since it became dark; None: it never did."""
        since = self._stood()
        return max(since.at_ms - self.dark_ms, 0) if since is not None else None

    @property
    def named_after_fact_ms(self) -> int | None:
        """The same since the last fact of its own that had come by then; that it is dark is a fact too."""
        since = self._stood()
        return max(since.at_ms - max(since.fact_ms, self.dark_ms), 0) if since is not None else None

    def _stood(self) -> "Answer | None":
        """The first right answer of those that stood to the end."""
        since = None
        for one in reversed(self.answers):
            if one.id == "none" and since is None and self.right(self.last):
                continue
            if not self.right(one):
                break
            since = one
        return since


def answer_of(told: dict[str, Any] | None, at_ms: int, fact_ms: int = 0) -> Answer:
    """``told``: a cause as every surface shows it; None: nothing is said."""
    if told is None:
        return Answer(at_ms, "none", (), "unknown", 0.0, "none", "", False, fact_ms)
    wide = any(one["step"] == "blast" and not _ALONE & set(one["says"]["en"].split(" (")[:1]) for one in told["steps"])
    members = (told["id"], *told["class"])
    if told["id"] == UNKNOWN:
        members = ()
    return Answer(at_ms, told["id"], members, told["confidence"], told["probability"], told["party"], told["party_name"], wide, fact_ms)


_ALONE = {"what explains it best: only this one", "there is nobody to compare with at that time"}


class Looker:
    """Follows payments and tills of one run."""

    def __init__(self, world: DrillWorld) -> None:
        self.world = world
        self.episodes: list[Episode] = []
        self._opened: dict[tuple[str, str], Episode] = {}

    # -- payments ------------------------------------------------------------------------------------------------------------

    async def follow(self, sale: Sale) -> None:
        """Is it without information five seconds after it began? Then it is looked at until its cause has settled."""
        clock, store = self.world.clock, self.world.store
        began = clock.now_ms()
        await clock.sleep_until(began + _SOON_MS)
        payment = store.payments_.get(sale.payment)
        if payment is not None and payment.state in NOTHING_TAKEN:
            one = await self._declined(sale, payment)
            await clock.sleep_until(began + DARK_MS + 50)
            await self._look(one, payment.id, "why_no_money")
            return
        await clock.sleep_until(began + DARK_MS + 50)
        payment = store.payments_.get(sale.payment)
        if payment is None:
            return
        if not payment.proven or payment.decided_ms - payment.created_ms > DARK_MS:
            await self._unproven(sale, payment)
        elif payment.state in NOTHING_TAKEN:
            await self._declined(sale, payment)
        await self._untold(sale)

    async def _unproven(self, sale: Sale, payment: Payment) -> None:
        clock, dark = self.world.clock, payment.created_ms + DARK_MS
        one = self._open(payment.id, "unproven", sale.label or sale.hesitates or sale.money or "none", dark)
        for after in _LOOKS_MS:
            await clock.sleep_until(dark + after)
            payment = await self._look(one, payment.id, "why_no_information")
            now = clock.now_ms()
            if payment.proven and now - payment.decided_ms >= _SETTLES_MS and now - dark >= _LEAST_MS:
                break
        if sale.money and payment.refusal and payment.state in NOTHING_TAKEN:
            await self._declined(sale, payment)
        true = [sale.label or sale.hesitates or sale.money or sale.also or "none", *filter(None, [sale.also])]
        one.labels = tuple(dict.fromkeys(true))

    async def _declined(self, sale: Sale, payment: Payment) -> Episode:
        one = self._open(payment.id, "declined", sale.money or sale.label or "none", payment.decided_ms)
        await self._look(one, payment.id, "why_no_money")
        return one

    async def _untold(self, sale: Sale) -> None:
        """Paid, and three seconds later nobody in the shop has heard it."""
        clock, world = self.world.clock, self.world
        payment = world.store.payments_[sale.payment]
        if not payment.captured_fen:
            return
        await clock.sleep_until(payment.decided_ms + UNTOLD_MS + 50)
        if not world.lookout.untold(world.store.payments_[sale.payment]) or payment.decided_ms - payment.created_ms > DARK_MS:
            return
        said = await world.fleet.announcements_of(payment.id)
        if any(one.played_ms and one.played_ms - payment.decided_ms <= UNTOLD_MS for one in said):
            return
        labels = tuple(one.fault.cause for one in world.faults if one.fault.play.kind in ("speaker", "till") and one.on(payment.decided_ms) and sale.place.till in one.tills)
        one = self._open(payment.id, "untold", labels[0] if labels else "none", payment.decided_ms + UNTOLD_MS)
        one.labels = labels or ("none",)
        for at in world.faults:
            if labels and at.fault.cause == labels[0]:
                at.strikes(payment.decided_ms)
        for after in _UNTOLD_LOOKS_MS:
            await clock.sleep_until(one.dark_ms + after)
            await self._look(one, payment.id, "why_no_information")

    def _open(self, subject: str, kind: str, label: str, dark_ms: int) -> Episode:
        one = Episode(subject, kind, (label,), dark_ms)
        self.episodes.append(one)
        return one

    async def _look(self, one: Episode, payment_id: str, question: str) -> Payment:
        """As a page of the shop, or ``daozhang why``, would be told at this moment."""
        world = self.world
        payment = await world.store.payment(payment_id)
        assert payment is not None
        told = await described(world.house, payment, None, deep=True)
        fact_ms = max((line.at_ms for line in await world.store.evidence(payment_id) if line.kind in _FACTS), default=0)
        one.answers.append(answer_of(told[question], world.clock.now_ms(), fact_ms))
        one.code = str((payment.refusal or payment.doubt or {}).get("code") or one.kind)
        return payment

    # -- tills ---------------------------------------------------------------------------------------------------------------

    async def watch_tills(self, every_ms: int = 1_000) -> None:
        """A till that is silent for two heartbeats, or that tells of an illness, is looked at as operations would."""
        world = self.world
        while True:
            await world.clock.sleep_until(world.clock.now_ms() + every_ms)
            for box in world.fleet.boxes.values():
                if not box.device.speaks:
                    await self._till(box, world.clock.now_ms())

    async def _till(self, box: Box, now: int) -> None:
        world = self.world
        at_work = [one for one in world.faults if one.fault.play.kind == "till" and box.place.till in one.tills and one.from_ms <= now]
        silent = now - box.state.heard_ms > SILENT_MS or not box.state.online
        if not silent and not at_work and not box.restarted_ms:
            return
        none: list[AtWork | None] = [None] if silent else []
        for one in at_work or none:
            await self._till_of(box, one, silent, now)

    async def _till_of(self, box: Box, one: AtWork | None, silent: bool, now: int) -> None:
        key = (box.device.id, one.fault.cause if one is not None else "none")
        episode = self._opened.get(key)
        shows = silent if one is None or one.fault.play.gone else self._tells(box, one)
        if episode is None:
            if not shows or (one is not None and not one.on(now)):
                return
            episode = self._opened[key] = self._open(box.device.id, "till", key[1], now)
            if one is not None:
                one.strikes(now)
        since = now - one.until_ms if one is not None else 0
        back = since > _TILL_TELLS_MS and not shows
        if now - episode.dark_ms > _FOLLOWS_MS or (back and since > 2 * _TILL_TELLS_MS) or not self._due(episode, now, back, box.state.heard_ms):
            return
        others = [at.fault.cause for at in self.world.faults if at.fault.play.kind == "till" and box.place.till in at.tills and at.on(now)]
        episode.labels = tuple(dict.fromkeys((key[1], *others)))
        if back and one is not None and not one.fault.play.gone:
            return  # it is well again, and nothing is said of it any more
        told = cause_picture(await name_device(self.world.house.fleet, box.device, box.state, now))  # type: ignore[arg-type]
        episode.answers.append(answer_of(told, now, box.state.heard_ms))

    @staticmethod
    def _due(episode: Episode, now: int, back: bool, heard_ms: int) -> bool:
        """Often in the beginning, then whenever it was heard and now and then; once more when it is back."""
        last = episode.last
        if last is None or episode.answers[-1].fact_ms != heard_ms:
            return True
        return now - last.at_ms >= (1_000 if now - episode.dark_ms < 15_000 or back else 15_000)

    @staticmethod
    def _tells(box: Box, one: AtWork) -> bool:
        """Whether what it has told shows the illness already."""
        if "standing" in one.report:
            return True
        return any(box.state.reported.get(name) == value for name, value in one.report.items())


def settled(episodes: Sequence[Episode]) -> list[Episode]:
    """Those that were looked at."""
    return [one for one in episodes if one.answers]
