"""WeChat Pay on virtual time: no push for code payments, no undo before its time, and an undo that does not tell."""

import json
from typing import Any

import pytest

from daozhang.core.payment import Method, Payment, State
from daozhang.core.refund import RefundKind, RefundState
from daozhang.flow import find_out, refund
from daozhang.flow.take import take
from daozhang.sim.world import World, play
from tests.judge import manners

# behaviour, fault, operation -> end state (None: nothing may be claimed while the fault lasts)
KINDS = [
    ("pays", "", "", State.PAID),
    ("types_password", "", "", State.PAID),
    ("types_slowly", "", "", State.PAID),
    ("pays_at_deadline", "", "", State.PAID),
    ("pays_too_late", "", "", State.CLOSED),
    ("wrong_password", "", "", State.CLOSED),
    ("hesitates", "", "", State.CLOSED),
    ("cancels", "", "", State.CLOSED),
    ("bank_fails", "", "", State.CLOSED),
    ("bank_timeout", "", "", State.CLOSED),
    ("no_balance", "", "", State.NOT_PAID),
    ("day_limit", "", "", State.NOT_PAID),
    ("code_expired", "", "", State.CLOSED),
    ("pays", "lost_before", "pay", State.CLOSED),
    ("pays", "lost_after", "pay", State.PAID),
    ("pays", "late_reply", "pay", State.PAID),
    ("pays", "late_arrival", "pay", State.PAID),
    ("pays", "reset_before", "pay", State.CLOSED),
    ("pays", "reset_after", "pay", State.PAID),
    ("pays", "system_error_charged", "pay", State.PAID),
    ("pays", "bank_error_charged", "pay", State.PAID),
    ("pays", "system_error_clean", "pay", State.CLOSED),
    ("pays", "error_500", "pay", State.PAID),
    ("pays", "maintenance", "pay", State.CLOSED),
    ("pays", "garbage", "pay", State.PAID),
    ("pays", "truncated", "pay", State.PAID),
    ("pays", "drip", "pay", State.PAID),
    ("pays", "forged", "pay", State.PAID),
    ("pays", "signtest", "pay", State.PAID),
    ("pays", "unsigned", "pay", State.PAID),
    ("pays", "wrong_amount_reply", "pay", State.PAID),
    ("pays", "wrong_order_reply", "pay", State.PAID),
    ("pays", "unknown_code", "pay", State.PAID),
    ("pays", "typing_forever", "pay", State.CLOSED),
    ("hesitates", "unknown_code", "query", None),
    ("hesitates", "not_found", "query", None),
    ("hesitates", "undo_refused", "reverse", None),
    ("hesitates", "undo_lost", "reverse", None),
    ("hesitates", "undo_retry", "reverse", None),
    ("hesitates", "unknown_code", "reverse", State.CLOSED),
]


@pytest.mark.parametrize(("behaviour", "fault", "op", "end"), KINDS)
def test_one_of_every_kind(behaviour: str, fault: str, op: str, end: State | None) -> None:
    found: dict[str, Any] = {}

    async def story(world: World) -> None:
        twin = world.twins["wechatpay"]
        if fault:
            twin.chaos(fault, world.clock.now_ms(), 1.0, 0, op, "")
        payment = await world.pay(behaviour, wallet="wechatpay")
        if end is None:
            await world.clock.sleep_until(world.clock.now_ms() + 100_000)
            stuck = await world.store.payment(payment.id)
            assert stuck is not None and not stuck.proven
            twin.chaos_off()
        found["payment"] = await world.until_proven(payment.id)

    world = play(11, story)
    payment, books = found["payment"], world.books("wechatpay")
    assert payment.state is (end or State.CLOSED)
    order = next((o for o in books["orders"] if o["out_trade_no"] == "DZ" + payment.id[4:]), None)
    kept = order["captured_fen"] - order["returned_fen"] if order else 0
    assert kept == (1250 if payment.state is State.PAID else 0)
    assert sum(world.store.balance.values()) == 0
    assert not manners(books, 5000, 60)
    assert not too_early(books)


