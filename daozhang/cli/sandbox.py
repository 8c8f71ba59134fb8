"""The sandbox: payers, books, faults, and the clock."""

import re
import sys
from typing import Any
from urllib.parse import quote

import click

from daozhang.cli.link import Link, Sandbox
from daozhang.cli.say import NOT_READY, Oops, Talk, verb
from daozhang.sandbox import staged, staged_devices

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """``30s``, ``5m``, ``1h``, ``1d``. Raises Oops."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not found:
        raise Oops(f"{text} 不是时长:写成 30s、5m、1h、1d", f"{text} is no span: write 30s, 5m, 1h or 1d", code=2)
    return float(found[1]) * _UNITS[found[2]]


@click.group()
def sandbox() -> None:
    """沙箱:付款人、账本、凭据 / payers, books, credentials"""


@sandbox.command("up")
@click.option("--base-port", type=int, default=7800)
@verb
def sandbox_up(talk: Talk, base_port: int) -> None:
    """只启动沙箱 / the twins alone"""
    import asyncio

    from daozhang.sandbox.main import run

    try:
        asyncio.run(run(talk.data, base_port))
    except OSError as why:
        raise Oops(f"沙箱没有启动:{why.strerror or why}。换一个 --base-port,或先停掉占用端口的程序",
                   f"the sandbox did not start: {why.strerror or why}. Take another --base-port, or end what holds the ports") from None  # fmt: skip


@sandbox.command("page")
@verb
def sandbox_page(talk: Talk) -> None:
    """账本和付款人手机的网页 / the page with the books and a payer's phone"""
    import webbrowser

    url = Sandbox(talk.data).page
    talk.document({"url": url})
    talk.show(url)
    if not talk.json:
        webbrowser.open(url)


@sandbox.command()
@verb
def credentials(talk: Talk) -> None:
    """任何 SDK 需要的凭据 / what any SDK needs"""
    told = Sandbox(talk.data).call("GET", "/credentials")
    talk.document(told)
    for channel, values in told.items():
        talk.show(channel)
        for name, value in values.items():
            talk.show(f"  {name}: {value}")


@sandbox.command()
@click.option("--wallet", "--channel", "wallet", default="alipay")
@click.option("--behaviour", default="pays")
@verb
def code(talk: Talk, wallet: str, behaviour: str) -> None:
    """一个付款码 / a payment code"""
    told = Sandbox(talk.data).call("POST", "/code", {"wallet": wallet, "behaviour": behaviour})
    talk.document(told)
    talk.show(told["code"])


@sandbox.command()
@verb
def behaviours(talk: Talk) -> None:
    """付款人会怎么做 / what payers can do"""
    told = Sandbox(talk.data).call("GET", "/behaviours")
    talk.document(told)
    for channel, rows in told.items():
        for row in rows:
            talk.show(f"{channel}  {row['name']:20} {talk.word(row)}")


@sandbox.command()
@click.argument("qr")
@click.option("--behaviour", default="pays")
@click.option("--wallet", "--channel", "wallet", default="alipay")
@verb
def scan(talk: Talk, qr: str, behaviour: str, wallet: str) -> None:
    """像付款人一样扫码 / scan a QR as a payer would"""
    told = Sandbox(talk.data).call("POST", "/scan", {"qr": qr, "behaviour": behaviour, "wallet": wallet})
    talk.document(told)
    talk.show(f"{told['out_trade_no']}  {told['state']}")


@sandbox.command()
@click.option("--channel", "--wallet", "channel", default="alipay")
@verb
def books(talk: Talk, channel: str) -> None:
    """渠道自己的账本 / the channel's own books"""
    told = Sandbox(talk.data).call("GET", f"/books?channel={quote(channel)}")
    talk.document(told)
    for row in told["orders"]:
        talk.show(
            f"{row['out_trade_no']}  {row['amount_fen']:>8}  +{row['captured_fen']} -{row['returned_fen']}  {row['state']}"
        )


@click.group()
def chaos() -> None:
    """故障(只在沙箱)/ faults, in the sandbox only"""


@chaos.command("channel")
@click.argument("name", required=False)
@click.option("--channel", "--wallet", "channel", default="alipay", help="alipay wechat unionpay")
@click.option("--mode", required=True)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="占比 / share of requests")
@click.option("--for", "span", default=None, help="多久,如 30s / how long, such as 30s")
@click.option("--op", default="", help="pay query cancel close refund notify")
@click.option("--order", default="", help="只对这个单号 / only this out_trade_no")
@verb
def chaos_channel(talk: Talk, name: str | None, channel: str, mode: str, share: float, span: str | None, op: str, order: str) -> None:
    """让渠道出故障 / make a channel fail"""
    body = {
        "channel": name or channel,
        "mode": mode,
        "share": share,
        "for_s": seconds(span) if span else 0,
        "op": op,
        "order": order,
    }
    told = Sandbox(talk.data).call("POST", "/chaos", body)
    talk.document(told)
    talk.show(talk.pick("故障已打开:", "on: ") + ", ".join(row["mode"] for row in told["on"]))


