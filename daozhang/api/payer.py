"""The payer's page of one payment (``/p/TOKEN``), which a receipt's QR leads to: it goes on to tell what becomes known later.

The token names the payment and is signed with 128 bits: nothing is kept for it, and who holds a number alone opens nothing.
The page is whole without a script; with one it looks again by itself.
"""

import base64
import hashlib
import hmac
import re
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daozhang.api.limits import Limits
from daozhang.api.pages import HEADERS, page_routes
from daozhang.api.payer_words import ASK, PAGE, TROUBLE, Standing, standing
from daozhang.api.problem import KINDS, Problem
from daozhang.api.routes import as_problem, language_of
from daozhang.core.ids import ULID_LENGTH, is_ulid, out_trade_no
from daozhang.core.money import yuan_of_fen
from daozhang.core.payment import Payment
from daozhang.core.verdict import Verdict, judge
from daozhang.devices.receipt import clean, wall
from daozhang.flow import tell
from daozhang.flow.house import House

ROUTE = "GET /p/{token}"
_LOOKS_PER_S = 5  # of one payment: a payer, the shop's till, and whoever looks over a shoulder
_LIVES_MS = 90 * 86_400_000
_MAC_BYTES, _MAC_LETTERS = 16, 26
_TAIL = 6
_TOKEN = re.compile(f"[0-9A-Z]{{{ULID_LENGTH}}}[A-Z2-7]{{{_MAC_LETTERS}}}", re.ASCII)
_FOLDER = Path(__file__).parent / "payer"
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow, noarchive"}


class PayerPage:
    """``secret`` signs the tokens."""

    def __init__(self, house: House, secret: bytes) -> None:
        self._house, self._secret = house, secret
        self._looks = Limits(house.clock, _LOOKS_PER_S)

    def routes(self) -> list[Route]:
        files = page_routes(_FOLDER, {f"/p/files/{name}": name for name in ("page.css", "page.js")})
        return [*files, Route("/p/{token}", self.get, methods=["GET"])]

    def address(self, request: Request, payment: str) -> str:
        """Where the payer finds this payment, for as long as the page lives."""
        base = self._house.notify_base or str(request.base_url).rstrip("/")
        return f"{base}/p/{self.token(payment)}"

    def token(self, payment: str) -> str:
        number = payment.removeprefix("pay_")
        mac = hmac.digest(self._secret, number.encode(), hashlib.sha256)[:_MAC_BYTES]
        return number + base64.b32encode(mac).decode().rstrip("=")

    async def get(self, request: Request) -> Response:
        began = self._house.clock.monotonic_ms()
        asked = request.query_params.get("lang", "")
        lang = asked if asked in ("zh", "en") else language_of(request)
        headers = {**HEADERS, **_PRIVATE, "Content-Language": lang, "Vary": "Accept-Language"}
        try:
            status, body = 200, await self._page(await self._payment(request.path_params["token"]), lang)
        except Exception as fault:
            problem = as_problem(fault, "")
            status = KINDS[problem.code].status
            status = status if status in TROUBLE else 503
            headers |= problem.headers
            body = _trouble(status, lang)
        self._house.witness.served(ROUTE, status, self._house.clock.monotonic_ms() - began)
        return Response(body, status, headers, "text/html; charset=utf-8")

    async def _payment(self, token: str) -> Payment:
        """Raises Problem for a token that we never gave, one that is too old, and one that is asked about too often."""
        ident = f"pay_{token[:ULID_LENGTH]}"
        ours = _TOKEN.fullmatch(token) and is_ulid(ident[4:])
        if not ours or not hmac.compare_digest(self.token(ident), token):
            raise Problem("not_found")
        self._looks.take(ident)
        found = await self._house.store.payment(ident)
        if found is None or self._house.clock.now_ms() - found.created_ms > _LIVES_MS:
            raise Problem("not_found")
        return found

    async def _page(self, payment: Payment, lang: str) -> str:
        """What concerns the payer, and nothing of the shop's: no order, no goods, no till."""
        owner = await self._house.directory.merchant(payment.merchant)
        place = await self._house.directory.shop(payment.merchant, payment.store)
        shop = clean(place.name if place else owner.name if owner else "")
        told = await tell.described(self._house, payment, owner)
        judged = judge(payment)
        stands = standing(payment, judged)
        number = out_trade_no(payment.id)
        facts = [
            ("shop", shop), ("amount", f"¥{yuan_of_fen(payment.amount_fen)}"),
            ("returned", f"¥{yuan_of_fen(payment.refunded_fen)}" if payment.refunded_fen else ""),
            ("time", wall(payment.received_ms or payment.created_ms)),
            ("wallet", self._house.channel(payment.channel).manifest["words"][lang]), ("number", number),
        ]  # fmt: skip
        after = told["by_when"][lang] if told["by_when"] and judged.verdict is not Verdict.PAID else ""  # of a paid one: the shop's own
        parts = [("do", told["next_step"]["payer"][lang]), ("next", after), ("more", stands.more[lang] if stands.more else ""),
                 ("whom", ASK[lang].format(shop=shop, tail=number[-_TAIL:]))]  # fmt: skip
        return _html(lang, payment.livemode, stands, facts, parts, wall(self._house.clock.now_ms()))


