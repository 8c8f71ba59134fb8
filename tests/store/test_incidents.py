"""Incidents in real PostgreSQL: one leader, one transaction a step, merchants hear what concerns them, and nothing goes backwards."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from daozhang.core.changed import changed
from daozhang.core.directory import Merchant
from daozhang.core.faults import Conflict
from daozhang.core.incident import STAGE_NEXT, Hit, Incident, Maintenance, Probe, Stage, Step
from daozhang.core.must import Broken
from daozhang.store import migrate
from daozhang.store.store import PgStore
from tests.store import kit
from tests.store.kit import NOW, new_id, past_the_horizon

SAYS = {"zh": "我们观察到……", "en": "We observe ..."}


def test_the_stages_of_the_schema_are_those_of_the_code() -> None:
    text = (Path(migrate.HERE) / "schema" / "012_incidents.sql").read_text()
    part = text.partition("function incident_step_allowed()")[2].partition("]))")[0]
    assert set(re.findall(r"'(\w+)>(\w+)'", part)) == {(a.value, b.value) for a, after in STAGE_NEXT.items() for b in after}
    assert set(STAGE_NEXT) == set(Stage) and all(not STAGE_NEXT[end] for end in (Stage.RESOLVED, Stage.MERGED))


def incident(**changes: Any) -> Incident:
    made = Incident(new_id("inc", 0), False, "dark", "channel", "alipay", NOW, NOW + 9_000, title=SAYS, texts={"cashier": SAYS})
    return changed(made, updated_ms=NOW + 9_000, **changes)


def hit(of: Merchant) -> Hit:
    return Hit(new_id("pay", of.bucket), of.bucket, of.id, "sto_1", 1250)


async def told(store: PgStore, of: Merchant) -> list[tuple[str, str]]:
    await past_the_horizon(store)
    return [(row.type, row.data["stage"]) for row in (await store.events(of.id)).rows]


async def test_a_draft_is_nobodys_news_and_a_published_one_everybodys_whom_it_concerns(store: PgStore) -> None:
    one, two, other = kit.merchant(), kit.merchant(), kit.merchant()
    draft = await store.write_incident(Step(incident(), (hit(one),), SAYS, "rule", "incident.opened"))
    assert draft.version == 1 and await told(store, one) == []
    found = changed(draft.to(Stage.IDENTIFIED), published_ms=NOW + 10_000, published_by="rule", party="platform")
    public = await store.write_incident(Step(found, (), SAYS, "rule", "incident.opened"))
    assert await told(store, one) == [("incident.opened", "identified")] and await told(store, two) == []
    late = hit(two)
    public = await store.write_incident(Step(public, (late,), {}, "rule", ""))
    assert await told(store, two) == [("incident.opened", "identified")] and len(await told(store, one)) == 1
    public = await store.write_incident(Step(public.to(Stage.MONITORING, recovered_ms=NOW), (), SAYS, "rule", "incident.updated"))
    ended = await store.write_incident(Step(public.to(Stage.RESOLVED, ended_ms=NOW + 9), (), SAYS, "rule", "incident.resolved"))
    for who in (one, two):
        assert await told(store, who) == [("incident.opened", "identified"), ("incident.updated", "monitoring"), ("incident.resolved", "resolved")]
    assert await told(store, other) == [] and await store.incident_of(late.payment) == ended.id
    assert [line.stage.value for line in await store.updates_of(ended.id)] == ["investigating", "identified", "monitoring", "resolved"]
    scope = await store.hits_of(ended.id)
    assert (scope.payments, scope.amount_fen, scope.merchants) == (2, 2500, 2)
    assert (await store.hits_of(ended.id, one.id)).payments == 1


async def test_two_writers_never_undo_each_other_and_an_end_is_an_end(store: PgStore, link: asyncpg.Connection) -> None:
    made = await store.write_incident(Step(incident()))
    await store.write_incident(Step(made.to(Stage.IDENTIFIED)))
    with pytest.raises(Conflict):
        await store.write_incident(Step(made.to(Stage.MONITORING)))
    with pytest.raises(Conflict):
        await store.write_incident(Step(changed(made, version=0)))
    with pytest.raises(Broken):
        made.to(Stage.RESOLVED, ended_ms=NOW).to(Stage.MONITORING)
    stored = await store.incident(made.id)
    assert stored is not None and stored.stage is Stage.IDENTIFIED and stored.title == SAYS
    ended = await store.write_incident(Step(stored.to(Stage.RESOLVED, ended_ms=NOW + 9)))
    with pytest.raises(asyncpg.CheckViolationError):
        await link.execute("update incident set stage = 'monitoring', ended_ms = 0 where id = $1", ended.id)
    assert ended.id not in [one.id for one in await store.open_incidents()]


async def test_what_is_merged_takes_its_payments_along(store: PgStore) -> None:
    mer = kit.merchant()
    small, large = incident(), incident()
    small = await store.write_incident(Step(small, (first := hit(mer),)))
    large = await store.write_incident(Step(changed(large, published_ms=NOW, published_by="rule"), (hit(mer),)))
    await store.write_incident(Step(small.to(Stage.MERGED, ended_ms=NOW, merged_into=large.id), (), SAYS, "rule", "incident.resolved"))
    assert await store.incident_of(first.payment) == large.id and (await store.hits_of(large.id)).payments == 2


async def test_one_process_leads_and_another_follows_when_it_is_gone(store: PgStore, link: asyncpg.Connection) -> None:
    await link.execute("delete from watch_lead")
    assert await store.lead("one", 60_000) and not await store.lead("two", 60_000) and await store.lead("one", 50)
    await asyncio.sleep(0.1)
    assert await store.lead("two", 60_000) and not await store.lead("one", 60_000)
    await link.execute("delete from watch_lead")


async def test_lists_show_drafts_to_operators_only(store: PgStore) -> None:
    mer, other = kit.merchant(), kit.merchant()
    draft = await store.write_incident(Step(incident(place="merchant", place_name=mer.id), (hit(mer),)))
    ids = [one.id for one in (await store.incidents(drafts=True)).rows]
    assert draft.id in ids and draft.id not in [one.id for one in (await store.incidents()).rows]
    public = await store.write_incident(Step(changed(draft, published_ms=NOW, published_by="key:1")))
    seen = {who.id: [one.id for one in (await store.incidents(merchant=who.id)).rows] for who in (mer, other)}
    assert public.id in seen[mer.id] and public.id not in seen[other.id]
    page = await store.incidents(drafts=True, limit=1)
    assert page.has_more and (await store.incidents(drafts=True, limit=1, cursor=page.next_cursor)).rows[0].id < page.next_cursor


async def test_maintenance_and_probes(store: PgStore) -> None:
    ident = new_id("mnt", 0)
    window = Maintenance(ident, "platform", "alipay", NOW, NOW + 60_000, "notice", "channel", SAYS, NOW)
    await store.add_window(window)
    await store.add_window(Maintenance(ident, "platform", "alipay", NOW, NOW + 90_000, "notice", "channel", SAYS, NOW))
    mine = [one for one in await store.windows(NOW + 70_000, NOW + 80_000) if one.id == ident]
    assert [one.until_ms for one in mine] == [NOW + 90_000] and mine[0].says == SAYS
    assert await store.remove_window(ident, NOW) and not await store.remove_window(ident, NOW)
    assert ident not in [one.id for one in await store.windows(NOW, NOW + 1)]
    await store.probed(Probe("alipay", "here", NOW + 5, True, 30))
    await store.probed(Probe("alipay", "here", NOW, False, 3_000, "READ_TIMEOUT"))
    assert Probe("alipay", "here", NOW + 5, True, 30) in await store.probes()
