"""The OpenAPI document tells the truth: strangers' requests made from it find no server error and no other shape."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from daozhang.api.answers import ANSWERS
from daozhang.api.farewell import Farewell
from daozhang.api.openapi import document
from daozhang.api.problem import KINDS
from daozhang.api.routes import Asked, Door, answer
from daozhang.client import words
from daozhang.core.directory import API_VERSION, VERSIONS
from daozhang.core.fleet import Standing, Told
from daozhang.core.payment import Method, State
from daozhang.core.refund import RefundKind, RefundState
from daozhang.core.verdict import Money, Verdict
from tests.api.test_problems import porter
from tests.conftest import System

ROOT = Path(__file__).parents[2]
_CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


def test_requests_made_from_the_document_find_no_lie(own_system: System, tmp_path: Path) -> None:
    """Left out: streams that never end, the sandbox's clock (it would move by a year), and revoking the key in use."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{own_system.base_port}/v1/openapi.json",
        "-H", f"Authorization: Bearer {own_system.state['api_key']}", "--checks", _CHECKS, "--max-examples", "10",
        "--exclude-path-regex", "stream|clock/advance", "--exclude-operation-id", "delete_v1_keys_id", "--phases", "coverage,fuzzing",
        "--request-timeout", "20", "--continue-on-failure", "--seed", "1", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=250)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated and int(generated[1]) >= 1000 and generated[1] == generated[2], done.stdout[-1500:]
    warned = re.search(r"Authentication failed: .*?(?=\n\n💡)", done.stdout, re.DOTALL)
    shut = re.findall(r"^\s+- (.+)$", warned[0], re.MULTILINE) if warned else []
    assert set(shut) <= {"POST /v1/devices/enroll"}, shut  # its credential is the code in the body, which nobody can guess
    assert own_system.pay()["verdict"] == "paid"


def test_every_door_says_what_it_answers(system: System) -> None:
    page = system.call("GET", "/v1/openapi.json")[1]
    doors = {f"{method.upper()} {path}" for path, methods in page["paths"].items() for method in methods}
    assert doors == set(ANSWERS)


def test_the_committed_document_is_the_served_one(system: System) -> None:
    """Programs are generated from openapi/v1.json. Renew it with: daozhang openapi > openapi/v1.json"""
    committed = json.loads((ROOT / "openapi" / "v1.json").read_text("utf-8"))
    assert committed == system.call("GET", "/v1/openapi.json")[1]


def broken(first: Any, now: Any, place: str, sent: bool) -> list[str]:
    """Where a schema breaks its promise. ``sent``: the caller sends it, so it may only grow laxer; otherwise only richer."""
    found = []
    for word in ("type", "$ref"):
        if word in first and first[word] != now.get(word):
            found.append(f"{place}: {word} was {first[word]}, is {now.get(word)}")
    gone = set(first.get("properties", {})) - set(now.get("properties", {}))
    found += [f"{place}: {name} is gone" for name in sorted(gone)]
    then, today = set(first.get("required", [])), set(now.get("required", []))
    found += [f"{place}: {name} became required" for name in sorted(today - then) if sent]
    found += [f"{place}: {name} may be missing now" for name in sorted(then - today) if not sent]
    found += [f"{place}: {word} is no longer taken" for word in first.get("enum", []) if sent and word not in now.get("enum", [word])]
    for name, schema in first.get("properties", {}).items():
        if name not in gone:
            found += broken(schema, now["properties"][name], f"{place}.{name}", sent)
    if "items" in first:
        found += broken(first["items"], now.get("items", {}), f"{place}[]", sent)
    return found


def sent_by_callers(page: dict[str, Any]) -> set[str]:
    """The names of all schemas that stand in request bodies, at any depth."""
    todo = [operation["requestBody"] for methods in page["paths"].values() for operation in methods.values() if "requestBody" in operation]
    found: set[str] = set()
    while todo:
        names = set(re.findall(r'#/components/schemas/(\w+)"', json.dumps(todo.pop()))) - found
        found |= names
        todo += [page["components"]["schemas"][name] for name in names]
    return found


