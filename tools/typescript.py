"""Writes the TypeScript client's types and calls from openapi/v1.json: ``python tools/typescript.py`` (a test holds it up to date)."""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "clients" / "typescript" / "src" / "api.ts"
_HEAD = """// Made by tools/typescript.py from openapi/v1.json. Do not edit.
import type { Send } from "./client.ts";
"""
# Posts that may be sent twice without a key: the second finds what the first did.
_SAFE = ("/told", "/resolve", "/lookup")


def kind(schema: dict[str, Any]) -> str:
    """A JSON schema as a TypeScript type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(kind(one) for one in schema[word]))
    if "enum" in schema:
        return " | ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
    if "x-extensible-enum" in schema:  # completion for what is known, room for what is to come
        return " | ".join(json.dumps(one) for one in schema["x-extensible-enum"]) + " | (string & {})"
    match schema.get("type"):
        case "string":
            return "string"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "boolean"
        case "null":
            return "null"
        case "array":
            return f"Array<{kind(schema.get('items', {}))}>"
        case "object" if "properties" in schema:
            return members(schema)
        case "object":
            inner = schema.get("additionalProperties")
            return f"Record<string, {kind(inner) if isinstance(inner, dict) else 'unknown'}>"
        case _:
            return "unknown"


def members(schema: dict[str, Any]) -> str:
    needed = set(schema.get("required", []))
    rows = [f"  {name if name.isidentifier() else json.dumps(name)}{'' if name in needed else '?'}: {kind(shape)};"
            for name, shape in schema["properties"].items()]  # fmt: skip
    return "{\n" + "\n".join(rows) + "\n}"


def shapes(page: dict[str, Any]) -> str:
    told = []
    for name, schema in sorted(page["components"]["schemas"].items()):
        text = re.sub(r"\s+", " ", schema.get("description", "")).strip().replace("*/", "")
        says = f"/** {text} */\n" if text else ""
        if schema.get("type") == "object" and "properties" in schema:
            told.append(f"{says}export interface {name} {members(schema)}\n")
        else:
            told.append(f"{says}export type {name} = {kind(schema)};\n")
    return "\n".join(told)


def camel(operation: str) -> str:
    """``post_v1_payments_id_reverse`` -> ``postPaymentsIdReverse``."""
    head, *rest = operation.replace("_v1_", "_").split("_")
    return head + "".join(part.capitalize() for part in rest if part)


def call(path: str, method: str, operation: dict[str, Any]) -> str:
    given = operation["parameters"]
    names = [one["name"] for one in given if one["in"] == "path"]
    query = [one["name"] for one in given if one["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    money = any(one["name"] == "Idempotency-Key" for one in given)
    success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    told = kind(success["content"]["application/json"]["schema"])
    words = [f"{name}: string" for name in names]
    if body is not None:
        words.append(f"body: {kind(body)}")
    if query:
        words.append("query: { " + "; ".join(f"{json.dumps(name)}?: string | number" for name in query) + " } = {}")
    if money:
        words.append("key?: string")
    filled = "`" + re.sub(r"{(\w+)}", r"${encodeURIComponent(\1)}", path) + "`"
    options = ", ".join(([("body")] if body is not None else []) + (["query"] if query else []) + (["key, money: true"] if money else [])
                        + (["safe: true"] if path.endswith(_SAFE) else []))
    return (f"    /** {operation['summary']} */\n    {camel(operation['operationId'])}: ({', '.join(words)}): Promise<{told}> =>\n"
            f"      send(\"{method.upper()}\", {filled}, {{ {options} }}) as Promise<{told}>,\n")  # fmt: skip


def gives_bytes(operation: dict[str, Any]) -> bool:
    """An image for a device is no object for a program."""
    return "application/octet-stream" in operation["responses"].get("200", {}).get("content", {})


def write(page: dict[str, Any]) -> str:
    calls = [call(path, method, operation) for path, methods in page["paths"].items() for method, operation in methods.items()
             if not path.endswith("/stream") and path.startswith("/v1/") and not gives_bytes(operation)]  # fmt: skip
    return f"{_HEAD}\n{shapes(page)}\n/** Every door, by the name of its operation. */\nexport const doors = (send: Send) => ({{\n{''.join(calls)}}});\n"


def main() -> int:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(write(json.loads((ROOT / "openapi" / "v1.json").read_text("utf-8"))), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
