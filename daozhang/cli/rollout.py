"""Roll-outs: sign an image, send it to a fleet in stages, watch, hold, end."""

import base64
import sys
import time
from pathlib import Path
from typing import Any

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb

_BY_ITSELF = ("done", "turned_back")


@click.group()
def rollout() -> None:
    """推送:签名、分批、暂停、回退 / roll-outs: signed, staged, held, turned back"""


@rollout.command()
@click.option("--type", "kind", default="speaker", help="设备类型 / device type")
@click.option("--version", required=True, help="新版本,如 2.0.0 / the new version")
@click.option("--image", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, help="镜像文件 / image file")
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, help="配置(JSON 文件)/ configuration")
@click.option("--url", default="", help="镜像的 https 地址(大镜像)/ where a larger image lies")
@click.option("--least", default="0", help="推送完成后不再低于此版本 / after it is done, nothing below this version")
@click.option("--key", type=click.Path(path_type=Path), default=None, help="签名私钥,默认数据目录里的 / signing key, default the data folder's")
@click.option("--stages", default="1,10,100", help="各批百分比 / percent of each stage")
@click.option("--soak", default=600, help="每批至少观察的秒数 / seconds to watch each stage")
@click.option("--boot", default=60, help="重启至多的秒数 / seconds a restart may take")
@verb
def create(talk: Talk, kind: str, version: str, image: Path | None, config: Path | None, url: str, least: str, key: Path | None,
           stages: str, soak: int, boot: int) -> None:  # fmt: skip
    """签名并开始推送 / sign and begin"""
    from daozhang.devices.firmware import made

    source = image or config
    if source is None or (image and config):
        raise Oops("给 --image 或 --config 之一", "give one of --image and --config", code=2)
    data = source.read_bytes()
    manifest = made(data, kind, version, _key(talk, key), least, "config" if config else "firmware").decode()
    try:
        steps = [int(step) for step in stages.split(",")]
    except ValueError:
        raise Oops("--stages 形如 1,10,100", "--stages is such as 1,10,100", code=2) from None
    body = {"manifest": manifest, "stages": steps, "soak_s": soak, "boot_s": boot, "url": url}
    told = Link(talk.data).must("POST", "/rollouts", body if url else {**body, "image": base64.b64encode(data).decode()})
    talk.document(told)
    _line(talk, told)


def _key(talk: Talk, file: Path | None) -> Any:
    from daozhang.gateway.rollout_key import opened, private_file

    where = file or private_file(talk.data / "gateway")
    try:
        return opened(where)
    except (OSError, ValueError):
        raise Oops(f"读不了签名私钥 {where}:用 --key 指定(64 位十六进制的 Ed25519 私钥)",
                   f"the signing key {where} cannot be read: name it with --key (Ed25519, 64 hexadecimal digits)") from None  # fmt: skip


@rollout.command("ls")
@verb
def list_(talk: Talk) -> None:
    """推送列表 / all roll-outs"""
    told = Link(talk.data).must("GET", "/rollouts")
    talk.document(told)
    for one in told["data"]:
        _line(talk, one)


@rollout.command()
@click.argument("which")
@click.option("--wait", default=0.0, help="等它结束的秒数;回退则退出码 10 / seconds to wait for its end; exit 10 when it turned back")
@verb
def show(talk: Talk, which: str, wait: float) -> None:
    """一次推送 / one roll-out"""
    link, end = Link(talk.data), time.monotonic() + wait
    told = link.must("GET", f"/rollouts/{which}")
    while told["state"] not in _BY_ITSELF and time.monotonic() < end:
        time.sleep(0.5)
        told = link.must("GET", f"/rollouts/{which}")
    _show(talk, told)
    sys.exit(10 if wait and told["state"] != "done" else 0)


def _show(talk: Talk, told: dict[str, Any]) -> None:
    talk.document(told)
    _line(talk, told)
    talk.show("  " + "  ".join(f"{name} {count}" for name, count in told["counts"].items() if count))
    for one in told["noted"]:
        talk.show(f"  {one['device']}  {one['state']:8} {one['why']}")


def _line(talk: Talk, told: dict[str, Any]) -> None:
    why = talk.word(told["says"])
    talk.show(f"{told['id']}  {told['type']} {told['kind']} {told['version']}  {told['state']}  {told['percent']} %  {why}".rstrip())


def _turn(talk: Talk, which: str, word: str) -> None:
    _show(talk, Link(talk.data).must("POST", f"/rollouts/{which}/{word}"))


@rollout.command()
@click.argument("which")
@verb
def pause(talk: Talk, which: str) -> None:
    """暂停 / hold"""
    _turn(talk, which, "pause")


@rollout.command()
@click.argument("which")
@verb
def resume(talk: Talk, which: str) -> None:
    """继续 / go on"""
    _turn(talk, which, "resume")


@rollout.command()
@click.argument("which")
@verb
def abort(talk: Talk, which: str) -> None:
    """中止并回退 / end it and go back"""
    _turn(talk, which, "abort")
