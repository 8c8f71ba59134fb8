"""The notify door: channels call us. Believed only after every check; what contradicts us is kept, asked about, told.

A notify with a wrong amount, seller, app or signature changes nothing and is never answered "received".
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daozhang.channels.plug import BadNotify, Heard, Judged, ProbeNotify
from daozhang.core.evidence import Op
from daozhang.core.faults import Conflict, Fault
from daozhang.core.ids import payment_of
from daozhang.core.payment import NOTHING_TAKEN, Payment
from daozhang.core.ports import AccountRow
from daozhang.core.resolve import learn
from daozhang.flow import refund as refunds
from daozhang.flow.find_out import drive, due_ms, look_now
from daozhang.flow.house import House, NoAccount
from daozhang.flow.look_alike import watch_for_look_alike
from daozhang.flow.pen import Pen
from daozhang.flow.renew import known_keys

log = logging.getLogger("daozhang.notify")
Reply = tuple[int, str, bytes]


async def notify(
    house: House, channel_name: str, content_type: str, query: str, body: bytes,
    headers: Mapping[str, str] | None = None, account_id: str = "",
) -> Reply:  # fmt: skip
    """Take one notify; the status, content type and body to answer with. "Received" only after it is durable.

    ``headers`` by lower-case name; ``account_id`` as the address of the notify names it.
    """
    channel = house.shelf.get(channel_name)
    if channel is None:
        return 404, "text/plain; charset=utf-8", b"no such channel"
    channel_name = channel.name
    try:
        heard = channel.wire.hear(content_type, query, body)
        if heard.sealed:
            heard = await _unsealed(house, channel_name, heard, headers or {}, account_id)
    except ProbeNotify:
        log.info("notify.probe", extra={"channel": channel_name, "account": account_id})
        return channel.wire.thanks(False)
    except BadNotify as bad:
        await _alarm(house, "notify.unreadable", channel_name, {"why": str(bad), "bytes": len(body)})
        return channel.wire.thanks(False)
    order_no = heard.names.get("order_no", "")
    payment_id = payment_of(order_no)
    payment = await house.store.payment(payment_id) if payment_id else None
    if payment is not None and payment.channel != channel_name:
        payment = None
    if payment is not None and account_id and payment.account != account_id:
        payment = None  # signed with one account's keys, and about an order of another
    row = await _account(house, channel_name, heard, payment)
    if row is None:
        await _alarm(house, "notify.unknown_app", order_no or channel_name, dict(heard.names))
        return channel.wire.thanks(False)
    judged = channel.wire.judge(house.shelf.account(row), heard, payment)
    if not judged.verified or judged.finding.alarm or payment is None:
        await _quarantine(house, judged, payment)
        return channel.wire.thanks(False)
    await _believe(house, payment, row, judged)
    return channel.wire.thanks(True)


async def _unsealed(house: House, channel: str, heard: Heard, headers: Mapping[str, str], account_id: str) -> Heard:
    """Open a notify with the keys of the account that its address names. Raises BadNotify."""
    try:
        row = await house.account(account_id)
    except NoAccount:
        raise BadNotify("its address names no account of ours") from None
    if row.channel != channel:
        raise BadNotify("its address names an account of another channel")
    account = house.shelf.account(row)
    await known_keys(house, channel, account_id, account, headers.items())
    opened = house.channel(channel).wire.unseal(account, heard, headers, house.clock.now_ms())
    return replace(opened, names={**opened.names, "account": account_id})


async def _account(house: House, channel: str, heard: Heard, payment: Payment | None) -> AccountRow | None:
    """The account whose key must have signed: the payment's own; without a payment, one that bears the named app."""
    try:
        if payment is not None:
            return await house.account(payment.account)
    except NoAccount:
        return None
    if "account" in heard.names:
        return await house.account(heard.names["account"])
    rows = await house.directory.accounts_by_app(channel, heard.names.get("app_id", ""))
    return rows[0] if rows else None


async def _quarantine(house: House, judged: Judged, payment: Payment | None) -> None:
    """Write it down, look for ourselves, and let people know; the channel is not told "received"."""
    what = judged.finding.alarm or "order"
    detail: dict[str, Any] = {"order_no": judged.order_no, **judged.finding.detail}
    if what == "signature":
        detail["cause"] = "integration.signature"
    await _alarm(house, f"notify.bad_{what}", payment.id if payment else judged.order_no, detail)
    if payment is not None:
        house.proc.spawn(look_now(house, payment.id), f"look after notify {payment.id}")


async def _alarm(house: House, kind: str, subject: str, detail: dict[str, Any]) -> None:
    log.warning(kind, extra={"subject": subject})
    await house.store.alarm(kind, subject, house.clock.now_ms(), detail)


async def _believe(house: House, payment: Payment, row: AccountRow, judged: Judged) -> None:
    """Add the notify to the payment's story once, and let it settle what it may settle.

    Where an undo of ours or a told end speaks against it, a repeat counts too: it may be about a second charge of the same
    order (a channel that charges after an accepted undo numbers it alike), and asking once more harms nobody.
    """
    notify_id = judged.finding.detail.get("notify_id", "")
    manners = house.channel(payment.channel).manners
    for _ in range(5):
        lines = await house.store.evidence(payment.id)
        told = any(line.detail.get("notify_id") == notify_id for line in lines if line.kind == "notified")
        if notify_id and told and payment.proven and payment.state not in NOTHING_TAKEN:
            return
        pen = Pen(house, payment, row.fee_rate)
        pen.note_answer(Op.NOTIFY, judged.finding)
        now = house.clock.now_ms()
        after = learn(payment, Op.NOTIFY, judged.finding, manners, now)
        try:
            stored = await pen.commit(after, due_ms(after, manners, now))
            break
        except Conflict:
            fresh = await house.store.payment(payment.id)
            if fresh is None:
                raise
            payment = fresh
    else:
        raise Conflict("others keep moving the payment")
    watch_for_look_alike(house, stored)
    if judged.about_refund:
        house.proc.spawn(refunds.look(house, payment.id), f"refunds of {payment.id}")
    elif stored.recheck_ms and stored.state in NOTHING_TAKEN:
        house.proc.spawn(_ask_again(house, stored), f"late notify {payment.id}")


async def _ask_again(house: House, payment: Payment) -> None:
    try:
        await drive(house, payment)
    except Fault as fault:
        log.info("the timer will ask again", extra={"payment": payment.id, "why": str(fault)})
