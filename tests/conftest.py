"""What tests share: a whole running system for those that need one, found by its data folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# `make test` runs two rooms of tests side by side, about as long as each other: these folders, and all others. Each room has a
# system, a database and ports of its own, and its tests come one after another: neighbours share nothing but the processors.
OUTSIDE = {"channels", "e2e", "sandbox", "tools", "watch"}


class TwoRooms(LoadScopeScheduling):
    """One runner has one room."""

    def _split_scope(self, nodeid: str) -> str:
        return "outside" if nodeid.split("/")[1] in OUTSIDE else "inside"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoRooms:
    return TwoRooms(config, log)


def free_base_port() -> int:
    """Ten ports in a row that nobody holds at this moment; each runner of tests looks in a range of its own."""
    first = 14_000 + 9_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for base in range(first + os.getpid() % 4000 // 10 * 10, first + 4_500, 10):
        taken = False
        for port in (base, base + 1, base + 2, base + 6, base + 7, base + 8, base + 9):
            with socket.socket() as probe:
                taken = taken or probe.connect_ex(("127.0.0.1", port)) == 0
        if not taken:
            return base
    raise RuntimeError("no free ports")


@dataclass
class System:
    """A running daozhang in a folder of its own."""

    data: Path
    base_port: int
    process: subprocess.Popen[bytes] | None = None
    more: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.data / "state.json").read_text())
        return told

    def start(self, within_s: float = 60) -> None:
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        command = [
            sys.executable,
            "-m",
            "daozhang.cli.main",
            "up",
            "--demo",
            "--base-port",
            str(self.base_port),
            "--data",
            str(self.data),
            *self.more,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        log.close()
        assert self.process.stdout is not None
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            line = self.process.stdout.readline()
            if line.startswith(b"ready"):
                return
            if not line:
                break
        raise RuntimeError((self.data.parent / f"{self.data.name}.log").read_text()[-2000:])

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, raw: bytes | None = None,
             api_key: str | None = None, timeout: float = 30) -> tuple[int, Any]:  # fmt: skip
        """One call to the API: status and JSON. A fresh Idempotency-Key comes with each POST."""
        key = self.state["api_key"] if api_key is None else api_key
        given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
        if method == "POST":
            given.setdefault("Idempotency-Key", os.urandom(8).hex())
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.base_port}{path}", data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")

    def cli(self, *words: str, timeout: float = 120) -> tuple[int, str, str]:
        """Run the command line: exit code, standard output, standard error."""
        done = subprocess.run([sys.executable, "-m", "daozhang.cli.main", *words, "--data", str(self.data)],
                              capture_output=True, timeout=timeout)  # fmt: skip
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def code(self, behaviour: str = "pays", wallet: str = "alipay") -> str:
        return str(self.call("POST", "/v1/sandbox/code", {"wallet": wallet, "behaviour": behaviour})[1]["code"])

    def pay(
        self, behaviour: str = "pays", amount: int = 1250, wait_s: float = 10, order: str = "", wallet: str = "alipay",
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        body = {"amount": amount, "merchant_order_no": order or f"T-{os.urandom(6).hex()}", "till": self.state["till"],
                "method": {"type": "pay_by_code", "code": self.code(behaviour, wallet)}, "wait_s": wait_s, **more}  # fmt: skip
        status, told = self.call("POST", "/v1/payments", body)
        assert status in (201, 202), told
        return dict(told)

    def until_decided(self, payment_id: str, within_s: float = 120) -> dict[str, Any]:
        # Looks are counted, not seconds: a machine that stood still for minutes has not waited.
        for _ in range(round(within_s / 0.3)):
            _, told = self.call("GET", f"/v1/payments/{payment_id}")
            if told["verdict"] in ("paid", "not_paid", "returned"):
                break
            time.sleep(0.3)
        return dict(told)

    def chaos(self, mode: str, **more: Any) -> None:
        status, told = self.call("POST", "/v1/sandbox/faults", {"mode": mode, **more})
        assert status == 200, told

    def calm(self) -> None:
        self.call("DELETE", "/v1/sandbox/faults")

    def books(self, channel: str = "alipay", within_s: float = 30) -> dict[str, Any]:
        """The channel's own truth; a sandbox that is being started again is waited for."""
        end = time.monotonic() + within_s
        while True:
            status, told = self.call("GET", f"/v1/sandbox/books?channel={channel}")
            if status == 200:
                return dict(told)
            assert time.monotonic() < end, told
            time.sleep(0.3)


@pytest.fixture(scope="session")
def whole_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("system") / "d", free_base_port())
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def system(whole_system: System) -> Iterator[System]:
    """The shared system, without faults before and after."""
    whole_system.calm()
    yield whole_system
    whole_system.calm()


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[System]:
    """A system that a test may kill."""
    made = System(tmp_path / "d", free_base_port() + 2000)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
