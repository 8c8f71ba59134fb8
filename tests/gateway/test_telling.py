"""Link 7: queued, delivered, played; late when it is late; silent never unnoticed; nothing lost, nothing twice as new."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg

from tests.conftest import System
from tests.gateway.kit import Speaker, announcements, enrol, new_till, played, ready, until


def evidence(system: System, payment: str) -> list[dict[str, Any]]:
    return [line for line in system.call("GET", f"/v1/payments/{payment}/evidence")[1]["data"] if line["op"] == "announce"]


def silence_named(system: System, payment: str) -> dict[str, Any]:
    lines = until(lambda: [line for line in evidence(system, payment) if line["kind"] == "act"])
    events = system.call("GET", f"/v1/events?subject={payment}&limit=100")[1]["data"]
    assert [row["data"]["cause"] for row in events if row["type"] == "announcement.failed"] == [lines[0]["code"]]
    return dict(lines[0])


def test_what_was_heard_is_part_of_the_payments_story(system: System) -> None:
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    payment = system.pay(till=till)
    assert speaker.next()["kind"] == "paid"
    line = until(lambda: evidence(system, payment["id"]))[0]
    assert line["kind"] == "told" and line["who"] == f"speaker:{told['device'][-6:]}"
    shown = until(lambda: (p := system.call("GET", f"/v1/payments/{payment['id']}")[1])["told_at"] and p)
    assert shown["told_at"] >= shown["decided_at"]
    speaker.stop()


def test_a_dead_speaker_is_named_and_catches_up_late_and_once(system: System) -> None:
    """Pull the power, pay three times, restore: the till reads it within three seconds, each is said once, as late."""
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    speaker.crash()
    paid = [system.pay(till=till, amount=100 + at) for at in range(3)]
    for payment in paid:
        line = silence_named(system, payment["id"])
        assert line["code"] == "device.speaker_offline" and "离线" in line["text"] and "offline" in line["text"]
        (row,) = announcements(system, payment["id"])
        assert row["state"] == "queued" and row["alarmed_at"]
    again = Speaker(told).start()
    heard = [again.next() for _ in paid]
    assert sorted(one["amount"] for one in heard) == [100, 101, 102] and all(one["late"] and "补报" in one["text"]["zh"] for one in heard)
    assert all(played(system, payment["id"])["late"] for payment in paid) and again.silent(2)
    again.stop()


def test_a_muted_speaker_is_named_at_once(system: System) -> None:
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told, ack=False).start()
    ready(system, told)
    payment = system.pay(till=till)
    heard = speaker.next()
    speaker.publish(told["topics"]["ack"], {"announce_id": heard["announce_id"], "state": "failed", "why": "muted"})
    line = silence_named(system, payment["id"])
    assert line["code"] == "device.speaker_muted"
    (row,) = announcements(system, payment["id"])
    assert (row["state"], row["why"], row["played_at"]) == ("delivered", "muted", None)
    speaker.stop()


def test_delivered_is_not_played(system: System) -> None:
    """The wire's acknowledgement says nothing about sound: without the speaker's own word the alarm goes off."""
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told, ack=False).start()
    ready(system, told)
    payment = system.pay(till=till)
    speaker.next()
    assert silence_named(system, payment["id"])["code"] == "device.speaker_offline"
    (row,) = announcements(system, payment["id"])
    assert row["state"] == "delivered" and row["delivered_at"] and not row["played_at"]
    speaker.stop()


def test_a_long_outage_is_one_sentence(system: System) -> None:
    """F33: forty payments while nobody listened are summed up, with times, none of them as new; a fresh one goes first."""
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    speaker.stop()
    paid = [system.pay(till=till, amount=100) for _ in range(40)]
    until(lambda: (rows := announcements(system, paid[-1]["id"])) and rows[0]["alarmed_at"])
    again = Speaker(told).start()
    heard = again.next()
    assert (heard["kind"], heard["count"], heard["amount"], heard["late"]) == ("summary", 40, 4000, True)
    assert "补报" in heard["text"]["zh"] and "40" in heard["text"]["zh"] and heard["at"] < heard["until"]
    rows = until(lambda: (found := [played(system, one["id"]) for one in paid]) and found)
    assert {row["state"] for row in rows} == {"summarised"} and again.silent(2)
    fresh = system.pay(till=till, amount=500)
    assert again.next()["late"] is False and played(system, fresh["id"])["state"] == "played"
    again.stop()


def test_a_refusal_speaks_without_the_payers_reason(system: System) -> None:
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    system.pay("no_balance", till=till)
    heard = speaker.next()
    assert heard["kind"] == "not_paid" and "没收到钱" in heard["text"]["zh"]
    assert "余额" not in str(heard) and "balance" not in str(heard).lower() and "insufficient" not in str(heard)
    speaker.stop()


def test_unpaid_is_never_announced_as_money(system: System) -> None:
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    waiting = system.pay("hesitates", till=till, wait_s=0)
    system.pay("no_balance", till=till)
    assert {one["kind"] for one in _drain(speaker, 2)} == {"not_paid"}
    assert announcements(system, waiting["id"]) == []
    speaker.stop()


def _drain(speaker: Speaker, for_s: float) -> list[dict[str, Any]]:
    time.sleep(for_s)
    return [speaker.heard.get() for _ in range(speaker.heard.qsize())]


def test_the_gateway_killed_loses_nothing_and_says_nothing_twice_as_new(own_system: System) -> None:
    system = own_system
    told = enrol(system, system.state["till"])
    speaker = Speaker(told).start()
    ready(system, told)
    paid = []
    for at in range(12):
        if at in (3, 7):
            _kill_gateway(system)
        paid.append(system.pay(amount=100 + at))
    rows = [played(system, one["id"], 60) for one in paid]
    assert {row["state"] for row in rows} <= {"played", "summarised"}
    new = [one["announce_id"] for one in _drain(speaker, 1) if not one["late"]]
    assert len(new) == len(set(new))
    # Everything that the gateway keeps is wiped: what was heard stays heard, what is due comes again, without a flood.
    speaker.crash()
    due = [system.pay(amount=900 + at) for at in range(2)]
    until(lambda: announcements(system, due[-1]["id"]))
    asyncio.run(_wipe(system))
    again = Speaker(told).start()
    heard = [again.next(60) for _ in due]
    assert sorted(one["amount"] for one in heard) == [900, 901] and again.silent(2)
    assert [played(system, one["id"])["state"] for one in due] == ["played", "played"]
    again.stop()


def _kill_gateway(system: System) -> None:
    """The one that runs now (an earlier kill may not be over yet)."""

    def killed() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(system.state["pids"]["gateway"], signal.SIGKILL)
            return True
        return False

    until(killed, 30)


async def _wipe(system: System) -> None:
    """What a broker would keep: sessions, the queue, how far the outbox was read."""
    environ = Path(f"/proc/{system.state['pids']['gateway']}/environ").read_text().split("\0")
    dsn = next(line for line in environ if line.startswith("DAOZHANG_DSN=")).removeprefix("DAOZHANG_DSN=")
    link = await asyncpg.connect(dsn)
    try:
        async with link.transaction():
            for table in ("device_state", "announcement", "outbox_place"):
                await link.execute(f"delete from {table}")
    finally:
        await link.close()


def test_commands_and_configuration_come_back_with_their_outcome(system: System) -> None:
    told = enrol(system, new_till(system))
    speaker = Speaker(told).start()
    ready(system, told)
    path = f"/v1/devices/{told['device']}"
    assert system.call("POST", f"{path}/commands", {"command": "format_disk"})[0] == 422
    status, made = system.call("POST", f"{path}/commands", {"command": "self_test"})
    assert status == 201 and made["state"] == "queued"
    heard = speaker.next()
    assert (heard["command"], heard["command_id"]) == ("self_test", made["id"])
    until(lambda: system.call("GET", f"{path}/commands")[1]["data"][0]["state"] == "delivered")
    speaker.publish(told["topics"]["ack"], {"command_id": made["id"], "state": "done", "result": {"speaker": "ok"}})
    done = until(lambda: (row := system.call("GET", f"{path}/commands")[1]["data"][0])["state"] == "done" and row)
    assert done["result"] == {"result": {"speaker": "ok"}} and done["done_at"]
    status, changed = system.call("PATCH", path, {"desired": {"volume": 30}})
    assert status == 200 and changed["desired"]["volume"] == 30 and changed["desired_n"] == 2
    speaker.publish(told["topics"]["heartbeat"], {"battery": 3, "mains": False, "volume": 0, "software": "1.0.0", "evil": {"x": 1}})
    seen = until(lambda: (row := system.call("GET", path)[1])["reported"].get("battery") == 3 and row)
    assert {"device.battery_low", "device.speaker_muted", "device.outdated_software"} <= set(seen["causes"])
    assert seen["health"] == "attention" and "evil" not in seen["reported"]
    speaker.stop()
