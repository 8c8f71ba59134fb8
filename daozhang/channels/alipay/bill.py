"""Alipay's files of a day or a month, read line by line in bounded memory (dossier 1.3): business detail and fund flow,
packed or bare, each with its summary.

GBK, values padded with tabs, no quotes: a comma inside a name makes a line longer than its header, and such a line is
read only when every place the comma can stand says the same payment. Columns are found by name. The totals are known
only at the end: take no line for true before the reader has ended without `BadBill`.
"""

import codecs
import hashlib
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import BinaryIO, NamedTuple

from daozhang.core.bill import BadBill, BillKind, BillLine, Poison

MOST_LINE = 64 * 1024  # letters of one line; no line of these files is near it
MOST_PACKED, MOST_OPENED = 1 << 29, 1 << 32  # bytes of a file packed, and of one inside
_PIECE = 1 << 16
_MOST_CONTENTS = 1 << 14  # bytes of a packed file's list of contents
_TAIL = (1 << 16) + 42  # where that list is told of, with the longest comment behind it
_IN_MEMORY = 1 << 22  # of a packed file; the rest waits on the disk
# What the standard library raises for a file that lies about itself: a method that it does not know is a RuntimeError.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OSError)
_BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_YUAN = re.compile(r"([-+]?)(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_\-]{1,64}", re.ASCII)
_TOTAL = re.compile(r"#(交易|退款)合计[:：](\d{1,9})笔[,，]商家实收(?:退款)?共(-?\d{1,12}(?:\.\d{1,2})?)元")
_FLOW_TOTAL = re.compile(r"#(收入|支出)合计[:：](\d{1,9})笔[,，]共(-?\d{1,12}(?:\.\d{1,2})?)元")
_KINDS = {"交易": BillKind.PAY, "退款": BillKind.REFUND}
_FLOW_KINDS = {"在线支付": BillKind.PAY, "交易付款": BillKind.PAY, "交易退款": BillKind.REFUND}
_MAY_HOLD_COMMAS = ("商品名称", "门店名称", "对方账户", "对方账号", "券名称", "备注")
_NEEDS = {"支付宝交易号", "商户订单号", "业务类型", "完成时间", "订单金额(元)", "商家实收(元)"}
_FLOW_NEEDS = {"账务流水号", "业务流水号", "商户订单号", "发生时间", "收入金额(+元)", "支出金额(-元)", "业务类型"}


def read(chunks: Iterable[bytes], *, sha1: str = "", packed: bool | None = None) -> Iterator[BillLine | Poison]:
    """The lines of a file given in pieces: what the link leads to, or one detail file out of it (``packed`` None: look).

    Raises BadBill for the file as a whole. ``sha1``: of the file as given (this channel itself tells none).
    """
    digest = hashlib.sha1(usedforsecurity=False)
    given = _hashed(chunks, digest)
    first = next(given, b"")
    while 0 < len(first) < 2:
        more = next(given, b"")
        if not more:
            break
        first += more
    if packed if packed is not None else first[:2] == b"PK":
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            _spool(first, given, file)
            yield from read_zip(file)
    else:
        yield from _read_detail(_after(first, given)).lines()
    if sha1 and digest.hexdigest() != sha1.strip().lower():
        raise BadBill("its hash is not the one that was told")


