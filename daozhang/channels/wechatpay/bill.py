"""WeChat Pay's files of the day, read line by line in bounded memory (dossier 2.3): trade bill and fund-flow bill.

A value stands behind a backtick and may hold commas; columns are found by their names, because old files have fewer;
the last two lines hold totals, and a file whose lines do not add up to them cannot be believed. The hash and the totals
are known only at the end: take no line for true before the reader has ended without `BadBill`.
"""

import codecs
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from daozhang.core.bill import BadBill, BillKind, BillLine, Poison

MOST_LINE = 64 * 1024  # letters of one line; no line of these files is near it
_MOST_AT_ONCE = 1 << 18
_BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_YUAN = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,5}))?", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{0,64}", re.ASCII)
_KINDS = {"SUCCESS": BillKind.PAY, "REFUND": BillKind.REFUND, "REVOKED": BillKind.UNDO}
_FLOW_KINDS = {"交易": BillKind.PAY, "退款": BillKind.REFUND}


def read(chunks: Iterable[bytes], *, sha1: str = "", packed: bool | None = None) -> Iterator[BillLine | Poison]:
    """The lines of a file given in pieces. ``sha1``: of the unpacked file, as the channel told it; ``packed`` None: look.

    Raises BadBill for the file as a whole: cut off, not UTF-8, a wrong hash, header, count or total.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    rows = _rows(_text(_hashed(_unpacked(chunks, packed), digest)))
    number, head = next(rows, (0, ""))
    layout = _layout(head)
    if layout is None:
        raise BadBill(_no_header(head), number)
    yield from layout.lines(rows)
    if sha1 and digest.hexdigest() != sha1.strip().lower():
        raise BadBill("its hash is not the one that the channel told")


def _no_header(head: str) -> str:
    if "No Bill Exist" in head or "NO_STATEMENT_EXIST" in head:
        return "the channel has no bill for this day"
    return "the first line names no columns of a trade bill or a fund-flow bill"


# -- bytes to lines ---------------------------------------------------------------------------------------------------


def _unpacked(chunks: Iterable[bytes], packed: bool | None) -> Iterator[bytes]:
    """gzip or plain; a small packed file cannot become a large piece. Raises BadBill."""
    opener, first = None, b""
    for chunk in chunks:
        if packed is None:
            first += chunk
            if len(first) < 2:
                continue
            packed, chunk = first[:2] == b"\x1f\x8b", first
        if not packed:
            yield chunk
            continue
        opener = opener or zlib.decompressobj(31)
        yield from _opened(opener, chunk)
    if packed is None and first:
        yield first
    if packed and (opener is None or not opener.eof):
        raise BadBill("the packed file ends in the middle")


def _opened(opener: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    while chunk:
        if opener.eof:
            raise BadBill("something follows the packed file")
        try:
            yield opener.decompress(chunk, _MOST_AT_ONCE)
        except zlib.error:
            raise BadBill("the packed file is broken") from None
        chunk = opener.unconsumed_tail or opener.unused_data


def _hashed(chunks: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _text(chunks: Iterable[bytes]) -> Iterator[str]:
    """UTF-8, with or without a mark at its beginning. Raises BadBill."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", True)
    except UnicodeDecodeError:
        raise BadBill("not UTF-8") from None


