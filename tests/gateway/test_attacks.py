"""Attacks on the device door: refused, written down, and harmless to everybody else."""

import contextlib
import json
import os
import random
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from daozhang.devices.announcing import verified
from daozhang.devices.mqtt.packets import V4, V5, Ack, Acked, Connack, Connect, Packet, Ping, Publish, Subscribe
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode
from tests.conftest import System
from tests.gateway.kit import Speaker, alarms, enrol, new_till, played, ready, until


class Raw:
    """A socket that says whatever it likes."""

    def __init__(self, system: System, level: int = V4) -> None:
        self.sock = socket.create_connection(("127.0.0.1", system.base_port + 6), 10)
        self.sock.settimeout(10)
        self.reader, self.level = Reader(1 << 20, level), level

    def say(self, *packets: Packet) -> None:
        self.sock.sendall(b"".join(encode(packet, self.level) for packet in packets))

    def read(self) -> list[Packet] | None:
        """The next packets; None when the gateway has closed the line."""
        try:
            data = self.sock.recv(65_536)
        except ConnectionError:
            return None
        return list(self.reader.feed(data)) if data else None

    def closed(self, within_s: float = 12) -> bool:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if self.read() is None:
                return True
        return False

    def log_in(self, told: dict[str, Any], **more: Any) -> "Raw":
        mqtt = told["mqtt"]
        given = {"client_id": mqtt["client_id"], "username": mqtt["username"], "password": mqtt["password"].encode(), "keep_alive_s": 30, **more}
        self.say(Connect(self.level, **given))
        return self


@pytest.fixture
def pair(system: System) -> Any:
    """A device that listens, and the identity of another one of the same merchant."""
    till = new_till(system)
    told, other = enrol(system, till), enrol(system, new_till(system))
    speaker = Speaker(told).start()
    ready(system, told)
    yield till, told, other, speaker
    speaker.stop()


def unharmed(system: System, till: str, speaker: Speaker) -> None:
    payment = system.pay(till=till)
    heard = speaker.next()
    assert heard["payment_tail"] == payment["id"][-4:] and heard["late"] is False
    assert played(system, payment["id"])["state"] == "played" and speaker.gone.empty()


@pytest.mark.parametrize("level", [V4, V5])
def test_a30_nobody_listens_to_others(system: System, pair: Any, level: int) -> None:
    till, told, other, speaker = pair
    spy = Raw(system, level).log_in(other)
    assert isinstance((spy.read() or [None])[0], Connack)
    wanted = ["#", "+/voice", "$SYS/#", "$share/g/#", told["topics"]["announce"], told["topics"]["announce"].replace(told["device"], "+")]
    spy.say(Subscribe(1, tuple((one, 1) for one in wanted)))
    (suback,) = spy.read() or []
    assert all(code >= 0x80 for code in suback.codes)  # type: ignore[union-attr]
    assert until(lambda: alarms(system, "foreign_subscribe", other["device"]))
    unharmed(system, till, speaker)
    spy.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        spy.read()


@pytest.mark.parametrize("level", [V4, V5])
def test_a31_nobody_speaks_for_us(system: System, pair: Any, level: int) -> None:
    till, told, other, speaker = pair
    liar = Raw(system, level).log_in(other)
    liar.read()
    fake = json.dumps({"announce_id": "ann_" + "0" * 32, "kind": "paid", "late": False, "amount": 1}).encode()
    liar.say(Publish(told["topics"]["announce"], fake, 1, 7))
    answer = liar.read()
    assert answer is None if level == V4 else answer == [Acked(Ack.PUBACK, 7, 0x87)]
    assert until(lambda: alarms(system, "foreign_publish", other["device"]))
    assert speaker.silent()
    unharmed(system, till, speaker)
    assert verified(fake, told["sign_key"]) is None


def test_a31_what_we_say_is_signed_for_this_device_and_counted(system: System, pair: Any) -> None:
    till, told, other, speaker = pair
    numbers = []
    for _ in range(2):
        system.pay(till=till)
        heard = speaker.next()
        table = verified(heard["raw"], told["sign_key"])
        assert table is not None and table["device"] == told["device"] and verified(heard["raw"], other["sign_key"]) is None
        numbers.append(table["n"])
    assert numbers[0] < numbers[1] < 2**53


