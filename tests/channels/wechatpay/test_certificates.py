"""Platform certificates that change while payments run: the new one is fetched once, the old one holds, probes are refused."""

import asyncio
import json
import os
from dataclasses import asdict, replace
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from daozhang.channels.plug import BadNotify, ProbeNotify
from daozhang.channels.twin import Heard, Push
from daozhang.channels.wechatpay import wire
from daozhang.channels.wechatpay.twin import make, new_keys
from daozhang.channels.wechatpay.twin.books import Order
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.ids import out_trade_no
from daozhang.core.payment import Method
from daozhang.core.ports import AccountRow, Exchange
from daozhang.flow import bills
from daozhang.sim.every import START_MS, new_payment
from daozhang.sim.world import SeededRand
from tests.channels.wechatpay.kit import WECHAT, ask
from tests.channels.wechatpay.test_bill import DATE, DAY_MS, day


@cache
def held() -> dict[str, Any]:
    return new_keys(os.urandom)


class Desk:
    """An account in certificate mode that knows the first certificate only."""

    def __init__(self) -> None:
        assert WECHAT is not None
        self.twin = make(held(), SeededRand(1).bytes, lambda record: None)
        told = self.twin.credentials("http://127.0.0.1:9")
        self.first, self.second = held()["platform"]
        assert told["platform_serial"] == self.first
        settings = {name: told[name] for name in ("appid", "mchid", "serial_no")} | {"gateway": "http://127.0.0.1:9"}
        secrets = {name: told[name] for name in ("private_key", "apiv3_key")} | {"platform_certificates": told["platform_certificate"]}
        self.account = wire.open_account(AccountRow("a", 0, "m", "wechatpay", False, 0, settings, secrets), WECHAT.manifest)

    def call(self, request: Any, now_ms: int = START_MS) -> Exchange:
        target = urlsplit(request.url)._replace(scheme="", netloc="").geturl()
        told = self.twin.handle(Heard(request.method, target, request.headers, request.body, now_ms))
        return Exchange(told.status, told.headers, told.body)

    def asked(self, now_ms: int = START_MS) -> tuple[Exchange, Finding]:
        question = ask(Op.QUERY, now_ms=now_ms)
        exchange = self.call(wire.write(self.account, question), now_ms)
        return exchange, wire.read(self.account, question, exchange)

    def learns(self, exchange: Exchange, now_ms: int = START_MS) -> bool:
        """What the flow does with a reply whose signer we do not know."""
        request = wire.ask_keys(self.account, lower(exchange.headers), now_ms)
        return request is not None and wire.learn_keys(self.account, self.call(request, now_ms), now_ms)


def lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def test_an_unknown_certificate_is_fetched_and_the_old_one_holds() -> None:
    desk = Desk()
    assert desk.asked()[1].proves is Proves.ABSENT
    desk.twin.control("rotate_certificate", True)
    exchange, finding = desk.asked()
    assert (finding.proves, finding.detail["why"]) == (Proves.NOTHING, "serial")
    assert desk.learns(exchange) and set(desk.account.trusted) == {desk.first, desk.second}
    assert wire.read(desk.account, ask(Op.QUERY), exchange).proves is Proves.ABSENT, "the same reply, read once more"
    desk.twin.chaos("rotating", START_MS)
    signers = set()
    for _ in range(20):
        exchange, finding = desk.asked()
        signers.add(lower(exchange.headers)["wechatpay-serial"])
        assert finding.proves is Proves.ABSENT
    assert signers == {desk.first, desk.second}


def test_a_known_key_a_probe_and_a_made_up_serial_do_not_make_us_ask_without_end() -> None:
    desk = Desk()
    assert wire.ask_keys(desk.account, {}, START_MS) is None
    assert wire.ask_keys(desk.account, {"wechatpay-serial": desk.first}, START_MS) is None
    assert wire.ask_keys(desk.account, {"wechatpay-serial": "PUB_KEY_ID_1"}, START_MS) is None
    probe = {"wechatpay-serial": "ABC", "wechatpay-signature": "WECHATPAY/SIGNTEST/xyz"}
    assert wire.ask_keys(desk.account, probe, START_MS) is None
    stranger = {"wechatpay-serial": "ABC", "wechatpay-signature": "x"}
    assert wire.ask_keys(desk.account, stranger, START_MS) is not None
    assert wire.ask_keys(desk.account, stranger, START_MS + 59_000) is None
    assert wire.ask_keys(desk.account, stranger, START_MS + 60_000) is not None


def spoilt(desk: Desk, change: Any) -> Exchange:
    """The channel's own list, changed and signed again by the channel."""
    desk.twin.control("rotate_certificate", True)
    request = wire.ask_keys(desk.account, {"wechatpay-serial": desk.second, "wechatpay-signature": "x"}, START_MS)
    listed = json.loads(desk.call(request).body)
    body = json.dumps(change(listed)).encode()
    return Exchange(200, desk.twin.gate.seal(desk.second, body, START_MS, "n" * 32), body)


def each(**changes: Any) -> Any:
    return lambda listed: {"data": [one | changes for one in listed["data"]]}


@pytest.mark.parametrize(
    "change",
    [each(expire_time="2020-01-01T00:00:00+08:00"), each(expire_time=""), each(serial_no="ABC"), each(encrypt_certificate={}),
     each(encrypt_certificate=None), each(encrypt_certificate={"nonce": "n" * 12, "associated_data": "certificate", "ciphertext": "AAAA"}),
     lambda listed: {}, lambda listed: {"data": None}, lambda listed: {"data": [None, 1, "x"]}, lambda listed: []],
)  # fmt: skip
def test_a_list_that_cannot_be_believed_changes_nothing(change: Any) -> None:
    desk = Desk()
    assert not wire.learn_keys(desk.account, spoilt(desk, change), START_MS)
    assert set(desk.account.trusted) == {desk.first}


