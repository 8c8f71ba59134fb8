"""UnionPay's settlement file of a clearing day, type ZM, read line by line in bounded memory (dossier 3.3).

Columns of fixed width in GBK bytes with one space between them: there is no header and there are no totals, so a line is
only believed when every space stands where it must. What is missing at the end is found by the checksum of the packed
file, and by the signature of the reply that brought it.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from daozhang.channels.unionpay.texts import trace_ms
from daozhang.core.bill import BadBill, BillKind, BillLine, Poison

_WIDTHS = (
    ("tradeNo", 3), ("acqInsCode", 11), ("sendInsCode", 11), ("traceNo", 6), ("txnTime", 10), ("payCardNo", 19),
    ("txnAmt", 12), ("merCatCode", 4), ("termType", 2), ("queryId", 21), ("oldPayType", 2), ("orderId", 32),
    ("payCardType", 2), ("origTraceNo", 6), ("origTime", 10), ("merCharge", 13), ("settleAmt", 13), ("payType", 4),
    ("groupMerCode", 15), ("txnType", 2), ("txnSubType", 2), ("bizType", 6), ("accType", 2), ("billType", 4),
    ("billNo", 32), ("interactMode", 1), ("origQryId", 21), ("merId", 15), ("accountType", 1), ("subMerId", 15),
    ("subMerAbbr", 32), ("subMerAmt", 13), ("settleNetAmt", 13), ("termId", 8), ("merReserved", 32), ("discountAmt", 13),
    ("invoiceAmt", 13), ("insAdditionCharge", 12), ("installmentNum", 2), ("tradeMedia", 1), ("reserved", 131),
)  # fmt: skip
_NEEDED = 21  # the columns up to txnSubType; files of other years end earlier or later behind them


def _columns() -> dict[str, slice]:
    found, start = {}, 0
    for name, width in _WIDTHS:
        found[name] = slice(start, start + width)
        start += width + 1
    return found


_AT = _columns()
_SPACES = tuple(place.stop for place in _AT.values())
_SHORTEST = _AT[_WIDTHS[_NEEDED - 1][0]].stop
MOST_LINE = 8 * 1024  # bytes of one line; the columns need less than 700
_MOST_AT_ONCE = 1 << 18
_BEIJING = timezone(timedelta(hours=8))
_NUMBER = re.compile(r"[0-9A-Za-z]{1,40}", re.ASCII)
_SIGNED = re.compile(r"([CD])(\d{12})", re.ASCII)
_KINDS = {"01": BillKind.PAY, "04": BillKind.REFUND, "31": BillKind.UNDO, "99": BillKind.UNDO}


def read(
    chunks: Iterable[bytes], *, sha1: str = "", packed: bool | None = None, day: str = ""
) -> Iterator[BillLine | Poison]:
    """The lines of a file given in pieces. ``packed`` None: look; ``sha1``: of the unpacked file, where somebody knows it.

    ``day`` (``yyyy-MM-dd``) is whose file it is: its lines tell no year. Without it the year stands in UnionPay's own
    number of each line. Raises BadBill for the file as a whole: nothing at all, cut off, broken, a line without an end.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    near_ms = _noon(day) if day else 0
    for number, line in _lines(_hashed(_unpacked(chunks, packed), digest)):
        try:
            yield _read(number, line, near_ms)
        except _Bad as why:
            yield Poison(number, str(why))
    if sha1 and digest.hexdigest() != sha1.strip().lower():
        raise BadBill("its hash is not the one that was told")


# -- bytes to lines ---------------------------------------------------------------------------------------------------


def _unpacked(chunks: Iterable[bytes], packed: bool | None) -> Iterator[bytes]:
    """Deflated or plain; a small packed file cannot become a large piece. Raises BadBill."""
    opener, first = None, b""
    for chunk in chunks:
        if packed is None:
            first += chunk
            if len(first) < 2:
                continue
            packed, chunk = _looks_packed(first), first
        if not packed:
            yield chunk
            continue
        opener = opener or zlib.decompressobj()
        yield from _opened(opener, chunk)
    if packed is None:
        raise BadBill("there is nothing in it")
    if packed and (opener is None or not opener.eof):
        raise BadBill("the packed file ends in the middle")


