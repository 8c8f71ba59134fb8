"""A receipt as a one-page PDF of the paper's width, without a library: Chinese in the reader's own font, and all that is ASCII
in Courier, which every reader has: some Chinese fonts hold no digits, and an amount must never be missing."""

from itertools import groupby

import segno

from daozhang.devices.receipt import COLUMNS, Receipt, lines_of, width

_POINTS_PER_MM = 72 / 25.4
_MARGIN = 8.0
_QR_SIDE = 84.0
_COURIER = 5 / 6  # its letters are 0.6 of its size wide; a column here is half of a Chinese letter


def pdf(receipt: Receipt, paper_mm: int = 58) -> bytes:
    """PDF 1.4. Chinese letters are UTF-16 in a font that viewers bring (Adobe-GB1), so that no font is embedded."""
    columns, wide = COLUMNS[paper_mm], paper_mm * _POINTS_PER_MM
    size = (wide - 2 * _MARGIN) / columns * 2  # a Chinese letter is as wide as it is high
    rows = [(line, row.style in ("title", "big")) for row in receipt.rows
            for line in lines_of(row, columns // 2 if row.style in ("title", "big") else columns)]  # fmt: skip
    high = sum(size * (2.6 if big else 1.3) for _, big in rows) + _QR_SIDE + 4 * _MARGIN
    at, drawn = high - _MARGIN, []
    for line, big in rows:
        points = size * 2 if big else size
        at -= points * 1.3
        left = (wide - width(line) * points / 2) / 2 if big else _MARGIN
        drawn += _runs(line, points, left, at)
    drawn.append(_qr(receipt.qr, (wide - _QR_SIDE) / 2, at - _QR_SIDE - _MARGIN))
    return _file("\n".join(drawn).encode(), wide, high)


def _runs(line: str, points: float, left: float, at: float) -> list[str]:
    """A line, one piece for each change between ASCII and the rest."""
    drawn = []
    for latin, letters in groupby(line, str.isascii):
        piece = "".join(letters)
        font, size, code = ("/L", points * _COURIER, "ascii") if latin else ("/F", points, "utf-16-be")
        drawn.append(f"BT {font} {size:.2f} Tf {left:.2f} {at:.2f} Td <{piece.encode(code).hex()}> Tj ET")
        left += width(piece) * points / 2
    return drawn


def _qr(text: str, left: float, bottom: float) -> str:
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix]
    side = _QR_SIDE / len(rows)
    boxes = [f"{left + x * side:.2f} {bottom + (len(rows) - 1 - y) * side:.2f} {side:.3f} {side:.3f} re"
             for y, row in enumerate(rows) for x, dark in enumerate(row) if dark]  # fmt: skip
    return "\n".join([*boxes, "f"])


def _file(content: bytes, wide: float, high: float) -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {wide:.2f} {high:.2f}] /Contents 4 0 R"
        " /Resources << /Font << /F 5 0 R /L 8 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H /DescendantFonts [6 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1)"
        b" /Supplement 4 >> /DW 1000 /W [1 95 500 814 939 500] /FontDescriptor 7 0 R >>",
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880"
        b" /Descent -120 /CapHeight 880 /StemV 93 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
