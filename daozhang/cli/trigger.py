"""``trigger``: make an event or a cause really happen in the sandbox, so that a program can be tried against it.

How a cause is played stands in its own file (``[stage]``); how an event is reached stands here.
"""

import sys
from difflib import get_close_matches
from typing import Any

import click

from daozhang.cli.link import Link
from daozhang.cli.pay import show_payment
from daozhang.cli.plays import Stage, play
from daozhang.cli.say import Oops, Talk, verb
from daozhang.cli.standing import show_cause
from daozhang.cli.tell import PEOPLE, cause_line
from daozhang.flow import shelf

# Events that are reached without a fault, or by one that has no cause of its own.
EVENTS: dict[str, dict[str, Any]] = {
    "payment.created": {"play": "payer"}, "payment.paid": {"play": "payer"},
    "payment.waiting_payer": {"play": "payer", "behaviour": "types_password"},
    "payment.unknown": {"play": "chaos", "mode": "lost_after", "op": "pay"},
    "payment.not_paid": {"play": "payer", "behaviour": "no_balance"},
    "payment.closed": {"play": "payer", "behaviour": "hesitates", "then": "reverse"},
    "payment.reversing": {"play": "payer", "behaviour": "hesitates", "then": "reverse"},
    "payment.refunded": {"play": "payer", "then": "refund"}, "refund.created": {"play": "payer", "then": "refund"},
    "refund.succeeded": {"play": "payer", "then": "refund"},
}  # fmt: skip


@click.command()
@click.argument("what", required=False, default="")
@click.option("--amount", type=click.IntRange(1, 10_000_000), default=1250, help="分 / fen")
@click.option("--wait", type=float, default=90)
@verb
def trigger(talk: Talk, what: str, amount: int, wait: float) -> None:
    """让沙箱真的发生某个事件或原因 / make an event or a cause really happen in the sandbox"""
    stages = {row["id"]: row["stage"] for row in shelf.pictures()} | EVENTS
    if not what:
        talk.document(sorted(stages))
        talk.show("\n".join(sorted(stages)))
        return
    stage = stages.get(what)
    if stage is None:
        near = ", ".join(get_close_matches(what, stages, 3, 0.3))
        raise Oops(f"没有 {what}。相近的:{near}", f"there is no {what}. Near to it: {near}", code=2)
    told = play(Stage(talk, Link(talk.data), amount, wait), stage)
    found = named_in(told, what)
    card = shelf.picture_of(what) if found else None
    talk.document({**told, "trigger": {"what": what, "named": found, "cause": card}})
    if told.get("object") == "payment":
        show_payment(talk, told)
        cause = told.get(found) if found else None
        if isinstance(cause, dict):
            talk.show(f"  {cause_line(talk, cause)}  {talk.word(cause['says'])}")
    elif isinstance(told.get("cause"), dict):
        show_cause(talk, told)
    elif card is not None:
        _card(talk, card)
    sys.exit(0)


def _card(talk: Talk, card: dict[str, Any]) -> None:
    """Where the answer names a cause by its id alone, the shelf says the rest."""
    talk.show(f"  {card['number']} {card['id']}  {talk.word(card['says'])}")
    for person, words in (card["next"] or card["meanwhile"]).items():
        talk.show(f"  {talk.pick(PEOPLE[person], person)}: {talk.word(words)}")


def named_in(told: dict[str, Any], cause: str) -> str:
    """Which of the answers names this cause, alone or within its class; empty: none."""
    for question in ("why_no_money", "why_no_information", "cause"):
        named = told.get(question)
        if isinstance(named, str):  # a problem names its cause by id alone
            named = {"id": named, "class": ()}
        if named and (named["id"] == cause or cause in (named["class"] or ())):
            return question
    return "refunds" if any(one.get("cause") == cause for one in told.get("refunds", ())) else ""
