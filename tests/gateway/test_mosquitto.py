"""Mosquitto's own clients as a speaker (`make prove`; Debian: mosquitto-clients). Without them this fails, it is not passed over."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import System
from tests.gateway.kit import enrol, new_till, played, ready


@pytest.mark.prove
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_mosquitto_sub_hears_and_mosquitto_pub_acknowledges(system: System, tmp_path: Path, version: str, way: str) -> None:
    assert shutil.which("mosquitto_sub") and shutil.which("mosquitto_pub"), "install mosquitto-clients"
    till = new_till(system)
    told = enrol(system, till)
    mqtt = told["mqtt"]
    (tmp_path / "ca.pem").write_text(mqtt["ca_pem"])
    where = ["-h", mqtt["host"], "-p", str(mqtt["tls_port"]), "--cafile", str(tmp_path / "ca.pem")] if way == "tls" else ["-h", mqtt["host"], "-p", str(mqtt["port"])]
    who = [*where, "-V", version, "-u", mqtt["username"], "-P", mqtt["password"], "-i", mqtt["client_id"], "-q", "1"]
    sub = subprocess.Popen(["mosquitto_sub", *who, "-c", *(["-x", "600"] if version == "mqttv5" else []), "-t", told["topics"]["announce"], "-C", "1", "-W", "30"],
                           stdout=subprocess.PIPE)  # fmt: skip
    ready(system, told)
    payment = system.pay(till=till)
    out, _ = sub.communicate(timeout=40)
    table = json.loads(out)
    assert table["amount"] == 1250 and table["late"] is False
    said = json.dumps({"announce_id": table["announce_id"], "state": "played"})
    done = subprocess.run(["mosquitto_pub", *who, "-t", told["topics"]["ack"], "-m", said], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert played(system, payment["id"])["state"] == "played"
    refused = subprocess.run(["mosquitto_sub", *who, "-t", "#", "-C", "1", "-W", "5"], capture_output=True, timeout=30)
    assert b"denied" in refused.stderr and not refused.stdout
