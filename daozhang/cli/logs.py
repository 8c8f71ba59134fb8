"""The request log, as it is written."""

import time
from typing import Any
from urllib.parse import urlencode

import click

from daozhang.cli.link import Link
from daozhang.cli.sandbox import seconds
from daozhang.cli.say import Oops, Talk, verb

_LOOK_S = 0.7


@click.group()
def logs() -> None:
    """请求日志 / the request log"""


@logs.command()
@click.option("--filter", "filters", multiple=True, help="status=5xx, path=/v1/payments, since=…")
@click.option("--for", "span", default="", help="看多久,如 30s;不写为一直看 / how long; for ever when left out")
@click.option("--limit", type=click.IntRange(1, 100), default=20, help="先显示最近几条 / how many old ones first")
@verb
def tail(talk: Talk, filters: tuple[str, ...], span: str, limit: int) -> None:
    """一直看新的请求 / new requests as they come"""
    link, given = Link(talk.data), _given(filters)
    until = time.time() + (seconds(span) if span else 10 * 365 * 86_400)
    last = _newest(link)  # before the rows, so that nothing falls between the two questions
    rows = link.must("GET", "/request_log?" + urlencode({**given, "limit": limit}))["data"][::-1]
    while True:
        for row in rows:
            last = max(last, row["no"])
            _show(talk, row)
        if time.time() >= until:
            return
        try:
            time.sleep(min(_LOOK_S, max(until - time.time(), 0)))
            rows = link.must("GET", "/request_log?" + urlencode({**given, "after": last, "limit": 100}))["data"]
            rows = [row for row in rows if row["path"] != "/v1/request_log"]
        except KeyboardInterrupt:
            return


def _newest(link: Link) -> int:
    rows = link.must("GET", "/request_log?limit=1")["data"]
    return int(rows[0]["no"]) if rows else 0


def _given(filters: tuple[str, ...]) -> dict[str, str]:
    given = dict(text.partition("=")[::2] for text in filters)
    if wrong := set(given) - {"status", "path", "since"}:
        raise Oops(f"不能按 {min(wrong)} 过滤:用 status=5xx、path=/v1/… 或 since=2026-12-01T08:00:00Z",
                   f"no filter {min(wrong)}: use status=5xx, path=/v1/… or since=2026-12-01T08:00:00Z", code=2)
    return given


def _show(talk: Talk, row: dict[str, Any]) -> None:
    if talk.json:
        import json

        click.echo(json.dumps(row, ensure_ascii=False))
        return
    problem = f"  {row['problem']}" if row["problem"] else ""
    talk.show(f"{row['at'][11:23]}  {row['status']}  {row['took_ms']:>5} ms  {row['method']:6} {row['path']}  {row['request_id']}{problem}")
