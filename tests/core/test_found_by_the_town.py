"""Faults that the simulated town found, each with the smallest case that shows it."""

from dataclasses import replace

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core import refund
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.manners import Manners
from daozhang.core.payment import State, Undone
from daozhang.core.refund import Refund, RefundKind, RefundState
from daozhang.core.resolve import asking, learn, plan
from daozhang.core.verdict import Verdict, judge
from daozhang.flow.find_out import due_ms
from daozhang.flow.tell import picture
from daozhang.sim.every import AMOUNT, START_MS, new_payment

NOW = START_MS


def manners(name: str = "wechatpay") -> Manners:
    channel = Shelf.look().get(name)
    assert channel is not None
    return channel.manners


def test_a_shop_that_gives_up_while_the_pay_request_is_out_is_not_forgotten() -> None:
    """P6: nobody had queried yet, "at once" was time 0, and 0 in the store means: no timer."""
    m = manners()
    out = replace(asking(new_payment(), Op.PAY, m, NOW), give_up=True)
    heard = learn(out, Op.PAY, Finding(code="READ_TIMEOUT"), m, NOW + 5_000)
    assert heard.state is State.UNKNOWN
    assert 0 < due_ms(heard, m, NOW + 5_000) <= NOW + 5_000


def test_not_found_is_no_end_of_an_order_that_the_channel_has_shown() -> None:
    """P2: an accepted undo, then "no such order" for one that the channel itself has shown us: it contradicts itself."""
    m = manners()
    p = replace(new_payment(), state=State.REVERSING, seen=True, asked_ms=NOW, undo_tries=1, undone=Undone.UNPAID,
                first_undo_ms=NOW + 50_000, last_undo_ms=NOW + 50_000, queries=5, last_query_ms=NOW + 60_000)  # fmt: skip
    shown = learn(p, Op.QUERY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 60_000)
    assert not shown.proven and shown.capture_seen
    assert not learn(shown, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 66_000).proven
    waiting = learn(p, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 60_000)
    assert not waiting.proven
    assert learn(waiting, Op.QUERY, Finding(Proves.REVOKED), m, NOW + 66_000).state is State.CLOSED


def test_a_signed_notify_during_an_undo_outranks_not_found() -> None:
    """P4: the undo was accepted, the charge crossed it and was notified; a stale "no such order" after that is no end."""
    m = manners("alipay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undone=Undone.UNPAID,
                first_undo_ms=NOW + 50_000, last_undo_ms=NOW + 50_000, queries=5, last_query_ms=NOW + 50_000)  # fmt: skip
    told = learn(p, Op.NOTIFY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 52_000)
    assert not told.proven and told.capture_seen
    stale = learn(told, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 54_000)
    assert not stale.proven and due_ms(stale, m, NOW + 54_000) > 0
    assert learn(stale, Op.QUERY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 700_000).state is State.PAID


def test_the_first_not_found_is_no_end_even_after_an_accepted_undo() -> None:
    """P2: the pay request may have arrived; the undo was accepted, and one query says "no such order": it is asked again."""
    m = manners()
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undone=Undone.UNPAID,
                first_undo_ms=NOW + 50_000, last_undo_ms=NOW + 50_000, queries=5, last_query_ms=NOW + 60_000)  # fmt: skip
    first = learn(p, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 60_000)
    assert not first.proven and NOW + 60_000 < due_ms(first, m, NOW + 60_000) <= NOW + 60_000 + 2 * m.query_gap_ms
    assert learn(first, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 66_000).state is State.CLOSED


