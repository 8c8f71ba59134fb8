"""Every setting with its default, its unit and one line of why. This file is the settings manual.

A setting comes from, first that says something: the command line, the environment (``DAOZHANG_`` and the name in
capitals), ``settings.toml`` in the data folder, the default here.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from daozhang.core.faults import Fault


class BadSetting(Fault):
    """A setting that cannot be used; ``zh`` and ``en`` say which, why, and how to mend it."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def _default_data() -> Path:
    return Path(os.environ.get("DAOZHANG_DATA", "~/.daozhang")).expanduser()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings manual. Times end in their unit."""

    # Where everything of this installation lies: the database, keys, the state file. One running system per folder.
    data: Path = field(default_factory=_default_data)
    # All ports derive from it: N platform, N+1 Alipay twin, N+2 WeChat Pay twin (N+9 in TLS), N+6 and N+8 devices,
    # N+7 sandbox control (the contract for programs). Each twin says its own place.
    base_port: int = 7800
    # The address the doors listen on. Anything but loopback belongs behind TLS.
    host: str = "127.0.0.1"
    # An external PostgreSQL (18). Empty: our own, embedded, in the data folder.
    dsn: str = ""
    # The sandbox (twins of the channels, payers' phones, a clock that can be moved) runs beside the platform.
    sandbox: bool = True
    # Make a demo merchant with a store, a till and a key at the first start. Only in the sandbox.
    demo: bool = False
    # Processes that take requests. More than one share the port.
    serve_processes: int = 1
    # Processes that carry on what is unproven (timers, outbox).
    work_processes: int = 1
    # Connections to PostgreSQL per process. Few are enough: commits travel in groups.
    store_connections: int = 6
    # Where channels reach our notify doors, without a slash at the end. Empty: this machine's own address. none: they
    # cannot reach us at all, and are not asked to send notifies; queries find everything, a little later.
    notify_base: str = ""
    # The device gateway runs beside the platform: N+6 MQTT and WebSocket in clear (loopback only), N+8 with TLS.
    gateway: bool = True
    # An external MQTT 5 broker whose devices are served too: mqtt://USER:PASSWORD@HOST:PORT, mqtts:// with TLS. Enrolment then
    # names it to devices. Empty: there is none. The broker checks its devices; see docs/devices.md for its rules.
    gateway_broker: str = ""
    # The gateway's certificate chain and key (PEM files). Empty: one of our own authority, in DATA/gateway.
    gateway_certificate: str = ""
    gateway_key: str = ""
    # In the sandbox, test webhooks may reach this machine, so that you can try your own program here. Live ones never may.
    webhook_loopback: bool = True
    # A file with the 32-byte master key that seals channel secrets. Empty: DATA/master.key, made in the sandbox only.
    master_key_file: str = ""
    # Requests a second of one API key, in each serving process.
    rate_per_s: int = 2_000
    # When a request's turns through a serving process take longer than this, new payments are refused with 503 until they do not.
    most_lag_ms: int = 1_500
    # By how many those in hand in one serving process may grow between two measurements of that (some 50 ms, and what it took).
    most_at_once: int = 400
    # New payments and refunds that one serving process has in hand at most; beyond it they are refused with 503.
    most_under_way: int = 2_000
    # Writes that wait longer than this for their turn at the database: new payments are refused with 503 until they do not.
    most_queue_ms: int = 3_000
    # Where traces go (OTLP over HTTP), such as http://127.0.0.1:4318/v1/traces; needs the extra "otel". Empty: nowhere.
    otel_endpoint: str = ""
    # Who signs roll-outs: an Ed25519 public key, 64 hexadecimal digits. Empty: a pair of our own in DATA/gateway (sandbox, small shops).
    rollout_key: str = ""
    # An incident that is identified and concerns so many payments is published by rule. 0: only people publish.
    incident_publish_payments: int = 20
    # Who is alerted of incidents: a TOML file, as docs/incidents.md shows. Empty: DATA/alerts.toml, if there is one.
    alerts_file: str = ""
    # Probes: in doubt, each channel is asked now and then for an order that does not exist. In live only when this is true.
    probes: bool = False
    # debug, info, warning, error.
    log_level: str = "info"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.base_port}/v1"

    @property
    def control_port(self) -> int:
        return self.base_port + 7

    @property
    def mqtt_port(self) -> int:
        return self.base_port + 6

    @property
    def mqtts_port(self) -> int:
        return self.base_port + 8

    @property
    def notify_url(self) -> str:
        if self.notify_base == "none":
            return ""
        return self.notify_base or f"http://{self.host}:{self.base_port}"


def load(given: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises BadSetting for an unknown name or a value of the wrong kind."""
    chosen = {key: value for key, value in (given or {}).items() if value is not None}
    base = Settings(data=Path(chosen.get("data") or environ.get("DAOZHANG_DATA") or "~/.daozhang").expanduser())
    file = base.data / "settings.toml"
    written: dict[str, Any] = {}
    if file.is_file():
        try:
            written = tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as broken:
            raise BadSetting(
                f"{file} 不是 TOML({broken}):改正或移走它", f"{file} is not TOML ({broken}): mend it or move it away"
            ) from None
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        source = chosen.get(setting.name, environ.get(f"DAOZHANG_{setting.name.upper()}", written.get(setting.name)))
        if source is not None and setting.name != "data":
            values[setting.name] = _as(setting.name, source, getattr(base, setting.name))
    unknown = written.keys() - {setting.name for setting in fields(Settings)}
    if unknown:
        raise BadSetting(
            f"{file} 里有不存在的设置 {min(unknown)}:见 daozhang/settings.py",
            f"{file} names a setting that does not exist: {min(unknown)}. See daozhang/settings.py",
        )
    return _checked(replace(base, **values))


