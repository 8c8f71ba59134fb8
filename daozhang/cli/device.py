"""Devices: enrol, list, show, command, simulate; speakers: sounds."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb


@click.group()
def device() -> None:
    """设备:入网、查看、命令、模拟 / devices: enrol, look, command, simulate"""


@device.command()
@click.option("--type", "kind", default="speaker", help="类型 / type (GET /v1/device_types)")
@click.option("--till", default="", help="收银台 / till")
@click.option("--serial", default=None, help="序列号 / serial")
@click.option("--code", default=None, help="已有入网码 / use a code that was given before")
@verb
def enroll(talk: Talk, kind: str, till: str, serial: str | None, code: str | None) -> None:
    """登记并入网,打印一次密钥 / register and enrol; prints the secret once"""
    told = enrolled(Link(talk.data), kind, till, serial, code)
    talk.document(told)
    talk.show(f"{told['device']}  {told['type']}  {told['serial']}")
    for name in ("host", "port", "tls_port", "username", "password", "client_id"):
        talk.show(f"  {name:10} {told['mqtt'][name]}")
    for name, topic in told["topics"].items():
        talk.show(f"  {name:10} {topic}")


def enrolled(link: Link, kind: str, till: str, serial: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The credentials of a new device of a till (the demo's, when none is named)."""
    if code is None:
        wanted = {"type": kind, "till": till or link.state.get("till", ""), **({"serial": serial} if serial else {})}
        made = link.must("POST", "/devices", wanted)
        serial, code = made["serial"], made["enroll"]["code"]
    if not serial:
        raise Oops("入网码要和序列号一起给:加 --serial", "a code comes with its serial: add --serial")
    told: dict[str, Any] = link.must("POST", "/devices/enroll", {"code": code, "serial": serial})
    return told


@device.command("ls")
@verb
def list_(talk: Talk) -> None:
    """设备列表 / all devices"""
    rows = _all(Link(talk.data))
    talk.document({"data": rows})
    for row in rows:
        lamp = "●" if row["online"] else "○"
        wrong = " ".join(row["causes"])
        talk.show(f"{lamp} {row['id']}  {row['type']:13} {row['serial']:20} {row['status']:9} {wrong}")


def _all(link: Link) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = link.must("GET", f"/devices?limit=100{f'&cursor={cursor}' if cursor else ''}")
        rows += page["data"]
        if not page["has_more"]:
            return rows
        cursor = page["next_cursor"]


def one_device(link: Link, which: str) -> str:
    """An id from an id or a serial."""
    if which.startswith("dev_"):
        return which
    found = link.must("GET", f"/devices?serial={which}")["data"]
    if not found:
        raise Oops(f"没有序列号为 {which} 的设备:看 daozhang device ls", f"no device has the serial {which}: see daozhang device ls")
    return str(found[0]["id"])


@device.command()
@click.argument("which")
@verb
def show(talk: Talk, which: str) -> None:
    """一台设备及其经历 / one device and what happened to it"""
    link = Link(talk.data)
    ident = one_device(link, which)
    told = link.must("GET", f"/devices/{ident}")
    told["facts"] = link.must("GET", f"/devices/{ident}/facts")["data"]
    told["commands"] = link.must("GET", f"/devices/{ident}/commands")["data"]
    talk.document(told)
    state = talk.pick("在线" if told["online"] else "离线", "online" if told["online"] else "offline")
    talk.show(f"{told['id']}  {told['name']}  {told['type']}  {told['serial']}  {told['status']}  {state}")
    talk.show(f"  {talk.pick('问题', 'causes')}: {' '.join(told['causes']) or talk.pick('无', 'none')}")
    talk.show(f"  {talk.pick('期望', 'desired')} #{told['desired_n']}: {json.dumps(told['desired'], ensure_ascii=False)}")
    talk.show(f"  {talk.pick('上报', 'reported')}: {json.dumps(told['reported'], ensure_ascii=False)}")
    for fact in told["facts"]:
        talk.show(f"  {fact['at'][:19]}  {fact['kind']:12} {json.dumps(fact['detail'], ensure_ascii=False)}")


@device.command("cmd")
@click.argument("which")
@click.argument("command")
@click.option("--arg", "args", multiple=True, help="名=值 / name=value")
@click.option("--wait", default=10.0, help="等结果的秒数 / seconds to wait for the outcome")
@verb
def command(talk: Talk, which: str, command: str, args: tuple[str, ...], wait: float) -> None:
    """远程命令并等结果(10 未完成)/ a remote command and its outcome (exit 10: not done)"""
    given = dict(one.split("=", 1) for one in args if "=" in one)
    command_and_wait(talk, which, command, given, wait)


