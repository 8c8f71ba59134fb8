"""A broker for tests, as small as can be: everybody may do everything, sessions of MQTT 5 that last, QoS 1, wills."""

import asyncio
import threading
from dataclasses import dataclass, field

from daozhang.devices.mqtt.packets import (
    V5,
    Ack,
    Acked,
    Connack,
    Connect,
    Disconnect,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Will,
)
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode


@dataclass
class Client:
    """One client id, connected or not."""

    filters: list[str] = field(default_factory=list)
    writer: asyncio.StreamWriter | None = None
    unacknowledged: dict[int, Publish] = field(default_factory=dict)
    number: int = 0


class SmallBroker:
    """Runs in a thread of its own from ``start`` to ``stop``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._clients: dict[str, Client] = {}
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        door = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._up.set()
        self._loop.run_forever()
        door.close()
        for client in self._clients.values():
            if client.writer is not None:
                client.writer.transport.abort()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(door.wait_closed())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets, client = Reader(1 << 20, V5), Client()
        will: Will | None = None
        try:
            while data := await reader.read(65_536):
                for packet in packets.feed(data):
                    if isinstance(packet, Connect):
                        client, will = self._connected(packet, writer), packet.will
                    elif isinstance(packet, Disconnect):
                        will = None
                    else:
                        self._one(client, packet)
        except ConnectionError:
            pass
        if client.writer is writer:
            client.writer = None
        if will is not None:
            self._route(Publish(will.topic, will.payload, will.qos))
        writer.close()

    def _connected(self, packet: Connect, writer: asyncio.StreamWriter) -> Client:
        client = Client() if packet.clean else self._clients.setdefault(packet.client_id, Client())
        client.filters = []  # everybody subscribes again
        self._clients[packet.client_id] = client
        client.writer = writer
        writer.write(encode(Connack(0), V5))
        for message in client.unacknowledged.values():
            writer.write(encode(message, V5))
        return client

    def _one(self, client: Client, packet: object) -> None:
        assert client.writer is not None
        match packet:
            case Subscribe(packet_id=number, filters=wanted):
                client.filters += [name for name, *_ in wanted]
                client.writer.write(encode(Suback(number, tuple(1 for _ in wanted)), V5))
            case Publish():
                if packet.qos:
                    client.writer.write(encode(Acked(Ack.PUBACK, packet.packet_id), V5))
                self._route(packet)
            case Acked():
                client.unacknowledged.pop(packet.packet_id, None)
            case Ping(answer=False):
                client.writer.write(encode(Ping(True), V5))

    def _route(self, message: Publish) -> None:
        for client in self._clients.values():
            if any(_fits(wanted, message.topic) for wanted in client.filters):
                client.number += 1
                copy = Publish(message.topic, message.payload, 1, client.number)
                client.unacknowledged[client.number] = copy
                if client.writer is not None:
                    client.writer.write(encode(copy, V5))


def _fits(wanted: str, topic: str) -> bool:
    these, those = wanted.split("/"), topic.split("/")
    return len(these) == len(those) and all(one in ("+", other) for one, other in zip(these, those, strict=True))