def too_early(books: dict[str, Any]) -> list[str]:
    """Reverses that came within 15 s of the pay request, and those that did not follow a query at once."""
    wrong, paid, last = [], {}, {}
    for request in books["requests"]:
        number, at_ms = request["out_trade_no"], request["at_ms"]
        if request["method"].endswith("trade.pay"):
            paid[number] = at_ms
        if request["method"].endswith("trade.reverse"):
            if at_ms - paid.get(number, 0) < 15_000:
                wrong.append(f"{number}: undone {at_ms - paid[number]} ms after the request")
            if last[number][0] != "v3.trade.query" or at_ms - last[number][1] > 200:
                wrong.append(f"{number}: an undo that does not follow a query")
        last[number] = request["method"], at_ms
    return wrong


def test_a_cashier_who_gives_up_at_once_still_waits_for_the_channels_fifteen_seconds() -> None:
    async def story(world: World) -> None:
        payment = await world.pay("hesitates", wait_ms=0, wallet="wechatpay")
        await world.clock.sleep_until(world.clock.now_ms() + 2_000)
        await find_out.give_up(world.house, payment.id, "till")
        done = await world.until_proven(payment.id, 60_000)
        assert done.state is State.CLOSED and done.decided_ms - done.created_ms < 30_000

    books = play(12, story).books("wechatpay")
    assert any(request["method"].endswith("reverse") for request in books["requests"]) and not too_early(books)


def test_a_payer_who_finishes_while_the_undo_is_refused_has_paid() -> None:
    """支付中不能撤销: the refusal is real, the payer is just paying, and the next query says so."""

    async def story(world: World) -> None:
        payment = await world.pay("types_slowly", wait_ms=0, wallet="wechatpay")
        await world.clock.sleep_until(payment.created_ms + 22_500)
        await find_out.give_up(world.house, payment.id, "till")
        assert (await world.until_proven(payment.id, 60_000)).state is State.PAID

    assert not too_early(play(13, story).books("wechatpay"))


def test_a_charge_seen_while_the_undo_may_still_take_it_back_is_not_told_as_paid() -> None:
    """The undo was carried out and its reply lost; the books say given back, the query only says undone."""

    async def story(world: World) -> None:
        twin = world.twins["wechatpay"]
        for mode, op in (("reset_after", "pay"), ("query_stale", "query"), ("lost_after", "reverse")):
            twin.chaos(mode, world.clock.now_ms(), 1.0, 70_000 if op == "reverse" else 48_000, op, "")
        payment = await world.pay("pays", wait_ms=0, wallet="wechatpay")
        done = await world.until_proven(payment.id)
        assert done.state is State.CLOSED  # no query ever showed the charge
        types = [event.type for _, event in world.store.events_]
        assert "payment.paid" not in types

    order = play(14, story).books("wechatpay")["orders"][0]
    assert order["captured_fen"] == order["returned_fen"] == 1250


def test_a_qr_paid_expired_and_given_up() -> None:
    async def story(world: World) -> None:
        twin = world.twins["wechatpay"]
        order = world.order(method=Method.PAY_BY_QR, channel="wechat")
        paid = await take(world.house, order, 100)
        assert paid.state is State.WAITING_PAYER and paid.qr.startswith("weixin://") and paid.channel == "wechatpay"
        twin.scan(paid.qr, "pays", world.clock.now_ms())
        settled = await world.until_proven(paid.id)
        assert settled.state is State.PAID and settled.decided_ms - settled.created_ms < 2_000  # by the callback
        expired = await take(world.house, world.order(method=Method.PAY_BY_QR, channel="wechat"), 100)
        assert (await world.until_proven(expired.id)).state is State.CLOSED
        scanned = await take(world.house, world.order(method=Method.PAY_BY_QR, channel="wechat"), 100)
        twin.scan(scanned.qr, "hesitates", world.clock.now_ms())
        await find_out.give_up(world.house, scanned.id, "till")
        assert (await world.until_proven(scanned.id)).state is State.CLOSED

    methods = [request["method"] for request in play(6, story).books("wechatpay")["requests"]]
    assert "v3.trade.close" in methods and "v3.trade.reverse" not in methods


