"""Roll-outs over real PostgreSQL and simulated boxes, on a clock that the test moves: what P-goes-wrong stops, and goes back."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from daozhang.core.directory import Till
from daozhang.core.faults import Conflict
from daozhang.core.fleet import Fact
from daozhang.core.payment import State
from daozhang.core.rollout import ROLLING_NEXT, TAKING_NEXT, Kpi, Move, Rolling, Rollout, Taking
from daozhang.devices import rolling
from daozhang.store import migrate
from daozhang.store.store import PgStore
from tests.gateway.fleet_of_boxes import BAD, GOOD, Fleet
from tests.store.kit import NOW, attempt, new_id, past_the_horizon, sent, step


async def states(fleet: Fleet, rollout: Rollout) -> Counter[str]:
    return Counter(one.state.value for one in await fleet.store.members(rollout))


async def told(fleet: Fleet, rollout: Rollout) -> int:
    """Devices that ever had an order of this roll-out."""
    return len({row["device"] for row in await fleet.store._pool.fetch(
        "select device from device_command where bucket = $1 and merchant = $2 and by = $3", rollout.bucket, fleet.mer.id, f"rollout {rollout.id}")})  # fmt: skip


def test_the_states_of_the_schema_are_those_of_the_code() -> None:
    text = (Path(migrate.HERE) / "schema" / "007_rollouts.sql").read_text()
    for name, table in (("rollout_step_allowed", ROLLING_NEXT), ("rollout_device_step_allowed", TAKING_NEXT)):
        part = text.partition(f"function {name}()")[2].partition("]))")[0]
        said = set(re.findall(r"'(\w+)>(\w+)'", part))
        assert said == {(a.value, b.value) for a, after in table.items() for b in after}, name


async def stopped_at_one_percent(store: PgStore, count: int) -> Fleet:
    fleet = await Fleet(store).enrol(count)
    rollout = await fleet.begin(BAD)
    end = await fleet.live(rollout, 600)
    assert (end.state, end.why, end.stage) == (Rolling.TURNED_BACK, "bad_devices", 0)
    assert await told(fleet, rollout) == max(1, count // 100)
    assert fleet.versions() == {"1.4.0": count} and await states(fleet, rollout) == {"back": count}
    events = await store._pool.fetch("select type from event where bucket = $1 and subject = $2 order by seq", rollout.bucket, rollout.id)
    assert [row["type"] for row in events] == ["rollout.started", "rollout.stopped", "rollout.turned_back"]
    return fleet


async def test_a_bad_image_stops_by_itself_at_the_first_stage(store: PgStore) -> None:
    await stopped_at_one_percent(store, 200)


@pytest.mark.prove
async def test_a_thousand_devices_and_a_bad_image(store: PgStore) -> None:
    fleet = await stopped_at_one_percent(store, 1_000)
    print(f"1,000 devices: bad image told to 10, all {fleet.versions()}; now a good one")
    rollout = await fleet.begin(GOOD, "2.0.1")
    end = await fleet.live(rollout, 1_200)
    assert end.state is Rolling.DONE and fleet.versions() == {"2.0.1": 1_000}


async def test_a_good_image_goes_through_all_stages_and_is_committed(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(40)
    rollout = await fleet.begin(GOOD, stages=(5, 50, 100))
    one = await fleet.live(rollout, 30)
    assert (one.state, one.stage, fleet.versions()) == (Rolling.ROLLING, 0, {"1.4.0": 38, "2.0.0": 2})
    one = await fleet.live(rollout, 60)
    assert (one.stage, fleet.versions()) == (1, {"1.4.0": 20, "2.0.0": 20})
    one = await fleet.live(rollout, 300)
    assert one.state is Rolling.DONE and fleet.versions() == {"2.0.0": 40}
    assert all(not box.slots.goes_back("2.0.0") for box in fleet.boxes.values())  # committed: nothing to go back to
    assert await states(fleet, rollout) == {"well": 40}


async def test_an_interrupted_one_is_carried_on_by_the_next(store: PgStore) -> None:
    """Each look by another process, and one dies after its lease and before its move: everybody is told once."""
    fleet = await Fleet(store).enrol(30)
    rollout = await fleet.begin(GOOD, stages=(10, 100), soak_s=4)
    for _ in range(12):
        fleet.new_roller()
        await fleet.store.rollouts_due(fleet.clock.at, 1_000)  # leased by one that is killed here
        assert not await fleet.roller.round()
        end = await fleet.live(rollout, 4)
    end = await fleet.live(rollout, 60)
    assert end.state is Rolling.DONE and fleet.versions() == {"2.0.0": 30}
    rows = await store._pool.fetch("select command, count(*) as n from device_command where bucket = $1 and merchant = $2 group by 1",
                                   rollout.bucket, fleet.mer.id)  # fmt: skip
    assert {row["command"]: row["n"] for row in rows} == {"update": 30, "commit": 30}


async def test_two_at_once_move_it_once(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(3)
    rollout = await fleet.begin(GOOD)
    held = replace(rollout, state=Rolling.PAUSED)
    await store.move_rollout(rollout, Move(held), fleet.clock.at, {})
    with pytest.raises(Conflict):
        await store.move_rollout(rollout, Move(replace(rollout, stage=1)), fleet.clock.at, {})
    with pytest.raises(Conflict):
        await fleet.begin(GOOD, "3.0.0")  # one at a time for the same devices
    assert (await fleet.live(rollout, 30)).state is Rolling.PAUSED and not await told(fleet, rollout)


async def test_the_downgraded_and_the_forged_are_refused_by_the_devices_and_stop_everything(store: PgStore) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    fleet = await Fleet(store).enrol(20)
    old = await fleet.live(await fleet.begin(GOOD, "1.3.9"), 60)
    assert (old.state, old.why) == (Rolling.TURNED_BACK, "bad_devices")
    forged = await fleet.begin(GOOD, "9.0.0", key=Ed25519PrivateKey.generate())
    end = await fleet.live(forged, 60)
    assert (end.state, end.why, await told(fleet, forged)) == (Rolling.TURNED_BACK, "forged", 1)
    assert fleet.versions() == {"1.4.0": 20}


async def test_a_person_ends_it_and_who_has_it_goes_back(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(10)
    rollout = await fleet.begin(GOOD, stages=(50, 100))
    fleet.off = set(sorted(fleet.boxes)[:2])
    one = await fleet.live(rollout, 20)
    assert fleet.versions()["2.0.0"] >= 3
    await store.move_rollout(one, Move(replace(one, state=Rolling.TURNING_BACK, why="person")), fleet.clock.at, {})
    turning = await fleet.live(rollout, 10)
    fleet.off = set()
    end = await fleet.live(turning, 30)
    assert end.state is Rolling.TURNED_BACK and fleet.versions() == {"1.4.0": 10}
    await fleet._commands(rollout)
    assert fleet.versions() == {"1.4.0": 10}  # no order to update is left over for those who were away


async def test_a_configuration_goes_out_and_comes_back_as_it_was(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(10)
    rollout = await fleet.begin(b'{"volume": 30, "only_amount": true}', "5", stages=(20, 100))
    await fleet.live(rollout, 30)
    assert sorted(box.volume for box in fleet.boxes.values()) == [30, 30] + [80] * 8
    one = await fleet.now(rollout)
    await store.move_rollout(one, Move(replace(one, state=Rolling.TURNING_BACK, why="person")), fleet.clock.at, {})
    end = await fleet.live(rollout, 60)
    assert end.state is Rolling.TURNED_BACK and {box.volume for box in fleet.boxes.values()} == {80}
    assert all(device.desired == {"volume": 80, "lang": "zh"} for device in await store.devices(fleet.mer.id, "", 100))
    again = await fleet.live(await fleet.begin(b'{"volume": 40}', "6", stages=(20, 100), soak_s=10), 200)
    assert again.state is Rolling.DONE and {box.volume for box in fleet.boxes.values()} == {40}


async def test_whoever_is_away_does_not_hold_up_the_next_one_and_goes_back_when_it_comes(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(10)
    rollout = await fleet.begin(GOOD, stages=(50, 100), soak_s=600)
    one = await fleet.live(rollout, 30)
    away = next(ident for ident, box in fleet.boxes.items() if box.slots.running == "2.0.0")
    fleet.off = {away}
    await store.log_out(fleet.devices[away], fleet.sessions[away], fleet.clock.at, "power", True)
    await store.move_rollout(one, Move(replace(one, state=Rolling.TURNING_BACK, why="person")), fleet.clock.at, {})
    end = await fleet.live(rollout, 200)
    assert end.state is Rolling.TURNED_BACK and fleet.versions() == {"1.4.0": 9, "2.0.0": 1}
    assert await states(fleet, rollout) == {"back": 9, "leaving": 1}
    fleet.off = set()
    await fleet._commands(rollout)
    assert fleet.versions() == {"1.4.0": 10}


async def test_a_device_that_restarts_is_not_taken_for_one_that_fell_back(store: PgStore) -> None:
    """A heartbeat with the old version between the order's outcome and the restart proves nothing."""
    fleet = await Fleet(store).enrol(1)
    rollout = await fleet.begin(GOOD, boot_s=60)
    (member,) = await store.members(rollout)
    at = fleet.clock.at
    seen = replace(member, state=Taking.TOLD, told_ms=at, outcome="done", outcome_ms=at + 5, heard_ms=at + 9_000, reported={"software": "1.4.0"}, online=True)
    assert not rolling.look(rollout, [seen], Kpi(), at + 10_000).moved
    late = replace(seen, heard_ms=at + 61_000)
    assert rolling.look(rollout, [late], Kpi(), at + 62_000).moved == ((member.device, Taking.BAD, "fell back to 1.4.0"),)
    new = replace(seen, reported={"software": "2.0.0"})
    assert rolling.look(rollout, [new], Kpi(), at + 10_000).moved == ((member.device, Taking.WELL, ""),)


