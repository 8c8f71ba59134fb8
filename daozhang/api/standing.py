"""What stands beside the payments: a merchant's settlement account, code plates, and releases of our own software."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs
from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.core.ids import bucket_of_merchant
from daozhang.core.stated import Release, Stated, Statements
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.flow import standing
from daozhang.flow.house import House

Fen = Annotated[int, Meta(ge=0, le=10**15)]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
Text = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]


class AccountFacts(Struct):
    """What an operator knows of a settlement account and its last payout; what is left out is not known.

    ``payout_code``: the bank's code with it (ISO 20022, such as AC04). ``cutoff``: HH:MM of the shop's day.
    ``closed_days``: days on which banks pay nothing in; ``weekends`` false: nor at weekends.
    """

    payout: Literal["", "waiting", "sent", "arrived", "returned"] = ""
    payout_code: Annotated[str, Meta(max_length=16, pattern=r"^[A-Z0-9]*$")] = ""
    hold: bool | None = None
    pending: Fen | None = None
    pending_since: str | None = None
    minimum: Fen | None = None
    cutoff: Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")] = ""
    closed_days: Annotated[list[Day], Meta(max_length=400)] = []
    weekends: bool | None = None


class PlateText(Struct):
    """What a phone reads on the plate, letter by letter."""

    text: Text


class NewRelease(Struct):
    """A version of our software that starts its work now. ``says``: what changed."""

    version: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._+-]+$")]
    says: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class StandingDoors:
    """``sign``: what we print on a till's plate."""

    def __init__(self, house: House, sign: Callable[[Asked, str], dict[str, str]]) -> None:
        self._house, self._sign = house, sign

    def doors(self) -> list[Door]:
        plate = "/v1/tills/{id}/plate"
        return [
            Door("GET", "/v1/settlement_account", self.account, "结算账户:到哪一步,为什么没入账", "the settlement account: how far money came, and why not farther", "payments:read"),
            Door("PUT", "/v1/settlement_account", self.enter_account, "登记结算账户和出款的状态", "enter what is known of the account and its payouts", "operations", AccountFacts),
            Door("GET", plate, self.plate, "收银台的码牌:地址、二维码、核对", "a till's code plate: address, QR, check", "directory:read"),
            Door("PUT", plate, self.own_plate, "登记码牌的内容", "enter what the till's own plate reads as", "directory:write", PlateText),
            Door("POST", plate + "/check", self.check_plate, "核对店里的码牌", "check what the plate in the shop reads as", "payments:write", PlateText),
            Door("GET", "/v1/releases", self.releases, "系统的版本更新", "releases of our own software", "operations"),
            Door("POST", "/v1/releases", self.release, "登记一次版本更新", "note a release", "operations", NewRelease, statuses=(201,)),
        ]  # fmt: skip

    @property
    def _books(self) -> Statements:
        if self._house.stated is None:
            raise Problem("unavailable")
        return self._house.stated

    # -- the settlement account --------------------------------------------------------------------------------------------

    async def account(self, asked: Asked) -> Response:
        stated = await self._books.stated(asked.merchant, standing.SETTLEMENT)
        return answer(self._account(asked.merchant, stated))

    async def enter_account(self, asked: Asked) -> Response:
        """Only operators: a merchant's word is no evidence of what its bank does."""
        _must_operate(asked)
        wanted: AccountFacts = asked.body
        facts = {name: value for name, value in structs.asdict(wanted).items() if name not in ("pending", "pending_since", "minimum")}
        facts |= {"pending_fen": wanted.pending, "minimum_fen": wanted.minimum, "pending_since_ms": _moment(wanted.pending_since)}
        made, now = self._stated(asked, standing.SETTLEMENT, facts), self._house.clock.now_ms()
        before = await self._books.stated(asked.merchant, standing.SETTLEMENT)
        was, is_now = standing.account_cause(before, now), standing.account_cause(made, now)
        await self._books.state(made, standing.raised("settlement_account", made, was, is_now))
        return answer(self._account(asked.merchant, made))

    def _account(self, merchant: str, stated: Stated | None) -> dict[str, Any]:
        facts = dict(stated.facts) if stated is not None else {}
        told = {
            "object": "settlement_account", "merchant": merchant, "payout": facts.get("payout") or None,
            "payout_code": facts.get("payout_code") or None, "hold": facts.get("hold"), "pending": facts.get("pending_fen"),
            "pending_since": rfc3339(facts.get("pending_since_ms") or 0), "minimum": facts.get("minimum_fen"), "cutoff": facts.get("cutoff") or None,
            "closed_days": facts.get("closed_days") or [], "weekends": facts.get("weekends"),
            "at": rfc3339(stated.at_ms if stated is not None else 0), "by": stated.by if stated is not None else None,
        }  # fmt: skip
        return standing.with_cause(told, standing.account_cause(stated, self._house.clock.now_ms()))

    def _stated(self, asked: Asked, subject: str, facts: dict[str, Any]) -> Stated:
        return Stated(bucket_of_merchant(asked.merchant), asked.merchant, subject, facts, self._house.clock.now_ms(), asked.caller.name)

    # -- code plates -------------------------------------------------------------------------------------------------------

    async def _till(self, asked: Asked) -> tuple[str, Stated | None]:
        till = await self._house.directory.till(asked.merchant, asked.path("id"))
        if till is None:
            raise Problem("not_found")
        return till.id, await self._books.stated(asked.merchant, till.id)

    async def plate(self, asked: Asked) -> Response:
        till, stated = await self._till(asked)
        return answer(self._plate(till, self._sign(asked, till), stated))

    async def own_plate(self, asked: Asked) -> Response:
        return await self._plate_says(asked, "own")

    async def check_plate(self, asked: Asked) -> Response:
        """Until a check reads the till's own text, the plate is not to be used."""
        return await self._plate_says(asked, "reads")

    async def _plate_says(self, asked: Asked, name: str) -> Response:
        till, stated = await self._till(asked)
        sign = self._sign(asked, till)
        made = self._stated(asked, till, {**(stated.facts if stated is not None else {}), name: asked.body.text})
        was, is_now = standing.plate_cause(stated, self._printed(sign)), standing.plate_cause(made, self._printed(sign))
        await self._books.state(made, standing.raised("plate", made, was, is_now))
        return answer(self._plate(till, sign, made))

    def _printed(self, sign: dict[str, str]) -> str:
        """Empty where our own address is not settled: it is then whatever the asker called us by, and accuses nobody."""
        return sign["url"] if self._house.notify_base else ""

    def _plate(self, till: str, sign: dict[str, str], stated: Stated | None) -> dict[str, Any]:
        facts = stated.facts if stated is not None else {}
        told = {"object": "till_plate", "till": till, **sign, "own": facts.get("own") or self._printed(sign) or None, "reads": facts.get("reads"),
                "at": rfc3339(stated.at_ms if stated is not None else 0), "by": stated.by if stated is not None else None}  # fmt: skip
        return standing.with_cause(told, standing.plate_cause(stated, self._printed(sign)))

    # -- releases ----------------------------------------------------------------------------------------------------------

    async def releases(self, asked: Asked) -> Response:
        _must_operate(asked)
        rows = [_release(row) for row in await self._books.releases()]
        return answer({"data": rows, "has_more": False, "next_cursor": None})

    async def release(self, asked: Asked) -> Response:
        """From now on payments that are dark shortly afterwards are looked at with it in mind."""
        _must_operate(asked)
        made = Release(asked.body.version, self._house.clock.now_ms(), asked.caller.name, {"text": asked.body.says} if asked.body.says else {})
        if not await self._books.note_release(made):
            raise Problem("bad_field", "a version that was noted before", errors=[{"pointer": "/version", "detail": "noted before"}])
        return answer(_release(made), 201)


def _release(one: Release) -> dict[str, Any]:
    return {"object": "release", "version": one.version, "at": rfc3339(one.at_ms), "by": one.by, "says": one.says.get("text")}


def _moment(text: str | None) -> int:
    try:
        return ms_of_rfc3339(text) if text else 0
    except ValueError as wrong:
        raise Problem("bad_field", f"pending_since: {wrong}", errors=[{"pointer": "/pending_since", "detail": str(wrong)}]) from None


def _must_operate(asked: Asked) -> None:
    """Operators' keys; in the sandbox a merchant's key with that right is one too."""
    key = asked.caller.key
    if "operations" not in key.scopes or (key.merchant and key.livemode):
        raise Problem("not_allowed", "the platform's operators enter this")
