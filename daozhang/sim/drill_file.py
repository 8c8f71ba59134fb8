"""A scenario: a YAML file that says what world it is and what goes wrong in it. Users write these too.

Every key of ``world`` has a default. What is not understood is refused with file, line and the nearest right word, never
passed over: a scenario that runs is the scenario that was written. The schema for people is docs/drills.md.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import yaml

from daozhang.channels.shelf import Shelf
from daozhang.diagnosis.cause import shelf
from daozhang.sim.drill_plays import PLAYS, SYMPTOMS, Play

_MOST_BYTES = 200_000
_MOST_PAYMENTS = 200_000
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_PLACE = re.compile(r"m(\d+)(?:/t(\d+))?", re.ASCII)
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Shares = dict[str, Annotated[float, msgspec.Meta(ge=0)]]


class BadDrill(ValueError):
    """The file is no scenario: where, and how to mend it, in both languages."""

    def __init__(self, path: Path, line: int, zh: str, en: str) -> None:
        super().__init__(f"{path}:{line}: {en}")
        self.zh, self.en = f"{path}:{line}: {zh}", f"{path}:{line}: {en}"


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shops, and what is ordinary there. Shares are weights: they need not add up to one."""

    merchants: Annotated[int, msgspec.Meta(ge=1, le=2_000)] = 20
    tills_per_merchant: Annotated[int, msgspec.Meta(ge=1, le=50)] = 2
    payments_per_minute: Annotated[float, msgspec.Meta(gt=0, le=6_000)] = 120.0
    wallets: Shares = msgspec.field(default_factory=lambda: {"alipay": 0.55, "wechat": 0.40, "unionpay": 0.05})
    banks: Shares = msgspec.field(default_factory=lambda: {"ICBC": 0.3, "CCB": 0.25, "ABC": 0.2, "CMB": 0.15, "OTHER": 0.1})
    regions: Shares = msgspec.field(default_factory=lambda: {"east": 0.4, "north": 0.35, "south": 0.25})
    carriers: Shares = msgspec.field(default_factory=lambda: {"cmcc": 0.5, "ctcc": 0.3, "cucc": 0.2})
    software: Shares = msgspec.field(default_factory=lambda: {"1.4.0": 0.6, "1.3.2": 0.3, "1.2.0": 0.1})
    unknown_rate: Rate = 0.002
    heartbeat_loss: Rate = 0.02
    heartbeat_s: Annotated[float, msgspec.Meta(ge=5, le=60)] = 20.0
    clock_skew_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 2.0
    qr_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    impatience: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    latency_ms: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 60


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, from ``at_s`` until ``until_s`` (0: until the end), where, and how strongly. Empty: not said."""

    cause: str
    at_s: float = 0.0
    until_s: float = 0.0
    merchant: str = ""
    till: str = ""
    channel: str = ""
    bank: str = ""
    software: str = ""
    region: str = ""
    carrier: str = ""
    share: Share | None = None
    loss: Share | None = None
    level: Annotated[float, msgspec.Meta(ge=0)] | None = None
    announced: bool | None = None
    symptom: str = ""

    @property
    def play(self) -> Play:
        return PLAYS[self.cause]


class Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    seed: int = 1
    mode: str = "virtual"
    minutes: Annotated[float, msgspec.Meta(gt=0, le=20_160)] = 10.0
    world: World = msgspec.field(default_factory=World)
    faults: tuple[Fault, ...] = ()


_TOP = ("name", "seed", "mode", "minutes", "world", "faults", "says")
_SCOPES = ("merchant", "till", "channel", "bank", "software", "region", "carrier")
_STRENGTHS = ("share", "loss", "level", "announced", "symptom")
_FAULT = ("cause", "at", "for", *_SCOPES, *_STRENGTHS)
MODES = ("virtual", "live")
_ALSO = {"wechat": "wechatpay", "weixin": "wechatpay", "quickpass": "unionpay"}


class _At(NamedTuple):
    """A value of the file and where it stands."""

    path: Path
    node: Any

    def bad(self, zh: str, en: str) -> BadDrill:
        return BadDrill(self.path, self.node.start_mark.line + 1, zh, en)

    def table(self, allowed: Iterable[str], what: tuple[str, str]) -> dict[str, "_At"]:
        """A mapping with known keys, each once."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.bad(f"{what[0]}应是「键: 值」", f"{what[1]} is a mapping of keys to values")
        known, found = tuple(allowed), dict[str, _At]()
        for key, value in self.node.value:
            at, name = _At(self.path, key), str(key.value)
            if known and name not in known:
                near = nearest(name, known)
                raise at.bad(f"{what[0]}没有 {name} 这个键{near[0]}", f"{what[1]} has no key {name}{near[1]}")
            if name in found:
                raise at.bad(f"{name} 写了两次", f"{name} is written twice")
            found[name] = _At(self.path, value)
        return found

    def items(self) -> list["_At"]:
        if isinstance(self.node, yaml.ScalarNode) and self.plain() is None:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.bad("faults 应是列表,每项以 - 开头", "faults is a list, each one begins with -")
        return [_At(self.path, node) for node in self.node.value]

    def plain(self) -> Any:
        """The value as YAML 1.1 reads it."""
        return yaml.SafeLoader("").construct_object(self.node, deep=True)

    def as_(self, kind: Any, name: str) -> Any:
        try:
            return msgspec.convert(self.plain(), kind, strict=True)
        except (msgspec.ValidationError, yaml.YAMLError) as wrong:
            raise self.bad(f"{name} 的值不对({wrong})", f"{name} has a wrong value ({wrong})") from None

    def seconds(self, name: str) -> float:
        """``5m``, ``90s``, ``2h``, ``1h30m``; a bare number is seconds."""
        said = self.plain()
        if isinstance(said, int | float) and not isinstance(said, bool) and said >= 0:
            return float(said)
        found = _DURATION.fullmatch(said.strip()) if isinstance(said, str) and said.strip() else None
        if found is None:
            raise self.bad(f"{name} 应是时长,如 5m、90s、2h", f"{name} is a duration such as 5m, 90s or 2h")
        hours, minutes, seconds = found.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)