def test_a31_nobody_acknowledges_for_another(system: System) -> None:
    till = new_till(system)
    told, other = enrol(system, till), enrol(system, new_till(system))
    speaker, liar = Speaker(told, ack=False).start(), Speaker(other).start()
    ready(system, told)
    ready(system, other)
    payment = system.pay(till=till)
    ident = speaker.next()["announce_id"]
    liar.publish(other["topics"]["ack"], {"announce_id": ident, "state": "played"}).wait_for_publish(10)
    row = until(lambda: [one for one in system.call("GET", f"/v1/payments/{payment['id']}")[1]["announcements"] if one["alarmed_at"]])[0]
    assert row["state"] == "delivered" and row["played_at"] is None
    for one in (speaker, liar):
        one.stop()


def test_a32_a_stolen_client_id_does_not_throw_the_real_box_out(system: System, pair: Any) -> None:
    till, told, other, speaker = pair
    wrong = Raw(system, V5).log_in(told, password=b"guess")
    assert (wrong.read() or [Connack(0)])[0] == Connack(0x86)
    named = Raw(system, V5).log_in(other, client_id=told["device"])
    assert (named.read() or [Connack(0)])[0] == Connack(0x85)
    assert until(lambda: alarms(system, "foreign_client_id", other["device"]))
    unharmed(system, till, speaker)


def test_a32_guessing_is_noticed_and_ends(system: System, pair: Any) -> None:
    till, told, _, speaker = pair
    for at in range(10):
        assert (Raw(system).log_in(told, password=b"%d" % at).read() or [Connack(0)])[0] == Connack(4)
    assert until(lambda: system.call("GET", "/v1/alarms?limit=100")[1]["data"] and any(
        row["kind"] == "device.secret_guessed" for row in system.call("GET", "/v1/alarms?limit=100")[1]["data"]))  # fmt: skip
    unharmed(system, till, speaker)


def test_a33_nothing_is_retained_and_wills_stay_at_home(system: System, pair: Any) -> None:
    till, told, other, speaker = pair
    keeper = Raw(system).log_in(other)
    keeper.read()
    keeper.say(Publish(other["topics"]["evidence"], b"{}", 1, 3, retain=True))
    assert keeper.closed() and until(lambda: alarms(system, "retained_publish", other["device"]))
    ghost = Speaker(other, will=(told["topics"]["announce"], b'{"kind":"paid"}'))
    ghost.start()
    assert ghost.codes.get(timeout=10) == 0x87
    ghost.stop()
    assert until(lambda: alarms(system, "foreign_will", other["device"])) and speaker.silent()
    unharmed(system, till, speaker)


def test_a34_a_captured_sentence_is_refused_by_the_box(system: System, pair: Any) -> None:
    from daozhang.ports.clock import SandboxClock
    from daozhang.sandbox.device.box import Box

    till, told, _, speaker = pair
    system.pay(till=till)
    raw = speaker.next()["raw"]
    # By the sandbox's clock: another test may have moved it.
    box, now = Box(told["device"], told["sign_key"]), SandboxClock(system.data / "clock.offset").now_ms()
    assert box.hears("announce", raw, now)[0][1]["state"] == "played" and len(box.spoken) == 1
    assert box.hears("announce", raw, now) == [("evidence", {"refused": "counter"})] and len(box.spoken) == 1
    fresh = Box(told["device"], told["sign_key"])
    assert fresh.hears("announce", raw, now + 61_000)[0][1]["why"] == "too_old" and not fresh.spoken
    assert Box("dev_other", told["sign_key"]).hears("announce", raw, now) == [("evidence", {"refused": "signature"})]
    changed = raw.replace(b'"amount":1250', b'"amount":9250')
    assert changed != raw and Box(told["device"], told["sign_key"]).hears("announce", changed, now)[0][1] == {"refused": "signature"}


