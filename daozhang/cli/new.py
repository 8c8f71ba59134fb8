"""``daozhang new channel NAME``, ``daozhang new cause ID``: a start that works, and nothing else to touch."""

import re
import shutil
from pathlib import Path

import click

import daozhang
from daozhang.cli.say import Oops, Talk, verb


@click.group()
def new() -> None:
    """新建插件 / make a new plug-in"""


@new.command("channel")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=None, help="渠道目录 / the folder of channels")
@verb
def new_channel(talk: Talk, name: str, into: Path | None) -> None:
    """从模板复制一个渠道 / copy the template as a new channel"""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", name):
        raise Oops("名字用小写字母、数字和下划线", "a name has small letters, digits and underscores", code=2)
    shelf = into or Path(daozhang.__file__).parent / "channels"
    target = shelf / name
    if target.exists():
        raise Oops(f"{name} 已经存在", f"{name} exists already")
    shutil.copytree(shelf / "template" if (shelf / "template").exists() else Path(daozhang.__file__).parent / "channels" / "template",
                    target, ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    for file in [*target.glob("*.py"), target / "manifest.toml"]:
        text = file.read_text("utf-8").replace("channels.template", f"channels.{name}")
        text = text.replace('name = "template"', f'name = "{name}"').replace('"wire": "template"', f'"wire": "{name}"')
        kept = [line for line in text.splitlines() if not line.startswith("template = ")]
        file.write_text("\n".join(kept) + "\n", "utf-8")
    talk.document({"channel": name, "folder": str(target)})
    talk.show(
        talk.pick(
            f"已建立 {target};运行 make test 看它的一致性测试", f"made {target}; make test runs its conformance tests"
        )
    )


_CAUSE = """id = "{id}"
number = "{number}"
party = "{party}"
says = {{ zh = "用一句话写发生了什么", en = "say in one sentence what has happened" }}

# While nothing is proven: nobody charges again. A cashier reads at most twenty Chinese characters, the verb first.
[meanwhile]
cashier = {{ zh = "先别重收,请稍等", en = "Do not charge again: please wait" }}
payer = {{ zh = "请先不要再付一次", en = "Please do not pay again yet" }}
merchant = {{ zh = "等结论,无需操作", en = "Wait for the verdict: no action is needed" }}
support = {{ zh = "请店里等结论,不要重收", en = "Ask the shop to wait for the verdict and not to charge again" }}
operations = {{ zh = "看证据和下一次询问时间", en = "See the evidence and when we ask next" }}
developer = {{ zh = "等结论,不要新建支付", en = "Wait for the verdict: do not create another payment" }}

# Small worlds in which it is named and is not (keys: tests/diagnosis/worlds.py).
[[examples]]
question = "information"
given = {{ state = "unknown", doubt = "{id}" }}
named = true

[[examples]]
question = "information"
given = {{ state = "paid" }}
named = false

# What a dark payment shows when this is the cause, and how often (families: diagnosis/signs.py).
[expects]
prior = 1.0
hop = {{ said = 0.9 }}
symptom = {{ error = 0.9 }}
said = {{ "{id}" = 0.95 }}

# Why no fault of a drill brings it about; taken away once sim/drill_plays.py has one.
[not_drilled]
zh = "演练里还没有引发它的故障"
en = "no fault of a drill brings it about yet"

# How the sandbox makes it happen: daozhang trigger.
[stage]
play = "payer"
behaviour = "hesitates"
"""


@new.command("cause")
@click.argument("ident")
@click.option("--into", type=click.Path(path_type=Path), default=None, help="原因目录 / the folder of causes")
@verb
def new_cause(talk: Talk, ident: str, into: Path | None) -> None:
    """新建一个原因(一个文件)/ a new cause: one file with words, examples and stage to be made your own"""
    if not re.fullmatch(r"[a-z]+\.[a-z][a-z_]{1,40}", ident):
        raise Oops("原因写成 责任方.事情,例如 bank.slow", "write PARTY.THING, such as bank.slow", code=2)
    folder = into or Path(daozhang.__file__).parent / "diagnosis" / "causes"
    target = folder / f"{ident.replace('.', '_')}.toml"
    if target.exists():
        raise Oops(f"{ident} 已经存在", f"{ident} exists already")
    party = ident.partition(".")[0]
    target.write_text(_CAUSE.format(id=ident, party=party, number=_free_number(folder, party)), "utf-8")
    talk.document({"cause": ident, "file": str(target)})
    talk.show(talk.pick(f"已建立 {target};改好文字、例子和迹象,再运行 make test", f"made {target}; make words, examples and signs your own, then make test"))


def _free_number(folder: Path, party: str) -> str:
    """The party's next number for the telephone."""
    said = [found for path in folder.glob("*.toml") if (found := re.search(r'^number = "DZ-([A-Z]+)-(\d\d)"', path.read_text("utf-8"), re.M))
            and path.name.startswith(f"{party}_")]  # fmt: skip
    letters = said[0][1] if said else party[:3].upper()
    return f"DZ-{letters}-{max((int(one[2]) for one in said), default=0) + 1:02d}"
