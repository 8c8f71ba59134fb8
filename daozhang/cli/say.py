"""What the command line says: data on standard output, talk on standard error, in the reader's language."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

# Exit codes that other programs rely on.
OK, WARN, NOT_READY, FAILED = 0, 1, 3, 1
PAY_PAID, PAY_NOT_PAID, PAY_UNRESOLVED = 0, 10, 11
WHY_PROVEN, WHY_LIKELY, WHY_UNKNOWN = 0, 3, 4
_MARK = {"paid": "✓", "not_paid": "✗", "returned": "↩", "checking": "!", "waiting_customer": "…", "later": "?"}


class Oops(Exception):
    """What, why, how to mend it; ``problem`` is what --json prints."""

    def __init__(self, zh: str, en: str, problem: dict[str, Any] | None = None, code: int = 1) -> None:
        super().__init__(en)
        self.zh, self.en, self.problem, self.exit_code = zh, en, problem, code


@dataclass(frozen=True)
class Talk:
    """One command's way of speaking."""

    data: Path
    json: bool
    lang: str

    def pick(self, zh: str, en: str) -> str:
        return zh if self.lang == "zh" else en

    def word(self, words: dict[str, str] | None) -> str:
        return (words or {}).get(self.lang, "")

    def say(self, zh: str, en: str) -> None:
        """Talk, for people who watch."""
        click.echo(self.pick(zh, en), err=True)

    def show(self, text: str) -> None:
        """Data for people; in --json mode there is only the document."""
        if not self.json:
            click.echo(text)

    def document(self, value: Any) -> None:
        """The one document of --json."""
        if self.json:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2))

    def fail(self, oops: Oops) -> NoReturn:
        if self.json:
            click.echo(json.dumps({"error": oops.problem or {"zh": oops.zh, "en": oops.en}}, ensure_ascii=False))
        else:
            click.echo(self.pick(f"错误:{oops.zh}", f"error: {oops.en}"), err=True)
        sys.exit(oops.exit_code)


def default_language() -> str:
    named = os.environ.get("DAOZHANG_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "en" if named.lower().startswith("en") else "zh"


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Every verb takes --data, --json and --lang, and never shows a traceback."""

    @click.option("--data", type=click.Path(path_type=Path), envvar="DAOZHANG_DATA", default=Path("~/.daozhang"),
                  help="数据目录 / data folder")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="给程序用的 JSON / one JSON document for programs")
    @click.option("--lang", type=click.Choice(["zh", "en"]), default=None, help="语言 / language")
    def run(data: Path, as_json: bool, lang: str | None, **given: Any) -> None:
        talk = Talk(data.expanduser(), as_json, lang or default_language())
        try:
            function(talk, **given)
        except Oops as oops:
            talk.fail(oops)

    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    run.__click_params__ = [*getattr(function, "__click_params__", []), *getattr(run, "__click_params__", [])]  # type: ignore[attr-defined]
    return run


def yuan(fen: int) -> str:
    return f"¥{fen // 100}.{fen % 100:02d}"


def mark(verdict: str) -> str:
    return _MARK.get(verdict, "?")