def test_an_undo_that_was_heard_and_never_answered_is_repeated_until_it_is() -> None:
    """P6: UnionPay charged and notified, took our reversal, every answer of it was lost, and knows no such order now."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.DEFERRED, asked_ms=NOW, undo_tries=6, undo_out=True, seen=True, capture_seen=True,
                first_undo_ms=NOW + 50_000, last_undo_ms=NOW + 90_000, queries=16, last_query_ms=NOW + 400_000)  # fmt: skip
    absent = learn(p, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 400_050)
    step = plan(absent, m, NOW + 400_050, False)
    assert step is not None and step[0] is Op.REVERSE
    shown = learn(absent, Op.QUERY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 400_050)
    step = plan(shown, m, NOW + 400_050, False)
    assert step is not None and step[0] is Op.QUERY  # a charge that the channel still shows is not undone any more


def test_a_charge_notified_after_an_undo_was_taken_opens_the_undo_again() -> None:
    """UnionPay: the undo was taken (or the order had not come yet), then a charge is notified; "no such order" is no end now."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undone=Undone.ABSENT, give_up=True,
                first_undo_ms=NOW + 5_000, last_undo_ms=NOW + 5_000, queries=1, last_query_ms=NOW + 5_000)  # fmt: skip
    told = learn(p, Op.NOTIFY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 20_000)
    assert not told.proven and told.undone is Undone.NO and told.undo_out
    absent = learn(asking(told, Op.QUERY, m, NOW + 29_950), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 30_000)
    step = plan(absent, m, NOW + 30_000, False)
    assert not absent.proven and step is not None and step[0] is Op.REVERSE
    undone = learn(asking(absent, Op.REVERSE, m, NOW + 30_000), Op.REVERSE, Finding(Proves.UNDONE), m, NOW + 30_100)
    assert learn(undone, Op.QUERY, Finding(Proves.REVOKED), m, NOW + 31_200).state is State.REVERSED


def test_a_vanished_order_is_looked_at_twice_when_a_charge_was_notified_after_its_end() -> None:
    """UnionPay: told as reversed, then a charge is notified; one "no such order" does not end the looking."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSED, asked_ms=NOW, undo_tries=1, undone=Undone.UNPAID, seen=True, decided_ms=NOW + 50_000,
                first_undo_ms=NOW + 40_000, last_undo_ms=NOW + 40_000, queries=3, last_query_ms=NOW + 50_000)  # fmt: skip
    told = learn(p, Op.NOTIFY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 60_000)
    once = learn(asking(told, Op.QUERY, m, NOW + 60_000), Op.QUERY, Finding(Proves.REVOKED), m, NOW + 60_100)
    assert once.state is State.REVERSED and once.recheck_ms > NOW + 60_100
    twice = learn(asking(once, Op.QUERY, m, once.recheck_ms), Op.QUERY, Finding(Proves.REVOKED), m, once.recheck_ms + 100)
    assert twice.state is State.REVERSED and not twice.recheck_ms
    assert learn(once, Op.QUERY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, once.recheck_ms).state is State.PAID


def test_a_refusal_after_waiting_for_funds_is_no_end_of_a_refund_that_may_be_done() -> None:
    """P7: the first try had no answer and was done; then the balance was too low, and then the channel refused: the query decides."""
    sent = refund.asking(Refund("rfd_1", 1, "mer", "pay_1", 500, RefundKind.REFUND, "", NOW, NOW), Op.REFUND, NOW)
    lost = refund.learn(sent, Op.REFUND, Finding(code="READ_TIMEOUT"), NOW + 3_000)
    short = refund.learn(refund.asking(lost, Op.REFUND, NOW + 20_000), Op.REFUND, Finding(Proves.REFUND_NO_FUNDS), NOW + 20_100)
    assert short.state is RefundState.WAITING_FUNDS
    refused = refund.learn(refund.asking(short, Op.REFUND, NOW + 80_000), Op.REFUND, Finding(Proves.REFUND_REFUSED), NOW + 80_100)
    assert refused.state is RefundState.UNKNOWN
    step = refund.plan(refused, manners("alipay"), NOW + 80_100)
    assert step is not None and step[0] is Op.REFUND_QUERY
    done = refund.learn(refund.asking(refused, Op.REFUND_QUERY, NOW + 90_000), Op.REFUND_QUERY, Finding(Proves.REFUND_DONE), NOW + 90_100)
    assert done.state is RefundState.SUCCEEDED


def test_an_undo_taken_before_the_first_query_is_not_forgotten() -> None:
    """P6, UnionPay: undone without a query, and a notify came in between: "at once" was time 0 again."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.WAITING_PAYER, seen=True, asked_ms=NOW, give_up=True, sends=1, last_answer_ms=NOW + 60)
    undoing = asking(p, Op.REVERSE, m, NOW + 1_000)
    told = learn(undoing, Op.NOTIFY, Finding(Proves.CAPTURED, amount_fen=AMOUNT), m, NOW + 1_070)
    taken = learn(told, Op.REVERSE, Finding(Proves.UNDONE), m, NOW + 1_080)
    assert taken.state is State.REVERSING and not taken.last_query_ms
    assert 0 < due_ms(taken, m, NOW + 1_080) <= NOW + 1_080


