"""The reader of the settlement file: what the twin writes comes out exactly, and what is spoilt is never believed."""

import random
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daozhang.channels.plug import NoBill
from daozhang.channels.twin import Heard
from daozhang.channels.unionpay import bill, wire
from daozhang.channels.unionpay.twin import settle
from daozhang.channels.unionpay.twin.books import Back, Books, Order
from daozhang.channels.unionpay.twin.gate import RsaKeys
from daozhang.channels.unionpay.twin.unionpay import UnionpayTwin
from daozhang.core.bill import BadBill, BillKind, BillLine, Poison
from daozhang.core.faults import MaybeArrived
from daozhang.core.ports import Exchange
from daozhang.sim.world import SeededRand
from tests.channels.unionpay.kit import ACCOUNT, CERT_ID, MANIFEST, MER_ID, pem, row, signed

DAY_MS = 1_790_002_800_000  # 2026-09-21 23:00 in Beijing: the clearing day 0922 begins
DAY, SETTLE = "2026-09-22", "0922"


def day(count: int, seed: int = 1) -> tuple[Books, list[BillLine]]:
    """A clearing day of payments, reversals, undos and refunds, and the lines that must come out, worked out by hand."""
    draw, books, expected = random.Random(seed), Books(lambda record: None), []
    for at in range(count):
        amount, paid_ms = draw.randrange(1, 500_000), DAY_MS + 1000 * draw.randrange(80_000)
        order = Order(f"DZ{at:026d}", "20260922000000", amount, draw.choice(["pay", "apply"]), "PAID", paid_ms, f"44260922{at:013d}",
                      at % 1_000_000, payer="622000********001", captured_fen=amount, paid_ms=paid_ms)  # fmt: skip
        expected.append(_line(BillKind.PAY, order.order_id, order.query_id, "", amount, paid_ms, "S22"))
        what = draw.random()
        if what < 0.05:
            order = replace(order, state="REVERSED", returned_fen=amount, closed_ms=paid_ms + 90_000)
            expected.append(_line(BillKind.UNDO, order.order_id, order.query_id, "", amount, order.closed_ms, "S65"))
        elif what < 0.2:
            whole = what < 0.1
            given, kind = amount if whole else draw.randrange(1, amount + 1), "undo" if whole else "refund"
            back = Back(f"DR{at:026d}", "20260922000000", given, kind, order.order_id, paid_ms + 5_000, f"44260922{9_000_000_000 + at:013d}", 1)
            books.put("back", back)
            wanted = (BillKind.UNDO, "S35") if whole else (BillKind.REFUND, "S30")
            expected.append(_line(wanted[0], "", order.query_id, back.order_id, given, back.created_ms, wanted[1]))
        books.put("order", order)
    return books, expected


def _line(kind: BillKind, order_no: str, trade_no: str, refund_no: str, amount: int, at_ms: int, state: str) -> BillLine:
    fee = (amount * 38 + 5_000) // 10_000
    return BillLine(0, kind, order_no, trade_no, refund_no, amount, fee if kind is BillKind.PAY else -fee, at_ms, "", state)


def pieces(content: bytes, size: int = 4096) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def alike(lines: list[BillLine]) -> list[BillLine]:
    """Without their numbers, in an order that both sides can have."""
    return sorted((replace(line, line=0) for line in lines), key=lambda line: (line.at_ms, line.trade_no, line.refund_no, line.kind))


def taken(content: bytes, size: int = 4096, **how: object) -> list[BillLine | Poison]:
    return list(bill.read(pieces(content, size), **how))  # type: ignore[arg-type]


def good(content: bytes, size: int = 4096, **how: object) -> list[BillLine]:
    found = [line for line in taken(content, size, **how) if isinstance(line, BillLine)]
    assert [line.line for line in found] == list(range(1, len(found) + 1))
    return found


BOOKS, LINES = day(40)
SMALL = settle.write(settle.moved(BOOKS, SETTLE), MER_ID)


@pytest.mark.parametrize("packed", [False, True])
def test_ten_thousand_lines_come_out_exactly(packed: bool) -> None:
    books, expected = day(8_700)
    assert len(expected) >= 10_000
    content = settle.write(settle.moved(books, SETTLE), MER_ID)
    assert alike(good(zlib.compress(content) if packed else content, day=DAY)) == alike(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 700, 1 << 20])
def test_pieces_of_any_size(size: int) -> None:
    assert alike(good(SMALL, size)) == alike(good(zlib.compress(SMALL), size, day=DAY)) == alike(LINES)


def test_the_year_of_a_day_at_new_year() -> None:
    books, _ = day(1)
    order = next(iter(books.orders.values()))
    for paid_ms, named in ((1_798_729_200_000, "2027-01-01"), (1_798_732_800_000, "2027-01-01")):  # 23:00 and midnight
        books.put("order", replace(order, paid_ms=paid_ms, query_id=f"44{named[2:4]}0101{0:013d}"))
        content = settle.write(settle.moved(books, "0101"), MER_ID)
        assert [line.at_ms for line in good(content, day=named)] == [line.at_ms for line in good(content)] == [paid_ms]


