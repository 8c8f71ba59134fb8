"""Each rule of tidy catches what it is for, and the tree as it is passes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import tidy  # noqa: E402
from rules import habits  # noqa: E402
from rules.house import House  # noqa: E402

CLEAN = {
    "rooms.txt": "core:\nflow: core\napi: core flow\nchannels: core\nports: core\nstore: core\ncli: core\n",
    "README.md": "# a\n",
    "README.zh-CN.md": "# 甲\n",
    "daozhang/__init__.py": "",
    "daozhang/core/__init__.py": "",
    "daozhang/core/money.py": "FEN = 1\n",
    "daozhang/flow/take.py": "from daozhang.core.money import FEN\n\nprint(FEN)\n",
    "daozhang/api/app.py": "from daozhang.flow.take import FEN\n\nif __name__ == '__main__':\n    print(FEN)\n",
    "requirements.lock": "click==1.0\n",
    "pyproject.toml": "[project]\ndependencies = ['click']\n",
    "GLOSSARY.md": "`core/money.py` `core/money` `core/money.FEN` `store/*/1.sql` `daozhang/flow/` payments/s\n",
    "tests/test_y.py": "def look():\n    seen()\n\n\ndef seen():\n    assert 1 < 2\n\n\ndef test_x():\n    look()\n",
    "daozhang/store/schema/1.sql": "-- A payment.\ncreate table payment (id text);\n",
}

# rule -> file, content that breaks it
PLANTED = [
    ("rooms", "daozhang/core/bad.py", "from daozhang.flow.take import FEN\nprint(FEN, '__main__')\n"),
    ("rooms", "daozhang/attic/bad.py", "X = '__main__'\n"),
    ("channels", "daozhang/flow/bad.py", "import daozhang.channels.visa.wire\nprint('__main__')\n"),
    ("rooms", "daozhang/core/bad.py", "from ..flow import take\nprint(take, '__main__')\n"),
    ("rooms", "daozhang/core/bad.py", "def f():\n    from daozhang.flow import take\n    print(take, '__main__')\n"),
    ("core", "daozhang/core/bad.py", "import msgspec\nprint(msgspec, '__main__')\n"),
    ("channels", "daozhang/channels/visa/twin.py", "from daozhang.channels.visa import wire\nprint(wire)\n"),
    ("circles", "daozhang/core/money.py", "from daozhang.core.other import X\nFEN = X\n"),
    ("sizes", "daozhang/core/long.py", "X = '__main__'\n" * 601),
    ("sizes", "daozhang/core/long.py", "def f():\n" + "    print('__main__')\n" * 81),
    ("ports", "daozhang/flow/bad.py", "import time as t\nprint(t.time(), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "from random import choice\nprint(choice([1]), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "from datetime import datetime\nprint(datetime.now(), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "import asyncio\nprint(asyncio.sleep, '__main__')\n"),
    ("ports", "daozhang/core/bad.py", "import os\nprint(os.urandom(1), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "from aiohttp import ClientSession\nprint(ClientSession(), '__main__')\n"),
    ("ports", "daozhang/flow/bad.py", "import asyncio\nprint(asyncio.to_thread, '__main__')\n"),
    ("ports", "daozhang/store/seal.py", "print('no chance here', '__main__')\n"),
    ("floats", "daozhang/core/money.py", "FEN = 0.5\n"),
    ("floats", "daozhang/core/money.py", "FEN = 3 / 2\n"),
    ("words", "daozhang/core/bad.py", "X = '__main__'  # TO" + "DO later\n"),
    ("words", "tests/test_x.py", "import pytest\n@pytest.mark.ski" + "p\ndef test(): ...\n"),
    ("words", "tests/test_x.py", "def test():\n    assert Tr" + "ue\n"),
    ("causes", "daozhang/diagnosis/causes/us_bad.toml", 'id = "us.bad"\nnumber = "DZ-US-77"\nparty = "us"\nsays = { zh = "坏", en = "bad" }\n'),
    ("tests", "tests/test_x.py", "def look(): ...\n\n\ndef test_x():\n    look()\n"),
    ("places", "daozhang/core/bad.py", "X = '/tm" + "p/x', '__main__'\n"),
    ("places", "docs.md", "see /wor" + "k/main/x\n"),
    ("places", "requirements.lock", "--index-url https://mirror.example\n"),
    ("tables", "daozhang/store/schema/2.sql", "create table x (id text);\n"),
    ("tables", "daozhang/store/schema/2.sql", "create unlogged table x (id text);\n"),
    ("database clock", "daozhang/store/schema/2.sql", "select now();\n"),
    ("columns", "daozhang/store/schema/2.sql", "select * from x;\n"),
    ("plugs", "daozhang/channels/visa/manifest.toml", "name = 'visa'\n"),
    ("translated", "daozhang/core/bad.py", "X = {'zh': '甲', '__main__': 1}\n"),
    ("translated", "daozhang/core/bad.py", "X = {'zh': '甲', 'en': '乙', '__main__': 1}\n"),
    ("translated", "daozhang/core/words.toml", "says = { zh = '甲' }\n"),
    ("translated", "daozhang/core/codes.csv", "zh,en\n甲,\n"),
    ("translated", "daozhang/core/list.toml", "[[codes]]\nsays = { zh = '甲' }\n"),
    ("translated", "daozhang/core/bad.py", "X = dict(zh='甲', en='', __main__='__main__')\n"),
    ("papers", "GLOSSARY.md", "see `core/gone.py`\n"),
    ("lock", "pyproject.toml", "[project]\ndependencies = ['numpy>=1']\n"),
    ("readmes", "README.md", "# a\n# b\n"),
    ("truth", "daozhang/diagnosis/bad.py", "from daozhang.sim.episodes import faults\nprint(faults, '__main__')\n"),
    ("truth", "daozhang/diagnosis/bad.py", "import importlib\nprint(importlib.import_module('daozhang.sim.drill_world'), '__main__')\n"),
    ("truth", "daozhang/diagnosis/bad.py", "def f(one):\n    return one.label, '__main__'\n"),
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


def test_every_rule_has_a_planted_fault() -> None:
    """The name that a rule prints, and a case for each: a new rule without its test is noticed here."""
    files = [(ROOT / "tools" / "rules" / f"{name}.py").read_text("utf-8") for name in ("going_down", "habits", "store", "people")]
    printed = {name for text in files for name in re.findall(r'Fault\([^"]*?, "([a-z ]+)"', text)}
    assert printed == {rule for rule, _, _ in PLANTED}
    assert len(tidy.RULES) >= len(printed)


def test_what_is_excused_from_the_ports_exists() -> None:
    """The excuses only shrink: each is a file that is there and, by the rule itself, still touches the world."""
    assert [name for name in habits.CARRIERS if not (ROOT / "daozhang" / name).exists()] == []


def test_the_program_says_where_and_exits_1(tmp_path: Path) -> None:
    plant(tmp_path, CLEAN | {"daozhang/core/lonely.py": "X = 1\n"})
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "tidy.py"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("daozhang/core/lonely.py:1 dead files: ")


def test_without_git_what_is_made_is_not_looked_at(tmp_path: Path) -> None:
    """As in an unpacked archive: the venv holds files that no Python of ours can read."""
    bad = "def from(self): ...\n"
    plant(tmp_path, CLEAN | {".venv/lib/a.py": bad, "data/pg/a.py": bad, "daozhang/__pycache__/a.py": bad, ".ci/run": "make\n"})
    assert tidy.look(tmp_path) == []
    assert tmp_path / ".ci/run" in House(tmp_path).files


def test_the_tree_as_it_is_passes() -> None:
    assert tidy.look(ROOT) == []
