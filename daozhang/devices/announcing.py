"""What a speaker is told, and when it is still news.

An announcement is spoken as new at most once. It is new only if it never left us before, is at most a minute old, and
the speaker was there when it happened (or was back before the shop was told in writing). Everything else is caught up
as late ("补报"), with the time of the payment; many at once are caught up in one sentence, so that nobody stands in a
flood of old news while a fresh payment waits.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daozhang.core.fleet import Announcement
from daozhang.core.money import yuan_of_fen
from daozhang.core.texts import rfc3339
from daozhang.devices import numbers
from daozhang.devices.code_word import CodeWord

FRESH_MS = 60_000
SILENT_AFTER_MS = 2_500  # then the next way to tell is tried, so that it has told within three seconds (P7)
LEASE_MS = 10_000
ONE_BY_ONE = 3  # late ones; more are caught up in one sentence
_EIGHT_HOURS_S = 8 * 3600

WALLETS = {
    "alipay": ("支付宝", "Alipay"),
    "wechatpay": ("微信", "WeChat Pay"),
    "unionpay": ("云闪付", "UnionPay"),
}
_SAYS = {
    "paid": ("到账", "received"),
    "returned": ("已撤销,钱退顾客", "undone, the money goes back"),
    "not_paid": ("没收到钱", "not paid"),
    "later": ("暂无结果,先别重收", "no result yet, do not charge again"),
}
KINDS = tuple(_SAYS)

# Why nobody heard it (as the speaker said, or its absence) -> the cause, and what the shop reads.
_SILENT = {
    "muted": ("device.speaker_muted", "云喇叭静音,请看屏幕", "The speaker is muted: look at the screen"),
    "offline": ("device.speaker_offline", "云喇叭离线,请看屏幕", "The speaker is offline: look at the screen"),
    "": ("device.speaker_offline", "云喇叭没有播报,请看屏幕", "The speaker did not speak: look at the screen"),
}


def silence(one: Announcement) -> tuple[str, str, str] | None:
    """Cause and words, in Chinese and English, for an announcement that was not heard in time; None for any other."""
    if one.played_ms or not (one.alarmed_ms or one.why):
        return None
    why = one.why or ("" if one.delivered_ms else "offline")
    return _SILENT.get(why, _SILENT[""])


def is_late(one: Announcement, now_ms: int, connected_ms: int) -> bool:
    """Must it be said as late? ``connected_ms``: since when this connection stands; ``sends`` counts this one."""
    age = now_ms - one.at_ms
    missed = connected_ms > one.at_ms and age > SILENT_AFTER_MS
    return one.sends > 1 or one.alarmed_ms > 0 or age > FRESH_MS or missed


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send now: fresh ones in order, then late ones one by one or as one summary of all."""

    fresh: tuple[Announcement, ...]
    late: tuple[Announcement, ...]
    summed: tuple[Announcement, ...]


def plan(taken: Sequence[Announcement], now_ms: int, connected_ms: int) -> Plan:
    fresh = tuple(one for one in taken if not is_late(one, now_ms, connected_ms))
    late = tuple(one for one in taken if is_late(one, now_ms, connected_ms))
    return Plan(fresh, late, ()) if len(late) <= ONE_BY_ONE else Plan(fresh, (), late)


def summary_id(summed: Sequence[Announcement]) -> str:
    """The same payments make the same summary, so that a repeat of it is known as one."""
    return "sum_" + hashlib.md5(" ".join(sorted(one.id for one in summed)).encode(), usedforsecurity=False).hexdigest()


