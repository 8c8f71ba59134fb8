"""The request log has every request of a caller, nothing that opens a door, and no request can silence it."""

import asyncio
import json
import time
import urllib.request
from typing import Any

import pytest

from daozhang.api import request_log
from daozhang.api.request_log import Scribe
from daozhang.core.directory import Page
from daozhang.core.request_log import Line, path_kept
from tests.conftest import System


def line(number: int = 0) -> Line:
    return Line(1, "mer_1", 1_000 + number, f"req_{number}", "key_1", "GET", "/v1/payments", 200, 3, "", "zh")


class Kept:
    """A store of lines that can be broken."""

    def __init__(self) -> None:
        self.rows: list[Line] = []
        self.broken: Exception | None = None
        self.sweeps: list[int] = []

    async def write(self, lines: list[Line]) -> None:
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        self.rows += lines

    async def sweep(self, before_ms: int, most: int) -> bool:
        self.sweeps.append(before_ms)
        return False

    async def lines(self, merchant: str, **how: Any) -> Page:
        return Page(list(self.rows))


class Clock:
    def now_ms(self) -> int:
        return 1_800_000_000_000


async def test_whatever_breaks_a_batch_the_log_goes_on_and_tells_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_FLUSH_S", 0.01)
    store, lost = Kept(), list[int]()
    scribe = Scribe(store, Clock(), lost.append)  # type: ignore[arg-type]
    store.broken = RuntimeError("anything at all")
    scribe.write(line(1))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if lost:
            break
    assert lost == [1] and scribe.dropped == 1
    store.broken = None
    scribe.write(line(2))
    await scribe.close()
    assert [row.request_id for row in store.rows] == ["req_2"] and len(store.sweeps) == 1


async def test_what_waits_is_bounded_and_is_written_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MOST_WAITING", 5_000)
    store, lost = Kept(), list[int]()
    scribe = Scribe(store, Clock(), lost.append)  # type: ignore[arg-type]
    for number in range(5_010):
        scribe.write(line(number))
    await scribe.close()
    assert [row.request_id for row in store.rows] == [f"req_{number}" for number in range(5_000)] and sum(lost) == 10


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/v1/payments/28123456789012345678", "/v1/payments/28••••5678"), ("/v1/x/dz_live_sk_00ff", "/v1/x/dz_••••"),
     ("/v1/payments/pay_01JD8000000000000000000000", "/v1/payments/pay_01JD8000000000000000000000"), ("/v1/events/evt_12", "/v1/events/evt_12"),
     ("/v1/\x00\ud800", "/v1/\ufffd\ufffd"), ("/v1/" + "a" * 900, "/v1/" + "a" * 196)],
)  # fmt: skip
def test_a_path_is_kept_without_what_takes_money(path: str, kept: str) -> None:
    assert path_kept(path) == kept


def row_of(system: System, query: str, **members: Any) -> dict[str, Any]:
    """The line with these members, waited for."""
    end = time.monotonic() + 15
    while True:
        status, page = system.call("GET", f"/v1/request_log?limit=100&{query}")
        assert status == 200, page
        for row in page["data"]:
            if members.items() <= row.items():
                return dict(row)
        assert time.monotonic() < end, page
        time.sleep(0.2)


def test_refusals_of_every_kind_are_there_and_a_strange_path_silences_nobody(system: System) -> None:
    narrow = system.call("POST", "/v1/keys", {"scopes": ["events:read"]})[1]
    strange = system.call("GET", "/v1/payments/%00", headers={"Accept-Language": "en"})[1]
    coded = system.call("GET", "/v1/payments/28123456789012345678")[1]
    refused = system.call("GET", "/v1/balances", api_key=narrow["secret"])[1]
    nowhere = system.call("GET", "/v1/no_such_thing")[1]
    wrong = system.call("DELETE", "/v1/payments")[1]
    row_of(system, "status=403", request_id=refused["request_id"], key=narrow["id"], problem="not_allowed")
    row_of(system, "path=/v1/no_such", request_id=nowhere["request_id"], problem="no_route", status=404)
    row_of(system, "status=4xx", request_id=wrong["request_id"], problem="wrong_method", method="DELETE")
    row_of(system, "", request_id=strange["request_id"], path="/v1/payments/\ufffd", language="en")
    row_of(system, "", request_id=coded["request_id"], path="/v1/payments/28••••5678")
    shown = json.dumps(system.call("GET", "/v1/request_log?limit=100")[1])
    assert "28123456789012345678" not in shown and narrow["secret"] not in shown
    assert b"daozhang_request_log_lost_lines" in fetch(system, "/metrics")


def fetch(system: System, path: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}{path}", headers={"Authorization": f"Bearer {system.state['api_key']}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return bytes(reply.read())


def test_another_merchant_sees_nothing_of_it(system: System) -> None:
    from tests.api.test_doors import ALL, _other_merchant

    other = asyncio.run(_other_merchant(system, ALL))
    row_of(system, "", status=200)
    assert system.call("GET", "/v1/request_log", api_key=other["api_key"])[1]["data"] == []
