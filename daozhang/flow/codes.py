"""The channels' tables of codes as people and programs browse them: what each code proves, operation by operation."""

from typing import Any

from daozhang.channels.shelf import Shelf
from daozhang.core.evidence import Proves

# What an answer proves, for people. A code that stands in no table proves nothing.
OUTCOMES: dict[Proves, tuple[str, str]] = {
    Proves.NOTHING: ("结果未知,继续查询", "proves nothing: we keep asking"),
    Proves.NOT_SENT: ("请求没有发出", "the request never left us"),
    Proves.CAPTURED: ("已扣款", "the payer was charged"),
    Proves.REFUSED: ("被拒绝,没有扣款", "refused, nothing was charged"),
    Proves.WAITING: ("等付款人操作", "waits for the payer"),
    Proves.SHOWN: ("已出码,还没人付", "the QR is shown, nobody has paid"),
    Proves.ABSENT: ("渠道说没有这笔(起初不能当真)", "the channel knows no such order (at first no proof)"),
    Proves.CLOSED: ("已关闭,从未扣款", "closed, never charged"),
    Proves.RETURNED: ("扣过款,已全额退回", "charged, and given back in full"),
    Proves.REVOKED: ("已撤销,渠道不说是否扣过款", "undone; whether it had been charged is not said"),
    Proves.UNDONE_UNPAID: ("已撤销,没有扣款", "undone, there was no charge"),
    Proves.UNDONE_PAID: ("已撤销,扣款会退回", "undone, the charge is given back"),
    Proves.UNDONE_ABSENT: ("已撤销,渠道不认识这笔", "undone, the order was not known"),
    Proves.UNDONE: ("已撤销,渠道不说是否扣过款", "undone; whether there was a charge is not said"),
    Proves.UNDO_AGAIN: ("撤销没完成,要再次撤销", "the undo is not finished: ask again"),
    Proves.UNDO_REFUSED: ("不能撤销,支付结果仍未定", "the undo is refused; the payment stays open"),
    Proves.REFUND_DONE: ("退款成功", "the refund is done"),
    Proves.REFUND_PENDING: ("退款处理中", "the refund is under way"),
    Proves.REFUND_REFUSED: ("退款被拒绝", "the refund is refused"),
    Proves.REFUND_NO_FUNDS: ("余额不足,暂时退不了", "no funds to refund from at present"),
}


def browse(shelf: Shelf, *, channel: str = "", operation: str = "", outcome: str = "", like: str = "") -> list[dict[str, Any]]:
    """Rows of all channels' tables that fit: codes that are exactly ``like`` first. Empty filters let everything through."""
    known = shelf.get(channel)
    wanted, small = known.name if known is not None else channel, like.lower()
    rows = [
        {"channel": one.name, **row, "outcome": outcome_of(Proves(row["proves"]))}
        for one in shelf if wanted in ("", one.name)
        for row in one.codes()
        if operation in ("", row["op"]) and outcome in ("", row["proves"])
        and (small in row["code"].lower() or small in row["zh"].lower() or small in row["en"].lower())
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["code"].lower() != small)


def operations(shelf: Shelf) -> list[str]:
    """Every operation of every table: the same code may mean something else in each."""
    return sorted({row["op"] for channel in shelf for row in channel.codes()})


def outcome_of(proves: Proves) -> dict[str, str]:
    zh, en = OUTCOMES[proves]
    return {"zh": zh, "en": en}