def nearest(word: str, known: Iterable[str]) -> tuple[str, str]:
    """What was meant, perhaps; otherwise what there is."""
    choices = sorted(known)
    found = difflib.get_close_matches(word, choices, 1, 0.5)
    if found:
        return f",是不是 {found[0]}?", f"; did you mean {found[0]}?"
    some = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f",可用:{some}", f"; there is {some}"


def read(path: Path) -> Drill:
    """The scenario of a file. Raises BadDrill."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as why:
        raise BadDrill(path, 0, f"读不了({why})", f"it cannot be read ({why})") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Drill:
    """Raises BadDrill."""
    if len(text) > _MOST_BYTES:
        raise BadDrill(path, 0, "文件太大", "the file is too large")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise BadDrill(path, 0, "不支持 YAML 别名(*名字)", "YAML aliases (*name) are not read")
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as why:
        line = why.problem_mark.line + 1 if why.problem_mark else 0
        raise BadDrill(path, line, f"不是 YAML({why.problem})", f"it is no YAML ({why.problem})") from None
    except (yaml.YAMLError, RecursionError) as why:
        raise BadDrill(path, 0, f"不是 YAML({why})", f"it is no YAML ({why})") from None
    if node is None:
        raise BadDrill(path, 1, "文件是空的", "the file is empty")
    return _drill(_At(path, node))


def _drill(top: _At) -> Drill:
    given = top.table(_TOP, ("场景", "a scenario"))
    if "name" not in given:
        raise top.bad("缺 name(场景的名字)", "the name of the scenario is missing")
    mode = given["mode"].as_(str, "mode") if "mode" in given else "virtual"
    if mode not in MODES:
        near = nearest(mode, MODES)
        raise given["mode"].bad(f"mode 不能是 {mode}{near[0]}", f"mode cannot be {mode}{near[1]}")
    types = {field.name: field.type for field in msgspec.structs.fields(Drill)}
    simple = {name: given[name].as_(types[name], name) for name in ("name", "seed", "minutes") if name in given}
    world = _world(given["world"]) if "world" in given else World()
    world = _channels_by_name(world, given.get("world", top))
    drill = Drill(mode=mode, world=world, **simple)
    if drill.minutes * world.payments_per_minute > _MOST_PAYMENTS:
        raise top.bad(f"超过 {_MOST_PAYMENTS} 笔:减小 minutes 或 payments_per_minute",
                      f"more than {_MOST_PAYMENTS} payments: fewer minutes or payments_per_minute")  # fmt: skip
    faults = tuple(_fault(one, drill) for one in given["faults"].items()) if "faults" in given else ()
    return msgspec.structs.replace(drill, faults=faults)


def _world(at: _At) -> World:
    if isinstance(at.node, yaml.ScalarNode) and at.plain() is None:
        return World()
    types = {field.name: field.type for field in msgspec.structs.fields(World)}
    given = at.table(types, ("world", "world"))
    values: dict[str, Any] = {}
    for name, one in given.items():
        if types[name] == Shares:
            values[name] = {key: value.as_(Annotated[float, msgspec.Meta(ge=0)], key) for key, value in one.table((), (name, name)).items()}
            if sum(values[name].values()) <= 0:
                raise one.bad(f"{name} 至少要有一项大于0", f"something of {name} is above nothing")
        else:
            values[name] = one.as_(types[name], name)
    return World(**values)


def _channels_by_name(world: World, at: _At) -> World:
    """Wallets under the shelf's own names."""
    known = channels()
    named: dict[str, float] = {}
    for name, share in world.wallets.items():
        if (real := known.get(name)) is None:
            near = nearest(name, known)
            raise at.bad(f"没有叫 {name} 的钱包{near[0]}", f"there is no wallet called {name}{near[1]}")
        named[real] = named.get(real, 0.0) + share
    return msgspec.structs.replace(world, wallets=named)


