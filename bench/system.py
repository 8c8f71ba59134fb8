"""A running daozhang for one measurement, what its processes cost, and what the machine can do at most."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psutil
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class System:
    """``daozhang up --demo`` in a folder of its own; ``env`` are settings by their names in the settings manual."""

    def __init__(self, base_port: int, *args: str, **env: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.data, self._args = Path(self._folder.name) / "d", [*args, "--base-port", str(base_port)]
        self.base_port = base_port
        self._env = {**os.environ, **{f"DAOZHANG_{name.upper()}": value for name, value in env.items()}}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "daozhang", "up", "--demo", "--data", str(self.data), *self._args]
        self._up = subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._up.stdout is not None
        if not self._up.stdout.readline().startswith(b"ready"):
            raise RuntimeError("it did not come up")
        return self

    def __exit__(self, *_: object) -> None:
        self._up.terminate()
        self._up.wait(60)
        self._folder.cleanup()

    @property
    def state(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.data / "state.json").read_text())
        return told

    @property
    def control_token(self) -> str:
        return (self.data / "sandbox" / "control.token").read_text().strip()

    def pids(self) -> dict[str, list[int]]:
        told = self.state["pids"]
        return {"serve": told["serve"], "work": told["work"], "sandbox": [told["sandbox"]],
                "postgres": [told["postgres"]], "load generator": [os.getpid()]}  # fmt: skip


def cpu_us(pids: dict[str, list[int]]) -> dict[str, float]:
    """CPU so far of each kind of process, in microseconds; PostgreSQL with its back ends, living and ended."""
    told = {}
    for name, group in pids.items():
        total = 0.0
        for pid in group:
            family = psutil.Process(pid).children(recursive=True) if name == "postgres" else []
            for process in [psutil.Process(pid), *family]:
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                ended = times.children_user + times.children_system if process.pid == pid else 0
                total += times.user + times.system + ended
        told[name] = total * 1e6
    return told


class Meter:
    """CPU of the processes and steal of the machine between two moments."""

    def __init__(self, pids: dict[str, list[int]]) -> None:
        self._pids, self._cpu, self._times = pids, cpu_us(pids), psutil.cpu_times()

    def stop(self, operations: int) -> dict[str, Any]:
        after, times = cpu_us(self._pids), psutil.cpu_times()
        busy = sum(times) - sum(self._times)
        return {
            "cpu_us": {name: round((after[name] - self._cpu[name]) / operations) for name in self._pids},
            "steal": round((times.steal - self._times.steal) / busy, 4) if busy else 0.0,
        }


def sign_us() -> float:
    """What one RSA-2048 signature costs on this machine at this hour, in CPU-us: the wall that nobody climbs."""
    key = rsa.generate_private_key(65537, 2048)
    began = time.process_time()
    for _ in range(300):
        key.sign(b"x" * 600, padding.PKCS1v15(), hashes.SHA256())
    return (time.process_time() - began) / 300 * 1e6


def profile(pid: int, seconds: int) -> list[str]:
    """Where a process spends its time, when py-spy is at hand (it is no dependency of ours)."""
    spy = shutil.which("py-spy")
    if spy is None:
        return ["py-spy is not installed: no profile"]
    command = [spy, "record", "-p", str(pid), "-d", str(seconds), "-f", "raw", "-o", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, text=True)
    totals: dict[str, int] = {}
    for line in done.stdout.splitlines():
        stack, _, samples = line.rpartition(" ")
        leaf = stack.rpartition(";")[2]
        if samples.isdigit():
            totals[leaf] = totals.get(leaf, 0) + int(samples)
    whole = sum(totals.values()) or 1
    return [f"{share / whole:6.1%} {name}" for name, share in sorted(totals.items(), key=lambda item: -item[1])[:15]]
