"""The verdict table against every code that the documents name, operation by operation (documented.csv, dossier 4)."""

import csv
from pathlib import Path

import pytest

from daozhang.channels.table import UNSEEN
from daozhang.channels.wechatpay import verdict
from daozhang.core.evidence import Proves

with Path(__file__).with_name("documented.csv").open(encoding="utf-8", newline="") as file:
    DOCUMENTED = [(row["channel"], row["code"], row["outcome"]) for row in csv.DictReader(file)]
TABLE = {(row["op"], row["code"]): row for row in verdict.rows()}
V3 = ("pay", "native", "query", "reverse", "close", "refund", "refund_query")
V2 = tuple(f"v2.{op}" for op in V3)
WHERE = {"wechat.v2.micropay": ("v2.pay",), "wechat.v2.query": ("v2.query",), "wechat.v2.reverse": ("v2.reverse",),
         "wechat.v2.refund": ("v2.refund",), "wechat.v3": V3}  # fmt: skip
# What is wrong with a request as such can be said of each; what is wrong with a trade cannot.
OF_REQUESTS = {
    "PARAM_ERROR", "INVALID_REQUEST", "APPID_MCHID_NOT_MATCH", "MCH_NOT_EXISTS", "NO_AUTH", "SIGN_ERROR", "FREQUENCY_LIMITED",
    "RATELIMIT_EXCEEDED", "SYSTEM_ERROR", "SERVICE_UNAVAILABLE",
}  # fmt: skip
OLD_OF_REQUESTS = {
    "NOAUTH", "APPID_NOT_EXIST", "MCHID_NOT_EXIST", "APPID_MCHID_NOT_MATCH", "LACK_PARAMS", "SIGNERROR", "XML_FORMAT_ERROR",
    "REQUIRE_POST_METHOD", "POST_DATA_EMPTY", "NOT_UTF8", "INVALID_REQUEST", "PARAM_ERROR", "SYSTEMERROR",
}  # fmt: skip
SETTLES = {Proves.CAPTURED, Proves.REFUSED, Proves.RETURNED, Proves.CLOSED, Proves.REVOKED}


def bare(code: str) -> str:
    """``403 NOTENOUGH`` and ``trade_state=SUCCESS`` as the table names them."""
    return code.rpartition(" ")[2].removeprefix("trade_state=").removeprefix("result_code=")


def rows_of(channel: str, code: str) -> dict[str, dict[str, str]]:
    return {op: TABLE[op, code] for op in WHERE[channel] if (op, code) in TABLE}


@pytest.mark.parametrize(("channel", "code", "outcome"), [row for row in DOCUMENTED if row[0] in WHERE and "Signature" not in row[1]])
def test_a_documented_code_has_its_row(channel: str, code: str, outcome: str) -> None:
    rows = rows_of(channel, bare(code))
    assert rows, "a code that the documents name"
    assert channel != "wechat.v3" or bare(code) not in OF_REQUESTS or set(rows) == set(V3)
    for op, row in rows.items():
        proves = Proves(row["proves"])
        assert row["zh"] and row["en"]
        error = code.isupper() and "=" not in code
        if outcome == "unknown" or (error and op.removeprefix("v2.") in ("query", "reverse", "close", "refund_query")):
            assert proves not in SETTLES, "an error on a query or an undo never settles a payment"
        if proves is Proves.CAPTURED:
            assert outcome == "final_ok"


def test_what_is_wrong_with_a_request_stands_for_each_operation() -> None:
    for ops, codes in ((V3, OF_REQUESTS), (V2, OLD_OF_REQUESTS)):
        for op in ops:
            missing = {code for code in codes if (op, code) not in TABLE}
            assert not missing, (op, missing)


@pytest.mark.parametrize(("code", "text", "hint"), [
    ("AUTH_CODE_INVALID", "请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)", "operator.wrong_code_type"),
    ("AUTH_CODE_INVALID", "101 付款码已过期,请退出重试", "payer.code_expired"),
    ("AUTH_CODE_INVALID", "101 每个二维码仅限使用一次,请刷新再试", "payer.code_expired"),
    ("TRADE_ERROR", "用户没有输入支付密码", "payer.not_completed"),
    ("TRADE_ERROR", "103 暂无可用的支付方式,请绑定其它银行卡完成支付", "limit.method"),
    ("BANKERROR", "支付银行卡所在行渠道维护中", "bank.maintenance"),
    ("NOAUTH", "商户无权限使用该付款码", "payee.not_signed"),
    ("USERPAYING", "需要用户输入支付密码", ""),
])  # fmt: skip
def test_the_text_beside_a_code_changes_the_hint_and_never_what_is_proven(code: str, text: str, hint: str) -> None:
    documented = {row[1].partition(": ")[2] for row in DOCUMENTED if row[0] == "wechat.v2.err_code_des" and row[1].startswith(code)}
    assert text in documented
    plain, told = verdict.look_up("v2.pay", code)[1], verdict.look_up("v2.pay", code, text)
    assert told[0] == code and told[1].hint == hint
    assert told[1].proves is plain.proves and told[1].zh and told[1].en
    assert verdict.look_up("v2.pay", code, "another text")[1] == plain


def test_each_text_stands_beside_a_code_and_proves_the_same() -> None:
    for (op, code), row in TABLE.items():
        if "~" in code:
            assert row["proves"] == TABLE[op, code.partition("~")[0]]["proves"]
            assert verdict.look_up(op, code)[1] is UNSEEN, "no channel says that"


@pytest.mark.parametrize("text", ["签名错误", "参数格式校验错误", "(other)"])
def test_the_unsigned_failure_proves_nothing_whatever_it_says(text: str) -> None:
    assert ("wechat.v2.return", f"return_code=FAIL {text}") in {row[:2] for row in DOCUMENTED}
    code, row = verdict.look_up("v2.return", "RETURN_FAIL", text)
    assert (code, row.proves) == ("RETURN_FAIL", Proves.NOTHING) and row.hint.startswith("platform.")


def test_no_code_stands_twice() -> None:
    assert len(TABLE) == len(verdict.rows())