def test_a_list_that_nobody_signed_or_that_was_sealed_with_another_key_changes_nothing() -> None:
    desk = Desk()
    good = spoilt(desk, lambda listed: listed)
    unsigned = replace(good, headers=good.headers[:-1])
    changed = replace(good, body=good.body.replace(b"data", b"dat\\u0061"))
    for exchange in (unsigned, changed, replace(good, status=500), replace(good, body=b"{")):
        assert not wire.learn_keys(desk.account, exchange, START_MS)
    assert not wire.learn_keys(desk.account, good, START_MS + 400_000), "an old reply"
    stranger = Desk()
    object.__setattr__(stranger.account, "apiv3_key", b"0" * 32)
    assert not wire.learn_keys(stranger.account, good, START_MS)
    assert wire.learn_keys(desk.account, good, START_MS)


def test_what_the_channel_no_longer_tells_is_forgotten_unless_the_settings_name_it() -> None:
    desk = Desk()
    assert wire.learn_keys(desk.account, spoilt(desk, lambda listed: listed), START_MS)
    alone = Desk()
    kept = spoilt(alone, lambda listed: {"data": [one for one in listed["data"] if one["serial_no"] == alone.second]})
    assert wire.learn_keys(desk.account, kept, START_MS)
    assert set(desk.account.trusted) == {desk.first, desk.second}
    object.__setattr__(desk.account.trusted, "_given", {})
    assert wire.learn_keys(desk.account, kept, START_MS) and set(desk.account.trusted) == {desk.second}


# -- callbacks -----------------------------------------------------------------------------------------------------------


def pushed(desk: Desk, mode: str, now_ms: int) -> Push:
    if mode:
        desk.twin.chaos(mode, now_ms)
    (push,) = desk.twin.tick(now_ms)
    desk.twin.chaos_off()
    return push


def test_a_probe_is_refused_without_alarm_and_the_next_try_is_believed() -> None:
    desk, payment = Desk(), new_payment(Method.PAY_BY_QR)
    order = Order(out_trade_no(payment.id), 1250, "NOTPAY", START_MS, "x", trade_type="NATIVE", qr="weixin://1", notify_url="http://n",
                  openid="o", signer=desk.first, expires_ms=START_MS + 3_600_000)  # fmt: skip
    desk.twin.replay({"kind": "order", "record": asdict(order)})
    desk.twin.scan("weixin://1", "pays", START_MS)
    first = pushed(desk, "notify_signtest", START_MS + 1_000)
    heard = wire.hear("application/json", "", first.body)
    with pytest.raises(ProbeNotify):
        wire.unseal(desk.account, heard, lower(first.headers), START_MS + 1_000)
    assert wire.thanks(False)[0] >= 400
    desk.twin.pushed(first.push_id, 500, b"", START_MS + 1_000)
    desk.twin.control("rotate_certificate", True)  # and the next one is signed by a certificate that we do not know
    second = pushed(desk, "", START_MS + 16_000)
    heard = wire.hear("application/json", "", second.body)
    with pytest.raises(BadNotify, match="serial"):
        wire.unseal(desk.account, heard, lower(second.headers), START_MS + 16_000)
    assert desk.learns(Exchange(200, second.headers, second.body), START_MS + 16_000)
    opened = wire.unseal(desk.account, heard, lower(second.headers), START_MS + 16_000)
    judged = wire.judge(desk.account, opened, payment)
    assert (judged.verified, judged.finding.proves) == (True, Proves.CAPTURED)
    assert json.loads(first.body)["id"] == json.loads(second.body)["id"]


def test_a_probe_in_a_reply_proves_nothing_and_raises_no_alarm() -> None:
    desk = Desk()
    desk.twin.chaos("signtest", START_MS)
    found = desk.asked()[1]
    assert (found.proves, found.alarm, found.detail["why"]) == (Proves.NOTHING, "", "probe")


def test_a_bill_is_asked_for_with_keys_that_are_known_before_its_reply_is_read() -> None:
    """A shop whose first word with the channel after a change of keys is about a bill."""
    desk = Desk()
    for order in day(3)[0].orders.values():
        desk.twin.replay({"kind": "order", "record": asdict(order)})
    desk.twin.control("rotate_certificate", True)
    now_ms = DAY_MS + 40 * 3_600_000
    asked: list[str] = []

    async def call(request: Any) -> Exchange:
        asked.append(request.url)
        return desk.call(request, now_ms)

    async def account_for(merchant: str, channel: str, livemode: bool) -> Any:
        return SimpleNamespace(id="acc_1")

    house: Any = SimpleNamespace(
        channel=lambda name: WECHAT, shelf=SimpleNamespace(account=lambda row: desk.account), account_for=account_for,
        net=SimpleNamespace(call=call), clock=SimpleNamespace(now_ms=lambda: now_ms), renewing={},
    )  # fmt: skip
    assert desk.second not in desk.account.trusted
    bill = asyncio.run(bills.fetch(house, "mer", "wechatpay", False, DATE))
    assert bills.add_up(bills.lines_of(WECHAT.bill, bill)).lines and desk.second in desk.account.trusted  # type: ignore[union-attr]
    assert [url.rpartition("/")[2].partition("?")[0] for url in asked] == ["tradebill", "certificates", "file"]