def test_memory_is_bounded() -> None:
    """A day ten times as long needs no more room while it is read, and a small packed file cannot become a large one."""
    one = SMALL.split(b"\r\n")[0] + b"\r\n"

    def most(rows: int) -> int:
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(one * 100) for _ in range(rows // 100)) + packer.flush()
        tracemalloc.start()
        assert sum(1 for _ in bill.read(pieces(packed))) == rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(4_000) < 2 * most(400) + 2_000_000
    bomb = zlib.compress(b"S" * 50_000_000, 9)
    tracemalloc.start()
    assert "no end" in broken(bomb)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def broken(content: bytes, **how: object) -> str:
    with pytest.raises(BadBill) as bad:
        taken(content, **how)
    return str(bad.value)


def test_a_file_that_cannot_be_believed_as_a_whole() -> None:
    packed = zlib.compress(SMALL)
    assert "nothing" in broken(b"") and "nothing" in broken(b"S")
    assert "middle" in broken(packed[:-5]) and "follows" in broken(packed + b"x")
    assert "broken" in broken(packed[:30] + b"\xff" * 60) and "broken" in broken(packed[:-1] + bytes([packed[-1] ^ 1]))
    assert "no end" in broken(SMALL + b"S" * 20_000)
    assert "hash" in broken(SMALL, sha1="0" * 40)
    assert good(zlib.compress(b"")) == []


ROWS = SMALL.split(b"\r\n")[:-1]
PLACE = next(at for at, one in enumerate(ROWS) if one.startswith(b"S22"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [(b" 01 06", b" 77 06", "kind"), (b" 01 07", b" 77 07", "kind"), (b" C0", b" D0", "direction"), (b" D0", b" X0", "direction"),
     (b" D0", b" -0", "direction"), (b" DZ", b" D-", "orderId"), (b" 44", b" 4\xb2", "letters"), (b" 0922", b" 0932", "time"),
     (b" 0921", b" 9921", "time"), (b"DZ0", b"DZ00", "column"), (b"DZ0", b"DZ", "column")],
)  # fmt: skip
def test_one_line_that_cannot_be_read_is_kept_aside(old: bytes, new: bytes, why: str) -> None:
    place = next(at for at, one in enumerate(ROWS) if one.startswith(b"S22") and old in one)
    spoilt = ROWS[place].replace(old, new, 1)
    found = taken(b"\r\n".join([*ROWS[:place], spoilt, *ROWS[place + 1 :]]))
    bad = [line for line in found if isinstance(line, Poison)]
    assert [one.line for one in bad] == [place + 1] and why in bad[0].why, bad
    assert [one.line for one in found] == list(range(1, len(ROWS) + 1))
    assert not any(letter.isdigit() for letter in bad[0].why)


def test_poison_lines_do_not_touch_their_neighbours() -> None:
    """UTF-8 in the place of GBK, a mark at the beginning, a cut line, nothing charged, a long line, another bank's format."""
    one = ROWS[PLACE]
    zero = one.replace(one[64:76], b"0" * 12, 1)
    assert zero != one
    poison = [b"\xef\xbb\xbf" + one, one[:200], zero, one + b"x" * 8_000, b"`2026-09-22,`S22", b"\x00" * 700,
              one.replace("沙箱".encode("gb18030"), "沙箱".encode())]  # fmt: skip
    for bad in poison[:-1]:
        found = taken(b"\r\n".join([one, bad, one]) + b"\r\n")
        assert [type(line) for line in found] == [BillLine, Poison, BillLine], bad
    # A remark is not looked at, but a letter of another length moves every column behind it.
    assert isinstance(taken(poison[-1])[0], Poison)


def test_a_line_that_stands_twice_is_told_twice() -> None:
    assert len(good(ROWS[PLACE] + b"\r\n" + ROWS[PLACE])) == 2  # which of them is one too many, reconciliation finds


def tried(content: bytes) -> tuple[list[BillLine], bool]:
    """What came out, and whether the file was believed. Nothing but BadBill may be raised."""
    found: list[BillLine] = []
    try:
        found += [line for line in bill.read(pieces(content, 64)) if isinstance(line, BillLine)]
    except BadBill:
        return found, False
    return found, True


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=900), st.booleans(), st.booleans())
@example(b"\x78\x9c" + b"\x00" * 30, False, False)
def test_any_bytes_are_refused_or_read_and_nothing_else(content: bytes, with_line: bool, packed: bool) -> None:
    content = ROWS[PLACE] + b"\r\n" + content if with_line else content
    found, believed = tried(zlib.compress(content) if packed else content)
    assert all(line.amount_fen > 0 and line.at_ms > 0 for line in found)
    assert not (with_line and believed) or found


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_one_changed_byte_of_a_packed_file_is_found(place: int, flip: int) -> None:
    spoilt = bytearray(zlib.compress(SMALL))
    spoilt[place % len(spoilt)] ^= flip
    found, believed = tried(bytes(spoilt))
    # Without its head it is taken for a plain file, of which no line can be read.
    assert not believed or not found or zlib.decompress(bytes(spoilt)) == SMALL