def command_and_wait(talk: Talk, which: str, command: str, args: dict[str, str], wait: float) -> None:
    """Send a command and show what came of it; exits 0 when it is done and 10 when not."""
    link = Link(talk.data)
    ident = one_device(link, which)
    made = link.must("POST", f"/devices/{ident}/commands", {"command": command, "args": args})
    end = time.monotonic() + wait
    while made["state"] in ("queued", "delivered") and time.monotonic() < end:
        time.sleep(0.2)
        rows = link.must("GET", f"/devices/{ident}/commands")["data"]
        made = next(row for row in rows if row["id"] == made["id"])
    talk.document(made)
    talk.show(f"{made['id']}  {made['command']}  {made['state']}  {json.dumps(made['result'], ensure_ascii=False)}")
    sys.exit(0 if made["state"] == "done" else 10)


@device.command()
@click.argument("count", type=int, default=1)
@click.option("--type", "kind", default="speaker", help="类型 / type")
@click.option("--till", default="", help="收银台 / till")
@click.option("--fault", "faults", multiple=True,
              help="mute | drift | loss | battery | old | sim | slow | misbound | years | torn;可多次 / may be repeated")  # fmt: skip
@click.option("--power-cut", "power_cut", default="", help="开始后第几秒断电、断多久,如 5:20 / at second : for seconds")
@click.option("--for", "for_s", type=float, default=0.0, help="运行秒数,0 不停 / seconds, 0 without end")
@click.option("--keep", type=click.Path(path_type=Path), default=None, help="身份存放处,再次使用 / identities are kept here")
@verb
def simulate(talk: Talk, count: int, kind: str, till: str, faults: tuple[str, ...], power_cut: str, for_s: float,
             keep: Path | None) -> None:  # fmt: skip
    """模拟设备,只说 MQTT 和 HTTPS;每件事打印一行 / simulated devices that speak only MQTT and HTTPS"""
    held = _identities(talk, count, kind, till, keep)
    run_simulated(talk, held, frozenset(faults), power_cut, for_s)


def _identities(talk: Talk, count: int, kind: str, till: str, keep: Path | None) -> list[dict[str, Any]]:
    """Those that were kept, and new ones as long as they are too few."""
    held: list[dict[str, Any]] = json.loads(keep.read_text()) if keep is not None and keep.exists() else []
    if len(held) < count:
        link = Link(talk.data)
        held += [enrolled(link, kind, till) for _ in range(count - len(held))]
        if keep is not None:
            handle = os.open(keep, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(held, file)
    return held[:count]


def run_simulated(talk: Talk, held: list[dict[str, Any]], faults: frozenset[str], power_cut: str, for_s: float) -> None:
    """Until the time is over or somebody ends it. Raises Oops for what is no fault."""
    import asyncio

    from daozhang.sandbox.device.fleet import simulate as run

    api = Link(talk.data).api if (talk.data / "state.json").exists() else ""
    known = [{"api": api, **one} for one in held]
    try:
        asyncio.run(run(known, faults, power_cut, for_s, lambda line: click.echo(json.dumps(line, ensure_ascii=False))))
    except ValueError as wrong:
        raise Oops(f"参数不对:{wrong}", str(wrong), code=2) from None
    except KeyboardInterrupt:
        talk.say("已停止", "stopped")


@device.command()
@click.argument("amount")
@click.option("--keep", type=click.Path(path_type=Path), required=True, help="收银机的磁盘 / the register's disk")
@click.option("--cut-at", type=click.IntRange(0, 12), default=0, help="做完第几步时断电,0 不断 / the power goes after this step")
@click.option("--till", default="", help="收银台 / till")
@click.option("--code", default="", help="顾客付款码,默认由沙箱付款人出示 / the payer's code, default a sandbox payer's")
@click.option("--wallet", "--channel", "wallet", default="alipay")
@click.option("--behaviour", default="pays", help="沙箱里的付款人怎么做 / what the sandbox's payer does")
@verb
def sell(talk: Talk, amount: str, keep: Path, cut_at: int, till: str, code: str, wallet: str, behaviour: str) -> None:
    """模拟收银机收一笔;断电后再运行就接着收完 / a simulated register sells; run again after a power cut, it ends that sale"""
    from daozhang.cli.register import Register, Unreached
    from daozhang.core.money import fen_of_yuan

    link = Link(talk.data)

    def step(number: int) -> None:
        if number == cut_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def scan() -> str:
        return code or str(link.sandbox("POST", "/code", {"wallet": wallet, "behaviour": behaviour})["code"])

    register = Register(link.api, link.key, till or link.state.get("till", ""), keep, scan, step)
    try:
        fen, left = fen_of_yuan(amount), register.left()
        if left is not None:
            talk.say(f"上次断电时未完成:{left['order']}", f"left open by the power cut: {left['order']}")
        told = {"recovered": left is not None, **register.sell(fen)}
    except ValueError as wrong:
        raise Oops(f"金额或磁盘文件不对:{wrong}", f"the amount, or the file of the disk: {wrong}", code=2) from None
    except Unreached as why:
        raise Oops(f"还没有结论({why}):不要重收,稍后用同一 --keep 再运行", f"no proof yet ({why}): do not charge again, run with the same --keep later", code=11) from None
    talk.document(told)
    talk.show(f"{told['order']}  {told['payment']}  {told['verdict']}")
