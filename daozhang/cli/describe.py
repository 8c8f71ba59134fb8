"""``daozhang describe FILE`` and ``daozhang describe code X``: messages and codes as a person would read them."""

import sys
from pathlib import Path
from typing import Any

import click

from daozhang.cli.say import Oops, Talk, verb


@click.command()
@click.argument("what")
@click.argument("code", required=False)
@verb
def describe(talk: Talk, what: str, code: str | None) -> None:
    """解释报文(文件或 -)或结果码 / explain a message (file or -), or: describe code ACQ.SYSTEM_ERROR"""
    from daozhang.channels.shelf import Shelf

    shelf = Shelf.look()
    if what == "code":
        _code(talk, shelf, code or "")
        return
    try:
        message = sys.stdin.buffer.read() if what == "-" else Path(what).read_bytes()
    except OSError as why:
        raise Oops(f"读不到 {what}:{why.strerror}", f"{what} cannot be read: {why.strerror}") from None
    told = shelf.describe(message)
    if told is None:
        raise Oops("认不出这是哪种报文", "no wire we know writes such a message")
    talk.document(told)
    talk.show(f"{told['wire']}  {told['what']}  {talk.pick('签名', 'signature')}: {told['signature']}")
    for field in told["fields"]:
        talk.show(f"  {field['name']:18} {field['value']:30} {talk.word(field)}")
    talk.show(f"{talk.pick('证明', 'proves')}: {told['proves']}")
    for note in told["notes"]:
        talk.show(f"  {talk.word(note)}")


def _code(talk: Talk, shelf: Any, code: str) -> None:
    rows = [{"channel": channel.name, **row} for channel in shelf for row in channel.codes()
            if code and code.lower() in row["code"].lower()]  # fmt: skip
    talk.document({"code": code, "rows": rows})
    if not rows and not talk.json:
        talk.show(
            talk.pick(
                "没有见过这个码:结果按未知处理,继续查询",
                "nobody has seen this code: it proves nothing, and we keep asking",
            )
        )
    for row in rows:
        talk.show(f"{row['channel']} {row['op']:12} {row['code']:44} → {row['proves']:14} {talk.word(row)}")
