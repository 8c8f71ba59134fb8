"""Devices and announcements in real PostgreSQL: made from the outbox once, claimed by the connection that stands, never back."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from daozhang.core.directory import Merchant, Shop, Till
from daozhang.core.faults import Conflict
from daozhang.core.fleet import TOLD_NEXT, Announcement, Beat, Command, Device, Fact, Heard, Standing, Told
from daozhang.core.payment import State
from daozhang.devices import enrolment
from daozhang.store import migrate
from daozhang.store.store import PgStore
from tests.gateway.world import Books
from tests.store import kit
from tests.store.kit import NOW, attempt, new_id, sent, step, taken

DAY = 86_400_000


async def place(store: PgStore) -> tuple[Merchant, str, str]:
    mer = kit.merchant()
    await store.add_merchant(mer)
    shop, till = new_id("sto", mer.bucket), new_id("till", mer.bucket)
    await store.add_shop(Shop(shop, mer.bucket, mer.id, "店", NOW))
    await store.add_till(Till(till, mer.bucket, mer.id, shop, "1", NOW))
    return mer, shop, till


async def speaker(store: PgStore, mer: Merchant, shop: str, till: str, **more: Any) -> Device:
    code, serial = os.urandom(8).hex(), os.urandom(8).hex()
    made = Device(new_id("dev", mer.bucket), mer.bucket, mer.id, shop, till, "speaker", serial, "喇叭", True, Standing.ENROLLING, NOW)
    made = replace(made, **more)
    await store.add_device(made, enrolment.sha256(code), NOW + 1000)
    ident = await store.enrol(enrolment.sha256(code), made.serial, enrolment.sha256("s"), lambda d: store._seal.close(d, {"sign": "k"}), NOW)
    assert ident == made.id
    found = await store.device(ident)
    assert found is not None and found.keys == {"sign": "k"} and found.standing is Standing.ACTIVE
    return found


async def paid(store: PgStore, mer: Merchant, till: str, **more: Any) -> str:
    return (await taken(store, attempt(mer, till=till, **more))).id


async def test_the_states_of_the_schema_are_those_of_the_code(link: asyncpg.Connection) -> None:
    text = (Path(migrate.HERE) / "schema" / "004_devices.sql").read_text()
    part = text.partition("announcement_step_allowed()")[2].partition("]))")[0]
    said = {tuple(pair.strip("' \n").split(">")) for pair in part.partition("array[")[2].split(",")}
    assert said == {(a.value, b.value) for a, after in TOLD_NEXT.items() for b in after}


async def test_one_paid_payment_makes_one_sentence_for_each_speaker_of_its_till(store: PgStore) -> None:
    mer, shop, till = await place(store)
    other_till = new_id("till", mer.bucket)
    await store.add_till(Till(other_till, mer.bucket, mer.id, shop, "2", NOW))
    here, also, there = [await speaker(store, mer, shop, one) for one in (till, till, other_till)]
    payment = await paid(store, mer, till)
    now = kit.tick()
    assert await store.announce([mer.bucket], now) >= 1
    assert await store.announce(None, now) == 0
    rows = await store.announcements_of(payment)
    assert {row.device for row in rows} == {here.id, also.id} and {row.kind for row in rows} == {"paid"}
    assert not await store.announcements_to(there)
    assert all((row.amount_fen, row.state, row.sends) == (1250, Told.QUEUED, 0) for row in rows)


async def test_a_speaker_for_the_whole_shop_hears_every_till_of_it_once_and_no_other_shop(store: PgStore) -> None:
    mer, shop, till = await place(store)
    other_till, other_shop, far = new_id("till", mer.bucket), new_id("sto", mer.bucket), new_id("till", mer.bucket)
    await store.add_till(Till(other_till, mer.bucket, mer.id, shop, "2", NOW))
    await store.add_shop(Shop(other_shop, mer.bucket, mer.id, "店2", NOW))
    await store.add_till(Till(far, mer.bucket, mer.id, other_shop, "1", NOW))
    hall, own = await speaker(store, mer, shop, till, desired={"whole_store": True}), await speaker(store, mer, shop, till)
    payments = [await paid(store, mer, one) for one in (till, other_till, far)]
    await store.announce([mer.bucket], kit.tick())
    heard = {device.id: {row.payment for row in await store.announcements_to(device)} for device in (hall, own)}
    assert heard == {hall.id: set(payments[:2]), own.id: {payments[0]}}


async def test_nothing_is_said_of_what_is_not_proven(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    await sent(store, attempt(mer, till=till))
    refused = await store.apply(step(await sent(store, attempt(mer, till=till)), State.NOT_PAID))
    await store.announce([mer.bucket], kit.tick())
    assert [(row.kind, row.payment) for row in await store.announcements_to(device)] == [("not_paid", refused.id)]


async def test_before_it_enrolled_and_after_it_was_revoked_a_device_hears_nothing(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    await store.change_device(replace(device, standing=Standing.REVOKED))
    await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    assert not await store.announcements_to(device)
    again = await speaker(store, mer, shop, till, serial=device.serial)
    assert again.serial == device.serial


async def test_only_the_connection_that_stands_takes_and_only_once(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    first = await store.log_in(device, "g", NOW, False)
    payment = await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    (row,) = await store.take(device, first.session, kit.tick())
    assert (row.payment, row.sends) == (payment, 1) and not await store.take(device, first.session, kit.tick())
    second = await store.log_in(device, "g", NOW + 5, False)
    assert second.session > first.session and second.was_online
    assert not await store.take(device, first.session, kit.tick())
    (again,) = await store.take(device, second.session, kit.tick())
    assert again.sends == 2
    assert not await store.log_out(device, first.session, NOW + 6, "late", True)
    assert await store.log_out(device, second.session, NOW + 6, "gone", True)
    assert not await store.take(device, second.session, row.at_ms + DAY + 1)


async def test_an_acknowledgement_only_goes_forward_and_only_for_ones_own(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device, stranger = await speaker(store, mer, shop, till), await speaker(store, mer, shop, till)
    payment = await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    (row,) = await store.announcements_to(device)

    async def say(who: Device, state: Told, at: int, why: str = "") -> Announcement:
        await store.heard([Heard(who.id, who.bucket, row.id, at, state, False, why)])
        return next(one for one in await store.announcements_of(payment) if one.device == device.id)

    assert (await say(stranger, Told.PLAYED, 5)).state is Told.QUEUED
    assert ((await say(device, Told.DELIVERED, 6)).state, (await say(device, Told.DELIVERED, 7, "muted")).why) == (Told.DELIVERED, "muted")
    done = await say(device, Told.PLAYED, 8)
    assert (done.state, done.delivered_ms, done.played_ms, done.why) == (Told.PLAYED, 6, 8, "")
    assert await say(device, Told.DELIVERED, 9, "muted") == done and await say(device, Told.PLAYED, 10) == done


async def test_a_summary_ends_all_that_it_names(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    for _ in range(5):
        await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    rows = await store.announcements_to(device)
    await store.summarise(device, "sum_" + "0" * 32, [row.id for row in rows[:4]])
    await store.heard([Heard(device.id, device.bucket, "sum_" + "0" * 32, 77, Told.PLAYED)])
    states = [(row.state, row.late, row.played_ms) for row in await store.announcements_to(device)]
    assert states.count((Told.SUMMARISED, True, 77)) == 4 and states.count((Told.QUEUED, False, 0)) == 1


async def test_lost_state_is_made_again_except_what_was_heard(store: PgStore, link: asyncpg.Connection) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    heard, due = await taken(store, attempt(mer, till=till)), await taken(store, attempt(mer, till=till))
    await store.announce([mer.bucket], kit.tick())
    ident = next(row.id for row in await store.announcements_of(heard.id))
    line = replace(kit.line(heard, heard.evidence_n + 1, "told", detail={"announcement": ident}), op="announce")
    await store.apply(kit.Change(replace(heard, evidence_n=heard.evidence_n + 1), (line,)))
    before = [row.id for row in await store.announcements_of(due.id)]
    await link.execute("delete from announcement where device = $1", device.id)
    await link.execute("delete from outbox_place where bucket = $1", mer.bucket)
    await store.announce([mer.bucket], kit.tick())
    assert [row.payment for row in await store.announcements_to(device)] == [due.id]
    assert [row.id for row in await store.announcements_of(due.id)] == before


async def test_what_has_to_be_written_is_leased_and_comes_back(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    payment = await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    (row,) = await store.announcements_of(payment)

    async def mine(now: int) -> list[Announcement]:
        return [one for one in await store.to_note(now, 2500, 1000) if one.id == row.id]

    assert not await mine(row.at_ms + 2499)
    (silent,) = await mine(row.at_ms + 2500)
    assert silent.alarmed_ms == row.at_ms + 2500 and not await mine(row.at_ms + 2600)
    assert await mine(row.at_ms + 3600)
    await store.noted([(silent, 1)])
    assert not await mine(row.at_ms + 99_000)
    await store.heard([Heard(device.id, device.bucket, row.id, row.at_ms + 9, Told.PLAYED)])
    (played,) = await mine(row.at_ms + 99_000)
    assert played.played_ms
    await store.noted([(played, 2)])
    assert not await mine(row.at_ms + 999_000)


async def test_after_a_day_it_is_given_up_and_never_before(store: PgStore) -> None:
    mer, shop, till = await place(store)
    await speaker(store, mer, shop, till)
    payment = await paid(store, mer, till)
    await store.announce([mer.bucket], kit.tick())
    (row,) = await store.announcements_of(payment)
    await store.noted([(row, 1)])
    await store.give_up_on(row.at_ms + DAY - 1)
    assert (await store.announcements_of(payment))[0].state is Told.QUEUED
    await store.give_up_on(row.at_ms + DAY)
    assert (await store.announcements_of(payment))[0].state is Told.UNHEARD


async def test_the_world_of_the_tests_keeps_the_stores_rules(store: PgStore) -> None:
    """The same acts in PostgreSQL and in the books of `tests/gateway/world.py`: the same answers."""
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    books = Books()
    payments = [await paid(store, mer, till) for _ in range(6)]
    await store.announce([mer.bucket], kit.tick())
    for payment in payments:
        (row,) = await store.announcements_of(payment)
        books.rows[row.id] = row
        books.open[device.id].add(row.id)
    told: dict[str, list[Any]] = {"pg": [], "books": []}
    for name, one in (("pg", store), ("books", books)):
        seen = told[name]
        for at in (1, 2):
            login = await one.log_in(device, "g", NOW + at, False)
            rows = await one.take(device, login.session, NOW + 60_000)
            seen.append([(row.id, row.sends) for row in rows])
            seen.append([row.id for row in await one.take(device, login.session, NOW + 60_000)])
            seen.append([row.id for row in await one.take(device, login.session - 1, NOW + 60_000)])
            await one.heard([Heard(device.id, device.bucket, rows[0].id, NOW + at, Told.PLAYED, True),
                             Heard(device.id, device.bucket, rows[1].id, NOW + at, Told.DELIVERED, False, "muted")])  # fmt: skip
        await one.summarise(device, "sum_" + "1" * 32, [row.id for row in rows[2:4]])
        await one.heard([Heard(device.id, device.bucket, "sum_" + "1" * 32, NOW + 9, Told.PLAYED)])
    for payment in payments:
        (row,) = await store.announcements_of(payment)
        kept = books.rows[row.id]
        assert (row.state, row.sends, row.late, row.why, bool(row.played_ms)) == (kept.state, kept.sends, kept.late, kept.why, bool(kept.played_ms))
    assert told["pg"] == told["books"]


async def test_serials_codes_facts_beats_and_commands(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    with pytest.raises(Conflict):
        await speaker(store, mer, shop, till, serial=device.serial)
    code = enrolment.sha256("late")
    await store.new_code(device, code, NOW + 10)
    assert await store.enrol(code, device.serial, "x", lambda _: b"", NOW + 10) is None
    login = await store.log_in(device, "g1", NOW, False)
    await store.listens(device, login.session, frozenset({"announce"}))
    await store.beats([Beat(device.id, device.bucket, NOW + 1, {"battery": 9}), Beat(device.id, device.bucket, NOW + 2, {"volume": 1})])
    state = (await store.device_states([device]))[device.id]
    assert (state.online, state.kinds, state.heard_ms, state.reported) == (True, {"announce"}, NOW + 2, {"volume": 1})
    assert await store.nobody_at("g1", NOW + 3) == 1 and not (await store.device_states([device]))[device.id].online
    await store.facts([Fact(device.id, device.bucket, mer.id, NOW, "frozen", {"why": "中\0"}, "device.misconfigured")])
    assert [fact.kind for fact in await store.facts_of(device)] == ["frozen", "online"]
    events = (await store.events(mer.id)).rows
    assert [event.type for event in events] == ["device.online", "device.misconfigured"]
    command = Command(new_id("cmd", mer.bucket), mer.bucket, mer.id, device.id, "restart", {"a": 1}, "key:x", NOW, NOW + 100)
    await store.add_command(command)
    assert [one.id for one in await store.take_commands(device, login.session, NOW)] == [command.id]
    assert not await store.take_commands(device, login.session, NOW)
    await store.command_told(command.id, device, NOW + 1, "delivered", {})
    await store.command_told(command.id, device, NOW + 2, "done", {"ok": True})
    await store.command_told(command.id, device, NOW + 3, "failed", {})
    (done,) = await store.commands_of(device)
    assert (done.state, done.done_ms, done.result) == ("done", NOW + 2, {"ok": True})
