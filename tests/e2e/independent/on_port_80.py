"""Runs in a network of its own, where port 80 is free: the twin's door on it, and the official SDK as it was published.

Its transport knows no other ports, so nothing of it is changed here. Writes what it saw.
"""

import asyncio
import fcntl
import json
import os
import socket
import struct
import threading
import time
import urllib.request
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.request.AlipayDataDataserviceBillDownloadurlQueryRequest import (
    AlipayDataDataserviceBillDownloadurlQueryRequest as BillUrl,
)
from alipay.aop.api.request.AlipayTradeCancelRequest import AlipayTradeCancelRequest as Cancel
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest as Close
from alipay.aop.api.request.AlipayTradeCreateRequest import AlipayTradeCreateRequest as Create
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import (
    AlipayTradeFastpayRefundQueryRequest as RefundQuery,
)
from alipay.aop.api.request.AlipayTradePayRequest import AlipayTradePayRequest as Pay
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest as Precreate
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest as Query
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest as Refund
from alipay.aop.api.util.SignatureUtils import verify_with_rsa
from rsa.pkcs1 import VerificationError

from daozhang.channels.alipay import twin as twins
from daozhang.channels.alipay.bill import read
from daozhang.core.bill import BillLine
from daozhang.sandbox.door import open_door

_DAY_MS = 86_400_000


class MovedClock:
    """The time outside plus an offset, as the sandbox's own clock."""

    offset_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        asked = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(handle, 0x8913, asked), 16)
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh14x", b"lo", flags | 0x1))


def serve(twin: Any, clock: Any) -> None:
    ready = threading.Event()

    async def run() -> None:
        await open_door(twin, clock, "127.0.0.1", 80)
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    assert ready.wait(30)


def bare(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if "-----" not in line)


def client(given: dict[str, Any]) -> Any:
    config = AlipayClientConfig()
    config.server_url = given["gateway"]
    config.app_id = given["app_id"]
    config.app_private_key = bare(given["app_private_key_pkcs1"])
    config.alipay_public_key = bare(given["alipay_public_key"])
    return DefaultAlipayClient(alipay_client_config=config)


def story(twin: Any, clock: MovedClock, sdk: Any) -> dict[str, Any]:
    def ask(kind: Any, **biz: str) -> SimpleNamespace:
        """The SDK raises when the reply's signature does not hold."""
        request = kind()
        request.biz_content = biz
        if kind is Pay:
            request.notify_url = "http://127.0.0.1:9/notify"
        return SimpleNamespace(**json.loads(sdk.execute(request)))

    def code(behaviour: str) -> str:
        return str(twin.code(behaviour, clock.now_ms())["code"])

    day = time.strftime("%Y-%m-%d", time.gmtime(clock.now_ms() / 1000 + 8 * 3600))
    paid = ask(Pay, out_trade_no="A", scene="bar_code", auth_code=code("pays"), subject="大杯,少冰", total_amount="12.50")
    state = ask(Query, out_trade_no="A")
    back = ask(Refund, out_trade_no="A", refund_amount="2.50", out_request_no="R1")
    asked = ask(RefundQuery, out_trade_no="A", out_request_no="R1")
    typing = ask(Pay, out_trade_no="B", scene="bar_code", auth_code=code("hesitates"), subject="x", total_amount="1.00")
    undone = ask(Cancel, out_trade_no="B")
    shown = ask(Precreate, out_trade_no="C", subject="x", total_amount="8.80")
    made = ask(Create, out_trade_no="D", subject="x", total_amount="8.80", buyer_id="2088123412341234")
    closed = ask(Close, out_trade_no="D")
    push = next(push for push in twin.tick(clock.now_ms() + 1000) if b"out_trade_no=A" in push.body)
    early = ask(BillUrl, bill_type="trade", bill_date=day)
    clock.offset_ms = 2 * _DAY_MS
    links = {kind: ask(BillUrl, bill_type=kind, bill_date=day).bill_download_url for kind in ("trade", "signcustomer")}
    bills = {kind: list(read([urllib.request.urlopen(link, timeout=30).read()])) for kind, link in links.items()}
    return {
        "paid": paid.code, "state": state.trade_status, "refunded": back.fund_change, "refund": asked.refund_status,
        "typing": typing.code, "undone": undone.action, "qr": shown.qr_code[:22], "plate": len(made.trade_no), "closed": closed.code,
        "notify": believed(push.body, twin), "early": early.sub_code,
        "bills": {kind: [(line.kind, line.order_no, line.amount_fen) for line in lines if isinstance(line, BillLine)]
                  for kind, lines in bills.items()},
    }  # fmt: skip


def believed(body: bytes, twin: Any) -> list[bool]:
    """The SDK's own verification of the true notify and of one with another amount."""
    fields = dict(parse_qsl(body.decode()))
    key, signature = bare(twin.credentials("")["alipay_public_key"]), fields["sign"]
    told = []
    for changes in ({}, {"total_amount": "0.01"}):
        kept = {name: value for name, value in {**fields, **changes}.items() if name not in ("sign", "sign_type")}
        message = "&".join(f"{name}={kept[name]}" for name in sorted(kept)).encode()
        try:
            told.append(bool(verify_with_rsa(key, message, signature)))
        except VerificationError:
            told.append(False)
    return told


def main() -> None:
    loopback_up()
    clock = MovedClock()
    twin = twins.make(twins.new_keys(os.urandom), os.urandom, lambda record: None)
    serve(twin, clock)
    print(json.dumps(story(twin, clock, client(twin.credentials("http://127.0.0.1")))))


if __name__ == "__main__":
    main()
