"""``daozhang describe FILE`` and ``daozhang describe code X``: messages and codes as a person would read them."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from daozhang.cli.say import Oops, Talk, verb


@click.command()
@click.argument("what")
@click.argument("code", required=False)
@verb
def describe(talk: Talk, what: str, code: str | None) -> None:
    """解释报文(文件或 -)、结果码或原因 / explain a message (file or -), or: describe code X, describe cause ID"""
    if what == "cause":
        _cause(talk, code or "")
        return
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


_PEOPLE = {"cashier": "收银员", "payer": "顾客", "merchant": "商户", "support": "客服", "operations": "运维", "developer": "开发"}


def _cause(talk: Talk, which: str) -> None:
    """One cause by id or number; without one, all of them."""
    from daozhang.flow import shelf

    if not which:
        rows = shelf.pictures()
        talk.document({"data": rows})
        for row in rows:
            talk.show(f"{row['number']:10} {row['id']:28} {talk.word(row['says'])}")
        return
    told = shelf.picture_of(which)
    if told is None:
        near = ", ".join(get_close_matches(which, [row["id"] for row in shelf.pictures()], 3, 0.3))
        raise Oops(f"没有原因 {which}。相近的:{near}", f"there is no cause {which}. Near to it: {near}", code=2)
    talk.document(told)
    talk.show(f"{told['number']}  {told['id']}  {talk.pick('责任方', 'party')}: {told['party']}")
    talk.show(f"  {talk.word(told['says'])}")
    if told["class"]:
        talk.show(f"  {talk.pick('可能分不清', 'may not be told from')}: {', '.join(told['class'])}")
        talk.show(f"  {talk.pick('靠什么分清', 'told apart by')}: {talk.word(told['separated_by'])}")
    if not told["money_safe"]:
        talk.show(talk.pick("  钱可能付给了别人", "  money may be on its way to somebody else"))
    talk.show(f"  {talk.pick('看哪些事实', 'looks at')}: {', '.join(told['looks_at']) or talk.pick('渠道的话', 'words of the channel')}")
    for name, zh, en in (("meanwhile", "还没有结果时", "while nothing is proven"), ("next", "确认没收到钱后", "once no money moved")):
        if told[name]:
            talk.show(f"  {talk.pick(zh, en)}")
            for person, words in told[name].items():
                talk.show(f"    {talk.pick(_PEOPLE[person], person)}: {talk.word(words)}")
    talk.show(f"  {talk.pick('在沙箱里重现', 'in the sandbox')}: daozhang trigger {told['id']}")


def _code(talk: Talk, shelf: Any, code: str) -> None:
    """What it proves, operation by operation; the same code on a query is not the code on a payment."""
    from daozhang.flow.codes import browse

    rows = [row for row in browse(shelf, like=code) if code and code.lower() in row["code"].lower()]
    talk.document({"code": code, "rows": rows})
    if not rows and not talk.json:
        near = get_close_matches(code.upper(), {row["code"] for row in browse(shelf)}, 3, 0.75)
        talk.show(
            talk.pick(
                "没有见过这个码:结果按未知处理,继续查询",
                "nobody has seen this code: it proves nothing, and we keep asking",
            )
        )
        if near:
            talk.show(f"{talk.pick('相近的', 'near to it')}: {', '.join(near)}")
    for row in rows:
        talk.show(f"{row['channel']} {row['op']:12} {row['code']:44} → {row['proves']:14} {talk.word(row)}")
        hint = f" · {talk.pick('原因', 'cause')}: {row['hint']}" if row["hint"] else ""
        talk.show(f"    {talk.word(row['outcome'])}{hint}")
