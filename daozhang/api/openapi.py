"""The OpenAPI 3.1 document, made from the doors themselves."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from daozhang.api.answers import ANSWERS
from daozhang.api.problem import KINDS
from daozhang.api.routes import Door
from daozhang.core.directory import VERSIONS

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
                 "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _problem()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": _HEADERS,
            "responses": {f"refused_{status}": _refused(status) for status in _MEANS if status >= 400},
        },
        # Every problem by its code: what it means and how it is mended.
        "x-problems": {code: {"status": kind.status, "title": {"zh": kind.zh, "en": kind.en}, "retryable": kind.retryable,
                              "next_step": {"zh": kind.mend_zh, "en": kind.mend_en}} for code, kind in sorted(KINDS.items())},
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
    if door.scope is not None:
        parameters += [
            {"name": "Daozhang-Version", "in": "header", "schema": {"type": "string", "enum": list(VERSIONS)},
             "description": "接口按哪一天;不写为密钥创建时的版本 / the API of which day; left out: the key's own"},
            {"name": "Daozhang-Merchant", "in": "header", "schema": {"type": "string"},
             "description": "平台密钥代表的商户 / the merchant for whom a platform key speaks"},
        ]  # fmt: skip
    headers = _told_headers(*_ALWAYS if door.scope is not None else ("Request-Id",))
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{door.method.lower()} {door.path}").strip("_"),
        "tags": [door.path.split("/")[2] if door.path.startswith("/v1/") else "operations"],
        "summary": f"{door.says_zh} / {door.says_en}",
        "parameters": parameters,
        "responses": {
            **{str(status): {"description": _MEANS[status], "headers": headers | _more_headers(door, status), "content": {_kind(door): {"schema": told}}}
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
    if door.farewell:
        operation |= {"deprecated": True, "x-sunset": door.farewell.until.isoformat()}
    return operation


def _more_headers(door: Door, status: int) -> dict[str, Any]:
    """What only some answers carry."""
    names = ["Deprecation", "Sunset"] if door.farewell else []
    if 202 in door.statuses:
        names += ["Location"]
    if door.begins:
        names += ["Idempotent-Replayed"]
    return _told_headers(*names)


def _told_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_ABOUT = """扫码收款,笔笔有结果。金额以分计;时间为 UTC(RFC 3339);列表按游标翻页;枚举和字段会增加,不认识的请当作"还不知道"。
动钱的 POST 必须带 Idempotency-Key:同一个键重发不会重复收款。没收到钱是结论(verdict: not_paid),不是错误;checking 不是错误,请继续问。
错误一律为 application/problem+json,code 给程序看,next_step 给人看;retryable 为真时按 Retry-After 再试。

A scan payment that always answers. Amounts in fen; times in UTC (RFC 3339); lists by cursor; enumerations and members grow:
treat what you do not know as *not known yet*. Each POST that moves money carries an Idempotency-Key: the same key again never
charges twice. *Not paid* is a verdict, not an error; *checking* is none either: keep asking. Errors are always
application/problem+json: `code` for programs, `next_step` for people; where `retryable` is true, try again after Retry-After."""


_MEANS = {
    200: "好了 / done", 201: "已建立 / made", 202: "还没有结论,看 Location / not decided yet, look at Location",
    400: "请求不对 / bad request", 401: "没有有效的密钥 / no valid key", 403: "没有权限 / no right", 404: "没有 / not found",
    409: "与现状冲突 / in conflict with what is", 413: "太长 / too long",
    415: "不是 JSON / no JSON", 422: "字段不对 / a field is not acceptable",
    429: "太快 / too fast", 500: "我们出错了 / our mistake", 503: "现在不行 / not now",
}  # fmt: skip
_TEXT = {"type": "string"}
_HEADERS: dict[str, Any] = {
    "Request-Id": {"description": "在请求日志里查 / look it up in the request log", "schema": _TEXT},
    "RateLimit": {"description": "这个密钥还能问几次 / what this key has left", "schema": _TEXT},
    "RateLimit-Policy": {"description": "每秒几次 / how many a second", "schema": _TEXT},
    "Daozhang-Version": {"description": "应答按哪一天的接口 / the API of which day this answer follows", "schema": _TEXT},
    "Retry-After": {"description": "几秒后再试 / try again after so many seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Location": {"description": "在这里看它 / where to look at it", "schema": _TEXT},
    "Idempotent-Replayed": {"description": "这个键以前用过:这是那一笔现在的样子 / the key was used before: that object as it is now",
                            "schema": _TEXT},
    "Deprecation": {"description": "从何时起不建议使用(RFC 9745)/ since when it is not advised", "schema": _TEXT},
    "Sunset": {"description": "何时关闭(RFC 8594)/ when it will be closed", "schema": _TEXT},
}  # fmt: skip
_ALWAYS = ("Request-Id", "RateLimit", "RateLimit-Policy", "Daozhang-Version")
_QUERY: dict[str, dict[str, Any]] = {
    "date": {"type": "string", "format": "date"}, "file": {"type": "boolean"}, "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "since": {"type": "string", "format": "date-time"},
    "created[gte]": {"type": "string", "format": "date-time"}, "created[lt]": {"type": "string", "format": "date-time"},
}  # fmt: skip


def _refused(status: int) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {"description": f"{_MEANS[status]} (RFC 9457)", "content": problem,
            "headers": _told_headers(*_ALWAYS, *(["Retry-After"] if status in (409, 429, 503) else []))}  # fmt: skip


def _refusals(door: Door) -> list[int]:
    """Every status with which this door may say no."""
    found = {400, 404, 413, 500, 503}
    if door.scope is not None:
        found |= {401, 403, 429}
    if door.body is not None:
        found |= {403, 415, 422}
    if door.method != "GET":
        found |= {409, 422}
    if door.path == "/v1/bills":
        found |= {409}  # the channel, or the account, does not give it
    if door.path.startswith("/v1/sandbox/"):
        found |= {409, 422}
    if door.path.startswith("/v1/plates/"):
        found |= {429}  # one plate may not be asked without end
    return sorted(found)


def _kind(door: Door) -> str:
    if door.path == "/metrics":
        return "text/plain"
    if door.path.startswith("/v1/device_images/"):
        return "application/octet-stream"
    return "text/event-stream" if door.path.endswith("/stream") else "application/json"


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id", "retryable", "next_step"],
        "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "instance": text,
            "code": {"type": "string", "x-extensible-enum": sorted(KINDS)}, "request_id": text, "retryable": {"type": "boolean"},
            "next_step": {"type": "object", "required": ["zh", "en"], "properties": {"zh": text, "en": text}},
            "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "detail"],
                                                  "properties": {"pointer": text, "detail": text}}},
            "payment": text, "refund": text, "cause": text, "scanned": text, "refundable": {"type": "integer"},
            "versions": {"type": "array", "items": text}, "verdict": text, "channel": text,
            "safe_to_retry_by": {"type": ["string", "null"], "format": "date-time"}, "until": {"type": ["string", "null"], "format": "date-time"},
            "again_at": {"type": "string", "format": "date-time"},
            "incident": {"type": ["string", "null"]}, "alternatives": {"type": "array", "items": text},
        },
    }  # fmt: skip
