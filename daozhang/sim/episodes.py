"""Labelled single faults: small worlds that emit only what real channels, banks, carriers and devices expose.

The diagnosis never sees a label, and may not import this file. A bank's name stands on successes only, and only at channels
that tell it; the dead say nothing; sightings are lost on the way; some questions have not been answered yet.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daozhang.core.evidence import Evidence, Finding, Op, Proves, answered, asked
from daozhang.core.fleet import Announcement
from daozhang.core.payment import Method, Payment, State
from daozhang.diagnosis.facts import Around, Crowd, Facts, Notice, Terminal
from daozhang.diagnosis.window import Places, Sighting, Window

START_MS = 1_795_400_000_000
_CHANNELS = {"alipay": 0.55, "wechatpay": 0.4, "unionpay": 0.05}
_TELLS_BANK = frozenset({"wechatpay", "unionpay"})
_BANKS = {"ICBC": 0.3, "CCB": 0.25, "ABC": 0.2, "CMB": 0.15, "OTHERS": 0.1}
_ALWAYS_LOST = 0.002
_GROUP = {"read_timeout": "silence", "reset": "silence", "connect_timeout": "out", "dns": "out", "refused": "out", "tls": "out",
          "http_503": "error", "http_500": "error", "error": "error"}  # fmt: skip
_CODE = {"read_timeout": "READ_TIMEOUT", "reset": "CONNECTION_RESET_AFTER_SEND", "connect_timeout": "CONNECT_TIMEOUT",
         "dns": "DNS_FAILURE", "refused": "CONNECT_REFUSED", "tls": "TLS_HANDSHAKE_FAILED", "http_503": "HTTP_503",
         "http_500": "HTTP_500", "error": "SYSTEM_ERROR"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """``hits``: whether a payment (its channel and bank) is in its reach. ``later``: are questions afterwards answered?"""

    cause: str
    share: float
    symptom: Callable[[random.Random], str]
    hint: Callable[[random.Random], str]
    hits: Callable[[str, str], bool]
    later: float
    place: str = ""
    notice: str = ""
    probe: bool | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """One dark payment, or one till, with everything that is known; ``label`` stays with whoever grades."""

    label: str
    symptom: str
    facts: Facts | None = None
    terminal: Terminal | None = None
    crowd: Crowd | None = None


@dataclass
class World:
    """Some shops for some two minutes."""

    rand: random.Random
    window: Window = field(default_factory=Window)
    tills: list[Places] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        shops = self.rand.randint(15, 60)
        for shop in range(shops):
            region, carrier = f"r{self.rand.randrange(4)}", f"c{self.rand.randrange(3)}"
            for till in range(self.rand.randint(1, 3)):
                version = self.rand.choices(["1.4.0", "1.3.2", "1.2.0"], [0.6, 0.3, 0.1])[0]
                self.tills.append(Places(f"t{shop}.{till}", f"s{shop}", version, carrier, region, ""))

    def pick(self, of: dict[str, float]) -> str:
        return self.rand.choices(list(of), list(of.values()))[0]


# -- payments ----------------------------------------------------------------------------------------------------------


def payments(at_work: Sequence[Fault], rand: random.Random, most: int) -> Iterator[Episode]:
    """A world with these faults at once: up to ``most`` of its dark payments, each as it was known some seconds later.

    A payment belongs to the first fault that hits it.
    """
    world = World(rand)
    per_s, lost = rand.uniform(2, 12), rand.uniform(0, 0.25)
    onset, until = 60_000, 60_000 + rand.randint(20_000, 50_000)
    dark: list[tuple[int, Places, str, Fault]] = []
    seen: list[Sighting] = []
    at = 0.0
    while at < until:
        at += rand.expovariate(per_s) * 1000
        places = rand.choice(world.tills)._replace(channel=world.pick(_CHANNELS))
        bank = world.pick(_BANKS)
        fault = next((one for one in at_work if at >= onset and one.hits(places.channel, bank) and rand.random() < one.share), None)
        symptom = fault.symptom(rand) if fault is not None else "read_timeout" if rand.random() < _ALWAYS_LOST else ""
        if fault is not None:
            dark.append((int(at), places, symptom, fault))
        if rand.random() >= lost:
            name = bank if not symptom and places.channel in _TELLS_BANK else ""
            seen.append(Sighting(f"p{len(seen)}", START_MS + int(at), places, _GROUP[symptom] if symptom else "", name))
    rand.shuffle(dark)
    for one in dark[:most]:
        yield _episode(rand, seen, one, at_work)


def _episode(rand: random.Random, seen: list[Sighting], one: tuple[int, Places, str, Fault], at_work: Sequence[Fault]) -> Episode:
    at, places, symptom, fault = one
    now = START_MS + at + rand.randint(6_000, 25_000)
    window = Window()
    for sighting in seen:
        delay = 5_300 if sighting.symptom else 400  # a dark one is known to be so after the time allowed
        if sighting.at_ms + delay <= now:
            window.see(sighting)
    crowd = window.crowd("own", places, _GROUP[symptom], START_MS + at)
    payment, lines = _story(fault, rand, places, symptom, START_MS + at)
    notices = [Notice("platform", "elsewhere", 0, 1)] if rand.random() < 0.8 else []
    for other in at_work:
        if other.notice:
            notices.append(Notice(other.notice, other.place, START_MS - 60_000, START_MS + 3_600_000))
    probe = fault.probe if rand.random() < 0.3 else None
    around = Around((), (), tuple(notices), crowd, probe)
    return Episode(fault.cause, symptom, Facts(payment, lines, now, around))


def _story(fault: Fault, rand: random.Random, places: Places, symptom: str, at: int) -> tuple[Payment, list[Evidence]]:
    """The payment's own evidence: one call that brought nothing, and what was asked afterwards, as far as it is known yet."""
    payment = Payment(
        "pay_01JD8000000000000000000000", 1, "mer_1", places.shop, places.terminal, "A-1", 1250, "CNY", Method.PAY_BY_CODE,
        places.channel, "acc_1", False, "tea", "28••••8841", {}, at, state=State.UNKNOWN, asked_ms=at, window_end_ms=at + 60_000,
    )  # fmt: skip
    code = _CODE[symptom]
    out = _GROUP[symptom] == "out"
    hint = "us.egress" if out else "info.reply_lost" if _GROUP[symptom] == "silence" else fault.hint(rand)
    trail: dict[str, Any] = {"fault": code, "failed": 5000.0} if _GROUP[symptom] in ("silence", "out") else {"first_byte": 40.0}
    finding = Finding(Proves.NOT_SENT if out else Proves.NOTHING, code, hint=hint, trail=trail)
    lines = [asked(payment.id, 1, at, "us", Op.PAY), answered(payment.id, 2, at + 5_000, places.channel, Op.PAY, finding)]
    for n in range(rand.randint(0, 3)):
        spoke = rand.random() < fault.later
        later = Finding(Proves.WAITING, trail={"sent_body": 1.0, "first_byte": rand.uniform(20, 400)}) if spoke else replace(
            finding, proves=Proves.NOTHING, hint="info.reply_lost" if _GROUP[symptom] != "error" else "platform.degraded")  # fmt: skip
        lines += [asked(payment.id, 3 + 2 * n, at + 5_000, "us", Op.QUERY),
                  answered(payment.id, 4 + 2 * n, at + 5_100, places.channel, Op.QUERY, later)]  # fmt: skip
    doubt = {"code": code, "hint": hint, "op": "pay", "at_ms": at + 5_000, "alarm": ""}
    return replace(payment, doubt=doubt), lines


