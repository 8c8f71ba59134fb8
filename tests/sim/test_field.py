"""The field method: a sheet without our answers, and what two people's labels say of each other and of us."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from daozhang.cli import field
from daozhang.cli.field import UNDETERMINABLE, answer, blind, kappa, score
from daozhang.cli.main import cli

TRACE = {
    "id": "pay_1", "created_at": "2026-11-28T10:00:00Z", "method": {"channel": "alipay", "type": "pay_by_code"}, "amount": 1250,
    "status": "paid", "verdict": "paid", "tti_ms": 10_050, "why_no_money": None,
    "why_no_information": {"id": "bank.slow", "class": ["bank.slow", "info.reply_lost"], "confidence": "likely", "probability": 0.97},
    "evidence": [
        {"at": "t0", "who": "us", "op": "pay", "kind": "asked", "code": None, "text": None},
        {"at": "t1", "who": "alipay", "op": "pay", "kind": "answered", "code": "READ_TIMEOUT", "text": None},
        {"at": "t2", "who": "us", "op": "cause", "kind": "act", "code": "bank.slow", "text": "判断为此"},
    ],
}  # fmt: skip


def test_the_sheet_tells_the_story_and_never_our_answer() -> None:
    row = blind(TRACE)
    assert "READ_TIMEOUT" in row["story"] and row["seconds_to_information"] == 10.1 and row["label"] == ""
    assert "bank.slow" not in json.dumps(row, ensure_ascii=False)
    assert answer(TRACE) == {"id": "bank.slow", "class": ["bank.slow", "info.reply_lost"], "confidence": "likely", "probability": 0.97}


def test_kappa_is_agreement_beyond_chance() -> None:
    assert kappa(["a", "a", "b", "b"], ["a", "a", "b", "b"]) == 1.0
    assert kappa(["a", "b", "a", "b"], ["a", "a", "b", "b"]) == 0.0
    assert kappa(["a"] * 45 + ["b"] * 15 + ["a"] * 25 + ["b"] * 15, ["a"] * 45 + ["a"] * 15 + ["b"] * 25 + ["b"] * 15) == pytest.approx(0.1304, abs=1e-4)
    assert kappa([], []) is None


def test_we_are_measured_only_where_two_people_could_decide_alike() -> None:
    one = {"p1": "bank.slow", "p2": "us.egress", "p3": UNDETERMINABLE, "p4": "platform.outage", "p5": "bank.slow"}
    two = {"p1": "bank.slow", "p2": "platform.outage", "p3": UNDETERMINABLE, "p4": "platform.outage"}
    said = {"p1": {"id": "info.reply_lost", "class": ["info.reply_lost", "bank.slow"], "confidence": "likely"},
            "p4": {"id": "us.egress", "class": [], "confidence": "proven"}}  # fmt: skip
    told = score(one, two, said)
    assert (told["both"], told["agree"], told["undeterminable"], told["decided"]) == (4, 3, 1, 2)
    assert (told["right"], told["exact"], told["proven_wrong"]) == (0.5, 0.0, 1)


class _Link:
    """A platform with one dark payment among two."""

    def __init__(self, _data: Path) -> None: ...

    def must(self, _method: str, path: str) -> dict:  # type: ignore[type-arg]
        if path.startswith("/payments?"):
            return {"data": [{"id": "pay_1", "tti_ms": 10_050, "verdict": "paid"}, {"id": "pay_2", "tti_ms": 300, "verdict": "paid"}], "next_cursor": None}
        assert path == "/payments/pay_1/trace"
        return TRACE


def test_from_export_to_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field, "Link", _Link)
    sheet = tmp_path / "sheet.csv"
    done = CliRunner().invoke(cli, ["field", "export", str(sheet), "--json"])
    assert done.exit_code == 0 and json.loads(done.output)["sampled"] == 1, done.output
    rows = list(csv.DictReader(sheet.open(encoding="utf-8-sig", newline="")))
    assert [row["payment"] for row in rows] == ["pay_1"] and "bank.slow" not in sheet.read_text("utf-8-sig")
    rows[0]["label"] = "bank.slow"
    with sheet.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    key = str(sheet.with_suffix(".key.json"))
    done = CliRunner().invoke(cli, ["field", "score", str(sheet), str(sheet), "--key", key, "--json"])
    assert json.loads(done.output)["right"] == 1.0
    sheet.write_text(sheet.read_text("utf-8-sig").replace("bank.slow", "bank.slwo"), "utf-8-sig")
    done = CliRunner().invoke(cli, ["field", "score", str(sheet), str(sheet), "--key", key, "--lang", "en"])
    assert done.exit_code == 2 and "bank.slwo" in done.output
