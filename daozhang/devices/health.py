"""What a device's own report says about its health, in cause ids of the trade (1-product section 6)."""

from collections.abc import Mapping
from typing import Any

from daozhang.core.fleet import Device, DeviceState, Standing

HEARTBEAT_S = 20
_LOW_BATTERY = 15
_SKEW_MS = 60_000
_WEAK_DBM = -105
LEAST_SOFTWARE = (1, 2)  # older ones are known to lose announcements
REPORT_KEYS = frozenset({
    "battery", "mains", "signal_dbm", "network", "rtt_ms", "loss", "sim", "data_left_mb", "software", "driver",
    "config_n", "clock_ms", "scanner", "printer", "speaker", "volume", "muted", "uptime_s", "n", "skew_ms", "place",
    "carrier", "config", "lost_by",
})  # fmt: skip
_MOST_TEXT = 64


def cleaned(reported: Mapping[str, Any]) -> dict[str, Any]:
    """The members we know, small values only: a heartbeat is no place to store things."""
    return {
        name: value[:_MOST_TEXT] if isinstance(value, str) else value
        for name, value in reported.items()
        if name in REPORT_KEYS and isinstance(value, bool | int | float | str | None) and _finite(value)
    }


def _finite(value: Any) -> bool:
    return not isinstance(value, int | float) or abs(value) < 1e15


def causes(device: Device, state: DeviceState, now_ms: int) -> list[str]:
    """What is wrong with it now, worst first; empty when nothing is known to be."""
    told = state.reported
    found = []
    if device.standing is not Standing.ACTIVE:
        found.append("device.misbound")
    elif not state.online:
        found.append(_gone(told))
    if _number(told, "skew_ms") is not None and abs(_number(told, "skew_ms") or 0) > _SKEW_MS:
        found.append("device.clock_skew")
    battery = _number(told, "battery")
    if battery is not None and battery <= _LOW_BATTERY and told.get("mains") is not True:
        found.append("device.battery_low")
    if told.get("muted") is True or _number(told, "volume") == 0:
        found.append("device.speaker_muted")
    if software(told.get("software")) not in (None, ()) and (software(told.get("software")) or ()) < LEAST_SOFTWARE:
        found.append("device.outdated_software")
    if told.get("sim") == "suspended":
        found.append("network.sim_suspended")
    if _number(told, "data_left_mb") == 0:
        found.append("network.no_data_left")
    signal = _number(told, "signal_dbm")
    if signal is not None and signal < _WEAK_DBM:
        found.append("network.lossy")
    for part in ("scanner", "printer"):
        if told.get(part) in ("broken", "no_paper", "offline"):
            found.append(f"device.{part}")
    return found


def _gone(told: Mapping[str, Any]) -> str:
    """Why it may be away, from what it said last."""
    battery = _number(told, "battery")
    if battery is not None and battery <= _LOW_BATTERY and told.get("mains") is not True:
        return "device.power_lost"
    return "device.offline"


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def software(text: Any) -> tuple[int, ...] | None:
    """``1.2.3`` as numbers; None when nothing or something else is said."""
    parts = str(text).split(".") if isinstance(text, str) else []
    return tuple(int(part) for part in parts) if parts and all(part.isdecimal() for part in parts) else None