def _always(value: str) -> Callable[[random.Random], str]:
    return lambda _rand: value


def _one_of(**chances: float) -> Callable[[random.Random], str]:
    return lambda rand: rand.choices(list(chances), list(chances.values()))[0]


def faults(rand: random.Random, only_timeouts: bool = False) -> dict[str, Fault]:
    """Each fault of the payment's way with a strength drawn anew; most worlds show nothing but read timeouts."""
    channel = rand.choices(["alipay", "wechatpay"], [0.55, 0.45])[0]
    bank = rand.choice(["ICBC", "CCB", "ABC"])
    timeouts = rand.random() < 0.6 or only_timeouts

    def style(*others: str) -> Callable[[random.Random], str]:
        return _always("read_timeout" if timeouts or not others else rand.choice(others))

    here, everywhere = (lambda c, _b: c == channel), (lambda _c, _b: True)
    at_bank = lambda _c, b: b == bank  # noqa: E731
    said = _always("platform.degraded")
    bank_said = _one_of(**{"bank.unavailable": 0.6, "platform.degraded": 0.4})
    return {
        "platform.outage": Fault("platform.outage", rand.uniform(0.95, 1), style("connect_timeout", "refused", "reset", "http_500"), said, here, 0.02, probe=False),
        "platform.degraded": Fault("platform.degraded", rand.uniform(0.25, 0.7), style("error", "http_500"), said, here, rand.uniform(0.3, 0.8)),
        "platform.maintenance": Fault("platform.maintenance", rand.uniform(0.95, 1), style("http_503", "http_503", "error"), _always("platform.maintenance"), here, 0.05, channel, notice="platform" if rand.random() < 0.9 else "", probe=False),
        "bank.unavailable": Fault("bank.unavailable", rand.uniform(0.85, 1), style("error"), bank_said, at_bank, rand.uniform(0.7, 0.95)),
        "bank.maintenance": Fault("bank.maintenance", rand.uniform(0.9, 1), style("error"), bank_said, at_bank, rand.uniform(0.7, 0.95), bank, notice="bank"),
        "bank.slow": Fault("bank.slow", rand.uniform(0.85, 1), _always("read_timeout"), said, at_bank, 0.98),
        "clearing.outage": Fault("clearing.outage", rand.uniform(0.6, 0.95), style("error", "error"), _one_of(**{"bank.unavailable": 0.5, "platform.degraded": 0.5}) if not timeouts else said, everywhere, rand.uniform(0.6, 0.9)),
        "us.egress": Fault("us.egress", rand.uniform(0.92, 1), style("connect_timeout", "dns"), said, everywhere, 0.02, probe=True),
        "us.certificate": Fault("us.certificate", 1.0, _always("tls"), said, everywhere, 0.0, probe=True),
        "info.reply_lost": Fault("info.reply_lost", 0.012, _one_of(read_timeout=0.7, reset=0.3), said, everywhere, 0.97),
    }  # fmt: skip


