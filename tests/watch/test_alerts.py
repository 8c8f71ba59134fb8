"""Alerts: each way's exact format and signature at a local receiver; a no is repeated quietly, only the newest word; inner addresses are not called."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
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
from daozhang.store.store import PgStore
from daozhang.watch.alerts import BadTarget, Mail, Target, alert_of, shelf, targets
from tests.store.conftest import dsn, link, store  # noqa: F401
from tests.store.kit import new_id

SAYS = {"zh": "我们观察到:支付宝收款结果来得很慢。", "en": "We observe: Alipay is slow."}
TITLE = {"zh": "支付宝:结果很慢", "en": "Alipay: results are slow"}
OPS = {"zh": "看渠道公告", "en": "See the channel's notices"}
SECRET = "SEC1234567890"


def step(before: Step | None = None, **more: Any) -> Step:
    """News of an incident of its own, or of the one before."""
    made = Incident(new_id("inc", 0), False, "dark", "channel", "alipay", 1, 2, stage=Stage.IDENTIFIED, title=TITLE, texts={"operations": OPS},
                    party="platform", party_name="alipay", payments=40, published_ms=5, published_by="rule")  # fmt: skip
    return Step(changed(before.incident if before is not None else made, **more), (), SAYS, "rule", "incident.updated")


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


class Later(RealClock):
    """A clock that the test moves on."""

    def __init__(self) -> None:
        self.ahead_ms, self._began_ms = 0, super().now_ms()

    def now_ms(self) -> int:
        return self._began_ms + self.ahead_ms


class Office:
    """One working process; a second one over the same books knows nothing of the first."""

    def __init__(self, books: PgStore, wanted: list[Target], clock: Later, *, loopback: bool = True, livemode: bool = False) -> None:
        self.clock, self.tasks = clock, Tasks()
        self.outward = Outward(clock, loopback_allowed=loopback)

        async def mailed(one: Mail) -> Outcome:
            letter = mail.Letter(one.sender, one.to, one.subject, one.text, one.message_id)
            return await mail.send(letter, one.host, one.port, one.tls, one.user, one.password, loopback_allowed=loopback)

        self.alerter = Alerter(wanted, books, self.outward, mailed, clock, self.tasks, livemode=livemode)

    async def carry(self) -> int:
        """What is due now, to its end."""
        count = await self.alerter.look()
        await self.tasks.drain(10)
        return count


@pytest.fixture
async def books(store: PgStore, link: asyncpg.Connection) -> AsyncIterator[PgStore]:  # noqa: F811
    await link.execute("delete from alert_owed")
    yield store
    await link.execute("delete from alert_owed")


async def write(books: PgStore, office: Office, one: Step) -> Step:
    """As the watcher does: what is owed is written down with the step."""
    return Step(await books.write_incident(one.alerted(office.alerter.owes)), (), one.says, one.by, one.event)


async def deliver(books: PgStore, wanted: list[Target], *steps: Step, clock: Later | None = None, loopback: bool = True, livemode: bool = False) -> list[int]:
    """Seconds between the tries, until nothing is owed any more."""
    office = Office(books, wanted, clock or Later(), loopback=loopback, livemode=livemode)
    for one in steps:
        await write(books, office, one)
    waited, gap = [], 0
    for _ in range(1_000):
        if await office.carry():
            waited.append(gap)
            gap = 0
        if not await books._pool.fetchval("select count(*) from alert_owed"):  # type: ignore[attr-defined]
            break
        office.clock.ahead_ms += 1_000
        gap += 1
    await office.outward.close()
    return waited[1:]


def target(way: str, lang: str = "zh", drafts: bool = True, **keys: str) -> Target:
    return Target(way, way, lang, drafts, keys)


async def test_wecom(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    one = step()
    await deliver(books, [target("wecom", url=url)], one)
    [(_, _, body)] = receiver.got
    told = json.loads(body)
    assert told["msgtype"] == "markdown" and told["markdown"]["content"].splitlines() == [
        "**[已定位] 支付宝:结果很慢**", SAYS["zh"], "> 看渠道公告", f"> {one.incident.id}"]  # fmt: skip


async def test_dingtalk_signs_the_address(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    one = step()
    await deliver(books, [target("dingtalk", "en", url=url, secret=SECRET)], one)
    [(query, _, body)] = receiver.got
    stamp = query["timestamp"][0]
    wanted = base64.b64encode(hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()).decode()
    assert query["sign"] == [wanted] and len(stamp) == 13 and query["access_token"] == ["x"]
    told = json.loads(body)
    assert told["msgtype"] == "markdown" and told["markdown"]["title"] == "[identified] Alipay: results are slow"
    assert told["markdown"]["text"].split("\n\n")[1:] == [SAYS["en"], OPS["en"], one.incident.id]


async def test_feishu_signs_the_body(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    await deliver(books, [target("feishu", url=url, secret=SECRET)], step())
    told = json.loads(receiver.got[0][2])
    wanted = base64.b64encode(hmac.new(f"{told['timestamp']}\n{SECRET}".encode(), b"", hashlib.sha256).digest()).decode()
    assert told["sign"] == wanted and len(told["timestamp"]) == 10 and told["msg_type"] == "post"
    post = told["content"]["post"]["zh_cn"]
    assert post["title"] == "[已定位] 支付宝:结果很慢" and post["content"][0] == [{"tag": "text", "text": SAYS["zh"]}]


async def test_a_program_gets_a_standard_webhook(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    secret = standard_webhook.new_secret(b"s" * 24)
    await deliver(books, [target("webhook", url=url, secret=secret)], step())
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


async def test_email_and_a_refusing_server(books: PgStore) -> None:
    got: list[bytes] = []
    server = await smtp(got)
    where = {"host": "127.0.0.1", "port": str(server.sockets[0].getsockname()[1]), "tls": "none", "from": "a@shop.example", "to": "b@x.example, c@x.example"}
    one = step()
    await deliver(books, [target("email", **where)], one)
    server.close()
    letter = message_from_bytes(got[0])
    assert str(make_header(decode_header(letter["Subject"]))) == "[已定位] 支付宝:结果很慢" and letter["To"] == "b@x.example, c@x.example"
    assert letter["Message-ID"] == f"<{one.incident.id}-1@shop.example>" and SAYS["zh"] in letter.get_payload(decode=True).decode()  # type: ignore[union-attr]
    refusing = await smtp(got, refuse=True)
    waited = await deliver(books, [target("email", **where | {"port": str(refusing.sockets[0].getsockname()[1])})], step())
    refusing.close()
    assert len(got) == 1 and waited == [gap // 1000 for gap in GAPS_MS]
    kept_out = await deliver(books, [target("email", **where)], step(), loopback=False)
    assert kept_out == []


async def test_what_a_person_does_is_owed_as_what_the_rule_does_and_names_who_it_was(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    one = step()
    await deliver(books, [target("wecom", url=url), target("webhook", url=url)], Step(one.incident, (), SAYS, "duty-1", "incident.updated"))
    chat, program = sorted((json.loads(body) for _, _, body in receiver.got), key=lambda told: "type" in told)
    assert "> 人工操作:duty-1" in chat["markdown"]["content"].splitlines() and program["data"]["by"] == "duty-1"
    receiver.got.clear()
    await deliver(books, [target("wecom", "en", url=url)], Step(step().incident, (), SAYS, "duty-1", "incident.updated"))
    assert "> By a person: duty-1" in json.loads(receiver.got[0][2])["markdown"]["content"].splitlines()


async def test_a_robots_no_is_repeated_and_older_news_is_dropped(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    receiver.answers = [(200, {"errcode": 45009}), (500, {}), (200, {"errcode": 0})]
    waited = await deliver(books, [target("wecom", url=url)], step())
    assert len(receiver.got) == 3 and waited == [5, 30]
    receiver.got.clear()
    receiver.answers = [(500, {}), (200, {"errcode": 0})]
    office = Office(books, [target("wecom", url=url)], Later())
    first = await write(books, office, step())
    assert await office.carry() == 1 and await office.carry() == 0
    await write(books, office, step(first, stage=Stage.MONITORING))
    assert await office.carry() == 1
    office.clock.ahead_ms += 700_000
    assert await office.carry() == 0 and len(receiver.got) == 2  # the older one had failed, and nobody needs it any more
    assert "恢复观察" in receiver.got[1][2].decode()
    await office.outward.close()


async def test_what_was_not_taken_is_repeated_by_another_process_from_the_books(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    receiver.answers = [(500, {})]
    wanted = [target("wecom", url=url), target("feishu", url=url, secret=SECRET)]
    dead = Office(books, wanted, Later())
    await write(books, dead, step())
    assert await dead.carry() == 2 and len(receiver.got) == 2  # one of them was taken
    unseen = await write(books, dead, step())
    assert len(await books.owed_alerts(dead.clock.now_ms(), 120_000, 50)) == 2  # leased by one who dies over it
    await dead.outward.close()
    other = Office(books, wanted, dead.clock)
    assert await other.carry() == 0
    other.clock.ahead_ms += 5_500
    assert await other.carry() == 1 and len(receiver.got) == 3
    other.clock.ahead_ms += 120_000
    assert await other.carry() == 2 and sum(unseen.incident.id in body.decode() for _, _, body in receiver.got) == 2
    other.clock.ahead_ms += 1_000_000
    assert await other.carry() == 0
    await other.outward.close()


async def test_who_wants_no_drafts_gets_none_and_inner_addresses_are_not_called(place: tuple[Receiver, str], books: PgStore) -> None:
    receiver, url = place
    def draft() -> Step:
        return step(published_ms=0, published_by="")

    await deliver(books, [target("wecom", drafts=False, url=url)], draft())
    await deliver(books, [target("wecom", url=url)], draft(), loopback=False)
    await deliver(books, [target("wecom", url=url)], draft(), livemode=True)
    await deliver(books, [target("wecom", url="https://169.254.169.254/")], draft())
    assert receiver.got == []
    await deliver(books, [target("wecom", url=url)], draft())
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
