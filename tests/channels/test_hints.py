"""A code that the table knows of another operation only: it proves nothing there, and still says what it is about."""

import pytest

from daozhang.channels import hints
from daozhang.channels.alipay import verdict as alipay
from daozhang.channels.unionpay import verdict as unionpay
from daozhang.channels.wechatpay import verdict as wechatpay
from daozhang.core.evidence import Op, Proves

TABLES = {"alipay": alipay, "unionpay": unionpay, "wechatpay": wechatpay}


@pytest.mark.parametrize("channel", TABLES)
def test_every_code_of_another_operation_proves_nothing_and_hints_at_its_one_cause(channel: str) -> None:
    table = TABLES[channel]
    known = hints.by_code(table.rows())
    assert known
    for code, cause in known.items():
        if "~" in code:
            continue
        _, row = table.look_up("an operation of tomorrow", code)
        assert (row.proves, row.hint) == (Proves.NOTHING, cause), code


@pytest.mark.parametrize("channel", TABLES)
def test_a_code_that_nobody_has_seen_has_no_hint(channel: str) -> None:
    _, row = TABLES[channel].look_up("pay", "NEVER_SEEN_BEFORE")
    assert (row.proves, row.hint) == (Proves.NOTHING, "")


def test_a_code_with_several_causes_hints_at_none() -> None:
    rows = [{"code": "A", "hint": "bank.slow"}, {"code": "A", "hint": ""}, {"code": "B", "hint": "bank.slow"}, {"code": "B", "hint": "us.egress"}]
    assert hints.by_code(rows) == {"A": "bank.slow"}


def test_a_bank_error_on_the_making_of_a_qr_speaks_of_the_bank() -> None:
    code, row = wechatpay.of_v3(Op.PAY, True, False, 500, {"code": "BANK_ERROR", "message": "银行系统异常"})
    assert (code, row.proves, row.hint) == ("BANK_ERROR", Proves.NOTHING, "bank.unavailable")