# -- tills -------------------------------------------------------------------------------------------------------------

_ILL: dict[str, dict[str, Any]] = {
    "device.battery_low": {"battery": (2, 14), "mains": False}, "device.clock_skew": {"skew_ms": (120_000, 9_000_000)},
    "device.outdated_software": {"software": "1.0.3"}, "device.printer": {"printer": "no_paper"}, "device.scanner": {"scanner": "broken"},
    "device.driver": {"driver": "missing"}, "device.misconfigured": {"config": "rejected"}, "network.slow": {"rtt_ms": (900, 4_000)},
    "network.lossy": {"loss": (0.08, 0.5)}, "network.sim_suspended": {"sim": "suspended"}, "network.no_data_left": {"data_left_mb": 0},
}  # fmt: skip
_GONE = ("device.power_lost", "device.offline", "network.down", "network.carrier")
_RETURNS = {"device.power_lost": "power", "device.offline": "network", "network.down": "network", "network.carrier": "network",
            "network.dns": "dns", "network.tls": "tls"}  # fmt: skip
TILL_CAUSES = (*_ILL, *_GONE, "network.dns", "network.tls")


def till(cause: str, rand: random.Random) -> Episode:
    """A silent or ailing till among the other devices of that minute."""
    now = START_MS
    said: dict[str, Any] = {"battery": rand.randint(20, 100), "mains": rand.random() < 0.5, "signal_dbm": rand.randint(-100, -60),
                            "rtt_ms": rand.randint(20, 300), "loss": rand.uniform(0, 0.02), "sim": "active", "data_left_mb": 500,
                            "software": "1.4.0", "skew_ms": rand.randint(-2000, 2000)}  # fmt: skip
    for name, value in _ILL.get(cause, {}).items():
        drawn = value
        if isinstance(value, tuple):
            drawn = rand.uniform(*value) if isinstance(value[0], float) else rand.randint(*value)
        said[name] = drawn
    for name in [name for name in said if name not in _ILL.get(cause, {}) and rand.random() < 0.15]:
        del said[name]  # not every device says everything
    gone = cause in _RETURNS
    if cause == "device.power_lost" and rand.random() < 0.5:
        said |= {"battery": rand.randint(1, 10), "mains": False}
    back = gone and (rand.random() < 0.6 or cause in ("network.dns", "network.tls"))
    if back:
        restarted = cause == "device.power_lost"
        said |= {"uptime_s": rand.randint(5, 60) if restarted else rand.randint(3_600, 90_000)}
        if rand.random() < 0.7 or cause in ("network.dns", "network.tls"):
            said["lost_by"] = _RETURNS[cause]
    offline = now - rand.randint(90_000, 400_000) if gone else 0
    one = Terminal("dev_1", "pos", False, "active", back or not gone, now - (1_000 if back or not gone else 90_000), offline,
                   "keepalive" if gone else "", said, "till_1")  # fmt: skip
    return Episode(cause, "silent" if gone else "ill", None, one, _neighbours(cause, rand) if gone else None)


