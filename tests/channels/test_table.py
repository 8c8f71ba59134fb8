"""A code that the table knows of another operation only: it proves nothing there, and still says what it is about."""

import pytest

from daozhang.channels.alipay import verdict as alipay
from daozhang.channels.table import UNSEEN, Table
from daozhang.channels.unionpay import verdict as unionpay
from daozhang.channels.wechatpay import verdict as wechatpay
from daozhang.core.evidence import Op, Proves

TABLES = {"alipay": alipay, "unionpay": unionpay, "wechatpay": wechatpay}


@pytest.mark.parametrize("channel", TABLES)
def test_every_code_of_another_operation_proves_nothing_and_hints_at_its_one_cause(channel: str) -> None:
    known: dict[str, set[str]] = {}
    for row in TABLES[channel].rows():
        if row["hint"] and "~" not in row["code"]:
            known.setdefault(row["code"], set()).add(row["hint"])
    assert len(known) > 50
    for code, causes in known.items():
        _, told = TABLES[channel].look_up("an operation of tomorrow", code)
        assert (told.proves, told.hint) == (Proves.NOTHING, causes.pop() if len(causes) == 1 else ""), code


@pytest.mark.parametrize("channel", TABLES)
def test_a_code_that_nobody_has_seen_has_no_hint(channel: str) -> None:
    assert TABLES[channel].look_up("pay", "NEVER_SEEN_BEFORE") == ("NEVER_SEEN_BEFORE", UNSEEN)


def test_a_code_with_several_causes_hints_at_none() -> None:
    said = (("pay", "A", "bank.slow"), ("query", "A", ""), ("pay", "B", "bank.slow"), ("query", "B", "us.egress"))
    table = Table([{"op": op, "code": code, "hint": hint, "proves": "captured", "zh": "", "en": ""} for op, code, hint in said])
    assert (table.unseen("A").hint, table.unseen("B").hint, table.unseen("A").proves) == ("bank.slow", "", Proves.NOTHING)


def test_a_bank_error_on_the_making_of_a_qr_speaks_of_the_bank() -> None:
    code, row = wechatpay.of_v3(Op.PAY, True, False, 500, {"code": "BANK_ERROR", "message": "银行系统异常"})
    assert (code, row.proves, row.hint) == ("BANK_ERROR", Proves.NOTHING, "bank.unavailable")
