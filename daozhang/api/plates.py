"""A static code plate: what the shop prints, and the page of whoever scans it. The address is all that a payer has.

The token names merchant and till and is signed: nothing is kept for it, and nobody can make one up. Who pays is known only
where the wallet's own login has sent the payer here (``payer`` in the address); else the wallet opens or scans an order of ours.
"""

import base64
import hashlib
import hmac
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from starlette.responses import Response
from starlette.routing import Route

from daozhang.api.auth import Guard
from daozhang.api.limits import Limits
from daozhang.api.pages import page_routes
from daozhang.api.payments import channel_shut, key_of, no_repeat
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import PlateOrder
from daozhang.core.directory import Merchant, Till
from daozhang.core.faults import KeyUsed, SaleTaken
from daozhang.core.ids import ULID_LENGTH, is_ulid
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import Key
from daozhang.flow import tell
from daozhang.flow.doorkeeper import ChannelShut
from daozhang.flow.house import House, NoAccount
from daozhang.flow.take import Order, take

_LOOKS_PER_S, _ORDERS_PER_S = 20, 5  # of one plate: several payers wait at once, and few order in the same second
_MAC = 20
_SUBJECT = "码牌收款"  # a payer without a key writes no words into the shop's books
_TOKEN = re.compile(r"[0-9A-Z]{52}[0-9a-f]{20}", re.ASCII)
_FOLDER = Path(__file__).parent / "plate"


