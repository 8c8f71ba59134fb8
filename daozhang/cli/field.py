"""``daozhang field``: how often the named cause is right in the field. A blind sheet of sampled dark payments for two people,
and their agreement, and how often the answer that was frozen agrees with them.

The sheet holds no answer of ours: what we said goes into a second file that the labellers do not open.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb
from daozhang.flow.shelf import picture_of

UNDETERMINABLE = "undeterminable"
_SHEET = ("payment", "created_at", "channel", "method", "amount_fen", "status", "verdict", "seconds_to_information", "story", "label", "remark")
_DARK_MS = 5_000
_PAGE = 200
_MOST = 5_000


@click.group()
def field() -> None:
    """现场准确率:盲标表的导出与评分 / accuracy in the field: a blind sheet, and its score"""


@field.command("export")
@click.argument("sheet", type=click.Path(path_type=Path))
@click.option("--count", default=50, show_default=True, type=click.IntRange(1, 2_000), help="抽几笔 / how many payments")
@click.option("--seed", default=1, show_default=True, help="抽样的种子 / the seed of the sample")
@verb
def export(talk: Talk, sheet: Path, count: int, seed: int) -> None:
    """抽样无信息的支付,导出不带答案的表 / sample dark payments into a sheet without our answers"""
    link = Link(talk.data)
    dark = [one for one in _payments(link) if _is_dark(one)]
    chosen = sorted(dark, key=lambda one: hashlib.sha256(f"{seed} {one['id']}".encode()).digest())[:count]
    traces = [link.must("GET", f"/payments/{one['id']}/trace") for one in chosen]
    key = sheet.with_suffix(".key.json")
    try:
        with sheet.open("w", encoding="utf-8-sig", newline="") as out:
            rows = csv.DictWriter(out, _SHEET)
            rows.writeheader()
            rows.writerows(blind(one) for one in traces)
        key.write_text(json.dumps({one["id"]: answer(one) for one in traces}, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as why:
        raise Oops(f"写不了:{why}", f"it cannot be written: {why}") from None
    talk.document({"dark": len(dark), "sampled": len(traces), "sheet": str(sheet), "key": str(key)})
    talk.show(talk.pick(f"{len(dark)} 笔无信息,抽出 {len(traces)} 笔:{sheet}(给两个人各一份);答案在 {key}(标注完再打开)",
                        f"{len(dark)} dark payments, {len(traces)} sampled: {sheet} (a copy for each of two people); our answers are in {key} (open it when both are done)"))  # fmt: skip


def _payments(link: Link) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while len(found) < _MOST:
        page = link.must("GET", f"/payments?limit={_PAGE}" + (f"&cursor={cursor}" if cursor else ""))
        found += page["data"]
        cursor = page.get("next_cursor") or ""
        if not cursor:
            break
    return found


def _is_dark(one: Mapping[str, Any]) -> bool:
    """Without information for more than five seconds, or declined."""
    return (one.get("tti_ms") or 0) > _DARK_MS or one["verdict"] in ("checking", "later", "not_paid")


def blind(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What the labellers see: the story of the channel and of us, and nothing that we concluded from it."""
    story = "\n".join(f"{line['at']} {line['who']} {line['op'] or ''} {line['kind']} {line.get('code') or ''} {line.get('text') or ''}".rstrip()
                      for line in trace.get("evidence", []) if line.get("op") != "cause")  # fmt: skip
    return {
        "payment": trace["id"], "created_at": trace["created_at"], "channel": trace["method"]["channel"], "method": trace["method"]["type"],
        "amount_fen": trace["amount"], "status": trace["status"], "verdict": trace["verdict"],
        "seconds_to_information": round((trace.get("tti_ms") or 0) / 1000, 1), "story": story, "label": "", "remark": "",
    }  # fmt: skip


def answer(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What we say, frozen: the cause, its class and how sure we are."""
    said = trace.get("why_no_money") if trace["verdict"] == "not_paid" else None
    said = said or trace.get("why_no_information") or {}
    return {"id": said.get("id", "none"), "class": list(said.get("class") or ()), "confidence": said.get("confidence", "unknown"),
            "probability": said.get("probability", 0.0)}  # fmt: skip


@field.command("score")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="export 写的答案文件 / the file of answers that export wrote")
@verb
def score_(talk: Talk, first: Path, second: Path, key: Path) -> None:
    """两份标注的一致程度,和我们说对了多少 / the agreement of two people, and how often we were right"""
    one, two = labels(first), labels(second)
    try:
        answers = json.loads(key.read_text("utf-8"))
    except (OSError, ValueError) as why:
        raise Oops(f"读不了答案文件:{why}", f"the answers cannot be read: {why}", code=2) from None
    told = score(one, two, answers)
    talk.document(told)
    kappa = "–" if told["kappa"] is None else f"{told['kappa']:.2f}"
    right = "–" if told["right"] is None else f"{told['right']:.1%}"
    talk.show(talk.pick(
        f"{told['both']} 笔两人都标了,一致 {told['agree']} 笔,Cohen's kappa {kappa};一致且能判断的 {told['decided']} 笔里,我们说对(按类){right}",
        f"{told['both']} labelled by both, {told['agree']} alike, Cohen's kappa {kappa}; of the {told['decided']} that both could decide alike we were right (by class) in {right}",
    ))  # fmt: skip


def labels(sheet: Path) -> dict[str, str]:
    """Payment -> label of one filled sheet. Raises Oops for a label that is no cause."""
    try:
        with sheet.open(encoding="utf-8-sig", newline="") as text:
            rows = {row["payment"]: (row["label"] or "").strip() for row in csv.DictReader(text)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as why:
        raise Oops(f"{sheet} 不是导出的表({why})", f"{sheet} is no exported sheet ({why})", code=2) from None
    for payment, label in rows.items():
        if label and label != UNDETERMINABLE and picture_of(label) is None:
            raise Oops(f"{sheet}:{payment} 的标注 {label} 不是原因编号,也不是 {UNDETERMINABLE}",
                       f"{sheet}: the label {label} of {payment} is no cause and not {UNDETERMINABLE}", code=2)  # fmt: skip
    return {payment: label for payment, label in rows.items() if label}


def score(one: Mapping[str, str], two: Mapping[str, str], answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Agreement over what both labelled; our answers against what both say alike and could decide."""
    both = [payment for payment in one if payment in two]
    alike = [payment for payment in both if one[payment] == two[payment]]
    decided = [payment for payment in alike if one[payment] != UNDETERMINABLE and payment in answers]
    right = [payment for payment in decided if one[payment] in (answers[payment]["id"], *answers[payment]["class"])]
    return {
        "both": len(both), "agree": len(alike), "kappa": kappa([one[p] for p in both], [two[p] for p in both]),
        "undeterminable": sum(one[payment] == UNDETERMINABLE for payment in alike), "decided": len(decided),
        "right": round(len(right) / len(decided), 4) if decided else None,
        "exact": round(sum(one[p] == answers[p]["id"] for p in decided) / len(decided), 4) if decided else None,
        "proven_wrong": sum(answers[p]["confidence"] == "proven" and p not in right for p in decided),
    }  # fmt: skip


def kappa(one: Sequence[str], two: Sequence[str]) -> float | None:
    """Cohen's kappa: agreement beyond what chance alone would give. None where nothing can be said."""
    count = len(one)
    if not count:
        return None
    seen = sum(a == b for a, b in zip(one, two, strict=True)) / count
    left, right = Counter(one), Counter(two)
    chance = sum(left[label] * right[label] for label in left) / count**2
    return round((seen - chance) / (1 - chance), 4) if chance < 1 else 1.0