def test_what_was_not_found_before_an_undo_says_nothing_of_an_order_that_comes_after_it() -> None:
    """P2, UnionPay: not found, undone as unknown, then the request arrives after all; one "no such order" is no end."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, absent=1, undo_tries=1, undo_out=True, give_up=True, queries=3,
                last_query_ms=NOW + 14_000, first_undo_ms=NOW + 19_000, last_undo_ms=NOW + 19_000)  # fmt: skip
    undone = learn(p, Op.REVERSE, Finding(Proves.UNDONE_ABSENT), m, NOW + 19_100)
    early = learn(asking(undone, Op.QUERY, m, NOW + 20_100), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 20_200)
    assert not early.proven and plan(early, m, NOW + 20_200, False) == (Op.QUERY, NOW + 20_100 + m.slow_ms)
    once = learn(asking(early, Op.QUERY, m, NOW + 52_100), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 52_200)
    assert not once.proven and plan(once, m, NOW + 52_200, False) == (Op.QUERY, NOW + 55_100)
    assert learn(asking(once, Op.QUERY, m, NOW + 55_100), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 55_200).state is State.CLOSED


def test_what_is_asked_less_often_is_asked_twice_in_a_row_all_the_same() -> None:
    """P4, UnionPay: put off, and looked at every few minutes; "no such order" is asked about again soon, and then it ends."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.DEFERRED, asked_ms=NOW, undo_tries=3, undone=Undone.ABSENT, give_up=True, queries=16, first_undo_ms=NOW,
                last_undo_ms=NOW, last_query_ms=NOW + 300_000, last_answer_ms=NOW + 1_000)  # fmt: skip
    once = learn(p, Op.QUERY, Finding(Proves.ABSENT), m, NOW + 300_100)
    again = plan(once, m, NOW + 300_100, False)
    assert not once.proven and again == (Op.QUERY, NOW + 303_000)
    assert learn(asking(once, Op.QUERY, m, again[1]), Op.QUERY, Finding(Proves.ABSENT), m, again[1] + 100).state is State.CLOSED


