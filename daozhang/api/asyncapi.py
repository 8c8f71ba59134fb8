"""The AsyncAPI 3 document of the device plane, made from the topics and the messages themselves (4-surfaces 9.5)."""

from collections.abc import Mapping
from typing import Any

from daozhang.devices import announcing, health, shelf, topics
from daozhang.devices.rolling import ORDERS

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_SIGNED = (
    "最后一个成员 sig 是其前全部字节的 HMAC-SHA256(十六进制);n 只增不减,拒绝不更大的。 / The last member, sig, is the"
    " HMAC-SHA256 (hexadecimal) over every byte before it; n only grows: refuse what does not."
)


def _object(required: tuple[str, ...], **members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": members}


def _messages() -> dict[str, dict[str, Any]]:
    words = _object(("zh", "en"), zh=_TEXT, en=_TEXT)
    stamp = {"device": _TEXT, "n": _NUMBER, "sent_at": _TIME, "sig": _TEXT}
    kinds = {"enum": [*announcing.KINDS, "summary"]}
    reported: dict[str, Any] = {name: {} for name in sorted(health.REPORT_KEYS)}
    return {
        "announce": {"description": _SIGNED, "payload": _object(
            ("announce_id", "device", "n", "kind", "late", "amount", "at", "expires", "text", "clips", "sig"),
            announce_id=_TEXT, kind=kinds, late=_FLAG, amount=_NUMBER, wallet=_TEXT, payment_tail=_TEXT, at=_TIME, until=_TIME,
            count=_NUMBER, expires=_TIME, volume=_NUMBER, text=words, clips={"type": "array", "items": _TEXT},
            code_word=_object(("date", "zh", "en"), date=_TEXT, zh=_TEXT, en=_TEXT), **stamp)},
        "cmd": {"description": _SIGNED, "payload": _object(
            ("command_id", "device", "n", "command", "args", "sig"), command_id=_TEXT, args={"type": "object"}, expires=_TIME,
            command={"enum": sorted({name for kind in shelf.look().values() for name in kind.commands} | set(ORDERS))}, **stamp)},
        "config": {"description": _SIGNED, "payload": _object(
            ("config_n", "device", "n", "desired", "sig"), config_n=_NUMBER, desired={"type": "object"}, **stamp)},
        "heartbeat": {"description": "每20秒 / every 20 s", "payload": {"type": "object", "properties": reported}},
        "evidence": {"description": "设备自己的话,至多4KB / what the device has to say, at most 4 KB", "payload": {"type": "object"}},
        "ack": {"description": "播报或命令的结果 / the outcome of an announcement or a command", "payload": {"oneOf": [
            _object(("announce_id", "state"), announce_id=_TEXT, state={"enum": ["played", "failed"]}, late=_FLAG,
                    why={"type": "string", "examples": ["muted", "too_old"]}),
            _object(("command_id", "state"), command_id=_TEXT, state={"enum": ["done", "failed"]}, result={"type": "object"}, why=_TEXT,
                    refused={"type": "string", "examples": ["signature", "rollback"]}),
        ]}},
    }  # fmt: skip


def document(version: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """Channels, operations and messages; ``send`` is what the platform sends."""
    messages = _messages()
    spoken = {**{kind: topics.down("{merchant}", "{device}", kind) for kind in topics.DOWN},
              **{kind: topics.up("{merchant}", "{device}", kind) for kind in topics.UP}}  # fmt: skip
    parameters = {name: {"description": f"{name} id"} for name in ("merchant", "device")}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "daozhang devices 到账设备", "version": version, "license": {"name": "Apache-2.0"},
                 "description": "MQTT 3.1.1 和 5,QoS 0 和 1,只用自己的主题。 / MQTT 3.1.1 and 5, QoS 0 and 1, own topics only."},
        "defaultContentType": "application/json",
        "servers": {
            "tls": {"host": f"{where.get('tls_host', '')}:{where.get('tls_port', '')}", "protocol": "secure-mqtt"},
            "local": {"host": f"{where.get('host', '')}:{where.get('port', '')}", "protocol": "mqtt",
                      "description": "仅本机 / this machine only"},
        },
        "channels": {kind: {"address": address, "parameters": parameters, "messages": {kind: {"$ref": f"#/components/messages/{kind}"}}}
                     for kind, address in spoken.items()},
        "operations": {kind: {"action": "send" if kind in topics.DOWN else "receive", "channel": {"$ref": f"#/channels/{kind}"}}
                       for kind in spoken},
        "components": {"messages": {kind: {"name": kind, **message} for kind, message in messages.items()}},
    }  # fmt: skip
