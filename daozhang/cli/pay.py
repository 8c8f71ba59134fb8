"""Money: pay, resolve, refund, reverse, answer."""

import sys
import time
from typing import Any

import click

from daozhang.cli.find import one
from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import PAY_NOT_PAID, PAY_PAID, PAY_UNRESOLVED, Oops, Talk, mark, verb, yuan
from daozhang.core.money import fen_of_yuan

_WAIT_S = 90


@click.command(context_settings={"ignore_unknown_options": True})  # "-1" is a wrong amount, not an option
@click.argument("amount")
@click.option("--code", default=None, help="顾客付款码 / the payer's code")
@click.option("--qr", is_flag=True, help="我们出码,顾客来扫 / show a QR")
@click.option("--order", default=None, help="商户单号 / your order number")
@click.option("--subject", default=None)
@click.option("--till", default=None)
@click.option("--behaviour", default="pays", help="沙箱里的付款人怎么做 / what the sandbox's payer does")
@click.option("--wallet", "--channel", "wallet", default="alipay", help="哪个钱包来付:alipay、wechat、unionpay / which wallet pays")
@click.option("--wait", type=float, default=_WAIT_S, help="最多等多少秒 / wait at most so many seconds")
@verb
def pay(talk: Talk, amount: str, code: str | None, qr: bool, order: str | None, subject: str | None, till: str | None,
        behaviour: str, wallet: str, wait: float) -> None:  # fmt: skip
    """收一笔钱 / take a payment"""
    fen = _fen(amount)
    if code and qr:
        raise Oops("--code 和 --qr 只能选一个", "choose --code or --qr, not both")
    link = Link(talk.data)
    shown = {"type": "pay_by_qr", "channel": wallet}
    method = shown if qr else {"type": "pay_by_code", "code": code or _payer(talk, link, wallet, behaviour)}
    key = fresh_key()
    body = {
        "amount": fen, "method": method, "till": till or link.state.get("till", ""), "wait_s": 0 if qr else 2,
        "merchant_order_no": order or f"CLI-{key[4:16]}", **({"subject": subject} if subject else {}),
    }  # fmt: skip
    told = link.must("POST", "/payments", body, key=key)
    if qr:
        _show_qr(talk, told, wallet)
    told = follow(talk, link, told, wait)
    if told["verdict"] in ("paid", "not_paid", "returned"):
        told = link.must("POST", f"/payments/{told['id']}/told", {"by": "cli"})
    talk.document(told)
    if not talk.json:
        show_payment(talk, link.must("GET", f"/payments/{told['id']}/trace"))
    sys.exit(
        {"paid": PAY_PAID, "not_paid": PAY_NOT_PAID, "returned": PAY_NOT_PAID}.get(told["verdict"], PAY_UNRESOLVED)
    )


def _fen(amount: str) -> int:
    try:
        fen = fen_of_yuan(amount)
    except ValueError:
        raise Oops(
            f"金额 {amount} 不对:写成 12.50 这样的元", f"{amount} is no amount: write yuan such as 12.50", code=2
        ) from None
    if fen < 1:
        raise Oops("金额至少 0.01 元", "the least amount is 0.01", code=2)
    return fen


def _payer(talk: Talk, link: Link, wallet: str, behaviour: str) -> str:
    """In the sandbox a payer is at hand; elsewhere somebody must show a code."""
    made = link.sandbox("POST", "/code", {"wallet": wallet, "behaviour": behaviour})
    talk.say(f"沙箱付款人出示付款码(行为:{behaviour})", f"a sandbox payer shows a code (behaviour: {behaviour})")
    return str(made["code"])


def _show_qr(talk: Talk, told: dict[str, Any], wallet: str = "") -> None:
    text = told["method"].get("qr")
    if not text:
        return
    which = f" --wallet {wallet}" if wallet not in ("", "alipay") else ""
    talk.say(
        f"请扫码:{text}\n沙箱里:daozhang sandbox scan {text}{which}",
        f"scan: {text}\nin the sandbox: daozhang sandbox scan {text}{which}",
    )
    if not talk.json and sys.stderr.isatty():
        import segno

        segno.make(text).terminal(out=sys.stderr, compact=True)


