"""The lookout: what one process saw, another knows; a healthy payment reads nothing."""

import asyncio
from dataclasses import replace

from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.payment import Method, State
from daozhang.core.ports import Silent
from daozhang.diagnosis.facts import Terminal
from daozhang.flow.lookout import Lookout, look_around, shop_crowd
from tests.diagnosis.worlds import AT, payment

DOUBT = {"code": "READ_TIMEOUT", "hint": "info.reply_lost", "op": "pay", "at_ms": AT, "alarm": ""}




def lookout() -> Lookout:
    class Clock:
        def now_ms(self) -> int:
            return AT + 1_000

        def monotonic_ms(self) -> float:
            return 0.0

        async def sleep_until(self, at_ms: int) -> None:
            return None

    return Lookout(Silent(), Clock())


def test_what_one_process_saw_another_knows() -> None:
    here, there = lookout(), lookout()
    for n in range(60):
        before = replace(payment("sent"), id=f"pay_{n:026d}")
        after = replace(before, state=State.UNKNOWN, doubt=DOUBT) if n % 2 else replace(before, state=State.PAID, decided_ms=AT + 200)
        here.moved(before, after)
    pieces = here.drain()
    assert pieces and all(len(piece.encode()) < 8_000 for piece in pieces) and here.drain() == []
    for piece in [*pieces, *pieces, ""]:
        there.take(piece)
    sick = replace(payment("unknown"), id="pay_own", doubt=DOUBT)
    crowd = there.crowd(sick)
    assert crowd is not None and crowd.counts["all"] == (30, 30)


def test_a_healthy_payment_is_not_looked_around_for() -> None:
    watching = lookout()
    paid = replace(payment("paid"), decided_ms=AT + 300)
    assert asyncio.run(look_around(watching, None, paid, AT + 1_000)) is None
    assert asyncio.run(look_around(None, None, replace(paid, doubt=DOUBT), AT)) is None
    assert asyncio.run(look_around(watching, None, replace(paid, doubt=DOUBT), AT)) is not None


def test_the_bank_is_known_from_a_success_and_a_missing_notify_from_the_query() -> None:
    watching = lookout()
    qr = replace(payment("waiting_payer"), method=Method.PAY_BY_QR)
    found = Finding(Proves.CAPTURED, amount_fen=1250, detail={"bank_type": "ICBC_DEBIT"})
    watching.asked(qr, Op.QUERY, found, 20.0)
    watching.moved(qr, replace(qr, state=State.PAID, decided_ms=qr.created_ms + 16_000))
    seen = watching.window._seen[qr.id]
    assert seen.symptom == "no_notify" and seen.bank == "ICBC"


def test_neighbours_of_a_silent_device() -> None:
    def one(till: str, silent: bool) -> Terminal:
        return Terminal(f"dev_{till}", "pos", False, "active", not silent, AT - (90_000 if silent else 0), till=till)

    down = shop_crowd([one("t2", True), one("t3", True), one("t4", True)], "t1", AT)
    alone = shop_crowd([one("t2", False), one("t3", False), one("t4", False)], "t1", AT)
    assert down is not None and alone is not None and shop_crowd([], "t1", AT) is None
    assert down.fits["shop"] > down.fits["one"] and alone.fits["one"] > alone.fits["shop"]