def _looks_packed(start: bytes) -> bool:
    """The two bytes that begin every deflated file (RFC 1950); no line begins with them."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0


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


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers from 1, empty ones left away. No byte of a GBK letter is a line's end. Raises BadBill."""
    number, rest = 0, b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > MOST_LINE:
            raise BadBill("a line has no end", number + 1)
        for line in whole:
            number += 1
            if line.strip():
                yield number, line.removesuffix(b"\r")
    if rest.strip():
        yield number + 1, rest.removesuffix(b"\r")


# -- lines to what they say --------------------------------------------------------------------------------------------


class _Bad(ValueError):
    """One line cannot be read; the text says why, without its values."""


def _read(number: int, line: bytes, near_ms: int) -> BillLine:
    if not _SHORTEST <= len(line) <= MOST_LINE:
        raise _Bad("it is shorter or longer than its columns")
    if any(line[at : at + 1] not in (b" ", b"") for at in _SPACES):
        raise _Bad("a column does not end where it must")
    kind = _KINDS.get(_text(line, "txnType"))
    if kind is None:
        raise _Bad("a kind of transaction that nobody has documented")
    amount = _fen(_text(line, "txnAmt"))
    if amount <= 0:
        raise _Bad("an amount that is not above zero")
    into = kind is BillKind.PAY
    fee, settled = (_signed(line, name) for name in ("merCharge", "settleAmt"))
    # Money that comes to the merchant is C, its fee D; what goes back has both the other way round.
    if settled is not None and settled != 0 and (settled > 0) != into:
        raise _Bad("it is settled in the wrong direction")
    trade_no, order_no = (_number(line, name) for name in ("queryId", "orderId"))
    back = kind is BillKind.REFUND or _text(line, "txnType") == "31"
    return BillLine(
        number, kind, "" if back else order_no, _number(line, "origQryId") if back else trade_no,
        order_no if back else "", amount, -fee if fee is not None else 0,
        _moment(line, near_ms), "", _text(line, "tradeNo"),
    )  # fmt: skip


def _text(line: bytes, name: str) -> str:
    """A column of letters and digits. Names and remarks are not looked at: they may be cut in the middle of a letter."""
    try:
        return line[_AT[name]].decode("ascii").strip(" ")
    except UnicodeDecodeError:
        raise _Bad(f"{name} holds other letters than it may") from None


def _number(line: bytes, name: str) -> str:
    found = _text(line, name)
    if not _NUMBER.fullmatch(found):
        raise _Bad(f"{name} is no number of an order")
    return found


def _fen(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _Bad("an amount that is none in fen")
    return int(text)


def _signed(line: bytes, name: str) -> int | None:
    """Fen, C (to the merchant) above zero and D below; None where the file leaves the column empty."""
    text = _text(line, name)
    found = _SIGNED.fullmatch(text)
    if found is None and text:
        raise _Bad(f"{name} is no amount with its direction")
    return (int(found[2]) if found[1] == "C" else -int(found[2])) if found else None


def _moment(line: bytes, near_ms: int) -> int:
    """Milliseconds of a time without a year."""
    query_id = _text(line, "queryId")
    near = near_ms or _noon(f"20{query_id[2:4]}-{query_id[4:6]}-{query_id[6:8]}")
    at_ms = trace_ms(_text(line, "txnTime"), near) if near else 0
    if not at_ms:
        raise _Bad("a time that is none")
    return at_ms


def _noon(day: str) -> int:
    """Milliseconds of the middle of a day of China; 0 for what is none."""
    try:
        noon = datetime.strptime(day, "%Y-%m-%d").replace(hour=12, tzinfo=_BEIJING)
    except ValueError:
        return 0
    return int(noon.timestamp() * 1000)