def follow(talk: Talk, link: Link, told: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Say something new at least every five seconds until it is decided, or the wait is over."""
    end = time.monotonic() + wait_s
    shown_qr = bool(told["method"].get("qr"))
    while told["verdict"] not in ("paid", "not_paid", "returned") and time.monotonic() < end:
        for line in link.stream(f"/payments/{told['id']}/stream"):
            told = line
            if told["method"].get("qr") and not shown_qr:
                shown_qr = True
                _show_qr(talk, told, str(told["method"].get("channel", "")))
            if told["verdict"] in ("paid", "not_paid", "returned") or time.monotonic() > end:
                break
            words, step, by = told["verdict_words"], told["next_step"]["cashier"], told.get("by_when") or {}
            talk.say(
                f"  {words['zh']} · {step['zh']} · {by.get('zh', '')}",
                f"  {words['en']} · {step['en']} · {by.get('en', '')}",
            )
        else:
            time.sleep(0.3)
            told = link.must("GET", f"/payments/{told['id']}")
    return told


def show_payment(talk: Talk, told: dict[str, Any]) -> None:
    """A payment for people: verdict, amount, evidence, next step."""
    tti = f"  {told['tti_ms'] / 1000:.1f} s" if told.get("tti_ms") else ""
    talk.show(
        f"{mark(told['verdict'])} {talk.word(told['verdict_words'])}  {yuan(told['amount'])}  {told['method']['channel']}{tti}"
    )
    talk.show(f"  {told['id']}  {told['merchant_order_no']}")
    if told["amount_refunded"]:
        talk.show(talk.pick("  已退 ", "  refunded ") + yuan(told["amount_refunded"]))
    for at, line in enumerate(told.get("evidence", []), 1):
        if line["kind"] != "asked":
            decides = talk.pick("  ← 据此", "  ← decides") if line["id"] == told["decided_by"] else ""
            what = " ".join(part for part in (line["op"] or line["kind"], line["proves"], line["code"]) if part)
            talk.show(f"  E{at} {line['at'][11:23]} {line['who']:8} {what}{decides}")
    talk.show(talk.pick("  收银员:", "  cashier: ") + talk.word(told["next_step"]["cashier"]))


@click.command()
@click.argument("which", required=False)
@click.option("--all", "every", is_flag=True, help="所有未决的 / every unproven one")
@verb
def resolve(talk: Talk, which: str | None, every: bool) -> None:
    """现在再查 / ask the channel now"""
    link = Link(talk.data)
    states = ("sent", "waiting_payer", "unknown", "reversing", "deferred")
    if every:
        rows = [row for state in states for row in link.must("GET", f"/payments?limit=100&status={state}")["data"]]
    else:
        rows = [one(link, which or "last")]
    told = [link.must("POST", f"/payments/{row['id']}/resolve", {"wait_s": 3}) for row in rows]
    talk.document(told if every else told[0])
    for row in told:
        talk.show(f"{mark(row['verdict'])} {row['id']} {talk.word(row['verdict_words'])}")
    if every and not told:
        talk.say("没有未决的支付", "nothing is unproven")


@click.command()
@click.argument("which")
@click.argument("amount", required=False)
@click.option("--reason", default="")
@verb
def refund(talk: Talk, which: str, amount: str | None, reason: str) -> None:
    """退款(不写金额就全退)/ give money back (all of it without an amount)"""
    link = Link(talk.data)
    payment = one(link, which)
    key = fresh_key()
    talk.say(f"Idempotency-Key: {key}", f"Idempotency-Key: {key}")
    body = {"payment": payment["id"], "reason": reason, "wait_s": 10, **({"amount": _fen(amount)} if amount else {})}
    told = link.must("POST", "/refunds", body, key=key)
    talk.document(told)
    talk.show(f"{told['id']}  {yuan(told['amount'])}  {told['status']}")
    sys.exit({"succeeded": 0, "failed": PAY_NOT_PAID}.get(told["status"], PAY_UNRESOLVED))


@click.command()
@click.argument("which")
@verb
def reverse(talk: Talk, which: str) -> None:
    """撤销 / undo"""
    link = Link(talk.data)
    payment = one(link, which)
    key = fresh_key()
    talk.say(f"Idempotency-Key: {key}", f"Idempotency-Key: {key}")
    told = link.must("POST", f"/payments/{payment['id']}/reverse", {"wait_s": 10}, key=key)
    talk.document(told)
    talk.show(f"{mark(told['verdict'])} {talk.word(told['verdict_words'])}  {told['id']}  {told['status']}")
    undone = told["verdict"] in ("not_paid", "returned") or told["status"] == "refunded"
    sys.exit(0 if undone else PAY_UNRESOLVED)


@click.command()
@click.argument("which")
@click.option("--goods/--no-goods", required=True, help="货给了 / 没给 : were the goods handed over")
@verb
def answer(talk: Talk, which: str, goods: bool) -> None:
    """回答:钱晚到,货给了没有 / the money came late: were the goods handed over"""
    link = Link(talk.data)
    payment = one(link, which)
    told = link.must("POST", f"/payments/{payment['id']}/answer", {"goods_handed_over": goods}, key=fresh_key())
    talk.document(told)
    talk.show(f"{mark(told['verdict'])} {told['id']} {told['status']}")
