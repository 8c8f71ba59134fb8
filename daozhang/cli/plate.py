"""``daozhang plate``: a till's static code plate, to print or to try."""

import base64
import sys
from pathlib import Path

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Talk, verb


@click.command()
@click.option("--till", default="", help="收银台,不写为演示店的 / till; left out: the demo's")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="把二维码存成 SVG / keep the QR as SVG")
@verb
def plate(talk: Talk, till: str, output: Path | None) -> None:
    """码牌:顾客扫码、自己输金额 / a code plate: the payer scans it and types the amount"""
    link = Link(talk.data)
    told = link.must("GET", f"/tills/{till or link.state.get('till', '')}/plate")
    if output:
        output.write_bytes(base64.b64decode(told["picture"].partition(",")[2]))
    elif not talk.json and sys.stderr.isatty():
        import segno

        segno.make(told["url"]).terminal(out=sys.stderr, compact=True)
    talk.document({**told, **({"path": str(output)} if output else {})})
    talk.show(told["url"])
    if output:
        talk.show(f"{talk.pick('二维码', 'QR')}: {output}")
