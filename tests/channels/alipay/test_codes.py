"""The verdict table against every code that the documents name, operation by operation (documented.csv, dossier 4)."""

import csv
from pathlib import Path

import pytest

from daozhang.channels.alipay import verdict
from daozhang.core.evidence import Proves

with Path(__file__).with_name("documented.csv").open(encoding="utf-8", newline="") as file:
    DOCUMENTED = [(row["channel"].removeprefix("alipay."), row["code"], row["outcome"]) for row in csv.DictReader(file)]
TABLE = {(row["op"], row["code"]): row for row in verdict.rows()}
OPS = ("pay", "query", "reverse", "close", "refund", "refund_query", "bill")
# A code of these on a repeated payment says that the order is known: it is asked about, never believed to be refused.
KNOWN_ALREADY = {"ACQ.CONTEXT_INCONSISTENT", "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.APPLY_PC_MERCHANT_CODE_ERROR"}
MAY = {
    "pay": {Proves.REFUSED, Proves.NOTHING}, "precreate": {Proves.REFUSED, Proves.NOTHING}, "query": {Proves.ABSENT, Proves.NOTHING},
    "cancel": {Proves.UNDO_REFUSED, Proves.NOTHING, Proves.UNDO_AGAIN, Proves.UNDONE_PAID, Proves.UNDONE_UNPAID},
    "refund": {Proves.REFUND_REFUSED, Proves.REFUND_NO_FUNDS, Proves.REFUND_PENDING, Proves.NOTHING}, "bill": {Proves.NOTHING},
    "status": {Proves.WAITING, Proves.CAPTURED, Proves.CLOSED, Proves.NOTHING},
}  # fmt: skip
WHERE = {"precreate": ("pay",), "cancel": ("reverse",), "status": ("query", "notify")}


@pytest.mark.parametrize(("channel", "code", "outcome"), [row for row in DOCUMENTED if row[0] != "gateway"])
def test_a_documented_code_has_its_row(channel: str, code: str, outcome: str) -> None:
    for op in WHERE.get(channel, (channel,)):
        row = TABLE[op, code]
        proves = Proves(row["proves"])
        assert proves in MAY[channel]
        assert row["zh"] and row["en"]
        if outcome == "unknown":
            assert proves in (Proves.NOTHING, Proves.ABSENT, Proves.UNDO_REFUSED, Proves.UNDO_AGAIN)
        if channel in ("pay", "precreate") and outcome == "final_fail":
            assert (proves is Proves.NOTHING) == (code in KNOWN_ALREADY)


@pytest.mark.parametrize(("code", "outcome"), [row[1:] for row in DOCUMENTED if row[0] == "gateway"])
@pytest.mark.parametrize("op", OPS)
def test_the_gateways_codes_stand_for_every_operation(op: str, code: str, outcome: str) -> None:
    """10000 and 10003 are told apart by what else a reply says; an error of the gateway settles nothing but a payment."""
    if code in ("10000", "10003"):
        assert TABLE["pay", code]["proves"] == {"10000": "captured", "10003": "waiting"}[code]
        assert op == "pay" or ("close", "10000") in TABLE
        return
    row = TABLE[op, code]
    assert row["zh"] and row["en"] and row["hint"]
    assert row["proves"] == ("refused" if op == "pay" and outcome == "final_fail" else "nothing")


def test_no_code_stands_twice() -> None:
    assert len(TABLE) == len(verdict.rows())


def test_each_code_of_the_gateway_is_found_without_its_prefix() -> None:
    """As the REST wire says it."""
    for _, code, _ in (row for row in DOCUMENTED if "/" in row[1]):
        bare = code.partition("/")[2].partition(".")[2]
        assert verdict.gateway_code(bare) == code or bare in ("unknow-error",)
    assert verdict.gateway_code("unknow-error").startswith("20000/")
    assert verdict.gateway_code("never-seen") == "never-seen"
