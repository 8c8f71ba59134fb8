"""``daozhang``: each verb is imported only when it is used."""

import importlib
import sys
from typing import Any

import click

# Verb -> the file that has it.
_VERBS = {
    "up": "life", "down": "life", "status": "life", "doctor": "life", "version": "life",
    "pay": "pay", "why": "tell", "trace": "tell", "resolve": "pay", "refund": "pay", "reverse": "pay", "answer": "pay",
    "openapi": "openapi", "listen": "events", "events": "events", "trigger": "trigger", "logs": "logs", "webhook": "webhook", "replay": "webhook", "open": "life",
    "sandbox": "sandbox", "chaos": "sandbox", "clock": "sandbox", "describe": "describe", "new": "new", "bill": "bill", "plate": "plate",
    "device": "device", "speaker": "speaker", "rollout": "rollout", "sim": "sim", "drill": "drill", "field": "field",
    "incident": "incident", "health": "incident", "maintenance": "incident",
    "account": "standing", "release": "standing",
}  # fmt: skip


class Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"daozhang.cli.{_VERBS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.get_short_help_str(60)) for name in _VERBS if (command := self.get_command(ctx, name))]
        with formatter.section("动词 / verbs"):
            formatter.write_dl(rows)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """到账:扫码收款,笔笔有结果。 / A scan payment that always answers.

    退出码 / exit codes: 0 完成 done · 1 出错 failed · 2 用法 usage · 3 没有运行 not running (why: likely) ·
    pay: 0 paid, 10 not_paid/returned, 11 unresolved · why: 0 proven, 3 likely, 4 unknown · doctor: 0 ok, 1 warn, 2 fail
    """


def main() -> Any:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    return cli()


if __name__ == "__main__":
    main()