def test_a35_floods_and_silence_harm_nobody(system: System, pair: Any) -> None:
    till, _, other, speaker = pair
    half_open = [socket.create_connection(("127.0.0.1", system.base_port + 6), 10) for _ in range(200)]
    slow = Raw(system)
    slow.sock.sendall(b"\x10")
    huge = Raw(system)
    huge.sock.sendall(b"\x10\xff\xff\xff\x7f" + b"\x00" * 1000)
    assert huge.closed()
    big = Raw(system).log_in(other)
    big.read()
    big.sock.sendall(b"\x30" + b"\x80\x80\x05" + b"\x00" * 100)
    assert big.closed()
    twice = Raw(system).log_in(other)
    twice.read()
    twice.say(Publish(other["topics"]["evidence"], b"{}", 2, 3))
    assert twice.closed()
    loud = Raw(system).log_in(other)
    loud.read()
    loud.sock.sendall(encode(Ping(), V4) * 5_000)
    assert loud.closed()
    unharmed(system, till, speaker)
    assert slow.closed(15)
    for one in half_open:
        one.settimeout(15)
        assert one.recv(1) == b""
        one.close()


def test_a36_in_clear_on_loopback_only(system: System) -> None:
    """Every address that listens in clear is of this machine alone."""
    wanted = {system.base_port + 6, system.base_port + 8}
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, port = address.partition(":")
            if state == "0A" and int(port, 16) in wanted:
                found[int(port, 16)] = socket.inet_ntoa(struct.pack("<I", int(host, 16)))
    assert found[system.base_port + 6] == "127.0.0.1" and wanted == found.keys()
    assert 'listen("127.0.0.1", settings.mqtt_port' in Path("daozhang/app/gateway.py").read_text()


def test_a19_two_boxes_with_one_identity_are_frozen(system: System) -> None:
    told = enrol(system, new_till(system))
    first, second = Speaker(told).start(), Speaker(told).start()
    device = until(lambda: (row := system.call("GET", f"/v1/devices/{told['device']}")[1])["status"] == "frozen" and row, 60)
    assert "device.misbound" in device["causes"] and alarms(system, "cloned", told["device"])
    for one in (first, second):
        one.stop()
    assert (Raw(system, V5).log_in(told).read() or [Connack(0)])[0] == Connack(0x8A)
    events = system.call("GET", f"/v1/events?subject={told['device']}&limit=100")[1]["data"]
    assert "device.misconfigured" in [row["type"] for row in events]
    # A person has looked: a new code, a new secret, and the old one opens nothing any more.
    _, made = system.call("POST", f"/v1/devices/{told['device']}/code")
    status, again = system.call("POST", "/v1/devices/enroll", {"code": made["enroll"]["code"], "serial": told["serial"]}, api_key="none")
    assert status == 201 and again["device"] == told["device"]
    assert (Raw(system, V5).log_in(told).read() or [Connack(0)])[0] == Connack(0x86)
    assert (Raw(system, V5).log_in(again).read() or [Connack(9)])[0].code == 0  # type: ignore[union-attr]


def test_a19_a_serial_is_at_one_place_and_a_code_opens_once(system: System) -> None:
    till, serial = new_till(system), f"SN-{os.urandom(4).hex()}"
    status, made = system.call("POST", "/v1/devices", {"type": "speaker", "till": till, "serial": serial})
    assert status == 201 and made["status"] == "enrolling"
    status, told = system.call("POST", "/v1/devices", {"type": "speaker", "till": till, "serial": serial})
    assert (status, told["code"]) == (409, "serial_taken")
    body = {"code": made["enroll"]["code"], "serial": serial}
    assert system.call("POST", "/v1/devices/enroll", {**body, "serial": "SN-other"}, api_key="none")[0] == 403
    assert system.call("POST", "/v1/devices/enroll", {**body, "code": body["code"].lower()}, api_key="none")[0] == 201
    assert system.call("POST", "/v1/devices/enroll", body, api_key="none")[1]["code"] == "bad_enrol_code"
    assert system.call("DELETE", f"/v1/devices/{made['id']}")[0] == 200
    assert system.call("POST", "/v1/devices", {"type": "speaker", "till": till, "serial": serial})[0] == 201


