"""Balances, alarms, notify doors, the sandbox, and what the system says about itself."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

import daozhang
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer, read_body
from daozhang.api.shapes import Advance, SandboxWish
from daozhang.core.evidence import Proves
from daozhang.core.faults import Conflict, Unavailable
from daozhang.core.texts import rfc3339
from daozhang.flow import codes, heard
from daozhang.flow.house import House

_NOTIFY_MOST = 64 * 1024
_STEPS_MOST = 20_000


class Others:
    """The smaller doors. ``sandbox`` is None where there is none."""

    def __init__(self, house: House, sandbox: Any, metrics: Callable[[], bytes]) -> None:
        self._house, self._sandbox, self._metrics = house, sandbox, metrics

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/v1/balances", self.balances, "账户余额(含挂账)", "balances, doubt included", "payments:read"),
            Door("GET", "/v1/alarms", self.alarms, "告警", "alarms", "operations", query=("cursor", "limit")),
            Door("GET", "/v1/codes", self.codes, "渠道结果码及其结论", "channel codes and what they prove", None, query=("channel", "operation", "outcome", "q")),
            Door("POST", "/v1/sandbox/code", self.code, "沙箱:付款码", "sandbox: a payment code", "sandbox", SandboxWish),
            Door("POST", "/v1/sandbox/scan", self.scan, "沙箱:付款人扫码", "sandbox: a payer scans", "sandbox", SandboxWish),
            Door("POST", "/v1/sandbox/faults", self.faults, "沙箱:故障", "sandbox: a fault", "sandbox", SandboxWish),
            Door("DELETE", "/v1/sandbox/faults", self.no_faults, "沙箱:恢复", "sandbox: no faults", "sandbox"),
            Door("GET", "/v1/sandbox/books", self.books, "沙箱:渠道账本", "sandbox: the channel's books", "sandbox", query=("channel",)),
            Door("POST", "/v1/sandbox/clock/advance", self.advance, "沙箱:拨快时钟", "sandbox: move the clock", "sandbox", Advance),
            Door("GET", "/metrics", self.metrics, "指标(Prometheus)", "metrics for Prometheus", "operations"),
            Door("GET", "/v1/version", self.version, "版本", "version", None),
            Door("GET", "/v1/status", self.status, "状态", "status", None),
        ]  # fmt: skip

    async def balances(self, asked: Asked) -> Response:
        """An account's debits minus credits; together they are always nothing."""
        return answer({"currency": "CNY", "balances": await self._house.reading.balances(asked.merchant)})

    async def alarms(self, asked: Asked) -> Response:
        if asked.caller.key.merchant and asked.caller.key.livemode:
            raise Problem("not_allowed", "alarms are for the platform's operators")
        page = await self._house.reading.alarms(cursor=asked.query("cursor"), limit=asked.limit())
        rows = [{**row, "at": rfc3339(row["at_ms"])} for row in page.rows]
        return answer({"data": rows, "has_more": page.has_more, "next_cursor": page.next_cursor or None})

    async def codes(self, asked: Asked) -> Response:
        """A code that is not in here proves nothing, by construction."""
        operation, outcome = asked.query("operation"), asked.query("outcome")
        for name, given, may in (("operation", operation, codes.operations(self._house.shelf)), ("outcome", outcome, list(Proves))):
            if given and given not in may:
                raise Problem("bad_query", f"{name} is one of: {', '.join(may)}")
        rows = codes.browse(self._house.shelf, channel=asked.query("channel"), operation=operation, outcome=outcome, like=asked.query("q"))
        return answer({"data": rows, "has_more": False, "next_cursor": None})

    # -- channels call us --------------------------------------------------------------------------------------------------

    async def notify(self, request: Request) -> Response:
        """Durable before "received". What we cannot keep at the moment is answered so that it comes again."""
        try:
            body = await read_body(request, _NOTIFY_MOST)
            status, kind, reply = await heard.notify(
                self._house,
                request.path_params["channel"],
                request.headers.get("content-type", ""),
                request.url.query,
                body,
                {name.lower(): value for name, value in request.headers.items()},
                request.path_params.get("account", ""),
            )
        except Problem:
            return Response(b"too long", 413, media_type="text/plain")
        except (Unavailable, Conflict):
            return Response(b"later", 503, {"Retry-After": "2"}, "text/plain")
        return Response(reply, status, media_type=kind)

    # -- the sandbox -------------------------------------------------------------------------------------------------------

    async def _ask_sandbox(self, asked: Asked, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
        if self._sandbox is None or asked.caller.key.livemode:
            raise Problem("no_sandbox")
        status, told = await self._sandbox.call(method, path, body)
        if status >= 400:
            raise Problem("bad_field", str(told.get("detail", "")), sandbox=told.get("next_step"))
        return answer(told)

    async def code(self, asked: Asked) -> Response:
        return await self._ask_sandbox(
            asked, "POST", "/code", {"wallet": asked.body.wallet, "behaviour": asked.body.behaviour}
        )

    async def scan(self, asked: Asked) -> Response:
        wish: SandboxWish = asked.body
        return await self._ask_sandbox(
            asked, "POST", "/scan", {"wallet": wish.wallet, "qr": wish.qr or "", "behaviour": wish.behaviour}
        )

    async def faults(self, asked: Asked) -> Response:
        wish: SandboxWish = asked.body
        body = {"channel": wish.wallet, "mode": wish.mode or "", "share": wish.share, "for_s": wish.for_s, "op": wish.op,
                "order": wish.order}  # fmt: skip
        return await self._ask_sandbox(asked, "POST", "/chaos", body)

    async def no_faults(self, asked: Asked) -> Response:
        return await self._ask_sandbox(asked, "DELETE", "/chaos")

    async def books(self, asked: Asked) -> Response:
        return await self._ask_sandbox(
            asked, "GET", "/books?" + urlencode({"channel": asked.query("channel", "alipay")})
        )

    async def advance(self, asked: Asked) -> Response:
        """Forward, stopping at each due time until all is idle, so that nothing that was due is jumped over."""
        if self._sandbox is None or asked.caller.key.livemode:
            raise Problem("no_sandbox")
        end = self._house.clock.now_ms() + round(asked.body.seconds * 1000)
        stops = 0
        while (now := self._house.clock.now_ms()) < end and stops < _STEPS_MOST:
            await self._until_idle(now)
            due = await self._next_due()
            at = min(end, max(due, now + 1)) if due is not None else end
            await self._sandbox.call("POST", "/clock/set", {"now_ms": at})
            stops += 1
        await self._until_idle(self._house.clock.now_ms())
        return answer({"now": rfc3339(self._house.clock.now_ms()), "stops": stops})

    async def _next_due(self) -> int | None:
        _, told = await self._sandbox.call("GET", "/clock/due")
        times = [due for due in (told.get("due_ms"), await self._house.store.next_due_ms()) if due is not None]
        return min(times, default=None)

    async def _until_idle(self, now: int) -> None:
        """Wait (in real time, a few seconds at most) until no timer is due any more."""
        for _ in range(100):
            due = await self._house.store.next_due_ms()
            if due is None or due > now:
                return
            await asyncio.sleep(0.05)

    # -- about ourselves ---------------------------------------------------------------------------------------------------

    async def metrics(self, asked: Asked) -> Response:
        """All processes' counters and histograms, and how late the oldest due work is."""
        due = await self._house.store.next_due_ms()
        late_s = max(self._house.clock.now_ms() - due, 0) / 1000 if due is not None else 0.0
        lines = "# HELP daozhang_oldest_due_seconds How late the oldest due work is\n# TYPE daozhang_oldest_due_seconds gauge\n"
        page = self._metrics() + f"{lines}daozhang_oldest_due_seconds {late_s:.3f}\n".encode()
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def version(self, asked: Asked) -> Response:
        return answer({"name": "daozhang", "version": daozhang.__version__, "api": "v1"})

    async def status(self, asked: Asked) -> Response:
        """Ready means: the store answers. The channels each tell for themselves elsewhere."""
        await self._house.store.next_due_ms()
        return answer({"ready": True, "channels": [channel.name for channel in self._house.shelf]})

