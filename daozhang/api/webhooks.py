"""Webhook endpoints: where a merchant's programs want to be told, what was delivered, and sending it again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import EndpointChange, NewEndpoint, Range
from daozhang.api.webhook_words import error_words, place_words, warning_words
from daozhang.core import standard_webhook
from daozhang.core.addresses import Forbidden, parse, why_forbidden
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.core.webhook import OLD_SECRET_LIVES_MS, Endpoint, Endpoints, wanted_type
from daozhang.flow.house import House
from daozhang.flow.standing import endpoint_cause, with_cause
from daozhang.flow.webhook_message import new_signing, public_of

_MOST = 20
_LOOK_UP_S = 5
_TRIES = 5
Resolve = Callable[[str, int], Awaitable[list[tuple[int, str]]]]


class Webhooks:
    """``resolve`` looks a host up, so that an address that we would never call is refused when it is given."""

    def __init__(self, house: House, store: Endpoints, loopback_allowed: bool, resolve: Resolve) -> None:
        self._house, self._store, self._loopback, self._resolve = house, store, loopback_allowed, resolve

    def doors(self) -> list[Door]:
        read, write, base = "events:read", "directory:write", "/v1/webhook_endpoints"
        return [
            Door("POST", base, self.new, "新的回调地址(密钥只显示一次)", "new webhook endpoint (its secret is shown once)", write, NewEndpoint, statuses=(201,)),
            Door("GET", base, self.list, "回调地址列表", "list webhook endpoints", read),
            Door("GET", base + "/{id}", self.one, "一个回调地址", "one webhook endpoint", read),
            Door("PATCH", base + "/{id}", self.change, "修改或重新启用", "change it, or enable it again", write, EndpointChange),
            Door("DELETE", base + "/{id}", self.remove, "删除回调地址", "delete a webhook endpoint", write),
            Door("POST", base + "/{id}/rotate_secret", self.rotate, "换密钥(旧的24小时内仍签名)", "new secret (the old one signs too for 24 h)", write),
            Door("GET", base + "/{id}/attempts", self.attempts, "投递记录", "its attempts to deliver", read, query=("cursor", "limit")),
            Door("POST", base + "/{id}/replay", self.replay, "按时间段重发", "send a range of events again", write, Range),
            Door("POST", base + "/{id}/test", self.test, "发一个 test.ping", "send a test.ping", write),
            Door("POST", "/v1/events/{id}/resend", self.resend, "重发一个事件(到所有要它的地址,或指定的一个)", "send one event again, to all endpoints that want it or to one", write, query=("endpoint",)),
        ]  # fmt: skip

    async def new(self, asked: Asked) -> Response:
        wanted: NewEndpoint = asked.body
        await self._check(wanted.url, asked.caller.key.livemode)
        if len(await self._store.endpoints(asked.merchant)) >= _MOST:
            raise Problem("too_many", f"at most {_MOST} webhook endpoints")
        bucket = bucket_of_merchant(asked.merchant)
        secret = standard_webhook.new_secret(self._house.rand.bytes(32))
        signing = new_signing(self._house.rand.bytes(32)) if wanted.asymmetric else ""
        made = Endpoint(
            self._house.new_id("we", bucket), bucket, asked.merchant, asked.caller.key.livemode, wanted.url,
            tuple(wanted.types), wanted.description, "enabled", self._house.clock.now_ms(), ((secret, 0),),
            signing=signing,
        )  # fmt: skip
        await self._store.add_endpoint(made)
        return answer({**_shown(made), "secret": secret}, 201)

    async def _check(self, url: str, livemode: bool) -> None:
        """Raises Problem. The same is checked at every connection: a name may lead elsewhere tomorrow."""
        try:
            target = parse(url, plain_allowed=not livemode)
            async with asyncio.timeout(_LOOK_UP_S):
                found = await self._resolve(target.host, target.port)
        except Forbidden as why:
            raise Problem("bad_url", f"{why.zh} / {why.en}", errors=[{"pointer": "/url", "detail": why.en}]) from None
        except (OSError, UnicodeError):
            found = []  # a name that is not known yet may be tomorrow; it is looked up again at each attempt
        for _, address in found:
            place = why_forbidden(address)
            if place and not (self._loopback and not livemode and place == "loopback"):
                words = place_words(place)
                raise Problem("bad_url", f"{words.zh} / {words.en}", errors=[{"pointer": "/url", "detail": words.en}])

    async def _mine(self, asked: Asked) -> Endpoint:
        found = await self._store.endpoint(asked.merchant, asked.path("id"))
        if found is None or found.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        return found

    async def list(self, asked: Asked) -> Response:
        rows = [row for row in await self._store.endpoints(asked.merchant) if row.livemode == asked.caller.key.livemode]
        return answer({"data": [_shown(row) for row in rows], "has_more": False, "next_cursor": None})

    async def one(self, asked: Asked) -> Response:
        """With what is wrong with it, by its last attempt, and what each person does now."""
        mine = await self._mine(asked)
        rows = (await self._store.attempts(mine, cursor="", limit=1)).rows if mine.failures else []
        return answer(with_cause(_shown(mine), endpoint_cause(mine, rows[0] if rows else None)))

    async def change(self, asked: Asked) -> Response:
        mine, wish = await self._mine(asked), asked.body
        if wish.url is not None:
            await self._check(wish.url, mine.livemode)
        state = mine.state if wish.enabled is None else "enabled" if wish.enabled else "disabled"
        changed = replace(
            mine, url=wish.url or mine.url, types=mine.types if wish.types is None else tuple(wish.types), state=state,
            description=mine.description if wish.description is None else wish.description,
        )  # fmt: skip
        # Another address, or a person who has mended something: earlier failures say nothing any more.
        anew = wish.enabled is not None or (wish.url is not None and wish.url != mine.url)
        if anew and state == "failing":
            changed = replace(changed, state="enabled")
        await self._store.change_endpoint(changed, anew=anew)
        return answer(_shown(await self._mine(asked)))

    async def remove(self, asked: Asked) -> Response:
        mine = await self._mine(asked)
        await self._store.remove_endpoint(mine.merchant, mine.id)
        return answer({"id": mine.id, "object": "webhook_endpoint", "deleted": True})

    async def rotate(self, asked: Asked) -> Response:
        secret = standard_webhook.new_secret(self._house.rand.bytes(32))
        for _ in range(_TRIES):
            mine, now = await self._mine(asked), self._house.clock.now_ms()
            older = [(old, until or now + OLD_SECRET_LIVES_MS) for old, until in mine.secrets if not until or until > now]
            if await self._store.change_secrets(replace(mine, secrets=((secret, 0), *older[:2]))):
                return answer({**_shown(mine), "secret": secret, "old_secret_until": rfc3339(now + OLD_SECRET_LIVES_MS)})
        raise Problem("unavailable", "others keep changing its secrets")

    async def attempts(self, asked: Asked) -> Response:
        page = await self._store.attempts(await self._mine(asked), cursor=asked.query("cursor"), limit=asked.limit())
        return answer({"data": [_attempt(row) for row in page.rows], "has_more": page.has_more, "next_cursor": page.next_cursor or None})

    async def replay(self, asked: Asked) -> Response:
        mine, wish = await self._mine(asked), asked.body
        try:
            since, until = ms_of_rfc3339(wish.since), ms_of_rfc3339(wish.until) if wish.until else self._house.clock.now_ms() + 1
        except ValueError as wrong:
            raise Problem("bad_field", f"from, to: {wrong}", errors=[{"pointer": "/from", "detail": str(wrong)}]) from None
        now = self._house.clock.now_ms()
        count, more_from = await self._store.send_again(mine, since, until, tuple(wish.types), now)
        return answer({"endpoint": mine.id, "queued": count, "more_from": rfc3339(more_from)})

    async def test(self, asked: Asked) -> Response:
        mine = await self._mine(asked)
        if mine.state == "disabled":
            raise Problem("endpoint_disabled")
        return answer({"endpoint": mine.id, "event": await self._store.ping(mine, self._house.clock.now_ms())})

    async def resend(self, asked: Asked) -> Response:
        """To the endpoint that is named, or to all that asked for such events."""
        event = await self._house.reading.event(asked.merchant, asked.path("id"))
        if event is None:
            raise Problem("not_found")
        named = asked.query("endpoint")
        rows = [row for row in await self._store.endpoints(asked.merchant) if row.livemode == asked.caller.key.livemode]
        chosen = [row for row in rows if row.id == named] if named else [row for row in rows if wanted_type(event.type, row.types)]
        if named and not chosen:
            raise Problem("not_found", "endpoint")
        now = self._house.clock.now_ms()
        queued = [row.id for row in chosen if row.state != "disabled" and await self._store.send_one(row, event.id, now)]
        return answer({"event": event.id, "endpoints": queued})


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    warning = warning_words(endpoint.state, endpoint.failures)
    return {"id": endpoint.id, "object": "webhook_endpoint", "livemode": endpoint.livemode, "merchant": endpoint.merchant,
            "url": endpoint.url, "types": list(endpoint.types), "description": endpoint.description, "state": endpoint.state,
            "warning": {"zh": warning.zh, "en": warning.en} if warning else None, "failures": endpoint.failures,
            "failing_since": rfc3339(endpoint.failing_since_ms), "next_try": rfc3339(endpoint.blocked_until_ms),
            "public_key": public_of(endpoint.signing) or None, "created_at": rfc3339(endpoint.created_ms)}  # fmt: skip


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    taken = 200 <= row["status"] < 300
    words = error_words(row["status"], row["error"])
    return {"event": f"evt_{row['seq']}", "type": row["type"], "attempt": row["n"], "at": rfc3339(row["at_ms"]),
            "status": row["status"] or None, "took_ms": row["took_ms"], "taken": taken,
            "error": None if taken else {"zh": words.zh, "en": words.en}, "next_attempt": rfc3339(row["next_ms"])}  # fmt: skip
