"""Habits of the code: sizes, the five ports, whole fen, no notes to oneself, no places."""

import ast
import re
from collections.abc import Iterator

from rules.house import PACKAGE, Fault, House, aliases, dotted

MOST_LINES, MOST_FUNCTION = 600, 80


def rule_sizes(house: House) -> Iterator[Fault]:
    """A file holds one idea and a function fits a screen."""
    for path, tree in house.trees.items():
        lines = path.read_text("utf-8").count("\n")
        if lines > MOST_LINES:
            yield Fault(path, 1, "sizes", f"{lines} lines, at most {MOST_LINES}: split the ideas")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                size = node.end_lineno - node.lineno + 1
                if size > MOST_FUNCTION:
                    yield Fault(path, node.lineno, "sizes", f"{node.name} has {size} lines, at most {MOST_FUNCTION}")


_OUTSIDE = re.compile(
    r"^(time\.(time|time_ns|monotonic|monotonic_ns|sleep|perf_counter|perf_counter_ns)"
    r"|datetime\.(datetime\.)?(now|utcnow|today)|datetime\.date\.today"
    r"|random\..*|uuid\.uuid[14]|os\.urandom|secrets\..*|threading\..*|socket\..*"
    r"|concurrent\.futures\..*Executor|subprocess\..*|urllib\.request\..*|http\.client\..*|aiohttp\..*"
    r"|asyncio\.(to_thread|open_connection|start_server|create_subprocess_exec|create_subprocess_shell))$"
)
# The room of the ports carries all of it. The files here touch the world by trade; one that no longer does leaves.
CARRIERS = {
    "api/server.py": "the listening socket",
    "app/child.py": "starts the other processes",
    "app/up.py": "is a port free?",
    "cli/device.py": "a person is waiting",
    "cli/drill_live.py": "an audience is waiting",
    "cli/rollout.py": "a person is waiting",
    "cli/life.py": "waits for a process to end",
    "cli/link.py": "the command line's own HTTP client",
    "client/calls.py": "a program of its own, outside the house",
    "client/wire.py": "a program of its own, outside the house",
    "client/webhook.py": "a program of its own, outside the house",
    "cli/logs.py": "a person is looking",
    "cli/events.py": "a program or a person is listening",
    "cli/listener.py": "the command line's own line to the events",
    "cli/pay.py": "a person is waiting",
    "cli/webhook.py": "a person is waiting",
    "cli/plays.py": "plays of the sandbox, for a person who waits",
    "cli/register.py": "a simulated cash register, a program of its own",
    "cli/torn.py": "one more of them: a download that breaks off",
    "cli/yard.py": "faults of devices in the sandbox, for a person who waits",
    "cli/sim.py": "a person is waiting; the commit is part of a failure's line",
    "sandbox/device/download.py": "a device of the yard fetches an image over HTTP",
    "sandbox/device/relay.py": "a line of the yard that is cut one way",
    "sandbox/device/fleet.py": "devices of the yard: loss and pauses",
    "sandbox/device/radio.py": "a simulated device's own connection",
    "sandbox/keys.py": "keys of the yard",
    "sandbox/main.py": "the twins' own process",
    "sim/episodes.py": "a seeded generator is the chance of its worlds",
    "sim/outbreaks.py": "a seeded generator is the chance of its worlds",
    "sim/world.py": "a seeded generator is the world's chance",
    "store/batch.py": "the lane's name of this life",
    "store/embedded.py": "starts PostgreSQL",
    "store/seal.py": "nonces of sealed secrets",
}


def rule_ports(house: House) -> Iterator[Fault]:
    """Time, chance and sockets come through the ports, so that a payment also runs on virtual time."""
    for path, tree in house.package():
        inside = house.inside(path).partition("/")[2]
        if inside.startswith("ports/"):
            continue
        names, touches = aliases(tree), False
        timed = inside.startswith(("core/", "channels/", "flow/"))
        for node in ast.walk(tree):
            spoken = dotted(node, names) if isinstance(node, ast.Attribute | ast.Name) else ""
            if _OUTSIDE.match(spoken):
                touches = True
                if inside not in CARRIERS:
                    yield Fault(path, node.lineno, "ports", f"{spoken}: take a clock, chance or network as an argument")
            elif timed and spoken == "asyncio.sleep":
                yield Fault(path, node.lineno, "ports", "asyncio.sleep: use Clock.sleep_until")
        if inside in CARRIERS and not touches:
            yield Fault(path, 1, "ports", "touches the world no more: take it out of CARRIERS (tools/rules/habits.py)")


