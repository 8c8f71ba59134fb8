"""Starting, stopping, looking after: up, down, status, doctor, version."""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from daozhang.cli.link import Link, state_of
from daozhang.cli.say import NOT_READY, Oops, Talk, verb


@click.command()
@click.option("--demo", is_flag=True, help="演示商户、门店和收银台 / a demo shop")
@click.option("--base-port", type=int, default=None, help="默认7800 / default 7800")
@click.option("--dsn", default=None, help="外部 PostgreSQL / an external PostgreSQL")
@click.option("--reset", is_flag=True, help="清空数据后启动(仅沙箱)/ start anew (sandbox only)")
@verb
def up(talk: Talk, demo: bool, base_port: int | None, dsn: str | None, reset: bool) -> None:
    """启动整个系统 / start everything"""
    from daozhang import settings as manual

    try:
        settings = manual.load({"data": talk.data, "base_port": base_port, "dsn": dsn, "demo": demo or None})
    except manual.BadSetting as bad:
        raise Oops(f"设置不对:{bad.zh}", bad.en) from None
    if reset:
        _reset(talk, settings)
    from daozhang.app.up import main

    failed = main(settings)
    if failed is not None:
        raise Oops(failed.zh, failed.en, code=failed.code)


def _reset(talk: Talk, settings: Any) -> None:
    if not settings.sandbox:
        raise Oops("只有沙箱可以清空", "only a sandbox can be started anew")
    with contextlib.suppress(Oops):
        if _alive(state_of(talk.data).get("pids", {}).get("up")):
            raise Oops("系统正在运行:先 daozhang down", "it is running: daozhang down first", code=1)
    for name in ("pg", "sandbox", "logs", "state.json", "clock.offset", "master.key"):
        path = talk.data / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _alive(pid: Any) -> bool:
    try:
        return bool(pid) and Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        return False


@click.command()
@verb
def down(talk: Talk) -> None:
    """停止 / stop"""
    pid = state_of(talk.data).get("pids", {}).get("up")
    if not _alive(pid):
        talk.say("没有在运行", "it is not running")
        talk.document({"stopped": False})
        return
    os.kill(int(pid), signal.SIGTERM)
    for _ in range(400):
        if not _alive(pid):
            talk.say("已停止", "stopped")
            talk.document({"stopped": True})
            return
        time.sleep(0.1)
    raise Oops("40秒内没有停下来", "it did not stop within 40 s")


@click.command()
@verb
def status(talk: Talk) -> None:
    """状态(真的去问)/ status, by asking"""
    state = state_of(talk.data)
    pids = state.get("pids", {})
    told = {**state, "ready": bool(state.get("ready")) and _alive(pids.get("up")) and _answers(talk)}
    talk.document(told)
    if not talk.json:
        talk.show(talk.pick("就绪" if told["ready"] else "未就绪", "ready" if told["ready"] else "not ready"))
        for name, url in told.get("urls", {}).items():
            talk.show(f"  {name:8} {url}")
        talk.show("  " + "  ".join(f"{name} {pid}" for name, pid in pids.items()))
    sys.exit(0 if told["ready"] else NOT_READY)


def _answers(talk: Talk) -> bool:
    try:
        code, told = Link(talk.data).call("GET", "/status", timeout=5)
    except Oops:
        return False
    return code == 200 and bool(told.get("ready"))


@click.command()
@verb
def doctor(talk: Talk) -> None:
    """自检,每行一个修法 / bounded checks, with a fix each"""
    lines = list(_checks(talk))
    worst = max((level for _, level, _, _ in lines), default=0)
    talk.document({"worst": ["ok", "warn", "fail"][worst],
                   "checks": [{"name": name, "level": ["ok", "warn", "fail"][level], "says": {"zh": zh, "en": en}}
                              for name, level, zh, en in lines]})  # fmt: skip
    for name, level, zh, en in lines:
        talk.show(f"{'✓!✗'[level]} {name:12} {talk.pick(zh, en)}")
    sys.exit(worst)


def _checks(talk: Talk) -> Any:
    """(name, 0 ok / 1 warn / 2 fail, zh, en)"""
    free = shutil.disk_usage(talk.data if talk.data.exists() else "/").free // (1 << 20)
    yield "disk", 0 if free > 1024 else 1 if free > 256 else 2, f"剩余 {free} MB", f"{free} MB free"
    try:
        state = state_of(talk.data)
    except Oops as oops:
        yield "platform", 2, oops.zh, oops.en
        return
    for name, pid in state.get("pids", {}).items():
        for one in pid if isinstance(pid, list) else [pid]:
            up = one is None or _alive(one)
            yield (
                name,
                0 if up else 2,
                f"进程 {one}" if up else "进程不在:daozhang up",
                f"process {one}" if up else "gone: daozhang up",
            )
    began = time.monotonic()
    ready = _answers(talk)
    took = round((time.monotonic() - began) * 1000)
    yield ("platform", (0 if took < 500 else 1) if ready else 2, f"{took} 毫秒应答" if ready else "不应答:看 DATA/logs",
           f"answers in {took} ms" if ready else "no answer: see DATA/logs")  # fmt: skip
    if not ready or not state.get("api_key"):
        return
    link = Link(talk.data)
    sums = link.must("GET", "/balances")["balances"]
    even = sum(sums.values()) == 0
    yield (
        "ledger",
        0 if even else 2,
        "借贷相等" if even else "借贷不等!",
        "debits equal credits" if even else "debits and credits differ!",
    )
    doubt = sums.get("suspense", 0)
    yield "suspense", 0 if doubt == 0 else 1, f"挂账 {-doubt} 分", f"{-doubt} fen in doubt"
    alarms = link.must("GET", "/alarms?limit=1")["data"]
    yield ("alarms", 1 if alarms else 0, f"最近告警:{alarms[0]['kind']}" if alarms else "没有告警",
           f"latest: {alarms[0]['kind']}" if alarms else "none")  # fmt: skip
    if "sandbox" in state["urls"]:
        on = link.sandbox("GET", "/chaos")["on"]
        says = ", ".join(chaos["mode"] for chaos in on)
        yield (
            "faults",
            1 if on else 0,
            f"沙箱故障开着:{says}(daozhang chaos off)" if on else "没有故障",
            f"on: {says} (daozhang chaos off)" if on else "none",
        )


@click.command()
@verb
def version(talk: Talk) -> None:
    """版本 / version"""
    import daozhang

    talk.document({"name": "daozhang", "version": daozhang.__version__})
    talk.show(f"daozhang {daozhang.__version__}")


@click.command("open")
@click.argument("what", type=click.Choice(["docs", "api"]), default="docs")
@verb
def open_(talk: Talk, what: str) -> None:
    """在浏览器里打开 / open in the browser"""
    import webbrowser

    base = Link(talk.data).api
    url = f"{base.removesuffix('/v1')}/docs" if what == "docs" else f"{base}/openapi.json"
    talk.document({"url": url})
    talk.show(url)
    if not talk.json:
        webbrowser.open(url)
