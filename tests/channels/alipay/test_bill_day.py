"""A day and a month of the twin's books, asked for, fetched and read back exactly; and files that would do harm."""

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels.alipay import wire
from daozhang.channels.alipay.bill import MOST_LINE, read
from daozhang.channels.alipay.twin import bills
from daozhang.channels.alipay.twin.books import Books, Order
from daozhang.channels.plug import BillLink, NoBill
from daozhang.core.bill import BadBill, BillKind, BillLine, Poison
from daozhang.core.faults import NotSent
from daozhang.core.ports import Exchange
from daozhang.sim.every import START_MS
from tests.channels.alipay.kit import Bench

DAY_MS = 86_400_000
DAY = f"{datetime.fromtimestamp(START_MS / 1000 + 8 * 3600, UTC):%Y-%m-%d}"
NEXT_MS = START_MS + DAY_MS


def order(at: int, **changes: object) -> Order:
    """Twelve yuan and a half, and a name with a comma in every third."""
    made = Order(f"DZ{at:026d}", 1250 + at % 7, "大杯,少冰" if at % 3 == 0 else "拿铁", "TRADE_SUCCESS", START_MS, f"2025{at:024d}",
                 captured_fen=1250 + at % 7, paid_ms=START_MS + at)  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def books(*orders: Order) -> Books:
    kept = Books(lambda record: None)
    for one in orders:
        kept.put("order", one)
    return kept


def opened(found: list[bills.Line], kind: str) -> list[BillLine | Poison]:
    packed = bills.packed(found, kind, DAY, "2088000000000001", NEXT_MS)
    return list(read(packed[at : at + 1000] for at in range(0, len(packed), 1000)))


def fetched(bench: Bench, kind: str, span: str, at_ms: int) -> list[BillLine | Poison]:
    reply = bench.send(wire.ask_bill(bench.account, span, kind, at_ms), at_ms)
    link = wire.read_bill_reply(bench.account, reply)
    request = wire.fetch_bill(bench.account, link, at_ms)
    assert request is not None
    return list(read([bench.send(request, at_ms).body], sha1=link.sha1))


