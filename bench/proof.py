"""The record of the simulated towns: seeds, payments, faults, violations, planted bugs, rare states; written to docs/proof.*.md.

`python -m bench.proof --seeds 20000 --bugs 200 --docs docs`. ``--minutes`` or Ctrl-C ends the seeds earlier; what was played counts.
With ``--record FILE`` a later run goes on where this one ended, as long as the code that moves money is the same. Everything but
the time is made again from the commit and the seeds.
"""

import argparse
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bench import proof_words
from daozhang.sim import proof
from daozhang.sim.crowd import Options
from tests.sim.planted import Found, find_all

PAYMENTS = 100


@dataclass
class Record:
    """What was played so far, and of which code."""

    first: int
    code: str
    report: proof.Report = field(default_factory=proof.Report)
    bugs: list[Found] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Payments a second of a core."""
        return self.report.payments / max(self.report.core_s, 1e-6)

    @classmethod
    def at(cls, path: Path | None, first: int) -> "Record":
        """As it was left, or a new one. Raises SystemExit where it is about other code or other seeds."""
        fresh = cls(first, code_of(Path("daozhang")))
        if path is None or not path.exists():
            return fresh
        kept = json.loads(path.read_text("utf-8"))
        if (kept["first"], kept["code"]) != (fresh.first, fresh.code):
            raise SystemExit(f"{path} is the record of seeds from {kept['first']} on by the code {kept['code']}, not of {fresh.first} by {fresh.code}: "
                             "name another file, or play that code")  # fmt: skip
        report = proof.Report(**{**kept["report"], "rare": Counter(kept["report"]["rare"])})
        return cls(fresh.first, fresh.code, report, [Found(*one) for one in kept["bugs"]])

    def keep(self, path: Path | None) -> None:
        if path is None:
            return
        told = {"first": self.first, "code": self.code, "report": {**vars(self.report), "rare": dict(self.report.rare)}, "bugs": [list(one) for one in self.bugs]}
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(told), "utf-8")
        aside.replace(path)


def code_of(package: Path) -> str:
    """A hash of the rooms whose code moves money."""
    files = sorted(file for room in ("core", "channels", "flow", "store") for file in (package / room).rglob("*") if file.suffix in (".py", ".sql"))
    whole = sha256()
    for file in files:
        whole.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()[:12]


def seeds(record: Record, count: int, processes: int, minutes: float, path: Path | None = None) -> None:
    """Play towns until all are played, the time is over, or Ctrl-C."""
    report, began, told, done = record.report, time.monotonic(), 0.0, record.report.seeds
    results = proof.many(record.first + done, count - done, Options(payments=PAYMENTS), processes)
    try:
        for result in results:
            report.add(result)
            took = time.monotonic() - began
            if result.wrong:
                print(f"{proof.line(result.seed, Options(payments=PAYMENTS))} {result.wrong[0]}", flush=True)
            if took - told > 30:
                told = took
                record.keep(path)
                print(f"{report.seeds}/{count} seeds, {report.payments} payments, {report.faults} faults, "
                      f"{len(report.violations)} violations, {took:.0f} s", flush=True)  # fmt: skip
            if minutes and took > minutes * 60:
                break
    except KeyboardInterrupt:
        print(f"ended at {report.seeds} seeds", flush=True)
    results.close()  # ends the workers
    record.keep(path)


def page(report: proof.Report, rate: float, first: int, bugs: list[Found], zh: bool) -> str:
    """The page for people, in one language."""
    table = report.table()
    last = first + report.seeds - 1
    upper = 3 / max(report.payments, 1)

    def say(in_zh: str, in_en: str) -> str:
        return in_zh if zh else in_en

    lines = [
        say("# 小镇的记录:种子、故障、埋下的错误", "# The record of the towns: seeds, faults, planted bugs"),
        "",
        say(f"由 `python -m bench.proof` 生成,种子 {first} 到 {last},每个种子 {PAYMENTS} 笔买卖。产品代码是真的;网络、存储、时钟和渠道的另一边是模拟的,RSA 用带密钥的散列代替。",
            f"Made by `python -m bench.proof`, seeds {first} to {last}, {PAYMENTS} sales each. The product's code is the real one; network, store, clock and the channels' other side are simulated, and a keyed hash stands for RSA."),
        "",
        "| | |",
        "|---|---|",
        f"| {say('种子', 'seeds')} | {report.seeds:,} |",
        f"| {say('支付', 'payments')} | {report.payments:,} |",
        f"| {say('逐步核对', 'steps checked')} | {report.steps:,} |",
        f"| {say('故障(打在请求、提交和进程上的)', 'faults (that struck a request, a commit or a process)')} | {report.faults:,} |",
        f"| {say('违反', 'violations')} | {len(report.violations)} |",
        f"| {say('每秒核时的支付', 'payments a second of a core')} | {rate:.0f} |",
    ]
    if not report.violations:
        lines.append(f"| {say('每笔支付出错的概率,95% 上限(三法则)', 'chance of a violation per payment, upper limit at 95 % (rule of three)')} | {upper:.1e} |")
    if bugs:
        found = [one for one in bugs if one.seeds]
        lines += [
            "",
            say(f"## 埋下的错误:{len(bugs)} 个,找到 {len(found)} 个", f"## Planted bugs: {len(bugs)}, found {len(found)}"),
            "",
            say("每个错误是产品代码里改掉的一处(`tests/sim/bugs.py`)。", "Each is one changed place of the product's code (`tests/sim/bugs.py`)."),
            "",
            say("| 错误 | 几个种子后找到 | 在哪种小镇里找 | 审计员的话 |", "| bug | found after so many seeds | hunted in towns | the auditor's word |"),
            "|---|---|---|---|",
            *(f"| {say(proof_words.bug(one.name), one.name)} | {one.seeds or say('没有找到', 'not found')} "
              f"| {say(proof_words.town(one.town), one.town or 'of every kind')} | {_which(one.why) or say('核心或库的检查', 'a check of the core or the store')} |" for one in bugs),
        ]
    lines += ["", say(f"## 到达的少见状态:{table['states_reached']}", f"## Rare states reached: {table['states_reached']}"), "",
              say("| 状态 | 次数 |", "| state | times |"), "|---|---|", *(f"| {say(proof_words.state(name), name)} | {count:,} |" for name, count in table["states"].items())]  # fmt: skip
    if report.never:
        lines += ["", say("没有到达:", "Never reached: ") + "; ".join(say(proof_words.state(name), name) for name in report.never)]
    return "\n".join(lines) + "\n"


def _which(why: str) -> str:
    """The invariant that the auditor named; "" where the town broke down before he could."""
    named = re.match(r"I\d+\b", why)
    return named.group() if named else ""


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--first", type=int, default=1)
    words.add_argument("--seeds", type=int, default=1_000)
    words.add_argument("--processes", type=int, default=2)
    words.add_argument("--minutes", type=float, default=0)
    words.add_argument("--bugs", type=int, default=0, help="hunt the planted bugs, each with so many seeds at most")
    words.add_argument("--docs", type=Path)
    words.add_argument("--record", type=Path, help="a later run with the same file goes on where this one ended")
    given = words.parse_args()
    record = Record.at(given.record, given.first)
    for one in find_all(given.bugs, given.processes) if given.bugs and not record.bugs else ():
        record.bugs.append(one)
        print(f"{one.seeds:4} {one.town or '-':8} {one.name}: {one.why[:90]}", flush=True)
    seeds(record, given.seeds, given.processes, given.minutes, given.record)
    report, bugs = record.report, record.bugs
    print(f"{report.seeds} seeds, {report.payments} payments, {report.faults} faults, {record.rate:.0f} payments/s of a core, "
          f"{len(report.violations)} violations, {report.table()['states_reached']} states, never {report.never}; "
          f"{sum(bool(one.seeds) for one in bugs)} of {len(bugs)} bugs found")  # fmt: skip
    if given.docs:
        (given.docs / "proof.md").write_text(page(report, record.rate, given.first, bugs, True), "utf-8")
        (given.docs / "proof.en.md").write_text(page(report, record.rate, given.first, bugs, False), "utf-8")
    if report.violations or any(not one.seeds for one in bugs):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
