"""``daozhang drill``: a scenario of faults against the product, graded against what was true; nothing has to be running."""

import json
from pathlib import Path

import click
import msgspec

from daozhang.cli.say import Oops, Talk, verb
from daozhang.sim.drill_file import MODES, BadDrill, Drill, read
from daozhang.sim.drill_page import page
from daozhang.sim.drill_run import run_drill


@click.group()
def drill() -> None:
    """演练:按场景文件制造故障,核对说出的原因 / drills: faults from a scenario file, and whether they are named right"""


@drill.command("run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), default=None, help="报告写到哪里(旁边还有 .html) / where the report goes (a page beside it)")
@click.option("--mode", type=click.Choice(MODES), default=None, help="虚拟时间或真实系统 / virtual time, or the real system")
@click.option("--seed", type=int, default=None, help="代替文件里的种子 / instead of the file's seed")
@verb
def run_(talk: Talk, file: Path, report: Path | None, mode: str | None, seed: int | None) -> None:
    """运行一个场景;退出码 0 已运行,2 文件不对 / run a scenario; exit code 0 it ran, 2 the file is wrong"""
    plan = checked(file)
    seed = plan.seed if seed is None else seed
    plan = msgspec.structs.replace(plan, mode=mode or plan.mode, seed=seed)
    talk.say(f"{plan.name}:{plan.minutes:g} 分钟,{len(plan.faults)} 个故障,种子 {seed}", f"{plan.name}: {plan.minutes:g} minutes, {len(plan.faults)} faults, seed {seed}")
    if plan.mode == "live":
        from daozhang.cli.drill_live import run_live

        ran = run_live(talk, plan, seed)
    else:
        ran = run_drill(plan, seed)
    if report is not None:
        _write(report, plan, ran.report, page(plan.name, seed, ran.report, ran.page))
    talk.document(ran.report)
    told = ran.report
    top = "–" if told["top1"] is None else f"{told['top1']:.2%}"
    talk.show(talk.pick(
        f"{told['payments']} 笔,无信息 {told['dark_episodes']},首选原因正确 {top},结论错误 {told['wrong_verdicts']},重复收款 {told['net_double_charges']},没人告知 {told['untold']}(模拟;现场尚未测量)",
        f"{told['payments']} payments, {told['dark_episodes']} dark, top-1 right {top}, wrong verdicts {told['wrong_verdicts']}, double charges {told['net_double_charges']}, untold {told['untold']} (simulated; field unmeasured)",
    ))  # fmt: skip


@drill.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@verb
def check(talk: Talk, files: tuple[Path, ...]) -> None:
    """只检查场景文件 / only check scenario files"""
    names = [checked(file).name for file in files]
    talk.document({"scenarios": names})
    talk.show(talk.pick(f"{len(names)} 个场景文件都对", f"{len(names)} scenario files are right"))


def checked(file: Path) -> Drill:
    try:
        return read(file)
    except BadDrill as wrong:
        raise Oops(wrong.zh, wrong.en, code=2) from None


def _write(report: Path, plan: Drill, told: dict[str, object], html: str) -> None:
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", "utf-8")
        report.with_suffix(".html").write_text(html, "utf-8")
    except OSError as why:
        raise Oops(f"{plan.name} 的报告写不了:{why}", f"the report of {plan.name} cannot be written: {why}") from None
