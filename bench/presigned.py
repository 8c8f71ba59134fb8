"""The platform against a channel that costs nothing: every reply was signed before the clock ran.

``python -m bench.presigned serve IDS``: the real doors, whose payment ids come from a file, because a reply names its order.
``python -m bench.presigned null IDS``: the same HTTP server, the same two durable writes, the same signature, exchange and
check of the reply, and no logic: what no platform of this shape can be faster than on this machine.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import httptools
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from daozhang import settings as manual
from daozhang.api.app import Building, build_app
from daozhang.api.server import serve
from daozhang.api.webhooks import Webhooks
from daozhang.app.fuse import build
from daozhang.channels.alipay import wire
from daozhang.channels.plug import Question
from daozhang.core.changed import changed
from daozhang.core.evidence import Finding, Op, Proves, answered, asked
from daozhang.core.ids import out_trade_no
from daozhang.core.ledger import of_payment
from daozhang.core.manners import Manners
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import Change, Event
from daozhang.core.resolve import asking, learn
from daozhang.flow.house import House
from daozhang.ports.doorway import Doorway, listen
from daozhang.ports.outward import SystemResolver

AMOUNT_FEN = 1250


def new_key() -> tuple[rsa.RSAPrivateKey, str, str]:
    """A key, and both halves as PEM texts."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key, private.decode(), public.decode()


def sign_replies(key: rsa.RSAPrivateKey, ids: list[str]) -> dict[bytes, bytes]:
    """For each order number the whole HTTP answer that says it is paid."""
    told = {}
    for payment in ids:
        number = out_trade_no(payment)
        said = {"code": "10000", "msg": "Success", "out_trade_no": number, "trade_no": "2026112322001" + number[-15:],
                "total_amount": "12.50", "receipt_amount": "12.50", "buyer_pay_amount": "12.50",
                "gmt_payment": "2026-11-23 10:00:00", "fund_bill_list": [{"amount": "12.50", "fund_channel": "ALIPAYACCOUNT"}]}  # fmt: skip
        text = json.dumps(said, separators=(",", ":"))
        signature = base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        body = f'{{"alipay_trade_pay_response":{text},"sign":"{signature}"}}'.encode()
        told[number.encode()] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return told


class Channel(asyncio.Protocol):
    """Finds the order number in the request and answers with what lies ready."""

    def __init__(self, replies: dict[bytes, bytes]) -> None:
        self._replies, self._body = replies, b""
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        at = self._body.find(b"DZ")
        self._transport.write(self._replies[self._body[at : at + 28]])
        self._body = b""


@dataclass(frozen=True)
class Seeded(House):
    """A house whose payments are called as the replies say."""

    ids: list[str] = field(default_factory=list)

    def new_id(self, prefix: str, bucket: int) -> str:
        return self.ids.pop() if prefix == "pay" else super().new_id(prefix, bucket)


async def run_serve(settings: manual.Settings, ids: list[str]) -> None:
    built = await build(settings, "serve")
    given = {held.name: getattr(built.house, held.name) for held in fields(House) if held.init}
    house = Seeded(**given, ids=ids)
    await _serve(build_app(house, Building(built.seal, Webhooks(house, built.store, True, SystemResolver()), built.store)), settings)
    await built.close()


async def run_null(settings: manual.Settings, ids: list[str]) -> None:
    built = await build(settings, "null")
    house, told = built.house, json.loads(os.environ["BENCH_NULL"])
    channel = house.channel("alipay")
    row = await house.account_for(told["merchant"], "alipay", False)
    account = house.shelf.account(row)
    steps = [_steps(payment, told, row.id, row.bucket, channel.manners, house.clock.now_ms()) for payment in ids]

    async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        while (await receive()).get("more_body"):
            pass
        first, second = steps.pop()
        stored = await house.store.apply(first)
        question = Question(Op.PAY, stored, house.clock.now_ms(), 5_000, "2" * 18)
        exchange = await house.net.call(wire.write(account, question))
        if wire.read(account, question, exchange).proves is not Proves.CAPTURED:
            raise RuntimeError("the reply is not what was signed")
        await house.store.apply(second)
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"1400")]})
        await send({"type": "http.response.body", "body": b"x" * 1400})

    await _serve(app, settings)
    await built.close()


def _steps(ident: str, told: dict[str, str], account: str, bucket: int, manners: Manners, now: int) -> tuple[Change, Change]:
    """The two writes of a plain payment, made before the clock runs."""
    fresh = Payment(ident, bucket, told["merchant"], told["store"], told["till"], f"N-{ident[-20:]}", AMOUNT_FEN, "CNY",
                    Method.PAY_BY_CODE, "alipay", account, False, "x", "28••••0000", {}, now)  # fmt: skip
    paid = Finding(Proves.CAPTURED, "10000", amount_fen=AMOUNT_FEN, trade_no="2026" + ident[-20:], paid_ms=now)
    sent = changed(asking(fresh, Op.PAY, manners, now), evidence_n=1)
    done = changed(learn(sent, Op.PAY, paid, manners, now), version=1, evidence_n=2, decided_by=2)
    event = Event("payment.paid", fresh.merchant, bucket, ident, now, {"payment": ident})
    return (Change(sent, (asked(ident, 1, now, "null", Op.PAY),), (), (event,), now + 8_000),
            Change(done, (answered(ident, 2, now, "alipay", Op.PAY, paid),), tuple(of_payment(sent.state, done)), (event,), 0))  # fmt: skip


async def _serve(app: Any, settings: manual.Settings) -> None:
    await serve(app, listen(settings.host, settings.base_port, 2_048), Doorway, on_ready=lambda: print("ready", flush=True))


def main() -> int:
    import uvloop

    ids: list[str] = json.loads(Path(sys.argv[2]).read_text())
    uvloop.run({"serve": run_serve, "null": run_null}[sys.argv[1]](manual.load(), ids))
    return 0


if __name__ == "__main__":
    sys.exit(main())
