"""``daozhang bill``: a channel's bill of a day, fetched and laid beside our payments, and any bill's file read."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb, yuan

DIFFERENT = 5  # exit code: something is missing, extra, of another amount, or cannot be read
_KINDS = {"pay": "付款", "refund": "退款", "undo": "撤销", "other": "其他"}
_PIECE = 1 << 16
_CHARGES = {"same": ("一致", "the same"), "missing": ("我们有、账单没有", "charged here, not in the bill"),
            "extra": ("账单有、我们没有", "in the bill, not charged here"), "amount": ("金额不同", "another amount")}  # fmt: skip
_REFUNDS = {"same": ("退款一致", "refunds, the same"), "missing": ("我们退了、账单没有", "given back here, not in the bill"),
            "extra": ("账单退了、我们未证实", "given back in the bill, not proven here"),
            "amount": ("退款金额不同", "a refund of another amount")}  # fmt: skip


@click.group()
def bill() -> None:
    """渠道账单 / the channels' bills"""


@bill.command()
@click.option("--channel", "--wallet", "channel", required=True, help="alipay wechat unionpay")
@click.option("--date", "day", required=True, help="中国日期 yyyy-MM-dd / a day of China")
@click.option("--kind", default="", help="渠道自己的账单类型,不写为交易账单 / the channel's own word; left out: the trades")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=None, help="把原文件存到这里 / keep the file here")
@verb
def fetch(talk: Talk, channel: str, day: str, kind: str, output: Path | None) -> None:
    """取一天的账单并与我们的支付对照(有差异时退出码5)/ fetch a day's bill and compare (exit code 5: they differ)"""
    asked = {"channel": channel, "date": day, "kind": kind, "file": "true" if output else "false"}
    told: dict[str, Any] = Link(talk.data).must("GET", f"/bills?{urlencode(asked)}", timeout=180)
    if output:
        content = base64.b64decode(told.pop("file") or "")
        output.mkdir(parents=True, exist_ok=True)
        told["path"] = str(output / _name(told, content))
        Path(told["path"]).write_bytes(content)
    talk.document(told)
    talk.show(f"{told['channel']} {told['date']}")
    _show(talk, told)
    if output:
        talk.show(f"{talk.pick('文件', 'file')}: {told['path']}")
    compared = told["comparison"]
    differs = _differences(talk, compared, _CHARGES)
    differs |= _differences(talk, compared and compared["refunds"], _REFUNDS)
    if differs or told["unreadable"]:
        raise SystemExit(DIFFERENT)


@bill.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--channel", "--wallet", "channel", default="", help="不写则逐个渠道去读 / left out: whichever can read it")
@verb
def show(talk: Talk, file: Path, channel: str) -> None:
    """读一个账单文件 / read a bill's file"""
    from daozhang.channels.shelf import Shelf

    shelf = Shelf.look()
    one = shelf.get(channel)
    if channel and one is None:
        raise Oops(f"没有渠道 {channel}", f"there is no channel {channel}", code=2)
    why = []
    for reader in [one] if one else list(shelf):
        try:
            read = _read(reader, file)
        except OSError as wrong:
            raise Oops(f"读不到 {file}:{wrong.strerror}", f"{file} cannot be read: {wrong.strerror}") from None
        if isinstance(read, str):
            why.append(f"{reader.name}: {read}")
            continue
        told = {"channel": reader.name, "file": str(file), **read}
        talk.document(told)
        talk.show(f"{told['channel']}  {file}")
        _show(talk, told)
        return
    said = "; ".join(why)
    raise Oops(f"没有渠道认得这个文件,或文件不可信。{said}", f"no channel can believe this file. {said}")


def _read(channel: Any, file: Path) -> dict[str, Any] | str:
    """What the file says in all, or why this channel's reader does not believe it. Raises OSError."""
    from daozhang.core.bill import BadBill
    from daozhang.flow.bills import add_up

    with file.open("rb") as opened:
        try:
            read = add_up(channel.bill.read(iter(lambda: opened.read(_PIECE), b"")))
        except BadBill as wrong:
            return str(wrong)
        except ModuleNotFoundError:
            return "no reader"
    if not read.lines:
        return f"{read.poisoned} lines, none of which can be read" if read.poisoned else "no lines"
    return read.told()


def _name(told: dict[str, Any], content: bytes) -> str:
    ends = {b"PK": "zip", b"\x1f\x8b": "csv.gz"}.get(content[:2], "zlib" if content[:1] == b"\x78" else "csv")
    return "-".join(part for part in (told["channel"], told["kind"], told["date"]) if part) + f".{ends}"


def _show(talk: Talk, told: dict[str, Any]) -> None:
    for kind, total in told["kinds"].items():
        fee = f"  {talk.pick('手续费', 'fee')} {_signed(total['fee'])}" if total["fee"] else ""
        talk.show(f"  {talk.pick(_KINDS[kind], kind):8} {total['lines']:>7}  {yuan(total['amount'])}{fee}")
    if told["unreadable"]:
        lines = ", ".join(f"{row['line']} ({row['why']})" for row in told["unreadable_lines"][:5])
        talk.show(f"  {talk.pick('读不懂的行', 'lines that cannot be read')}: {told['unreadable']}  {lines}")


def _signed(fen: int) -> str:
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def _differences(talk: Talk, compared: dict[str, Any] | None, words: dict[str, tuple[str, str]]) -> bool:
    if compared is None:
        return False
    talk.show(f"  {talk.pick(*words['same'])}: {compared['same']}")
    kinds = [name for name in words if name != "same"]
    for name in kinds:
        found = compared[name]
        zh, en = words[name]
        talk.show(f"  {talk.pick(zh, en)}: {found['count']}")
        for row in found["data"]:
            other = f" → {yuan(row['amount_in_bill'])}" if row.get("amount_in_bill") is not None else ""
            near = talk.pick(" 靠近零点,可能在相邻一天", " near midnight: perhaps in the neighbouring day") if row.get("near_midnight") else ""
            numbers = row.get("trade_nos")
            twice = talk.pick(" 渠道扣了多次: ", " charged more than once: ") + ", ".join(numbers) if numbers else ""
            number = row.get("refund_no") or row["order_no"]
            talk.show(f"    {number}  {yuan(row['amount'])}{other}  {row.get('status') or ''}{near}{twice}")
    return any(compared[name]["count"] for name in kinds)
