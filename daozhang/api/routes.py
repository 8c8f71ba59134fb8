"""One declaration a route: it gives routing, decoding, rights, errors and the OpenAPI document."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from daozhang.api.auth import Caller, Guard, may
from daozhang.api.farewell import Farewell
from daozhang.api.limits import Gate, Limits
from daozhang.api.problem import Problem, preferred, respond
from daozhang.api.shapes import no_twice
from daozhang.channels.keys import BadKey
from daozhang.channels.plug import NoBill
from daozhang.core.bill import BadBill
from daozhang.core.directory import VERSIONS
from daozhang.core.faults import Conflict, Fault, KeyUsed, SaleTaken, Unavailable
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.must import Broken
from daozhang.core.request_log import Line, path_kept
from daozhang.core.scanned import Mistake
from daozhang.flow.bills import BadDay
from daozhang.flow.code_watch import TooManyWrongCodes
from daozhang.flow.find_out import Gone
from daozhang.flow.house import House, NoAccount
from daozhang.flow.late import NoQuestion
from daozhang.flow.refund import NotRefundable, OverRefund
from daozhang.flow.take import WrongCode

log = logging.getLogger("daozhang.api")
MOST_BODY = 256 * 1024
_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(slots=True)
class Asked:
    """A request after the door: who asks, the decoded body, and the raw request."""

    request: Request
    caller: Caller
    body: Any
    raw: bytes
    request_id: str
    language: str
    rate: str = ""  # the RateLimit header
    version: str = ""

    @property
    def merchant(self) -> str:
        if not self.caller.merchant:
            raise Problem("bad_query", "a platform key names the merchant in the header Daozhang-Merchant")
        return self.caller.merchant

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str, otherwise: str = "") -> str:
        return self.request.query_params.get(name, otherwise)

    def limit(self, otherwise: int = 50) -> int:
        text = self.query("limit", str(otherwise))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
            raise Problem("bad_query", "limit is a whole number from 1 to 100")
        return int(text)


Handler = Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Door:
    """``scope`` "" needs only a valid key; None needs no key. ``money``: an Idempotency-Key is required.
    ``begins``: it starts something new with money, and is refused first when there is too much to do."""

    method: str
    path: str
    handler: Handler
    says_zh: str
    says_en: str
    scope: str | None = ""
    body: Any = None
    money: bool = False
    begins: bool = False
    statuses: tuple[int, ...] = (200,)
    query: tuple[str, ...] = field(default=())
    farewell: Farewell | None = None
    most_body: int = MOST_BODY


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(body), status, headers, "application/json")


def language_of(request: Request) -> str:
    """zh or en, by the first of the two that the caller names."""
    return preferred(request.headers.get("accept-language", ""))


class Porter:
    """Runs a door's handler: reads, checks, calls, and turns every fault into its problem."""

    def __init__(self, house: House, guard: Guard, limits: Limits, gate: Gate, write: Callable[[Line], None]) -> None:
        self._house, self._guard, self._limits, self._gate, self._write = house, guard, limits, gate, write

    def endpoint(self, door: Door) -> Callable[[Request], Awaitable[Response]]:
        route = f"{door.method} {door.path}"
        decoder = msgspec.json.Decoder(door.body) if door.body is not None else None
        clock, parting = self._house.clock, door.farewell.headers() if door.farewell else []

        async def run(request: Request) -> Response:
            now, began = clock.now_ms(), clock.monotonic_ms()
            asked = Asked(request, _NOBODY, None, b"", f"req_{ulid(now, self._house.rand.bytes(9), 0)}", language_of(request))
            problem = ""
            try:
                reply = await self._open(door, decoder, asked)
            except ClientDisconnect:
                reply = Response(status_code=499)
            except Exception as fault:
                told = as_problem(fault, asked.request_id)
                problem = told.code
                reply = respond(told, asked.language, asked.request_id, request.scope["path"])
            took_ms = clock.monotonic_ms() - began
            self._house.witness.served(route, reply.status_code, took_ms)
            if asked.caller.merchant:
                self._log(asked, now, reply.status_code, took_ms, problem)
            self._head(asked, reply)
            reply.raw_headers.extend(parting)
            return reply

        return run

    async def no_door(self, request: Request, problem: Problem) -> Response:
        """Where the router found no door: the caller's log has it all the same."""
        with contextlib.suppress(Problem, Fault):
            await self._guard.identify(request)  # remembered from here on

        async def refuse(asked: Asked) -> Response:
            asked.caller = self._guard.remembered(request) or _NOBODY
            raise problem

        return await self.endpoint(Door("", "no door", refuse, "", "", None))(request)

    async def _open(self, door: Door, decoder: Any, asked: Asked) -> Response:
        """Raises whatever the door's handler raises, and Problem."""
        if not door.begins:
            return await self._handle(door, decoder, asked)
        try:
            self._gate.enter()
        except Problem:
            asked.caller = self._guard.remembered(asked.request) or _NOBODY  # its log says that we refused
            raise
        try:
            return await self._handle(door, decoder, asked)
        finally:
            self._gate.leave()

    async def _handle(self, door: Door, decoder: Any, asked: Asked) -> Response:
        request = asked.request
        if door.scope is not None:
            asked.caller = await self._guard.identify(request)
            asked.rate = self._limits.take(asked.caller.key.id)
            may(asked.caller, door.scope)
            asked.version = _version(request.headers.get("daozhang-version") or asked.caller.key.version)
        asked.raw = await read_body(request, door.most_body)
        if decoder is not None:
            asked.body = decode(decoder, asked.raw, door.money, request.headers.get("content-type", ""))
        return await door.handler(asked)

    def _head(self, asked: Asked, reply: Response) -> None:
        headers = reply.raw_headers
        headers.append((b"request-id", asked.request_id.encode()))
        if asked.rate:
            headers.append((b"ratelimit", asked.rate.encode()))
            headers.append((b"ratelimit-policy", self._limits.policy.encode()))
        if asked.version:
            headers.append((b"daozhang-version", asked.version.encode()))
        trace = asked.request.headers.get("traceparent")
        if trace and len(trace) <= 64:
            headers.append((b"traceparent", trace.encode("latin-1")))

    def _log(self, asked: Asked, now: int, status: int, took_ms: float, problem: str) -> None:
        key, path = asked.caller.key, path_kept(asked.request.scope["path"])
        bucket = key.bucket if key.merchant else bucket_of_merchant(asked.caller.merchant)
        self._write(Line(bucket, asked.caller.merchant, now, asked.request_id, key.id, asked.request.method, path, status,
                         round(took_ms), problem, asked.language))  # fmt: skip