def _hashed(chunks: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        if chunk:
            yield chunk


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _spool(first: bytes, rest: Iterator[bytes], file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    size = 0
    for chunk in _after(first, rest):
        size += len(chunk)
        if size > MOST_PACKED:
            raise BadBill("the packed file is larger than any bill")
        file.write(chunk)
    file.seek(0)


def read_zip(file: "BinaryIO | tempfile.SpooledTemporaryFile[bytes]") -> Iterator[BillLine | Poison]:
    """The lines of the one detail file in a packed bill; the summary beside it must say the same. Raises BadBill."""
    _must_hold_few(file)
    try:
        with zipfile.ZipFile(file) as packed:
            named = [(info, _name(info)) for info in packed.infolist()]
            details = [info for info, name in named if "明细" in name and "汇总" not in name]
            if len(details) != 1:
                raise BadBill(f"{len(details)} detail files in the packed file, not one")
            detail = _read_detail(_opened(packed, details[0]))
            yield from detail.lines()
            for info in (info for info, name in named if "汇总" in name):
                detail.must_agree(read_summary(_opened(packed, info)))
    except _BROKEN:
        raise BadBill("the packed file is broken or locked") from None


def _must_hold_few(file: "BinaryIO | tempfile.SpooledTemporaryFile[bytes]") -> None:
    """A list of contents is read as a whole, before anything inside: only a short one may be. Raises BadBill."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    for found in re.finditer(b"PK\x05\x06", tail):
        told = tail[found.start() + 12 : found.start() + 16]
        if int.from_bytes(told.ljust(4, b"\xff"), "little") > _MOST_CONTENTS:
            raise BadBill("the packed file holds more than a bill and its summary")
    if b"PK\x06\x07" in tail:
        raise BadBill("packed in a way that this channel does not use")
    file.seek(0)


def _opened(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadBill("packed in a way that this channel does not use")
    if info.file_size > MOST_OPENED:
        raise BadBill("a file inside is larger than any bill")
    with packed.open(info) as inside:
        yield from iter(lambda: inside.read(_PIECE), b"")


def _name(info: zipfile.ZipInfo) -> str:
    """GBK names carry no flag, and the standard library has read them as cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return ""


class Told(NamedTuple):
    """What a totals line says of one kind: how many, and how much in fen (below zero where money went)."""

    lines: int
    fen: int


class Detail:
    """A detail file: its lines first, then its totals, then (in a packed bill) what its summary says."""

    def __init__(self, rows: Iterator[tuple[int, str]], names: list[str], flow: bool) -> None:
        self._rows, self._names, self._flow = rows, names, flow
        self._totals = _FLOW_TOTAL if flow else _TOTAL
        self._count = dict.fromkeys(("收入", "支出") if flow else ("交易", "退款"), 0)
        self._sum = dict.fromkeys(self._count, 0)
        self._poisoned = 0

    def lines(self) -> Iterator[BillLine | Poison]:
        number = 0
        for number, row in self._rows:
            if row.startswith("#"):
                break
            try:
                line, word, fen = _line(number, row.split(","), self._names, self._flow)
            except ValueError as why:
                self._poisoned += 1
                yield Poison(number, str(why))
                continue
            self._count[word] += 1
            self._sum[word] += fen
            yield line
        self._check(number)

    def _check(self, number: int) -> None:
        """The count of all lines always; each total only where every line could be read."""
        told: dict[str, int] = {}
        for number, row in self._rows:
            found = self._totals.match(row.replace(" ", ""))
            if not row.startswith("#"):
                raise BadBill("something follows the list", number)
            if found is None:
                continue
            word = found[1]
            told[word] = int(found[2])
            if not self._poisoned and (told[word], _signed(word, _fen(found[3]))) != (
                self._count[word],
                self._sum[word],
            ):
                raise BadBill(f"the lines do not add up to the total of {word}", number)
        if told.keys() != self._count.keys():
            raise BadBill("the totals are missing: the file is cut off", number)
        if sum(told.values()) != sum(self._count.values()) + self._poisoned:
            raise BadBill("the totals count other lines than the file has", number)

    def must_agree(self, summary: dict[str, Told]) -> None:
        """The summary, as far as every line could be read. Raises BadBill."""
        mine = {word: Told(self._count[word], self._sum[word]) for word in self._count}
        if not self._flow:  # the summary of the business says the sum of both
            mine = {word: Told(told.lines, sum(self._sum.values())) for word, told in mine.items()}
        if not self._poisoned and summary != mine:
            raise BadBill("the summary beside it says something else")


def _read_detail(chunks: Iterable[bytes]) -> Detail:
    """Raises BadBill."""
    rows, number, names = _head(chunks)
    if set(names) >= _NEEDS:
        return Detail(rows, names, False)
    if set(names) >= _FLOW_NEEDS:
        return Detail(rows, names, True)
    raise BadBill("no line names the columns of a trade bill or a fund flow", number)


def _head(chunks: Iterable[bytes]) -> tuple[Iterator[tuple[int, str]], int, list[str]]:
    """The rows after the line that names the columns, its number and the names. A name that stands twice names nothing."""
    rows = _rows(_text(chunks))
    number, head = next(((at, row) for at, row in rows if not row.startswith("#")), (0, ""))
    names = [name.strip().replace("（", "(").replace("）", ")") for name in head.split(",")]
    return rows, number, names if len(set(names)) == len(names) else []


def read_summary(chunks: Iterable[bytes]) -> dict[str, Told]:
    """The line of the whole (合计) in a summary file, by the words of the detail's totals. Raises BadBill."""
    rows, number, names = _head(chunks)
    for number, row in rows:
        values = [value.strip() for value in row.split(",")]
        if values[0] == "合计":
            try:
                return _summed(dict(zip(names, values, strict=True)))
            except (ValueError, KeyError):
                raise BadBill("the summary's whole cannot be read", number) from None
    raise BadBill("the summary has no line for the whole", number)


def _summed(fields: dict[str, str]) -> dict[str, Told]:
    if "收入笔数" in fields:
        return {
            word: Told(_count(fields[f"{word}笔数"]), _signed(word, _fen(fields[f"{word}金额({sign}元)"])))
            for word, sign in (("收入", "+"), ("支出", "-"))
        }
    got = _fen(fields["商家实收(元)"])
    return {word: Told(_count(fields[f"{word}订单总笔数"]), got) for word in _KINDS}


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("not a count")
    return int(text)


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


def _line(number: int, values: list[str], names: list[str], flow: bool) -> tuple[BillLine, str, int]:
    """A line, its kind in the channel's word, what the merchant received. Raises ValueError, without values."""
    extra = len(values) - len(names)
    if extra < 0:
        raise ValueError(f"{len(values)} values under {len(names)} columns")
    readings, why = [], "no column can hold its commas"
    for name in [name for name in _MAY_HOLD_COMMAS if name in names] if extra else [""]:
        at = names.index(name) if name else 0
        merged = [*values[:at], ",".join(values[at : at + extra + 1]), *values[at + extra + 1 :]]
        try:
            readings.append(
                (_moved if flow else _said)(number, {n: v.strip() for n, v in zip(names, merged, strict=True)})
            )
        except ValueError as found:
            why = why if extra else str(found)
    if not readings or any(reading != readings[0] for reading in readings):
        raise ValueError("its commas can be read in two ways" if readings else why)
    return readings[0]


def _in_place(fields: dict[str, str]) -> None:
    """Every time is one and every amount is one: a comma read in the wrong place shows here. Raises ValueError."""
    for name, value in fields.items():
        if name.endswith("元)"):
            if value not in ("", "0.00"):  # what most columns of most lines say
                _fen(value)
        elif name.endswith("时间"):
            _moment(value)


def _said(number: int, fields: dict[str, str]) -> tuple[BillLine, str, int]:
    _in_place(fields)
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


def _moved(number: int, fields: dict[str, str]) -> tuple[BillLine, str, int]:
    """A line of the account: money came in or went out; fees are lines of their own."""
    _in_place(fields)
    came, went = _fen(fields["收入金额(+元)"] or "0"), _signed("支出", _fen(fields["支出金额(-元)"] or "0"))
    if came < 0 or (came == 0) == (went == 0):
        raise ValueError("neither income nor expense, or both")
    numbers = [fields["业务流水号"], fields["商户订单号"]]
    if not all(not found or _NUMBER.fullmatch(found) for found in numbers):
        raise ValueError("a number that is no number of an order")
    word = "收入" if came else "支出"
    kind = _FLOW_KINDS.get(fields["业务类型"], BillKind.OTHER)
    if kind is not BillKind.OTHER and (kind is BillKind.PAY) != bool(came):
        raise ValueError("an amount on the wrong side of zero")
    line = BillLine(
        number, kind, numbers[1], numbers[0], "", came or abs(went), 0, _moment(fields["发生时间"]), state=word
    )
    return line, word, came or went


def _signed(word: str, fen: int) -> int:
    """What went is below zero; older files leave the sign away."""
    return -abs(fen) if word == "支出" else fen


def _fen(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise ValueError("an amount that is none in yuan")
    fen = int(found[2]) * 100 + int((found[3] or "0").ljust(2, "0"))
    return -fen if found[1] == "-" else fen


def _moment(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise ValueError("a time that is none")
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=_BEIJING).timestamp()) * 1000
    except ValueError:
        raise ValueError("a time that is none") from None
