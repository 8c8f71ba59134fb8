"""A receipt as ESC/POS bytes (dossier 5.2): GB18030 text, a QR that the printer draws itself, feed and cut.

Only this file writes bytes below 0x20; texts come through `receipt.clean` and are encoded whole.
"""

from daozhang.devices.receipt import COLUMNS, Receipt, lines_of

_INIT = b"\x1b@"
_CHINESE = b"\x1c&"
_LEFT, _CENTRE = b"\x1ba\x00", b"\x1ba\x01"
_PLAIN, _DOUBLE = b"\x1d!\x00", b"\x1d!\x11"
_BOLD, _THIN = b"\x1bE\x01", b"\x1bE\x00"
_FEED, _CUT = b"\n\n\n", b"\x1dVB\x00"
ASK_STATUS = {"printer": b"\x10\x04\x01", "offline": b"\x10\x04\x02", "paper": b"\x10\x04\x04"}


def printed(receipt: Receipt, paper_mm: int = 58) -> bytes:
    """The bytes for one receipt on paper of 58 or 80 mm."""
    columns = COLUMNS[paper_mm]
    out = bytearray(_INIT + _CHINESE)
    for row in receipt.rows:
        big = row.style in ("title", "big")
        out += (_CENTRE + _DOUBLE + _BOLD) if big else (_LEFT + _PLAIN + _THIN)
        for line in lines_of(row, columns // 2 if big else columns):
            out += _encoded(line) + b"\n"
    out += _LEFT + _PLAIN + _THIN + _CENTRE + qr(receipt.qr, 6 if paper_mm == 80 else 5)
    return bytes(out + b"\n" + _FEED + _CUT)


def _encoded(line: str) -> bytes:
    return line.encode("gb18030", "replace")


def qr(text: str, size: int) -> bytes:
    """GS ( k, functions 165, 167, 169, 180 and 181: model 2, error correction M."""
    data = text.encode("ascii")
    if not 1 <= len(data) <= 300:
        raise ValueError("a QR on a receipt holds 1 to 300 letters")
    store = len(data) + 3
    return b"".join((
        b"\x1d(k\x04\x001A2\x00", b"\x1d(k\x03\x001C" + bytes((size,)), b"\x1d(k\x03\x001E1",
        b"\x1d(k" + bytes((store & 0xFF, store >> 8)) + b"1P0" + data, b"\x1d(k\x03\x001Q0",
    ))  # fmt: skip
