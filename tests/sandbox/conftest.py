"""A sandbox alone, and a till that speaks the channels' wires to it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.plug import Question
from daozhang.channels.shelf import Channel, Shelf
from daozhang.core.evidence import Finding, Op
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Exchange
from daozhang.sim.every import new_payment
from tests.conftest import free_base_port


@dataclass
class Alone:
    """A running ``daozhang sandbox up``."""

    data: Path
    base_port: int
    process: subprocess.Popen[bytes]

    def cli(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "-m", "daozhang.cli.main", *words, "--data", str(self.data)], capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    @property
    def token(self) -> str:
        return (self.data / "sandbox" / "control.token").read_text()

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.base_port + 7}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def must(self, method: str, path: str, body: Any = None) -> Any:
        status, told = self.call(method, path, body)
        assert status == 200, told
        return told

    def order(self, channel: str, number: str) -> dict[str, Any]:
        rows = self.must("GET", f"/books?channel={channel}")["orders"]
        return dict(next(row for row in rows if row["out_trade_no"] == number))


class Till:
    """One channel's wire over a real socket, with the account that the sandbox hands out."""

    def __init__(self, alone: Alone, name: str) -> None:
        found = Shelf.look().get(name)
        assert found is not None
        self.channel: Channel = found
        self._alone = alone
        held = alone.must("GET", "/accounts")[found.name]
        row = AccountRow("acc", 0, "mer", found.name, False, 38, held["settings"], held["secrets"])
        self.account = found.wire.open_account(row, found.manifest)

    def payment(self, amount_fen: int = 1250, method: Method = Method.PAY_BY_CODE) -> Payment:
        now = self._alone.must("GET", "/clock")["now_ms"]
        made = new_payment()
        return replace(made, id=f"pay_01JD8{os.urandom(11).hex().upper()[:21]}", channel=self.channel.name, account="acc", amount_fen=amount_fen,
                       method=method, created_ms=now, asked_ms=now, window_end_ms=now + 180_000)  # fmt: skip

    def ask(self, op: Op, payment: Payment, code: str = "") -> Finding:
        now = self._alone.must("GET", "/clock")["now_ms"]
        question = Question(op, payment, now, 5000, code, None, "http://127.0.0.1:9/notify")
        asked = self.channel.wire.write(self.account, question)
        request = urllib.request.Request(asked.url, asked.body or None, dict(asked.headers), method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                exchange = Exchange(reply.status, tuple(reply.headers.items()), reply.read())
        except urllib.error.HTTPError as refused:
            exchange = Exchange(refused.code, tuple(refused.headers.items()), refused.read())
        return self.channel.wire.read(self.account, question, exchange)


@pytest.fixture(scope="session")
def whole_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    data, port = tmp_path_factory.mktemp("alone") / "d", free_base_port()
    command = [sys.executable, "-m", "daozhang.cli.main", "sandbox", "up", "--base-port", str(port), "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    yield Alone(data, port, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture
def alone(whole_alone: Alone) -> Alone:
    """The shared one, without faults."""
    whole_alone.must("DELETE", "/chaos")
    return whole_alone


@pytest.fixture(params=["alipay", "wechatpay", "unionpay"])
def till(alone: Alone, request: pytest.FixtureRequest) -> Till:
    return Till(alone, request.param)