async def test_a_device_that_comes_back_with_the_old_image_is_bad(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(2)
    rollout = await fleet.begin(GOOD, stages=(50, 100), soak_s=600)
    await fleet.live(rollout, 30)
    (new,) = [box for box in fleet.boxes.values() if box.slots.running == "2.0.0"]
    new.slots.goes_back("2.0.0")  # its watchdog, an hour later
    end = await fleet.live(rollout, 60)
    assert (end.state, end.why) == (Rolling.TURNED_BACK, "bad_devices")


async def test_the_kpis_are_counted_by_who_has_it(store: PgStore) -> None:
    """Payments by the till's side, announcements by the speaker's, since the stage began; what is open counts for nobody."""
    fleet = await Fleet(store).enrol(2)
    devices = list(fleet.devices.values())
    other = new_id("till", fleet.mer.bucket)
    await store.add_till(Till(other, fleet.mer.bucket, fleet.mer.id, devices[0].store, "2", NOW))
    await store.change_device(replace((await store.devices(fleet.mer.id))[0], till=other))
    rollout = replace(await fleet.begin(GOOD, stages=(50, 100)), stage_ms=0)
    await fleet.live(rollout, 4)
    have = next(one for one in await store.members(rollout) if one.state is not Taking.WAITING).device
    new = {one.id: one.till for one in await store.devices(fleet.mer.id)}[have]
    old = ({devices[0].till, other} - {new}).pop()
    for till, ends in ((new, (State.PAID, State.NOT_PAID)), (old, (State.PAID, State.PAID, State.PAID))):
        for end in ends:
            await store.apply(step(await sent(store, attempt(fleet.mer, till=till)), end))
        await sent(store, attempt(fleet.mer, till=till))
    await past_the_horizon(store)
    await store.announce(None, NOW + 5_000)
    assert await store.kpi(rollout) == Kpi(decided=2, paid=1, others_decided=3, others_paid=3)
    now = NOW + 10_000_000
    await store.to_note(now, 0, 1_000)
    counted = await store.kpi(rollout)
    assert (counted.announced, counted.heard, counted.others_announced > 0, counted.others_heard) == (2, 0, True, 0)


async def test_old_facts_of_devices_are_forgotten(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(1)
    (device,) = await store.devices(fleet.mer.id)
    await store.facts([Fact(device.id, device.bucket, device.merchant, at, "evidence") for at in (1, 2, 3, NOW)])
    assert await store.forget_facts(1_000, 2) == 2 and await store.forget_facts(1_000, 2) == 1
    assert min(fact.at_ms for fact in await store.facts_of(device)) == NOW


@pytest.mark.parametrize(("kpi", "why"), [
    (Kpi(20, 10, 500, 490), "payments"), (Kpi(20, 19, 500, 490), ""), (Kpi(9, 0, 500, 490), ""), (Kpi(20, 10, 9, 9), ""),
    (Kpi(announced=20, heard=12, others_announced=300, others_heard=299), "announcements"), (Kpi(), ""),
])  # fmt: skip
async def test_payment_kpis_stop_it(store: PgStore, kpi: Kpi, why: str) -> None:
    fleet = await Fleet(store).enrol(1)
    rollout = await fleet.begin(GOOD)
    assert rolling.wrong(rollout, await store.members(rollout), kpi) == why
    stopped = rolling.look(rollout, await store.members(rollout), kpi, fleet.clock.at).rollout
    assert (stopped.state is Rolling.TURNING_BACK) is bool(why)


async def test_devices_that_vanish_with_the_new_image_stop_it(store: PgStore) -> None:
    fleet = await Fleet(store).enrol(30)
    rollout = await fleet.begin(GOOD, stages=(50, 100), soak_s=600)
    await fleet.live(rollout, 40)
    members = await store.members(rollout)
    gone = [replace(one, online=False) if one.state is Taking.WELL and one.place % 2 else one for one in members]
    assert rolling.wrong(rollout, members, Kpi()) == "" and rolling.wrong(rollout, gone, Kpi()) == "offline"
    everywhere = [replace(one, online=False) for one in members]
    assert rolling.wrong(rollout, everywhere, Kpi()) == ""  # the street's power: the new image is not to blame