# -- asking the channel for it -----------------------------------------------------------------------------------------

KEYS = RsaKeys(pem("sign_private_pkcs8"), pem("sign_cert"), pem("merchant_cert"))
NOW_MS = DAY_MS + 40 * 3_600_000


def channel(count: int = 30) -> tuple[UnionpayTwin, list[BillLine]]:
    twin = UnionpayTwin({"mer_id": MER_ID, "cert_id": CERT_ID}, KEYS, SeededRand(1).bytes)
    books, expected = day(count)
    for order in books.orders.values():
        twin.replay({"kind": "order", "record": dict(vars(order))})
    for back in books.backs.values():
        twin.replay({"kind": "back", "record": dict(vars(back))})
    return twin, expected


def answered(twin: UnionpayTwin, account: wire.Account = ACCOUNT, date: str = DAY, now_ms: int = NOW_MS) -> Exchange:
    request = wire.ask_bill(account, date, "", now_ms)
    said = twin.handle(Heard(request.method, request.url.removeprefix("http://127.0.0.1:9"), request.headers, request.body, now_ms))
    return Exchange(said.status, said.headers, said.body)


def test_the_file_is_asked_for_believed_and_read() -> None:
    twin, expected = channel()
    link = wire.read_bill_reply(ACCOUNT, answered(twin))
    assert wire.fetch_bill(ACCOUNT, link, NOW_MS) is None and link.url == ""
    assert alike(good(link.content, day=DAY)) == alike(expected)


def test_an_acquirer_asks_in_its_own_name() -> None:
    twin, expected = channel()
    more = {"acq_ins_code": "48020000", "mer_cat_code": "5411", "mer_name": "x", "mer_abbr": "x"}
    acquirer = wire.open_account(row(access_type="1", **more), MANIFEST)
    fields = dict(parse_qsl(wire.ask_bill(acquirer, DAY, "", NOW_MS).body.decode()))
    assert (fields["accessType"], fields["acqInsCode"], fields["settleDate"]) == ("1", "48020000", "0922")
    assert len(good(wire.read_bill_reply(acquirer, answered(twin, acquirer)).content)) == len(expected)


@pytest.mark.parametrize("mode", ["bill_missing", "bill_extra", "bill_amount"])
def test_a_wrong_file_reads_well_and_says_something_else(mode: str) -> None:
    twin, expected = channel()
    twin.chaos(mode, NOW_MS)
    found = good(wire.read_bill_reply(ACCOUNT, answered(twin)).content, day=DAY)
    assert alike(found) != alike(expected)
    assert len(found) - len(expected) == {"bill_missing": -1, "bill_extra": 1}.get(mode, 0)


def why_not(exchange: Exchange) -> str:
    with pytest.raises(NoBill) as none:
        wire.read_bill_reply(ACCOUNT, exchange)
    return none.value.code


@pytest.mark.parametrize(
    ("mode", "code"),
    [("bill_not_ready", "98"), ("forged", "RESPONSE_SIGNATURE_INVALID"), ("stranger", "RESPONSE_SIGNATURE_INVALID"),
     ("wrong_company", "RESPONSE_SIGNATURE_INVALID"), ("unsigned", "RESPONSE_SIGNATURE_INVALID"), ("maintenance", "HTTP_503"),
     ("garbage", "HTTP_BODY_UNREADABLE"), ("rate_limit", "37"), ("error_500", "HTTP_500")],
)  # fmt: skip
def test_what_is_no_file_is_named(mode: str, code: str) -> None:
    twin, _ = channel(1)
    twin.chaos(mode, NOW_MS)
    assert why_not(answered(twin)) == code


def test_a_day_that_is_not_over_has_no_file() -> None:
    twin, _ = channel(1)
    assert why_not(answered(twin, now_ms=DAY_MS + 3_600_000)) == "98"


def test_a_reply_about_something_else_brings_no_file() -> None:
    said = {"version": "5.1.0", "signMethod": "01", "merId": MER_ID, "txnType": "76", "respCode": "00", "txnTime": "20260922120000"}
    for more, code in (({"merId": "777290058110049"}, "RESPONSE_MISMATCH"), ({"txnType": "01"}, "RESPONSE_MISMATCH"), ({}, "HTTP_BODY_UNREADABLE"),
                       ({"fileContent": "%%%"}, "HTTP_BODY_UNREADABLE")):  # fmt: skip
        assert why_not(Exchange(200, (), signed({**said, **more}).encode())) == code
    assert why_not(Exchange(fault=MaybeArrived("READ_TIMEOUT"))) == "READ_TIMEOUT"
    assert why_not(Exchange(200, (), b"\xff\xfe")) == "HTTP_BODY_UNREADABLE"


def test_live_files_lie_on_a_host_of_their_own() -> None:
    live = wire.open_account(row(True, gateway="https://gateway.95516.com"), MANIFEST)
    assert wire.ask_bill(live, DAY, "", NOW_MS).url == "https://filedownload.95516.com/"
