"""A code that the table knows of another operation only: it proves nothing there, and still says what it is about."""

import pytest

from daozhang.channels.alipay import verdict as alipay
from daozhang.channels.table import UNSEEN, Table
from daozhang.channels.unionpay import verdict as unionpay
from daozhang.channels.wechatpay import verdict as wechatpay
from daozhang.core.evidence import Op, Proves

TABLES = {"alipay": alipay, "unionpay": unionpay, "wechatpay": wechatpay}


@pytest.mark.parametrize("channel", TABLES)
def test_a_code_of_other_operations_proves_nothing_and_hints_at_most_at_its_one_cause(channel: str) -> None:
    causes, ends = dict[str, set[str]](), set[str]()
    for row in TABLES[channel].rows():
        if "~" not in row["code"]:
            causes.setdefault(row["code"], set()).update({row["hint"]} - {""})
            ends |= {row["code"]} if row["proves"] != "nothing" else set()
    hinted = {code: found for code, found in causes.items() if len(found) == 1 and code not in ends}
    assert hinted and ends
    for code in causes:
        _, told = TABLES[channel].look_up("an operation of tomorrow", code)
        assert (told.proves, told.hint) == (Proves.NOTHING, "".join(hinted.get(code, ""))), code


def test_a_refusal_of_the_payment_is_no_hint_at_a_query() -> None:
    """Nothing has ended: a till that is told of an empty account would ask for another card while the money may be taken."""
    for code in ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "ACQ.NEVER_SEEN"):
        _, row = alipay.of_reply(Op.QUERY, "pay", {"code": "40004", "sub_code": code})
        assert (row.proves, row.hint) == (Proves.NOTHING, "")
    assert alipay.look_up("pay", "ACQ.BUYER_BALANCE_NOT_ENOUGH")[1].proves is Proves.REFUSED


@pytest.mark.parametrize("channel", TABLES)
def test_a_code_that_nobody_has_seen_has_no_hint(channel: str) -> None:
    assert TABLES[channel].look_up("pay", "NEVER_SEEN_BEFORE") == ("NEVER_SEEN_BEFORE", UNSEEN)


def test_a_code_with_several_causes_hints_at_none() -> None:
    said = (("pay", "A", "bank.slow"), ("query", "A", ""), ("pay", "B", "bank.slow"), ("query", "B", "us.egress"))
    table = Table([{"op": op, "code": code, "hint": hint, "proves": "nothing", "zh": "", "en": ""} for op, code, hint in said])
    assert (table.unseen("A").hint, table.unseen("B").hint, table.unseen("A").proves) == ("bank.slow", "", Proves.NOTHING)


def test_a_bank_error_on_the_making_of_a_qr_speaks_of_the_bank() -> None:
    code, row = wechatpay.of_v3(Op.PAY, True, False, 500, {"code": "BANK_ERROR", "message": "银行系统异常"})
    assert (code, row.proves, row.hint) == ("BANK_ERROR", Proves.NOTHING, "bank.unavailable")


def test_alipay_says_its_code_in_two_parts() -> None:
    row = alipay.look_up("an operation of tomorrow", "40004/ACQ.SYSTEM_ERROR", "ACQ.SYSTEM_ERROR", "40004")[1]
    assert (row.proves, row.hint) == (Proves.NOTHING, "platform.degraded")
