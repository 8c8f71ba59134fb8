"""Rows to records and back. Column lists are made from the records, so that a new field cannot be forgotten."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from daozhang.core.evidence import Evidence
from daozhang.core.ids import ulid_of
from daozhang.core.payment import Method, Payment, State, Undone
from daozhang.core.refund import Refund, RefundKind, RefundState
from daozhang.store.short import lengthened

PAYMENT = ", ".join(field.name for field in fields(Payment))
REFUND = ", ".join(field.name for field in fields(Refund))
EVIDENCE = "payment, n, at_ms, kind, who, op, proves, code, text, detail, refund"

_decode = msgspec.json.Decoder().decode
_STATES = {state.value: state for state in State}


def _json(text: str | None) -> Any:
    return None if text is None else _decode(text)


def payment_of(row: Mapping[str, Any]) -> Payment:
    values = dict(row)
    values["method"] = Method(values["method"])
    values["state"] = _STATES[values["state"]]
    values["undone"] = Undone(values["undone"])
    for name in ("metadata", "doubt", "refusal"):
        values[name] = _json(values[name])
    return Payment(**values)


def refund_of(row: Mapping[str, Any]) -> Refund:
    values = dict(row)
    values["kind"] = RefundKind(values["kind"])
    values["state"] = RefundState(values["state"])
    values["failure"] = _json(values["failure"])
    return Refund(**values)


def evidence_of(row: Mapping[str, Any]) -> Evidence:
    values = dict(row)
    values["payment"] = "pay_" + ulid_of(values["payment"].int)
    values["detail"] = lengthened(_json(values["detail"]), values["payment"], values["code"], values["text"])
    return Evidence(**values)