def _as(name: str, value: Any, like: Any) -> Any:
    """Read a text as the kind of the default."""
    try:
        if isinstance(like, bool):
            if isinstance(value, bool):
                return value
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[str(value).lower()]
        return type(like)(value)
    except (KeyError, ValueError, TypeError):
        kind = type(like).__name__
        raise BadSetting(
            f"{name} = {value!r} 不是 {kind}:改成 {kind}", f"{name} = {value!r} is no {kind}: give one"
        ) from None


def _checked(settings: Settings) -> Settings:
    if not 1024 <= settings.base_port <= 65_525:
        port = settings.base_port
        raise BadSetting(
            f"base_port = {port}:请选 1024 到 65525,之后十个端口由它推出",
            f"base_port = {port}: choose one from 1024 to 65525; ten ports follow from it",
        )
    if settings.rollout_key and not re.fullmatch("[0-9a-fA-F]{64}", settings.rollout_key):
        raise BadSetting("rollout_key 应为 64 位十六进制的 Ed25519 公钥", "rollout_key is an Ed25519 public key of 64 hexadecimal digits")
    broker = urlsplit(settings.gateway_broker)
    if settings.gateway_broker and (broker.scheme not in ("mqtt", "mqtts") or not broker.hostname):
        raise BadSetting("gateway_broker 形如 mqtt://用户:密码@主机:端口(mqtts 为 TLS)", "gateway_broker is such as mqtt://USER:PASSWORD@HOST:PORT (mqtts with TLS)")
    if settings.serve_processes < 1 or settings.work_processes < 1:
        raise BadSetting(
            "serve_processes 和 work_processes 至少为1", "serve_processes and work_processes are at least 1"
        )
    if settings.demo and not settings.sandbox:
        raise BadSetting(
            "演示只在沙箱里有:去掉 --demo,或设 sandbox = true",
            "the demo exists only in the sandbox: leave --demo away, or set sandbox = true",
        )
    return settings
