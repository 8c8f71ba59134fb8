"""The word of the day: spoken after an announcement, so that a played-back or faked voice is known by the missing word.

Who has no secret of the merchant's cannot work out the next one. It is a help for the ear, no proof: whoever was in the
shop today has heard today's, and one guess in sixteen is right. The proof is the screen.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_BEIJING = timedelta(hours=8)

# Clip -> what is shown, in Chinese and English. Easy to say, far from any amount, wallet or verdict. Their order is part of
# the derivation: a change of it changes the word of the day that runs.
WORDS = {
    "word_whale": ("蓝鲸", "blue whale"), "word_bamboo": ("竹林", "bamboo"), "word_lotus": ("荷花", "lotus"),
    "word_lantern": ("灯笼", "lantern"), "word_peach": ("蜜桃", "peach"), "word_rainbow": ("彩虹", "rainbow"),
    "word_panda": ("熊猫", "panda"), "word_kite": ("风筝", "kite"), "word_island": ("海岛", "island"),
    "word_comet": ("彗星", "comet"), "word_camel": ("骆驼", "camel"), "word_violin": ("提琴", "violin"),
    "word_pepper": ("辣椒", "pepper"), "word_mountain": ("雪山", "snowy mountain"), "word_sailboat": ("帆船", "sailboat"),
    "word_chestnut": ("板栗", "chestnut"),
}  # fmt: skip
_CLIPS = tuple(WORDS)


@dataclass(frozen=True, slots=True)
class CodeWord:
    """One shop's word of one day; ``clip`` is the sound that says it."""

    date: str
    clip: str
    until_ms: int

    @property
    def text(self) -> dict[str, str]:
        zh, en = WORDS[self.clip]
        return {"zh": zh, "en": en}


WordOf = Callable[[str, str, int], CodeWord]  # (merchant, store, now) -> today's


def purpose(merchant: str) -> str:
    """What the merchant's secret is derived for, from the key that seals."""
    return f"code word of {merchant}"


def code_word(secret: bytes, store: str, now_ms: int) -> CodeWord:
    """The store's word at this moment; a day is one of the shop's wall (+08:00)."""
    wall = datetime.fromtimestamp(now_ms / 1000, UTC) + _BEIJING
    date = wall.date().isoformat()
    digest = hmac.digest(secret, f"{store} {date}".encode(), hashlib.sha256)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - _BEIJING
    return CodeWord(date, _CLIPS[int.from_bytes(digest[:8], "big") % len(_CLIPS)], int(midnight.timestamp()) * 1000)


def words_from(derived: Callable[[str], bytes]) -> WordOf:
    """The words of every store, where ``derived`` makes a secret for a purpose."""
    return lambda merchant, store, now_ms: code_word(derived(purpose(merchant)), store, now_ms)
