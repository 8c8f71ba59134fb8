"""An external broker: announcements, commands and what devices say go through it, and mean the same as at our own door.

With a broker of the tests always; with a real Mosquitto in `make prove` (Debian: mosquitto), where it fails without one.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daozhang.gateway.certificate import authority, context
from tests.conftest import System, free_base_port
from tests.gateway.kit import Speaker, alarms, announcements, enrol, new_till, played, ready, until
from tests.gateway.small_broker import SmallBroker

# What docs/devices.md tells to write; %u is the name that a client has logged in with.
RULES = "user gateway\ntopic readwrite dz/v1/#\npattern write dz/v1/+/%u/up/+\npattern read dz/v1/+/%u/down/+\n"


WS, TLS, WSS = 6, 7, 8  # a Mosquitto's other doors, from its first port on


class Mosquitto:
    """The broker, with passwords and the rules of the docs."""

    def __init__(self, folder: Path, port: int) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        assert program, "install mosquitto"
        folder.mkdir()
        folder.chmod(0o755)
        self._program, self.folder = program, folder
        self._passwords = folder / "passwords"
        self._passwords.write_text("")
        self.let_in("gateway", "of the gateway")
        (folder / "rules").write_text(RULES)
        context(folder / "tls", "", "", "127.0.0.1", time.time_ns() // 1_000_000)
        tls = f"certfile {folder / 'tls' / 'gateway.pem'}\nkeyfile {folder / 'tls' / 'gateway.key'}\n"
        (folder / "conf").write_text(f"listener {port} 127.0.0.1\nlistener {port + WS} 127.0.0.1\nprotocol websockets\n"
                                     f"listener {port + TLS} 127.0.0.1\n{tls}listener {port + WSS} 127.0.0.1\nprotocol websockets\n{tls}allow_anonymous false\npassword_file {self._passwords}\nacl_file {folder / 'rules'}\n"
                                     "user root\npersistence false\n")  # fmt: skip

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self.folder / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        assert self._process.poll() is None

    def let_in(self, name: str, password: str) -> None:
        subprocess.run(["mosquitto_passwd", "-b", str(self._passwords), name, password], check=True, capture_output=True)
        if hasattr(self, "_process"):
            self._process.send_signal(1)  # it reads the passwords again

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Outside:
    """A system, and a broker that is not its own."""

    def __init__(self, folder: Path, mosquitto: bool) -> None:
        base = free_base_port() + 3000
        self.port = base + 5
        self.real = Mosquitto(folder / "broker", self.port) if mosquitto else None
        self.broker: Any = self.real or SmallBroker(self.port)
        self.broker.start()
        self.system = System(folder / "d", base)
        self.system.data.mkdir()
        (self.system.data / "settings.toml").write_text(f'gateway_broker = "mqtt://gateway:of%20the%20gateway@127.0.0.1:{self.port}"\n')
        self.system.start()
        self.tills: dict[str, str] = {}

    def enrolled(self, till: str) -> dict[str, Any]:
        """A device of ours that the broker knows too."""
        told = enrol(self.system, till)
        assert told["mqtt"]["port"] == self.port
        self.tills[told["device"]] = till
        if self.real is not None:
            self.real.let_in(told["mqtt"]["username"], told["mqtt"]["password"])
            time.sleep(0.3)
        return told

    def through(self, told: dict[str, Any], way: str) -> dict[str, Any]:
        """The same device by another door of the Mosquitto: tcp, tls, ws or wss."""
        if way != "tcp":
            assert self.real is not None, "the broker of the tests has one door"
            mine = authority(self.real.folder / "tls").read_text()
            told["mqtt"] |= {"port": self.port + WS, "tls_port": self.port + (WSS if way == "wss" else TLS), "ca_pem": mine}
        return told

    def speaker(self, till: str, **more: Any) -> Speaker:
        told = self.through(self.enrolled(till), more.get("way", "tcp"))
        lost = (told["topics"]["evidence"], b'{"lost": true}')
        return Speaker(told, will=lost, **more).start()

    def broker_dies(self) -> None:
        """And is started again, with nothing of what it had."""
        self.broker.stop()
        self.broker = self.real or SmallBroker(self.port)
        self.broker.start()

    def stop(self) -> None:
        self.system.stop()
        self.broker.stop()


@pytest.fixture(scope="module", params=["small", pytest.param("mosquitto", marks=pytest.mark.prove)])
def outside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(tmp_path_factory.mktemp("outside"), request.param == "mosquitto")
    yield made
    made.stop()


def _beats(speaker: Speaker) -> None:
    speaker.subacks.get(timeout=15)
    speaker.publish(speaker.told["topics"]["heartbeat"], {"n": 1, "battery": 88, "volume": 70, "software": "1.4.0"})


def test_a_payment_is_heard_and_the_answer_comes_back(outside: Outside) -> None:
    till = new_till(outside.system)
    speaker = outside.speaker(till)
    _beats(speaker)
    ready(outside.system, speaker.told)
    device = outside.system.call("GET", f"/v1/devices/{speaker.told['device']}")[1]
    assert until(lambda: outside.system.call("GET", f"/v1/devices/{device['id']}")[1]["reported"].get("battery") == 88)
    payment = outside.system.pay(till=till)
    heard = speaker.next()
    assert heard["amount"] == 1250 and heard["late"] is False and heard["topic"] == speaker.told["topics"]["announce"]
    row = played(outside.system, payment["id"])
    assert row["state"] == "played" and not row["alarmed_at"]
    speaker.stop()


@pytest.mark.prove
@pytest.mark.parametrize("outside", ["mosquitto"], indirect=True)
@pytest.mark.parametrize(("version", "way"), [(4, "tcp"), *((version, way) for version in (4, 5) for way in ("tls", "ws", "wss"))])
def test_devices_of_every_kind_at_a_mosquitto(outside: Outside, tmp_path: Path, version: int, way: str) -> None:
    """The broker of the tests knows MQTT 5 over TCP only."""
    till = new_till(outside.system)
    speaker = outside.speaker(till, version=version, way=way, ca=tmp_path / "ca.pem")
    _beats(speaker)
    ready(outside.system, speaker.told)
    payment = outside.system.pay(till=till)
    assert speaker.next()["amount"] == 1250 and played(outside.system, payment["id"])["state"] == "played"
    speaker.stop()


@pytest.mark.prove
@pytest.mark.parametrize("outside", ["mosquitto"], indirect=True)
@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_mosquittos_own_clients_at_a_mosquitto(outside: Outside, tmp_path: Path, way: str) -> None:
    """Debian: mosquitto-clients."""
    assert shutil.which("mosquitto_sub") and shutil.which("mosquitto_pub"), "install mosquitto-clients"
    till = new_till(outside.system)
    told = outside.through(outside.enrolled(till), way)
    (tmp_path / "ca.pem").write_text(told["mqtt"]["ca_pem"] or "")
    where = ["-p", str(outside.port)] if way == "tcp" else ["-p", str(told["mqtt"]["tls_port"]), "--cafile", str(tmp_path / "ca.pem")]
    who = ["-h", "127.0.0.1", *where, "-V", "mqttv5", "-u", told["mqtt"]["username"], "-P", told["mqtt"]["password"],
           "-i", told["mqtt"]["client_id"], "-q", "1"]  # fmt: skip
    subprocess.run(["mosquitto_pub", *who, "-t", told["topics"]["heartbeat"], "-m", '{"n": 1}'], check=True, timeout=20)
    ready(outside.system, told)
    sub = subprocess.Popen(["mosquitto_sub", *who, "-t", told["topics"]["announce"], "-C", "1", "-W", "30"], stdout=subprocess.PIPE)
    time.sleep(1.0)
    payment = outside.system.pay(till=till)
    table = json.loads(sub.communicate(timeout=40)[0])
    said = json.dumps({"announce_id": table["announce_id"], "state": "played"})
    subprocess.run(["mosquitto_pub", *who, "-t", told["topics"]["ack"], "-m", said], check=True, timeout=20)
    assert table["amount"] == 1250 and played(outside.system, payment["id"])["state"] == "played"


def test_a_command_goes_there_and_its_outcome_comes_back(outside: Outside) -> None:
    speaker = outside.speaker(new_till(outside.system))
    _beats(speaker)
    ready(outside.system, speaker.told)
    made = outside.system.call("POST", f"/v1/devices/{speaker.told['device']}/commands", {"command": "self_test", "args": {}})[1]
    heard = speaker.next()
    assert heard["command_id"] == made["id"] and heard["command"] == "self_test"
    speaker.publish(speaker.told["topics"]["ack"], {"command_id": made["id"], "state": "done", "result": {"speaker": "ok"}})
    rows = f"/v1/devices/{speaker.told['device']}/commands"
    done = until(lambda: next((row for row in outside.system.call("GET", rows)[1]["data"] if row["state"] == "done"), None))
    assert done["result"] == {"result": {"speaker": "ok"}} or done["result"] == {"speaker": "ok"}
    speaker.stop()


def test_one_that_crashes_is_gone_by_its_will_and_catches_up_late_and_once(outside: Outside) -> None:
    till = new_till(outside.system)
    speaker = outside.speaker(till)
    _beats(speaker)
    ready(outside.system, speaker.told)
    speaker.crash()
    until(lambda: not outside.system.call("GET", f"/v1/devices/{speaker.told['device']}")[1]["online"], 60)
    payment = outside.system.pay(till=till)
    until(lambda: (rows := announcements(outside.system, payment["id"])) and rows[0]["alarmed_at"], 20)
    again = Speaker(speaker.told).start()
    _beats(again)
    assert again.next()["late"] is True
    assert played(outside.system, payment["id"])["state"] == "played" and again.silent()
    again.stop()


def test_nobody_speaks_for_another(outside: Outside) -> None:
    """Mosquitto refuses by its rules; what a careless broker lets through, we refuse."""
    speaker = outside.speaker(new_till(outside.system))
    _beats(speaker)
    ready(outside.system, speaker.told)
    own = speaker.told["topics"]["heartbeat"]
    speaker.publish(own.replace(outside.system.state["merchant"], "mer_of_somebody_else"), {"n": 2})
    assert until(lambda: alarms(outside.system, "foreign_publish", speaker.told["device"]), 20)
    speaker.publish(own.replace(speaker.told["device"], "dev_of_somebody_else"), {"n": 3})
    speaker.publish(own, {"n": 4, "battery": 61})
    until(lambda: outside.system.call("GET", f"/v1/devices/{speaker.told['device']}")[1]["reported"].get("battery") == 61)
    if outside.real is not None:  # it takes any filter, and gives each one only what the rules let it read
        other = outside.speaker(new_till(outside.system))
        _beats(other)
        other.client.subscribe("dz/v1/#", 1)
        assert other.subacks.get(timeout=15)
        payment = outside.system.pay(till=outside.tills[speaker.told["device"]])
        assert speaker.next()["amount"] == 1250 and played(outside.system, payment["id"])["state"] == "played"
        assert other.silent()
        other.stop()
    speaker.stop()


def test_a_broker_that_dies_and_forgets_is_found_again(outside: Outside) -> None:
    """F50 with an external broker: what is due comes from our books within a minute, once."""
    till = new_till(outside.system)
    speaker = outside.speaker(till)
    _beats(speaker)
    ready(outside.system, speaker.told)
    outside.broker_dies()
    payment = outside.system.pay(till=till)
    _beats(speaker)  # it has come again by itself
    assert speaker.next(60)["amount"] == 1250
    assert played(outside.system, payment["id"], 60)["state"] == "played" and speaker.silent()
    speaker.stop()
