"""Money is an integer number of fen. Yuan texts exist only at the edge and are read exactly."""

import re

from daozhang.core.must import must

# Alipay takes 0.01 to 100,000,000 yuan (dossier 1.2); the narrowest channel decides later.
LEAST_FEN = 1
MOST_FEN = 10_000_000_000

_YUAN = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?", re.ASCII)


def fen_of_yuan(text: str) -> int:
    """Read ``"12.5"`` or ``"12.50"`` as 1250 fen.

    Raises ValueError for anything else: signs, exponents, full-width digits, a third decimal, spaces.
    """
    found = _YUAN.fullmatch(text)
    if found is None:
        raise ValueError("an amount in yuan has digits, and at most one point with one or two digits after it")
    whole, cents = found.groups()
    return int(whole) * 100 + int((cents or "0").ljust(2, "0"))


def yuan_of_fen(fen: int) -> str:
    """Write 1250 as ``"12.50"``, always with two decimals."""
    must(isinstance(fen, int) and not isinstance(fen, bool), "money is an integer")
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def share(total: int, part: int, whole: int) -> int:
    """The share of ``total`` that belongs to ``part`` of ``whole``, rounded half up.

    Used cumulatively (share so far minus share before), so that the parts add up to the total exactly.
    """
    must(whole > 0 and 0 <= part <= whole and total >= 0, "a share is of a positive whole")
    return (2 * total * part + whole) // (2 * whole)