def routes() -> list[Route]:
    """The payer's page and its files; what it shows it asks for by its address."""
    files = {f"/plate/files/{name}": name for name in ("page.css", "page.js", "words.js")}
    return page_routes(_FOLDER, {**files, "/plate/{token}": "index.html"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plate stands."""

    merchant: Merchant
    till: Till
    shop: str


class PlateDoors:
    """``secret`` signs the tokens."""

    def __init__(self, house: House, guard: Guard, secret: bytes) -> None:
        self._house, self._guard, self._secret = house, guard, secret
        self._looks, self._orders = Limits(house.clock, _LOOKS_PER_S), Limits(house.clock, _ORDERS_PER_S)

    def doors(self) -> list[Door]:
        one = "/v1/plates/{token}"
        return [
            Door("GET", one, self.get, "码牌:付给谁", "a code plate: whom it pays", None),
            Door("POST", f"{one}/payments", self.create, "码牌:付款人下单", "a code plate: the payer's order", None, PlateOrder, True, True, (200, 201, 202)),
            Door("GET", f"{one}/payments/{{id}}", self.payment, "码牌:这笔付得怎样", "a code plate: how the payment goes", None),
        ]  # fmt: skip

    # -- the shop ----------------------------------------------------------------------------------------------------------

    def sign(self, asked: Asked, till: str) -> dict[str, str]:
        """What a till's plate shows: the address of its page, and the same as a QR."""
        token = self.token(asked.merchant, till)
        base = self._house.notify_base or str(asked.request.base_url).rstrip("/")
        url = f"{base}/plate/{token}"
        return {"token": token, "url": url, "picture": picture(url)}

    def token(self, merchant: str, till: str) -> str:
        named = merchant.partition("_")[2] + till.partition("_")[2]
        return named + hmac.digest(self._secret, named.encode(), hashlib.sha256).hex()[:_MAC]

    async def _place(self, asked: Asked) -> Place:
        """Raises Problem for a token that we never gave, a till that is no more, and a plate that is asked too often."""
        token = asked.path("token")
        merchant, till = f"mer_{token[:ULID_LENGTH]}", f"till_{token[ULID_LENGTH : 2 * ULID_LENGTH]}"
        ours = _TOKEN.fullmatch(token) and is_ulid(merchant[4:]) and is_ulid(till[5:])
        if not ours or not hmac.compare_digest(self.token(merchant, till), token):
            raise Problem("not_found")
        self._looks.take(token)
        found = await self._house.directory.till(merchant, till)
        if found is None:
            raise Problem("not_found")
        shop = await self._house.directory.shop(merchant, found.store)
        owner = await self._guard.merchant(merchant)
        return Place(owner, found, shop.name if shop else owner.name)

    # -- the payer ---------------------------------------------------------------------------------------------------------

    async def get(self, asked: Asked) -> Response:
        place = await self._place(asked)
        wallets = await self._wallets(place.merchant)
        agent = asked.request.headers.get("user-agent", "")
        opened = next((one["name"] for one in wallets if any(word in agent for word in one["agents"])), None)
        told = [{"name": one["name"], "words": one["words"]} for one in wallets]
        return answer({"object": "plate", "shop": place.shop, "till": place.till.name, "livemode": place.merchant.livemode,
                       "wallets": told, "wallet": opened}, 200, {"Cache-Control": "no-store"})  # fmt: skip

    async def _wallets(self, merchant: Merchant) -> list[dict[str, Any]]:
        """The channels that the shop has accounts at, and how their wallets name themselves (``User-Agent``)."""
        found = []
        for channel in self._house.shelf:
            try:
                await self._house.account_for(merchant.id, channel.name, merchant.livemode)
            except NoAccount:
                continue
            manifest = channel.manifest
            found.append({"name": channel.name, "words": manifest["words"], "agents": manifest.get("wallet_agents", ())})
        return found

    async def create(self, asked: Asked) -> Response:
        place, wanted = await self._place(asked), asked.body
        self._orders.take(place.till.id)
        key = key_of(asked)
        key = Key(f"plate:{hashlib.sha256(f'{place.till.id} {key.key}'.encode()).hexdigest()}", key.fingerprint)
        channel = self._house.shelf.get(wanted.wallet)
        if channel is None:
            wrong = "a wallet that the shop takes"
            raise Problem("bad_field", wrong, errors=[{"pointer": "/wallet", "detail": wrong}])
        known = bool(wanted.payer) and bool(channel.manifest.get("plates"))
        order = Order(
            place.merchant, place.till.store, place.till.id, f"PL-{key.key[6:38]}", wanted.amount, "CNY",
            Method.PLATE if known else Method.PAY_BY_QR, wanted.payer if known else None, _SUBJECT, {"plate": place.till.id},
            place.merchant.livemode, key, channel.name,
        )  # fmt: skip
        try:
            payment = await take(self._house, order, round(wanted.wait_s * 1000))
        except (KeyUsed, SaleTaken) as used:
            if isinstance(used, KeyUsed):
                no_repeat(used, key)
            found = await self._house.store.payment(used.made if isinstance(used, KeyUsed) else used.payment)
            if found is None:
                raise Problem("unavailable") from None
            return await self._tell_of(place, found, 200)
        except ChannelShut as shut:
            raise channel_shut(self._house, asked.language, shut, payer=True) from None
        return await self._tell_of(place, payment, 201 if payment.proven else 202)

    async def payment(self, asked: Asked) -> Response:
        """Only payments that this very plate has begun."""
        place, ident = await self._place(asked), asked.path("id")
        found = await self._house.store.payment(ident) if ident.startswith("pay_") and is_ulid(ident[4:]) else None
        if found is None or found.till != place.till.id or found.metadata.get("plate") != place.till.id:
            raise Problem("not_found")
        return await self._tell_of(place, found, 200)

    async def _tell_of(self, place: Place, payment: Payment, status: int) -> Response:
        """What concerns the payer, and nothing of the shop's."""
        told = await tell.described(self._house, payment, place.merchant)
        qr = told["method"]["qr"]
        return answer({
            "id": payment.id, "object": "plate_payment", "amount": payment.amount_fen, "wallet": payment.channel, "status": told["status"],
            "verdict": told["verdict"], "verdict_words": told["verdict_words"], "next_step": told["next_step"]["payer"],
            "qr": qr, "picture": picture(qr) if qr else None, "pay": told["method"]["pay"],
        }, status, {"Cache-Control": "no-store"})  # fmt: skip


def picture(text: str) -> str:
    """A QR as an address of its own (``data:``), so that a page needs no markup from us."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=4,
                                                  dark="#000", light="#fff")  # fmt: skip
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
