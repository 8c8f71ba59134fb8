"""Alipay's trade bill of a day, read line by line in bounded memory (dossier 1.3).

GBK, values padded with tabs, no quotes: a comma inside a name makes a line longer than its header, and such a line is
read only when every place the comma can stand says the same payment. Columns are found by name. The totals are known
only at the end: take no line for true before the reader has ended without `BadBill`.
"""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import BinaryIO

from daozhang.core.bill import BadBill, BillKind, BillLine, Poison

MOST_LINE = 64 * 1024  # letters of one line; no line of these files is near it
_PIECE = 1 << 16
_BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_YUAN = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_\-]{1,64}", re.ASCII)
_TOTAL = re.compile(r"#(交易|退款)合计[:：](\d{1,9})笔[,，]商家实收(?:退款)?共(-?\d{1,12}(?:\.\d{1,2})?)元")
_KINDS = {"交易": BillKind.PAY, "退款": BillKind.REFUND}
_MAY_HOLD_COMMAS = ("商品名称", "门店名称", "对方账户", "券名称", "备注")
_NEEDS = {"支付宝交易号", "商户订单号", "业务类型", "完成时间", "订单金额(元)", "商家实收(元)"}


def read_zip(file: BinaryIO) -> Iterator[BillLine | Poison]:
    """The lines of the one detail file in a packed bill; the summary beside it is left alone. Raises BadBill."""
    try:
        with zipfile.ZipFile(file) as packed:
            details = [info for info in packed.infolist() if "明细" in _name(info) and "汇总" not in _name(info)]
            if len(details) != 1:
                raise BadBill(f"{len(details)} detail files in the packed file, not one")
            if details[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BadBill("packed in a way that this channel does not use")
            with packed.open(details[0]) as inside:
                yield from read(iter(lambda: inside.read(_PIECE), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):  # a method it does not know is a RuntimeError too
        raise BadBill("the packed file is broken or locked") from None


def _name(info: zipfile.ZipInfo) -> str:
    """GBK names carry no flag, and the standard library has read them as cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return ""


def read(chunks: Iterable[bytes]) -> Iterator[BillLine | Poison]:
    """The lines of a detail file given in pieces. Raises BadBill for the file as a whole."""
    rows = _rows(_text(chunks))
    number, head = next(((at, row) for at, row in rows if not row.startswith("#")), (0, ""))
    names = [name.strip().replace("（", "(").replace("）", ")") for name in head.split(",")]
    if len(set(names)) != len(names) or not set(names) >= _NEEDS:
        raise BadBill("no line names the columns of a trade bill", number)
    count = dict.fromkeys(_KINDS, 0)
    received = dict.fromkeys(_KINDS, 0)
    poisoned = 0
    for number, row in rows:
        if row.startswith("#"):
            break
        try:
            line, business, fen = _line(number, row.split(","), names)
        except ValueError as why:
            poisoned += 1
            yield Poison(number, str(why))
            continue
        count[business] += 1
        received[business] += fen
        yield line
    _check(rows, number, count, received, poisoned)


def _check(
    rows: Iterator[tuple[int, str]], number: int, count: dict[str, int], received: dict[str, int], poisoned: int
) -> None:
    """The count of all lines always; each total only where every line could be read."""
    told: dict[str, int] = {}
    for number, row in rows:
        found = _TOTAL.match(row.replace(" ", ""))
        if not row.startswith("#"):
            raise BadBill("something follows the list", number)
        if found is None:
            continue
        told[found[1]] = int(found[2])
        if not poisoned and (told[found[1]], _fen(found[3])) != (count[found[1]], received[found[1]]):
            raise BadBill(f"the lines do not add up to the total of {found[1]}", number)
    if told.keys() != _KINDS.keys():
        raise BadBill("the totals are missing: the file is cut off", number)
    if sum(told.values()) != sum(count.values()) + poisoned:
        raise BadBill("the totals count other lines than the file has", number)


def _text(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("gb18030")()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", True)
    except UnicodeDecodeError:
        raise BadBill("not GBK") from None


def _rows(texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, empty ones left away. Raises BadBill."""
    number, rest = 0, ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        if len(rest) > MOST_LINE:
            raise BadBill("a line has no end", number + 1)
        for line in whole:
            number += 1
            if line.strip():
                yield number, line.strip("\r")
    if rest.strip():
        yield number + 1, rest.strip("\r")


def _line(number: int, values: list[str], names: list[str]) -> tuple[BillLine, str, int]:
    """A line, its kind in the channel's word, what the merchant received. Raises ValueError, without values."""
    extra = len(values) - len(names)
    if extra < 0:
        raise ValueError(f"{len(values)} values under {len(names)} columns")
    readings, why = [], "no column can hold its commas"
    for name in [name for name in _MAY_HOLD_COMMAS if name in names] if extra else [""]:
        at = names.index(name) if name else 0
        merged = [*values[:at], ",".join(values[at : at + extra + 1]), *values[at + extra + 1 :]]
        try:
            readings.append(_said(number, {n: v.strip() for n, v in zip(names, merged, strict=True)}))
        except ValueError as found:
            why = why if extra else str(found)
    if not readings or any(reading != readings[0] for reading in readings):
        raise ValueError("its commas can be read in two ways" if readings else why)
    return readings[0]


def _said(number: int, fields: dict[str, str]) -> tuple[BillLine, str, int]:
    business = fields["业务类型"]
    kind = _KINDS.get(business)
    if kind is None:
        raise ValueError("a kind of business that nobody has documented")
    numbers = [fields["支付宝交易号"], fields["商户订单号"]]
    refund = fields.get("退款批次号/请求号", "") if kind is BillKind.REFUND else ""
    if not all(_NUMBER.fullmatch(found) for found in numbers) or (refund and not _NUMBER.fullmatch(refund)):
        raise ValueError("a number that is no number of an order")
    amount, got = _fen(fields["订单金额(元)"]), _fen(fields["商家实收(元)"])
    if (amount <= 0) if kind is BillKind.PAY else (amount >= 0):
        raise ValueError("an amount on the wrong side of zero")
    line = BillLine(number, kind, numbers[1], numbers[0], refund, abs(amount), -_fen(fields.get("服务费(元)") or "0"),
                    _moment(fields["完成时间"]), state=business)  # fmt: skip
    return line, business, got


def _fen(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise ValueError("an amount that is none in yuan")
    fen = int(found[2]) * 100 + int((found[3] or "0").ljust(2, "0"))
    return -fen if found[1] else fen


def _moment(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise ValueError("a time that is none")
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=_BEIJING).timestamp()) * 1000
    except ValueError:
        raise ValueError("a time that is none") from None
