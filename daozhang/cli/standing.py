"""The settlement account and releases of our own software: looking and entering."""

from typing import Any

import click

from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Talk, verb, yuan
from daozhang.cli.tell import PEOPLE, cause_line


def show_cause(talk: Talk, told: dict[str, Any]) -> None:
    """What is wrong with it and what each person does; nothing known to be wrong is said too."""
    cause, steps = told.get("cause"), told.get("next_step")
    if not isinstance(cause, dict):
        talk.show(talk.pick("  没有已知的问题", "  nothing is known to be wrong"))
        return
    talk.show(f"  {cause_line(talk, cause)}  {talk.word(cause['says'])}")
    if not isinstance(steps, dict):
        return
    for person, zh in PEOPLE.items():
        talk.show(f"  {talk.pick(zh, person)}: {talk.word(steps[person])}")


@click.group()
def account() -> None:
    """结算账户:看、登记 / the settlement account: look, enter"""


@account.command("show")
@verb
def show_account(talk: Talk) -> None:
    """钱到哪一步,为什么没入账 / how far the money came, and why not farther"""
    _account(talk, Link(talk.data).must("GET", "/settlement_account"))


@account.command("set")
@click.option("--payout", type=click.Choice(["", "waiting", "sent", "arrived", "returned"]), default="", help="最近一次出款 / the last payout")
@click.option("--code", default="", help="银行的码,如 AC04 / the bank's code with it")
@click.option("--hold/--no-hold", default=None, help="出款是否暂停 / whether payouts are on hold")
@click.option("--pending", type=click.IntRange(0), default=None, help="待结算,分 / to be settled, fen")
@click.option("--pending-since", default=None, help="最近到的时间 RFC 3339 / when the newest of it came")
@click.option("--minimum", type=click.IntRange(0), default=None, help="起付额,分 / the least payout, fen")
@click.option("--cutoff", default="", help="截止时间 HH:MM / the day's cut-off")
@click.option("--closed", multiple=True, help="银行不入账的日子 YYYY-MM-DD;可多次 / banks pay nothing in; may be repeated")
@click.option("--weekends/--no-weekends", default=None, help="周末是否入账 / whether banks pay in at weekends")
@verb
def set_account(talk: Talk, payout: str, code: str, hold: bool | None, pending: int | None, pending_since: str | None, minimum: int | None,
                cutoff: str, closed: tuple[str, ...], weekends: bool | None) -> None:  # fmt: skip
    """登记所知的状态;不写的就是不知道 / enter what is known; what is left out is not known"""
    body = {"payout": payout, "payout_code": code, "hold": hold, "pending": pending, "pending_since": pending_since, "minimum": minimum,
            "cutoff": cutoff, "closed_days": list(closed), "weekends": weekends}  # fmt: skip
    _account(talk, Link(talk.data).must("PUT", "/settlement_account", body))


def _account(talk: Talk, told: dict[str, Any]) -> None:
    talk.document(told)
    code = f" {told['payout_code']}" if told["payout_code"] else ""
    waits = yuan(told["pending"]) if told["pending"] is not None else talk.pick("不知道", "not known")
    talk.show(talk.pick(f"出款 {told['payout'] or '不知道'}{code}  待结算 {waits}", f"payout {told['payout'] or 'not known'}{code}  to be settled {waits}"))
    show_cause(talk, told)


@click.group()
def release() -> None:
    """系统版本更新:看、登记 / releases of our own software: look, note"""


@release.command("ls")
@verb
def releases(talk: Talk) -> None:
    """每个版本第一次开始工作的时间 / when each version was at work first"""
    told = Link(talk.data).must("GET", "/releases")
    talk.document(told)
    for one in told["data"]:
        talk.show(f"{one['at'][:19]}  {one['version']:20} {one['by']}  {one['says'] or ''}".rstrip())


@release.command("note")
@click.argument("version")
@click.option("--says", default="", help="改了什么 / what changed")
@verb
def note(talk: Talk, version: str, says: str) -> None:
    """登记一次更新:之后不久出问题的支付会考虑到它 / note one: payments that are dark shortly afterwards are looked at with it in mind"""
    told = Link(talk.data).must("POST", "/releases", {"version": version, "says": says}, key=fresh_key())
    talk.document(told)
    talk.show(f"{told['at'][:19]}  {told['version']}")
