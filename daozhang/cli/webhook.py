"""Webhook endpoints from the command line, and sending events again."""

from typing import Any
from urllib.parse import urlencode

import click

from daozhang.cli.events import moment
from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Oops, Talk, verb


@click.group()
def webhook() -> None:
    """回调地址 / webhook endpoints"""


def _show(talk: Talk, row: dict[str, Any]) -> None:
    types = ",".join(row["types"]) or "*"
    failing = talk.pick(f"  失败 {row['failures']} 次", f"  {row['failures']} failures") if row["failures"] else ""
    talk.show(f"{row['id']}  {row['state']:9} {row['url']}  {types}{failing}")


@webhook.command("add")
@click.argument("url")
@click.option("--types", default="", help="如 payment.*,refund.succeeded;不写为全部 / all when left out")
@click.option("--description", default="")
@verb
def add(talk: Talk, url: str, types: str, description: str) -> None:
    """新增;密钥只显示这一次 / new; its secret is shown only now"""
    body = {"url": url, "types": [one for one in types.split(",") if one], "description": description}
    told = Link(talk.data).must("POST", "/webhook_endpoints", body, key=fresh_key())
    talk.document(told)
    _show(talk, told)
    talk.show(told["secret"])


@webhook.command("ls")
@verb
def ls(talk: Talk) -> None:
    """列表 / list"""
    told = Link(talk.data).must("GET", "/webhook_endpoints")
    talk.document(told)
    for row in told["data"]:
        _show(talk, row)


@webhook.command("show")
@click.argument("endpoint")
@verb
def show(talk: Talk, endpoint: str) -> None:
    """一个地址和它最近的投递 / one endpoint and its latest attempts"""
    link = Link(talk.data)
    told = link.must("GET", f"/webhook_endpoints/{endpoint}")
    talk.document(told)
    _show(talk, told)
    _attempts(talk, link, endpoint, 10)


@webhook.command("attempts")
@click.argument("endpoint")
@click.option("--limit", type=click.IntRange(1, 100), default=30)
@verb
def attempts(talk: Talk, endpoint: str, limit: int) -> None:
    """投递记录 / attempts to deliver"""
    talk.document(_attempts(talk, Link(talk.data), endpoint, limit))


def _attempts(talk: Talk, link: Link, endpoint: str, limit: int) -> Any:
    told = link.must("GET", f"/webhook_endpoints/{endpoint}/attempts?limit={limit}")
    for row in told["data"]:
        outcome = row["status"] or talk.word(row["error"])
        later = talk.pick(f"  下次 {row['next_attempt']}", f"  next {row['next_attempt']}") if row["next_attempt"] else ""
        talk.show(f"{row['at']}  {row['event']:>12} #{row['attempt']}  {outcome}  {row['took_ms']} ms{later}")
    return told


@webhook.command("rm")
@click.argument("endpoint")
@verb
def rm(talk: Talk, endpoint: str) -> None:
    """删除 / delete"""
    talk.document(Link(talk.data).must("DELETE", f"/webhook_endpoints/{endpoint}"))
    talk.say("已删除", "deleted")


@webhook.command("rotate")
@click.argument("endpoint")
@verb
def rotate(talk: Talk, endpoint: str) -> None:
    """换密钥;旧的还能用24小时 / new secret; the old one signs too for 24 h"""
    told = Link(talk.data).must("POST", f"/webhook_endpoints/{endpoint}/rotate_secret", {}, key=fresh_key())
    talk.document(told)
    talk.show(told["secret"])


@webhook.command("enable")
@click.argument("endpoint")
@verb
def enable(talk: Talk, endpoint: str) -> None:
    """重新启用 / enable again"""
    told = Link(talk.data).must("PATCH", f"/webhook_endpoints/{endpoint}", {"enabled": True})
    talk.document(told)
    _show(talk, told)


@webhook.command("test")
@click.argument("endpoint")
@verb
def test(talk: Talk, endpoint: str) -> None:
    """发一个 test.ping / send a test.ping"""
    told = Link(talk.data).must("POST", f"/webhook_endpoints/{endpoint}/test", {}, key=fresh_key())
    talk.document(told)
    talk.show(told["event"])


@click.command()
@click.option("--from", "since", required=True, help="如 2h 或 RFC 3339 时间 / such as 2h, or a time")
@click.option("--to", "until", default="", help="不写为现在 / now when left out")
@click.option("--types", default="")
@click.option("--endpoint", required=True, help="we_…")
@click.option("--dry-run", is_flag=True, help="只看会重发什么 / only show what would be sent")
@verb
def replay(talk: Talk, since: str, until: str, types: str, endpoint: str, dry_run: bool) -> None:
    """按时间段重发回调 / send webhooks of a range of time again"""
    link = Link(talk.data)
    start = moment(since)
    if dry_run:
        rows = link.must("GET", "/events?" + urlencode({"since": start, "limit": 100, "types": types}))["data"]
        talk.document(rows)
        for row in rows:
            talk.show(f"{row['timestamp']}  {row['type']:24} {row['id']}")
        return
    body = {"from": start, "types": [one for one in types.split(",") if one], **({"to": moment(until)} if until else {})}
    told = link.must("POST", f"/webhook_endpoints/{endpoint}/replay", body, key=fresh_key())
    talk.document(told)
    if not told["queued"]:
        raise Oops("这段时间没有事件", "there are no events in that time")
    talk.show(talk.pick(f"已排队 {told['queued']} 个事件", f"{told['queued']} events are queued"))
