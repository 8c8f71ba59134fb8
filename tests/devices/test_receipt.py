"""Receipts: what they say, that they fit, and that no stranger's text steers the printer."""

import re
from dataclasses import replace

import pytest
from escpos.constants import QR_ECLEVEL_M, QR_MODEL_2
from escpos.printer import Dummy
from hypothesis import given, settings
from hypothesis import strategies as st

from daozhang.core.ids import ulid
from daozhang.core.payment import Method, Payment, State
from daozhang.devices import escpos, receipt
from daozhang.devices.pdf import pdf
from daozhang.devices.receipt import COLUMNS, Receipt, lines_of, receipt_of, text_of, width

NOW = 1_795_401_698_000
PAGE = "https://pay.example.com/p/" + "01JD8A2Z" * 6 + "ABCD"
PAID = Payment(
    "pay_" + ulid(NOW, bytes(9), 7), 7, "mer_1", "sto_1", "till_1", "A20261123-37", 1250, "CNY", Method.PAY_BY_CODE, "alipay",
    "acc_1", False, "豆浆油条", "28••••8841", {}, NOW, State.PAID, captured_fen=1250, received_fen=1250, trade_no="2026112322001",
    paid_ms=NOW, decided_ms=NOW,
)  # fmt: skip
OPEN = replace(PAID, state=State.UNKNOWN, captured_fen=0, received_fen=0, trade_no="", paid_ms=0, decided_ms=0, window_end_ms=NOW + 40_000)


def made(payment: Payment = PAID, lang: str = "zh", store: str = "小李包子铺 人民路店") -> Receipt:
    return receipt_of(payment, "小李包子铺", store, NOW, lang, PAGE)


def commands(data: bytes) -> list[tuple[str, bytes]]:
    """ESC/POS read by its own rules: commands by name, and the text between them. Anything unknown fails."""
    known = {b"\x1b@": 0, b"\x1c&": 0, b"\x1ba": 1, b"\x1d!": 1, b"\x1bE": 1, b"\x1dV": 2}
    found, at, text = [], 0, bytearray()

    def flush() -> None:
        if text:
            found.append(("text", bytes(text)))
            text.clear()

    while at < len(data):
        two = data[at : at + 2]
        if two in known:
            flush()
            found.append((two.hex(), data[at + 2 : at + 2 + known[two]]))
            at += 2 + known[two]
        elif data[at : at + 3] == b"\x1d(k":
            flush()
            size = data[at + 3] + 256 * data[at + 4]
            found.append(("qr", data[at + 5 : at + 5 + size]))
            at += 5 + size
        else:
            assert data[at] >= 0x20 or data[at] == 0x0A, f"a byte that steers: {data[at]:#x}"
            wide = data[at] >= 0x81  # a GB18030 letter: its second byte belongs to it
            text += data[at : at + (2 if wide else 1)]
            at += 2 if wide else 1
    flush()
    return found


@pytest.mark.parametrize("paper", [58, 80])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("payment", [PAID, OPEN])
def test_it_says_what_is_known_and_fits_the_paper(payment: Payment, lang: str, paper: int) -> None:
    text = text_of(made(payment, lang), COLUMNS[paper])
    assert "12.50" in text and "A20261123-37" in text and "DZ" + payment.id[4:] in text
    assert all(width(line) <= COLUMNS[paper] for line in text.splitlines())
    data = escpos.printed(made(payment, lang), paper)
    said = b"".join(part for kind, part in commands(data) if kind == "text").decode("gb18030")
    assert [part[3:] for kind, part in commands(data) if kind == "qr" and part[:2] == b"1P"] == [PAGE.encode()]
    assert PAGE in text.replace("\n", "") and pdf(made(payment, lang), paper).startswith(b"%PDF")
    assert data.startswith(b"\x1b@") and data.endswith(b"\x1dVB\x00") and "12.50" in said


def on_paper(data: bytes) -> list[tuple[dict[str, bytes], str, bytes]]:
    """What a printer does: each line, QR step and cut, with how it stands at that moment (whatever the order of the commands)."""
    state, done = dict[str, bytes](), []
    for kind, part in commands(data):
        if kind in ("1b61", "1d21", "1b45"):
            state[kind] = part
        else:
            pieces = part.splitlines(keepends=True) if kind == "text" else [part]
            done += [(dict(state), kind, piece) for piece in pieces]
    return done


