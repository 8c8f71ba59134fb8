"""A channel that only accepts a payment at first says by its query why no money came: that is a cause like any refusal."""

from dataclasses import replace

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.payment import State, Undone
from daozhang.core.resolve import asking, learn
from daozhang.diagnosis.name import name_causes
from tests.diagnosis.worlds import AT, payment

ALIPAY = Shelf.look().get("alipay")
assert ALIPAY is not None
M = ALIPAY.manners
TOLD = Finding(Proves.CLOSED, "orig=64", "余额不足", "payer.insufficient_funds")


def test_what_the_query_tells_is_the_cause_and_it_is_proven() -> None:
    p = learn(payment("waiting_payer", seen=True), Op.QUERY, TOLD, M, AT + 1_000)
    assert (p.state, p.refusal) == (State.CLOSED, {"code": "orig=64", "hint": "payer.insufficient_funds", "text": "余额不足"})
    cause = name_causes(replace(p, decided_by=2), (), AT + 2_000).why_no_money
    assert cause is not None and (cause.id, cause.confidence) == ("payer.insufficient_funds", "proven")
    assert cause.evidence == (f"evd_{p.id[4:]}_2",) and "bank" not in cause.ruled_out


def test_after_an_undo_of_ours_the_query_explains_the_undo_and_not_the_payer() -> None:
    undoing = asking(payment("reversing", seen=True), Op.REVERSE, M, AT)
    p = learn(replace(undoing, undone=Undone.UNPAID), Op.QUERY, TOLD, M, AT + 1_000)
    assert (p.state, p.refusal) == (State.CLOSED, None)


def test_a_query_that_names_no_cause_leaves_it_open() -> None:
    p = learn(payment("waiting_payer", seen=True), Op.QUERY, replace(TOLD, hint=""), M, AT + 1_000)
    assert (p.state, p.refusal) == (State.CLOSED, None)
