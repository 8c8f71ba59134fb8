"""A channel's bill of a day: fetched, believed, read, and laid beside the merchant's payments."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator

from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.core.bill import BillLine, Poison
from daozhang.flow import bills
from daozhang.flow.house import House

_AT_ONCE = 200  # lines read before others have a turn


class Bills:
    def __init__(self, house: House) -> None:
        self._house = house

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/v1/bills", self.get, "渠道某一天的账单,与我们的支付对照", "a channel's bill of a day, beside our payments",
                 "payments:read", query=("channel", "date", "kind", "file")),
        ]  # fmt: skip

    async def get(self, asked: Asked) -> Response:
        """A list that the caller chose (refunds only, another account) and that holds no payments is not compared."""
        wanted, day, kind, file = asked.query("channel"), asked.query("date"), asked.query("kind"), asked.query("file", "false")
        if file not in ("true", "false"):
            raise Problem("bad_query", "file is true or false")
        channel = self._house.shelf.get(wanted)
        if channel is None:
            raise Problem("bad_query", f"channel is one of: {', '.join(one.name for one in self._house.shelf)}")
        merchant, live = asked.merchant, asked.caller.key.livemode
        bill = await bills.fetch(self._house, merchant, channel.name, live, day, kind)
        read = await _add_up(bills.lines_of(channel.bill, bill))
        compared = await bills.compare(self._house, merchant, live, bill, read) if not kind or "pay" in read.kinds else None
        return answer({
            "object": "bill", "channel": channel.name, "date": day, "kind": kind, "bytes": len(bill.content),
            "sha256": hashlib.sha256(bill.content).hexdigest(), **read.told(), "comparison": compared,
            **({"file": base64.b64encode(bill.content).decode()} if file == "true" else {}),
        })  # fmt: skip


async def _add_up(lines: Iterator[BillLine | Poison]) -> bills.Read:
    """Raises BadBill. A long file holds up nobody's payment."""
    read = bills.Read()
    for number, line in enumerate(lines):
        read.add(line)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return read
