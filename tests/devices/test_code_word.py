"""The word of the day: the same all day, another for another shop, not to be worked out without the secret."""

from collections import Counter

from daozhang.core.fleet import Announcement
from daozhang.core.texts import ms_of_rfc3339
from daozhang.devices import announcing
from daozhang.devices.code_word import WORDS, code_word, words_from
from daozhang.store.seal import Seal

SECRET = b"s" * 32
DAY_MS = 86_400_000
MIDNIGHT = ms_of_rfc3339("2026-11-28T00:00:00+08:00")


def test_a_day_is_one_of_the_shops_wall() -> None:
    first, last = code_word(SECRET, "sto_1", MIDNIGHT), code_word(SECRET, "sto_1", MIDNIGHT + DAY_MS - 1)
    assert first == last and first.date == "2026-11-28" and first.until_ms == MIDNIGHT + DAY_MS
    assert code_word(SECRET, "sto_1", MIDNIGHT - 1).date == "2026-11-27"


def test_days_shops_and_secrets_have_words_of_their_own() -> None:
    def year(secret: bytes, store: str) -> list[str]:
        return [code_word(secret, store, MIDNIGHT + day * DAY_MS).clip for day in range(365)]

    ours = year(SECRET, "sto_1")
    assert set(ours) == set(WORDS) and max(Counter(ours).values()) < 365 / len(WORDS) * 2
    for others in (year(SECRET, "sto_2"), year(b"x" * 32, "sto_1")):
        assert sum(one == other for one, other in zip(ours, others, strict=True)) < 365 / len(WORDS) * 2


def test_each_merchant_has_a_secret_of_its_own_and_every_process_the_same() -> None:
    seal = Seal(b"k" * 32)
    here, there = words_from(seal.derived), words_from(Seal(b"k" * 32).derived)
    days = range(MIDNIGHT, MIDNIGHT + 60 * DAY_MS, DAY_MS)
    assert [here("mer_1", "sto_1", at) for at in days] == [there("mer_1", "sto_1", at) for at in days]
    assert [here("mer_1", "sto_1", at) for at in days] != [here("mer_2", "sto_1", at) for at in days]
    assert seal.derived("a") != seal.derived("b") != Seal(b"x" * 32).derived("b") and len(seal.derived("a")) == 32


def test_it_stands_at_the_end_and_under_the_signature() -> None:
    one = Announcement("ann_" + "0" * 32, 1, "mer_1", "dev_1", "pay_1ABC", "paid", 1250, "alipay", MIDNIGHT, sends=1)
    word = code_word(SECRET, "sto_1", MIDNIGHT)
    table = announcing.with_word(announcing.message(one, "dev_1", 7, MIDNIGHT, False, {}), word)
    zh, en = WORDS[word.clip]
    assert table["text"] == {"zh": f"支付宝到账12.50元,{zh}", "en": f"Alipay received 12.50 yuan, {en}"} and table["clips"][-1] == word.clip
    payload = announcing.signed(table, "key")
    read = announcing.verified(payload, "key")
    assert read is not None and read["code_word"] == {"date": "2026-11-28", "zh": zh, "en": en}
    assert announcing.verified(payload.replace(en.encode(), b"dragon"), "key") is None
