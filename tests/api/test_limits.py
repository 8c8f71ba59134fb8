"""Who asks too much is told so, what we cannot do in time is refused at once, and what was asked can be looked up."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daozhang.api.limits import Gate, GateLimits, Limits
from daozhang.api.problem import Problem
from daozhang.core.directory import API_VERSION
from tests.conftest import System, free_base_port


class Clock:
    now = 0.0

    def monotonic_ms(self) -> float:
        return self.now


def test_a_key_has_so_many_a_second_and_gets_them_back() -> None:
    clock = Clock()
    limits = Limits(clock, 10)  # type: ignore[arg-type]
    assert [limits.take("a") for _ in range(10)][-1] == '"key";r=0;t=1'
    with pytest.raises(Problem) as told:
        limits.take("a")
    assert told.value.code == "slow_down" and told.value.headers["Retry-After"] == "1"
    limits.take("b")
    clock.now += 100
    limits.take("a")
    with pytest.raises(Problem):
        limits.take("a")


async def busy(turns: int) -> None:
    """Somebody holds the loop at each of its turns."""
    for _ in range(turns):
        time.sleep(0.004)
        await asyncio.sleep(0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_the_gate_closes_when_the_turns_of_a_request_take_too_long_and_opens_again() -> None:
    gate = Gate(GateLimits(lag_ms=60))
    gate.enter()
    holding = asyncio.create_task(busy(1_000))
    await until(lambda: gate.lag_ms > 60)
    with pytest.raises(Problem) as told:
        gate.enter()
    assert (told.value.code, told.value.headers["Retry-After"], gate.under_way) == ("overloaded", "2", 1)
    await holding
    await until(lambda: gate.lag_ms < 60)
    gate.enter()
    assert (gate.refused, gate.under_way) == (1, 2)


async def test_a_crowd_that_comes_at_once_is_let_in_by_and_by() -> None:
    gate = Gate(GateLimits(at_once=3, under_way=5))
    for _ in range(3):
        gate.enter()
    with pytest.raises(Problem) as told:
        gate.enter()
    assert (told.value.code, told.value.headers["Retry-After"]) == ("overloaded", "1")
    await until(lambda: gate._let_in == 0)
    gate.enter()
    gate.enter()
    await until(lambda: gate._let_in == 0)
    with pytest.raises(Problem):
        gate.enter()
    for _ in range(5):
        gate.leave()
    await until(lambda: gate._task is None)
    gate.enter()
    assert gate.under_way == 1


async def test_who_comes_as_fast_as_others_leave_comes_in_however_long_a_measurement_takes() -> None:
    gate = Gate(GateLimits(at_once=3, under_way=5))
    gate.enter()
    for _ in range(50):  # no turn of the loop, so no measurement between them
        gate.enter()
        gate.leave()
    assert (gate.refused, gate.under_way) == (0, 1)
    gate.enter()
    gate.enter()
    with pytest.raises(Problem):
        gate.enter()


async def test_the_gate_closes_while_writes_wait_too_long_for_their_turn() -> None:
    waits = [0.0]
    gate = Gate(GateLimits(queue_ms=3_000), queue_ms=lambda: waits[0])
    gate.enter()
    waits[0] = 3_001.0
    with pytest.raises(Problem) as told:
        gate.enter()
    assert (told.value.code, told.value.headers["Retry-After"], gate.under_way) == ("overloaded", "2", 1)
    waits[0] = 10.0
    gate.enter()


def test_a_spike_is_refused_honestly_and_nothing_is_wrong_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "d"
    data.mkdir()
    (data / "settings.toml").write_text("most_under_way = 6\n")
    system = System(data, free_base_port() + 3000)
    system.start()
    try:
        codes = [system.code() for _ in range(60)]
        told: list[tuple[str, int, dict[str, str]]] = []

        def pay(number: int) -> None:
            body = {"amount": 100, "merchant_order_no": f"S-{number}", "till": system.state["till"],
                    "method": {"type": "pay_by_code", "code": codes[number]}}  # fmt: skip
            status, answer = system.call("POST", "/v1/payments", body)
            told.append((f"S-{number}", status, answer))

        tills = [threading.Thread(target=pay, args=(number,)) for number in range(60)]
        for one in tills:
            one.start()
        for one in tills:
            one.join(30)
        refused = [order for order, status, _ in told if status == 503]
        taken = [order for order, status, _ in told if status == 201]
        assert len(refused) + len(taken) == 60 and refused and taken
        assert all(answer["code"] == "overloaded" and answer["retryable"] for _, status, answer in told if status == 503)
        for order in refused:
            assert system.call("GET", f"/v1/payments?merchant_order_no={order}")[1]["data"] == []
        for order in taken:
            assert system.call("GET", f"/v1/payments?merchant_order_no={order}")[1]["data"][0]["verdict"] == "paid"
        assert system.pay()["verdict"] == "paid", "it recovers by itself"
        until = time.monotonic() + 10
        while len(lines := system.call("GET", "/v1/request_log?status=5xx&limit=100")[1]["data"]) < len(refused) and time.monotonic() < until:
            time.sleep(0.2)
        assert len(lines) == len(refused) and {line["problem"] for line in lines} == {"overloaded"}
        code, out, _ = system.cli("logs", "tail", "--filter", "status=5xx", "--for", "1s")
        assert code == 0 and "overloaded" in out
    finally:
        system.stop()


def test_headers_tell_the_rate_the_version_and_the_request(system: System) -> None:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}/v1/balances")
    request.add_header("Authorization", f"Bearer {system.state['api_key']}")
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["RateLimit"].startswith('"key";r=') and reply.headers["RateLimit-Policy"] == '"key";q=2000;w=1'
        assert reply.headers["Daozhang-Version"] == API_VERSION and reply.headers["Request-Id"].startswith("req_")
    request.add_header("Daozhang-Version", "1999-01-01")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    told = json.loads(refused.value.read())
    assert (refused.value.code, told["code"], told["versions"]) == (400, "unknown_version", [API_VERSION])


def test_requests_are_found_again_without_their_secrets(system: System) -> None:
    system.call("GET", "/v1/payments/pay_nobody?secret=yes")
    system.pay()
    until = time.monotonic() + 10
    while True:
        _, page = system.call("GET", "/v1/request_log?status=404&path=/v1/payments/pay_nobody")
        if page["data"] or time.monotonic() > until:
            break
        time.sleep(0.2)
    line = page["data"][0]
    assert (line["status"], line["problem"], line["method"]) == (404, "not_found", "GET") and line["request_id"].startswith("req_")
    assert "secret" not in json.dumps(page)
    assert system.call("GET", "/v1/request_log?status=9xx")[0] == 400
    code, out, _ = system.cli("logs", "tail", "--filter", "status=404", "--for", "1s")
    assert code == 0 and "pay_nobody" in out
    assert system.cli("logs", "tail", "--filter", "colour=red")[0] == 2