def _version(named: str) -> str:
    if named not in VERSIONS:
        raise Problem("unknown_version", versions=list(VERSIONS))
    return named


_NOBODY = Caller(None, "")  # type: ignore[arg-type]


async def read_body(request: Request, most: int) -> bytes:
    """The body, never more than ``most`` bytes. Raises Problem."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise Problem("too_long", f"at most {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def decode(decoder: Any, raw: bytes, money: bool, kind: str = "") -> Any:
    """The typed body. JSON is taken under any name; what is none is named by its ``kind``. Raises Problem with the place of
    what is wrong."""
    try:
        if money:
            no_twice(raw)
        return decoder.decode(raw or b"{}")
    except msgspec.ValidationError as wrong:
        says, _, place = str(wrong).partition(" - at ")
        pointer = "/" + place.strip("`$.").replace(".", "/").replace("[", "/").replace("]", "") if place else ""
        raise Problem("bad_field", says, errors=[{"pointer": pointer, "detail": says}]) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as wrong:
        if kind and "json" not in kind.lower():
            raise Problem("wrong_type", f"Content-Type: {kind[:100]}") from None
        raise Problem("bad_json", str(wrong)[:200]) from None


def as_problem(fault: Exception, request_id: str) -> Problem:
    """The one place where faults of the house become words for callers."""
    match fault:
        case Problem():
            return fault
        case SaleTaken():
            return Problem("sale_taken", payment=fault.payment)
        case WrongCode():
            says = fault.words
            cause = "payer.code_expired" if fault.mistake is Mistake.OLD_CODE else "operator.wrong_code_type"
            return Problem("wrong_code", f"{says.zh} / {says.en}", cause=cause, scanned=fault.mistake.value,
                           next_step={"zh": says.step_zh, "en": says.step_en})  # fmt: skip
        case TooManyWrongCodes():
            return Problem("too_many_codes", headers={"Retry-After": str(fault.wait_s)})
        case Gone():
            return Problem("not_found")
        case NoBill():
            return Problem("no_bill", str(fault), channel_code=fault.code)
        case BadBill():
            return Problem("bad_bill", str(fault))
        case BadDay():
            return Problem("bad_query", str(fault))
        case NoAccount():
            return Problem("no_account", fault.channel)
        case BadKey():
            return Problem("account_unusable", str(fault))
        case OverRefund():
            return Problem("over_refund", f"left to give back: {fault.left_fen}", refundable=fault.left_fen)
        case NotRefundable():
            return Problem("not_refundable", fault.why)
        case NoQuestion():
            return Problem("no_question")
        case Conflict():
            return Problem("moved")
        case Unavailable():
            return Problem("unavailable", str(fault), headers={"Retry-After": str(fault.retry_s)})
        case KeyUsed():
            return Problem("idempotency_key_reused")
        case Fault():
            return Problem("account_unusable", str(fault))
        case Broken():
            log.error("an invariant refused a request", extra={"request": request_id, "why": str(fault)})
            return Problem("internal")
        case _:
            log.error("a request failed", extra={"request": request_id}, exc_info=fault)
            return Problem("internal")
