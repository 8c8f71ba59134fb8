"""A roll-out over the doors and the wire: simulated boxes in a process of their own, and a `work` that is killed in between."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daozhang.devices.firmware import made
from daozhang.sandbox.device.box import DOES_NOT_START
from tests.conftest import System
from tests.gateway.kit import Speaker, alarms, enrol, new_till, until


def signed(system: System, image: bytes, version: str, device_type: str, **more: Any) -> dict[str, Any]:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((system.data / "gateway" / "rollout.key").read_text()))
    manifest = made(image, device_type, version, key).decode()
    return {"manifest": manifest, "image": base64.b64encode(image).decode(), "soak_s": 1, "boot_s": 1, **more}


def simulated(system: System, count: int, device_type: str, keep: Path) -> subprocess.Popen[bytes]:
    till = new_till(system)
    keep.write_text(json.dumps([enrol(system, till, type=device_type) for _ in range(count)]))
    words = ["device", "simulate", str(count), "--type", device_type, "--keep", str(keep), "--data", str(system.data), "--for", "240"]
    return subprocess.Popen([sys.executable, "-m", "daozhang.cli.main", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def of(system: System, ident: str) -> dict[str, Any]:
    return dict(system.call("GET", f"/v1/rollouts/{ident}")[1])


def ended(system: System, ident: str, within_s: float) -> dict[str, Any]:
    return dict(until(lambda: (told := of(system, ident))["state"] in ("done", "turned_back") and told, within_s))


def begun(system: System, body: dict[str, Any]) -> str:
    status, told = system.call("POST", "/v1/rollouts", body)
    assert status == 201, told
    return str(told["id"])


def test_a_bad_image_turns_back_and_a_killed_work_carries_a_good_one_on(own_system: System, tmp_path: Path) -> None:
    system = own_system
    boxes = simulated(system, 12, "scanner_box", tmp_path / "ids.json")
    try:
        until(lambda: sum(row["online"] for row in system.call("GET", "/v1/devices?limit=100")[1]["data"]) >= 12, 40)
        bad = ended(system, begun(system, signed(system, DOES_NOT_START, "2.0.0", "scanner_box")), 60)
        assert (bad["state"], bad["why"], bad["percent"], bad["counts"]["back"]) == ("turned_back", "bad_devices", 1, 12)
        assert [one["why"] for one in bad["noted"]] == ["fell back to 1.4.0"] and "不正常" in bad["says"]["zh"]
        good = begun(system, signed(system, b"good", "2.0.1", "scanner_box", stages=[10, 100]))
        until(lambda: of(system, good)["counts"]["told"] + of(system, good)["counts"]["well"], 20)
        os.kill(json.loads((system.data / "state.json").read_text())["pids"]["work"][0], signal.SIGKILL)
        told = ended(system, good, 90)
        assert told["state"] == "done" and told["counts"]["well"] == 12
        rows = system.call("GET", "/v1/devices?limit=100")[1]["data"]
        assert {row["reported"]["software"] for row in rows if row["type"] == "scanner_box"} == {"2.0.1"}
        kinds = [row["type"] for row in system.call("GET", "/v1/events?limit=100")[1]["data"] if row["subject"] == good]
        assert sorted(kinds) == ["rollout.advanced", "rollout.done", "rollout.started"]
    finally:
        boxes.terminate()
        boxes.communicate(timeout=20)


def test_a27_a_refusing_device_is_an_alarm(system: System) -> None:
    """A27: what the device refused for its signature is told to the operators."""
    told = enrol(system, new_till(system))
    speaker = Speaker(told).start()
    status, command = system.call("POST", f"/v1/devices/{told['device']}/commands", {"command": "self_test"})
    assert status == 201 and speaker.next()["command_id"] == command["id"]
    speaker.publish(told["topics"]["ack"], {"command_id": command["id"], "state": "failed", "why": "signature", "refused": "signature"})
    (alarm,) = until(lambda: alarms(system, "image_refused", told["device"]))
    assert alarm["detail"]["detail"] == "signature"
    speaker.stop()


@pytest.mark.parametrize(("change", "says"), [
    ({"stages": [10, 5, 100]}, "rise"), ({"stages": [1, 50]}, "100"), ({"url": "http://x/y"}, "https"), ({"image": "!"}, "base64"),
])  # fmt: skip
def test_what_cannot_be_rolled_out_says_where(system: System, change: dict[str, Any], says: str) -> None:
    status, told = system.call("POST", "/v1/rollouts", {**signed(system, b"x", "9.9", "printer"), **change})
    assert status == 422 and says in told["detail"] and told["errors"][0]["pointer"] == f"/{next(iter(change))}"


def test_nobody_commands_an_update_by_hand_and_images_are_found_by_their_hash_only(system: System) -> None:
    told = enrol(system, new_till(system))
    assert system.call("POST", f"/v1/devices/{told['device']}/commands", {"command": "update"})[0] == 422
    assert system.call("GET", "/v1/device_images/" + "0" * 64, api_key="none")[0] == 404
    assert len(told["firmware_key"]) == 64


def test_a_device_asks_only_for_what_it_lacks(own_system: System, tmp_path: Path) -> None:
    """F31: an image from where a download broke off, by RFC 9110's ranges."""
    boxes = simulated(own_system, 1, "scanner_box", tmp_path / "ids.json")
    try:
        until(lambda: any(row["online"] for row in own_system.call("GET", "/v1/devices?limit=100")[1]["data"]), 40)
        begun(own_system, signed(own_system, b"0123456789", "2.0.0", "scanner_box"))
    finally:
        boxes.terminate()
        boxes.communicate(timeout=20)
    url = f"http://127.0.0.1:{own_system.base_port}/v1/device_images/{hashlib.sha256(b'0123456789').hexdigest()}"
    for wanted, status, body, place in (("bytes=4-", 206, b"456789", "bytes 4-9/10"), ("bytes=10-", 416, b"", "bytes */10"), ("bytes=0-3", 200, b"0123456789", None),
                                        ("lines=1-", 200, b"0123456789", None), ("bytes=0-", 206, b"0123456789", "bytes 0-9/10")):  # fmt: skip
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": wanted}), timeout=10) as reply:
                told = (reply.status, reply.read(), reply.headers["Content-Range"])
        except urllib.error.HTTPError as refused:
            told = (refused.code, refused.read(), refused.headers["Content-Range"])
        assert told == (status, body, place), wanted