def test_no_such_order_must_be_said_twice_in_a_row() -> None:
    """P2, UnionPay: undone before the order came; not found; an answer that said nothing; it came and was charged; not found once, falsely."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undone=Undone.ABSENT, give_up=True, queries=2, absent=1,
                first_undo_ms=NOW + 12_000, last_undo_ms=NOW + 12_000, last_query_ms=NOW + 13_000, last_answer_ms=NOW + 13_100)  # fmt: skip
    for blank in (Proves.NOTHING, Proves.NOT_SENT):
        unclear = learn(asking(p, Op.QUERY, m, NOW + 45_000), Op.QUERY, Finding(blank), m, NOW + 45_100)
        once = learn(asking(unclear, Op.QUERY, m, NOW + 109_000), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 109_100)
        assert not once.proven
        again = plan(once, m, NOW + 109_100, False)
        assert again is not None and again[0] is Op.QUERY and again[1] - NOW - 109_000 < 6_000
        too_late = learn(asking(once, Op.QUERY, m, NOW + 116_000), Op.QUERY, Finding(Proves.ABSENT), m, NOW + 116_100)
        assert not too_late.proven and too_late.absent == 1
        assert learn(asking(once, Op.QUERY, m, again[1]), Op.QUERY, Finding(Proves.ABSENT), m, again[1] + 100).state is State.CLOSED


@pytest.mark.parametrize("state", [State.CLOSED, State.NOT_PAID])
def test_while_a_signed_notify_speaks_against_the_end_that_was_told_neither_is_claimed(state: State) -> None:
    """P1: told as not paid; a charge was notified; the query is behind. Nobody is told to charge again until it is decided."""
    m = manners("unionpay")
    p = replace(new_payment(), state=state, asked_ms=NOW, undo_tries=1, undone=Undone.ABSENT, decided_ms=NOW + 60_000, decided_by=1,
                evidence_n=1, last_query_ms=NOW + 60_000, last_answer_ms=NOW + 60_000)  # fmt: skip
    assert judge(p).safe_to_retry
    charge = Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 55_000)
    claimed = learn(p, Op.NOTIFY, charge, m, NOW + 90_000)
    behind = learn(asking(claimed, Op.QUERY, m, NOW + 90_000), Op.QUERY, Finding(Proves.WAITING), m, NOW + 90_100)
    for told in (claimed, behind):
        seen = picture(told, None, (), NOW + 90_100, None)
        assert (seen["verdict"], seen["money"], seen["safe_to_retry"], seen["why_no_money"]) == ("checking", "unresolved", False, None)
        assert judge(told).resolve_by_ms > told.recheck_ms
        assert "verify again by" in seen["by_when"]["en"] and "会再核实一次" in seen["by_when"]["zh"]
    gone = behind
    for at in (400_000, 1_100_000):
        gone = learn(asking(gone, Op.QUERY, m, NOW + at), Op.QUERY, Finding(Proves.REVOKED), m, NOW + at)
    assert judge(gone).verdict is Verdict.NOT_PAID and judge(gone).safe_to_retry
    paid = learn(asking(behind, Op.QUERY, m, NOW + 400_000), Op.QUERY, charge, m, NOW + 400_000)
    assert judge(paid).verdict is Verdict.PAID and paid.late


def test_an_order_that_is_shown_after_its_undo_was_taken_opens_the_undo_again() -> None:
    """P2, UnionPay: undone before the order came; it came, was shown as under way, and one "no such order" was taken for its end."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=2, undone=Undone.ABSENT, give_up=True, queries=5,
                first_undo_ms=NOW + 16_000, last_undo_ms=NOW + 19_000, last_query_ms=NOW + 84_000)  # fmt: skip
    shown = learn(p, Op.QUERY, Finding(Proves.WAITING), m, NOW + 84_100)
    assert shown.undone is Undone.NO and shown.undo_out
    step = plan(shown, m, NOW + 84_100, False)
    assert step is not None and step[0] is Op.REVERSE
    assert not learn(shown, Op.QUERY, Finding(Proves.REVOKED), m, NOW + 116_100).proven


def test_an_end_that_was_asked_for_before_a_charge_is_no_end_of_it() -> None:
    """P2: the undo was taken; a query's slow answer still says closed, and meanwhile the charge that crossed was notified."""
    m = manners("alipay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=7, undone=Undone.UNPAID, seen=True, queries=9,
                first_undo_ms=NOW + 50_000, last_undo_ms=NOW + 97_000, last_query_ms=NOW + 110_027, last_answer_ms=NOW + 104_020)  # fmt: skip
    charge = Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 111_000)
    told = learn(p, Op.NOTIFY, charge, m, NOW + 112_060)
    for end in (Proves.RETURNED, Proves.CLOSED, Proves.REVOKED):
        heard = learn(told, Op.QUERY, Finding(end), m, NOW + 112_106)
        assert not heard.proven and due_ms(heard, m, NOW + 112_106) > 0
    again = asking(learn(told, Op.QUERY, Finding(Proves.RETURNED), m, NOW + 112_106), Op.QUERY, m, NOW + 120_000)
    assert learn(again, Op.QUERY, Finding(Proves.RETURNED), m, NOW + 120_100).state is State.REVERSED


