"""One-time codes, secrets and keys of devices."""

import hashlib
import hmac

CODE_LIVES_MS = 15 * 60_000
OLD_SECRET_LIVES_MS = 24 * 3_600_000
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 12


def code_of(random: bytes) -> str:
    """Twelve letters in threes of four, without I, L, O, U: 60 bits that a person can type."""
    number = int.from_bytes(random[:8], "big") >> 4
    letters = "".join(_LETTERS[number >> 5 * place & 31] for place in range(CODE_LENGTH))
    return "-".join(letters[at : at + 4] for at in range(0, CODE_LENGTH, 4))


def plain(code: str) -> str:
    """As typed, to the form that is hashed: capitals, no dashes, the look-alikes read as digits."""
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    return typed.replace("O", "0").replace("I", "1").replace("L", "1")


def sha256(secret: str) -> str:
    """Codes and secrets are long and random: one round of a plain hash is enough at rest."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def matches(secret: bytes, hashes: tuple[str, ...]) -> bool:
    """Compared in constant time with each hash that is still good."""
    given = hashlib.sha256(secret).hexdigest()
    return any([bool(one) and hmac.compare_digest(given, one) for one in hashes])
