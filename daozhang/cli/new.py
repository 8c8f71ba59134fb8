"""``daozhang new channel NAME``: a copy of the template, and nothing else to touch."""

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
