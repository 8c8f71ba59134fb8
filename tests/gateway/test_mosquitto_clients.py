"""aiomqtt and gmqtt as speakers at an external Mosquitto, by each door that they know (gmqtt has no WebSocket). `make prove`;
Debian: mosquitto. Without one this fails, it is not passed over."""

import asyncio
import json
from typing import Any

import gmqtt
import pytest

from tests.gateway.kit import new_till, played, ready
from tests.gateway.test_clients import WAYS, aiomqtt_client, gmqtt_client, one_message, trusting
from tests.gateway.test_external_broker import Outside, outside

__all__ = ["outside"]  # the fixture
pytestmark = [pytest.mark.prove, pytest.mark.parametrize("outside", ["mosquitto"], indirect=True)]
_BEAT = json.dumps({"n": 1, "battery": 88})


async def _enrolled(place: Outside, way: str) -> tuple[str, dict[str, Any]]:
    till = await asyncio.to_thread(new_till, place.system)
    return till, place.through(await asyncio.to_thread(place.enrolled, till), way)


@pytest.mark.parametrize("way", WAYS)
async def test_aiomqtt_hears_acknowledges_and_comes_back(outside: Outside, way: str) -> None:
    till, told = await _enrolled(outside, way)
    async with aiomqtt_client(told, way) as client:
        await client.subscribe(told["topics"]["announce"], 1)
        await client.publish(told["topics"]["heartbeat"], _BEAT, 1)
        await asyncio.to_thread(ready, outside.system, told)
        first = await asyncio.to_thread(outside.system.pay, till=till)
        assert (await one_message(client, told))["payment_tail"] == first["id"][-4:]
        assert (await asyncio.to_thread(played, outside.system, first["id"]))["late"] is False
    second = await asyncio.to_thread(outside.system.pay, till=till, amount=77)
    async with aiomqtt_client(told, way) as client:
        assert (await one_message(client, told))["amount"] == 77
        assert (await asyncio.to_thread(played, outside.system, second["id"]))["amount"] == 77


@pytest.mark.parametrize("way", ["tcp", "tls"])
@pytest.mark.parametrize("version", [4, 5])
async def test_gmqtt_hears_acknowledges_and_comes_back(outside: Outside, way: str, version: int) -> None:
    till, told = await _enrolled(outside, way)
    mqtt = told["mqtt"]
    level = gmqtt.constants.MQTTv50 if version == 5 else gmqtt.constants.MQTTv311
    for amount in (1250, 88):
        client, heard, subscribed = gmqtt_client(told, version)
        port = mqtt["tls_port"] if way == "tls" else outside.port
        await client.connect(mqtt["host"], port, ssl=trusting(told) if way == "tls" else False, version=level)
        client.subscribe(told["topics"]["announce"], qos=1)
        await asyncio.wait_for(subscribed.wait(), 15)
        client.publish(told["topics"]["heartbeat"], _BEAT, qos=1)
        await asyncio.to_thread(ready, outside.system, told)
        payment = await asyncio.to_thread(outside.system.pay, till=till, amount=amount)
        assert (await asyncio.wait_for(heard.get(), 15))["amount"] == amount
        assert (await asyncio.to_thread(played, outside.system, payment["id"]))["state"] == "played"
        await client.disconnect()
