"""What `up` says when it cannot: what, why, how to mend it, in both languages, and never a traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import System, free_base_port


def up(data: Path, lang: str, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "daozhang.cli.main", "up", "--data", str(data), "--lang", lang, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr and done.stdout == ""
    return done.returncode, done.stderr.strip().splitlines()[-1]


def both(data: Path, *words: str) -> int:
    code, zh = up(data, "zh", *words)
    again, en = up(data, "en", *words)
    assert code == again and zh.startswith("错误") and en.startswith("error") and zh != en
    return code


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        assert both(tmp_path, "--base-port", str(holder.getsockname()[1])) == 1


def test_a_folder_in_use(system: System) -> None:
    assert both(system.data, "--base-port", str(free_base_port())) == 1


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    assert both(tmp_path, "--dsn", "postgresql://nobody@127.0.0.1:1/x", "--base-port", str(free_base_port())) == 2


@pytest.mark.parametrize(
    "line", ["base_port = 5", "colour = 1", "base_port = 'x'", "serve_processes = 0", "= broken", "sandbox = 'maybe'"]
)
def test_a_bad_setting(tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.toml").write_text(line + "\n")
    assert both(tmp_path) == 1


def test_the_demo_needs_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("sandbox = false\n")
    assert both(tmp_path, "--demo") == 1
