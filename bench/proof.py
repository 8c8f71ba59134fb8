"""The record of the simulated towns: seeds, payments, faults, violations, planted bugs, rare states; written to docs/proof.*.md.

`python -m bench.proof --seeds 20000 --bugs 200 --docs docs`. ``--minutes`` ends the seeds earlier. Everything but the time is
made again from the commit and the seeds.
"""

import argparse
import resource
import time
from pathlib import Path

from daozhang.sim import proof
from daozhang.sim.crowd import Options
from tests.sim.planted import Found, find_all

PAYMENTS = 100


def seeds(first: int, count: int, processes: int, minutes: float) -> tuple[proof.Report, float]:
    """Play towns until all are played or the time is over; and how many payments a second of a core's time makes."""
    report, began, told = proof.Report(), time.monotonic(), 0.0
    before = _cpu_s()
    results = proof.many(first, count, Options(payments=PAYMENTS), processes)
    for result in results:
        report.add(result)
        took = time.monotonic() - began
        if result.wrong:
            print(f"{proof.line(result.seed, Options(payments=PAYMENTS))} {result.wrong[0]}", flush=True)
        if took - told > 30:
            told = took
            print(f"{report.seeds}/{count} seeds, {report.payments} payments, {report.faults} faults, "
                  f"{len(report.violations)} violations, {took:.0f} s", flush=True)  # fmt: skip
        if minutes and took > minutes * 60:
            break
    results.close()  # ends the workers, whose time is counted then
    return report, report.payments / max(_cpu_s() - before, 1e-6)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


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
            *(f"| {one.name} | {one.seeds or say('没有找到', 'not found')} | {one.town or say('各种', 'of every kind')} | {one.why[:2] if one.why.startswith('I') else say('核心或库的检查', 'a check of the core or the store')} |" for one in bugs),
        ]
    lines += ["", say(f"## 到达的少见状态:{table['states_reached']}", f"## Rare states reached: {table['states_reached']}"), "",
              say("| 状态 | 次数 |", "| state | times |"), "|---|---|", *(f"| {name} | {count:,} |" for name, count in table["states"].items())]  # fmt: skip
    if report.never:
        lines += ["", say("没有到达:", "Never reached: ") + "; ".join(report.never)]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--first", type=int, default=1)
    words.add_argument("--seeds", type=int, default=1_000)
    words.add_argument("--processes", type=int, default=2)
    words.add_argument("--minutes", type=float, default=0)
    words.add_argument("--bugs", type=int, default=0, help="hunt the planted bugs, each with so many seeds at most")
    words.add_argument("--docs", type=Path)
    given = words.parse_args()
    bugs = []
    for one in find_all(given.bugs, given.processes) if given.bugs else ():
        bugs.append(one)
        print(f"{one.seeds:4} {one.town or '-':8} {one.name}: {one.why[:90]}", flush=True)
    report, rate = seeds(given.first, given.seeds, given.processes, given.minutes)
    print(f"{report.seeds} seeds, {report.payments} payments, {report.faults} faults, {rate:.0f} payments/s of a core, "
          f"{len(report.violations)} violations, {report.table()['states_reached']} states, never {report.never}; "
          f"{sum(bool(one.seeds) for one in bugs)} of {len(bugs)} bugs found")  # fmt: skip
    if given.docs:
        (given.docs / "proof.md").write_text(page(report, rate, given.first, bugs, True), "utf-8")
        (given.docs / "proof.en.md").write_text(page(report, rate, given.first, bugs, False), "utf-8")
    if report.violations or any(not one.seeds for one in bugs):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