@chaos.command("list")
@click.option("--channel", "--wallet", "channel", default="alipay")
@verb
def chaos_list(talk: Talk, channel: str) -> None:
    """有哪些故障 / all faults"""
    told = Sandbox(talk.data).call("GET", f"/chaos?channel={quote(channel)}")
    name = "wechatpay" if channel == "wechat" else channel
    for row in told["modes"]:
        row["faults"] = staged.of_mode(row["name"])
    faults = [{"fault": one.number, "zh": one.zh, "en": one.en, "command": one.command(name), "payment": one.payment(name)}
              for one in staged.STAGED if name in one.channels]  # fmt: skip
    devices = [{"fault": one.number, "zh": one.zh, "en": one.en, "command": one.command} for one in staged_devices.STAGED]
    talk.document({"modes": told["modes"], "on": told["on"], "faults": faults, "devices": devices})
    for row in told["modes"]:
        talk.show(f"{row['name']:22} {row['faults']:12} {talk.word(row)}")
    for one in (*faults, *devices):
        talk.show(f"{one['fault']:4} {talk.word(one)}: {one['command']}")


@chaos.command("stage")
@click.argument("fault")
@click.option("--channel", "--wallet", "channel", default="alipay")
@click.option("--for", "for_s", type=float, default=0.0, help="模拟设备的运行秒数,0 不停 / seconds of a simulated device, 0 without end")
@verb
def chaos_stage(talk: Talk, fault: str, channel: str, for_s: float) -> None:
    """按编号布置一个故障,如 F6;F26 起是设备的 / stage a fault by its number, such as F6; from F26 on those of devices"""
    of_devices = staged_devices.find(fault)
    if of_devices is not None:
        from daozhang.cli.yard import stage

        stage(talk, of_devices, for_s)
        return
    found = staged.find(fault)
    yard = Sandbox(talk.data)
    name = "wechatpay" if channel == "wechat" else channel
    if found is None or name not in found.channels:
        raise Oops(f"{channel} 没有编号为 {fault} 的故障:用 daozhang chaos list 查看",
                   f"{channel} has no fault {fault}: see daozhang chaos list", code=2)  # fmt: skip
    on = [{"mode": step.mode, "op": step.op, "for_s": step.for_s, "share": step.share} for step in found.steps]
    for step in on:
        yard.call("POST", "/chaos", {"channel": name, "order": "", **step})
    after = list(found.after(name))
    told = {"fault": found.number, "channel": name, "zh": found.zh, "en": found.en, "on": on, "payment": found.payment(name), "after": after}
    talk.document(told)
    talk.show(f"{found.number} {talk.pick(found.zh, found.en)}")
    talk.say(f"现在收一笔:{found.payment(name)}", f"now take a payment: {found.payment(name)}")
    if after:
        talk.say(f"然后:{'; '.join(after)}", f"then: {'; '.join(after)}")


@chaos.command("off")
@click.option("--channel", "--wallet", "channel", default="", help="只恢复这个渠道 / only this one")
@verb
def chaos_off(talk: Talk, channel: str) -> None:
    """全部恢复 / everything well again"""
    told = Sandbox(talk.data).call("DELETE", f"/chaos?channel={quote(channel)}" if channel else "/chaos")
    talk.document(told)
    talk.show(talk.pick("已恢复", "well again"))


@click.group()
def clock() -> None:
    """沙箱时钟(只能往前)/ the sandbox's clock, forward only"""


@clock.command("now")
@verb
def clock_now(talk: Talk) -> None:
    """现在几点 / the time"""
    told: dict[str, Any] = Sandbox(talk.data).call("GET", "/clock")
    talk.document(told)
    talk.show(told["now"])


@clock.command("advance")
@click.argument("span")
@verb
def clock_advance(talk: Talk, span: str) -> None:
    """拨快,逐个停在到期处 / forward, stopping at whatever is due"""
    talk.say("正在拨快时钟,逐个处理到期事项…", "moving the clock, one due time after another…")
    wish = {"seconds": seconds(span)}
    try:
        told = Link(talk.data).must("POST", "/sandbox/clock/advance", wish, timeout=600)
    except Oops as why:
        if why.exit_code != NOT_READY:
            raise
        told = Sandbox(talk.data).call("POST", "/clock/advance", wish, timeout=600)  # no platform here: the sandbox alone
    talk.document(told)
    talk.show(told["now"])
    sys.exit(0)


for group in (chaos, clock):  # under ``sandbox`` too, where people look for them
    sandbox.add_command(group)
