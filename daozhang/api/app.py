"""All doors of the platform in one application."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import daozhang
from daozhang.api import docs
from daozhang.api import plates as plate_pages
from daozhang.api.auth import Guard
from daozhang.api.bills import Bills
from daozhang.api.causes import CauseDoors
from daozhang.api.crowd import Crowd
from daozhang.api.devices import DeviceDoors
from daozhang.api.directory import DirectoryDoors
from daozhang.api.events import Events
from daozhang.api.incidents import IncidentDoors
from daozhang.api.limits import Gate, GateLimits, Limits
from daozhang.api.openapi import document
from daozhang.api.others import Others
from daozhang.api.payer import PayerPage
from daozhang.api.payments import Payments
from daozhang.api.plates import PlateDoors
from daozhang.api.problem import Problem
from daozhang.api.receipts import ReceiptDoors
from daozhang.api.refunds import Refunds
from daozhang.api.request_log import RequestLogDoors, Scribe
from daozhang.api.rollouts import RolloutDoors
from daozhang.api.routes import Door, Porter, answer
from daozhang.api.standing import StandingDoors
from daozhang.api.webhooks import Webhooks
from daozhang.core.request_log import RequestLog
from daozhang.flow.house import House

Endpoint = Callable[[Request], Awaitable[Response]]


def doors_of(house: House, guard: Guard, building: "Building", payer: PayerPage) -> tuple[list[Door], Others]:
    """Every door, in the order in which paths are matched."""
    others = Others(house, building.sandbox, building.metrics)
    plates = PlateDoors(house, guard, building.seal.derived("code plates"))
    rooms = (
        Payments(house, guard), Refunds(house, guard), DirectoryDoors(house, guard, building.seal), Events(house),
        building.webhooks, RequestLogDoors(building.request_log),
        DeviceDoors(house, guard, house.fleet, building.seal, building.gateway),
        RolloutDoors(house, house.fleet, building.gateway), ReceiptDoors(house, payer.address), CauseDoors(), Bills(house), IncidentDoors(house),
        plates, StandingDoors(house, plates.sign), others,
    )  # fmt: skip
    return [door for room in rooms for door in room.doors()], others


class Front:
    """Doors without parameters in their path are opened at once; the router and its middlemen serve all others."""

    def __init__(self, app: Starlette, at_once: dict[tuple[str, str], Endpoint], scribe: Scribe, crowd: Crowd) -> None:
        self._app, self._at_once, self._scribe = app, at_once, scribe
        self.turned_away = crowd.turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._at_once.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        reply = await endpoint(Request(scope, receive))
        await reply(scope, receive, send)

    async def close(self) -> None:
        """After the last request: what was noted is written down."""
        await self._scribe.close()


@dataclass(frozen=True)
class Building:
    """What the doors need beside the house. ``sandbox`` is the line to the control door, or None; ``gateway`` is where
    devices are told to connect."""

    seal: Any
    webhooks: Webhooks
    request_log: RequestLog
    sandbox: Any = None
    metrics: Callable[[], bytes] = bytes
    rate_per_s: int = 2_000
    gate: GateLimits = field(default_factory=GateLimits)
    queue_ms: Callable[[], float] = lambda: 0.0
    gateway: Mapping[str, Any] = field(default_factory=dict)


def build_app(house: House, building: Building) -> Front:
    """The application."""
    guard = Guard(house)
    payer = PayerPage(house, building.seal.derived("payer's page"))
    doors, others = doors_of(house, guard, building, payer)
    scribe = Scribe(building.request_log, house.clock, house.witness.unlogged)
    limits = Limits(house.clock, building.rate_per_s)
    gate = Gate(building.gate, building.queue_ms)
    porter = Porter(house, guard, limits, gate, scribe.write)
    page = document(doors, daozhang.__version__)

    async def openapi(request: Request) -> Response:
        return answer(page)

    by_path: dict[str, dict[str, Endpoint]] = {}
    for door in doors:
        by_path.setdefault(door.path, {})[door.method] = porter.endpoint(door)
    routes = [Route(path, _by_method(methods), methods=list(methods)) for path, methods in by_path.items()]
    routes += [
        *docs.routes(),
        *plate_pages.routes(),
        *payer.routes(),
        Route("/v1/openapi.json", openapi, methods=["GET"]),
        Route("/v1/notify/{channel}", others.notify, methods=["POST"]),
        Route("/v1/notify/{channel}/{account}", others.notify, methods=["POST"]),
    ]

    async def no_door(request: Request, raised: Exception) -> Response:
        """The router's own refusals, in our words."""
        status, headers = (raised.status_code, dict(raised.headers or {})) if isinstance(raised, HTTPException) else (500, {})
        code = {404: "no_route", 405: "wrong_method"}.get(status, "internal")
        return await porter.no_door(request, Problem(code, headers=headers))

    handlers: dict[Any, Any] = {HTTPException: no_door}
    at_once = {
        (method, path): endpoint for path, methods in by_path.items() if "{" not in path for method, endpoint in methods.items()
    }  # fmt: skip

    def told(path: str) -> None:
        """Somebody was turned away: it counts, and no log has it."""
        house.witness.served(f"POST {path}", 503, 0.0)
        house.witness.unlogged(1)

    begins = [door.path for door in doors if door.begins and door.method == "POST"]
    crowd = Crowd(gate, house.clock, house.rand, begins, told)
    return Front(Starlette(routes=routes, exception_handlers=handlers), at_once, scribe, crowd)


def _by_method(methods: dict[str, Any]) -> Any:
    async def run(request: Request) -> Response:
        endpoint = methods.get(request.method) or methods["GET"]
        reply: Response = await endpoint(request)
        return reply

    return run