def _html(lang: str, live: bool, stands: Standing, facts: list[tuple[str, str]], parts: list[tuple[str, str]], seen: str) -> str:
    """``data-live`` marks what the script puts in place anew; each is there from the start, empty or not."""
    rows = "".join(f'<div id="row-{name}" data-live{_hidden(value)}><dt>{PAGE[name][lang]}</dt><dd>{escape(value)}</dd></div>' for name, value in facts)
    texts = "".join(
        f'<section id="{name}" data-live{_hidden(text)}>{f"<h2>{PAGE[name][lang]}</h2>" if name in PAGE else ""}<p>{escape(text)}</p></section>'
        for name, text in parts
    )
    test = "" if live else f'<p class="test">{PAGE["test"][lang]}</p>'
    body = (f'<p id="state" role="status" class="state" data-live data-kind="{stands.kind}" data-ends="{int(stands.ends)}">{stands.says[lang]}</p>'
            f"<dl>{rows}</dl>{texts}"
            f'<p id="seen" class="soft" data-live>{PAGE["seen"][lang]} {seen}</p>'
            f'<p><a class="button" href="?lang={lang}">{PAGE["again"][lang]}</a></p><p class="soft">{PAGE["genuine"][lang]}</p>')  # fmt: skip
    return _frame(lang, test, body)


def _hidden(text: str) -> str:
    return "" if text else " hidden"


def _trouble(status: int, lang: str) -> str:
    says, step = TROUBLE[status]
    again = "" if status == 404 else f'<p><a class="button" href="?lang={lang}">{PAGE["again"][lang]}</a></p>'
    return _frame(lang, "", f'<p class="state" data-kind="unknown">{says[lang]}</p><p>{step[lang]}</p>{again}')


def _frame(lang: str, above: str, body: str) -> str:
    """The title names no amount and no shop: it stands in a phone's history."""
    title = PAGE["title"]
    links = _link("zh", "中文", lang) + _link("en", "English", lang)
    return (f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta name="robots" content="noindex, nofollow, noarchive">\n<title>{title[lang]}</title>\n'
            '<link rel="stylesheet" href="/p/files/page.css">\n<link rel="icon" href="data:,">\n</head>\n<body>\n'
            f'<header>{above}<nav aria-label="{PAGE["languages"][lang]}">{links}</nav></header>\n'
            f"<main>\n<h1>{title[lang]}</h1>\n{body}\n</main>\n"
            '<script type="module" src="/p/files/page.js"></script>\n</body>\n</html>\n')  # fmt: skip


def _link(one: str, name: str, lang: str) -> str:
    here = ' aria-current="true"' if one == lang else ""
    return f'<a href="?lang={one}" lang="{one}" hreflang="{one}"{here}>{name}</a>'
