"""Payments: taking, looking, asking again, giving up, and the shop's acknowledgement."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from daozhang.api.auth import Guard
from daozhang.api.devices import announcement_picture
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, _encode, answer
from daozhang.api.shapes import GoodsAnswer, Lookup, NewPayment, PayByCode, PayByPlate, Told, Wish
from daozhang.core.faults import KeyUsed, SaleTaken
from daozhang.core.ids import ULID_LENGTH
from daozhang.core.payment import OPEN, Method, Payment, State
from daozhang.core.ports import Key
from daozhang.core.refund import RefundKind
from daozhang.core.scanned import Mistake, number_of_page
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.flow import find_out, late, tell
from daozhang.flow import refund as refunds
from daozhang.flow.code_watch import CodeWatch
from daozhang.flow.doorkeeper import MAINTENANCE, ChannelShut
from daozhang.flow.house import House
from daozhang.flow.take import Order, WrongCode, take

_LINE_EVERY_MS = 4_000  # the till is never silent for longer than five seconds (P5)
_TILL_LIVES_MS = 5_000
_TWICE = "operator.duplicate_scan"


def key_of(asked: Asked) -> Key:
    """The Idempotency-Key with the fingerprint of this request. Raises Problem."""
    key = asked.request.headers.get("idempotency-key")
    if key is None:
        raise Problem("key_missing")
    if not 1 <= len(key) <= 255 or any(not "!" <= letter <= "~" for letter in key):
        raise Problem("key_malformed")
    what = f"{asked.request.method} {asked.request.scope['path']} ".encode() + asked.raw
    return Key(key, hashlib.sha256(what).hexdigest())


def no_repeat(used: KeyUsed, key: Key) -> None:
    """Raises Problem unless the key was used for this very request."""
    if used.fingerprint != key.fingerprint:
        name = "refund" if used.made.startswith("rfd_") else "payment"
        made: dict[str, Any] = {name: used.made}
        raise Problem("idempotency_key_reused", **made)


def channel_shut(house: House, language: str, refused: ChannelShut, *, payer: bool = False) -> Problem:
    """Until when, why, and what works instead; said to the cashier, or to the payer who holds the phone."""
    state = refused.shut.state
    words = {name: channel.manifest["words"] for name in (refused.channel, *refused.others) if (channel := house.shelf.get(name))}
    if refused.others:
        other = words[refused.others[0]]
        step = {"zh": f"请{'' if payer else '顾客'}换{other['zh']}付", "en": f"{'Pay' if payer else 'Ask to pay'} with {other['en']}"}
    else:
        step = {"zh": "付现金,或稍后再付", "en": "Pay cash, or try later"} if payer else {"zh": "先收现金,或稍后再收", "en": "Take cash, or charge later"}
    maintenance = state.word == MAINTENANCE
    zh, en = ("正在维护", "is under maintenance") if maintenance else ("现在收不了款", "takes no payments at the moment")
    name = words[refused.channel]
    return Problem(
        "channel_shut", f"{name['zh']}{zh}" if language == "zh" else f"{name['en']} {en}",
        cause="platform.maintenance" if maintenance else "platform.outage", channel=refused.channel, until=rfc3339(state.until_ms), again_at=rfc3339(refused.shut.again_ms),
        incident=state.incident or None, alternatives=list(refused.others), next_step=step,
    )  # fmt: skip


class Payments:
    """The doors of payments over the flow."""

    def __init__(self, house: House, guard: Guard) -> None:
        self._house, self._guard = house, guard
        self._tills: dict[str, tuple[int, str]] = {}
        self._codes = house.codes or CodeWatch(house.rand.bytes(32))

    def doors(self) -> list[Door]:
        write, read = "payments:write", "payments:read"
        return [
            Door("POST", "/v1/payments", self.create, "收一笔钱", "take a payment", write, NewPayment, True, True, (200, 201, 202)),
            Door("GET", "/v1/payments", self.list, "支付列表", "list payments", read,
                 query=("cursor", "limit", "status", "till", "merchant_order_no", "created[gte]", "created[lt]")),
            Door("POST", "/v1/payments/lookup", self.lookup, "按单号尾号或金额时间查找", "find by the tail of a number, or amount and time", read, Lookup),
            Door("GET", "/v1/payments/{id}", self.get, "一笔支付", "one payment", read),
            Door("GET", "/v1/payments/{id}/evidence", self.evidence, "证据", "its evidence", read),
            Door("GET", "/v1/payments/{id}/trace", self.trace, "时间线", "its time line", read),
            Door("GET", "/v1/payments/{id}/stream", self.stream, "实时变化(SSE)", "changes as they happen (SSE)", read),
            Door("POST", "/v1/payments/{id}/resolve", self.resolve, "现在再查", "ask the channel now", write, Wish),
            Door("POST", "/v1/payments/{id}/reverse", self.reverse, "撤销", "undo", write, Wish, True, statuses=(200, 202)),
            Door("POST", "/v1/payments/{id}/close", self.close, "关单", "close an unpaid one", write, Wish, True, statuses=(200, 202)),
            Door("POST", "/v1/payments/{id}/told", self.told, "店里已看到结果", "the shop has been told", write, Told),
            Door("POST", "/v1/payments/{id}/answer", self.answer_question, "回答:货给了没有", "answer: were the goods handed over", write, GoodsAnswer, True),
        ]  # fmt: skip

    async def create(self, asked: Asked) -> Response:
        wanted: NewPayment = asked.body
        key = key_of(asked)
        merchant = await self._guard.merchant(asked.merchant)
        method, code, channel = self._method(wanted)
        order = Order(
            merchant, await self._store_of(merchant.id, wanted.till), wanted.till, wanted.merchant_order_no, wanted.amount,
            wanted.currency, method, code, wanted.subject, wanted.metadata, asked.caller.key.livemode, key, channel,
        )  # fmt: skip
        await self._watch_code(order)
        try:
            payment = await take(self._house, order, round(wanted.wait_s * 1000))
        except KeyUsed as used:
            no_repeat(used, key)
            return await self._tell_of(await self._mine(asked, used.made), {"Idempotent-Replayed": "true"})
        except SaleTaken as taken:
            raise await self._sale_taken(asked, taken) from None
        except ChannelShut as shut:
            raise channel_shut(self._house, asked.language, shut) from None
        if payment.refusal is not None and payment.refusal.get("hint") == "payer.code_expired":
            now = self._house.clock.now_ms()
            if self._codes.was_wrong(payment.till, now, payment.merchant):
                await self._house.store.alarm("payment.codes_tried", payment.till, now, {"merchant": payment.merchant})
        return await self._tell_of(payment, fresh=True)

    def _method(self, wanted: NewPayment) -> tuple[Method, str | None, str | None]:
        """The method, the payer's code (of a plate: who pays), and the channel where the caller names it. Raises Problem."""
        match wanted.method:
            case PayByCode(code=code):
                return Method.PAY_BY_CODE, code, None
            case PayByPlate(wallet=wallet, payer=payer):
                channel = self._house.shelf.get(wallet)
                if channel is None or not channel.manifest.get("plates"):
                    wrong = "a wallet whose channel has code plates"
                    raise Problem("bad_field", wrong, errors=[{"pointer": "/method/wallet", "detail": wrong}])
                return Method.PLATE, payer, channel.name
            case shown:
                return Method.PAY_BY_QR, None, shown.channel

    async def _sale_taken(self, asked: Asked, taken: SaleTaken) -> Problem:
        """Why not, what the cashier does, and by when we know more; null where waiting would change nothing."""
        holder = await self._house.store.payment(taken.payment)
        if holder is None or holder.merchant != asked.merchant:
            return Problem("sale_taken", payment=taken.payment, cause=_TWICE)
        told = await self.picture(holder, deep=False)
        until = told["resolve_by"] if holder.state in OPEN else None
        detail = told["verdict_words"][asked.language]
        if until and told["by_when"]:
            detail = f"{detail}{'。' if asked.language == 'zh' else '. '}{told['by_when'][asked.language]}"
        return Problem("sale_taken", detail, payment=holder.id, cause=_TWICE, verdict=told["verdict"], safe_to_retry_by=until,
                       next_step=told["next_step"]["cashier"])  # fmt: skip

    async def _watch_code(self, order: Order) -> None:
        """Codes that are tried out are noticed and slowed down (A21), screenshots named. Raises TooManyWrongCodes, WrongCode."""
        if order.code is None or order.method is not Method.PAY_BY_CODE:
            return
        now = self._house.clock.now_ms()
        self._codes.may_try(order.till, now)
        if self._house.shelf.for_code(order.code) and self._codes.is_old(order.code, f"{order.merchant.id} {order.merchant_order_no}", now):
            raise WrongCode(Mistake.OLD_CODE)
        other = self._codes.elsewhere(order.code, order.merchant.id, now, order.till)
        if other:
            detail = {"merchants": [other, order.merchant.id], "order": order.merchant_order_no}
            await self._house.store.alarm("payment.code_at_two_shops", order.till, now, detail)

    async def _store_of(self, merchant: str, till: str) -> str:
        """The till's store; a till of somebody else does not exist."""
        now = self._house.clock.now_ms()
        kept = self._tills.get(f"{merchant} {till}")
        if kept is not None and kept[0] > now:
            return kept[1]
        found = await self._house.directory.till(merchant, till)
        if found is None:
            raise Problem("bad_field", "no such till", errors=[{"pointer": "/till", "detail": "no such till"}])
        if len(self._tills) > 10_000:
            self._tills.clear()
        self._tills[f"{merchant} {till}"] = (now + _TILL_LIVES_MS, found.store)
        return found.store

    async def _mine(self, asked: Asked, payment_id: str) -> Payment:
        """A payment of this merchant and this mode; any other does not exist for the caller."""
        well_formed = payment_id.startswith("pay_") and len(payment_id) == 4 + ULID_LENGTH
        payment = await self._house.store.payment(payment_id) if well_formed else None
        if payment is None or payment.merchant != asked.merchant or payment.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        return payment

    async def picture(self, payment: Payment, whole: bool = False, deep: bool = True) -> dict[str, Any]:
        """The payment as told. Evidence is read where it is shown, or where a cause has to name it; ``deep``: what is
        known around it too (not where many are listed)."""
        merchant = await self._guard.merchant(payment.merchant)
        return await tell.described(self._house, payment, merchant, whole=whole, deep=deep)

    async def _with_speakers(self, told: dict[str, Any]) -> dict[str, Any]:
        """What the shop's speakers were told of it: read where one payment is looked at, not where many are listed."""
        rows = await self._house.fleet.announcements_of(told["id"]) if self._house.fleet is not None else ()
        told["announcements"] = [announcement_picture(row) for row in rows]
        return told

    async def _tell_of(
        self, payment: Payment, headers: dict[str, str] | None = None, *, fresh: bool = False
    ) -> Response:
        """201 or 200 when decided, 202 with the place to look when not."""
        waiting = payment.state in OPEN
        headers = {**(headers or {}), "Location": f"/v1/payments/{payment.id}"}
        return answer(await self.picture(payment), 202 if waiting else 201 if fresh else 200, headers)

    async def list(self, asked: Asked) -> Response:
        state = asked.query("status")
        if state and state not in State._value2member_map_:
            raise Problem("bad_query", "status is one of " + ", ".join(State))
        cursor = asked.query("cursor")
        if cursor and not (cursor.startswith("pay_") and len(cursor) == 30):
            raise Problem("bad_cursor")
        try:
            since, until = (ms_of_rfc3339(asked.query(f"created[{end}]")) if asked.query(f"created[{end}]") else 0
                            for end in ("gte", "lt"))  # fmt: skip
        except ValueError as wrong:
            raise Problem("bad_query", f"created: {wrong}") from None
        page = await self._house.reading.payments(
            asked.merchant, cursor=cursor, limit=asked.limit(), state=state, till=asked.query("till"),
            created_from_ms=since, created_to_ms=until, order_no=asked.query("merchant_order_no"),
        )  # fmt: skip
        rows = [row for row in page.rows if row.livemode == asked.caller.key.livemode]
        return answer({"data": [await self.picture(row, deep=False) for row in rows], "has_more": page.has_more,
                       "next_cursor": page.next_cursor or None})  # fmt: skip

    async def lookup(self, asked: Asked) -> Response:
        wanted: Lookup = asked.body
        if not wanted.no_tail and not (wanted.amount and wanted.time):
            raise Problem("bad_field", "give no_tail, or amount and time")
        try:
            at = ms_of_rfc3339(wanted.time) if wanted.time else 0
        except ValueError as wrong:
            raise Problem("bad_field", f"time: {wrong}", errors=[{"pointer": "/time", "detail": str(wrong)}]) from None
        near, tail = wanted.within_s * 1000, wanted.no_tail or ""
        found = await self._house.reading.lookup(
            asked.merchant, no_tail=number_of_page(tail) or tail, amount_fen=wanted.amount or 0, from_ms=at - near if at else 0,
            to_ms=at + near, till=wanted.till or "",
        )  # fmt: skip
        mine = [row for row in found if row.livemode == asked.caller.key.livemode]
        # A number that is in no order of this shop is of another shop's; an amount and a time may only be remembered wrongly.
        nothing = "payer.paid_elsewhere" if wanted.no_tail else "payer.claim_not_found"
        return answer({"data": [await self.picture(row) for row in mine], "asked": ["daozhang"], "has_more": False,
                       "cause": None if mine else nothing})  # fmt: skip

    async def get(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        whole = "evidence" in asked.query("expand[]") or "evidence" in asked.query("expand")
        return answer(await self._with_speakers(await self.picture(payment, whole)))

    async def evidence(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        lines = await self._house.store.evidence(payment.id)
        return answer({"data": [tell.evidence_picture(line) for line in lines], "has_more": False})

    async def trace(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        return answer(await self._with_speakers(await self.picture(payment, whole=True)))

    async def stream(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._lines(payment), 200, headers, "text/event-stream")

    async def _lines(self, payment: Payment) -> AsyncIterator[bytes]:
        """The object at once and at each change; while unproven a fresh line at least every five seconds."""
        while True:
            yield b"event: payment\ndata: " + _encode(await self.picture(payment)) + b"\n\n"
            if payment.proven:
                return
            now = self._house.clock.now_ms()
            await self._house.waiters.wait(payment.id, now + _LINE_EVERY_MS)
            await asyncio.sleep(0)
            payment = await self._house.store.payment(payment.id) or payment

    async def resolve(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        looked = await find_out.look_now(self._house, payment.id, asked.caller.name)
        if not looked.proven and asked.body.wait_s:
            looked = await find_out.wait_for_proof(self._house, payment.id, round(asked.body.wait_s * 1000))
        return answer(await self.picture(looked))

    async def close(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        key_of(asked)
        if payment.state in (State.PAID, State.PARTLY_REFUNDED):
            raise Problem("paid_already", payment=payment.id)
        return await self._give_up(asked, payment)

    async def reverse(self, asked: Asked) -> Response:
        """Undo: unproven ones through the channel, paid ones by giving all of it back."""
        payment = await self._mine(asked, asked.path("id"))
        key = key_of(asked)
        if payment.state not in (State.PAID, State.PARTLY_REFUNDED):
            return await self._give_up(asked, payment)
        try:
            await refunds.begin(
                self._house, payment, None, RefundKind.UNDO, "undo", key, round(asked.body.wait_s * 1000)
            )
        except KeyUsed as used:
            no_repeat(used, key)
        fresh = await self._mine(asked, payment.id)
        return await self._tell_of(fresh)

    async def _give_up(self, asked: Asked, payment: Payment) -> Response:
        wait_ms = round(asked.body.wait_s * 1000)
        return await self._tell_of(await find_out.give_up(self._house, payment.id, asked.caller.name, wait_ms))

    async def told(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        return answer(await self.picture(await tell.told(self._house, payment.id, asked.body.by)))

    async def answer_question(self, asked: Asked) -> Response:
        payment = await self._mine(asked, asked.path("id"))
        key_of(asked)
        done = await late.answer(self._house, payment.id, asked.body.goods_handed_over, asked.caller.name)
        return answer(await self.picture(done))
