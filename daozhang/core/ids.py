"""Ids that find their own shard: prefix + ULID whose first eight random bits are the merchant's bucket.

The bucket is crc32 of the merchant id, modulo 256, so that a notify with nothing but our order number
leads to the right rows without asking every shard (2-house section 4).
"""

import re
import zlib

from daozhang.core.must import must

BUCKETS = 256
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {letter: at for at, letter in enumerate(_ALPHABET)}
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_IN_PYTHON = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_ULID = re.compile(f"[0-7][{_ALPHABET}]{{25}}")
ULID_LENGTH = 26


def bucket_of_merchant(merchant: str) -> int:
    """0 to 255, the same for ever for one merchant id."""
    return zlib.crc32(merchant.encode()) % BUCKETS


def ulid(at_ms: int, random: bytes, bucket: int) -> str:
    """26 letters and digits: 48 bits of time, 8 bits of bucket, 72 random bits (9 bytes)."""
    must(len(random) == 9 and 0 <= bucket < BUCKETS and 0 <= at_ms < 1 << 48, "a ULID has 48 + 8 + 72 bits")
    return ulid_of((at_ms << 80) | (bucket << 72) | int.from_bytes(random, "big"))


def ulid_of(number: int) -> str:
    """The ULID of 128 bits."""
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def hex_of_ulid(text: str) -> str:
    """A ULID's 128 bits as 32 digits of base 16, in the same order. Raises ValueError when the text is none."""
    if not is_ulid(text):
        raise ValueError("not a ULID")
    return f"{int(text.translate(_IN_PYTHON), 32):032x}"


def is_ulid(text: str) -> bool:
    """True for 26 characters of Crockford's alphabet that fit into 128 bits."""
    return _ULID.fullmatch(text) is not None


def bucket_of_ulid(text: str) -> int:
    """The bucket inside a ULID. Raises ValueError when the text is none."""
    if not is_ulid(text):
        raise ValueError("not a ULID")
    return _VALUE[text[10]] << 3 | _VALUE[text[11]] >> 2


def split(ident: str, prefix: str) -> str:
    """The ULID of ``pay_01J...``. Raises ValueError for another prefix or a broken ULID."""
    head, line, tail = ident.partition("_")
    if head != prefix or not line or not is_ulid(tail):
        raise ValueError(f"an id of this kind looks like {prefix}_ and 26 letters and digits")
    return tail


def out_trade_no(payment: str) -> str:
    """Our order number at the channel: DZ and the payment's ULID, 28 letters and digits."""
    return "DZ" + split(payment, "pay")


def payment_of(order_no: str) -> str | None:
    """The payment id behind one of our order numbers; None when it is not one of ours."""
    return "pay_" + order_no[2:] if order_no[:2] == "DZ" and is_ulid(order_no[2:]) else None


def out_request_no(refund: str) -> str:
    """Our refund number at the channel: DR and the refund's ULID."""
    return "DR" + split(refund, "rfd")


def refund_of(request_no: str) -> str | None:
    """The refund id behind one of our refund numbers; None when it is not one of ours."""
    return "rfd_" + request_no[2:] if request_no[:2] == "DR" and is_ulid(request_no[2:]) else None
