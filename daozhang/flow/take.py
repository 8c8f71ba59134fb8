"""Taking a payment: check everything, then write it down, then ask the channel once."""

import asyncio
from dataclasses import dataclass
from typing import Any

from daozhang.core.directory import Merchant
from daozhang.core.faults import Fault
from daozhang.core.money import LEAST_FEN, MOST_FEN
from daozhang.core.must import must
from daozhang.core.payment import SALE_IS_FREE, Method, Payment
from daozhang.core.ports import Key
from daozhang.core.scanned import WORDS, Mistake, name_mistake
from daozhang.flow.doorkeeper import OPERATIONAL, ChannelShut, state_of
from daozhang.flow.find_out import drive, wait_for_proof
from daozhang.flow.house import House, NoAccount
from daozhang.flow.look_alike import watch_for_look_alike


class WrongCode(Fault):
    """What was scanned is no payment code that could be paid with. Nothing was asked; ``words`` say what it is and what to do."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake)
        self.mistake, self.words = mistake, WORDS[mistake]


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt, as the shop asks for it. ``code``: what the scanner read, or (a plate) who pays; ``channel``: not for a code."""

    merchant: Merchant
    store: str
    till: str
    merchant_order_no: str
    amount_fen: int
    currency: str
    method: Method
    code: str | None
    subject: str
    metadata: dict[str, str]
    livemode: bool
    key: Key
    channel: str | None = None


async def take(house: House, order: Order, wait_ms: int) -> Payment:
    """Take one payment and wait at most ``wait_ms`` for its proof.

    Raises SaleTaken (P3), KeyUsed, WrongCode, NoAccount, BadKey, WrongDoor, ChannelShut, Unavailable. After the first commit the
    attempt goes on whatever happens to the caller.
    """
    must(LEAST_FEN <= order.amount_fen <= MOST_FEN and order.currency == "CNY", "the door has checked the amount")
    started = house.clock.now_ms()
    channel = _channel(house, order)
    row = await house.account_for(order.merchant.id, channel, order.livemode)
    house.shelf.account(row)  # keys that cannot be used are found before anything is written
    await _refuse_at_a_shut_door(house, order, channel)
    payment = _attempt(house, order, channel, row.id)
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    work = asyncio.ensure_future(drive(house, payment, code=order.code or "", key=order.key, wake=False, begun=begun))
    house.proc.hold(work)
    await asyncio.wait({work}, timeout=wait_ms / 1000)
    if not work.done() and not begun.done():
        # Nobody is told of an attempt that is not durable yet, however short the caller's patience.
        first: set[asyncio.Future[Any]] = {work, begun}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        return await house.store.payment(payment.id) or payment
    taken = work.result()
    if not taken.proven:
        left = wait_ms - (house.clock.now_ms() - started)
        return await wait_for_proof(house, taken.id, max(left, 0))
    watch_for_look_alike(house, taken)
    return taken


async def _refuse_at_a_shut_door(house: House, order: Order, channel: str) -> None:
    """Raises ChannelShut. What was begun before is answered all the same: it is no new attempt."""
    shut = house.doorkeeper.shut(house.lookout, channel, house.clock.now_ms()) if house.lookout is not None else None
    if shut is None or await house.store.key(order.merchant.id, order.key.key) is not None:
        return
    if any(one.state not in SALE_IS_FREE for one in await house.store.sale(order.merchant.id, order.merchant_order_no)):
        return  # its own refusal says more
    raise ChannelShut(channel, shut, await working(house, order.merchant.id, order.livemode, channel))


async def working(house: House, merchant: str, livemode: bool, but: str) -> tuple[str, ...]:
    """Other channels of this merchant that are well, as far as is known."""
    found = []
    for channel in house.shelf:
        well = house.lookout is None or state_of(house.lookout, "platform", channel.name, house.clock.now_ms()).word == OPERATIONAL
        if channel.name == but or not well:
            continue
        try:
            await house.account_for(merchant, channel.name, livemode)
        except NoAccount:
            continue
        found.append(channel.name)
    return tuple(found)


def _attempt(house: House, order: Order, channel: str, account: str) -> Payment:
    bucket = order.merchant.bucket
    return Payment(
        id=house.new_id("pay", bucket),
        bucket=bucket,
        merchant=order.merchant.id,
        store=order.store,
        till=order.till,
        merchant_order_no=order.merchant_order_no,
        amount_fen=order.amount_fen,
        currency=order.currency,
        method=order.method,
        channel=channel,
        account=account,
        livemode=order.livemode,
        subject=order.subject,
        code_mask=mask(order.code) if order.code and order.method is Method.PAY_BY_CODE else "",
        metadata=order.metadata,
        created_ms=house.clock.now_ms(),
    )


def mask(code: str) -> str:
    """The first two and last four characters: enough to recognise a slip, not enough to pay with."""
    return f"{code[:2]}••••{code[-4:]}" if len(code) >= 12 else "••••"


def _channel(house: House, order: Order) -> str:
    if order.method.shown:
        name = order.channel or next(iter(house.shelf)).name
        return house.channel(name).name
    code = order.code or ""
    channel = house.shelf.for_code(code)
    if channel is None:
        raise _wrong(house, code)
    return channel.name


def _wrong(house: House, code: str) -> WrongCode:
    """Name the mistake: the cashier scanned something else (operator.wrong_code_type)."""
    return WrongCode(name_mistake(code, house.shelf.names(code), house.shelf.code_prefixes()))
