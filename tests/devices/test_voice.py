"""Sentences as sound: no gaps, no clipping, every clip there, in both languages."""

import array
import json
import wave
from pathlib import Path

import pytest

from daozhang.devices.announcing import words_of
from daozhang.devices.code_word import WORDS
from daozhang.devices.voice import CLIPS, PACK, RATE, NoClip, joined
from tests.conftest import System

WINDOW = RATE // 200  # 5 ms
MOST_GAP_MS = 60


def longest_gap_ms(samples: "array.array[int]") -> int:
    """The longest stretch in which nothing is louder than two hundredths of the sentence's peak."""
    floor = max(map(abs, samples)) * 0.02
    longest = run = 0
    for start in range(0, len(samples) - WINDOW, WINDOW):
        run = 0 if max(map(abs, samples[start : start + WINDOW])) > floor else run + 5
        longest = max(longest, run)
    return longest


SENTENCES = [(fen, wallet, lang, late) for fen in (1250, 1, 100_000, 987_654_321) for wallet in ("alipay", "wechatpay", "unionpay")
             for lang in ("zh", "en") for late in (False, True)]  # fmt: skip


@pytest.mark.parametrize(("fen", "wallet", "lang", "late"), SENTENCES)
def test_no_gap_and_no_clipping(fen: int, wallet: str, lang: str, late: bool) -> None:
    samples = joined(words_of("paid", fen, wallet, 1_795_401_698_000, late, lang), lang)
    assert longest_gap_ms(samples) <= MOST_GAP_MS and 8_000 < max(map(abs, samples)) < 32_700
    assert RATE < len(samples) < 15 * RATE


@pytest.mark.parametrize("kind", ["not_paid", "returned", "later"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_verdict_has_a_sound(kind: str, lang: str) -> None:
    assert len(joined(words_of(kind, 300, "alipay", 0, False, lang), lang)) > RATE


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_day_follows_without_a_gap(word: str, lang: str) -> None:
    samples = joined([*words_of("paid", 1250, "alipay", 0, False, lang), word], lang)
    assert longest_gap_ms(samples) <= MOST_GAP_MS and max(map(abs, samples)) < 32_700


def test_the_pack_is_whole_small_and_has_nothing_else() -> None:
    files = {str(path.relative_to(PACK)) for path in PACK.rglob("*.wav")}
    assert files == {f"{lang}/{name}.wav" for lang, clips in CLIPS.items() for name, _ in clips.values()}
    assert sum(path.stat().st_size for path in PACK.rglob("*.wav")) < 2_000_000


def test_a_missing_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoClip, match=r"received\.wav"):
        joined(["received"], "zh", tmp_path)
    with pytest.raises(NoClip, match="hello"):
        joined(["hello"], "en")


def test_one_command_writes_the_file(tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    nobody = System(tmp_path / "none", 1)
    code, told, _ = nobody.cli("speaker", "wav", "--amount", "12.50", "--wallet", "alipay", "--lang", "zh", "-o", str(out), "--json")
    assert code == 0 and json.loads(told)["text"]["zh"] == "支付宝到账12.50元"
    with wave.open(str(out)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert abs(file.getnframes() / RATE - json.loads(told)["seconds"]) < 0.01
    code, told, _ = nobody.cli("speaker", "wav", "--amount", "3", "--wallet", "wechat", "-o", str(out), "--json")
    assert code == 0 and json.loads(told)["text"]["en"] == "WeChat Pay received 3.00 yuan"
    assert nobody.cli("speaker", "wav", "--amount", "3", "--wallet", "cash", "-o", str(out))[0] == 2
    code, _, says = nobody.cli("speaker", "wav", "--amount", "0", "-o", str(out))
    assert code == 2 and "12.50" in says and "Traceback" not in says


@pytest.mark.parametrize(("lang", "word", "sentence"), [("zh", "蓝鲸", "支付宝到账12.50元,蓝鲸"), ("en", "Blue whale", "Alipay received 12.50 yuan, blue whale")])
def test_the_file_ends_with_the_word_that_was_asked_for(tmp_path: Path, lang: str, word: str, sentence: str) -> None:
    nobody, out = System(tmp_path / "none", 1), tmp_path / "a.wav"
    code, told, _ = nobody.cli("speaker", "wav", "--amount", "12.50", "--lang", lang, "--word", word, "-o", str(out), "--json")
    assert code == 0 and json.loads(told)["text"][lang] == sentence
    with wave.open(str(out)) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    assert longest_gap_ms(samples) <= MOST_GAP_MS and max(map(abs, samples)) < 32_700
    plain = joined(words_of("paid", 1250, "alipay", 0, False, lang), lang)
    assert samples[: len(plain) - RATE // 20] == plain[: len(plain) - RATE // 20] and len(samples) > len(plain) + RATE // 5


def test_a_word_that_nobody_says_is_refused_with_the_list(tmp_path: Path) -> None:
    code, _, says = System(tmp_path / "none", 1).cli("speaker", "wav", "--amount", "1", "--word", "coffee", "-o", str(tmp_path / "a.wav"), "--lang", "en")
    assert code == 2 and "blue whale" in says and not (tmp_path / "a.wav").exists()