def clock_words(at_ms: int) -> tuple[int, int]:
    """Hour and minute on the shop's wall (+08:00)."""
    minutes = (at_ms // 1000 + _EIGHT_HOURS_S) // 60 % 1440
    return minutes // 60, minutes % 60


_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
QUIET_VOLUME = 20


def quiet_hours(config: dict[str, Any]) -> tuple[int, int] | None:
    """Minutes of the day from and until; None when none are set, or not such as "22:00-07:00"."""
    found = _QUIET.fullmatch(str(config.get("quiet", "")))
    return (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else None


def volume_now(config: dict[str, Any], now_ms: int) -> int | None:
    """How loud to say it now: softly in the quiet hours (``quiet``: "22:00-07:00" on the shop's wall, ``quiet_volume``), None
    for as always. With 0 the speaker is mute by the shop's own wish; it says so, and the shop reads instead."""
    hours = quiet_hours(config)
    if hours is None:
        return None
    (begin, end), (hour, minute) = hours, clock_words(now_ms)
    now = hour * 60 + minute
    quiet = begin <= now < end if begin <= end else now >= begin or now < end
    wanted = config.get("quiet_volume", QUIET_VOLUME)
    return max(0, min(100, wanted if isinstance(wanted, int) else QUIET_VOLUME)) if quiet else None


def _loudness(config: dict[str, Any], now_ms: int) -> dict[str, int]:
    volume = volume_now(config, now_ms)
    return {} if volume is None else {"volume": volume}


def text_of(kind: str, amount_fen: int, channel: str, at_ms: int, late: bool, only_amount: bool = False) -> dict[str, str]:
    """One sentence in both languages, as the display shows it. ``at_ms`` is said when it is late."""
    hour, minute = clock_words(at_ms)
    zh_wallet, en_wallet = WALLETS.get(channel, ("", ""))
    yuan = yuan_of_fen(amount_fen)
    zh_says, en_says = _SAYS[kind]
    zh = f"{zh_wallet}{zh_says}{yuan}元" if kind == "paid" else f"{yuan}元{zh_says}"
    en = f"{en_wallet} {en_says} {yuan} yuan".strip() if kind == "paid" else f"{yuan} yuan: {en_says}"
    if only_amount and kind == "paid":
        zh, en = f"{yuan}元", f"{yuan} yuan"
    if late:
        zh, en = f"补报,{hour}点{minute:02d}分,{zh}", f"late news, {hour}:{minute:02d}, {en}"
    return {"zh": zh, "en": en}


def words_of(
    kind: str, amount_fen: int, channel: str, at_ms: int, late: bool, lang: str, only_amount: bool = False
) -> list[str]:
    """The same sentence as clip names (see `voice`)."""
    said = numbers.amount(amount_fen, lang)
    if kind == "paid":
        lead = [] if only_amount else [*([channel] if channel in WALLETS else []), "received"]
        said = [*lead, *said]
    else:
        said = [*said, kind]
    if not late:
        return said
    hour, minute = clock_words(at_ms)
    say = numbers.chinese if lang == "zh" else numbers.english
    between = ["点钟"] if lang == "zh" else []
    minutes = ["零" if lang == "zh" else "zero", *say(minute)] if 0 < minute < 10 else say(minute) if minute else []
    ending = (["分"] if minutes else []) if lang == "zh" else []
    return ["late", *say(hour), *between, *minutes, *ending, *said]


def message(one: Announcement, device: str, n: int, now_ms: int, late: bool, config: dict[str, Any]) -> dict[str, Any]:
    """The announcement as the speaker gets it. ``n`` grows with every message to this device."""
    lang = str(config.get("lang", "zh"))
    brief = bool(config.get("only_amount"))
    return {
        "announce_id": one.id,
        "device": device,
        "n": n,
        "kind": one.kind,
        "late": late,
        "amount": one.amount_fen,
        "wallet": one.channel,
        "payment_tail": one.payment[-4:],
        "at": rfc3339(one.at_ms),
        "sent_at": rfc3339(now_ms),
        "expires": rfc3339(now_ms + FRESH_MS if late else one.at_ms + FRESH_MS),
        **_loudness(config, now_ms),
        "text": text_of(one.kind, one.amount_fen, one.channel, one.at_ms, late, brief),
        "clips": words_of(one.kind, one.amount_fen, one.channel, one.at_ms, late, lang, brief),
    }


def summary(summed: Sequence[Announcement], device: str, n: int, now_ms: int, config: dict[str, Any]) -> dict[str, Any]:
    """Many late ones in one sentence: how many, how much, from when to when. Only money that came counts."""
    lang = str(config.get("lang", "zh"))
    paid = [one for one in summed if one.kind == "paid"]
    total = sum(one.amount_fen for one in paid)
    first, last = min(one.at_ms for one in summed), max(one.at_ms for one in summed)
    say = numbers.chinese if lang == "zh" else numbers.english
    yuan = yuan_of_fen(total)
    (h1, m1), (h2, m2) = clock_words(first), clock_words(last)
    zh = f"补报,{h1}点{m1:02d}分到{h2}点{m2:02d}分,共到账{len(paid)}笔,合计{yuan}元"
    en = f"late news, {h1}:{m1:02d} to {h2}:{m2:02d}, {len(paid)} payments received, {yuan} yuan in all"
    return {
        "announce_id": summary_id(summed),
        "device": device,
        "n": n,
        "kind": "summary",
        "late": True,
        "amount": total,
        "count": len(paid),
        "at": rfc3339(first),
        "until": rfc3339(last),
        "sent_at": rfc3339(now_ms),
        "expires": rfc3339(now_ms + FRESH_MS),
        **_loudness(config, now_ms),
        "text": {"zh": zh, "en": en},
        "clips": ["late", "received", *say(len(paid)), "payments", "in_all", *numbers.amount(total, lang)],
        "items": [[rfc3339(one.at_ms), one.kind, one.amount_fen] for one in summed[-20:]],
    }


def text_with_word(text: dict[str, str], word: dict[str, str]) -> dict[str, str]:
    """A sentence and the word of the day, as one."""
    return {"zh": f"{text['zh']},{word['zh']}", "en": f"{text['en']}, {word['en']}"}


def with_word(table: dict[str, Any], word: CodeWord) -> dict[str, Any]:
    """The announcement with the word of the day at its end: shown, spoken, and by itself for a display."""
    return {**table, "text": text_with_word(table["text"], word.text), "clips": [*table["clips"], word.clip], "code_word": {"date": word.date, **word.text}}


# -- signing ---------------------------------------------------------------------------------------------------------------

_SIG = b',"sig":"'


def signed(table: dict[str, Any], key: str) -> bytes:
    """JSON whose last member is the signature over every byte before it: a small device needs no JSON rules for it."""
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    return text + _SIG + _mac(text, key).encode() + b'"}'


def verified(payload: bytes, key: str) -> dict[str, Any] | None:
    """The table when the signature holds; None for anything else. The device's side, and our tests'."""
    text, found, tail = payload.rpartition(_SIG)
    if not found or not hmac.compare_digest(tail, _mac(text, key).encode() + b'"}'):
        return None
    try:
        table = json.loads(text + b"}")
    except ValueError:
        return None
    return table if isinstance(table, dict) else None


def _mac(text: bytes, key: str) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
