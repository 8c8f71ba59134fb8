"""Money is exact, ids find their shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.core import ids
from daozhang.core.fees import fee_fen
from daozhang.core.money import fen_of_yuan, share, yuan_of_fen
from daozhang.core.must import Broken


@given(st.integers(0, 99_999_999_999))
def test_fen_survive_the_way_through_yuan(fen: int) -> None:
    assert fen_of_yuan(yuan_of_fen(fen)) == fen


@pytest.mark.parametrize(
    "text",
    ["", ".5", "1.", "1.005", "1e2", "-0.01", "+1", "０．０１", "1,000", " 1", "1 ", "0x1", "NaN", "00.1", "1.2.3"],
)
def test_an_amount_that_is_not_exact_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="yuan"):
        fen_of_yuan(text)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_cumulative_shares_add_up_to_the_whole(total: int, parts: list[int]) -> None:
    whole = sum(parts)
    if not whole:
        return
    given_out, so_far = 0, 0
    for part in parts:
        before, so_far = so_far, so_far + part
        given_out += share(total, so_far, whole) - share(total, before, whole)
    assert given_out == total


@given(st.integers(0, 10**10), st.integers(0, 100_000))
def test_a_fee_is_rounded_half_up_and_never_above_the_amount(amount: int, rate: int) -> None:
    fee = fee_fen(amount, rate)
    assert 0 <= fee <= amount
    assert abs(fee * 100_000 - amount * rate) <= 50_000


def test_a_fee_needs_a_rate_in_range() -> None:
    with pytest.raises(Broken):
        fee_fen(100, 100_001)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=9, max_size=9), st.integers(0, 255))
def test_a_ulid_carries_its_bucket(at_ms: int, random: bytes, bucket: int) -> None:
    made = ids.ulid(at_ms, random, bucket)
    assert ids.is_ulid(made)
    assert ids.bucket_of_ulid(made) == bucket
    assert ids.payment_of(ids.out_trade_no(f"pay_{made}")) == f"pay_{made}"
    assert len(ids.out_trade_no(f"pay_{made}")) == 28


@given(st.integers(0, 2**47), st.binary(min_size=9, max_size=9), st.binary(min_size=9, max_size=9))
def test_ulids_sort_by_time(at_ms: int, one: bytes, two: bytes) -> None:
    assert ids.ulid(at_ms, one, 255) < ids.ulid(at_ms + 1, two, 0)


@pytest.mark.parametrize(
    "text", ["", "DZ", "DZ123", "XX01JD8000000000000000000000", "DZ01JD800000000000000000000I", "DZ" + "Z" * 26]
)
def test_a_foreign_number_is_nobody(text: str) -> None:
    assert ids.payment_of(text) is None


@pytest.mark.parametrize("text", ["pay", "pay_", "rfd_01JD8000000000000000000000", "pay_01JD800000000000000000000U"])
def test_a_broken_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        ids.split(text, "pay")
