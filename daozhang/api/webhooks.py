"""Webhook endpoints: where a merchant's programs want to be told, what was delivered, and sending it again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import EndpointChange, NewEndpoint, Range
from daozhang.core import standard_webhook
from daozhang.core.addresses import Forbidden, parse, why_forbidden
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.core.webhook import OLD_SECRET_LIVES_MS, Endpoint, Endpoints
from daozhang.flow.house import House

_MOST = 20
Resolve = Callable[[str, int], Awaitable[list[tuple[int, str]]]]


class Webhooks:
    """``resolve`` looks a host up, so that an address that we would never call is refused when it is given."""

    def __init__(self, house: House, store: Endpoints, private_allowed: bool, resolve: Resolve) -> None:
        self._house, self._store, self._private, self._resolve = house, store, private_allowed, resolve

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
            Door("POST", "/v1/events/{id}/resend", self.resend, "重发一个事件到所有地址", "send one event again to all endpoints", write),
        ]  # fmt: skip

    async def new(self, asked: Asked) -> Response:
        wanted: NewEndpoint = asked.body
        await self._check(wanted.url, asked.caller.key.livemode)
        if len(await self._store.endpoints(asked.merchant)) >= _MOST:
            raise Problem("too_many", f"at most {_MOST} webhook endpoints")
        bucket = bucket_of_merchant(asked.merchant)
        secret = standard_webhook.new_secret(self._house.rand.bytes(32))
        made = Endpoint(
            self._house.new_id("we", bucket), bucket, asked.merchant, asked.caller.key.livemode, wanted.url,
            tuple(wanted.types), wanted.description, "enabled", self._house.clock.now_ms(), ((secret, 0),),
        )  # fmt: skip
        await self._store.add_endpoint(made)
        return answer({**_shown(made), "secret": secret}, 201)

    async def _check(self, url: str, livemode: bool) -> None:
        """Raises Problem. The same is checked at every connection: a name may lead elsewhere tomorrow."""
        try:
            target = parse(url, plain_allowed=not livemode)
            found = await self._resolve(target.host, target.port)
        except Forbidden as why:
            raise Problem("bad_url", f"{why.zh} / {why.en}", errors=[{"pointer": "/url", "detail": why.en}]) from None
        except (OSError, UnicodeError):
            found = []  # a name that is not known yet may be tomorrow; it is looked up again at each attempt
        for _, address in found:
            place = why_forbidden(address)
            if place and not (self._private and not livemode and place in ("loopback", "private")):
                raise Problem("bad_url", f"指向内部网络({place}) / it leads to {place}", errors=[{"pointer": "/url", "detail": place}])

    async def _mine(self, asked: Asked) -> Endpoint:
        found = await self._store.endpoint(asked.merchant, asked.path("id"))
        if found is None or found.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        return found

    async def list(self, asked: Asked) -> Response:
        rows = [row for row in await self._store.endpoints(asked.merchant) if row.livemode == asked.caller.key.livemode]
        return answer({"data": [_shown(row) for row in rows], "has_more": False, "next_cursor": None})

    async def one(self, asked: Asked) -> Response:
        return answer(_shown(await self._mine(asked)))

    async def change(self, asked: Asked) -> Response:
        mine, wish = await self._mine(asked), asked.body
        if wish.url is not None:
            await self._check(wish.url, mine.livemode)
        state = mine.state if wish.enabled is None else "enabled" if wish.enabled else "disabled"
        changed = replace(
            mine, url=wish.url or mine.url, types=mine.types if wish.types is None else tuple(wish.types), state=state,
            description=mine.description if wish.description is None else wish.description,
        )  # fmt: skip
        await self._store.change_endpoint(changed)
        return answer(_shown(changed))

    async def remove(self, asked: Asked) -> Response:
        mine = await self._mine(asked)
        await self._store.remove_endpoint(mine.merchant, mine.id)
        return answer({"id": mine.id, "object": "webhook_endpoint", "deleted": True})

    async def rotate(self, asked: Asked) -> Response:
        mine, now = await self._mine(asked), self._house.clock.now_ms()
        secret = standard_webhook.new_secret(self._house.rand.bytes(32))
        older = [(old, until or now + OLD_SECRET_LIVES_MS) for old, until in mine.secrets if not until or until > now]
        await self._store.change_endpoint(replace(mine, secrets=((secret, 0), *older[:2])))
        return answer({**_shown(mine), "secret": secret, "old_secret_until": rfc3339(now + OLD_SECRET_LIVES_MS)})

    async def attempts(self, asked: Asked) -> Response:
        page = await self._store.attempts(await self._mine(asked), cursor=asked.query("cursor"), limit=asked.limit())
        return answer({"data": [_attempt(row) for row in page.rows], "has_more": page.has_more, "next_cursor": page.next_cursor or None})

    async def replay(self, asked: Asked) -> Response:
        mine, wish = await self._mine(asked), asked.body
        try:
            since, until = ms_of_rfc3339(wish.since), ms_of_rfc3339(wish.until) if wish.until else self._house.clock.now_ms() + 1
        except ValueError as wrong:
            raise Problem("bad_field", f"from, to: {wrong}", errors=[{"pointer": "/from", "detail": str(wrong)}]) from None
        count = await self._store.send_again(mine, since, until, ",".join(wish.types), self._house.clock.now_ms())
        return answer({"endpoint": mine.id, "queued": count})

    async def test(self, asked: Asked) -> Response:
        mine = await self._mine(asked)
        return answer({"endpoint": mine.id, "event": await self._store.ping(mine, self._house.clock.now_ms())})

    async def resend(self, asked: Asked) -> Response:
        if await self._house.reading.event(asked.merchant, asked.path("id")) is None:
            raise Problem("not_found")
        now, queued = self._house.clock.now_ms(), []
        for endpoint in await self._store.endpoints(asked.merchant):
            if endpoint.state != "disabled" and await self._store.send_one(endpoint, asked.path("id"), now):
                queued.append(endpoint.id)
        return answer({"event": asked.path("id"), "endpoints": queued})


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {"id": endpoint.id, "object": "webhook_endpoint", "livemode": endpoint.livemode, "merchant": endpoint.merchant,
            "url": endpoint.url, "types": list(endpoint.types), "description": endpoint.description, "state": endpoint.state,
            "failures": endpoint.failures, "failing_since": rfc3339(endpoint.failing_since_ms),
            "next_try": rfc3339(endpoint.blocked_until_ms), "created_at": rfc3339(endpoint.created_ms)}  # fmt: skip


# What an attempt that brought no answer means, for people.
_WORDS = {
    "timeout": ("15秒内没有应答", "no answer within 15 s"),
    "DNS_FAILURE": ("域名解析失败", "the name could not be looked up"),
    "ConnectionRefusedError": ("连接被拒绝", "the connection was refused"),
    "CONNECTION_RESET_AFTER_SEND": ("连接被断开", "the connection was cut"),
    "HTTP_BODY_TRUNCATED": ("应答被截断", "the answer was cut off"),
    "HTTP_BODY_UNREADABLE": ("应答不是 HTTP", "the answer is not HTTP"),
}


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    zh, en = _WORDS.get(row["error"], (row["error"], row["error"]))
    return {"event": f"evt_{row['seq']}", "attempt": row["n"], "at": rfc3339(row["at_ms"]), "status": row["status"] or None,
            "took_ms": row["took_ms"], "taken": 200 <= row["status"] < 300, "error": {"zh": zh, "en": en} if row["error"] else None,
            "next_attempt": rfc3339(row["next_ms"])}  # fmt: skip
