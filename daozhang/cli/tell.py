"""Explaining: why, trace."""

import sys
from typing import Any

import click

from daozhang.cli.find import one
from daozhang.cli.link import Link
from daozhang.cli.say import WHY_LIKELY, WHY_PROVEN, WHY_UNKNOWN, Talk, mark, verb, yuan

PEOPLE = {
    "cashier": "收银员",
    "payer": "顾客",
    "merchant": "商户",
    "support": "客服",
    "operations": "运维",
    "developer": "开发",
}
_SURE = {"proven": ("已证实", "proven"), "likely": ("很可能", "likely"), "unknown": ("还不知道", "unknown")}


def cause_line(talk: Talk, cause: dict[str, Any]) -> str:
    """A named cause in one line: number, id, what else it could be, whose, how sure."""
    members = f" {{{', '.join(cause['class'])}}}" if cause["class"] else ""
    whose = f" · {cause['party_name']}" if cause["party_name"] != cause["party"] else ""
    return f"{cause['number']} {cause['id']}{members}{whose}  {talk.pick(*_SURE[cause['confidence']])} {cause['probability']:.2f}"


@click.command()
@click.argument("which", default="last")
@verb
def why(talk: Talk, which: str) -> None:
    """为什么:结论、原因、证据、每个人的下一步 / verdict, cause, evidence, next steps"""
    link = Link(talk.data)
    told = link.must("GET", f"/payments/{one(link, which)['id']}/trace")
    talk.document(told)
    if not talk.json:
        _show(talk, told)
    sys.exit(_exit_code(told))


def _exit_code(told: dict[str, Any]) -> int:
    """How sure we are of the whole: the least sure answer counts."""
    if told["verdict"] in ("paid",) and told["why_no_information"] is None:
        return WHY_PROVEN
    sure = [cause["confidence"] for cause in (told["why_no_information"], told["why_no_money"]) if cause]
    if not sure:
        return WHY_PROVEN if told["verdict"] in ("paid", "not_paid", "returned") else WHY_UNKNOWN
    return WHY_UNKNOWN if "unknown" in sure else WHY_LIKELY if "likely" in sure else WHY_PROVEN


def _show(talk: Talk, told: dict[str, Any]) -> None:
    pick = talk.pick
    talk.show(f"{told['id']}  {yuan(told['amount'])}  {told['method']['channel']} {told['method']['type']}")
    tti = f"   {told['tti_ms'] / 1000:.1f} s" if told.get("tti_ms") else ""
    talk.show(
        f"{pick('结论', 'Verdict')}  {mark(told['verdict'])} {talk.word(told['verdict_words'])} ({told['verdict']})   {pick('钱', 'money')}: {told['money']}{tti}"
    )
    for name, cause in (
        (pick("为什么没有信息", "No information"), told["why_no_information"]),
        (pick("为什么没收到钱", "No money"), told["why_no_money"]),
    ):
        if cause is None:
            continue
        talk.show(f"{name}  {cause_line(talk, cause)}")
        talk.show(f"    {talk.word(cause['says'])}")
        _reasons(talk, told, cause)
        if cause["ruled_out"]:
            talk.show(f"    {pick('已排除', 'ruled out')}: {', '.join(cause['ruled_out'])}")
    talk.show(pick("证据", "Evidence"))
    for at, line in enumerate(told["evidence"], 1):
        talk.show(
            f"  E{at:<3}{_line(line)}{pick('  ← 据此', '  ← decides') if line['id'] == told['decided_by'] else ''}"
        )
    talk.show(pick("下一步", "Next"))
    for person, zh in PEOPLE.items():
        talk.show(f"  {pick(zh, person)}: {talk.word(told['next_step'][person])}")
    if told.get("incident"):
        talk.show(f"{pick('事件', 'Incident')}  {told['incident']}")
    if told["by_when"]:
        talk.show(f"{pick('时限', 'By when')}  {talk.word(told['by_when'])}")


_STEP = {"hop": ("断在哪里", "hop"), "blast": ("还有谁", "who else"), "signs": ("迹象", "signs")}


def _reasons(talk: Talk, told: dict[str, Any], cause: dict[str, Any]) -> None:
    """The three steps of the reasoning, and what else it could be."""
    numbers = {line["id"]: at for at, line in enumerate(told.get("evidence", []), 1)}
    for step in cause["steps"]:
        shown = " ".join(f"E{numbers[one]}" for one in step["evidence"] if one in numbers)
        talk.show(f"    {talk.pick(*_STEP[step['step']])}: {talk.word(step['says'])}{f'  [{shown}]' if shown else ''}")
    others = [f"{one['id']} {one['probability']:.2f}" for one in cause["ranked"][1:4] if one["probability"] >= 0.02]
    if others:
        talk.show(f"    {talk.pick('其次', 'else')}: {', '.join(others)}")


def _line(line: dict[str, Any]) -> str:
    parts = (line["at"][11:23], line["who"], line["kind"], line["op"], line["proves"], line["code"], line["text"])
    return " ".join(str(part) for part in parts if part)


@click.command()
@click.argument("which", default="last")
@click.option("--raw", is_flag=True, help="原文(已脱敏)/ the redacted fields too")
@verb
def trace(talk: Talk, which: str, raw: bool) -> None:
    """时间线 / the time line"""
    link = Link(talk.data)
    told = link.must("GET", f"/payments/{one(link, which)['id']}/trace")
    talk.document(told)
    if talk.json:
        return
    start = _ms(told["created_at"])
    asked: dict[str, int] = {}
    for line in told["evidence"]:
        at = _ms(line["at"]) - start
        lane = {"asked": "daozhang →", "answered": f"← {line['who']}", "notified": f"⇐ {line['who']}"}.get(
            line["kind"], line["who"]
        )
        took = (
            f" ▇{'▇' * min(20, (at - asked[line['op']]) // 250)} {at - asked[line['op']]} ms"
            if line["kind"] == "answered" and line["op"] in asked
            else ""
        )
        if line["kind"] == "asked":
            asked[line["op"]] = at
        what = " ".join(str(part) for part in (line["op"], line["proves"], line["code"], line["text"]) if part)
        decides = talk.pick("  ✓ 据此", "  ✓ decides") if line["id"] == told["decided_by"] else ""
        talk.show(f"{at / 1000:8.2f}s  {lane:12} {what}{took}{decides}")
        trail = line["detail"].get("trail")
        if trail:
            talk.show("           " + " ".join(f"{stage} {value}" for stage, value in trail.items()))
        if raw:
            for name, value in line["detail"].items():
                if name != "trail":
                    talk.show(f"             {name}: {value}")
    for name, cause in (
        (talk.pick("为什么没有信息", "no information"), told["why_no_information"]),
        (talk.pick("为什么没收到钱", "no money"), told["why_no_money"]),
    ):
        if cause is not None:
            talk.show(f"{'':10} {name}  {cause['number']} {cause['id']}  {talk.pick(*_SURE[cause['confidence']])} {cause['probability']:.2f}")
            _reasons(talk, told, cause)
    if told["decided_at"]:
        talk.show(
            f"{(_ms(told['decided_at']) - start) / 1000:8.2f}s  {talk.pick('结论', 'verdict'):12} {talk.word(told['verdict_words'])}"
        )


def _ms(text: str) -> int:
    from daozhang.core.texts import ms_of_rfc3339

    return ms_of_rfc3339(text)