@pytest.mark.parametrize("mode", ["v2", "v2-certificate", "v3", "v3-certificate"])
def test_the_bill_of_a_day_is_the_books_of_that_day(mode: str) -> None:
    bench = Bench(mode)
    paid = order(1, refunds={"R1": 300, "R2": 951}, refund_times={"R1": START_MS + 60_000, "R2": START_MS + 70_000},
                 returned_fen=1251, state="TRADE_CLOSED")  # fmt: skip
    undone = order(2, returned_fen=1252, state="TRADE_CLOSED", closed_ms=START_MS + 5000)
    for one in (paid, undone, order(3), order(4, paid_ms=NEXT_MS + 9), order(5, captured_fen=0, state="TRADE_CLOSED")):
        bench.twin._journal.put("order", one)
    lines = fetched(bench, "trade", DAY, NEXT_MS + DAY_MS // 2)
    told = [(line.kind.value, line.order_no[-1], line.refund_no, line.amount_fen, line.fee_fen) for line in lines
            if isinstance(line, BillLine)]  # fmt: skip
    assert told == [("pay", "1", "", 1251, 5), ("pay", "2", "", 1252, 5), ("pay", "3", "", 1253, 5),
                    ("refund", "2", "", 1252, -5), ("refund", "1", "R1", 300, -1), ("refund", "1", "R2", 951, -4)]  # fmt: skip
    flow = [line for line in fetched(bench, "fund", DAY, NEXT_MS + DAY_MS // 2) if isinstance(line, BillLine)]
    assert [(line.kind.value, line.order_no[-1], line.amount_fen, line.state) for line in flow[:2]] == [
        ("pay", "1", 1251, "收入"), ("other", "1", 5, "支出")]  # fmt: skip
    assert sum(line.amount_fen * (1 if line.state == "收入" else -1) for line in flow) == 1253 - 5
    assert len(fetched(bench, "trade", DAY[:7], NEXT_MS + 60 * DAY_MS)) == 7


@pytest.mark.parametrize(
    ("span", "kind", "at_ms", "code"),
    [(DAY, "trade", START_MS, "BILL_NOT_EXIST"), (DAY[:7], "trade", NEXT_MS, "BILL_NOT_EXIST"),
     ("2020-01-01", "trade", START_MS, "NO_BILL_DATA"), ("2020-01", "fund", START_MS, "NO_BILL_DATA"),
     ("2020-02-30", "trade", START_MS, "INVAILID_ARGUMENTS"), ("yesterday", "trade", START_MS, "INVAILID_ARGUMENTS"),
     (DAY, "everything", NEXT_MS, "INVAILID_ARGUMENTS")],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["v2", "v3"])
def test_why_there_is_no_bill(mode: str, span: str, kind: str, at_ms: int, code: str) -> None:
    bench = Bench(mode)
    bench.twin._journal.put("order", order(1))
    with pytest.raises(NoBill) as none:
        wire.read_bill_reply(bench.account, bench.send(wire.ask_bill(bench.account, span, kind, at_ms), at_ms))
    assert none.value.code == code
    assert none.value.text


def test_an_answer_that_cannot_be_believed_leads_nowhere() -> None:
    bench = Bench()
    for exchange, code in ((Exchange(200, (), b"{}"), "HTTP_BODY_UNREADABLE"), (Exchange(502, (), b""), "HTTP_502"),
                           (Exchange(fault=NotSent("CONNECT_REFUSED")), "CONNECT_REFUSED")):  # fmt: skip
        with pytest.raises(NoBill) as none:
            wire.read_bill_reply(bench.account, exchange)
        assert none.value.code == code
    bench.twin.chaos("forged", START_MS)
    with pytest.raises(NoBill, match="RESPONSE_SIGNATURE_INVALID"):
        wire.read_bill_reply(bench.account, bench.send(wire.ask_bill(bench.account, DAY, "", START_MS)))


@pytest.mark.parametrize(
    ("livemode", "url", "fetches"),
    [(True, "http://dwbillcenter.alipay.com/x?a=1", "https://dwbillcenter.alipay.com/x?a=1"),
     (True, "https://evil.example/alipay.com", ""), (True, "https://notalipay.com/x", ""), (True, "http://127.0.0.1/x", ""),
     (False, "http://127.0.0.1:1/x", "http://127.0.0.1:1/x"), (False, "http://10.0.0.7/x", ""), (False, "file:///etc/passwd", "")],
)  # fmt: skip
def test_a_link_leads_to_the_channel_or_nowhere(livemode: bool, url: str, fetches: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    account = replace(bench.account, livemode=livemode)
    monkeypatch.setattr(wire.v2, "read", lambda *given: {"code": "10000", "bill_download_url": url})
    if fetches:
        assert wire.read_bill_reply(account, Exchange(200)) == BillLink(fetches)
        return
    with pytest.raises(NoBill):
        wire.read_bill_reply(account, Exchange(200))


def test_a_link_lives_for_half_a_minute() -> None:
    bench = Bench()
    bench.twin._journal.put("order", order(1))
    late = NEXT_MS + DAY_MS
    link = wire.read_bill_reply(bench.account, bench.send(wire.ask_bill(bench.account, DAY, "", late), late))
    request = wire.fetch_bill(bench.account, link, late)
    assert request is not None
    assert [bench.send(request, late + after).status for after in (0, 29_999, 30_000)] == [200, 200, 403]


@pytest.mark.parametrize("mode", ["bill_missing", "bill_extra", "bill_amount"])
def test_a_bill_that_differs_still_adds_up(mode: str) -> None:
    """A line too few or too many is for reconciliation to find: the file itself is whole."""
    bench = Bench()
    for at in range(3):
        bench.twin._journal.put("order", order(at))
    true = fetched(bench, "", DAY, NEXT_MS + DAY_MS)
    bench.twin.chaos(mode, NEXT_MS)
    spoilt = fetched(bench, "", DAY, NEXT_MS + DAY_MS)
    assert spoilt != true
    assert len(spoilt) == {"bill_missing": 2, "bill_extra": 4, "bill_amount": 3}[mode]


@pytest.mark.parametrize("kind", ["trade", "signcustomer"])
def test_ten_thousand_lines_come_back_exactly(kind: str) -> None:
    found = bills.lines(books(*(order(at) for at in range(10_000))), DAY)
    lines = [line for line in opened(found, kind) if isinstance(line, BillLine) and line.kind is not BillKind.OTHER]
    wanted = [(line.order.out_trade_no, line.order.trade_no, line.amount_fen, line.at_ms // 1000 * 1000) for line in found]
    assert [(line.order_no, line.trade_no, line.amount_fen, line.at_ms) for line in lines] == wanted
    if kind == "trade":
        assert [line.fee_fen for line in lines] == [line.fee_fen for line in found]


def test_the_names_inside_are_gbk_and_unmarked() -> None:
    packed = bills.packed(bills.lines(books(order(1)), DAY), "trade", DAY, "2088000000000001", NEXT_MS)
    assert b"2088000000000001" + b"0156_" + DAY.replace("-", "").encode() + "_业务明细.csv".encode("gbk") in packed
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        assert all(not info.flag_bits & 0x800 for info in file.infolist())


# -- files that would do harm --------------------------------------------------------------------------------------------


GOOD = bills.packed(bills.lines(books(*(order(at) for at in range(1, 4))), DAY), "trade", DAY, "2088000000000001", NEXT_MS)


def inside(packed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        return file.read(file.infolist()[0])


def gbk(text: str) -> bytes:
    return text.encode("gbk")


def swapped(packed: bytes, detail: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("业务明细.csv", detail)
        made.writestr("业务明细(汇总).csv", given.read(given.infolist()[1]))
    return out.getvalue()


DETAIL = inside(GOOD)
ROWS = DETAIL.split(b"\r\n")


@pytest.mark.parametrize(
    ("detail", "why"),
    [
        (b"\xef\xbb\xbf" + DETAIL, "not GBK|no line names the columns"),
        (DETAIL.decode("gbk").encode(), "not GBK|no line names the columns"),
        (b"\r\n".join([*ROWS[:6], ROWS[5], *ROWS[6:]]), "line 11: the lines do not add up to the total of 交易"),
        (DETAIL.replace(gbk("合计：3笔"), gbk("合计：4笔")), "line 10: the lines do not add up"),
        (DETAIL.replace(gbk("合计：3笔"), gbk("合计：三笔")), "the totals are missing"),
        (b"\r\n".join(ROWS[:7]), "cut off"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_believed_is_refused(detail: bytes, why: str) -> None:
    for file in (detail, swapped(GOOD, detail)):
        with pytest.raises(BadBill, match=why):
            list(read([file]))


def test_a_summary_that_says_something_else_is_noticed() -> None:
    other = bills.packed(bills.lines(books(order(1)), DAY), "trade", DAY, "2088000000000001", NEXT_MS)
    with pytest.raises(BadBill, match="the summary beside it says something else"):
        list(read([swapped(other, DETAIL)]))


@pytest.mark.parametrize("spoil", [gbk("`"), b"-"])
def test_one_bad_line_is_kept_apart_and_the_others_are_read(spoil: bytes) -> None:
    """Backticks of another channel, and an amount below zero, in one line: its number, and the rest."""
    row = ROWS[6].replace(b"12.5", spoil + b"12.5")
    found = list(read([swapped(GOOD, b"\r\n".join([*ROWS[:6], row, *ROWS[7:]]))]))
    assert [isinstance(line, Poison) for line in found] == [False, True, False]
    assert isinstance(found[1], Poison) and found[1].line == 7


def pieces(size: int) -> Iterator[bytes]:
    yield DETAIL[: DETAIL.index(ROWS[5])]
    for _ in range(size // 65_536):
        yield b"x" * 65_536


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadBill, match="line 6: a line has no end"):
            list(read(pieces(50_000_000)))
        assert tracemalloc.get_traced_memory()[1] < 8 * MOST_LINE + 4_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    """Sixty-four megabytes of one letter, packed a thousandfold."""
    bomb = swapped(GOOD, DETAIL[: DETAIL.index(ROWS[5])] + b"x" * (64 << 20))
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(BadBill, match="no end"):
            list(read([bomb]))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_packed_file_of_many_files_is_refused_before_its_list_is_read() -> None:
    crowd = io.BytesIO()
    with zipfile.ZipFile(crowd, "w") as made:
        for at in range(2_000):
            made.writestr(f"{at}.csv", b"")
    longer = crowd.getvalue()[:-2] + b"\x04\x00PK\x05\x06"  # the mark once more, in a comment
    for packed in (crowd.getvalue(), longer):
        with pytest.raises(BadBill, match="holds more than a bill"):
            list(read([packed]))


FLOW = bills.packed(bills.lines(books(*(order(at) for at in range(1, 4))), DAY), "signcustomer", DAY, "2088000000000001", NEXT_MS)
FILES = (GOOD, FLOW, inside(FLOW))


@given(st.sampled_from(FILES), st.integers(0, 4000), st.binary(max_size=40))
def test_nothing_crashes_the_reader(file: bytes, at: int, noise: bytes) -> None:
    """Noise written into a file, and noise put between: read, put aside or refused."""
    for spoilt in (file[:at] + noise + file[at + len(noise) :], file[:at] + noise + file[at:], file[:at]):
        try:
            assert all(isinstance(line, BillLine | Poison) for line in read([spoilt]))
        except BadBill as bad:
            assert bad.why


@pytest.mark.prove
def test_ten_million_lines_in_bounded_memory() -> None:
    row, most = ROWS[6] + b"\r\n", 10_000_000

    def file() -> Iterator[bytes]:
        yield b"\r\n".join(ROWS[:5]) + b"\r\n"
        for _ in range(most // 1000):
            yield row * 1000
        total = f"#交易合计：{most}笔，商家实收共{1252 * most // 100}.{1252 * most % 100:02d}元\r\n#退款合计：0笔，商家实收退款共0.00元\r\n"
        yield gbk(f"#结束\r\n{total}")

    memory, count = psutil.Process(), 0
    early = 0
    for line in read(file()):
        assert isinstance(line, BillLine)
        count += line.amount_fen == 1252
        if count == 100_000:
            early = memory.memory_info().rss
    assert memory.memory_info().rss - early < 16_000_000
    assert count == most
