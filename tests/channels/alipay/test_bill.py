"""Alipay's trade bill: read back exactly, or refused with the line's number."""

import io
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels.alipay.bill import MOST_LINE, read, read_zip
from daozhang.core.bill import BadBill, BillKind, BillLine, Poison

HEAD = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店名称,订单金额（元）,商家实收（元）,退款批次号/请求号,服务费（元）,备注"
PAID = "2025T1\t,A1\t,交易,{},2025-01-01 09:00:00,2025-01-01 09:00:05,店,12.50,12.50,,-0.08,"
BACK = "2025T1\t,A1\t,退款,茶,2025-01-01 10:00:00,2025-01-01 10:00:05,店,-2.50,-2.50,R1,0.02,"


def bill(rows: list[str], pays: int, paid: str, backs: int, back: str) -> bytes:
    lines = ["#支付宝业务明细查询", "#---业务明细列表---", HEAD, *rows, "#---业务明细列表结束---",
             f"#交易合计：{pays}笔，商家实收共{paid}元，商家优惠共0.00元",
             f"#退款合计：{backs}笔，商家实收退款共{back}元，商家优惠退款共0.00元", ""]  # fmt: skip
    return "\r\n".join(lines).encode("gb18030")


GOOD = bill([PAID.format("茶"), BACK], 1, "12.50", 1, "-2.50")
SUMMARY = "门店编号,门店名称,交易订单总笔数,退款订单总笔数,商家实收（元）\n合计,,1,1,10.00\n".encode("gb18030")
LINES = [
    BillLine(4, BillKind.PAY, "A1", "2025T1", "", 1250, 8, 1735693205000, state="交易"),
    BillLine(5, BillKind.REFUND, "A1", "2025T1", "R1", 250, -2, 1735696805000, state="退款"),
]


@given(st.integers(1, 40))
def test_pieces_of_any_size_read_the_same(size: int) -> None:
    assert list(read(GOOD[at : at + size] for at in range(0, len(GOOD), size))) == LINES


def test_commas_in_a_name() -> None:
    assert list(read([bill([PAID.format("茶,大杯,热"), BACK], 1, "12.50", 1, "-2.50")])) == LINES


def test_a_packed_bill_with_chinese_names() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("2088_20250101_业务明细.csv", GOOD)
        made.writestr("2088_20250101_业务明细(汇总).csv", SUMMARY)
    assert list(read_zip(packed)) == LINES


def test_another_packing_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("2088_20250101_业务明细.csv", GOOD)
    with pytest.raises(BadBill, match="packed in a way"):
        list(read_zip(packed))


def test_ten_thousand_lines() -> None:
    rows = [PAID.format("茶").replace("A1", f"A{n}") for n in range(10_000)]
    found = list(read([bill(rows, 10_000, "125000.00", 0, "0.00")]))
    assert [line.order_no for line in found if isinstance(line, BillLine)] == [f"A{n}" for n in range(10_000)]


def test_a_line_that_cannot_be_read_is_kept_with_its_number() -> None:
    found = list(read([bill([PAID.format("茶").replace("12.50,", "12.5x,"), BACK], 1, "12.50", 1, "-2.50")]))
    assert found == [Poison(4, "an amount that is none in yuan"), LINES[1]]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "no line names"),
        (b"\xff\xff\xff\n", "not GBK"),
        (b"a" * (MOST_LINE + 1), "line 1: a line has no end"),
        (GOOD[: len(GOOD) // 2], "cut off"),
        (GOOD.replace("交易合计：1".encode("gb18030"), "交易合计：2".encode("gb18030")), "line 7: the lines do not add"),
        (GOOD.replace("共12.50".encode("gb18030"), "共12.51".encode("gb18030")), "line 7: the lines do not add up"),
    ],
)
def test_a_file_that_cannot_be_believed(file: bytes, why: str) -> None:
    with pytest.raises(BadBill, match=why):
        list(read([file]))


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_nothing_crashes_it(noise: bytes, at: int) -> None:
    _reads_or_refuses(read([GOOD[:at] + noise + GOOD[at:]]))
    _reads_or_refuses(read_zip(io.BytesIO(noise)))


def _reads_or_refuses(lines: Iterator[BillLine | Poison]) -> None:
    try:
        assert all(isinstance(line, BillLine | Poison) for line in lines)
    except BadBill as bad:
        assert bad.why
