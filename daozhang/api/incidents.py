"""Incidents, the health of channels and banks, and the maintenance calendar.

Merchants see what is published and their own part of it; only operators' keys see drafts and change anything.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.core.ids import ulid
from daozhang.core.incident import Incident, Incidents, Maintenance, Probe, Stage
from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.flow import channel_health, incidents
from daozhang.flow.house import House

Text = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
_FARTHEST_MS = 366 * 86_400_000


class Says(Struct):
    """The same words in both languages."""

    zh: Text
    en: Text


class NewIncident(Struct):
    """Opened by a person. ``place_name``: a channel, a bank, or the id of a merchant, store or till."""

    place: Literal["channel", "bank", "merchant", "shop", "till", "software", "carrier", "region", "all"]
    place_name: Name = "*"
    trouble: Literal["dark", "waiting", "no_notify", "refused"] = "dark"
    says: Says | None = None
    publish: bool = False


class IncidentNews(Struct):
    """A line for its story; without words, what we observe. ``stage``: where it goes; empty: it stays."""

    says: Says | None = None
    stage: Literal["", "investigating", "identified", "monitoring", "resolved"] = ""


class IncidentWords(Struct):
    """Without words, the usual ones."""

    says: Says | None = None


class NewMaintenance(Struct, rename={"since": "from", "until": "to"}):
    """An announced window, times in RFC 3339. ``party``: platform (``name`` a channel) or bank."""

    party: Literal["platform", "bank"]
    name: Name
    since: str
    until: str
    says: Says | None = None


class NewProbe(Struct):
    """A probe that somebody made from elsewhere (``place``): whether the channel answered there."""

    channel: Name
    place: Name
    answered: bool
    took_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0


class IncidentDoors:
    def __init__(self, house: House) -> None:
        self._house = house

    def doors(self) -> list[Door]:
        read, write = "payments:read", "operations"
        return [
            Door("GET", "/v1/incidents", self.list, "事件", "incidents", read, query=("cursor", "limit", "stage")),
            Door("POST", "/v1/incidents", self.open, "人工开事件", "open an incident by hand", write, NewIncident, statuses=(201,)),
            Door("GET", "/v1/incidents/{id}", self.get, "一个事件及其经过", "one incident and its story", read),
            Door("POST", "/v1/incidents/{id}/updates", self.update, "事件:新进展", "tell on an incident", write, IncidentNews),
            Door("POST", "/v1/incidents/{id}/acknowledge", self.acknowledge, "接手事件", "look after an incident", write, IncidentWords),
            Door("POST", "/v1/incidents/{id}/publish", self.publish, "发布事件", "publish an incident", write),
            Door("POST", "/v1/incidents/{id}/resolve", self.resolve, "关闭事件", "close an incident", write, IncidentNews),
            Door("GET", "/v1/health/channels", self.channels, "渠道现况:成功率、技术和业务拒绝率、延迟", "channels now: success, technical and business declines, latency", read),
            Door("GET", "/v1/health/banks", self.banks, "发卡行现况", "issuing banks now", read),
            Door("POST", "/v1/health/probes", self.probe, "登记别处的探测结果", "enter a probe made from elsewhere", write, NewProbe, statuses=(201,)),
            Door("GET", "/v1/maintenance", self.windows, "维护窗口", "announced maintenance", read, query=("since",)),
            Door("POST", "/v1/maintenance", self.add_window, "登记维护窗口", "enter a maintenance window", write, NewMaintenance, statuses=(201,)),
            Door("DELETE", "/v1/maintenance/{id}", self.remove_window, "取消维护窗口", "remove a maintenance window", write),
        ]  # fmt: skip

    @property
    def _books(self) -> Incidents:
        if self._house.incidents is None:
            raise Problem("unavailable")
        return self._house.incidents

    # -- incidents ---------------------------------------------------------------------------------------------------------

    async def list(self, asked: Asked) -> Response:
        stage, cursor = asked.query("stage"), asked.query("cursor")
        if stage and stage not in Stage._value2member_map_:
            raise Problem("bad_query", "stage is one of " + ", ".join(Stage))
        if cursor and not cursor.startswith("inc_"):
            raise Problem("bad_cursor")
        operator = _operates(asked)
        page = await self._books.incidents(
            merchant="" if operator else asked.merchant, drafts=operator, stage=stage, livemode=asked.caller.key.livemode,
            cursor=cursor, limit=asked.limit(),
        )  # fmt: skip
        told = [await self._picture(asked, one) for one in page.rows]
        return answer({"data": told, "has_more": page.has_more, "next_cursor": page.next_cursor or None})

    async def get(self, asked: Asked) -> Response:
        one = await self._mine(asked)
        return answer(await self._picture(asked, one, whole=True))

    async def _picture(self, asked: Asked, one: Incident, whole: bool = False) -> dict[str, Any]:
        operator = _operates(asked)
        scope = None if operator else await self._books.hits_of(one.id, asked.merchant)
        updates = await self._books.updates_of(one.id) if whole else None
        return incidents.picture(self._house, one, operator=operator, scope=scope, updates=updates)

    async def _mine(self, asked: Asked) -> Incident:
        """A draft, or one that concerns others alone, does not exist for a merchant."""
        one = await self._books.incident(asked.path("id"))
        if one is None or one.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        if not _operates(asked):
            everybody = one.place in ("channel", "bank", "all")
            if not one.published_ms or not (everybody or (await self._books.hits_of(one.id, asked.merchant)).payments):
                raise Problem("not_found")
        return one

    async def open(self, asked: Asked) -> Response:
        _must_operate(asked)
        wanted: NewIncident = asked.body
        if wanted.place == "channel" and self._house.shelf.get(wanted.place_name) is None:
            raise _bad("place_name", "a channel that we serve")
        if (wanted.place == "all") != (wanted.place_name == "*"):
            raise _bad("place_name", "the name of the place; * only for all")
        now = self._house.clock.now_ms()
        made = Incident(self._house.new_id("inc", 0), asked.caller.key.livemode, wanted.trouble, wanted.place, wanted.place_name, now, now,
                        asked.caller.name)  # fmt: skip
        step = incidents.opened(self._house, made, _words(wanted.says), asked.caller.name, wanted.publish).alerted(self._house.alert)
        return answer(await self._picture(asked, await self._books.write_incident(step), whole=True), 201)

    async def update(self, asked: Asked) -> Response:
        wanted: IncidentNews = asked.body
        stage = Stage(wanted.stage) if wanted.stage else None
        return await self._turned(asked, lambda one: incidents.told_on(self._house, one, _words(wanted.says), stage, asked.caller.name))

    async def acknowledge(self, asked: Asked) -> Response:
        says = _words(asked.body.says)
        return await self._turned(asked, lambda one: incidents.acknowledged(self._house, one, says, asked.caller.name))

    async def publish(self, asked: Asked) -> Response:
        return await self._turned(asked, lambda one: incidents.published(self._house, one, asked.caller.name))

    async def resolve(self, asked: Asked) -> Response:
        says = _words(asked.body.says)
        return await self._turned(asked, lambda one: incidents.told_on(self._house, one, says, Stage.RESOLVED, asked.caller.name))

    async def _turned(self, asked: Asked, how: Any) -> Response:
        _must_operate(asked)
        await self._mine(asked)
        try:
            done = await incidents.turn(self._books, asked.path("id"), how, self._house.alert)
        except incidents.Ended:
            raise Problem("incident_ended") from None
        except incidents.NoSuchStep as why:
            raise Problem("bad_field", str(why), errors=[{"pointer": "/stage", "detail": str(why)}]) from None
        if done is None:
            raise Problem("not_found")
        return answer(await self._picture(asked, done, whole=True))

    # -- health ------------------------------------------------------------------------------------------------------------

    async def channels(self, asked: Asked) -> Response:
        return answer({"data": channel_health.channels(self._house), "has_more": False, "next_cursor": None})

    async def banks(self, asked: Asked) -> Response:
        return answer({"data": channel_health.banks(self._house), "has_more": False, "next_cursor": None})

    async def probe(self, asked: Asked) -> Response:
        _must_operate(asked)
        wanted: NewProbe = asked.body
        channel = self._house.shelf.get(wanted.channel)
        if channel is None:
            raise _bad("channel", "a channel that we serve")
        if wanted.place == "here":
            raise _bad("place", "a place elsewhere: we make our own")
        made = Probe(channel.name, wanted.place, self._house.clock.now_ms(), wanted.answered, wanted.took_ms)
        await self._books.probed(made)
        return answer(channel_health.probe_picture(made), 201)

    # -- maintenance -------------------------------------------------------------------------------------------------------

    async def windows(self, asked: Asked) -> Response:
        now = self._house.clock.now_ms()
        try:
            since = ms_of_rfc3339(asked.query("since")) if asked.query("since") else now
        except ValueError as wrong:
            raise Problem("bad_query", f"since: {wrong}") from None
        rows = await self._books.windows(since, now + _FARTHEST_MS)
        return answer({"data": [_window_picture(row, now) for row in rows], "has_more": False, "next_cursor": None})

    async def add_window(self, asked: Asked) -> Response:
        _must_operate(asked)
        wanted: NewMaintenance = asked.body
        now, name = self._house.clock.now_ms(), wanted.name
        if wanted.party == "platform":
            channel = self._house.shelf.get(name)
            if channel is None:
                raise _bad("name", "a channel that we serve")
            name = channel.name
        try:
            since, until = ms_of_rfc3339(wanted.since), ms_of_rfc3339(wanted.until)
        except ValueError as wrong:
            raise _bad("from", str(wrong)) from None
        if not now - 86_400_000 < since < until < now + _FARTHEST_MS:
            raise _bad("to", "after from, and within a year")
        ident = f"mnt_{ulid(now, self._house.rand.bytes(9), 0)}"
        made = Maintenance(ident, wanted.party, name, since, until, "person", asked.caller.name, _words(wanted.says) or {}, now)
        await self._books.add_window(made)
        return answer(_window_picture(made, now), 201)

    async def remove_window(self, asked: Asked) -> Response:
        _must_operate(asked)
        if not await self._books.remove_window(asked.path("id"), self._house.clock.now_ms()):
            raise Problem("not_found")
        return answer({"id": asked.path("id"), "object": "maintenance", "deleted": True})


def _operates(asked: Asked) -> bool:
    """Operators' keys; in the sandbox a merchant's key with that right is one too."""
    key = asked.caller.key
    return "operations" in key.scopes and not (key.merchant and key.livemode)


def _must_operate(asked: Asked) -> None:
    if not _operates(asked):
        raise Problem("not_allowed", "incidents and maintenance are changed by the platform's operators")


def _words(says: Says | None) -> dict[str, str] | None:
    return {"zh": says.zh, "en": says.en} if says is not None else None


def _window_picture(one: Maintenance, now_ms: int) -> dict[str, Any]:
    return {"id": one.id, "object": "maintenance", "party": one.party, "name": one.name, "from_at": rfc3339(one.from_ms),
            "until_at": rfc3339(one.until_ms), "source": one.source, "by": one.by, "says": dict(one.says),
            "holds_now": one.from_ms <= now_ms < one.until_ms}  # fmt: skip


def _bad(where: str, says: str) -> Problem:
    return Problem("bad_field", says, errors=[{"pointer": f"/{where}", "detail": says}])
