"""The lookout: sees every step of every payment of all processes, and says what happened around one that is dark.

Each process tells the others in small batches (`drain`, `take`); what is lost on the way is only missing, never wrong.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.fleet import Announcement, Device, DeviceState, Fleet, Standing
from daozhang.core.incident import Incident, Probe
from daozhang.core.payment import RECEIVED, Payment
from daozhang.core.ports import Clock, Witness
from daozhang.diagnosis.facts import DARK_MS, SILENT_MS, UNTOLD_MS, Around, Crowd, Notice, Terminal
from daozhang.diagnosis.name import CauseNamed, name_till
from daozhang.diagnosis.sighting import NOWHERE, WAITING, places_of, sighting_of, symptom_of
from daozhang.diagnosis.window import Sighting, Window, place_fits
from daozhang.watch.health import Health

_A_PIECE = 24  # sightings in one notification of the store, which holds 8,000 bytes
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Sighting]).decode
_MOST_WAITING = 20_000
_TOGETHER_MS = 60_000
_MOST_REMEMBERED = 50_000
_TOLD_WITHIN_MS = 600_000  # a paid one that nobody has acknowledged is looked after for so long


class Lookout:
    """A witness that passes everything on to ``inner``, and remembers the last minutes. ``on_dark``: called with the id of
    each payment that has no information, of this process and of others; ``on_seen``: with every sighting."""

    def __init__(self, inner: Witness, clock: Clock) -> None:
        self._inner, self._clock = inner, clock
        self.window = Window()
        self.notices: tuple[Notice, ...] = ()
        self.about: Mapping[str, tuple[str, str, str]] = {}  # till -> software, carrier, region
        self.incidents: tuple[Incident, ...] = ()  # open ones, drafts too
        self.elsewhere: Mapping[str, bool] = {}  # channel -> whether a probe from another place was answered just now
        self.probed: Mapping[str, Probe] = {}  # channel -> our own last probe
        self.released_ms = 0  # when our own software was changed last
        self.accounts: dict[str, str] = {}  # channel -> the account that was in use last
        self.health = Health()
        self._banks: dict[str, str] = {}
        self._took: dict[str, int] = {}
        self._queried: set[str] = set()
        self._waiting: list[Sighting] = []
        self.on_dark: Callable[[str], None] = _nobody
        self.on_seen: Callable[[Sighting], None] = _nobody_counts

    # -- Witness -----------------------------------------------------------------------------------------------------------

    def asked(self, payment: Payment, op: Op, finding: Finding, took_ms: float) -> None:
        self._inner.asked(payment, op, finding, took_ms)
        if len(self._took) > _MOST_REMEMBERED:
            self._took.clear()
        self._took[payment.id] = int(took_ms)
        self.accounts[payment.channel] = payment.account
        if finding.proves is Proves.CAPTURED:
            if len(self._banks) + len(self._queried) > _MOST_REMEMBERED:
                self._banks.clear()
                self._queried.clear()
            bank = finding.detail.get("bank_type")
            if bank:
                self._banks[payment.id] = str(bank)[:32].removesuffix("_DEBIT").removesuffix("_CREDIT")  # one bank, two kinds of card
            if op is Op.QUERY and payment.method.shown:
                self._queried.add(payment.id)

    def moved(self, before: Payment, after: Payment) -> None:
        self._inner.moved(before, after)
        if after.doubt is before.doubt and after.proven is before.proven and after.state is before.state:
            return
        bank, by_query = self._banks.get(after.id, ""), after.id in self._queried
        seen = sighting_of(before, after, bank, by_query, self._took.pop(after.id, 0), self.about.get(after.till, NOWHERE))
        if after.proven:
            self._banks.pop(after.id, "")
            self._queried.discard(after.id)
        if seen is not None:
            self._see(seen)
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(seen)

    def _see(self, seen: Sighting) -> None:
        self.on_seen(seen)
        if seen.symptom == WAITING:
            return
        if self.window.see(seen):
            self.health.see(seen)
        if seen.symptom:
            self.on_dark(seen.id)

    def served(self, route: str, status: int, took_ms: float) -> None:
        self._inner.served(route, status, took_ms)

    def unlogged(self, lines: int) -> None:
        self._inner.unlogged(lines)

    # -- between processes -------------------------------------------------------------------------------------------------

    def drain(self) -> list[str]:
        """What this process has seen since the last call, in pieces that one notification holds."""
        seen, self._waiting = self._waiting, []
        return [_encode(seen[at : at + _A_PIECE]).decode() for at in range(0, len(seen), _A_PIECE)]

    def take(self, payload: str) -> None:
        """What another process has seen (our own comes back too, and counts once)."""
        if payload:
            for one in _decode(payload):
                self._see(one)

    # -- around one payment ------------------------------------------------------------------------------------------------

    def crowd(self, p: Payment) -> Crowd | None:
        """What others say about the symptom of this one; None where nobody else was seen."""
        symptom = symptom_of(p, by_query=p.method.shown)
        if not symptom or not len(self.window):
            return None
        return self.window.crowd(p.id, places_of(p, self.about.get(p.till, NOWHERE)), symptom, p.created_ms)

    def concerned(self, p: Payment) -> bool:
        """Whether it is, or was just now, without information: only then something is read about it."""
        now = self._clock.now_ms()
        return p.doubt is not None or (p.decided_ms or now) - p.created_ms > DARK_MS or self.untold(p)

    def untold(self, p: Payment) -> bool:
        """Paid just now, and nobody has said yet that the shop knows."""
        return p.state in RECEIVED and not p.told_ms and UNTOLD_MS < self._clock.now_ms() - p.decided_ms < _TOLD_WITHIN_MS


def _nobody(_payment_id: str) -> None:
    """Nobody in this process follows dark payments."""


def _nobody_counts(_seen: Sighting) -> None:
    """Nobody in this process watches over all."""


async def look_around(lookout: Lookout | None, fleet: Fleet | None, p: Payment, now_ms: int) -> Around | None:
    """What is known around a payment; None, and nothing is read, for one that had its information."""
    if lookout is None or not lookout.concerned(p):
        return None
    terminals: tuple[Terminal, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    if fleet is not None and lookout.untold(p):  # devices speak only for what happens after the money came
        near = [one for one in await fleet.devices_at(p.merchant, p.store) if one.standing is not Standing.REVOKED]
        states = await fleet.device_states(near) if near else {}
        terminals = tuple(terminal_of(one, states.get(one.id)) for one in near if one.till == p.till or one.speaks)
        announcements = tuple(await fleet.announcements_of(p.id)) if terminals else ()
    return Around(terminals, announcements, lookout.notices, lookout.crowd(p), lookout.elsewhere.get(p.channel), lookout.released_ms)


def terminal_of(device: Device, state: DeviceState | None) -> Terminal:
    known = state or DeviceState(device.id)
    return Terminal(
        device.id, device.type, device.speaks, device.standing.value, known.online, known.heard_ms, known.offline_ms,
        known.offline_why, known.reported, device.till,
    )  # fmt: skip


async def name_device(fleet: Fleet, device: Device, state: DeviceState | None, now_ms: int) -> CauseNamed | None:
    """What is wrong with a device, seen among the devices of its shop."""
    near = [one for one in await fleet.devices_at(device.merchant, device.store) if one.id != device.id]
    states = await fleet.device_states(near) if near else {}
    others = [terminal_of(one, states.get(one.id)) for one in near if one.standing is Standing.ACTIVE]
    own = terminal_of(device, state)
    return name_till(own, now_ms, shop_crowd(others, device.till, now_ms, own))


def _together(one: Terminal, own: Terminal | None) -> bool:
    """Both are back, and they had gone at the same time."""
    return own is not None and bool(own.offline_ms and one.offline_ms) and abs(own.offline_ms - one.offline_ms) < _TOGETHER_MS


def shop_crowd(others: Iterable[Terminal], till: str, now_ms: int, own: Terminal | None = None) -> Crowd | None:
    """The neighbours of a silent device: who of them is silent too, or was when it was."""
    known = [(one.till == till, not one.online or now_ms - one.heard_ms > SILENT_MS or _together(one, own)) for one in others if one.heard_ms]
    if not known:
        return None
    counts = {
        "terminal": (sum(silent for here, silent in known if here), sum(not silent for here, silent in known if here)),
        "shop": (sum(silent for _, silent in known), sum(not silent for _, silent in known)),
    }
    counts["all"] = counts["shop"]
    fits = place_fits(counts)
    fits.pop("all")  # nobody looked beyond this shop: what is wider than it fits as well
    fits["carrier"] = fits["region"] = fits["shop"]
    return Crowd(fits, counts)
