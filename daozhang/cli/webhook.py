"""Webhook endpoints from the command line, and sending events again."""

import time
from typing import Any
from urllib.parse import urlencode

import click

from daozhang.cli.events import moment
from daozhang.cli.link import Link, fresh_key
from daozhang.cli.say import Oops, Talk, verb

_PATIENCE_S = 20


@click.group()
def webhook() -> None:
    """回调地址 / webhook endpoints"""


def _show(talk: Talk, row: dict[str, Any]) -> None:
    types = ",".join(row["types"]) or "*"
    failing = talk.pick(f"  失败 {row['failures']} 次", f"  {row['failures']} failures") if row["failures"] else ""
    talk.show(f"{row['id']}  {row['state']:9} {row['url']}  {types}{failing}")
    if row["warning"]:
        talk.show(f"  ! {talk.word(row['warning'])}")


@webhook.command("add")
@click.argument("url")
@click.option("--types", default="", help="如 payment.*,refund.succeeded;不写为全部 / all when left out")
@click.option("--description", default="")
@click.option("--asymmetric", is_flag=True, help="另用 Ed25519 签名 / signed with Ed25519 too")
@verb
def add(talk: Talk, url: str, types: str, description: str, asymmetric: bool) -> None:
    """新增;密钥只显示这一次 / new; its secret is shown only now"""
    chosen = [one for one in types.split(",") if one]
    body = {"url": url, "types": chosen, "description": description, "asymmetric": asymmetric}
    told = Link(talk.data).must("POST", "/webhook_endpoints", body, key=fresh_key())
    talk.document(told)
    _show(talk, told)
    talk.show(told["secret"])
    if told["public_key"]:
        talk.show(told["public_key"])


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
        outcome = " ".join(str(part) for part in (row["status"], talk.word(row["error"])) if part)
        later = talk.pick(f"  下次 {row['next_attempt']}", f"  next {row['next_attempt']}") if row["next_attempt"] else ""
        talk.show(f"{row['at']}  {row['type'] or '':22} {row['event']:>12} #{row['attempt']}  {outcome}  {row['took_ms']} ms{later}")
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
    """发一个 test.ping,看对方怎么答 / send a test.ping and see what comes back"""
    link = Link(talk.data)
    told = link.must("POST", f"/webhook_endpoints/{endpoint}/test", {}, key=fresh_key())
    came = _outcome(link, endpoint, told["event"])
    talk.document({**told, "attempt": came})
    talk.show(told["event"])
    if came is None:
        raise Oops(
            f"{_PATIENCE_S}秒内还没有结果:看 daozhang webhook attempts {endpoint}",
            f"nothing came of it within {_PATIENCE_S} s: see daozhang webhook attempts {endpoint}",
        )
    if not came["taken"]:
        raise Oops(came["error"]["zh"], came["error"]["en"])
    talk.say(f"对方已收到({came['status']},{came['took_ms']} 毫秒)", f"it was taken ({came['status']}, {came['took_ms']} ms)")


def _outcome(link: Link, endpoint: str, event: str) -> dict[str, Any] | None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        for row in link.must("GET", f"/webhook_endpoints/{endpoint}/attempts?limit=20")["data"]:
            if row["event"] == event:
                found: dict[str, Any] = row
                return found
        time.sleep(0.2)
    return None


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
        raise Oops("这段时间没有这个地址要的事件", "there are no events in that time that this endpoint asked for")
    talk.show(talk.pick(f"已排队 {told['queued']} 个事件", f"{told['queued']} events are queued"))
    if told["more_from"]:
        talk.say(f"还有更多:再用 --from {told['more_from']}", f"there are more: go on with --from {told['more_from']}")
