"""Events: a list of them, and listening to them without losing any."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from daozhang.cli import listener
from daozhang.cli.link import Link
from daozhang.cli.sandbox import seconds
from daozhang.cli.say import Oops, Talk, verb, yuan


def moment(text: str) -> str:
    """``2h`` ago, or a time as it is, in RFC 3339. Raises Oops."""
    if text[:4].isdigit() and "T" in text:
        return text
    return (datetime.now(UTC) - timedelta(seconds=seconds(text))).isoformat()


@click.command()
@click.option("--types", default="", help="如 payment.*,refund.succeeded / such as payment.*")
@click.option("--since", default="", help="如 2h 或 RFC 3339 时间 / such as 2h, or a time")
@click.option("--limit", type=click.IntRange(1, 100), default=30)
@verb
def events(talk: Talk, types: str, since: str, limit: int) -> None:
    """事件 / events"""
    from urllib.parse import urlencode

    link = Link(talk.data)
    given = {"limit": limit, "types": types, "since": moment(since or "24h")}
    told = link.must("GET", "/events?" + urlencode({name: value for name, value in given.items() if value}))
    talk.document(told)
    for event in told["data"]:
        talk.show(_line(event))


def _line(event: dict[str, Any]) -> str:
    data = event["data"]
    money = yuan(data["amount"]) if isinstance(data.get("amount"), int) else ""
    about = f"{event['subject'][:4]}…{event['subject'][-6:]}"
    return f"{event['timestamp'][11:23]} --> {event['type']:24} {event['id']:>12}  {about}  {money}  {data.get('merchant_order_no', '')}"


@click.command()
@click.option("--forward-to", "target", default="", help="转发到此地址 / post each event to this address")
@click.option("--types", "--events", "types", default="", help="如 payment.*")
@click.option("--since", default="", help="从何时起,如 2h / from when on, such as 2h")
@click.option("--durable", default="", help="记住位置的名字 / a name whose place is kept")
@click.option("--for", "span", default="", help="听多久,如 30s / how long, such as 30s")
@verb
def listen(talk: Talk, target: str, types: str, since: str, durable: str, span: str) -> None:
    """听事件:断线、休眠、被杀都不丢 / events as they happen; sleep, kill and restart lose none"""
    link = Link(talk.data)
    place = listener.Place(talk.data, durable)
    until = time.time() + (seconds(span) if span else 10 * 365 * 86_400)
    _begin(talk, link, place, moment(since) if since else "", until)
    if target:
        talk.say(f"签名密钥 {place.secret}", f"signing secret {place.secret}")
    talk.say(f"就绪,游标 {place.cursor}", f"ready, cursor {place.cursor}")
    while time.time() < until:
        try:
            for event in listener.events(link, place, types, until):
                _hand_on(talk, event, target, place, until)
        except listener.Lost as why:
            talk.say(f"连接断开({why}),从 {place.cursor} 继续", f"the line broke ({why}); going on from {place.cursor}")
            time.sleep(0.5)
        except KeyboardInterrupt:
            return


def _begin(talk: Talk, link: Link, place: listener.Place, since: str, until: float) -> None:
    """The first cursor. A platform that is being started again is waited for."""
    while True:
        try:
            listener.start(link, place, since)
            return
        except Oops as oops:
            if oops.exit_code != 3 or time.time() > min(until, time.time() + 1):
                raise
            talk.say("系统没有应答,稍后再试", "it does not answer; trying again")
            time.sleep(0.5)


def _hand_on(talk: Talk, event: dict[str, Any], target: str, place: listener.Place, until: float) -> None:
    """Show or forward it, and only then move the cursor."""
    if talk.json:
        click.echo(json.dumps(event, ensure_ascii=False))
    else:
        talk.show(_line(event))
    sys.stdout.flush()
    if target:

        def told(attempt: int, outcome: str, took_s: float) -> None:
            talk.say(f"  <-- {outcome} POST {target} {took_s * 1000:.0f} ms 第{attempt}次",
                     f"  <-- {outcome} POST {target} {took_s * 1000:.0f} ms attempt {attempt}")  # fmt: skip

        if not listener.forward(target, place.secret, event, told, until):
            sys.exit(1)
    place.move(event["cursor"])
