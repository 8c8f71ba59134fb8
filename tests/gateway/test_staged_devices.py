"""F26 to F34 and F50, each by its one command, and what has to be seen."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daozhang.cli.register import STEPS
from daozhang.sandbox import staged_devices
from tests.conftest import System
from tests.gateway.kit import alarms, announcements, until


@pytest.mark.prove
def test_a_power_cut_at_each_of_twelve_steps_charges_once(system: System) -> None:
    """F26: kill -9 of the register after each step; it ends the sale that lies on its disk and charges nobody again."""
    code, out, says = system.cli("chaos", "stage", "F26", "--json")
    told = json.loads(out)
    assert code == 0 and told["holds"], (out, says)
    assert [row["step"] for row in told["rows"]] == list(range(1, len(STEPS) + 1)) and len(STEPS) == 12
    assert {(row["verdict"], row["payments"], row["charged"]) for row in told["rows"]} == {("paid", 1, 1)}
    assert [row["recovered"] for row in told["rows"]] == [False] * 2 + [True] * 10


def test_a_register_goes_on_only_with_what_lies_on_its_disk(system: System, tmp_path: Path) -> None:
    words = ("device", "sell", "3.50", "--json", "--keep")
    assert system.cli(*words, str(tmp_path / "cut"), "--cut-at", "8")[0] == -9
    left = json.loads((tmp_path / "cut").read_text())
    assert "code" not in left  # the payer's code is kept no longer than it is needed
    other = json.loads(system.cli(*words, str(tmp_path / "new"))[1])
    again = json.loads(system.cli(*words, str(tmp_path / "cut"))[1])
    assert (other["recovered"], again["recovered"]) == (False, True)
    assert again["order"] == left["order"] != other["order"] and again["verdict"] == "paid"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.prove
def test_a_gateway_that_loses_everything_or_is_cut_off(own_system: System) -> None:
    """F50: what is due is made anew from the books within a minute, once each; so it is when only one direction is cut."""
    code, out, says = own_system.cli("chaos", "stage", "F50", "--json", timeout=300)
    told = json.loads(out)
    assert code == 0 and told["holds"], (out, says)
    assert [row["part"] for row in told["rows"]] == ["wiped", "cut_off", "unheard", "deaf"]
    assert all(1 <= row["spoken"] <= row["due"] == 3 and row["as_new_twice"] == 0 and row["seconds"] <= 60 for row in told["rows"])
    assert [row["in_writing"] for row in told["rows"][2:]] == [3, 3], "who is not heard is told in writing"


def test_a_download_cut_at_half_goes_on_and_never_installs_a_half(own_system: System) -> None:
    """F31: the power goes in the middle; the old software runs until the whole image is there."""
    code, out, says = own_system.cli("chaos", "stage", "F31", "--json", timeout=200)
    told = json.loads(out)
    assert code == 0 and told["holds"], (out, says)
    (row,) = told["rows"]
    assert row["of"] // 2 <= row["cut_at"] < row["of"] and row["went_on_at"] == row["cut_at"] and row["ran"][0] == "1.4.0" and len(row["ran"]) == 2


class Yard:
    """``daozhang chaos stage`` of a speaker's fault, in a process of its own."""

    def __init__(self, system: System, number: str) -> None:
        command = [sys.executable, "-m", "daozhang", "chaos", "stage", number, "--for", "60", "--data", str(system.data)]
        self._system = system
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdout is not None
        self.told: dict[str, Any] = json.loads(self._process.stdout.readline())

    def line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> "Yard":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)

    def causes(self) -> set[str]:
        return set(self._system.call("GET", f"/v1/devices/{self.told['device']}")[1]["causes"])


@pytest.mark.parametrize(("number", "cause"), [
    ("F27", "device.battery_low"), ("F27", "device.power_lost"), ("F28", "network.sim_suspended"),
    ("F30", "device.outdated_software"), ("F34", "device.speaker_muted"),
])  # fmt: skip
def test_one_command_brings_the_fault_and_the_cause_is_named(system: System, number: str, cause: str) -> None:
    with Yard(system, number) as yard:
        assert until(lambda: cause in yard.causes(), 60)


@pytest.mark.prove
def test_a_clock_three_years_behind_is_named_and_sets_itself(system: System) -> None:
    """F29: TLS fails because of it; once the speaker is in, the clock is named and not the network, then it is set by a signed time."""
    with Yard(system, "F29") as yard:
        first = json.loads(yard.line())
        assert first["event"] == "offline" and "not valid yet" in first["why"]
        assert until(lambda: "device.clock_skew" in yard.causes(), 30)
        place = f"/v1/devices/{yard.told['device']}"
        skew = system.call("GET", place)[1]["reported"]["skew_ms"]
        assert -1200 < skew / 86_400_000 < -1000 and alarms(system, "clock_skew", yard.told["device"])
        facts = system.call("GET", f"{place}/facts")[1]["data"]
        assert [one["detail"]["lost_by"] for one in facts if one["kind"] == "evidence"] == ["clock"]
        payment = system.pay(till=yard.told["till"])
        assert until(lambda: [row for row in announcements(system, payment["id"]) if row["state"] == "played" and not row["late"]], 20)
        until(lambda: yard.causes() == set(), 60)
        assert abs(system.call("GET", place)[1]["reported"]["skew_ms"]) < 5_000


def test_two_boxes_with_one_identity_are_shut_out_and_told(system: System) -> None:
    """F34: neither is believed until a person has looked."""
    with Yard(system, "F34B") as yard:
        row = until(lambda: (told := system.call("GET", f"/v1/devices/{yard.told['device']}")[1])["status"] == "frozen" and told, 60)
        assert "device.misbound" in row["causes"] and alarms(system, "cloned", yard.told["device"])
        payment = system.pay(till=yard.told["till"])
        assert payment["verdict"] == "paid" and not [one for one in announcements(system, payment["id"]) if one["state"] == "played"]


def test_a_misbound_speaker_is_alarmed_by_one_command(system: System) -> None:
    with Yard(system, "F32") as yard:
        assert until(lambda: alarms(system, "foreign_publish", yard.told["device"]), 20)


def test_a_speaker_that_goes_away_by_one_command(system: System) -> None:
    """F33: after its fifth second it is away, and a payment's silence is named."""
    with Yard(system, "F33") as yard:
        row = f"/v1/devices/{yard.told['device']}"
        until(lambda: system.call("GET", row)[1]["online_at"], 20)
        until(lambda: not system.call("GET", row)[1]["online"], 30)
        payment = system.pay(till=yard.told["till"])
        assert until(lambda: (rows := announcements(system, payment["id"])) and rows[0]["alarmed_at"], 20)


def test_the_list_names_every_command(system: System) -> None:
    told = json.loads(system.cli("chaos", "list", "--json")[1])
    listed = {row["fault"]: row["command"] for row in told["devices"]}
    assert listed == {one.number: f"daozhang chaos stage {one.number}" for one in staged_devices.STAGED}
    assert {"F26", "F27", "F28", "F29", "F30", "F31", "F32", "F33", "F34", "F34B", "F50"} == set(listed)