def test_a_plate_is_paid_abandoned_and_given_up() -> None:
    """It behaves like a QR: the notify or the query tells, and it is closed at the end of its window."""

    async def story(world: World) -> None:
        twin = world.twins["wechatpay"]

        async def asked() -> Payment:
            return await take(world.house, world.order(code="oPayer", method=Method.PLATE, channel="wechat"), 100)

        def scan(payment: Payment, behaviour: str) -> None:
            twin.scan(json.loads(payment.qr)["package"].removeprefix("prepay_id="), behaviour, world.clock.now_ms())

        paid = await asked()
        assert (paid.state, paid.code_mask) == (State.WAITING_PAYER, "") and "oPayer" not in repr(paid)
        scan(paid, "pays")
        settled = await world.until_proven(paid.id)
        assert settled.state is State.PAID and settled.decided_ms - settled.created_ms < 2_000  # by the callback
        twin.chaos("notify_lost", world.clock.now_ms())
        unheard = await asked()
        scan(unheard, "pays")
        assert (await world.until_proven(unheard.id)).state is State.PAID  # by the query
        assert (await world.until_proven((await asked()).id)).state is State.CLOSED
        left = await asked()
        scan(left, "hesitates")
        await find_out.give_up(world.house, left.id, "till")
        assert (await world.until_proven(left.id)).state is State.CLOSED

    methods = [request["method"] for request in play(23, story).books("wechatpay")["requests"]]
    assert "v3.trade.jsapi" in methods and "v3.trade.close" in methods and "v3.trade.reverse" not in methods


@pytest.mark.parametrize("mode", ["lost_before", "lost_after", "system_error_charged", "system_error_clean"])
def test_a_plate_that_could_not_be_shown_comes_to_an_end(mode: str) -> None:
    async def story(world: World) -> None:
        world.twins["wechatpay"].chaos(mode, world.clock.now_ms(), 1.0, 0, "jsapi", "")
        lost = await take(world.house, world.order(code="oPayer", method=Method.PLATE, channel="wechat"), 100)
        assert (await world.until_proven(lost.id)).state is State.CLOSED

    play(24, story)


def test_a_qr_whose_making_was_lost_comes_to_an_end() -> None:
    async def story(world: World) -> None:
        world.twins["wechatpay"].chaos("lost_before", world.clock.now_ms(), 1.0, 0, "native", "")
        lost = await take(world.house, world.order(method=Method.PAY_BY_QR, channel="wechat"), 100)
        assert (await world.until_proven(lost.id)).state is State.CLOSED

    play(7, story)


@pytest.mark.parametrize("mode", ["notify_forged", "notify_signtest", "notify_wrong_amount", "notify_wrong_seller", "notify_wrong_app"])
def test_a_false_callback_only_makes_us_ask(mode: str) -> None:
    async def story(world: World) -> None:
        twin = world.twins["wechatpay"]
        twin.chaos(mode, world.clock.now_ms())
        shown = await take(world.house, world.order(method=Method.PAY_BY_QR, channel="wechat"), 100)
        twin.scan(shown.qr, "pays", world.clock.now_ms())
        assert (await world.until_proven(shown.id)).state is State.PAID
        lines = await world.store.evidence(shown.id)
        assert not any(line.kind == "notified" and line.proves == "captured" for line in lines)
        assert bool(world.store.alarms_) is (mode != "notify_signtest"), "the channel's own test of us is no cause for alarm"

    play(15, story)


