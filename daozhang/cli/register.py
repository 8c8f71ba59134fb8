"""A simulated cash register that takes one sale in twelve steps, over HTTPS only, and survives a power cut at each of them.

What it is about to do lies on its own disk before it does it: the order number and the key of the call before the call. After
a power cut it sends the very same call again, so that the payer is never charged twice.
"""

import contextlib
import http.client
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What the register does at each step; the power can go right after it.
STEPS = (
    ("金额已键入", "the amount is keyed in"), ("单号已取", "an order number is chosen"), ("单号和请求键已存盘", "order and key are on disk"),
    ("付款码已扫", "the payer's code is scanned"), ("付款码已存盘", "the code is on disk"), ("请求已发出,应答未到", "the request is out, no answer yet"),
    ("应答已到,未存盘", "the answer is there, not on disk"), ("支付编号已存盘", "the payment's id is on disk"), ("正在等结论", "waiting for the proof"),
    ("结论已到,未存盘", "the proof is there, not on disk"), ("结论已存盘", "the proof is on disk"), ("已告知顾客,销售未结", "the payer is told, the sale is not closed"),
)  # fmt: skip
_PROVEN = ("paid", "not_paid", "returned")
_PAUSE_S, _LEFT_OPEN_S = 0.3, 150.0


class Unreached(Exception):
    """The platform gave no answer of use within the time; the sale stays open on the disk."""


class Register:
    """``scan`` shows a payer's code; ``step`` hears the number of each step once it is done."""

    def __init__(self, api: str, key: str, till: str, disk: Path, scan: Callable[[], str], step: Callable[[int], None]) -> None:
        self._api, self._key, self._till, self._disk = urlsplit(api), key, till, disk
        self._scan, self._step = scan, step

    def left(self) -> dict[str, Any] | None:
        """The sale that a power cut interrupted."""
        try:
            return dict(json.loads(self._disk.read_text()))
        except FileNotFoundError:
            return None

    def sell(self, fen: int) -> dict[str, Any]:
        """A new sale, or the end of the one that was interrupted. Raises Unreached."""
        sale = self.left() or self._begin(fen)
        if "code" not in sale and "payment" not in sale:
            sale["code"] = self._scan()
            self._step(4)
            self._write(sale)
            self._step(5)
        if "payment" not in sale:
            sale = self._charge(sale)
        if "verdict" not in sale:
            sale["verdict"] = self._proof(sale["payment"])
            self._step(10)
            self._write(sale)
            self._step(11)
        self._ask("POST", f"/payments/{sale['payment']}/told", {"by": "pos"}, f"told-{sale['key']}")
        self._step(12)
        self._disk.unlink()
        return sale

    def _begin(self, fen: int) -> dict[str, Any]:
        self._step(1)
        sale = {"amount": fen, "order": f"POS-{os.urandom(6).hex()}", "key": f"pos-{os.urandom(12).hex()}"}
        self._step(2)
        self._write(sale)
        self._step(3)
        return sale

    def _charge(self, sale: dict[str, Any]) -> dict[str, Any]:
        """The same call, byte for byte, as often as it takes to be answered."""
        body = {"amount": sale["amount"], "merchant_order_no": sale["order"], "till": self._till, "wait_s": 0,
                "method": {"type": "pay_by_code", "code": sale["code"]}}  # fmt: skip
        told = self._ask("POST", "/payments", body, sale["key"], lambda: self._step(6))
        self._step(7)
        kept = {name: value for name, value in sale.items() if name != "code"}  # a code is the payer's, and of no more use
        self._write({**kept, "payment": told["id"]})
        self._step(8)
        return {**kept, "payment": told["id"]}

    def _proof(self, payment: str) -> str:
        end = time.monotonic() + _LEFT_OPEN_S
        told = self._ask("GET", f"/payments/{payment}")
        self._step(9)
        while told["verdict"] not in _PROVEN:
            if time.monotonic() > end:
                raise Unreached(f"{payment} is {told['verdict']}")
            time.sleep(_PAUSE_S)
            told = self._ask("GET", f"/payments/{payment}")
        return str(told["verdict"])

    def _ask(self, method: str, path: str, body: Any = None, key: str = "", sent: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """One call, repeated under the same key while nobody answers."""
        end = time.monotonic() + _LEFT_OPEN_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, told = self._once(method, path, body, key, sent)
                if status < 300:
                    return told
                if status < 500 and status not in (409, 429):
                    raise Unreached(f"{status} {told.get('code', '')}")
            if time.monotonic() > end:
                raise Unreached(path)
            time.sleep(_PAUSE_S)

    def _once(self, method: str, path: str, body: Any, key: str, sent: Callable[[], None]) -> tuple[int, dict[str, Any]]:
        kind = http.client.HTTPSConnection if self._api.scheme == "https" else http.client.HTTPConnection
        line = kind(self._api.hostname or "", self._api.port, timeout=15)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        try:
            line.request(method, self._api.path + path, None if body is None else json.dumps(body).encode(), headers)
            sent()
            reply = line.getresponse()
            return reply.status, dict(json.loads(reply.read() or b"{}"))
        finally:
            line.close()

    def _write(self, sale: dict[str, Any]) -> None:
        """On the disk and nothing half: a new file takes the old one's place."""
        new = self._disk.with_name(self._disk.name + ".new")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(sale, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._disk)
