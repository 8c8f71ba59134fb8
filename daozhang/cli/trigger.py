"""``trigger``: make a real object of the sandbox come to a named event or cause, so that a program can be tried against it."""

import sys
from typing import Any, NamedTuple

import click

from daozhang.cli.link import Link, fresh_key
from daozhang.cli.pay import follow, show_payment
from daozhang.cli.say import Oops, Talk, verb


class Way(NamedTuple):
    """How to get there: what the payer does, what goes wrong at the channel with this very order, what we do then."""

    behaviour: str = "pays"
    mode: str = ""
    op: str = ""
    then: str = ""  # refund, reverse
    qr: bool = False


# The event or cause -> the way. A cause is what `why` names afterwards.
WAYS: dict[str, Way] = {
    "payment.created": Way(), "payment.paid": Way(),
    "payment.waiting_payer": Way("types_password"),
    "payment.unknown": Way(mode="lost_after", op="pay"),
    "payment.not_paid": Way("no_balance"),
    "payment.closed": Way("hesitates", then="reverse"),
    "payment.reversing": Way("hesitates", then="reverse"),
    "payment.refunded": Way(then="refund"), "refund.created": Way(then="refund"), "refund.succeeded": Way(then="refund"),
    "payer.insufficient_funds": Way("no_balance"), "bank.declined": Way("card_declined"),
    "limit.daily": Way("day_limit"), "limit.monthly": Way("month_limit"), "payer.code_expired": Way("code_expired"),
    "risk.payer_blocked": Way("risk"),
    "payer.not_completed": Way("hesitates", then="reverse"),
    "info.reply_lost": Way(mode="lost_after", op="pay"),
    "info.reply_unreadable": Way(mode="garbage", op="pay"), "info.reply_unknown": Way(mode="unknown_code", op="pay"),
    "platform.maintenance": Way(mode="maintenance", op="pay"),
    "platform.degraded": Way(mode="error_500", op="pay"),
}  # fmt: skip


@click.command()
@click.argument("what", required=False, default="")
@click.option("--amount", type=click.IntRange(1, 10_000_000), default=1250, help="分 / fen")
@click.option("--wait", type=float, default=90)
@verb
def trigger(talk: Talk, what: str, amount: int, wait: float) -> None:
    """让沙箱真的发生某个事件或原因 / make an event or a cause really happen in the sandbox"""
    if not what:
        talk.document(sorted(WAYS))
        talk.show("\n".join(sorted(WAYS)))
        return
    way = WAYS.get(what)
    if way is None:
        import difflib

        near = ", ".join(difflib.get_close_matches(what, WAYS, 3, 0.3))
        raise Oops(f"没有 {what}。相近的:{near}", f"there is no {what}. Near to it: {near}", code=2)
    told = _make(talk, Link(talk.data), way, amount, wait)
    talk.document(told)
    if not talk.json:
        show_payment(talk, told)
    sys.exit(0)


def _make(talk: Talk, link: Link, way: Way, amount: int, wait: float) -> dict[str, Any]:
    if way.mode:
        # Only while this one request is asked: other tills of the sandbox go on undisturbed before and after it.
        link.sandbox("POST", "/chaos", {"channel": "alipay", "mode": way.mode, "op": way.op, "share": 1.0, "for_s": 20})
    try:
        code = link.sandbox("POST", "/code", {"wallet": "alipay", "behaviour": way.behaviour})["code"]
        key = fresh_key()
        body = {"amount": amount, "merchant_order_no": f"TRG-{key[4:16]}", "till": link.state.get("till", ""),
                "method": {"type": "pay_by_code", "code": code}, "wait_s": 6}  # fmt: skip
        told = link.must("POST", "/payments", body, key=key)
    finally:
        if way.mode:
            link.sandbox("DELETE", "/chaos")
    if way.then == "reverse":
        told = link.must("POST", f"/payments/{told['id']}/reverse", {"wait_s": 5}, key=fresh_key())
    told = follow(talk, link, told, wait)
    if way.then == "refund":
        link.must("POST", "/refunds", {"payment": told["id"]}, key=fresh_key())
    whole: dict[str, Any] = link.must("GET", f"/payments/{told['id']}/trace")
    return whole
