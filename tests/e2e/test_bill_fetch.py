"""Bills through the whole platform: pay, move the clock a day, fetch, and see exactly what the channel tells otherwise."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.ids import out_trade_no, payment_of
from tests.conftest import System, free_base_port

# What each fault of a bill has to show: how many are missing, extra, and of another amount; and lines that cannot be read.
SHOWS = {"": (0, 0, 0), "bill_missing": (1, 0, 0), "bill_extra": (0, 1, 0), "bill_amount": (0, 0, 1), "bill_twice": (0, 0, 1),
         "bill_poison": (0, 0, 0)}  # fmt: skip
REFUNDED = 250
NOT_READY = ("BILL_NOT_EXIST", "NO_STATEMENT_EXIST", "98")  # F17, in each channel's own word


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own: its clock is moved."""
    made = System(tmp_path_factory.mktemp("bills") / "d", free_base_port())
    made.start()
    yield made
    assert made.stop() == 0


def china_day(system: System) -> str:
    now = json.loads(system.cli("clock", "now", "--json")[1])["now_ms"]
    return f"{datetime.fromtimestamp(now / 1000, UTC) + timedelta(hours=8):%Y-%m-%d}"


def fetched(system: System, channel: str, day: str, *more: str) -> tuple[int, Any]:
    code, out, _ = system.cli("bill", "fetch", "--channel", channel, "--date", day, "--json", *more)
    return code, json.loads(out)


def test_each_channels_bill_is_fetched_compared_and_read_again(own: System, tmp_path: Path) -> None:
    channels = [channel.name for channel in Shelf.look()]
    # The clearing day of one channel turns at 23:00 and all others at midnight: both payments shall stand in one bill.
    hour = (datetime.now(UTC) + timedelta(hours=8)).hour
    if hour >= 22:
        assert own.cli("clock", "advance", "3h")[0] == 0
    day = china_day(own)
    paid = {channel: [out_trade_no(own.pay(wallet=channel)["id"]) for _ in range(2)] for channel in channels}
    for channel in channels:  # a part of the second one goes back
        body = {"payment": payment_of(paid[channel][1]), "amount": REFUNDED, "wait_s": 10}
        assert own.call("POST", "/v1/refunds", body)[1]["status"] == "succeeded"
    assert fetched(own, channels[0], day)[1]["error"]["code"] == "bad_query", "a day that is not over has no bill"
    assert own.cli("clock", "advance", "36h")[0] == 0  # bills are there after ten the next morning
    for channel in Shelf.look():
        if not hasattr(channel.wire, "ask_bill"):
            assert fetched(own, channel.name, day)[1]["error"]["channel_code"] == "not_offered"
            continue
        modes = {mode["name"] for mode in own_modes(own, channel.name)}
        for fault in sorted(modes & {"bill_not_ready", "bill_cut"}):  # F17: no bill, or none to be believed, is never "no difference"
            own.chaos(fault, wallet=channel.name)
            none, why = fetched(own, channel.name, day)
            own.calm()
            code, word = why["error"]["code"], why["error"].get("channel_code")
            assert none not in (0, 5) and (code == "bad_bill" if fault == "bill_cut" else word in NOT_READY), (channel.name, fault, why)
        faults = modes & set(SHOWS)
        for fault in ["", *sorted(faults)]:
            if fault:
                own.chaos(fault, wallet=channel.name)
            exit_code, told = fetched(own, channel.name, day, "-o", str(tmp_path / fault))
            own.calm()
            assert "comparison" in told, (channel.name, fault, told)
            found = told["comparison"]
            assert tuple(found[name]["count"] for name in ("missing", "extra", "amount")) == SHOWS[fault], (channel.name, fault)
            assert exit_code == (5 if fault else 0) and told["unreadable"] == (2 if fault == "bill_poison" else 0)
            refunds = found["refunds"]
            assert [refunds[name]["count"] for name in ("missing", "extra", "amount")] == [0, 0, 0] and refunds["same"] == 1, (channel.name, refunds)
            if fault == "bill_twice":
                (row,) = found["amount"]["data"]
                assert row["order_no"] in paid[channel.name] and row["amount_in_bill"] == 2500 and len(set(row["trade_nos"])) == 2
            if fault in ("bill_missing", "bill_amount"):
                assert found[fault.removeprefix("bill_")]["data"][0]["order_no"] in paid[channel.name]
        code, out, _ = own.cli("bill", "show", str(next(tmp_path.glob(f"{channel.name}-*"))), "--json")
        read = json.loads(out)
        assert code == 0 and read["channel"] == channel.name and read["kinds"]["pay"] | {"lines": 2, "amount": 2500} == read["kinds"]["pay"]


def own_modes(system: System, channel: str) -> list[dict[str, str]]:
    return list(json.loads(system.cli("chaos", "list", "--channel", channel, "--json")[1])["modes"])


def test_a_file_that_nobody_can_believe_is_refused_in_both_languages(own: System, tmp_path: Path) -> None:
    strange = tmp_path / "strange.csv"
    strange.write_bytes("交易时间,公众账号ID\n`2026-11-23".encode())
    for lang, word in (("zh", "没有渠道认得这个文件"), ("en", "no channel can believe this file")):
        code, _, err = own.cli("bill", "show", str(strange), "--lang", lang)
        assert code == 1 and word in err and "Traceback" not in err
    assert own.cli("bill", "show", str(tmp_path / "none.csv"))[0] == 1
