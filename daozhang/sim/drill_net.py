"""The wires of a drill: every question to a channel travels here, and suffers what the faults at work do to it.

Only the outside of a fault comes through: a timeout, a reset, a vague error. Whose fault it was stays with the runner.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from daozhang.channels.twin import Heard, Said, Twin, Wire
from daozhang.core.faults import MaybeArrived, NoAnswer, NotSent, Unreadable
from daozhang.core.payment import Method
from daozhang.core.ports import Exchange, HttpRequest
from daozhang.sim.drill_faults import AtWork, Place, ordinary, symptom_of
from daozhang.sim.loop import VirtualClock

_NUMBER = re.compile(rb"DZ[0-9A-Z]{26}")
GAP_MS = {"alipay": 3_000, "wechatpay": 5_000, "unionpay": 1_000}  # of two queries of one order: what a channel asks for, not what we keep
_MOST_QUERIES = 80
_NEVER_LEFT = {"refused": "CONNECT_REFUSED", "dns": "DNS_FAILURE", "tls": "TLS_HANDSHAKE_FAILED", "connect_timeout": "CONNECT_TIMEOUT"}
_MODES = {"http_500": "error_500", "http_503": "maintenance", "garbage": "garbage", "forged": "forged", "unknown_code": "unknown_code", "stale": "query_stale"}
_SLOW_MS = (5_200, 15_000)


@dataclass(eq=False)
class Sale:
    """One payment of a drill with its ground truth, which nobody but the runner reads. ``label``: the cause that took its
    information away; ``money``: the cause why no money came."""

    number: int
    place: Place
    till: str
    bank: str
    channel: str
    amount_fen: int
    method: Method
    habit: str = "pays"
    hands: str = ""
    also: str = ""  # a second fault that kept its information away afterwards
    hesitates: str = ""  # what keeps the information away while the payer does nothing
    payment: str = ""
    label: str = ""
    money: str = ""
    by: AtWork | None = None
    left: bool = False
    arrived: bool = False
    queries: list[int] = field(default_factory=list)
    told_ms: int = 0
    busy_until_ms: int = 0  # a slow bank is still at it: nobody knows the end yet
    notify_late_s: float = -1.0


class Crashed(Exception):
    """Our own process died over this payment."""


def _nobody() -> None:
    """Nobody waits for what a channel does by itself."""


class DrillNet:
    """The Net port. ``sale_of``: order number -> the sale; ``faults``: nearest first."""

    def __init__(
        self, twins: dict[int, tuple[str, Twin]], clock: VirtualClock, dice: Any, faults: list[AtWork],
        sale_of: Callable[[str], "Sale | None"], unknown_rate: float, latency_ms: int,
    ) -> None:  # fmt: skip
        self._twins, self._clock, self._dice, self._faults, self._sale_of = twins, clock, dice, faults, sale_of
        self._unknown_rate, self._latency_ms = unknown_rate, latency_ms
        self.manners: list[str] = []
        self.on_asked: Callable[[], None] = _nobody
        self.asked: Counter[tuple[str, str, int]] = Counter()

    async def call(self, request: HttpRequest) -> Exchange:
        found = _NUMBER.search(request.url.encode() + b" " + request.body)
        sale = self._sale_of(found[0].decode()) if found else None
        name, twin = self._twins[urlsplit(request.url).port or 0]
        now = self._clock.now_ms()
        first = sale is not None and not sale.left
        if sale is not None and not first:
            self._count(sale, name, request, now)
        else:
            self.asked[name, "pay", now // 60_000] += 1
        how, one = self._fate(sale, first, now)
        if how == "crash" and sale is not None:
            return await self._crash(sale, twin, request)
        if how in _NEVER_LEFT:
            return await self._never_left(how, request)
        if sale is not None:
            sale.left = True
        if how == "slow" and sale is not None:
            sale.busy_until_ms = now + round(self._dice.uniform(*_SLOW_MS))
        return await self._travel(sale if first else None, twin, request, how, one.fault.play.charged if one is not None else 1.0)

    def _fate(self, sale: Sale | None, first: bool, now: int) -> tuple[str, AtWork | None]:
        """What becomes of this question, and whose doing it is."""
        if sale is None:
            return "", None
        for one in self._faults:
            play = one.fault.play
            if play.kind not in ("wire", "crash") or not one.on(now) or not one.reaches(sale.place, sale.channel, sale.bank):
                continue
            if first and self._dice.random() < one.share:
                if not sale.label or sale.by is None:
                    sale.by, sale.label = one, one.fault.cause
                    one.strikes(now)
                slow = one.fault.cause == "bank.slow" and not one.fault.symptom
                return "crash" if play.kind == "crash" else "slow" if slow else symptom_of(one, self._dice), one
            if not first and now < sale.busy_until_ms:
                return "stale", None
            if not first and self._dice.random() < one.later:
                if sale.by is None or sale.by.fault.play.kind == "notify":
                    sale.also = one.fault.cause
                return symptom_of(one, self._dice), one
        if first and self._dice.random() < self._unknown_rate:
            sale.label = sale.label or "info.reply_lost"
            return ordinary(self._dice), None
        return "", None

    def _count(self, sale: Sale, name: str, request: HttpRequest, now: int) -> None:
        """Manners: the least gap between two queries of one order, and how many there are."""
        where = request.url.encode() + b" " + request.body
        query = b"trade.query" in where or b"orderquery" in where or b"txnType=00" in where or request.method == "GET"
        self.asked[name, "query" if query else "undo", now // 60_000] += 1
        if not query:
            return
        if sale.queries and now - sale.queries[-1] < GAP_MS[name]:
            self.manners.append(f"{sale.payment}: two queries {now - sale.queries[-1]} ms apart")
        sale.queries.append(now)
        if len(sale.queries) > _MOST_QUERIES:
            self.manners.append(f"{sale.payment}: {len(sale.queries)} queries")

    async def _crash(self, sale: Sale, twin: Twin, request: HttpRequest) -> Exchange:
        """The request left, the process died: nobody waits for the answer. Whoever finds the payment later carries on."""
        sale.left = True
        twin.handle(self._heard(request))
        task = asyncio.current_task()
        if task is not None:
            task.cancel()
        await asyncio.sleep(0)
        raise Crashed

    async def _never_left(self, how: str, request: HttpRequest) -> Exchange:
        took = request.deadline_ms if how == "connect_timeout" else round(self._dice.uniform(1, 60))
        await asyncio.sleep(took / 1000)
        return Exchange(fault=NotSent(_NEVER_LEFT[how]), trail={"fault": _NEVER_LEFT[how], "failed": float(took)})

    def _heard(self, request: HttpRequest) -> Heard:
        return Heard(request.method, request.url, request.headers, request.body, self._clock.now_ms())

    async def _travel(self, sale: Sale | None, twin: Twin, request: HttpRequest, how: str, charged: float) -> Exchange:
        d, began = self._dice, self._clock.now_ms()
        there = self._latency_ms * d.uniform(0.5, 1.5) / 2
        await asyncio.sleep(there / 1000)
        carried_out = d.random() < charged
        if how in ("timeout", "reset") and not carried_out:
            said = Said(0, (), b"", wire=Wire.NO_REPLY if how == "timeout" else Wire.RESET)
        else:
            said = self._ask(twin, request, mode := self._mode(twin, how, carried_out))
            if sale is not None and mode not in ("maintenance", "system_error_clean"):
                sale.arrived = True
        trail: dict[str, Any] = {"resolved": 0.1, "connected": there / 2, "sent_headers": there / 2 + 0.1, "sent_body": there / 2 + 0.2}
        wait: float = sale.busy_until_ms - began if how == "slow" and sale is not None else said.delay_ms + self._latency_ms * d.uniform(0.5, 1.5) / 2
        left = began + request.deadline_ms - self._clock.now_ms()
        if how == "timeout" or said.wire in (Wire.NO_REPLY, Wire.DRIP) or wait > left:
            await asyncio.sleep(max(left, 0) / 1000)
            return _lost(MaybeArrived("READ_TIMEOUT"), trail, request.deadline_ms)
        await asyncio.sleep(wait / 1000)
        took = float(self._clock.now_ms() - began)
        if how == "reset" or said.wire is Wire.RESET:
            return _lost(MaybeArrived("CONNECTION_RESET_AFTER_SEND"), trail, took)
        trail |= {"first_byte": took, "done": took}
        if how == "truncated" or said.wire is Wire.TRUNCATED:
            return _lost(Unreadable("HTTP_BODY_TRUNCATED"), trail, took)
        return Exchange(said.status, said.headers, said.body, trail=trail)

    def _mode(self, twin: Twin, how: str, carried_out: bool) -> str:
        if how == "error":
            return "system_error_charged" if carried_out else "system_error_clean"
        if how == "bank_error":
            return "bank_error_charged" if twin.name == "wechatpay" and carried_out else self._mode(twin, "error", carried_out)
        return _MODES.get(how, "")

    def _ask(self, twin: Twin, request: HttpRequest, mode: str) -> Said:
        self.on_asked()
        if not mode:
            return twin.handle(self._heard(request))
        twin.chaos(mode, self._clock.now_ms(), 1.0, 0, "", "")
        try:
            return twin.handle(self._heard(request))
        finally:
            twin.chaos_off()


def _lost(fault: NoAnswer, trail: dict[str, Any], took: float) -> Exchange:
    return Exchange(fault=fault, trail={**trail, "fault": fault.code, "failed": float(took)})
