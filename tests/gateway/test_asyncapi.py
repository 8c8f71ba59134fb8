"""The document of the device plane says what is sent: real messages are held against it."""

from typing import Any

from jsonschema import Draft7Validator

from tests.conftest import System
from tests.gateway.kit import Speaker, enrol, new_till, ready


def follow(page: dict[str, Any], ref: dict[str, str]) -> Any:
    found: Any = page
    for part in ref["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_real_messages_fit_the_document(system: System) -> None:
    status, page = system.call("GET", "/v1/asyncapi.json", api_key="none")
    assert status == 200 and page["asyncapi"].startswith("3.")
    till = new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    system.pay(till=till)
    announced = speaker.next()
    system.call("POST", f"/v1/devices/{told['device']}/commands", {"command": "self_test"})
    for kind, table in (("announce", announced), ("cmd", speaker.next())):
        channel = page["channels"][kind]
        address = channel["address"].format(merchant=told["merchant"], device=told["device"])
        assert address == table["topic"] == told["topics"][kind]
        schema = follow(page, channel["messages"][kind])["payload"]
        Draft7Validator(schema).validate({name: value for name, value in table.items() if name not in ("topic", "raw", "retain")})
    assert {name: one["action"] for name, one in page["operations"].items()} == {
        "cmd": "send", "announce": "send", "config": "send", "heartbeat": "receive", "evidence": "receive", "ack": "receive"}  # fmt: skip
    assert all(follow(page, one["channel"]) for one in page["operations"].values())
    speaker.stop()