def _neighbours(cause: str, rand: random.Random) -> Crowd | None:
    world, window = World(rand), Window()
    own = next((one for one in world.tills if sum(one.shop == other.shop for other in world.tills) > 1), world.tills[0])
    for n, one in enumerate(world.tills):
        silent = (cause == "network.down" and one.shop == own.shop) or (cause == "network.carrier" and one.carrier == own.carrier
                  and rand.random() < 0.9)  # fmt: skip
        silent = silent or rand.random() < 0.01
        if rand.random() > 0.1 and one.terminal != own.terminal:
            window.see(Sighting(f"d{n}", START_MS, one, "silent" if silent else ""))
    return window.crowd("own", own, "silent", START_MS) if len(window) else None


# -- speakers, payers, ourselves ---------------------------------------------------------------------------------------


def speaker(cause: str, rand: random.Random) -> Episode:
    """Paid, and the shop has not said that it knows."""
    at = START_MS
    base, _ = _story(faults(rand)["info.reply_lost"], rand, Places("t1", "s1", "", "", "", "alipay"), "read_timeout", at)
    paid = replace(base, doubt=None, state=State.PAID, decided_ms=at + 300, seen=True)
    lines = [asked(paid.id, 1, at, "us", Op.PAY), answered(paid.id, 2, at + 300, "alipay", Op.PAY, Finding(Proves.CAPTURED))]
    away, unbound = cause == "device.speaker_offline", cause == "device.speaker_unbound"
    said: dict[str, Any] = {"battery": rand.randint(20, 100), "sim": "active", "rtt_ms": rand.randint(20, 300)}
    if cause == "device.speaker_muted" and rand.random() < 0.7:
        said |= {"muted": True, "volume": 0}
    box = Terminal("dev_2", "speaker", True, "active", not away, at - (90_000 if away else 2_000), at - 90_000 if away else 0,
                   "keepalive" if away else "", said, "t2" if unbound else "t1")  # fmt: skip
    why = "muted" if cause == "device.speaker_muted" else ""
    told = () if unbound else (Announcement("ann_1", 1, "mer_1", "dev_2", paid.id, "paid", 1250, "alipay", at, why=why),)
    return Episode(cause, "untold", Facts(paid, lines, at + rand.randint(4_000, 30_000), Around((box,), told)))


