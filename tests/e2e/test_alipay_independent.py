"""Two SDKs of other authors, each in a process of its own: python-alipay-sdk, and the official one as it was published."""

import contextlib
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import System

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def fzlee() -> Path:
    """The folder that holds python-alipay-sdk; made once per list of hashes, beside this environment."""
    wanted = HERE / "independent" / "alipay.txt"
    folder = Path(sys.prefix) / "independent" / f"alipay-{sha256(wanted.read_bytes()).hexdigest()[:16]}"
    if not (folder / "alipay").exists():
        draft = folder.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
                   "--target", str(draft), "-r", str(wanted)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=280)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        with contextlib.suppress(OSError):  # somebody else was first
            draft.rename(folder)
    assert (folder / "alipay").exists()
    return folder


def run(command: list[str], path: list[Path], given: Any = None) -> dict[str, Any]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "TZ": "Asia/Shanghai"}
    done = subprocess.run(command, input=json.dumps(given).encode() + b"\n", capture_output=True, timeout=120, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_python_alipay_sdk_in_each_of_its_modes(system: System, fzlee: Path) -> None:
    """Public keys, certificates (it counts the numbers by its own hand), and a service provider's token."""
    given = json.loads(system.cli("sandbox", "credentials", "--json")[1])
    modes = ("key", "certificate", "partner")
    codes = {mode: [system.code("pays"), system.code("hesitates")] for mode in modes}
    number = f"FZ{os.urandom(5).hex()}"
    command = [sys.executable, str(HERE / "independent" / "fzlee.py")]
    told = run(command, [fzlee], {"alipay": given["alipay"], "codes": codes, "number": number})
    for mode in modes:
        app = given["alipay"]["partner_app_id" if mode == "partner" else "app_id"]
        assert told[mode] == {
            "paid": "10000", "state": "TRADE_SUCCESS", "refunded": "Y", "refund": "REFUND_SUCCESS", "typing": "10003", "undone": "close",
            "qr": "https://qr.alipay.com/", "plate": 28, "notify": ["TRADE_SUCCESS", app, True, False], "nobody": "ACQ.TRADE_NOT_EXIST",
        }  # fmt: skip


def test_the_official_sdk_unpatched_on_port_80() -> None:
    """Its transport knows the ports 80 and 443 only: a network of its own has the first one free."""
    script = [sys.executable, "-m", "tests.e2e.independent.on_port_80"]
    alone = ["unshare", "--map-root-user", "--net", "--"]
    allowed = subprocess.run([*alone, "true"], capture_output=True, timeout=30).returncode == 0
    told = run([*alone, *script] if allowed else script, [ROOT])
    assert told == {
        "paid": "10000", "state": "TRADE_SUCCESS", "refunded": "Y", "refund": "REFUND_SUCCESS", "typing": "10003", "undone": "close",
        "qr": "https://qr.alipay.com/", "plate": 28, "closed": "10000", "notify": [True, False], "early": "BILL_NOT_EXIST",
        "bills": {"trade": [["pay", "A", 1250], ["refund", "A", 250]],
                  "signcustomer": [["pay", "A", 1250], ["other", "A", 5], ["refund", "A", 250], ["other", "A", 1]]},
    }  # fmt: skip
