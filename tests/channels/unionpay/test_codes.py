"""The verdict table against every code that the documents name, operation by operation (documented.csv, dossier 4)."""

import csv
from pathlib import Path

import pytest

from daozhang.channels.unionpay import verdict
from daozhang.core.evidence import Proves

with Path(__file__).with_name("documented.csv").open(encoding="utf-8", newline="") as file:
    DOCUMENTED = [(row["code"].partition(" ")[0], row["outcome"], row["source"]) for row in csv.DictReader(file)]
TABLE = {(row["op"], row["code"]): row for row in verdict.rows()}
OF_FILES = {"14", "41", "98"}  # said only of files
GATEWAY = {"04", "06", "10", "11", "13", "31", "32", "37"}  # said of any request, of a file too
ERRORS = [row for row in DOCUMENTED if row[0] not in ("00", "A6") and row[0] not in OF_FILES]


@pytest.mark.parametrize(("code", "outcome", "source"), ERRORS)
def test_a_documented_code_stands_for_every_operation(code: str, outcome: str, source: str) -> None:
    for op in ("pay", "apply", "query", "reverse", "refund", "refund_query"):
        row = TABLE[op, code]
        assert row["zh"] and row["en"]
        if op in ("query", "reverse", "refund_query"):
            assert row["proves"] in ("nothing", "absent", "undo_refused", "undone_absent", "refund_pending", "undo_again"), (op, code)
    refused = TABLE["pay", code]["proves"] == Proves.REFUSED
    assert not refused or (outcome == "final_fail" and source == "document"), "what is remembered only stays unknown"


@pytest.mark.parametrize(("code", "outcome", "source"), ERRORS)
def test_and_as_the_end_of_the_order_that_a_query_tells(code: str, outcome: str, source: str) -> None:
    for op in ("query", "refund_query"):
        row = TABLE[op, f"orig={code}"]
        assert row["zh"] and row["en"]
    told = TABLE["query", f"orig={code}"]["proves"]
    assert told in ("closed", "nothing", "waiting")
    assert told != "closed" or outcome == "final_fail"


@pytest.mark.parametrize("code", sorted(OF_FILES | GATEWAY))
def test_a_file_that_is_refused_is_explained(code: str) -> None:
    row = TABLE["file", code]
    assert row["proves"] == "nothing" and row["zh"] and row["en"]
    assert code in {row[0] for row in DOCUMENTED}


def test_a_success_is_three_things() -> None:
    """Taken (a reply), paid (a notify, or what a query tells), and nothing else."""
    assert {op: TABLE[op, "00"]["proves"] for op in ("pay", "apply", "notify")} == {"pay": "waiting", "apply": "shown", "notify": "captured"}
    assert TABLE["query", "orig=00"]["proves"] == TABLE["query", "orig=A6"]["proves"] == TABLE["notify", "A6"]["proves"] == "captured"


def test_no_code_stands_twice() -> None:
    assert len(TABLE) == len(verdict.rows())
