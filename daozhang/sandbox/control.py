"""The sandbox's control door: codes, phones, faults, books and the clock, for the platform and the command line."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Refused, Twin
from daozhang.core.texts import rfc3339
from daozhang.ports.clock import SandboxClock
from daozhang.sandbox import page
from daozhang.sandbox.phone import BY_HAND, Phones

Handler = Callable[[Request], Awaitable[Response]]
_STEPS_MOST = 20_000
_RECENT = 50
_MOST_CODES = 500


def answer(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def problem(status: int, code: str, zh: str, en: str) -> Response:
    body = {"type": f"urn:daozhang:sandbox:{code}", "title": en, "status": status, "code": code, "detail": en,
            "next_step": {"zh": zh, "en": en}}  # fmt: skip
    return Response(msgspec.json.encode(body), status, media_type="application/problem+json")


class Control:
    """``due`` is told when time was moved, so that what is due leaves at once."""

    def __init__(self, twins: dict[str, Twin], base_urls: dict[str, str], clock: SandboxClock, token: str,
                 due: Callable[[], Awaitable[None]], phones: Phones) -> None:  # fmt: skip
        self._twins, self._base_urls, self._clock, self._token, self._due = twins, base_urls, clock, token, due
        self._phones = phones
        self._shelf = Shelf.look()

    def app(self) -> Starlette:
        def guarded(method: str, path: str, handler: Handler) -> Route:
            async def run(request: Request) -> Response:
                given = request.headers.get("authorization", "").removeprefix("Bearer ")
                if not hmac.compare_digest(given.encode(), self._token.encode()):
                    return problem(401, "no_token", "缺少沙箱口令:从 DATA/sandbox/control.token 读取",
                                   "the control token is missing: read it from DATA/sandbox/control.token")  # fmt: skip
                try:
                    return await handler(request)
                except Refused as refused:
                    return problem(422, refused.code, refused.zh, refused.en)
                except (msgspec.DecodeError, ValueError, TypeError, KeyError):
                    return problem(
                        400, "bad_body", "请求内容不对:需要一个 JSON 对象", "the body is wrong: a JSON object is needed"
                    )

            return Route(path, run, methods=[method])

        return Starlette(routes=[
            guarded("GET", "/ready", self._ready), guarded("GET", "/credentials", self._credentials),
            guarded("GET", "/accounts", self._accounts), guarded("POST", "/code", self._code), guarded("GET", "/behaviours", self._behaviours),
            guarded("POST", "/scan", self._scan), guarded("GET", "/books", self._books),
            guarded("POST", "/chaos", self._chaos), guarded("GET", "/chaos", self._modes),
            guarded("DELETE", "/chaos", self._chaos_off), guarded("GET", "/clock", self._now),
            guarded("POST", "/clock/set", self._set), guarded("GET", "/clock/due", self._next),
            guarded("POST", "/clock/advance", self._advance), guarded("POST", "/control", self._control),
            guarded("GET", "/recent", self._recent), guarded("GET", "/phone", self._phone),
            guarded("POST", "/phone/code", self._phone_code), guarded("POST", "/phone/scan", self._phone_scan),
            guarded("POST", "/phone/press", self._phone_press), *page.routes(),
        ])  # fmt: skip

    def _twin(self, name: Any) -> Twin:
        channel = self._shelf.get(str(name))
        found = self._twins.get(channel.name) if channel is not None else None
        if found is None:
            raise Refused("unknown_channel", f"沙箱里没有 {name} 这个渠道", f"the sandbox has no channel called {name}")
        return found

    async def _ready(self, request: Request) -> Response:
        return answer({"ready": True})

    async def _credentials(self, request: Request) -> Response:
        return answer({name: twin.credentials(self._base_urls[name]) for name, twin in self._twins.items()})

    async def _accounts(self, request: Request) -> Response:
        """Settings and secrets of a merchant's account at each twin, as the platform stores them."""
        told = {name: twin.account(self._base_urls[name]) for name, twin in self._twins.items()}
        return answer({name: {"settings": settings, "secrets": secrets} for name, (settings, secrets) in told.items()})

    async def _code(self, request: Request) -> Response:
        """One code, or with ``count`` so many of as many payers: load tests draw thousands, and a code lives a minute."""
        body = msgspec.json.decode(await request.body() or b"{}")
        twin, habit, count = self._twin(body.get("wallet", "alipay")), str(body.get("behaviour") or "pays"), body.get("count")
        if count is not None:
            if type(count) is not int or not 1 <= count <= _MOST_CODES:
                raise Refused("bad_count", f"count 要在 1 到 {_MOST_CODES} 之间", f"count has to be between 1 and {_MOST_CODES}")
            many = [twin.code(habit, self._clock.now_ms()) for _ in range(count)]
            return answer({"codes": [one["code"] for one in many], "expires_at": rfc3339(many[0]["expires_at_ms"])})
        made = twin.code(habit, self._clock.now_ms())
        expires = made.pop("expires_at_ms")
        return answer({**made, "expires_at": rfc3339(expires)})

    async def _behaviours(self, request: Request) -> Response:
        return answer({name: twin.behaviours() for name, twin in self._twins.items()})

    async def _scan(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        told = self._twin(body.get("wallet", "alipay")).scan(str(body["qr"]), str(body.get("behaviour") or "pays"),
                                                             self._clock.now_ms())  # fmt: skip
        await self._due()
        return answer(told)

    async def _books(self, request: Request) -> Response:
        return answer(self._twin(request.query_params.get("channel", "alipay")).books())

    async def _chaos(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        twin = self._twin(body.get("channel", "alipay"))
        twin.chaos(str(body["mode"]), self._clock.now_ms(), float(body.get("share") or 1.0),
                   round(float(body.get("for_s") or 0) * 1000), str(body.get("op") or ""), str(body.get("order") or ""))  # fmt: skip
        return answer({"on": twin.chaos_on()})

    async def _modes(self, request: Request) -> Response:
        twin = self._twin(request.query_params.get("channel", "alipay"))
        return answer({"modes": twin.modes(), "on": twin.chaos_on()})

    async def _chaos_off(self, request: Request) -> Response:
        """Everywhere, or at one channel."""
        one = request.query_params.get("channel")
        for twin in [self._twin(one)] if one else self._twins.values():
            twin.chaos_off()
        return answer({"on": []})

    async def _control(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        twin = self._twin(body.pop("channel", "alipay"))
        for name, value in body.items():
            twin.control(name, value)
        return answer({"set": sorted(body)})

    async def _now(self, request: Request) -> Response:
        now = self._clock.now_ms()
        return answer({"now": rfc3339(now), "now_ms": now, "offset_ms": self._clock.offset_ms})

    async def _set(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        self._clock.move_to(int(body["now_ms"]))
        await self._due()
        return await self._now(request)

    async def _next(self, request: Request) -> Response:
        return answer({"due_ms": self._first_due()})

    async def _advance(self, request: Request) -> Response:
        """Forward, stopping wherever a twin has something due. Where a platform runs, its own door does this for both."""
        body = msgspec.json.decode(await request.body())
        end = self._clock.now_ms() + round(float(body["seconds"]) * 1000)
        for _ in range(_STEPS_MOST):
            due = self._first_due()
            if due is None or due >= end:
                break
            self._clock.move_to(due)
            await self._due()
        self._clock.move_to(end)
        await self._due()
        return await self._now(request)

    def _first_due(self) -> int | None:
        times = [due for twin in self._twins.values() if (due := twin.next_due_ms()) is not None]
        return min(times, default=None)

    # -- the page ----------------------------------------------------------------------------------------------------------

    async def _recent(self, request: Request) -> Response:
        """The newest of one channel's books, for eyes: orders, requests, totals, and the faults that are on."""
        twin = self._twin(request.query_params.get("channel", "alipay"))
        books = twin.books()
        orders = books["orders"]
        totals = {"orders": len(orders), "captured_fen": sum(row["captured_fen"] for row in orders),
                  "returned_fen": sum(row["returned_fen"] for row in orders), "requests": len(books["requests"])}  # fmt: skip
        return answer({"orders": orders[:-_RECENT - 1:-1], "requests": books["requests"][:-_RECENT - 1:-1], "totals": totals,
                       "on": twin.chaos_on(), "now": rfc3339(self._clock.now_ms())})  # fmt: skip

    def _wallet(self, name: Any) -> str:
        return self._twin(name).name

    async def _phone(self, request: Request) -> Response:
        return answer({"bills": self._phones.bills(self._wallet(request.query_params.get("wallet", "alipay")))[:_RECENT]})

    async def _phone_code(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        made = self._phones.show(self._wallet(body["wallet"]), str(body.get("behaviour") or BY_HAND), self._clock.now_ms())
        left = made.pop("expires_at_ms") - self._clock.now_ms()
        return answer({**made, "lives_s": left // 1000})

    async def _phone_scan(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        told = self._phones.scan(self._wallet(body["wallet"]), str(body["qr"]).strip(), str(body.get("behaviour") or BY_HAND),
                                 self._clock.now_ms())  # fmt: skip
        await self._due()
        return answer(told)

    async def _phone_press(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        self._phones.press(self._wallet(body["wallet"]), str(body["order"]), str(body["act"]), self._clock.now_ms())
        await self._due()
        return answer({"pressed": body["act"]})
