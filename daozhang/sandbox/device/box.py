"""What is inside a simulated speaker: it checks, remembers, speaks, answers. No sockets, no clock of its own."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daozhang.core.texts import ms_of_rfc3339, rfc3339
from daozhang.devices.announcing import verified
from daozhang.devices.firmware import Refused, Slots, accepted

FAULTS = frozenset({"mute", "drift", "loss", "battery", "old", "sim", "slow", "misbound", "years", "torn"})
DOES_NOT_START, DOES_NOT_SPEAK = b"sim: does not start", b"sim: does not speak"
_AHEAD_MS = {"drift": 3 * 3_600_000, "years": -3 * 365 * 86_400_000}
_WRONG_BEATS = 3  # a clock that is known to be wrong is told so often before it is set
_MOST_SEEN = 200


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence that came out of the box; ``late``: with the words for old news."""

    announce_id: str
    late: bool
    text: str
    at_ms: int


@dataclass
class Box:
    """``flash`` survives a power cut; what it has spoken lately is remembered in memory only, as in cheap boxes."""

    device: str
    sign_key: str = ""
    faults: frozenset[str] = frozenset()
    volume: int = 80
    config_n: int = 0
    battery: int = 90
    firmware_key: str = ""
    type: str = "speaker"
    images: dict[str, bytes] = field(default_factory=dict)
    dumb: bool = False
    slots: Slots = field(default_factory=lambda: Slots("1.4.0"))
    flash: dict[str, int] = field(default_factory=lambda: {"n": 0})
    spoken: list[Spoken] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _seen: "OrderedDict[str, bool]" = field(default_factory=OrderedDict)
    _beats: int = 0
    _set_by_ms: int = 0
    _wrong_beats: int = 0

    def __post_init__(self) -> None:
        self.ahead_ms = sum(_AHEAD_MS.get(fault, 0) for fault in self.faults)

    @property
    def muted(self) -> bool:
        return "mute" in self.faults or self.volume == 0

    def clock(self, now_ms: int) -> int:
        """The time as this box believes it."""
        return now_ms + self.ahead_ms

    def power_cut(self) -> None:
        """Memory is gone."""
        self._seen.clear()

    def hears(self, kind: str, payload: bytes, now_ms: int) -> list[tuple[str, dict[str, Any]]]:
        """A message from ``down``: what it publishes in answer, as (kind of ``up``, table)."""
        table = verified(payload, self.sign_key) if self.sign_key else _plain(payload)
        if table is None or table.get("device") != self.device:
            return self._refuse("signature")
        n = table.get("n", 0)
        if not isinstance(n, int) or n <= self.flash["n"]:
            return self._refuse("counter")
        self.flash["n"] = n
        if "years" in self.faults and self.sign_key and "sent_at" in table:  # signed, and no replay: a time to be believed
            self._set_by_ms = ms_of_rfc3339(str(table["sent_at"])) - self.clock(now_ms)
        if kind == "announce":
            return [("ack", self._announce(table, now_ms))]
        if kind == "cmd":
            answer = self._command(table)
            moved = table["command"] in ("update", "roll_back")  # it starts again, and says at once what runs now
            return [("ack", answer), *([("heartbeat", self.heartbeat(now_ms))] if moved else [])]
        self._configure(table)
        return [("heartbeat", self.heartbeat(now_ms))]

    def _refuse(self, why: str) -> list[tuple[str, dict[str, Any]]]:
        self.refused.append(why)
        return [("evidence", {"refused": why})]

    def _announce(self, table: dict[str, Any], now_ms: int) -> dict[str, Any]:
        ident, late = str(table["announce_id"]), bool(table["late"])
        answer = {"announce_id": ident, "late": late}
        if ident in self._seen:
            return {**answer, "late": self._seen[ident], "state": "played", "again": True}
        if table.get("volume") == 0:
            return {**answer, "state": "failed", "why": "muted"}
        if self.muted or self.dumb:
            return {**answer, "state": "failed", "why": "muted" if self.muted else "broken"}
        if not late and self.clock(now_ms) > ms_of_rfc3339(str(table["expires"])) and "drift" not in self.faults:
            return {**answer, "state": "failed", "why": "too_old"}
        self.spoken.append(Spoken(ident, late, str(table["text"]["zh"]), now_ms))
        self._seen[ident] = late
        while len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return {**answer, "state": "played", "played_at": rfc3339(self.clock(now_ms))}

    def _command(self, table: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if table["command"] == "self_test":
            result = {"speaker": "muted" if self.muted else "ok", "volume": self.volume, "battery": self.battery}
        elif table["command"] in ("update", "roll_back", "commit"):
            return self._firmware(table)
        elif table["command"] == "upload_log":
            result = {"lines": [f"spoke {one.announce_id} late={one.late}" for one in self.spoken[-5:]]}
        return {"command_id": table["command_id"], "state": "done", "result": result}

    def _firmware(self, table: dict[str, Any]) -> dict[str, Any]:
        args, answer = table.get("args") or {}, {"command_id": table["command_id"], "state": "done"}
        version = str(args.get("version", ""))
        if table["command"] == "commit":
            self.slots.commits(version)
        elif table["command"] == "roll_back":
            if not self.slots.goes_back(version):
                return {**answer, "state": "failed", "why": "rollback"}
            self.dumb = False
        else:
            answer = self._update(table)
            if answer["state"] == "done":
                self._restart(self.images[str(args["sha256"])])
        return answer

    def _update(self, table: dict[str, Any]) -> dict[str, Any]:
        """Take an image that is ours, newer and whole; say why when it is not."""
        args, answer = table.get("args") or {}, {"command_id": table["command_id"]}
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.firmware_key))
            image = self.images.get(str(args.get("sha256", "")))
            if image is None:
                return {**answer, "state": "failed", "why": "download"}
            manifest = str(args.get("manifest", "")).encode()
            self.slots.install(accepted(manifest, image, key, self.type, self.slots.running, self.slots.floor))
        except Refused as why:
            return {**answer, "state": "failed", "why": why.why, "refused": why.why}
        except ValueError:
            return {**answer, "state": "failed", "why": "signature", "refused": "signature"}
        return {**answer, "state": "done"}

    def _restart(self, image: bytes) -> None:
        """Boot what was installed. A simulated image says in its own bytes how it behaves: one that does not start is left by
        the second boot, as the watchdog of a real box does it."""
        self.slots.boots()
        if image.startswith(DOES_NOT_START):
            self.slots.boots()
        else:
            self.slots.confirms()
            self.dumb = image.startswith(DOES_NOT_SPEAK)

    def _configure(self, table: dict[str, Any]) -> None:
        desired = table.get("desired") or {}
        self.config_n = int(table.get("config_n") or 0)
        self.volume = int(desired.get("volume", self.volume))

    def heartbeat(self, now_ms: int) -> dict[str, Any]:
        """What it says of itself every twenty seconds."""
        self._beats += 1
        if "battery" in self.faults:
            self.battery = max(0, min(self.battery, 6) - 1)
        told: dict[str, Any] = {
            "n": self._beats, "battery": self.battery, "mains": "battery" not in self.faults, "signal_dbm": -71,
            "network": "4g", "rtt_ms": 48, "loss": 0.3 if "loss" in self.faults else 0.0, "sim": "active",
            "data_left_mb": 812, "software": "1.0.3" if "old" in self.faults else self.slots.running, "config_n": self.config_n,
            "clock_ms": self.clock(now_ms), "speaker": "ok", "volume": 0 if "mute" in self.faults else self.volume,
            "muted": self.muted,
        }  # fmt: skip
        self._put_clock_right()
        if "sim" in self.faults:
            told |= {"sim": "suspended", "data_left_mb": 0, "signal_dbm": -113}
        return told


    def _put_clock_right(self) -> None:
        """After it has been told often enough how wrong it was."""
        if self._set_by_ms:
            self._wrong_beats += 1
        if self._wrong_beats >= _WRONG_BEATS:
            self.ahead_ms += self._set_by_ms
            self._set_by_ms = self._wrong_beats = 0


def _plain(payload: bytes) -> dict[str, Any] | None:
    try:
        table = json.loads(payload)
    except ValueError:
        return None
    return table if isinstance(table, dict) else None