_NO_FAULT = {"zh": "演练里还没有引发它的故障", "en": "no fault of a drill brings it about yet"}


def channels() -> dict[str, str]:
    """Every name a file may use for a channel, and the shelf's."""
    own = {channel.name: channel.name for channel in Shelf.look()}
    return own | {name: real for name, real in _ALSO.items() if real in own}


def _fault(at: _At, drill: Drill) -> Fault:
    given = at.table(_FAULT, ("故障", "a fault"))
    if "cause" not in given:
        raise at.bad("故障缺 cause", "a fault names its cause")
    cause = given["cause"].as_(str, "cause")
    if cause not in shelf():
        near = nearest(cause, shelf())
        raise given["cause"].bad(f"没有叫 {cause} 的原因{near[0]}", f"there is no cause called {cause}{near[1]}")
    if cause not in PLAYS:
        why = shelf()[cause].not_drilled or _NO_FAULT
        raise given["cause"].bad(f"{cause} 演练不了:{why['zh']}", f"no drill brings {cause} about: {why['en']}")
    _allowed(cause, given)
    at_s = given["at"].seconds("at") if "at" in given else 0.0
    if at_s >= drill.minutes * 60:
        raise given["at"].bad("at 在场景结束之后", "at is after the scenario's end")
    until_s = at_s + given["for"].seconds("for") if "for" in given else 0.0
    if "for" in given and until_s <= at_s:
        raise given["for"].bad("for 应大于0", "for is above nothing")
    scopes: dict[str, Any] = {name: _scope(given[name], name, drill.world) for name in _SCOPES if name in given}
    types = {field.name: field.type for field in msgspec.structs.fields(Fault)}
    strengths: dict[str, Any] = {name: given[name].as_(types[name], name) for name in _STRENGTHS if name in given}
    if strengths.get("symptom") and strengths["symptom"] not in SYMPTOMS:
        near = nearest(strengths["symptom"], SYMPTOMS)
        raise given["symptom"].bad(f"没有叫 {strengths['symptom']} 的表现{near[0]}", f"there is no symptom {strengths['symptom']}{near[1]}")
    return Fault(cause=cause, at_s=at_s, until_s=until_s, **scopes, **strengths)


def _allowed(cause: str, given: Mapping[str, _At]) -> None:
    """A scope or strength that makes no sense for this cause is refused, not passed over."""
    play = PLAYS[cause]
    for name in given:
        if name in _SCOPES and name not in play.scopes:
            near = nearest(name, play.scopes)
            raise given[name].bad(f"{cause} 不能限定在一个 {name}{near[0]}", f"{cause} cannot be limited to one {name}{near[1]}")
        if name in _STRENGTHS and name not in play.strengths:
            near = nearest(name, play.strengths) if play.strengths else (",它没有强度", "; it has no strength")
            raise given[name].bad(f"{name} 对 {cause} 没有意义{near[0]}", f"{name} means nothing for {cause}{near[1]}")


def _scope(at: _At, name: str, world: World) -> str:
    said = str(at.plain()) if isinstance(at.node, yaml.ScalarNode) else ""
    if name in ("merchant", "till"):
        found = _PLACE.fullmatch(said)
        right = found is not None and (found[2] is not None) == (name == "till")
        if found is not None and right and 1 <= int(found[1]) <= world.merchants and 1 <= int(found[2] or 1) <= world.tills_per_merchant:
            return said
        example = "m3/t1" if name == "till" else "m7"
        most = f"m1..m{world.merchants}" + (f"/t1..t{world.tills_per_merchant}" if name == "till" else "")
        raise at.bad(f"没有 {name} {said}:写成 {example},这里有 {most}", f"there is no {name} {said}: write it as {example}; here are {most}")
    tables: dict[str, Mapping[str, Any]] = {
        "channel": channels(), "bank": world.banks, "software": world.software, "region": world.regions, "carrier": world.carriers,
    }  # fmt: skip
    known = tables[name]
    if said not in known:
        near = nearest(said, known)
        raise at.bad(f"没有 {name} {said}{near[0]}", f"there is no {name} {said}{near[1]}")
    if name == "channel":
        said = channels()[said]
        if not world.wallets.get(said):
            raise at.bad(f"这个世界里没人用 {said}", f"nobody in this world pays with {said}")
    return said