def test_a20_an_edited_repeat_is_refused(system: System) -> None:
    """A captured POS request: the same key with another amount makes no payment."""
    body = {"amount": 1250, "merchant_order_no": f"R-{os.urandom(5).hex()}", "till": system.state["till"],
            "method": {"type": "pay_by_code", "code": system.code()}}  # fmt: skip
    headers = {"Idempotency-Key": os.urandom(8).hex()}
    first = system.call("POST", "/v1/payments", body, headers=headers)
    assert first[0] == 201
    replayed = system.call("POST", "/v1/payments", body, headers=headers)
    assert replayed[0] == 200 and replayed[1]["id"] == first[1]["id"]
    assert system.call("POST", "/v1/payments", {**body, "amount": 1}, headers=headers)[1]["code"] == "idempotency_key_reused"


def test_revoked_and_rotated_secrets(system: System, pair: Any) -> None:
    _, told, other, _ = pair
    status, fresh = system.call("POST", f"/v1/devices/{told['device']}/rotate")
    assert status == 200 and fresh["mqtt"]["password"] != told["mqtt"]["password"]
    raw = Raw(system).log_in(fresh)
    assert (raw.read() or [Connack(9)])[0].code == 0  # type: ignore[union-attr]
    assert system.call("DELETE", f"/v1/devices/{told['device']}")[0] == 200
    assert raw.closed()
    assert (Raw(system).log_in(fresh).read() or [Connack(0)])[0] == Connack(5)
    assert system.call("GET", f"/v1/devices/{other['device']}")[0] == 200


def test_a_foreign_merchant_sees_and_touches_nothing(system: System, pair: Any) -> None:
    _, told, _, _ = pair
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/code"), ("GET", "/facts"), ("GET", "/commands")):
        assert system.call(method, f"/v1/devices/{told['device']}{path}", api_key="dz_test_sk_none")[0] == 401
    assert system.call("GET", "/v1/devices/dev_01JD8000000000000000000000")[0] == 404
    assert system.call("GET", f"/v1/devices/{told['device']}'--")[0] == 404


@pytest.mark.parametrize("seed", range(6))
def test_noise_crashes_nothing_and_touches_nobody(system: System, pair: Any, seed: int) -> None:
    """Broken packets before and after log-in, in clear and inside WebSocket heads: each ends its own line only."""
    till, _, other, speaker = pair
    rng = random.Random(seed)
    good = [encode(Publish(other["topics"]["heartbeat"], b'{"battery":5}', 1, 9), V4), encode(Subscribe(3, ((other["topics"]["cmd"], 1),)), V4),
            encode(Ping(), V4), encode(Acked(Ack.PUBACK, 1), V4), b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"]  # fmt: skip
    pid = system.state["pids"]["gateway"]
    for _ in range(60):
        raw = Raw(system)
        if rng.random() < 0.6:
            raw.log_in(other)
            raw.read()
        data = bytearray(rng.choice(good) if rng.random() < 0.8 else rng.randbytes(rng.randint(1, 300)))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(OSError):
            raw.sock.sendall(bytes(data) * rng.randint(1, 3))
        raw.sock.close()
    payload = [b"\xff\xfe", b"[" * 5000, b'{"announce_id":1e999}', b'{"announce_id":"ann_\\ud800"}', b"null", b'{"n":NaN}', b'{"a":"\\u0000"}',
               b'{"battery":1e400}', b'{"clock":"9999-99-99"}', b'{"clock_ms":99999999999999999999}', b'{"command_id":"\\u0000"}']  # fmt: skip
    raw = Raw(system).log_in(other)
    raw.read()
    raw.say(*[Publish(other["topics"][kind], data, 1, at + 1) for at, (kind, data) in enumerate((k, d) for k in ("heartbeat", "evidence", "ack") for d in payload)])
    acked = set()
    while len(acked) < 3 * len(payload):
        for packet in raw.read() or pytest.fail("the gateway closed the line"):
            assert isinstance(packet, Acked)
            acked.add(packet.packet_id)
    unharmed(system, till, speaker)
    assert system.state["pids"]["gateway"] == pid
