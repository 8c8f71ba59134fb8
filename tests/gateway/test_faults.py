"""The yard's faults, each staged by one command, and what can be seen of them (F26-F34)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import System
from tests.gateway.kit import alarms, announcements, enrol, new_till, played, until


class Staged:
    """``daozhang device simulate`` in a process of its own."""

    def __init__(self, system: System, keep: Path, *words: str) -> None:
        self.till = new_till(system)
        self.told = enrol(system, self.till)
        keep.write_text(json.dumps([self.told]))
        command = [sys.executable, "-m", "daozhang.cli.main", "device", "simulate", "1", "--keep", str(keep), "--data", str(system.data), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.system = system
        until(lambda: system.call("GET", f"/v1/devices/{self.told['device']}")[1]["online_at"], 30)

    def device(self) -> dict[str, Any]:
        return dict(self.system.call("GET", f"/v1/devices/{self.told['device']}")[1])

    def end(self) -> list[dict[str, Any]]:
        """Stop it, and read what it told."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=20)
        return [json.loads(line) for line in out.decode().splitlines()]


@pytest.mark.parametrize(("fault", "causes"), [
    ("battery", {"device.battery_low"}), ("sim", {"network.sim_suspended", "network.no_data_left", "network.lossy"}), ("drift", {"device.clock_skew"}),
    ("old", {"device.outdated_software"}), ("mute", {"device.speaker_muted"}),
])  # fmt: skip
def test_what_a_device_reports_names_its_fault(system: System, tmp_path: Path, fault: str, causes: set[str]) -> None:
    staged = Staged(system, tmp_path / "ids.json", "--fault", fault)
    try:
        assert until(lambda: causes <= set(staged.device()["causes"]), 20)
    finally:
        staged.end()


def test_a_battery_that_dies_was_announced_before(system: System, tmp_path: Path) -> None:
    """F27: the last heartbeat says why it is silent."""
    staged = Staged(system, tmp_path / "ids.json", "--fault", "battery")
    device = until(lambda: (row := staged.device())["online"] is False and row, 60)
    assert "device.power_lost" in device["causes"] and device["reported"]["battery"] == 0
    staged.end()


def test_a_misbound_device_is_noticed(system: System, tmp_path: Path) -> None:
    """F32: it speaks under another merchant's name; refused and told."""
    staged = Staged(system, tmp_path / "ids.json", "--fault", "misbound")
    (alarm,) = until(lambda: alarms(system, "foreign_publish", staged.told["device"]), 20)
    assert "mer_of_somebody_else" in alarm["detail"]["detail"]
    staged.end()


def test_power_cut_and_three_payments(system: System, tmp_path: Path) -> None:
    """F26, F33: caught up as late, once each, with words that say so."""
    staged = Staged(system, tmp_path / "ids.json", "--power-cut", "1:7")
    until(lambda: not staged.device()["online"], 20)
    paid = [system.pay(till=staged.till, amount=200 + at) for at in range(3)]
    until(lambda: (rows := announcements(system, paid[-1]["id"])) and rows[0]["alarmed_at"], 20)
    assert all(played(system, one["id"], 40)["late"] for one in paid)
    spoke = [line for line in staged.end() if line["event"] == "spoke"]
    assert len(spoke) == 3 == len({line["announce_id"] for line in spoke}) and all("补报" in line["text"] for line in spoke)


def test_a_muted_box_is_named_at_the_payment(system: System, tmp_path: Path) -> None:
    """F34"""
    staged = Staged(system, tmp_path / "ids.json", "--fault", "mute")
    payment = system.pay(till=staged.till)
    row = until(lambda: [one for one in announcements(system, payment["id"]) if one["why"] == "muted"], 20)[0]
    assert row["state"] == "delivered"
    lines = until(lambda: [one for one in system.call("GET", f"/v1/payments/{payment['id']}/evidence")[1]["data"] if one["op"] == "announce"])
    assert lines[0]["code"] == "device.speaker_muted"
    staged.end()


def test_loss_is_made_good(system: System, tmp_path: Path) -> None:
    """Messages that are lost on the way: nothing is spoken twice as new."""
    staged = Staged(system, tmp_path / "ids.json", "--fault", "loss")
    paid = [system.pay(till=staged.till, amount=100 + at) for at in range(6)]

    def settled(payment: str) -> bool:
        rows = announcements(system, payment)
        return bool(rows) and bool(rows[0]["alarmed_at"] or rows[0]["played_at"])

    until(lambda: all(settled(one["id"]) for one in paid), 30)
    spoke = [line for line in staged.end() if line["event"] == "spoke" and not line["late"]]
    assert len(spoke) == len({line["announce_id"] for line in spoke})


def test_an_unknown_fault_is_refused_with_the_list(system: System) -> None:
    code, _, says = system.cli("device", "simulate", "1", "--fault", "coffee", "--for", "1")
    assert code == 2 and "mute" in says and "Traceback" not in says


def test_the_verbs_of_devices(system: System) -> None:
    code, out, _ = system.cli("device", "enroll", "--type", "speaker", "--till", new_till(system), "--json")
    told = json.loads(out)
    assert code == 0 and {"host", "port", "username", "password", "client_id"} <= told["mqtt"].keys()
    assert {"heartbeat", "evidence", "ack", "cmd", "announce", "config"} == told["topics"].keys()
    assert told["topics"]["announce"] == f"dz/v1/{system.state['merchant']}/{told['device']}/down/announce"
    assert told["device"] in system.cli("device", "ls")[1]
    code, out, _ = system.cli("device", "show", told["serial"], "--json")
    assert code == 0 and json.loads(out)["id"] == told["device"]
    code, out, _ = system.cli("device", "cmd", told["serial"], "restart", "--wait", "0.3", "--json")
    assert code == 10 and json.loads(out)["state"] == "queued"
    assert system.cli("speaker", "log", told["device"])[0] == 0
    code, _, says = system.cli("device", "show", "SN-nobody", "--lang", "en")
    assert code == 1 and "device ls" in says