def test_a_look_that_was_asked_for_before_a_charge_does_not_end_the_looking() -> None:
    """P4: told as closed and looked at once more; the charge was notified before the slow answer came."""
    m = manners("alipay")
    p = replace(new_payment(), state=State.CLOSED, asked_ms=NOW, undo_tries=1, undone=Undone.UNPAID, seen=True, decided_ms=NOW + 50_000,
                first_undo_ms=NOW + 40_000, last_undo_ms=NOW + 40_000, queries=3, last_query_ms=NOW + 110_000, recheck_ms=NOW + 110_000)  # fmt: skip
    told = learn(p, Op.NOTIFY, Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 111_000), m, NOW + 112_000)
    heard = learn(told, Op.QUERY, Finding(Proves.CLOSED), m, NOW + 112_500)
    assert heard.state is State.CLOSED and heard.recheck_ms > NOW + 112_500


def test_a_charge_that_was_only_shown_has_no_time_of_payment_for_anybody() -> None:
    """P1: a notified charge during an undo, and one after an end, are dated in the row, and nobody is told a time at which it was paid."""
    m = manners("alipay")
    charge = Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 111_000)
    open_ = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, last_undo_ms=NOW + 97_000, first_undo_ms=NOW + 97_000)
    closed = replace(open_, state=State.CLOSED, decided_ms=NOW + 100_000, decided_by=1, evidence_n=1)
    for before in (open_, closed):
        shown = learn(before, Op.NOTIFY, charge, m, NOW + 112_000)
        assert shown.paid_ms and not shown.captured_fen and not shown.received_ms
        assert picture(shown, None, (), NOW + 112_000, None)["paid_at"] is None
    paid = learn(shown, Op.QUERY, charge, m, NOW + 120_000)
    assert paid.state is State.PAID and picture(paid, None, (), NOW + 120_000, None)["paid_at"]


def test_a_refusal_of_an_earlier_undo_says_nothing_of_the_one_that_is_under_way() -> None:
    """P1, UnionPay: refused once, sent again, the answer unreadable; a query that had been asked before it said charged (seed 25993)."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undo_out=True, seen=True, give_up=True, queries=6,
                first_undo_ms=NOW + 4_000, last_undo_ms=NOW + 37_000, last_query_ms=NOW + 130_000)  # fmt: skip
    refused = learn(p, Op.REVERSE, Finding(Proves.UNDO_REFUSED, code="39"), m, NOW + 38_000)
    charge = Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 1_000)
    assert learn(refused, Op.QUERY, charge, m, NOW + 130_100).state is State.PAID, "no undo is under way"
    again = learn(asking(refused, Op.REVERSE, m, NOW + 131_000), Op.REVERSE, Finding(Proves.NOTHING, code="RESPONSE_SIGNATURE_INVALID"), m, NOW + 131_500)
    heard = learn(again, Op.QUERY, charge, m, NOW + 132_300)
    assert not heard.proven and due_ms(heard, m, NOW + 132_300) > 0
    later = NOW + 131_000 + m.undo_settles_ms
    settled = learn(asking(heard, Op.QUERY, m, later), Op.QUERY, charge, m, later + 100)
    assert settled.state is State.PAID


def test_a_refusal_that_comes_after_a_later_undo_has_left_says_nothing_of_that_one() -> None:
    """P1: two processes, two undos; the slow refusal of the first is heard while the second is under way."""
    m = manners("unionpay")
    p = replace(new_payment(), state=State.REVERSING, asked_ms=NOW, undo_tries=1, undo_out=True, seen=True, give_up=True, queries=6,
                first_undo_ms=NOW + 4_000, last_undo_ms=NOW + 4_000, last_query_ms=NOW + 5_000)  # fmt: skip
    both = asking(p, Op.REVERSE, m, NOW + 6_000)
    refused = learn(both, Op.REVERSE, Finding(Proves.UNDO_REFUSED, code="39"), m, NOW + 6_500)
    assert not learn(refused, Op.QUERY, Finding(Proves.CAPTURED, amount_fen=AMOUNT, paid_ms=NOW + 1_000), m, NOW + 6_600).proven
