"""``daozhang plate``: a till's static code plate, to print, to enter and to check."""

import base64
import sys
from pathlib import Path
from typing import Any

import click

from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Oops, Talk, verb
from daozhang.cli.standing import show_cause

_TILL = click.option("--till", default="", help="收银台,不写为演示店的 / till; left out: the demo's")


@click.group(invoke_without_command=True)
@_TILL
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="把二维码存成 SVG / keep the QR as SVG")
@verb
def plate(talk: Talk, till: str, output: Path | None) -> None:
    """码牌:顾客扫码、自己输金额;登记、核对 / a code plate: the payer scans it and types the amount; entered, checked"""
    if click.get_current_context().invoked_subcommand:
        return
    link = Link(talk.data)
    told = link.must("GET", f"/tills/{_till(link, till)}/plate")
    if output:
        output.write_bytes(base64.b64decode(told["picture"].partition(",")[2]))
    elif not talk.json and sys.stderr.isatty():
        import segno

        segno.make(told["url"]).terminal(out=sys.stderr, compact=True)
    talk.show(told["url"])
    if output:
        talk.show(f"{talk.pick('二维码', 'QR')}: {output}")
    _checked(talk, {**told, **({"path": str(output)} if output else {})})


@plate.command("own")
@click.argument("text")
@_TILL
@verb
def own_plate(talk: Talk, text: str, till: str) -> None:
    """登记本店码牌的内容,用别家的码牌时 / enter what the shop's own plate reads as, where it is not ours"""
    link = Link(talk.data)
    _checked(talk, link.must("PUT", f"/tills/{_till(link, till)}/plate", {"text": text}))


@plate.command("check")
@click.argument("text")
@_TILL
@verb
def check_plate(talk: Talk, text: str, till: str) -> None:
    """核对手机在店里读到的内容 / check what a phone reads in the shop"""
    link = Link(talk.data)
    _checked(talk, link.must("POST", f"/tills/{_till(link, till)}/plate/check", {"text": text}, key=fresh_key()))


def _till(link: Link, named: str) -> str:
    till = named or link.state.get("till", "")
    if not till:
        raise Oops("请用 --till 说明是哪个收银台", "say which till with --till", code=2)
    return str(till)


def _checked(talk: Talk, told: dict[str, Any]) -> None:
    talk.document(told)
    own, reads = told["own"], told["reads"]
    talk.show(talk.pick(f"  应为 {own or '未登记'}  读到 {reads or '未核对'}", f"  should read {own or 'not entered'}  reads {reads or 'not checked'}"))
    show_cause(talk, told)
