"""Each rule of tidy catches what it is for, and the tree as it is passes."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import tidy  # noqa: E402

CLEAN = {
    "rooms.txt": "core:\nflow: core\napi: core flow\nchannels: core\nports: core\nstore: core\ncli: core\n",
    "README.md": "# a\n",
    "README.zh-CN.md": "# 甲\n",
    "daozhang/__init__.py": "",
    "daozhang/core/__init__.py": "",
    "daozhang/core/money.py": "FEN = 1\n",
    "daozhang/flow/take.py": "from daozhang.core.money import FEN\n\nprint(FEN)\n",
    "daozhang/api/app.py": "from daozhang.flow.take import FEN\n\nif __name__ == '__main__':\n    print(FEN)\n",
    "daozhang/store/schema/1.sql": "-- A payment.\ncreate table payment (id text);\n",
}

# rule -> file, content that breaks it
PLANTED = [
    ("rooms", "daozhang/core/bad.py", "from daozhang.flow.take import FEN\nprint(FEN, '__main__')\n"),
    ("rooms", "daozhang/attic/bad.py", "X = '__main__'\n"),
    ("channels", "daozhang/flow/bad.py", "import daozhang.channels.visa.wire\nprint('__main__')\n"),
    ("circles", "daozhang/core/money.py", "from daozhang.core.other import X\nFEN = X\n"),
    ("sizes", "daozhang/core/long.py", "X = '__main__'\n" * 601),
    ("sizes", "daozhang/core/long.py", "def f():\n" + "    print('__main__')\n" * 81),
    ("ports", "daozhang/flow/bad.py", "import time as t\nprint(t.time(), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "from random import choice\nprint(choice([1]), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "from datetime import datetime\nprint(datetime.now(), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "import asyncio\nprint(asyncio.sleep, '__main__')\n"),
    ("ports", "daozhang/core/bad.py", "import os\nprint(os.urandom(1), '__main__')\n"),
    ("floats", "daozhang/core/money.py", "FEN = 0.5\n"),
    ("floats", "daozhang/core/money.py", "FEN = 3 / 2\n"),
    ("words", "daozhang/core/bad.py", "X = '__main__'  # TO" + "DO later\n"),
    ("words", "tests/test_x.py", "import pytest\n@pytest.mark.ski" + "p\ndef test(): ...\n"),
    ("places", "docs.md", "see /wor" + "k/main/x\n"),
    ("places", "requirements.lock", "--index-url https://mirror.example\n"),
    ("tables", "daozhang/store/schema/2.sql", "create table x (id text);\n"),
    ("database clock", "daozhang/store/schema/2.sql", "select now();\n"),
    ("columns", "daozhang/store/schema/2.sql", "select * from x;\n"),
    ("plugs", "daozhang/channels/visa/manifest.toml", "name = 'visa'\n"),
    ("translated", "daozhang/core/bad.py", "X = {'zh': '甲', '__main__': 1}\n"),
    ("translated", "daozhang/core/bad.py", "X = {'zh': '甲', 'en': '乙', '__main__': 1}\n"),
    ("translated", "daozhang/core/words.toml", "says = { zh = '甲' }\n"),
    ("translated", "daozhang/core/codes.csv", "zh,en\n甲,\n"),
    ("readmes", "README.md", "# a\n# b\n"),
    ("dead files", "daozhang/core/lonely.py", "X = 1\n"),
]


def plant(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def test_a_clean_house_passes(tmp_path: Path) -> None:
    plant(tmp_path, CLEAN)
    assert tidy.look(tmp_path) == []


@pytest.mark.parametrize(("rule", "file", "content"), PLANTED)
def test_a_planted_fault_is_caught(tmp_path: Path, rule: str, file: str, content: str) -> None:
    plant(
        tmp_path,
        CLEAN | {"daozhang/core/other.py": "from daozhang.core.money import FEN\n\nX = FEN if '__main__' else 0\n"},
    )
    if rule == "channels":
        plant(
            tmp_path,
            {"daozhang/channels/visa/manifest.toml": "name = 'visa'\n", "daozhang/channels/visa/wire.py": "X = 1\n"},
        )
    plant(tmp_path, {file: content})
    assert rule in {fault.rule for fault in tidy.look(tmp_path)}


def test_the_tree_as_it_is_passes() -> None:
    assert tidy.look(ROOT) == []
