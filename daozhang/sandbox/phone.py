"""One payer's phone for each wallet: the code it shows, the payments it made, and those that ask for its password."""

import io
from typing import Any

import segno

from daozhang.channels.twin import Refused, Twin
from daozhang.sandbox.journal import Journal

# The payer of this phone types the password by hand; every other behaviour is the twin's own.
BY_HAND = "by_hand"
_WAITS = "hesitates"


class Phones:
    """``journal`` keeps who pays with which phone, and what was scanned with it, over any death."""

    def __init__(self, twins: dict[str, Twin], journal: Journal) -> None:
        self._twins, self._journal = twins, journal
        self._payers: dict[str, set[str]] = {name: set() for name in twins}
        self._scanned: dict[str, set[str]] = {name: set() for name in twins}
        for record in journal.records():
            self._keep(record)

    def show(self, wallet: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        """A fresh payment code, also as a picture. Raises Refused."""
        made = self._twins[wallet].code(_WAITS if behaviour == BY_HAND else behaviour, now_ms)
        self._note({"wallet": wallet, "payer": made["payer"]})
        return {**made, "behaviour": behaviour, "picture": picture(made["code"])}

    def scan(self, wallet: str, qr: str, behaviour: str, now_ms: int) -> dict[str, Any]:
        """The camera has read a QR. Raises Refused."""
        told = self._twins[wallet].scan(qr, _WAITS if behaviour == BY_HAND else behaviour, now_ms)
        self._note({"wallet": wallet, "order": told["out_trade_no"]})
        return {**told, "behaviour": behaviour}

    def press(self, wallet: str, order: str, act: str, now_ms: int) -> None:
        """``pay``: the password is right; ``cancel``. Only this phone's payments. Raises Refused."""
        if order not in {row["out_trade_no"] for row in self.bills(wallet)}:
            raise Refused("not_this_phone", "这笔付款不是这部手机的", "this payment is not of this phone")
        self._twins[wallet].act(order, act, now_ms)

    def bills(self, wallet: str) -> list[dict[str, Any]]:
        """This phone's payments, the newest first."""
        payers, scanned = self._payers[wallet], self._scanned[wallet]
        rows = [row for row in self._twins[wallet].books()["orders"]
                if row.get("payer") in payers or row["out_trade_no"] in scanned]  # fmt: skip
        return rows[::-1]

    def _note(self, record: dict[str, str]) -> None:
        self._keep(record)
        self._journal.append(record)

    def _keep(self, record: dict[str, str]) -> None:
        if record["wallet"] in self._twins:  # a channel's folder may have been taken away since
            held, name = (self._payers, "payer") if "payer" in record else (self._scanned, "order")
            held[record["wallet"]].add(record[name])


def picture(text: str) -> str:
    """A QR as SVG, without styles of its own."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=4,
                                                  dark="#000", light="#fff")  # fmt: skip
    return out.getvalue().decode()
