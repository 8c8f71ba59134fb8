"""Finding one payment by what a person has at hand: an id, ``last``, the tail of a number, or AMOUNT@HH:MM."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from daozhang.cli.link import Link
from daozhang.cli.say import Oops
from daozhang.core.money import fen_of_yuan

_SHOP_ZONE = timezone(timedelta(hours=8))
_AT = re.compile(r"([0-9.]+)@([0-2][0-9]):([0-5][0-9])")


def one(link: Link, which: str) -> dict[str, Any]:
    """Raises Oops when there is none, or more than one."""
    if re.fullmatch(r"pay_[0-9A-Z]{26}", which):
        found: dict[str, Any] = link.must("GET", f"/payments/{which}")
        return found
    rows = _rows(link, which)
    if not rows:
        raise Oops(
            f"没有找到 {which}:试试单号的最后几位,或 12.50@14:30",
            f"nothing found for {which}: try the last characters of a number, or 12.50@14:30",
        )
    if len(rows) > 1:
        ids = ", ".join(row["id"] for row in rows[:5])
        raise Oops(f"找到 {len(rows)} 笔:{ids};请写完整编号", f"{len(rows)} found: {ids}; give the whole id")
    first: dict[str, Any] = rows[0]
    return first


def _rows(link: Link, which: str) -> list[dict[str, Any]]:
    if which == "last":
        rows: list[dict[str, Any]] = link.must("GET", "/payments?limit=1")["data"]
        return rows
    if found := _AT.fullmatch(which):
        today = _today(link)
        moment = today.replace(hour=int(found[2]), minute=int(found[3]), second=0, microsecond=0)
        try:
            fen = fen_of_yuan(found[1])
        except ValueError:
            raise Oops("金额写成 12.50 这样的元", "write the amount in yuan, such as 12.50") from None
        body = {"amount": fen, "time": moment.isoformat(), "within_s": 300}
        near: list[dict[str, Any]] = link.must("POST", "/payments/lookup", body)["data"]
        return near
    if len(which) < 4:
        raise Oops("尾号至少4位", "at least 4 characters of the number are needed")
    tail: list[dict[str, Any]] = link.must("POST", "/payments/lookup", {"no_tail": which})["data"]
    return tail


def _today(link: Link) -> datetime:
    """The shop's day by the platform's clock (the sandbox's may have been moved): the newest payment's."""
    newest = link.must("GET", "/payments?limit=1")["data"]
    if not newest:
        raise Oops("还没有支付", "there are no payments yet")
    return datetime.fromisoformat(newest[0]["created_at"]).astimezone(_SHOP_ZONE)
