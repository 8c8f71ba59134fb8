"""Alerts: each way's exact format and signature at a local receiver; a no is repeated quietly, only the newest word; inner addresses are not called."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from daozhang.core import standard_webhook
from daozhang.core.changed import changed
from daozhang.core.incident import Incident, Stage, Step
from daozhang.core.webhook import Outcome
from daozhang.flow.alerter import GAPS_MS, Alerter
from daozhang.ports import mail
from daozhang.ports.clock import RealClock
from daozhang.ports.outward import Outward
from daozhang.ports.proc import Tasks
from daozhang.watch.alerts import BadTarget, Mail, Target, alert_of, shelf, targets

SAYS = {"zh": "我们观察到:支付宝收款结果来得很慢。", "en": "We observe: Alipay is slow."}
TITLE = {"zh": "支付宝:结果很慢", "en": "Alipay: results are slow"}
OPS = {"zh": "看渠道公告", "en": "See the channel's notices"}
SECRET = "SEC1234567890"


def step(**more: Any) -> Step:
    made = Incident("inc_1", False, "dark", "channel", "alipay", 1, 2, version=3, stage=Stage.IDENTIFIED, title=TITLE, texts={"operations": OPS},
                    party="platform", party_name="alipay", payments=40, published_ms=5, published_by="rule")  # fmt: skip
    return Step(changed(made, **more), (), SAYS, "rule", "incident.updated")


class Receiver:
    """What came in; ``answers`` is what it says, a robot's yes when nothing is prepared."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, list[str]], dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["Content-Length"]))
        self.got.append((parse_qs(urlsplit(head[0].split()[1]).query), headers, body))
        status, said = self.answers.pop(0) if self.answers else (200, {"errcode": 0, "code": 0})
        text = json.dumps(said).encode()
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
        writer.close()


@pytest.fixture
async def place() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/robot?access_token=x"
    server.close()


class Quick(RealClock):
    """Waits are written down, not waited for."""

    def __init__(self) -> None:
        self.waited: list[int] = []

    async def sleep_until(self, at_ms: int) -> None:
        self.waited.append(round((at_ms - self.now_ms()) / 1000))
        await asyncio.sleep(0)


async def deliver(wanted: list[Target], *steps: Step, clock: Any = None, loopback: bool = True, livemode: bool = False,
                  mailer: Callable[[Mail], Any] | None = None) -> Quick:  # fmt: skip
    clock, tasks = clock or Quick(), Tasks()
    outward = Outward(clock, loopback_allowed=loopback)

    async def mailed(one: Mail) -> Outcome:
        letter = mail.Letter(one.sender, one.to, one.subject, one.text, one.message_id)
        return await mail.send(letter, one.host, one.port, one.tls, one.user, one.password, loopback_allowed=loopback)

    alerter = Alerter(wanted, outward, mailer or mailed, clock, tasks, livemode=livemode)
    for one in steps:
        await alerter.tell(one)
    await tasks.drain(10)
    await outward.close()
    return clock


def target(way: str, lang: str = "zh", drafts: bool = True, **keys: str) -> Target:
    return Target(way, way, lang, drafts, keys)


