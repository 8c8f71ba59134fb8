"""A drill on the real thing: processes, sockets, PostgreSQL and twins of their own, for an audience, in a few minutes.

The scenario is scaled: its minutes are shortened, its traffic is what one machine carries beside an audience. Faults of the
channels and habits of payers are played; what needs devices or carriers is left to virtual time, and the talk says so.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daozhang.channels.shelf import Shelf
from daozhang.cli.drill_manners import breaches, kind_of
from daozhang.cli.link import Link, fresh_key, state_of
from daozhang.cli.say import Oops, Talk
from daozhang.core.texts import ms_of_rfc3339
from daozhang.sim.drill_asked import Open, in_words, polling
from daozhang.sim.drill_file import Drill, Fault
from daozhang.sim.drill_look import Episode, answer_of
from daozhang.sim.drill_run import Ran, bins_of, ece_of, percentiles
from daozhang.sim.world import dice

_LASTS_S, _PER_S, _HANDS = 100.0, 1.5, 24
_READY_S, _SETTLES_S, _STEP_S = 90, 75, 20
_DARK_S = 5.0
_LEAVES_S = 5.0  # a payment that begins at the end of a fault may still be struck
_NEAR_S = 5.0  # counts know a time to a slot of five seconds
_MOST_PAGES = 20
_MODES = {"timeout": "timeout", "reset": "reset_after", "error": "system_error_charged", "bank_error": "system_error_charged", "http_500": "error_500",
          "http_503": "maintenance", "garbage": "garbage", "truncated": "truncated", "forged": "forged", "unknown_code": "unknown_code"}  # fmt: skip
_STILL_UNPAID = "query_stale"  # what an ill platform says of orders that it has charged


@dataclass(eq=False)
class Leg:
    """One payment as the audience follows it."""

    channel: str
    amount: int
    order_no: str
    began_s: float
    label: str
    payment: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    episode: Episode | None = None
    proven_s: float = 0.0


class Live:
    """One live run. Times are seconds since it began."""

    def __init__(self, talk: Talk, drill: Drill, seed: int, link: Link) -> None:
        self._talk, self._drill, self._link, self._dice = talk, drill, link, dice(seed)
        self._scale = min(1.0, _LASTS_S / (drill.minutes * 60))
        self._began, self._zero_ms = time.monotonic(), int(link.sandbox("GET", "/clock")["now_ms"])
        self._lock = threading.Lock()
        self.legs: list[Leg] = []
        self.second_refused = self.second_taken = 0
        self._moved_s = 0.0  # when the sandbox's clock began to be moved on
        self.onsets: dict[str, float] = {}
        self.party_after_s: dict[str, float] = {}

    def now_s(self) -> float:
        return time.monotonic() - self._began

    def played(self) -> list[Fault]:
        return [one for one in self._drill.faults if one.play.kind in ("wire", "notify") and (one.channel or one.play.picks == "channel")]

    def run(self) -> Ran:
        left_out = sorted({one.cause for one in self._drill.faults} - {one.cause for one in self.played()})
        if left_out:
            self._talk.say(f"真实系统上不演(请用虚拟时间):{'、'.join(left_out)}", f"not played live (use virtual time): {', '.join(left_out)}")
        with ThreadPoolExecutor(_HANDS) as hands:
            director = hands.submit(self._direct)
            while self.now_s() < self._drill.minutes * 60 * self._scale:
                time.sleep(self._dice.expovariate(min(_PER_S, self._drill.world.payments_per_minute / 60)))
                leg = self._leg()
                hands.submit(self._sale, leg, self._dice.random() < self._drill.world.impatience)
            director.result()
            self._link.sandbox("DELETE", "/chaos")
            self._moved_s = self.now_s()
            self._settle()
        return self._graded()

    def _direct(self) -> None:
        """Each fault at its time: the outside of it, at the twins."""
        for one in sorted(self.played(), key=lambda one: one.at_s):
            time.sleep(max(one.at_s * self._scale - self.now_s(), 0))
            channel, lasts = one.channel or "alipay", ((one.until_s or self._drill.minutes * 60) - one.at_s) * self._scale
            share = one.share or sum(one.play.share) / 2
            chaos = {"channel": channel, "share": share, "for_s": lasts}
            if one.play.kind == "notify":
                self._link.sandbox("POST", "/chaos", {**chaos, "mode": "notify_late" if one.play.report["late_s"] else "notify_lost"})
            else:
                mode = _MODES[one.symptom or next(iter(dict(one.play.styles[0])))]
                self._link.sandbox("POST", "/chaos", {**chaos, "mode": mode, "op": "pay"})
                self._link.sandbox("POST", "/chaos", {**chaos, "mode": _STILL_UNPAID})
                self._link.sandbox("POST", "/chaos", {**chaos, "mode": "notify_late"})
                self.onsets.setdefault(channel, self.now_s())
            self._talk.say(f"{self.now_s():5.0f} 秒:{one.cause} 开始({channel})", f"{self.now_s():5.0f} s: {one.cause} begins ({channel})")

    def _leg(self) -> Leg:
        wallets = self._drill.world.wallets
        channel, now = str(self._dice.choices(list(wallets), list(wallets.values()))[0]), self.now_s()
        at_work = next((one for one in self.played() if one.play.kind == "wire" and (one.channel or "alipay") == channel
                        and one.at_s * self._scale <= now < (one.until_s or self._drill.minutes * 60) * self._scale), None)  # fmt: skip
        leg = Leg(channel, self._dice.randint(100, 60_000), f"LIVE-{fresh_key()[4:16]}", now, at_work.cause if at_work else "info.reply_lost")
        self.legs.append(leg)
        return leg

    def _pay(self, leg: Leg) -> tuple[int, Any]:
        made = self._link.sandbox("POST", "/code", {"wallet": leg.channel, "behaviour": "pays"})
        body = {"amount": leg.amount, "merchant_order_no": leg.order_no, "till": self._link.state.get("till", ""),
                "method": {"type": "pay_by_code", "code": made["code"]}, "wait_s": 5}  # fmt: skip
        return self._link.call("POST", "/payments", body, key=fresh_key())

    def _sale(self, leg: Leg, impatient: bool) -> None:
        status, told = self._pay(leg)
        if status >= 400:
            return
        leg.payment, leg.told = told["id"], told
        if not _ended(told) and impatient:
            again, _ = self._pay(leg)
            with self._lock:
                self.second_refused += again == 409
                self.second_taken += again < 400
        while not _ended(leg.told) and self.now_s() < leg.began_s + 60:
            self._look(leg)
            time.sleep(2)
        leg.proven_s = self.now_s() if _ended(leg.told) else 0.0

    def _look(self, leg: Leg) -> None:
        """As the page of the shop, and ``daozhang why``, show it."""
        leg.told = self._link.must("GET", f"/payments/{leg.payment}")
        now = self.now_s()
        if now - leg.began_s < _DARK_S:
            return
        if leg.episode is None:
            leg.episode = Episode(leg.payment, "unproven", (leg.label,), round((leg.began_s + _DARK_S) * 1000))
        leg.episode.answers.append(answer_of(leg.told["why_no_information"], round(now * 1000)))
        party = str((leg.told["why_no_information"] or {}).get("party"))
        if party == leg.label.partition(".")[0] and leg.channel in self.onsets and leg.channel not in self.party_after_s:
            self.party_after_s[leg.channel] = now - self.onsets[leg.channel]
            self._talk.say(f"{now:5.0f} 秒:说出了责任方 {party}({leg.channel})", f"{now:5.0f} s: the party is named: {party} ({leg.channel})")

    def _settle(self) -> None:
        """The faults are over; the sandbox's clock goes forward, so that nobody has to wait for a window."""
        until = time.monotonic() + _SETTLES_S
        while time.monotonic() < until:
            waiting = [leg for leg in self.legs if leg.payment and not _ended(leg.told)]
            if not waiting:
                return
            self._link.must("POST", "/sandbox/clock/advance", {"seconds": _STEP_S})
            time.sleep(0.5)
            for leg in waiting:
                leg.told = self._link.must("GET", f"/payments/{leg.payment}")
                leg.proven_s = self.now_s() if _ended(leg.told) else 0.0

    # -- the report ------------------------------------------------------------------------------------------------------------

    def _graded(self) -> Ran:
        legs = [leg for leg in self.legs if leg.payment]
        episodes = [leg.episode for leg in legs if leg.episode is not None and leg.episode.answers]
        orders = {name: {order["out_trade_no"]: order for order in self._link.sandbox("GET", f"/books?channel={name}")["orders"]} for name in self._drill.world.wallets}
        confusion: dict[str, Counter[str]] = {}
        for one in episodes:
            said = one.last
            confusion.setdefault(one.label, Counter())[one.label if one.right(said) else said.id if said else "none"] += 1
        bins, count = bins_of(episodes), max(len(episodes), 1)
        kept: Counter[str] = Counter()
        for found in orders.values():
            for number, order in found.items():
                kept[number] += order["captured_fen"] - order["returned_fen"]
        wrong = sum(_ended(leg.told) and kept[leg.told["channel_refs"]["out_trade_no"]] != (leg.amount if leg.told["verdict"] == "paid" else 0) for leg in legs)
        hits, broken = sum(one.right(one.last) for one in episodes), self._breaches()
        report = {
            "payments": len(legs), "dark_episodes": len(episodes), "top1": round(hits / count, 4) if episodes else None,
            "top1_exact": round(sum(one.last is not None and one.last.id in one.labels for one in episodes) / count, 4) if episodes else None,
            "top1_by_cause": {label: round(row[label] / sum(row.values()), 4) for label, row in confusion.items()},
            "confusion": {label: dict(row) for label, row in confusion.items()},
            "unknown_share": round(sum(one.last is None or not one.last.members for one in episodes) / count, 4), "ece": ece_of(bins),
            "proven_wrong": sum(any(a.confidence == "proven" and not one.right(a) for a in one.answers) for one in episodes),
            "time_to_cause_s": percentiles(ms / 1000 for one in episodes if (ms := one.named_after_ms) is not None),
            "time_to_truth_s": percentiles(leg.proven_s - leg.began_s for leg in legs if leg.episode and leg.proven_s),
            "time_to_told_s": percentiles(told_after(legs, self._zero_ms, self._moved_s)), "wrong_verdicts": wrong, "net_double_charges": self.second_taken,
            "untold": sum(not _ended(leg.told) for leg in legs), "false_incidents": false_incidents(self._incidents(), self.legs, self._struck, self._zero_ms),
            "incident_detection_s": percentiles(self.party_after_s.values()), "manners_violations": len(broken),
        }  # fmt: skip
        if report["false_incidents"]:
            self._talk.say(f"没有故障却开了 {report['false_incidents']} 个事件", f"incidents without a fault: {report['false_incidents']}")
        for zh, en in broken:
            self._talk.say(f"违反渠道规矩:{zh}", f"a breach of a channel's manners: {en}")
        asked = self._asked()
        self._talk.say(f"第二次收款被拒 {self.second_refused} 次,放行 {self.second_taken} 次", f"second charges refused {self.second_refused}, let through {self.second_taken}")
        polled = self._polled()
        for name, row in asked.items():
            self._talk.say(f"{name} 每10秒的查询:{row}", f"{name}, queries by ten seconds: {row}")
        faults = [{"cause": one.cause, "from_s": one.at_s, "until_s": one.until_s or self._drill.minutes * 60, "where": one.channel, "struck": 0} for one in self.played()]
        page = {"faults": faults, "said": {}, "true": {}, "bins": bins, "asked": asked, "minutes": max((len(row) for row in asked.values()), default=1) - 1,
                "refused_second_charges": self.second_refused, "incidents": [], "polling": polled}  # fmt: skip
        return Ran(report, page, episodes)

    def _struck(self, leg: Leg) -> bool:
        """A fault of its channel was at work, or had just been, when it began; what it leaves behind ends a moment later."""
        for one in self.played():
            until_s = (one.until_s or self._drill.minutes * 60) * self._scale
            if (one.channel or "alipay") == leg.channel and one.at_s * self._scale <= leg.began_s < until_s + _LEAVES_S:
                return True
        return False

    def _incidents(self) -> list[dict[str, Any]]:
        """All that were opened, drafts too."""
        told, cursor = list[dict[str, Any]](), ""
        for _ in range(_MOST_PAGES):
            page = self._link.must("GET", f"/incidents?limit=100&cursor={cursor}" if cursor else "/incidents?limit=100")
            told += page["data"]
            cursor = page["next_cursor"] or ""
            if not cursor:
                break
        return told

    def _polled(self) -> dict[str, list[dict[str, Any]]]:
        """Of each channel with a fault of the wire: queries before, during and after, until the sandbox's clock is moved on."""
        told = {}
        for fault in self.played():
            name = fault.channel or "alipay"
            if fault.play.kind != "wire" or name in told:
                continue
            manners = next(one for one in Shelf.look() if one.name == name).manners
            opens = [Open(leg.began_s, leg.proven_s or self._moved_s, manners.every_ms / 1000) for leg in self.legs if leg.channel == name and leg.payment]
            until_s = (fault.until_s or self._drill.minutes * 60) * self._scale
            rows = told[name] = polling(opens, self._queries_s(name), fault.at_s * self._scale, until_s, self._moved_s)
            for one in rows:
                self._talk.say(*in_words(name, one))
        return told

    def _queries_s(self, channel: str) -> list[float]:
        return [(one["at_ms"] - self._zero_ms) / 1000 for one in self._requests(channel) if kind_of(str(one["method"])) == "query"]

    def _requests(self, channel: str) -> list[dict[str, Any]]:
        """The channel's own log of this run."""
        return list(self._link.sandbox("GET", f"/books?channel={channel}")["requests"])

    def _breaches(self) -> list[tuple[str, str]]:
        return [line for name in self._drill.world.wallets for line in breaches(self._requests(name), name)]

    def _asked(self) -> dict[str, list[int]]:
        """Queries at each twin, by ten seconds of the twins' own time."""
        asked: dict[str, list[int]] = {}
        for name in self._drill.world.wallets:
            row = Counter(int(at // 10) for at in self._queries_s(name))
            asked[name] = [row[step] for step in range(min(max(row, default=0) + 1, 30))]
        return asked


def false_incidents(incidents: Sequence[dict[str, Any]], legs: Sequence[Leg], struck: Callable[[Leg], bool], zero_ms: int) -> int:
    """Those of which fewer than half of the dark payments, at their place and in their time, were struck by a fault. What became
    a part of another is not counted twice."""
    return sum(one["stage"] != "merged" and not _true(one, legs, struck, zero_ms) for one in incidents)


def _true(one: dict[str, Any], legs: Sequence[Leg], struck: Callable[[Leg], bool], zero_ms: int) -> bool:
    over = one["recovered_at"] or one["ended_at"]
    since_s = (ms_of_rfc3339(one["onset_at"]) - zero_ms) / 1000 - _NEAR_S
    until_s = (ms_of_rfc3339(over) - zero_ms) / 1000 + _NEAR_S if over else float("inf")
    here = [leg for leg in legs if one["place"] != "channel" or leg.channel == one["place_name"]]
    dark = [leg for leg in here if leg.episode is not None and since_s <= leg.began_s <= until_s]
    return bool(dark) and 2 * sum(struck(leg) for leg in dark) >= len(dark)


def _ended(told: dict[str, Any]) -> bool:
    return told.get("verdict") in ("paid", "not_paid", "returned")


def told_after(legs: Sequence[Leg], zero_ms: int, moved_s: float) -> list[float]:
    """Seconds from the proof to the shop's seeing it, of what ended by itself: from the moment the sandbox's clock is moved on
    (``moved_s``; 0: never) the two clocks do not compare."""
    ended = [(leg.proven_s, (ms_of_rfc3339(leg.told["decided_at"]) - zero_ms) / 1000) for leg in legs if leg.proven_s and leg.told.get("decided_at")]
    return [max(seen - proven, 0.0) for seen, proven in ended if not moved_s or seen <= moved_s]


def run_live(talk: Talk, drill: Drill, seed: int) -> Ran:
    """A system of its own, started and ended here. Raises Oops."""
    with _system(talk) as link:
        return Live(talk, drill, seed, link).run()


@contextlib.contextmanager
def _system(talk: Talk) -> Iterator[Link]:
    data = Path(tempfile.mkdtemp(prefix="daozhang-drill-"))
    command = [sys.executable, "-m", "daozhang", "up", "--demo", "--data", str(data), "--base-port", str(_free_ports())]
    with (data / "up.log").open("wb") as log:
        up = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield _ready(talk, data, up)
    finally:
        up.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            up.wait(30)
        shutil.rmtree(data, ignore_errors=True)


def _ready(talk: Talk, data: Path, up: "subprocess.Popen[bytes]") -> Link:
    talk.say("正在启动真实系统(进程、端口、PostgreSQL、渠道替身)", "starting the real system (processes, sockets, PostgreSQL, twins)")
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and up.poll() is None:
        with contextlib.suppress(Oops):
            if state_of(data).get("ready"):
                return Link(data)
        time.sleep(0.3)
    raise Oops("系统没有启动,见 up.log", f"the system did not start: {(data / 'up.log').read_text('utf-8', 'replace')[-400:]}")


def _free_ports() -> int:
    """A base port with some free ones after it, as far as can be seen."""
    for base in range(21_000, 60_000, 97):
        try:
            for port in range(base, base + 12):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise Oops("没有空闲端口", "there are no free ports")
