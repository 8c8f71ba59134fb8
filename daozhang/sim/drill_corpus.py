"""A labelled corpus from drills: every cause alone, and some at once, in worlds drawn anew from seeds that nobody tuned on."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from daozhang.sim.drill_file import Drill, Fault, World
from daozhang.sim.drill_plays import PLAYS
from daozhang.sim.drill_run import Ran, run_drill
from daozhang.sim.world import dice as seeded

# So many worlds of a cause for one of another: rare or small faults make few dark payments each.
_MINUTES = 5.0
_TIMEOUTS = 0.7  # of the faults on the wire show nothing but timeouts, where they can
_CAN_TIME_OUT = frozenset(name for name, play in PLAYS.items() if any("timeout" in style for style in play.styles))
_TOGETHER = (
    ("platform.outage", "bank.unavailable"), ("platform.degraded", "network.down"), ("platform.maintenance", "bank.maintenance"),
    ("bank.unavailable", "payer.insufficient_funds"), ("platform.outage", "info.reply_lost"), ("clearing.outage", "device.printer"),
    ("us.egress", "payer.card_expired"), ("platform.degraded", "device.speaker_muted", "limit.single"),
    ("bank.slow", "network.lossy", "payer.not_completed"), ("platform.maintenance", "device.power_lost", "risk.payer_blocked"),
)  # fmt: skip


def worlds(seed: int, causes: Sequence[str], each: int) -> Iterator[tuple[Drill, int]]:
    """``each`` worlds of every cause: onset, duration, size, traffic, losses and strength are drawn. Of causes that can look like
    nothing but a timeout there are twice as many: they are the ones that are hard to tell apart."""
    for n in range(2 * each):
        for cause in causes:
            if n >= each and cause not in _CAN_TIME_OUT:
                continue
            dice = seeded(zlib.crc32(f"{seed} {cause} {n}".encode()))
            yield _drill((cause,), dice), dice.randrange(1 << 30)


def together(seed: int, count: int) -> Iterator[tuple[Drill, int]]:
    """Worlds with two or three faults that overlap."""
    for n in range(count):
        dice = seeded(zlib.crc32(f"{seed} together {n}".encode()))
        yield _drill(_TOGETHER[n % len(_TOGETHER)], dice), dice.randrange(1 << 30)


def _drill(causes: Sequence[str], dice: Any) -> Drill:
    world = World(
        merchants=dice.randint(12, 50), tills_per_merchant=dice.randint(1, 3), payments_per_minute=float(dice.randint(100, 300)),
        wallets={"alipay": dice.uniform(0.35, 0.6), "wechatpay": dice.uniform(0.3, 0.5), "unionpay": dice.uniform(0.02, 0.08)},
        unknown_rate=dice.uniform(0.0, 0.003), heartbeat_loss=dice.uniform(0.0, 0.15), latency_ms=dice.randint(20, 200),
        qr_share=0.4 if causes[0].startswith(("info.notify", "us.notify")) else 0.05, impatience=dice.uniform(0, 0.6),
    )  # fmt: skip
    return Drill(name=" ".join(causes), minutes=_MINUTES, world=world, faults=tuple(_fault(cause, dice) for cause in causes))


def _fault(cause: str, dice: Any) -> Fault:
    at, lasts = dice.uniform(50, 120), dice.uniform(60, 150)
    symptom = "timeout" if cause in _CAN_TIME_OUT and dice.random() < _TIMEOUTS else ""
    return Fault(cause=cause, at_s=at, until_s=at + lasts, symptom=symptom)


def ran(work: Iterator[tuple[Drill, int]]) -> Iterator[tuple[Drill, Ran]]:
    for drill, seed in work:
        yield drill, run_drill(drill, seed)