def rule_floats(house: House) -> Iterator[Fault]:
    """Money is whole fen. A float in these files is a rounding waiting to happen."""
    for path, tree in house.package():
        if path.relative_to(house.root).as_posix() not in (
            f"{PACKAGE}/core/{name}.py" for name in ("money", "fees", "ledger", "refund", "payment")
        ):
            continue
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if literal or call or division:
                yield Fault(path, node.lineno, "floats", "money is an integer of fen: use // and whole numbers")


_BANNED = re.compile(
    r"\b(TO"
    r"DO|FIX"
    r"ME|XX"
    r"X|HA"
    r"CK)\b|NotImplemented"
    r"Error|pytest\.(mark\.)?(ski"
    r"p|xfa"
    r"il)\b|assert Tr"
    r"ue\b"
)


def rule_words(house: House) -> Iterator[Fault]:
    """A note to oneself is a defect that was seen and left."""
    for path in house.files:
        if path.suffix in (".py", ".sql", ".toml", ".md", ".txt", ".csv") or path.name in ("Makefile", "run"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if _BANNED.search(line):
                    yield Fault(
                        path, number, "words", "finish it, or write down why not where readers look (DESIGN.md)"
                    )


_PLACES = re.compile(r"(?<![\w.*])/(wor"
                     r"k|roo"
                     r"t|far"
                     r"m|hom"
                     r"e|User"
                     r"s|tm"
                     r"p)/\w")  # fmt: skip


def rule_places(house: House) -> Iterator[Fault]:
    """A path of one machine means nothing on another; hosts in lock files tie us to a mirror."""
    for path in house.files:
        text = path.suffix in (".py", ".md", ".toml", ".sql", ".txt", ".lock", ".csv") or path.name in (
            "Makefile",
            "run",
        )
        if not text or house.inside(path).startswith("tests/"):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if _PLACES.search(line):
                yield Fault(path, number, "places", "a path of a machine: leave it out")
            if path.suffix == ".lock" and ("://" in line or "index-url" in line):
                yield Fault(path, number, "places", "a lock file holds names, versions and hashes only")


def rule_tests_assert(house: House) -> Iterator[Fault]:
    """A test that asserts nothing passes whatever breaks. An assertion may stand in helpers of the same file."""
    for path, tree in house.trees.items():
        if not (house.inside(path).startswith("tests/") and path.name.startswith("test_")):
            continue
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        judges: set[str] = set()
        while more := {node.name for node in functions if _judges(node, judges)} - judges:
            judges |= more
        for node in functions:
            if node.name.startswith("test_") and not _judges(node, judges):
                yield Fault(path, node.lineno, "tests", f"{node.name} asserts nothing")


def _judges(function: ast.AST, helpers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in helpers or called in ("raises", "must", "fail"):
                return True
    return False


_NAMES_NO_CAUSE = ("diagnosis/", "flow/", "gateway/", "core/")
_YARD = re.compile(r"\bdaozhang[./](sim|sandbox)\b")
_TRUTH = frozenset({"label", "labels", "ground_truth", "at_work"})


def rule_truth(house: House) -> Iterator[Fault]:
    """Ground truth stays with the runner: what names causes reaches no generator, by import or by name, and reads no label."""
    for path, tree in house.package():
        if not house.inside(path).startswith(tuple(f"{PACKAGE}/{room}" for room in _NAMES_NO_CAUSE)):
            continue
        for line, name in house.ours(path):
            if _YARD.match(name):
                yield Fault(path, line, "truth", f"{name} makes the faults: what names causes may not know it")
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _YARD.search(node.value):
                yield Fault(path, node.lineno, "truth", "the generator is named: what names causes may not reach it")
            if isinstance(node, ast.Attribute) and node.attr in _TRUTH and house.inside(path).startswith(f"{PACKAGE}/diagnosis/"):
                yield Fault(path, node.lineno, "truth", f".{node.attr}: labels stay with the runner")
