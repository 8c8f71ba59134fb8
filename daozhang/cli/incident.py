"""Incidents, the health of channels and banks, and announced maintenance."""

from datetime import datetime, timedelta, timezone
from typing import Any

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb
from daozhang.cli.tell import PEOPLE

_SHOP_ZONE = timezone(timedelta(hours=8))
_Words = dict[str, dict[str, str]]
_STAGES: _Words = {
    "investigating": {"zh": "调查中", "en": "investigating"}, "identified": {"zh": "已定位", "en": "identified"},
    "monitoring": {"zh": "恢复观察", "en": "monitoring"}, "resolved": {"zh": "已恢复", "en": "resolved"}, "merged": {"zh": "已并入", "en": "merged"},
}  # fmt: skip
_STATES: _Words = {
    "operational": {"zh": "正常", "en": "operational"}, "degraded_performance": {"zh": "变差", "en": "degraded performance"},
    "partial_outage": {"zh": "部分故障", "en": "partial outage"}, "major_outage": {"zh": "严重故障", "en": "major outage"},
    "under_maintenance": {"zh": "维护中", "en": "under maintenance"},
}  # fmt: skip
_PARTIES: _Words = {"platform": {"zh": "渠道", "en": "channel"}, "bank": {"zh": "发卡行", "en": "bank"}}
_SOURCES: _Words = {"person": {"zh": "人工登记", "en": "entered by a person"}, "notice": {"zh": "渠道自己的答复", "en": "the channel's own answers"}}


def _local(at: str) -> str:
    """Beijing time, as shops read it."""
    return f"{datetime.fromisoformat(at).astimezone(_SHOP_ZONE):%Y-%m-%d %H:%M:%S}"


@click.group()
def incident() -> None:
    """事件:看、开、接手、发布、进展、关闭 / incidents: look, open, look after, publish, tell on, close"""


@incident.command("ls")
@click.option("--stage", default="", help="只看这个阶段 / only of this stage")
@verb
def list_(talk: Talk, stage: str) -> None:
    """事件列表,新的在前 / newest first"""
    told = Link(talk.data).must("GET", f"/incidents?limit=50&stage={stage}" if stage else "/incidents?limit=50")
    talk.document(told)
    for one in told["data"]:
        _line(talk, one)
    if not told["data"]:
        talk.say("没有事件", "there are none")


@incident.command()
@click.argument("which")
@verb
def show(talk: Talk, which: str) -> None:
    """一个事件:我们观察到什么,每个人做什么 / what we observe, and what each person does"""
    _whole(talk, Link(talk.data).must("GET", f"/incidents/{which}"))


@incident.command("open")
@click.option("--place", default="channel", type=click.Choice(["channel", "bank", "merchant", "shop", "till", "software", "carrier", "region", "all"]))
@click.option("--name", default="", help="哪个渠道、银行、门店…… / which one")
@click.option("--zh", default="", help="我们观察到…… / what we observe, in Chinese")
@click.option("--en", default="", help="同样的话,英文 / the same in English")
@click.option("--publish", is_flag=True, help="立即发布 / publish at once")
@verb
def open_(talk: Talk, place: str, name: str, zh: str, en: str, publish: bool) -> None:
    """人工开一个事件 / open one by hand"""
    body: dict[str, Any] = {"place": place, "place_name": name or "*", "publish": publish, **_says(zh, en)}
    _whole(talk, Link(talk.data).must("POST", "/incidents", body))


@incident.command("ack")
@click.argument("which")
@click.option("--zh", default="", help="说明 / what is to be known, in Chinese")
@click.option("--en", default="", help="同样的话,英文 / the same in English")
@verb
def acknowledge(talk: Talk, which: str, zh: str, en: str) -> None:
    """接手 / look after it"""
    _whole(talk, Link(talk.data).must("POST", f"/incidents/{which}/acknowledge", _says(zh, en)))


@incident.command()
@click.argument("which")
@verb
def publish(talk: Talk, which: str) -> None:
    """发布给受影响的商户 / show it to the merchants whom it concerns"""
    _whole(talk, Link(talk.data).must("POST", f"/incidents/{which}/publish", {}))


@incident.command()
@click.argument("which")
@click.option("--stage", default="", type=click.Choice(["", "investigating", "identified", "monitoring"]))
@click.option("--zh", default="", help="新进展 / what is new, in Chinese")
@click.option("--en", default="", help="同样的话,英文 / the same in English")
@verb
def update(talk: Talk, which: str, stage: str, zh: str, en: str) -> None:
    """写一条进展 / a line for its story"""
    _whole(talk, Link(talk.data).must("POST", f"/incidents/{which}/updates", {"stage": stage, **_says(zh, en)}))


@incident.command()
@click.argument("which")
@click.option("--zh", default="", help="结束语 / the last word, in Chinese")
@click.option("--en", default="", help="同样的话,英文 / the same in English")
@verb
def close(talk: Talk, which: str, zh: str, en: str) -> None:
    """关闭 / close it"""
    _whole(talk, Link(talk.data).must("POST", f"/incidents/{which}/resolve", _says(zh, en)))


