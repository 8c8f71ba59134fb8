"""The words for people: every verdict by every cause; never more permissive than the verdict; a promise is an action."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from daozhang.core.payment import OPEN, Method, State
from daozhang.core.verdict import Verdict, judge
from daozhang.diagnosis import verdicts
from daozhang.diagnosis.cause import PEOPLE, shelf
from daozhang.diagnosis.name import Named, name_causes
from daozhang.diagnosis.words import by_when, next_steps, verdict_words
from tests.diagnosis.worlds import AT, payment, world

NONE = Named(None, None)
# A sentence that forbids a new charge; what is left of it afterwards may not invite one.
FORBIDS = re.compile(r"(先别|先不要|请勿|别让顾客|不要|别(?!的))[^,]*|([Dd]o not|not to|Please do not)[^:;,]*")
INVITES = re.compile(
    r"重收|重新收|再收|再付|再扫|再出示|换.{0,4}(钱包|卡|方式|账户)|新建|打开付款码|"
    r"again|once more|[Aa]nother (card|wallet|way|account)|open the payment code|new attempt|create",
)
NEW_PAYERS_ONLY = ("让新来的顾客先用别的钱包", "Let new payers use another wallet for now")


def invites(text: str) -> bool:
    """Whether somebody who reads this would take the money once more."""
    return bool(INVITES.search(FORBIDS.sub("", text)))


def test_the_six_verdicts_in_the_words_of_the_product() -> None:
    words = {judge(payment(state.value)).verdict: verdict_words(judge(payment(state.value))) for state in State}
    assert {verdict.value: said["zh"] for verdict, said in words.items()} == {
        "paid": "收款成功", "waiting_customer": "等顾客付款", "checking": "正在核实", "later": "暂无结果,先别重收",
        "not_paid": "没收到钱", "returned": "已撤销,钱退顾客",
    }  # fmt: skip
    assert all(said["en"].isascii() and said["en"] for said in words.values())


# given, trade -> what the cashier reads
TILL: list[tuple[dict[str, Any], str, str]] = [
    ({"state": "unknown", "doubt": "platform.degraded"}, "goods", "先别重收,支付平台回得慢"),
    ({"state": "unknown", "doubt": "platform.degraded"}, "consumed", "先别重收,请稍等"),
    ({"state": "unknown"}, "goods", "别让顾客再付,也先别交货"),
    ({"state": "unknown"}, "consumed", "先别重收,请稍等"),
    ({"state": "reversing", "doubt": "info.reply_lost"}, "goods", "先别重收,正在撤销这笔"),
    ({"state": "deferred", "doubt": "us.egress"}, "goods", "先别重收,记下单号"),
    ({"state": "waiting_payer", "doubt": "platform.degraded"}, "goods", "请顾客在手机上完成付款"),
    ({"state": "not_paid", "refusal": "payer.insufficient_funds"}, "goods", "请顾客换一种付款方式"),
    ({"state": "not_paid", "refusal": "payer.code_expired"}, "goods", "请顾客刷新付款码再扫"),
    ({"state": "not_paid", "refusal": "payee.frozen"}, "goods", "换别的钱包收,并告诉店长"),
    ({"state": "not_paid", "refusal": "moon.full"}, "goods", "没收到钱,可重新收款"),
    ({"state": "closed", "seen": True, "doubt": "platform.degraded", "later": ["answered"]}, "goods", "没收到钱,请顾客再付一次"),
    ({"state": "closed", "undone": "absent", "doubt": "info.reply_lost"}, "consumed", "没收到钱,可重新收款"),
    ({"state": "reversed", "doubt": "info.reply_lost"}, "goods", "钱退顾客了,可重新收款"),
    ({"state": "paid"}, "goods", "收到钱了,可以交货"),
    ({"state": "paid"}, "consumed", "收到钱了"),
    ({"state": "paid", "doubt": "info.reply_lost"}, "goods", "收到钱了,可以交货"),
]


@pytest.mark.parametrize(("given", "trade", "cashier"), TILL, ids=lambda part: str(part)[:60])
def test_what_the_cashier_reads(given: dict[str, Any], trade: str, cashier: str) -> None:
    p, lines, now, around = world(given)
    assert next_steps(p, judge(p), name_causes(p, lines, now, around), trade)["cashier"]["zh"] == cashier


AFTER_PAID: list[tuple[dict[str, Any], str, str]] = [
    ({"state": State.PAID, "question": "late_success", "late": True}, "钱晚到了,请选货给了没有", "请勿再付,店里正在确认这笔"),
    ({"state": State.PAID, "question": "look_alike"}, "核对是否同一笔收了两次", "请勿再付,店里正在核对"),
    ({"state": State.PAID, "late": True}, "补报:这笔钱晚到,已收款", "付款成功,请勿再付"),
    ({"state": State.PAID, "refunding_fen": 100}, "退款处理中,不要重复退", "退款处理中,请留意支付App"),
    ({"state": State.PARTLY_REFUNDED, "refunded_fen": 100, "refunding_fen": 5}, "退款处理中,不要重复退", "退款处理中,请留意支付App"),
    ({"state": State.PARTLY_REFUNDED, "refunded_fen": 100}, "已退一部分,再退先看余额", "部分已退,请在您的支付App里查看"),
    ({"state": State.REFUNDED, "refunded_fen": 1250, "late": True}, "已全部退款,不要再退", "已退款,请在您的支付App里查看"),
    ({"state": State.SURPLUS, "captured_fen": 1250}, "多收的钱在自动退,别再收", "请勿再付,多付的正在退回"),
    ({"state": State.SURPLUS, "captured_fen": 1250, "answer_by_ms": AT + 60_000}, "别再收:多收的还没退成", "请勿再付,多付的还没退成,请联系店里"),
    ({"state": State.SURPLUS, "captured_fen": 1250, "answer_by_ms": -1}, "别再收:多收的还没退成", "请勿再付,多付的还没退成,请联系店里"),
    ({"state": State.SURPLUS, "captured_fen": 1250, "refunding_fen": 1250}, "多收的钱在自动退,别再收", "请勿再付,多付的正在退回"),
    ({"state": State.SURPLUS, "captured_fen": 1250, "refunded_fen": 1250}, "多收的已退,看这单另一笔", "多付的已退,请在您的支付App里查看"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "cashier", "payer"), AFTER_PAID, ids=lambda part: str(part)[:60])
def test_what_is_read_after_the_money_came(changes: dict[str, Any], cashier: str, payer: str) -> None:
    p = replace(payment("paid", captured_fen=1250, decided_ms=AT + 900), **changes)
    steps = next_steps(p, judge(p), NONE, "goods")
    assert (steps["cashier"]["zh"], steps["payer"]["zh"]) == (cashier, payer)
    assert set(steps) == set(PEOPLE)


hints = st.sampled_from(["", "moon.full", *shelf()])
doubts = st.none() | st.fixed_dictionaries(
    {"code": st.sampled_from(["", "20000", "READ_TIMEOUT"]), "hint": hints, "op": st.sampled_from(["pay", "query", "reverse", "notify"]),
     "at_ms": st.just(AT), "alarm": st.sampled_from(["", "amount", "signature"])}
)  # fmt: skip
refusals = st.none() | st.fixed_dictionaries({"code": st.just("X"), "hint": hints, "text": st.just("")})


@settings(max_examples=600, deadline=None)
@any_of(
    state=st.sampled_from(State), method=st.sampled_from(Method), doubt=doubts, refusal=refusals, seen=st.booleans(),
    give_up=st.booleans(), late=st.booleans(), question=st.sampled_from(["", "late_success", "look_alike"]),
    refunded=st.sampled_from([0, 100, 1250]), age_s=st.integers(0, 90), trade=st.sampled_from(["goods", "consumed"]),
)  # fmt: skip
def test_never_more_permissive_than_the_verdict(
    state: State, method: Method, doubt: dict[str, Any] | None, refusal: dict[str, Any] | None, seen: bool, give_up: bool,
    late: bool, question: str, refunded: int, age_s: int, trade: str,
) -> None:  # fmt: skip
    p = payment(state.value, method=method, doubt=doubt, refusal=refusal, seen=seen, give_up=give_up, late=late,
                question=question, captured_fen=1250, refunded_fen=refunded, answer_by_ms=AT if question else 0)  # fmt: skip
    now = AT + age_s * 1000
    judged = judge(p)
    named = name_causes(p, None, now)
    steps = next_steps(p, judged, named, trade)
    assert set(steps) == set(PEOPLE)
    for person, words in steps.items():
        assert words["zh"] and words["en"].isascii() and words["en"]
        for text in (words["zh"], words["en"]):
            if not judged.safe_to_retry and text not in NEW_PAYERS_ONLY:
                assert not invites(text), (state, person, text)
    assert len(steps["cashier"]["zh"]) <= 20
    if judged.verdict in (Verdict.CHECKING, Verdict.LATER) and state is not State.SURPLUS:
        assert re.search("先别重收|别让顾客再付", steps["cashier"]["zh"]) or "手机上完成" in steps["cashier"]["zh"]
    if trade == "consumed" and judged.verdict in (Verdict.CHECKING, Verdict.PAID):
        assert "交货" not in steps["cashier"]["zh"]


def test_the_guard_of_the_property_bites() -> None:
    """Nearly every sentence for a proven end invites a new charge, and the guard sees it in both languages."""
    said = [
        verdicts.STEPS[Verdict.NOT_PAID],
        verdicts.STEPS[Verdict.RETURNED],
        *(c.next for c in shelf().values() if c.next),
    ]
    unseen = {text for steps in said for text in steps["cashier"].values() if not invites(text)}
    assert unseen == {"请顾客出示账单商户单号", "Ask for the order number in the bill"}
    assert not invites("先别重收,请稍等") and not invites("Do not charge again; please wait")
    assert invites("先别重收,请顾客换别的钱包") and invites("Please wait; then charge again")


def test_by_when_promises_an_action_and_never_an_outcome() -> None:
    outcome = re.compile(r"会到账|会成功|会退款|会收到|一定|保证|will be paid|will arrive|guarantee|you will")
    for state in State:
        for changes in ({}, {"question": "late_success", "answer_by_ms": AT + 600_000}, {"first_undo_ms": AT + 60_000}):
            p = payment(state.value, **changes)
            words = by_when(p, judge(p))
            assert words is not None or state not in OPEN
            if words is not None:
                assert words["zh"] and words["en"].isascii()
                assert not outcome.search(words["zh"] + words["en"]), words


def test_by_when_is_the_wall_time_of_the_shop() -> None:
    p = payment("unknown")  # 10:43:07 in the shop; the window ends after 60 s, an undo takes 20 s
    words = by_when(p, judge(p))
    assert words is not None and "10:44:27" in words["zh"] and "10:44:27" in words["en"]
    tomorrow = payment("paid", question="late_success", answer_by_ms=AT + 24 * 3600 * 1000)
    words = by_when(tomorrow, judge(tomorrow))
    assert words is not None and "11-24 10:43:07" in words["zh"]
    assert by_when(payment("paid"), judge(payment("paid"))) is None
