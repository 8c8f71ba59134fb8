"""Every wrong code has its name, before any call, in both languages, with what to do."""

import re

import pytest

from daozhang.channels.shelf import Shelf
from daozhang.core.scanned import WORDS, Mistake, has_check_digit, name_mistake
from daozhang.flow.code_watch import DEAD_AFTER_MS, CodeWatch

SHELF = Shelf.look()
TABLE = {
    Mistake.GOODS_BARCODE: [
        "6901234567892", "96385074", "036000291452", "9787111128069", "16901234567899",
        "2812345678909", "1312345678905",  # a shop's own label and a foreign one, which begin as payment codes do
    ],
    Mistake.OWN_RECEIPT: ["DZ01JD8000000000000000000000", "pay_01JD8000000000000000000000", "rfd_01JD8000000000000000000000",
                          "https://pay.example/p/01JD8000000000000000000000" + "A2" * 13],
    Mistake.DEVICE_SERIAL: ["SN-0A1B2C3D4E5F", "SN:12345678", "dev_01JD8000000000000000000000"],
    Mistake.MONEY_TRANSFER: ["wxp://f2f0abcDEF", "WXP://F2F0", "https://qr.alipay.com/fkx12345", "HTTPS://QR.ALIPAY.COM/TSX123", "alipays://platformapi/startapp"],
    Mistake.SHOPS_QR: ["https://qr.alipay.com/bax0123abc", "weixin://wxpay/bizpayurl?pr=abc", "https://qr.95516.com/00010000/62"],
    Mistake.LINK: ["https://example.com/x", "http://a.cn", "HTTPS://A.CN/B", "www.example.com", "https://u.wechat.com/abc", "https://pay.example/p/01JD8000000000000000000000"],
    Mistake.DIGITAL_YUAN: ["0112345678901234567"],
    Mistake.CUT_CODE: ["28123456789", "1312345678901234", "13123456789012345678", "621234567890123456789", "2812345678900"],
    Mistake.UNKNOWN_CODE: ["", "28", "9" * 18, "２８" * 9, "hello", "28" + "x" * 16, "6901234567890", "SN", "DZ01", "0" * 300],
}  # fmt: skip


@pytest.mark.parametrize(("mistake", "text"), [(mistake, text) for mistake, texts in TABLE.items() for text in texts])
def test_each_wrong_code_has_its_name(mistake: Mistake, text: str) -> None:
    assert SHELF.for_code(text) is None
    assert name_mistake(text, SHELF.names(text), SHELF.code_prefixes()) is mistake


def test_a_payment_code_is_never_a_mistake() -> None:
    for code, channel in (("28" + "1" * 16, "alipay"), ("25" + "1" * 22, "alipay"), ("fp" + "a1" * 17 + "b", "alipay"),
                          ("13" + "1" * 16, "wechatpay"), ("62" + "1" * 17, "unionpay")):  # fmt: skip
        found = SHELF.for_code(code)
        assert found is not None and found.name == channel


def test_every_mistake_is_said_in_both_languages_with_what_to_do() -> None:
    assert set(WORDS) == set(Mistake)
    for words in WORDS.values():
        assert re.search("[\u4e00-\u9fff]", words.zh) and re.search("[\u4e00-\u9fff]", words.step_zh)
        assert words.en and words.step_en and not re.search("[\u4e00-\u9fff]", words.en + words.step_en)
    assert len({words.zh for words in WORDS.values()}) == len(WORDS)


def test_the_manifests_use_only_words_that_exist() -> None:
    for channel in SHELF:
        for rule in channel.manifest.get("not_codes", ()):
            assert rule["is"] in set(Mistake) and all(start == start.lower() for start in rule["starts"])


def test_check_digits() -> None:
    assert has_check_digit("6901234567892") and has_check_digit("96385074")
    wrong = [f"690123456789{last}" for last in "013456789"]
    assert not any(has_check_digit(code) for code in wrong)


def test_a_code_shown_again_minutes_later_for_another_sale_is_old() -> None:
    watch = CodeWatch(b"k" * 32)
    code = "28" + "1" * 16
    assert not watch.is_old(code, "mer A-1", 0)
    assert not watch.is_old(code, "mer A-2", DEAD_AFTER_MS - 1), "the channel decides while it may be alive"
    assert watch.is_old(code, "mer A-2", DEAD_AFTER_MS)
    assert not watch.is_old(code, "mer A-1", DEAD_AFTER_MS), "a repeat of the same request"
    assert not watch.is_old(code, "mer A-3", 31 * 60_000), "half an hour later nothing is remembered"
    assert code not in repr(vars(watch))


def test_the_memory_of_codes_is_bounded() -> None:
    watch = CodeWatch(b"k" * 32)
    for number in range(50_100):
        watch.is_old(f"28{number:016d}", "mer A", number)
    assert len(watch._first) == 50_000
