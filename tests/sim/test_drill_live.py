"""What a live run grades: incidents without a fault are counted, from what the system itself tells."""

import re
from typing import Any

import pytest

from daozhang.cli.drill_live import Leg, Live, false_incidents, told_after
from daozhang.cli.drill_manners import breaches, kind_of
from daozhang.core.texts import rfc3339
from daozhang.sim.drill_file import Drill, Fault
from daozhang.sim.drill_look import Episode

ZERO_MS = 1_795_400_000_000


def leg(channel: str, began_s: float, dark: bool = True) -> Leg:
    return Leg(channel, 100, "L-1", began_s, "x", episode=Episode("pay_1", "unproven", ("x",), 0) if dark else None)


def incident(onset_s: float, place: str = "channel", name: str = "alipay", stage: str = "identified", over_s: float = 0) -> dict[str, Any]:
    return {"id": "inc_1", "stage": stage, "place": place, "place_name": name, "onset_at": rfc3339(ZERO_MS + round(onset_s * 1000)),
            "recovered_at": rfc3339(ZERO_MS + round(over_s * 1000)) if over_s else None, "ended_at": None}  # fmt: skip


class Told:
    """The running system's answers, in pages."""

    state: dict[str, Any] = {}

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)

    def sandbox(self, method: str, path: str) -> dict[str, int]:
        return {"now_ms": ZERO_MS}

    def must(self, method: str, path: str) -> dict[str, Any]:
        assert method == "GET" and path.startswith("/incidents?")
        page = self.pages.pop(0)
        return {"data": page, "next_cursor": "inc_next" if self.pages else None}


def live(*pages: list[dict[str, Any]]) -> Live:
    drill = Drill(name="d", minutes=1.0, faults=(Fault(cause="platform.outage", channel="alipay", at_s=10, until_s=30),))
    return Live(None, drill, 1, Told(*pages))  # type: ignore[arg-type]


def count(run: Live) -> int:
    return false_incidents(run._incidents(), run.legs, run._struck, ZERO_MS)


def test_an_incident_is_false_where_no_fault_struck_most_of_its_dark_payments() -> None:
    run = live([incident(12)], [incident(12, "all", "*"), incident(40, "channel", "wechatpay"), incident(12, stage="merged")])
    run.legs = [leg("alipay", 12), leg("alipay", 20), leg("alipay", 33), leg("wechatpay", 41), leg("wechatpay", 15, dark=False)]
    assert count(run) == 1  # the one at wechatpay, where nothing was played


def test_nothing_dark_there_or_only_after_the_fault_is_false_too() -> None:
    run = live([incident(12, "bank", "CMB"), incident(50), incident(12, over_s=20)])
    run.legs = [leg("alipay", 14), leg("alipay", 51), leg("alipay", 52), leg("alipay", 53)]
    assert count(run) == 2  # of the first three in four were struck by nothing; of the second none was; the third was true while it lasted
    quiet = live([incident(12)])
    assert count(quiet) == 1


def test_without_incidents_the_number_is_nought() -> None:
    run = live([])
    run.legs = [leg("alipay", 12)]
    assert count(run) == 0


def rows(*asked: tuple[str, int], order: str = "DZ1") -> list[dict[str, Any]]:
    return [{"out_trade_no": order, "method": method, "at_ms": ZERO_MS + at} for method, at in asked]


@pytest.mark.parametrize(("channel", "asked", "wrong"), [
    ("alipay", [("alipay.trade.pay", 0), ("alipay.trade.query", 5_000), ("alipay.trade.query", 8_000), ("alipay.trade.cancel", 8_050)], []),
    ("alipay", [("alipay.trade.query", 5_000), ("alipay.trade.query", 7_999)], ["DZ1: two queries 2999 ms apart"]),
    ("alipay", [("alipay.trade.pay", 0), ("alipay.trade.cancel", 9_000)], ["DZ1: an undo after pay, not after a query"]),
    ("alipay", [("alipay.trade.cancel", 9_000)], ["DZ1: an undo after nothing, not after a query"]),
    ("wechatpay", [("trade.pay", 0), ("trade.query", 14_000), ("trade.reverse", 14_100)], ["DZ1: undone 14100 ms after the payment"]),
    ("wechatpay", [("trade.pay", 0), ("trade.query", 15_000), ("trade.refund", 15_050), ("trade.reverse", 15_100)], []),
    ("unionpay", [("trade.pay", 0), ("trade.query", 1_000), ("trade.query", 3_000), ("trade.pay", 3_500), ("trade.reverse", 9_000)], []),
    ("unionpay", [("trade.query", 1_000), ("trade.query", 1_999)], ["DZ1: two queries 999 ms apart"]),
])  # fmt: skip
def test_what_a_channel_could_complain_of_is_read_from_its_log(channel: str, asked: list[tuple[str, int]], wrong: list[str]) -> None:
    told = breaches(rows(*asked), channel)
    assert [en for _, en in told] == wrong
    assert all(re.search("查询|撤销", zh) and not re.search("[a-z]", zh) for zh, _ in told)


def test_the_manners_are_each_orders_own() -> None:
    assert breaches(rows(("alipay.trade.query", 0)) + rows(("alipay.trade.query", 10), order="DZ2"), "alipay") == []


def test_the_kinds_of_requests_in_every_channels_words() -> None:
    assert [kind_of(one) for one in ("alipay.trade.query", "GET /v3/x", "00", "orderQuery")] == ["query"] * 4
    assert [kind_of(one) for one in ("alipay.trade.cancel", "trade.reverse", "trade.pay", "alipay.trade.fastpay.refund.query")] == ["undo", "undo", "pay", "other"]


def ended(decided_s: float, seen_s: float) -> Leg:
    one = leg("alipay", 1)
    one.proven_s, one.told = seen_s, {"decided_at": rfc3339(ZERO_MS + round(decided_s * 1000))}
    return one


def test_told_is_from_the_proof_to_the_shops_seeing_it() -> None:
    open_still = leg("alipay", 1)
    legs = [ended(3, 4.5), ended(5, 4.9), ended(400, 95), open_still]  # the third was decided after the sandbox's clock was moved on
    assert told_after(legs, ZERO_MS, 90.0) == [1.5, 0.0]
    assert told_after(legs[:2], ZERO_MS, 0.0) == [1.5, 0.0]
