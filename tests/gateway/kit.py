"""Devices for tests: enrolled over HTTP, played by independent MQTT clients."""

import json
import queue
import ssl
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import System

KINDS = ("cmd", "announce", "config")


def new_till(system: System) -> str:
    """A till of its own, so that no other test's speaker stands there."""
    status, made = system.call("POST", "/v1/tills", {"store": system.state["store"], "name": "设备测试"})
    assert status == 201, made
    return str(made["id"])


def enrol(system: System, till: str, **more: Any) -> dict[str, Any]:
    status, made = system.call("POST", "/v1/devices", {"type": "speaker", "till": till, **more})
    assert status == 201, made
    status, told = system.call("POST", "/v1/devices/enroll", {"code": made["enroll"]["code"], "serial": made["serial"]}, api_key="none")
    assert status == 201, told
    return dict(told)


class Speaker:
    """paho-mqtt as a speaker: puts what it hears into ``heard`` and acknowledges as ``answers`` says."""

    def __init__(self, told: dict[str, Any], *, version: int = 5, way: str = "tcp", clean: bool = False, ca: Path | None = None,
                 password: str | None = None, client_id: str | None = None, ack: bool = True, will: tuple[str, bytes] | None = None) -> None:  # fmt: skip
        mqtt = told["mqtt"]
        self.told, self.heard, self.ack = told, queue.Queue[dict[str, Any]](), ack
        self.codes: queue.Queue[int] = queue.Queue()
        self.subacks: queue.Queue[list[int]] = queue.Queue()
        self.gone: queue.Queue[int] = queue.Queue()
        self.present = False
        level = {4: paho.MQTTv311, 5: paho.MQTTv5}[version]
        more = {"clean_session": clean} if version == 4 else {}
        transport = "websockets" if way.startswith("ws") else "tcp"
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id or mqtt["client_id"], protocol=level, transport=transport, **more)
        client.username_pw_set(mqtt["username"], password or mqtt["password"])
        client.reconnect_delay_set(1, 2)
        if way in ("tls", "wss"):
            assert ca is not None
            ca.write_text(mqtt["ca_pem"])
            client.tls_set(str(ca), cert_reqs=ssl.CERT_REQUIRED)
        if transport == "websockets":
            client.ws_set_options(path="/mqtt")
        if will is not None:
            client.will_set(will[0], will[1], 1)
        client.on_connect, client.on_message, client.on_subscribe, client.on_disconnect = self._connected, self._message, self._subscribed, self._lost
        self.client, self._way, self._version, self._clean = client, way, version, clean

    def start(self) -> "Speaker":
        mqtt = self.told["mqtt"]
        port = mqtt["tls_port"] if self._way in ("tls", "wss") else mqtt["port"]
        more: dict[str, Any] = {}
        if self._version == 5:
            about = paho.Properties(paho.PacketTypes.CONNECT)
            about.SessionExpiryInterval = 0 if self._clean else 600
            more = {"clean_start": self._clean, "properties": about}
        self.client.connect(mqtt["host"], port, 30, **more)
        self.client.loop_start()
        return self

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def crash(self) -> None:
        """The power is gone: no DISCONNECT."""
        self.client.loop_stop()
        sock = self.client.socket()
        if sock is not None:
            sock.close()

    def publish(self, topic: str, table: Any, **more: Any) -> Any:
        return self.client.publish(topic, table if isinstance(table, bytes) else json.dumps(table), 1, **more)

    def _connected(self, client: Any, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
        self.present = flags.session_present
        if code.value == 0:
            client.subscribe([(self.told["topics"][kind], 1) for kind in KINDS])
        self.codes.put(code.value)

    def _subscribed(self, _client: Any, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        self.subacks.put([code.value for code in codes])

    def _lost(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.gone.put(code.value)

    def _message(self, client: Any, _data: Any, message: Any) -> None:
        table = {**json.loads(message.payload), "topic": message.topic, "raw": message.payload, "retain": message.retain}
        if self.ack and message.topic.endswith("/announce"):
            said = {"announce_id": table["announce_id"], "state": "played", "late": table["late"]}
            client.publish(self.told["topics"]["ack"], json.dumps(said), 1)
        if not message.topic.endswith("/config"):
            self.heard.put(table)

    def next(self, within_s: float = 15) -> dict[str, Any]:
        return self.heard.get(timeout=within_s)

    def silent(self, for_s: float = 1.0) -> bool:
        time.sleep(for_s)
        return self.heard.empty()


def ready(system: System, told: dict[str, Any], within_s: float = 15) -> None:
    """Wait until the gateway knows that the device is there."""
    until(lambda: system.call("GET", f"/v1/devices/{told['device']}")[1]["online"], within_s)


def until(condition: Any, within_s: float = 15) -> Any:
    end = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def announcements(system: System, payment: str) -> list[dict[str, Any]]:
    return list(system.call("GET", f"/v1/payments/{payment}")[1]["announcements"])


def played(system: System, payment: str, within_s: float = 15) -> dict[str, Any]:
    """The payment's only announcement, once it was played."""

    def look() -> dict[str, Any] | None:
        rows = announcements(system, payment)
        return rows[0] if len(rows) == 1 and rows[0]["state"] in ("played", "summarised") else None

    return dict(until(look, within_s))


def alarms(system: System, kind: str, subject: str) -> list[dict[str, Any]]:
    rows = system.call("GET", "/v1/alarms?limit=100")[1]["data"]
    return [row for row in rows if row["kind"] == f"device.{kind}" and row["subject"] == subject]
