"""``daozhang sim``: towns of simulated shops on virtual time; nothing has to be running."""

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daozhang.cli.say import Oops, Talk, verb
from daozhang.sim import proof
from daozhang.sim.crowd import Options


@click.group()
def sim() -> None:
    """仿真:成千上万笔支付、故障与崩溃,逐步核对 / simulate payments, faults and crashes, every step checked"""


@sim.command("run")
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1), help="种子数 / how many seeds")
@click.option("--payments", default=100, show_default=True, type=click.IntRange(1), help="每个种子的支付笔数 / payments of each seed")
@click.option("--first", default=1, show_default=True, help="第一个种子 / the first seed")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="并行进程数 / processes side by side")
@click.option("--stop", is_flag=True, help="第一次失败就停 / stop at the first failure")
@click.option("--into", type=click.Path(path_type=Path), default=None, help="失败缩小后写入此目录 / shrink failures and write them here")
@verb
def run_(talk: Talk, seeds: int, payments: int, first: int, processes: int, stop: bool, into: Path | None) -> None:
    """运行一批种子;有违反即退出码1 / run seeds; exit code 1 when an invariant did not hold"""
    report, options, began = proof.Report(), Options(payments=payments), time.perf_counter()
    for result in proof.many(first, seeds, options, processes):
        report.add(result)
        if result.wrong:
            _failed(talk, result, options, into)
            if stop:
                break
        if report.seeds % max(seeds // 20, 1) == 0:
            rate = report.payments / max(time.perf_counter() - began, 1e-6)
            talk.say(f"{report.seeds}/{seeds} 个种子,{report.payments} 笔,{rate:.0f} 笔/秒,违反 {len(report.violations)}",
                     f"{report.seeds}/{seeds} seeds, {report.payments} payments, {rate:.0f}/s, {len(report.violations)} violations")  # fmt: skip
    took = time.perf_counter() - began
    talk.document({**report.table(), "seconds": round(took, 1), "payments_per_s": round(report.payments / max(took, 1e-6), 1)})
    talk.show(talk.pick(
        f"{report.seeds} 个种子,{report.payments} 笔,核对 {report.steps} 步,故障 {report.faults} 次,违反 {len(report.violations)}",
        f"{report.seeds} seeds, {report.payments} payments, {report.steps} steps checked, {report.faults} faults, {len(report.violations)} violations",
    ))  # fmt: skip
    if report.violations:
        raise click.exceptions.Exit(1)


def _failed(talk: Talk, result: proof.Result, options: Options, into: Path | None) -> None:
    commit = _commit()
    click.echo(f"{proof.line(result.seed, options, commit)} {result.wrong[0]}", err=True)
    if into is not None:
        small = proof.shrink(result.seed, options, lambda said: click.echo(f"  {said}", err=True))
        proof.write(into / f"{result.seed}.json", result.seed, small, proof.one(result.seed, small).wrong, commit)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@sim.command("replay")
@click.argument("which")
@click.option("--options", "given", default="", help="失败行里的 options / the options of a failure's line")
@verb
def replay_(talk: Talk, which: str, given: str) -> None:
    """重放一个种子或 tests/seeds 里的文件 / replay a seed, or a file of tests/seeds"""
    seed, options = _which(which, given)
    result = proof.one(seed, options)
    talk.document({"seed": seed, "options": options.table(), "payments": result.payments, "faults": result.faults, "wrong": result.wrong})
    for broken in result.wrong:
        talk.show(broken)
    if result.wrong:
        raise click.exceptions.Exit(1)
    talk.show(talk.pick(f"种子 {seed}:{result.payments} 笔,没有违反", f"seed {seed}: {result.payments} payments, no violation"))


def _which(which: str, given: str) -> tuple[int, Options]:
    try:
        if which.isdigit():
            table: dict[str, Any] = json.loads(given or "{}")
            return int(which), replace(Options(), **table)
        return proof.read(Path(which))
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise Oops(f"{which} 不是种子,也不是失败文件({why});请给数字,或 tests/seeds 里的文件",
                   f"{which} is neither a seed nor a file of a failure ({why}); give a number, or a file of tests/seeds", code=2) from None  # fmt: skip