def _rows(texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, empty ones left away. Only CR LF and LF end a line. Raises BadBill."""
    number, rest = 0, ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        if len(rest) > MOST_LINE:
            raise BadBill("a line has no end", number + 1)
        for line in whole:
            number += 1
            if line.strip("\r \t"):
                yield number, line.rstrip("\r")
    if rest.strip("\r \t"):
        yield number + 1, rest.rstrip("\r")


def _values(line: str) -> list[str] | None:
    """The values of a line: a comma ends one only where a backtick follows. None when it is no such line."""
    return line[1:].split(",`") if line.startswith("`") else None


# -- lines to what they say --------------------------------------------------------------------------------------------


class _Sum:
    """What the lines add up to (money in hundred-thousandths of a yuan), and how many of them could not be read."""

    def __init__(self) -> None:
        self.count, self.poison = 0, 0
        self.sums: dict[str, int] = {}

    def add(self, name: str, value: int) -> None:
        self.sums[name] = self.sums.get(name, 0) + value


class _Bad(ValueError):
    """One line cannot be read; the text says why, without its values."""


class Columns(NamedTuple):
    """A kind of file: its columns by name, and the names of the totals line."""

    at: dict[str, int]
    totals: str
    flow: bool

    def lines(self, rows: Iterator[tuple[int, str]]) -> Iterator[BillLine | Poison]:
        """Each line, then the totals. Raises BadBill."""
        total, names, at = _Sum(), "", 0
        for at, line in rows:
            if line.startswith(self.totals):
                names = line
                break
            values = _values(line)
            total.count += 1
            try:
                if values is None:
                    raise _Bad("it does not begin with a backtick")
                if len(values) != len(self.at):
                    raise _Bad(f"{len(values)} values under {len(self.at)} columns")
                fields = {name: values[place].strip() for name, place in self.at.items()}
                yield self._flow(at, fields, total) if self.flow else self._trade(at, fields, total)
            except _Bad as why:
                total.poison += 1
                yield Poison(at, str(why))
        self._check(names, at, rows, total)

    def _trade(self, at: int, fields: dict[str, str], total: _Sum) -> BillLine:
        state = fields["交易状态"]
        kind = _KINDS.get(state)
        if kind is None:
            raise _Bad("a state that nobody has documented")
        paid, back = _fen(fields, "订单金额", "应结订单金额", "总金额"), _fen(fields, "申请退款金额", "退款金额")
        fee = _parts(fields.get("手续费") or "0", "手续费")
        made = BillLine(
            at, kind, _number(fields, "商户订单号"), _number(fields, "微信订单号"),
            _number(fields, "商户退款单号") if kind is BillKind.REFUND else "",
            paid if kind is BillKind.PAY else back, _rounded(fee),
            _moment(fields.get("退款申请时间") or fields["交易时间"]),
            fields.get("付款银行", "")[:32], fields.get("退款状态") or state,
        )  # fmt: skip
        if made.amount_fen <= 0:
            raise _Bad("an amount that is not above zero")
        for name, column in (("应结订单总金额", "应结订单金额"), ("退款总金额", "退款金额"), ("订单总金额", "订单金额"),
                             ("申请退款总金额", "申请退款金额")):  # fmt: skip
            if column in fields:
                total.add(name, _fen(fields, column) * 1000)
        total.add("手续费总金额", fee)
        return made

    def _flow(self, at: int, fields: dict[str, str], total: _Sum) -> BillLine:
        amount, way = _fen(fields, "收支金额(元)"), fields["收支类型"]
        if way not in ("收入", "支出"):
            raise _Bad("neither income nor expense")
        kind = _FLOW_KINDS.get(fields["业务类型"], BillKind.OTHER)
        proof, business = _number(fields, "业务凭证号"), _number(fields, "微信支付业务单号")
        total.add(f"{way}金额", amount * 1000)
        total.add(f"{way}笔数", 1)
        refund = kind is BillKind.REFUND
        return BillLine(at, kind, "" if refund else proof, business, proof if refund else "", amount, 0,
                        _moment(fields["记账时间"]), "", way)  # fmt: skip

    def _check(self, names: str, at: int, rows: Iterator[tuple[int, str]], total: _Sum) -> None:
        """The count always; the totals only where every line could be read."""
        if not names:
            raise BadBill("the totals are missing: the file is cut off", at)
        number, line = next(rows, (at, ""))
        values, columns = _values(line), names.split(",")
        if values is None or len(values) != len(columns):
            raise BadBill("the totals cannot be read", number)
        told = dict(zip((name.strip() for name in columns), values, strict=True))
        if told.get(self.totals, "").strip() != str(total.count):
            raise BadBill(f"the totals count {told.get(self.totals, '')[:12]} lines, the file has {total.count}", number)
        for name, value in told.items():
            if name not in total.sums or total.poison:
                continue
            try:
                sum_told = int(value) if name.endswith("笔数") else _parts(value.strip(), name)
            except ValueError:
                raise BadBill(f"the total {name} cannot be read", number) from None
            if sum_told != total.sums[name]:
                raise BadBill(f"the lines do not add up to {name}", number)
        if next(rows, None) is not None:
            raise BadBill("something follows the totals", number + 1)


_TRADE_NEEDS = {"交易时间", "微信订单号", "商户订单号", "交易状态"}
_FLOW_NEEDS = {"记账时间", "微信支付业务单号", "业务类型", "收支类型", "收支金额(元)", "业务凭证号"}


def _layout(head: str) -> Columns | None:
    """By the names in the first line. A name that stands twice cannot be trusted."""
    names = [name.strip().strip("`").replace("（", "(").replace("）", ")") for name in head.split(",")]
    if len(set(names)) != len(names):
        return None
    at = {name: place for place, name in enumerate(names)}
    if at.keys() >= _TRADE_NEEDS and {"订单金额", "应结订单金额", "总金额"} & at.keys():
        return Columns(at, "总交易单数", False)
    return Columns(at, "资金流水总笔数", True) if at.keys() >= _FLOW_NEEDS else None


def _number(fields: dict[str, str], name: str) -> str:
    found = fields.get(name, "")
    if not _NUMBER.fullmatch(found):
        raise _Bad(f"{name} is no number of an order")
    return "" if found == "0" else found


def _fen(fields: dict[str, str], *names: str) -> int:
    """The first of the columns that the file has, in whole fen. Never negative in these files."""
    name = next((name for name in names if name in fields), "")
    parts = _parts(fields[name], name) if name else 0
    if parts < 0 or parts % 1000:
        raise _Bad(f"{name} is below zero or no whole fen")
    return parts // 1000


def _parts(text: str, name: str) -> int:
    """Yuan with at most five decimals as hundred-thousandths, exactly."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise _Bad(f"{name} is no amount in yuan")
    parts = int(found[2]) * 100_000 + int((found[3] or "0").ljust(5, "0"))
    return -parts if found[1] else parts


def _rounded(parts: int) -> int:
    """To whole fen, half away from zero: the channel charges fees in fractions of a fen, our books know none."""
    fen = (abs(parts) + 500) // 1000
    return -fen if parts < 0 else fen


def _moment(text: str) -> int:
    """Milliseconds of a time of Beijing."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError("another form")
        moment = datetime.fromisoformat(text).replace(tzinfo=_BEIJING)
    except ValueError:
        raise _Bad("a time that is none") from None
    return int(moment.timestamp()) * 1000
