"""What the channel and the platform keep of a payment. The rate is snapshot when the capture is proven."""

from daozhang.core.must import must

RATE_UNIT = 100_000  # 0.38 % is 380 of 100,000


def fee_fen(amount_fen: int, rate: int) -> int:
    """The fee in fen, rounded half up; ``rate`` in parts of 100,000 (0.38 % is 380)."""
    must(0 <= rate <= RATE_UNIT, "a fee rate is between 0 and 100 %")
    must(amount_fen >= 0, "a fee is taken from a received amount")
    return (2 * amount_fen * rate + RATE_UNIT) // (2 * RATE_UNIT)