def _says(zh: str, en: str) -> dict[str, Any]:
    if bool(zh) != bool(en):
        raise Oops("--zh 和 --en 要一起给", "give --zh and --en together", code=2)
    return {"says": {"zh": zh, "en": en}} if zh else {}


def _line(talk: Talk, one: dict[str, Any]) -> None:
    public = talk.word({"zh": "" if one["published"] else "(草稿)", "en": "" if one["published"] else " (draft)"})
    stage, since = talk.word(_STAGES[one["stage"]]), _local(one["onset_at"])
    reach = talk.pick(f"{one['scope']['payments']} 笔,{since} 起", f"{one['scope']['payments']} payments since {since} (Beijing)")
    talk.show(f"{one['id']}  {stage}{public}  {talk.word(one['title'])}  {reach}")


def _whole(talk: Talk, one: dict[str, Any]) -> None:
    talk.document(one)
    _line(talk, one)
    talk.show(f"  {talk.word(one['says'])}")
    for person, words in one["next_step"].items():
        talk.show(f"  {talk.word({'zh': PEOPLE.get(person, person), 'en': person})}  {talk.word(words)}")
    for line in one.get("updates") or ():
        by = talk.pick("自动", "by rule") if line["by"] == "rule" else line["by"]
        talk.show(f"  {_local(line['at'])}  {talk.word(_STAGES[line['stage']])}  {talk.word(line['says'])}  ({by})")


@click.command()
@verb
def health(talk: Talk) -> None:
    """渠道和发卡行现况 / channels and banks now"""
    link = Link(talk.data)
    told = {"channels": link.must("GET", "/health/channels")["data"], "banks": link.must("GET", "/health/banks")["data"]}
    talk.document(told)
    for one in (*told["channels"], *told["banks"]):
        rates = "  ".join(f"{talk.pick(zh, en)} {one[key]:.1%}" for zh, en, key in (
            ("成功", "ok", "success_rate"), ("技术拒绝", "TD", "technical_decline_rate"), ("业务拒绝", "BD", "business_decline_rate")) if one[key] is not None)  # fmt: skip
        p95 = f"  p95 {one['p95_ms']} ms" if one["p95_ms"] else ""
        state, count = talk.word(_STATES[one["status"]]), talk.pick(f"{one['payments']} 笔", f"{one['payments']} payments")
        until = f"  {talk.pick('至', 'until')} {_local(one['until'])}" if one["until"] else ""
        talk.show(f"{one['name']:12} {state}{until}  {count}  {rates}{p95}  {one['incident'] or ''}".rstrip())


@click.group()
def maintenance() -> None:
    """维护窗口:看、登记、取消 / announced maintenance: look, enter, remove"""


@maintenance.command("ls")
@verb
def windows(talk: Talk) -> None:
    """现在和以后的 / those of now and later"""
    told = Link(talk.data).must("GET", "/maintenance")
    talk.document(told)
    for one in told["data"]:
        _window(talk, one)
    if not told["data"]:
        talk.say("没有维护窗口", "there are none")


@maintenance.command()
@click.option("--channel", default="", help="哪个渠道 / a channel")
@click.option("--bank", default="", help="或哪家银行 / or a bank")
@click.option("--from", "since", required=True, help="RFC 3339,如 2026-12-01T02:00:00+08:00")
@click.option("--to", "until", required=True, help="RFC 3339")
@click.option("--zh", default="", help="说明 / what was announced, in Chinese")
@click.option("--en", default="", help="同样的话,英文 / the same in English")
@verb
def add(talk: Talk, channel: str, bank: str, since: str, until: str, zh: str, en: str) -> None:
    """登记一个窗口 / enter a window"""
    if bool(channel) == bool(bank):
        raise Oops("给 --channel 或 --bank 之一", "give one of --channel and --bank", code=2)
    body = {"party": "platform" if channel else "bank", "name": channel or bank, "from": since, "to": until, **_says(zh, en)}
    told = Link(talk.data).must("POST", "/maintenance", body)
    talk.document(told)
    _window(talk, told)


@maintenance.command()
@click.argument("which")
@verb
def rm(talk: Talk, which: str) -> None:
    """取消一个窗口 / remove a window"""
    talk.document(Link(talk.data).must("DELETE", f"/maintenance/{which}"))
    talk.show(which)


def _window(talk: Talk, one: dict[str, Any]) -> None:
    now = "*" if one["holds_now"] else " "
    of, source = talk.word(_PARTIES[one["party"]]), talk.word(_SOURCES[one["source"]])
    span = f"{_local(one['from_at'])} - {_local(one['until_at'])} {talk.pick('北京时间', 'Beijing time')}"
    talk.show(f"{now} {one['id']}  {of} {one['name']}  {span}  {source}")
    if said := talk.word(one.get("says")):
        talk.show(f"    {said}")
