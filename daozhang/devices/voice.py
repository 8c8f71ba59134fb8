"""Sentences as sound: pre-rendered clips joined without gaps. A voice pack is a folder of small WAV files.

All clips are mono, 16 bits, 16,000 samples a second. `tools/voice.py` makes the pack that comes with us; a shop may bring
its own folder with the same names.
"""

import array
import io
import sys
import wave
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from daozhang.devices.code_word import WORDS

RATE = 16_000
_OVERLAP = RATE * 25 // 1000  # samples in which one clip fades into the next
PACK = Path(__file__).parent / "voices"

# Clip -> (file name, what the voice says: pinyin with tones, or English).
CLIPS: dict[str, dict[str, tuple[str, str]]] = {
    "zh": {
        "零": ("0", "ling2"), "一": ("1", "yi1"), "二": ("2", "er4"), "三": ("3", "san1"), "四": ("4", "si4"), "五": ("5", "wu3"),
        "六": ("6", "liu4"), "七": ("7", "qi1"), "八": ("8", "ba1"), "九": ("9", "jiu3"), "十": ("10", "shi2"), "百": ("100", "bai3"),
        "千": ("1000", "qian1"), "万": ("10000", "wan4"), "亿": ("100000000", "yi4"), "点": ("point", "dian3"), "元": ("yuan", "yuan2"),
        "点钟": ("o_clock", "dian3"), "分": ("minute", "fen1"), "alipay": ("alipay", "zhi1 fu4 bao3"),
        "wechatpay": ("wechatpay", "wei1 xin4"), "unionpay": ("unionpay", "yun2 shan3 fu4"), "received": ("received", "dao4 zhang4"),
        "late": ("late", "bu3 bao4"), "not_paid": ("not_paid", "mei2 shou1 dao4 qian2"),
        "returned": ("returned", "yi3 che4 xiao1 qian2 tui4 gu4 ke4"), "later": ("later", "zan4 wu2 jie2 guo3 xian1 bie2 chong2 shou1"),
        "payments": ("payments", "bi3"), "in_all": ("in_all", "he2 ji4"),
        "word_whale": ("word_whale", "lan2 jing1"), "word_bamboo": ("word_bamboo", "zhu2 lin2"), "word_lotus": ("word_lotus", "he2 hua1"),
        "word_lantern": ("word_lantern", "deng1 long2"), "word_peach": ("word_peach", "mi4 tao2"),
        "word_rainbow": ("word_rainbow", "cai3 hong2"), "word_panda": ("word_panda", "xiong2 mao1"), "word_kite": ("word_kite", "feng1 zheng1"),
        "word_island": ("word_island", "hai3 dao3"), "word_comet": ("word_comet", "hui4 xing1"), "word_camel": ("word_camel", "luo4 tuo2"),
        "word_violin": ("word_violin", "ti2 qin2"), "word_pepper": ("word_pepper", "la4 jiao1"),
        "word_mountain": ("word_mountain", "xue3 shan1"), "word_sailboat": ("word_sailboat", "fan1 chuan2"),
        "word_chestnut": ("word_chestnut", "ban3 li4"),
    },
    "en": {
        **{word: (word, word) for word in ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "billion", "point", "yuan", "received", "payments"]},
        "alipay": ("alipay", "ally pay"), "wechatpay": ("wechatpay", "wee chat pay"), "unionpay": ("unionpay", "union pay"),
        "late": ("late", "late news"), "not_paid": ("not_paid", "not paid"), "returned": ("returned", "undone, the money goes back"),
        "later": ("later", "no result yet, do not charge again"), "in_all": ("in_all", "in all"),
        **{clip: (clip, english) for clip, (_, english) in WORDS.items()},
    },
}  # fmt: skip


class NoClip(Exception):
    """The voice pack has no such clip, or it is no mono 16-bit WAV of 16 kHz; the text names the file."""


def joined(words: Sequence[str], lang: str, pack: Path = PACK) -> "array.array[int]":
    """Samples of a sentence. Each clip fades into the next, so that there is no gap and no click. Raises NoClip."""
    out: array.array[int] = array.array("h")
    for word in words:
        clip = _clip(word, lang, pack)
        lap = min(_OVERLAP, len(out), len(clip))
        start = len(out) - lap
        for at in range(lap):
            # The weights add up to one, so that the sum of two clips is never louder than the louder of them.
            out[start + at] = (out[start + at] * (lap - at) + clip[at] * at) // lap
        out.extend(clip[lap:])
    return out


@lru_cache(maxsize=256)
def _clip(word: str, lang: str, pack: Path) -> "array.array[int]":
    name = CLIPS.get(lang, {}).get(word)
    if name is None:
        raise NoClip(f"no clip says {word!r} in {lang}")
    path = pack / lang / f"{name[0]}.wav"
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                raise NoClip(f"{path} is not mono, 16 bits, {RATE} Hz")
            samples = array.array("h", file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error) as why:
        raise NoClip(f"{path}: {why}") from None
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def wav(samples: "array.array[int]") -> bytes:
    """The samples as a WAV file."""
    if sys.byteorder == "big":
        samples = array.array("h", samples)
        samples.byteswap()
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return held.getvalue()
