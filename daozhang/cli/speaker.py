"""Speakers: the sound of an announcement, and what was said."""

from pathlib import Path

import click

from daozhang.cli.device import command_and_wait, one_device
from daozhang.cli.link import Link
from daozhang.cli.say import Oops, Talk, verb, yuan
from daozhang.core.money import fen_of_yuan
from daozhang.core.texts import ms_of_rfc3339
from daozhang.devices import announcing
from daozhang.devices.code_word import WORDS
from daozhang.devices.voice import PACK, RATE, NoClip, joined, wav


@click.group()
def speaker() -> None:
    """云喇叭:试听、播报记录 / speakers: sounds, what was said"""


@speaker.command("wav")
@click.option("--amount", required=True, help="金额,元 / amount in yuan")
@click.option("--wallet", default="alipay", help="钱包:alipay、wechat、unionpay / wallet")
@click.option("--kind", type=click.Choice(["paid", "not_paid", "returned", "later"]), default="paid", help="结论 / verdict")
@click.option("--late", "late_at", default="", help="补报:原时间,RFC 3339 / as late: the original time")
@click.option("--voice", "voice_lang", type=click.Choice(["zh", "en"]), default=None, help="语音,默认同 --lang / voice, default --lang")
@click.option("--word", default="", help="接着说暗号:today 或如 蓝鲸 / the word of the day after it: today, or such as \"blue whale\"")
@click.option("--store", default="", help="--word today 的门店,默认演示店 / store of --word today, default the demo's")
@click.option("--pack", type=click.Path(path_type=Path), default=PACK, help="语音包目录 / folder of a voice pack")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="输出文件 / file to write")
@verb
def wav_(talk: Talk, amount: str, wallet: str, kind: str, late_at: str, voice_lang: str | None, word: str, store: str, pack: Path,
         out: Path) -> None:  # fmt: skip
    """一条播报的声音文件 / an announcement as a sound file"""
    lang = voice_lang or talk.lang
    wallet = _wallet(wallet)
    clip = _word(talk, word, store) if word else ""
    try:
        fen = fen_of_yuan(amount)
        at_ms = ms_of_rfc3339(late_at) if late_at else 0
        if fen < 1:
            raise ValueError("an amount is at least 0.01")
    except ValueError as wrong:
        raise Oops(f"金额或时间不对({wrong}):如 --amount 12.50", f"amount or time: {wrong}, such as --amount 12.50", code=2) from None
    try:
        words = [*announcing.words_of(kind, fen, wallet, at_ms, bool(late_at), lang), *([clip] if clip else [])]
        samples = joined(words, lang, pack)
        out.write_bytes(wav(samples))
    except NoClip as missing:
        raise Oops(f"语音包不完整:{missing}", f"the voice pack is not whole: {missing}") from None
    except OSError as why:
        raise Oops(f"写不了 {out}:{why.strerror}", f"{out} cannot be written: {why.strerror}") from None
    text = announcing.text_of(kind, fen, wallet, at_ms, bool(late_at))
    if clip:
        text = announcing.text_with_word(text, dict(zip(("zh", "en"), WORDS[clip], strict=True)))
    seconds = round(len(samples) / RATE, 2)
    talk.document({"file": str(out), "seconds": seconds, "text": text})
    talk.show(f"{out}  {seconds} s  {text[lang]}")


def _wallet(name: str) -> str:
    """The wallet by its channel's name, or by the name that people use."""
    from daozhang.channels.shelf import Shelf

    channel = Shelf.look().get(name)
    found = name if name in announcing.WALLETS else channel.name if channel is not None else ""
    if found not in announcing.WALLETS:
        known = "、".join(announcing.WALLETS)
        raise Oops(f"没有 {name} 的声音:有 {known}", f"no clip says {name}: there are {', '.join(announcing.WALLETS)}", code=2)
    return found


def _word(talk: Talk, word: str, store: str) -> str:
    """The clip of today's word of a store, or of the one that is named in Chinese or in English."""
    if word == "today":
        link = Link(talk.data)
        word = link.must("GET", f"/stores/{store or link.state.get('store', '')}/code_word")["word"]["zh"]
    found = next((clip for clip, (zh, en) in WORDS.items() if word.casefold() in (zh, en)), None)
    if found is None:
        raise Oops(f"没有 {word} 的声音:today 或 {'、'.join(zh for zh, _ in WORDS.values())}",
                   f"no clip says {word}: today, or {', '.join(en for _, en in WORDS.values())}", code=2)  # fmt: skip
    return found


@speaker.command("test")
@click.argument("device")
@click.option("--wait", default=10.0, help="等结果的秒数 / seconds to wait for the outcome")
@verb
def test(talk: Talk, device: str, wait: float) -> None:
    """让云喇叭自检并回报(10 未完成)/ a self-test with its outcome (exit 10: not done)"""
    command_and_wait(talk, device, "self_test", {}, wait)


@speaker.command("log")
@click.argument("device")
@verb
def log(talk: Talk, device: str) -> None:
    """播报记录 / what a speaker was told"""
    link = Link(talk.data)
    told = link.must("GET", f"/speakers/{one_device(link, device)}/announcements?limit=100")
    talk.document(told)
    for one in told["data"]:
        late = talk.pick(" 补报", " late") if one["late"] else ""
        silent = talk.word(one["says"])
        talk.show(f"{one['event_at'][:19]}  {yuan(one['amount'])}  {one['state']}{late}  {silent}  {one['payment']}")


@speaker.command("word")
@click.option("--store", default="", help="门店,默认演示店 / store, default the demo's")
@verb
def word(talk: Talk, store: str) -> None:
    """今日暗号 / the word of the day that follows an announcement"""
    link = Link(talk.data)
    told = link.must("GET", f"/stores/{store or link.state.get('store', '')}/code_word")
    talk.document(told)
    talk.show(f"{told['date']}  {talk.word(told['word'])}")
