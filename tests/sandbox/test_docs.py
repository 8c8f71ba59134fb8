"""docs/sandbox*.md: every piece is run against a sandbox alone; both languages have the same pieces."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.conftest import Alone

ROOT = Path(__file__).parents[2]
PAGES = ["sandbox.md", "sandbox.en.md"]


def pieces(page: str) -> list[tuple[str, str]]:
    return re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.S)


def bare(text: str) -> str:
    return re.sub(r"\s*#.*", "", text).replace("茶", "tea")


def test_both_languages_have_the_same_pieces_and_headings() -> None:
    zh, en = (pieces(page) for page in PAGES)
    assert [(kind, bare(text)) for kind, text in zh] == [(kind, bare(text)) for kind, text in en]
    levels = [[len(mark) for mark in re.findall(r"^(#+) ", (ROOT / "docs" / page).read_text("utf-8"), re.M)] for page in PAGES]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("number", range(len([kind for kind, _ in pieces(PAGES[1]) if kind in ("sh", "python")])))
def test_each_piece_runs(alone: Alone, tmp_path: Path, number: int) -> None:
    kind, text = [piece for piece in pieces(PAGES[1]) if piece[0] in ("sh", "python")][number]
    command = ["bash", "-euc", text] if kind == "sh" else [sys.executable, "-c", text]
    around = {**os.environ, "DAOZHANG_DATA": str(alone.data), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=around, timeout=60)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
