"""The OpenAPI document tells the truth: strangers' requests made from it find no server error and no other shape."""

import json
import re
import subprocess
import sys
from pathlib import Path

from daozhang.api.answers import ANSWERS
from tests.conftest import System

ROOT = Path(__file__).parents[2]
_CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


def test_requests_made_from_the_document_find_no_lie(own_system: System, tmp_path: Path) -> None:
    """Left out: streams that never end, the sandbox's clock (it would move by a year), and revoking the key in use."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{own_system.base_port}/v1/openapi.json",
        "-H", f"Authorization: Bearer {own_system.state['api_key']}", "--checks", _CHECKS, "--max-examples", "10",
        "--exclude-path-regex", "stream|clock/advance", "--exclude-operation-id", "delete_v1_keys_id", "--phases", "coverage,fuzzing",
        "--request-timeout", "20", "--continue-on-failure", "--seed", "1", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=250)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated and int(generated[1]) >= 1000 and generated[1] == generated[2], done.stdout[-1500:]
    assert "Authentication failed" not in done.stdout, done.stdout[-3000:]
    assert own_system.pay()["verdict"] == "paid"


def test_every_door_says_what_it_answers(system: System) -> None:
    page = system.call("GET", "/v1/openapi.json")[1]
    doors = {f"{method.upper()} {path}" for path, methods in page["paths"].items() for method in methods}
    assert doors == set(ANSWERS)


def test_the_committed_document_is_the_served_one(system: System) -> None:
    """Programs are generated from openapi/v1.json. Renew it with: daozhang openapi > openapi/v1.json"""
    committed = json.loads((ROOT / "openapi" / "v1.json").read_text("utf-8"))
    assert committed == system.call("GET", "/v1/openapi.json")[1]


def test_what_was_promised_is_kept() -> None:
    """Nothing of the version's first document may go, or become required: that needs a new version by date."""
    first = json.loads((ROOT / "openapi" / "2026-12-01.json").read_text("utf-8"))
    now = json.loads((ROOT / "openapi" / "v1.json").read_text("utf-8"))
    for path, methods in first["paths"].items():
        for method, operation in methods.items():
            fresh = now["paths"][path][method]
            assert {p["name"] for p in fresh["parameters"] if p.get("required")} <= {p["name"] for p in operation["parameters"] if p.get("required")}
            assert set(operation["responses"]) <= set(fresh["responses"]), (method, path)
    for name, schema in first["components"]["schemas"].items():
        fresh = now["components"]["schemas"][name]
        assert set(schema.get("properties", {})) <= set(fresh.get("properties", {})), name
        if name.startswith("New") or name in ("Lookup", "Wish", "Told", "Range", "EndpointChange", "MerchantChange", "GoodsAnswer"):
            assert set(fresh.get("required", [])) <= set(schema.get("required", [])), name