async def test_wecom(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    await deliver([target("wecom", url=url)], step())
    [(_, _, body)] = receiver.got
    told = json.loads(body)
    assert told["msgtype"] == "markdown" and told["markdown"]["content"].splitlines() == [
        "**[已定位] 支付宝:结果很慢**", SAYS["zh"], "> 看渠道公告", "> inc_1"]  # fmt: skip


async def test_dingtalk_signs_the_address(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    await deliver([target("dingtalk", "en", url=url, secret=SECRET)], step())
    [(query, _, body)] = receiver.got
    stamp = query["timestamp"][0]
    wanted = base64.b64encode(hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()).decode()
    assert query["sign"] == [wanted] and len(stamp) == 13 and query["access_token"] == ["x"]
    told = json.loads(body)
    assert told["msgtype"] == "markdown" and told["markdown"]["title"] == "[identified] Alipay: results are slow"
    assert told["markdown"]["text"].split("\n\n")[1:] == [SAYS["en"], OPS["en"], "inc_1"]


async def test_feishu_signs_the_body(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    await deliver([target("feishu", url=url, secret=SECRET)], step())
    told = json.loads(receiver.got[0][2])
    wanted = base64.b64encode(hmac.new(f"{told['timestamp']}\n{SECRET}".encode(), b"", hashlib.sha256).digest()).decode()
    assert told["sign"] == wanted and len(told["timestamp"]) == 10 and told["msg_type"] == "post"
    post = told["content"]["post"]["zh_cn"]
    assert post["title"] == "[已定位] 支付宝:结果很慢" and post["content"][0] == [{"tag": "text", "text": SAYS["zh"]}]


async def test_a_program_gets_a_standard_webhook(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    secret = standard_webhook.new_secret(b"s" * 24)
    await deliver([target("webhook", url=url, secret=secret)], step())
    [(_, headers, body)] = receiver.got
    lower = {name.lower(): value for name, value in headers.items()}
    stamp = lower["webhook-timestamp"]
    standard_webhook.verify([secret], lower["webhook-id"], stamp, lower["webhook-signature"], body, int(stamp))
    told = json.loads(body)
    assert told["type"] == "alert.incident" and told["data"]["stage"] == "identified" and told["data"]["payments"] == 40


async def smtp(got: list[bytes], refuse: bool = False) -> asyncio.Server:
    """A mail server of a few words."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 here")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                say("354 go on")
                got.append(await reader.readuntil(b"\r\n.\r\n"))
            if word == b"QUIT":
                say("221 bye")
                break
            say("550 no" if refuse and word == b"RCPT" else "250 ok")
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


async def test_email_and_a_refusing_server() -> None:
    got: list[bytes] = []
    server = await smtp(got)
    where = {"host": "127.0.0.1", "port": str(server.sockets[0].getsockname()[1]), "tls": "none", "from": "a@shop.example", "to": "b@x.example, c@x.example"}
    await deliver([target("email", **where)], step())
    server.close()
    letter = message_from_bytes(got[0])
    assert str(make_header(decode_header(letter["Subject"]))) == "[已定位] 支付宝:结果很慢" and letter["To"] == "b@x.example, c@x.example"
    assert letter["Message-ID"] == "<inc_1-3@shop.example>" and SAYS["zh"] in letter.get_payload(decode=True).decode()  # type: ignore[union-attr]
    refusing = await smtp(got, refuse=True)
    clock = await deliver([target("email", **where | {"port": str(refusing.sockets[0].getsockname()[1])})], step())
    refusing.close()
    assert len(got) == 1 and len(clock.waited) == len(GAPS_MS)
    kept_out = await deliver([target("email", **where)], step(), loopback=False)
    assert kept_out.waited == []


async def test_a_robots_no_is_repeated_and_older_news_is_dropped(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    receiver.answers = [(200, {"errcode": 45009}), (500, {}), (200, {"errcode": 0})]
    clock = await deliver([target("wecom", url=url)], step())
    assert len(receiver.got) == 3 and clock.waited == [5, 30]
    receiver.got.clear()
    receiver.answers = [(500, {}), (200, {"errcode": 0})]
    await deliver([target("wecom", url=url)], step(), step(version=4, stage=Stage.MONITORING))
    assert len(receiver.got) == 2  # the older one had failed, and nobody needs it any more


async def test_who_wants_no_drafts_gets_none_and_inner_addresses_are_not_called(place: tuple[Receiver, str]) -> None:
    receiver, url = place
    draft = step(published_ms=0, published_by="")
    await deliver([target("wecom", drafts=False, url=url)], draft)
    await deliver([target("wecom", url=url)], draft, loopback=False)
    await deliver([target("wecom", url=url)], draft, livemode=True)
    await deliver([target("wecom", url="https://169.254.169.254/")], draft)
    assert receiver.got == []
    await deliver([target("wecom", url=url)], draft)
    assert "(草稿)" in receiver.got[0][2].decode()


def test_the_file_of_addressees_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    assert targets(file) == ()
    file.write_text('[[alert]]\nway = "feishu"\nurl = "https://x"\nsecret = "s"\nlang = "en"\n')
    [one] = targets(file)
    assert (one.way, one.lang, one.drafts) == ("feishu", "en", True) and "https://x" not in repr(one)
    for wrong, says in (('way = "pigeon"', "way is one of"), ('way = "wecom"', "url is missing"), ('way = "wecom"\nurl = "x"\nurls = "y"', "nobody reads urls"),
                        ('way = "wecom"\nurl = "x"\nlang = "fr"', "lang is zh or en"), ("way = ", "Invalid")):  # fmt: skip
        file.write_text(f"[[alert]]\n{wrong}\n")
        with pytest.raises(BadTarget, match=says):
            targets(file)


def test_every_way_is_whole() -> None:
    assert set(shelf()) == {"dingtalk", "email", "feishu", "webhook", "wecom"}
    keys = {"url": "https://x", "host": "h", "from": "a@b", "to": "c@d"}
    for name, way in shelf().items():
        assert way.write(Target(name, name, "en", True, keys), alert_of(step()), 1_800_000_000) and not way.taken(500, b"")