def own(cause: str, rand: random.Random) -> Episode:
    """The payer hesitates, or we ourselves died between a question and its answer."""
    at = START_MS
    base, _ = _story(faults(rand)["info.reply_lost"], rand, Places("t1", "s1", "", "", "", "alipay"), "read_timeout", at)
    p = replace(base, doubt=None)
    lines = [asked(p.id, 1, at, "us", Op.PAY)]
    if cause == "payer.not_completed":
        p = replace(p, state=State.WAITING_PAYER, seen=True)
        lines.append(answered(p.id, 2, at + 200, "alipay", Op.PAY, Finding(Proves.WAITING)))
    else:
        lines.append(asked(p.id, 2, at + 8_000, "us", Op.QUERY))
    return Episode(cause, "waiting" if p.seen else "orphan", Facts(p, lines, at + rand.randint(9_000, 30_000), Around()))


SPEAKERS = ("device.speaker_muted", "device.speaker_offline", "device.speaker_unbound")
OWN = ("payer.not_completed", "us.internal")


# Pairs that can stand side by side: another bank's fault beside a channel's, one lost reply beside all.
_PAIRS = (("platform.outage", "bank.unavailable"), ("platform.degraded", "bank.slow"), ("platform.maintenance", "bank.unavailable"),
          ("platform.outage", "info.reply_lost"), ("bank.maintenance", "info.reply_lost"), ("platform.degraded", "us.certificate"))  # fmt: skip


def overlapping(seed: int, count: int) -> Iterator[Episode]:
    """Dark episodes of worlds with two faults at once; each belongs to the fault that hit it."""
    rand, made = random.Random(seed), 0
    while made < count:
        table = faults(rand)
        pair = rand.choice(_PAIRS)
        for one in payments([table[name] for name in pair], rand, min(6, count - made)):
            made += 1
            yield one


# Faults whose every payment may end in the same way: no answer within the time allowed.
_ALIKE = ("platform.outage", "platform.degraded", "platform.maintenance", "bank.unavailable", "bank.maintenance", "bank.slow",
          "clearing.outage", "us.egress", "info.reply_lost")  # fmt: skip


def alike(seed: int, count: int) -> Iterator[Episode]:
    """Dark episodes of nine causes that all show the same symptom, a read timeout: only what is around them differs."""
    rand, made = random.Random(seed), 0
    while made < count:
        cause = _ALIKE[made % len(_ALIKE)]
        for one in payments((faults(rand, True)[cause],), rand, min(5, count - made)):
            if one.symptom == "read_timeout":
                made += 1
                yield one


def episodes(seed: int, of_each: int) -> Iterator[Episode]:
    """``of_each`` dark episodes of every cause, from one seed."""
    rand = random.Random(seed)
    for cause in faults(random.Random(0)):
        made = 0
        while made < of_each:
            for one in payments((faults(rand)[cause],), rand, min(6, of_each - made)):
                made += 1
                yield one
    for cause in TILL_CAUSES:
        yield from (till(cause, rand) for _ in range(of_each))
    for cause in SPEAKERS:
        yield from (speaker(cause, rand) for _ in range(of_each))
    for cause in OWN:
        yield from (own(cause, rand) for _ in range(of_each))


def blinded(seed: int, count: int) -> Iterator[Episode]:
    """Dark episodes with all that could tell their causes apart taken away: one call without an answer, and nobody around."""
    rand, made = random.Random(seed), 0
    while made < count:
        cause = _ALIKE[made % len(_ALIKE)]
        for one in payments((faults(rand, True)[cause],), rand, 1):
            if one.facts is not None and one.symptom == "read_timeout":
                made += 1
                yield replace(one, facts=replace(one.facts, lines=one.facts.lines[:2], around=Around()))
