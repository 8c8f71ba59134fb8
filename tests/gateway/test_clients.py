"""Independent MQTT clients as speakers: connect, receive, acknowledge, reconnect; over TCP, TLS and WebSocket."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import gmqtt
import pytest

from tests.conftest import System
from tests.gateway.kit import Speaker, enrol, new_till, played, ready

WAYS = ["tcp", "tls", "ws", "wss"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", [4, 5])
def test_paho_hears_acknowledges_and_comes_back(system: System, tmp_path: Path, way: str, version: int) -> None:
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told, version=version, way=way, ca=tmp_path / "ca.pem").start()
    assert speaker.codes.get(timeout=15) == 0 and speaker.subacks.get(timeout=15) == [1, 1, 1]
    first = system.pay(till=till)
    heard = speaker.next()
    assert (heard["amount"], heard["late"], heard["payment_tail"], heard["retain"]) == (1250, False, first["id"][-4:], False)
    shown = played(system, first["id"])
    assert shown["delivered_at"] and shown["queued_at"] <= shown["delivered_at"] <= shown["played_at"]
    assert system.call("GET", f"/v1/speakers/{told['device']}/announcements")[1]["data"][0]["id"] == heard["announce_id"]
    speaker.stop()
    missed = system.pay(till=till, amount=300)
    again = Speaker(told, version=version, way=way, ca=tmp_path / "ca.pem").start()
    assert again.codes.get(timeout=15) == 0 and again.present
    caught_up = again.next()
    assert caught_up["amount"] == 300 and played(system, missed["id"])["id"] == caught_up["announce_id"]
    assert again.silent()
    again.stop()


def trusting(told: dict[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=told["mqtt"]["ca_pem"])


@asynccontextmanager
async def aiomqtt_client(told: dict[str, Any], way: str) -> AsyncIterator[aiomqtt.Client]:
    mqtt = told["mqtt"]
    secure = way in ("tls", "wss")
    more: dict[str, Any] = {"tls_context": trusting(told)} if secure else {}
    if way.startswith("ws"):
        more |= {"transport": "websockets", "websocket_path": "/mqtt"}
    port = mqtt["tls_port"] if secure else mqtt["port"]
    async with aiomqtt.Client(mqtt["host"], port, username=mqtt["username"], password=mqtt["password"], identifier=mqtt["client_id"],
                              clean_session=False, **more) as client:  # fmt: skip
        yield client


async def one_message(client: aiomqtt.Client, told: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(15):
        async for message in client.messages:
            table: dict[str, Any] = json.loads(message.payload)  # type: ignore[arg-type]
            await client.publish(told["topics"]["ack"], json.dumps({"announce_id": table["announce_id"], "state": "played"}), 1)
            return table
    raise AssertionError("nothing came")


@pytest.mark.parametrize("way", WAYS)
async def test_aiomqtt_hears_acknowledges_and_comes_back(system: System, way: str) -> None:
    till = await asyncio.to_thread(new_till, system)
    told = await asyncio.to_thread(enrol, system, till)
    async with aiomqtt_client(told, way) as client:
        await client.subscribe(told["topics"]["announce"], 1)
        first = await asyncio.to_thread(system.pay, till=till)
        assert (await one_message(client, told))["payment_tail"] == first["id"][-4:]
        assert (await asyncio.to_thread(played, system, first["id"]))["late"] is False
    second = await asyncio.to_thread(system.pay, till=till, amount=77)
    async with aiomqtt_client(told, way) as client:
        assert (await one_message(client, told))["amount"] == 77
        assert (await asyncio.to_thread(played, system, second["id"]))["amount"] == 77


def gmqtt_client(told: dict[str, Any], version: int) -> tuple[Any, asyncio.Queue[dict[str, Any]], asyncio.Event]:
    """A client that acknowledges what it hears as played; what it heard; and when it is subscribed."""
    mqtt = told["mqtt"]
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    subscribed = asyncio.Event()

    def on_message(client: Any, _topic: str, payload: bytes, _qos: int, _properties: Any) -> int:
        table = json.loads(payload)
        client.publish(told["topics"]["ack"], json.dumps({"announce_id": table["announce_id"], "state": "played"}), qos=1)
        heard.put_nowait(table)
        return 0

    client = gmqtt.Client(mqtt["client_id"], clean_session=False, **({"session_expiry_interval": 600} if version == 5 else {}))
    client.set_auth_credentials(mqtt["username"], mqtt["password"])
    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    return client, heard, subscribed


@pytest.mark.parametrize("way", ["tcp", "tls"])
@pytest.mark.parametrize("version", [4, 5])
async def test_gmqtt_hears_acknowledges_and_comes_back(system: System, way: str, version: int) -> None:
    till = await asyncio.to_thread(new_till, system)
    told = await asyncio.to_thread(enrol, system, till)
    mqtt = told["mqtt"]
    port = mqtt["tls_port"] if way == "tls" else mqtt["port"]
    level = gmqtt.constants.MQTTv50 if version == 5 else gmqtt.constants.MQTTv311
    for amount in (1250, 88):
        client, heard, subscribed = gmqtt_client(told, version)
        await client.connect(mqtt["host"], port, ssl=trusting(told) if way == "tls" else False, version=level)
        client.subscribe(told["topics"]["announce"], qos=1)
        await asyncio.wait_for(subscribed.wait(), 15)
        await asyncio.to_thread(ready, system, told)
        payment = await asyncio.to_thread(system.pay, till=till, amount=amount)
        assert (await asyncio.wait_for(heard.get(), 15))["amount"] == amount
        assert (await asyncio.to_thread(played, system, payment["id"]))["state"] == "played"
        await client.disconnect()
