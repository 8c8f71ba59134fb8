"""The OpenAPI 3.1 document, made from the doors themselves."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from daozhang.api.answers import ANSWERS
from daozhang.api.problem import KINDS
from daozhang.api.routes import Door

_REF = "#/components/schemas/{name}"


def document(doors: Iterable[Door], version: str) -> dict[str, Any]:
    """Paths, parameters, bodies and answers of every door."""
    doors = list(doors)
    bodies = [door.body for door in doors if door.body is not None]
    answers = [ANSWERS[f"{door.method} {door.path}"] for door in doors]
    schemas, components = msgspec.json.schema_components([*bodies, *answers], ref_template=_REF)
    shapes, told = iter(schemas[: len(bodies)]), iter(schemas[len(bodies) :])
    paths: dict[str, dict[str, Any]] = {}
    for door in doors:
        shape = next(shapes) if door.body is not None else None
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door, shape, next(told))
    return {
        "openapi": "3.1.0",
        "info": {"title": "daozhang 到账", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                 "description": "扫码收款,笔笔有结果。A scan payment that always answers."},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _problem()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": _HEADERS,
            "responses": {f"refused_{status}": _refused(status) for status in _MEANS if status >= 400},
        },
    }  # fmt: skip


def _operation(door: Door, shape: dict[str, Any] | None, told: dict[str, Any]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", door.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    parameters += [{"name": name, "in": "query", "schema": _QUERY.get(name, {"type": "string"})} for name in door.query]
    if door.money:
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "description": "1 to 255 visible ASCII characters",
                           "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}})  # fmt: skip
    parameters.append({"name": "Accept-Language", "in": "header", "schema": {"type": "string"}, "description": "zh or en"})
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS if door.scope is not None or name == "Request-Id"}
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{door.method.lower()} {door.path}").strip("_"),
        "tags": [door.path.split("/")[2] if door.path.startswith("/v1/") else "operations"],
        "summary": f"{door.says_zh} / {door.says_en}",
        "parameters": parameters,
        "responses": {
            **{str(status): {"description": _MEANS[status], "headers": headers, "content": {_kind(door): {"schema": told}}}
               for status in door.statuses},
            **{str(status): {"$ref": f"#/components/responses/refused_{status}"} for status in _refusals(door)},
        },
    }  # fmt: skip
    if shape is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": shape}}}
    if door.scope is None:
        operation["security"] = []
    elif door.scope:
        operation["description"] = f"scope: {door.scope}"
    return operation


_MEANS = {
    200: "好了 / done", 201: "已建立 / made", 202: "还没有结论,看 Location / not decided yet, look at Location",
    400: "请求不对 / bad request", 401: "没有有效的密钥 / no valid key", 403: "没有权限 / no right", 404: "没有 / not found",
    409: "与现状冲突 / in conflict with what is", 413: "太长 / too long", 422: "字段不对 / a field is not acceptable",
    429: "太快 / too fast", 500: "我们出错了 / our mistake", 503: "现在不行 / not now",
}  # fmt: skip
_TEXT = {"type": "string"}
_HEADERS: dict[str, Any] = {
    "Request-Id": {"description": "在请求日志里查 / look it up in the request log", "schema": _TEXT},
    "RateLimit": {"description": "这个密钥还能问几次 / what this key has left", "schema": _TEXT},
    "RateLimit-Policy": {"description": "每秒几次 / how many a second", "schema": _TEXT},
    "Daozhang-Version": {"description": "应答按哪一天的接口 / the API of which day this answer follows", "schema": _TEXT},
}
_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "since": {"type": "string", "format": "date-time"},
    "created[gte]": {"type": "string", "format": "date-time"}, "created[lt]": {"type": "string", "format": "date-time"},
}  # fmt: skip


def _refused(status: int) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {"description": f"{_MEANS[status]} (RFC 9457)", "content": problem,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}}  # fmt: skip


def _refusals(door: Door) -> list[int]:
    """Every status with which this door may say no."""
    found = {400, 404, 413, 500, 503}
    if door.scope is not None:
        found |= {401, 403, 429}
    if door.body is not None:
        found |= {403, 422}
    if door.method != "GET":
        found |= {409, 422}
    if door.path.startswith("/v1/sandbox/"):
        found |= {409, 422}
    return sorted(found)


def _kind(door: Door) -> str:
    if door.path == "/metrics":
        return "text/plain"
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
