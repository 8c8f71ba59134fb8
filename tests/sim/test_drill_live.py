"""What a live run grades: incidents without a fault are counted, from what the system itself tells."""

from typing import Any

from daozhang.cli.drill_live import Leg, Live, false_incidents
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