def test_refunds_to_a_card_take_their_time_and_are_told_by_a_callback() -> None:
    async def story(world: World) -> None:
        paid = await world.pay("pays_by_card", amount_fen=1000, wallet="wechatpay")
        one = await refund.begin(world.house, paid, 300, RefundKind.REFUND, "", None, 5_000)
        assert one.state is RefundState.UNKNOWN  # taken up, and not yet given back
        await world.clock.sleep_until(world.clock.now_ms() + 60_000)
        done = await world.store.refund(one.id)
        assert done is not None and done.state is RefundState.SUCCEEDED
        world.twins["wechatpay"].chaos("refund_no_balance", world.clock.now_ms(), 1.0, 90_000)
        fresh = await world.store.payment(paid.id)
        assert fresh is not None
        two = await refund.begin(world.house, fresh, None, RefundKind.REFUND, "", None, 8_000)
        assert two.state is RefundState.WAITING_FUNDS
        await world.clock.sleep_until(world.clock.now_ms() + 900_000)
        back = await world.store.payment(paid.id)
        assert back is not None and back.state is State.REFUNDED

    order = play(8, story).books("wechatpay")["orders"][0]
    assert order["returned_fen"] == 1000 and {one["status"] for one in order["refunds"]} == {"SUCCESS"}


def test_a_charge_that_crossed_an_accepted_undo_is_found_although_nobody_pushes_it() -> None:
    """P4 without a notify: an undone order is looked at again, three times over two hours."""

    async def story(world: World) -> None:
        payment = await world.pay("hesitates", wallet="wechatpay")
        assert (await world.until_proven(payment.id)).state is State.CLOSED
        twin: Any = world.twins["wechatpay"]
        order = twin._journal.orders["DZ" + payment.id[4:]]
        twin._trades.capture(order, world.clock.now_ms() + 1_000)
        await world.clock.sleep_until(world.clock.now_ms() + 120_000)
        late_one = await world.store.payment(payment.id)
        assert late_one is not None and late_one.state is State.PAID and late_one.question == "late_success"
        await world.clock.sleep_until(late_one.answer_by_ms + 60_000)
        back = await world.store.payment(payment.id)
        assert back is not None and back.state is State.REFUNDED

    order = play(2, story).books("wechatpay")["orders"][0]
    assert order["captured_fen"] == order["returned_fen"] == 1250


def test_a_success_right_after_an_accepted_undo_is_told_only_when_it_can_no_longer_be_taken_back() -> None:
    """The undo's answer does not say whether it gives a charge back; ten minutes later a charge that stands is a late one."""

    async def story(world: World) -> None:
        world.twins["wechatpay"].chaos("success_after_cancel", world.clock.now_ms(), 1.0, 60_000, "reverse", "")
        payment = await world.pay("hesitates", wallet="wechatpay")
        await world.clock.sleep_until(payment.created_ms + 600_000)
        waiting = await world.store.payment(payment.id)
        assert waiting is not None and waiting.state is State.DEFERRED and waiting.capture_seen
        late_one = await world.until_proven(payment.id, 1_200_000)
        assert late_one.state is State.PAID and late_one.late and late_one.question == "late_success"

    assert not manners(play(4, story).books("wechatpay"), 5000, 40)


def test_an_undone_order_is_looked_after_and_then_left_alone() -> None:
    async def story(world: World) -> None:
        payment = await world.pay("hesitates", wallet="wechatpay")
        assert (await world.until_proven(payment.id)).state is State.CLOSED
        await world.clock.sleep_until(world.clock.now_ms() + 3 * 3_600_000)
        quiet = await world.store.payment(payment.id)
        assert quiet is not None and quiet.state is State.CLOSED and quiet.recheck_ms == 0 and quiet.rechecks == 3

    books = play(3, story).books("wechatpay")
    assert not manners(books, 5000, 16)