def breaks(first: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Everything with which a program written for the first document could fail on the present one."""
    found = []
    for path, methods in first["paths"].items():
        for method, operation in methods.items():
            fresh = now["paths"].get(path, {}).get(method)
            if fresh is None:
                found.append(f"{method} {path} is gone")
                continue
            asks, asked = ({p["name"] for p in one["parameters"] if p.get("required")} for one in (fresh, operation))
            found += [f"{method} {path}: {name} became required" for name in sorted(asks - asked)]
            known = {p["name"] for p in fresh["parameters"]}
            found += [f"{method} {path}: {p['name']} is gone" for p in operation["parameters"] if p["name"] not in known]
            found += [f"{method} {path}: {status} is gone" for status in operation["responses"] if status not in fresh["responses"]]
    sent = sent_by_callers(first)
    for name, schema in first["components"]["schemas"].items():
        if name not in now["components"]["schemas"]:
            found.append(f"{name} is gone")
        else:
            found += broken(schema, now["components"]["schemas"][name], name, name in sent)
    return found


def document_of(name: str) -> dict[str, Any]:
    page: dict[str, Any] = json.loads((ROOT / "openapi" / name).read_text("utf-8"))
    return page


def test_what_was_promised_is_kept() -> None:
    """Nothing of a version's first document may go: that needs a new version by date, with a first document of its own."""
    for version in VERSIONS:
        assert breaks(document_of(f"{version}.json"), document_of("v1.json")) == []


@pytest.mark.parametrize(
    ("where", "says"),
    [(("paths", "/v1/refunds"), "get /v1/refunds is gone"), (("components", "schemas", "Payment", "properties", "verdict"), "Payment: verdict is gone"),
     (("paths", "/v1/payments", "get", "responses", "200"), "get /v1/payments: 200 is gone"), (("components", "schemas", "Refund"), "Refund is gone")],
)  # fmt: skip
def test_the_guard_sees_what_is_taken_away(where: tuple[str, ...], says: str) -> None:
    now = document_of("v1.json")
    inner = now
    for step in where[:-1]:
        inner = inner[step]
    del inner[where[-1]]
    assert says in breaks(document_of(f"{API_VERSION}.json"), now)


def test_the_guard_sees_what_is_asked_for_anew_and_what_changed_its_kind() -> None:
    now = document_of("v1.json")
    now["components"]["schemas"]["NewPayment"]["required"].append("subject")
    now["components"]["schemas"]["Payment"]["properties"]["subject"]["type"] = "integer"
    now["components"]["schemas"]["Payment"]["required"].remove("money")
    assert set(breaks(document_of(f"{API_VERSION}.json"), now)) == {
        "NewPayment: subject became required", "Payment.subject: type was string, is integer", "Payment: money may be missing now",
    }  # fmt: skip


def test_the_words_of_the_document_are_the_words_of_the_house() -> None:
    """An open enumeration that lies by leaving words out would send readers astray."""
    for told, meant in (
        (words.Verdict, Verdict), (words.Money, Money), (words.PaymentStatus, State), (words.MethodType, Method),
        (words.RefundStatus, RefundState), (words.RefundKind, RefundKind), (words.DeviceStatus, Standing), (words.AnnouncementState, Told),
    ):  # fmt: skip
        assert set(words.known(told)) == {one.value for one in meant}
    schemas = document_of("v1.json")["components"]["schemas"]
    assert schemas["Payment"]["properties"]["verdict"]["x-extensible-enum"] == list(words.known(words.Verdict))
    assert set(schemas["Problem"]["properties"]["code"]["x-extensible-enum"]) == set(KINDS) == set(document_of("v1.json")["x-problems"])


def test_a_door_that_will_close_says_so_in_its_answers_and_in_the_document() -> None:
    farewell = Farewell(date(2027, 1, 1), date(2028, 8, 1), "/v1/payments")
    assert farewell.headers() == [
        (b"deprecation", b"@1798761600"), (b"sunset", b"Tue, 01 Aug 2028 00:00:00 GMT"), (b"link", b'</v1/payments>; rel="successor-version"'),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="eighteen months"):
        Farewell(date(2027, 1, 1), date(2027, 6, 1), "/v1/payments")

    async def handler(asked: Asked) -> Response:
        return answer({"name": "x", "version": "1", "api": "v1"})

    door = Door("GET", "/v1/version", handler, "版本", "version", None, farewell=farewell)
    operation = document([door], "1")["paths"]["/v1/version"]["get"]
    assert operation["deprecated"] is True and {"Deprecation", "Sunset"} <= set(operation["responses"]["200"]["headers"])
    reply = asyncio.run(porter().endpoint(door)(Request({"type": "http", "method": "GET", "path": "/v1/version", "headers": []}, nothing)))
    assert (reply.headers["deprecation"], reply.headers["sunset"]) == ("@1798761600", "Tue, 01 Aug 2028 00:00:00 GMT")


async def nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
