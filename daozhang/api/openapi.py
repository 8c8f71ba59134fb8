"""The OpenAPI 3.1 document, made from the doors themselves."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from daozhang.api.problem import KINDS
from daozhang.api.routes import Door

_REF = "#/components/schemas/{name}"


def document(doors: Iterable[Door], version: str) -> dict[str, Any]:
    """Paths, parameters, bodies and answers of every door."""
    doors = list(doors)
    bodies = [door.body for door in doors if door.body is not None]
    schemas, components = msgspec.json.schema_components(bodies, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    shapes = iter(schemas)
    for door in doors:
        shape = next(shapes) if door.body is not None else None
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door, shape)
    return {
        "openapi": "3.1.0",
        "info": {"title": "daozhang 到账", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                 "description": "扫码收款,笔笔有结果。A scan payment that always answers."},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _problem(), "Anything": {"type": "object"}},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _operation(door: Door, shape: dict[str, Any] | None) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", door.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in door.query]
    if door.money:
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True,
                           "schema": {"type": "string", "minLength": 1, "maxLength": 255}})  # fmt: skip
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{door.method.lower()} {door.path}").strip("_"),
        "summary": f"{door.says_zh} / {door.says_en}",
        "parameters": parameters,
        "responses": {
            **{str(status): {"description": "OK", "content": {_kind(door): {"schema": {"$ref": _REF.format(name="Anything")}}}}
               for status in door.statuses},
            "default": {"description": "RFC 9457", "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}},
        },
    }  # fmt: skip
    if shape is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": shape}}}
    if door.scope is None:
        operation["security"] = []
    elif door.scope:
        operation["description"] = f"scope: {door.scope}"
    return operation


def _kind(door: Door) -> str:
    return "text/event-stream" if door.path.endswith("/stream") else "application/json"


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id", "retryable", "next_step"],
        "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "instance": text,
            "code": {"type": "string", "enum": sorted(KINDS)}, "request_id": text, "retryable": {"type": "boolean"},
            "next_step": {"type": "object", "required": ["zh", "en"], "properties": {"zh": text, "en": text}},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }  # fmt: skip
