"""Each fault's one command against a running system: real sockets, real PostgreSQL, all three channels."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import CliRunner

from daozhang.cli.main import cli
from daozhang.sandbox import staged
from tests.conftest import System
from tests.judge import all_manners, judge


def typed(system: System, command: str) -> dict[str, Any]:
    """A command as it stands in the docs."""
    done = CliRunner().invoke(cli, [*command.split()[1:], "--json", "--data", str(system.data)])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def on(system: System, channel: str) -> set[str]:
    return {row["mode"] for row in typed(system, f"daozhang chaos list --channel {channel}")["on"]}


def test_every_command_stages_its_fault(system: System) -> None:
    for channel in staged.ALL:
        listed = {row["fault"]: row for row in typed(system, f"daozhang chaos list --channel {channel}")["faults"]}
        assert set(listed) == {one.number for one in staged.STAGED if channel in one.channels}
        for one in (one for one in staged.STAGED if channel in one.channels):
            typed(system, listed[one.number]["command"])
            assert on(system, channel) == {step.mode for step in one.steps}
            typed(system, "daozhang chaos off")
            assert not on(system, channel)


def test_a_fault_that_a_channel_does_not_have_is_refused(system: System) -> None:
    code, _, err = system.cli("chaos", "stage", "F16", "--channel", "alipay")
    assert code == 2 and "F16" in err


def paid_by(system: System, number: str, channel: str) -> dict[str, Any]:
    """The payment that shows the fault, brought to its end."""
    found = staged.find(number)
    assert found is not None
    if not found.qr:
        made = system.pay(found.payer, wait_s=0, wallet=channel)
        return system.until_decided(made["id"], 150)
    body = {"amount": 1250, "merchant_order_no": f"F-{time.monotonic_ns()}", "till": system.state["till"], "wait_s": 0,
            "method": {"type": "pay_by_qr", "channel": channel}}  # fmt: skip
    made = system.call("POST", "/v1/payments", body)[1]
    for _ in range(100):
        made = system.call("GET", f"/v1/payments/{made['id']}")[1]
        if made["method"]["qr"]:
            break
        time.sleep(0.1)
    assert system.call("POST", "/v1/sandbox/scan", {"wallet": channel, "qr": made["method"]["qr"], "behaviour": "pays"})[0] == 200
    return system.until_decided(made["id"], 150)


@pytest.mark.parametrize("number", ["F1", "F10", "F19"])
def test_what_it_does_on_real_sockets(system: System, number: str) -> None:
    for channel in staged.ALL:
        typed(system, f"daozhang chaos stage {number} --channel {staged.short(channel)}")
    try:
        with ThreadPoolExecutor(3) as crowd:
            ended = list(crowd.map(lambda channel: paid_by(system, number, channel), staged.ALL))
    finally:
        system.calm()
    for channel, payment in zip(staged.ALL, ended, strict=True):
        assert payment["verdict"] == "paid", (channel, payment)
        books = system.books(channel)
        number_there = payment["channel_refs"]["out_trade_no"]  # others ask the same twin in their own manner
        mine = {"orders": [row for row in books["orders"] if row["out_trade_no"] == number_there],
                "requests": [{**row, "channel": channel} for row in books["requests"] if row["out_trade_no"] == number_there]}  # fmt: skip
        assert judge([payment], mine, {payment["id"]}, True) == [] and all_manners(mine) == []
        said = [event["type"] for event in system.call("GET", f"/v1/events?subject={payment['id']}")[1]["data"]]
        assert said.count("payment.paid") == 1
        trace = system.call("GET", f"/v1/payments/{payment['id']}/trace")[1]["evidence"]
        if number == "F10":
            assert sum(line["kind"] == "notified" for line in trace) <= 1


def test_a_key_that_changes_is_fetched_by_the_demo_shop_too(system: System) -> None:
    """F15: the demo shop asks for the public key, and is answered by certificates in their turn."""
    typed(system, "daozhang chaos stage F15 --channel wechat")
    try:
        with ThreadPoolExecutor(4) as crowd:
            paid = list(crowd.map(lambda _: system.pay(wallet="wechat"), range(12)))
    finally:
        system.calm()
    assert [one["verdict"] for one in paid] == ["paid"] * 12
    for one in paid:
        trace = system.call("GET", f"/v1/payments/{one['id']}/trace")[1]["evidence"]
        assert ("answered", "pay", "nothing") not in {(line["kind"], line["op"], line["proves"]) for line in trace}
    asked = [row["method"] for row in system.books("wechat")["requests"]]
    assert 1 <= asked.count("v3.trade.certificates") <= 2