def by_escpos(made: Receipt, paper: int) -> bytes:
    """The same receipt by python-escpos, which knows all of this but Chinese letters."""
    printer = Dummy()
    printer.hw("INIT")
    printer._raw(b"\x1c&")
    for row in made.rows:
        times = 2 if row.style in ("title", "big") else 1
        printer.set(align="center" if times == 2 else "left", bold=times == 2, custom_size=True, width=times, height=times)
        for line in lines_of(row, COLUMNS[paper] // times):
            printer._raw(line.encode("gb18030", "replace") + b"\n")
    printer.set(align="center", bold=False, custom_size=True, width=1, height=1)
    printer.qr(made.qr, ec=QR_ECLEVEL_M, size={58: 5, 80: 6}[paper], model=QR_MODEL_2, native=True)
    printer._raw(b"\n\n\n\n")
    printer.cut(mode="PART", feed=False)
    return bytes(printer.output)


@pytest.mark.parametrize("paper", [58, 80])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("payment", [PAID, OPEN])
def test_an_independent_library_prints_the_same(payment: Payment, lang: str, paper: int) -> None:
    ours, theirs = escpos.printed(made(payment, lang), paper), by_escpos(made(payment, lang), paper)
    assert on_paper(ours) == on_paper(theirs) and len(on_paper(ours)) > 12
    assert ours[ours.index(b"\x1d(k") :] == theirs[theirs.index(b"\x1d(k") :], "QR, feed and cut byte for byte"


def test_an_unproven_payment_gets_a_slip_and_never_a_receipt() -> None:
    slip = made(OPEN)
    text = text_of(slip, 32)
    assert slip.slip and "待查小票" in text and "不是收款凭证" in text and "收款成功" not in text and "10:42" in text and "请勿重复付款" in text.partition("打印")[2]
    assert "BEING CHECKED" in text_of(made(OPEN, "en"), 48) and not made().slip and "收款凭证" in text_of(made(), 32)


@pytest.mark.parametrize(("state", "title"), [(State.NOT_PAID, "未收款"), (State.REVERSED, "已撤销"), (State.DEFERRED, "待查小票"), (State.SURPLUS, "待查小票")])
def test_every_state_has_its_title(state: State, title: str) -> None:
    captured = 1250 if state is State.SURPLUS else 0
    assert made(replace(PAID, state=state, captured_fen=captured)).rows[0].left == title


@pytest.mark.parametrize("paper", [58, 80])
def test_no_line_begins_with_a_closing_mark(paper: int) -> None:
    lines = text_of(made(OPEN), COLUMNS[paper]).splitlines()
    assert not [line for line in lines if line.lstrip()[:1] in tuple("。,、;:?!)")]
    assert "退回。" in "".join(lines)


EVIL = ["\x1b@\x1dV\x00", "a\x1bp\x00\x19\xfa", "x\nPAID 9999.00", "\x10\x04\x01", "\x1d(k\x03\x001Q0", "abc\u202edcba", "\x9b31m", "雨\x00\x7f", "😀{{7*7}}", "\r\x0c\x08"]


@pytest.mark.parametrize("evil", EVIL, ids=repr)
def test_a_strangers_text_prints_as_text(evil: str) -> None:
    payment = replace(PAID, subject=evil, merchant_order_no=evil, trade_no=evil)
    quiet = [kind for kind, _ in commands(escpos.printed(made(), 58)) if kind != "text"]
    loud = commands(escpos.printed(made(payment, store=evil), 58))
    assert [kind for kind, _ in loud if kind != "text"] == quiet
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text_of(made(payment, store=evil), 32))
    assert "PAID 9999.00" not in text_of(made(payment), 48).splitlines()


@given(st.text(max_size=200), st.sampled_from([58, 80]))
@settings(max_examples=300, deadline=None)
def test_no_text_steers_the_printer_or_leaves_the_paper(subject: str, paper: int) -> None:
    payment = replace(PAID, subject=subject)
    kinds = [kind for kind, _ in commands(escpos.printed(made(payment), paper)) if kind != "text"]
    assert kinds == [kind for kind, _ in commands(escpos.printed(made(), paper)) if kind != "text"]
    assert all(width(line) <= COLUMNS[paper] for line in text_of(made(payment), COLUMNS[paper]).splitlines())
    assert receipt.clean(subject) == receipt.clean(receipt.clean(subject))


def test_the_pdf_is_one_whole_page_and_its_places_are_right() -> None:
    data = pdf(made(), 80)
    start = int(data.rpartition(b"startxref\n")[2].split()[0])
    assert data.startswith(b"%PDF-1.4") and data[start:].startswith(b"xref")
    places = [int(line[:10]) for line in data[start:].splitlines()[3:11]]
    assert all(data[place:].startswith(b"%d 0 obj" % number) for number, place in enumerate(places, 1))
    assert "收款凭证".encode("utf-16-be").hex().encode() in data


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_numbers_in_a_pdf_need_no_chinese_font(lang: str) -> None:
    """Ghostscript's own Chinese font has no digits: a receipt without its amount is none."""
    data = pdf(made(lang=lang), 58)
    latin = b" ".join(re.findall(rb"/L [\d.]+ Tf [\d. -]+ Td <([0-9a-f]*)> Tj", data))
    chinese = "".join(bytes.fromhex(run.decode()).decode("utf-16-be") for run in re.findall(rb"/F [\d.]+ Tf [\d. -]+ Td <([0-9a-f]*)> Tj", data))
    said = bytes.fromhex(latin.replace(b" ", b"").decode()).decode("ascii")
    assert "12.50" in said and "DZ" + PAID.id[4:] in said and not any(letter.isascii() for letter in chinese)
    assert ("收款凭证" in chinese) == (lang == "zh") and b"/BaseFont /Courier" in data
