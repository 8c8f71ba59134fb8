"""What operators watch is really counted, across processes, and nothing of it names a payer or a code."""

import json
import re
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from daozhang.app import witness
from daozhang.app.traces import Tracer, root_span_id, trace_id
from daozhang.core.changed import changed
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.ids import ulid
from daozhang.core.payment import State
from daozhang.sim.every import new_payment
from tests.conftest import System

ROOT = Path(__file__).parents[2]


def number(page: str, name: str, **labels: str) -> float:
    for line in page.splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


def scrape(system: System) -> str:
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{system.base_port}/metrics")
    request.add_header("Authorization", f"Bearer {system.state['api_key']}")
    with urllib.request.urlopen(request) as reply:
        return str(reply.read().decode())


def test_payments_answers_and_darkness_are_counted(system: System) -> None:
    before = scrape(system)
    system.pay()
    system.pay("no_balance")
    after = scrape(system)
    for verdict in ("paid", "not_paid"):
        labels = {"channel": "alipay", "verdict": verdict}
        assert number(after, "daozhang_payments_decided_total", **labels) == number(before, "daozhang_payments_decided_total", **labels) + 1
    assert number(after, "daozhang_time_to_information_seconds_count", channel="alipay") >= 2
    assert "daozhang_oldest_due_seconds" in after and not re.search("(pay|till|mer)_0", after)


def test_metrics_are_for_operators(system: System) -> None:
    status, told = system.call("GET", "/metrics", api_key="dz_test_sk_nobody")
    assert status == 401 and told["code"] == "bad_key"


def test_one_wide_line_for_each_payment(system: System) -> None:
    paid = system.pay()
    lines = [json.loads(line) for line in (system.data / "logs" / "serve1.log").read_text().splitlines()]
    mine = [line for line in lines if line.get("payment") == paid["id"] and line["says"] == "decided"]
    assert len(mine) == 1 and mine[0]["verdict"] == "paid" and mine[0]["amount_fen"] == 1250
    assert not re.search(r"\b28\d{16}\b", json.dumps(mine))


def test_the_dashboard_asks_only_for_what_is_counted() -> None:
    board = json.loads((ROOT / "ops" / "grafana-dashboard.json").read_text())
    asked = set(re.findall(r"daozhang_\w+", json.dumps(board["panels"])))
    known = {"daozhang_oldest_due_seconds"}
    for metric in (witness.DECIDED, witness.DARK, witness.ANSWERS):
        known.add(f"{metric._name}_total")
    for histogram in (witness.INFORMATION, witness.CHANNEL, witness.REQUESTS):
        known |= {f"{histogram._name}_{part}" for part in ("bucket", "count", "sum")}
    assert asked and asked <= known
    assert all(" / " in panel["title"] for panel in board["panels"]), "Chinese and English are equal"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def test_a_payment_is_a_trace_of_its_own_number(spans: InMemorySpanExporter) -> None:
    tracer = Tracer("serve", spans)
    ident = "pay_" + ulid(1_795_000_000_000, bytes(range(9)), 7)
    before = changed(new_payment(), id=ident, channel="alipay", state=State.SENT)
    tracer.asked(before, Op.PAY, Finding(Proves.NOTHING, "READ_TIMEOUT"), 5000)
    tracer.asked(before, Op.QUERY, Finding(Proves.CAPTURED, "10000"), 20)
    tracer.moved(before, changed(before, state=State.PAID, captured_fen=1, decided_ms=before.created_ms + 5020, decided_by=1))
    tracer.close()
    told = {span.name: span for span in spans.get_finished_spans()}
    assert set(told) == {"alipay pay", "alipay query", "payment"}
    assert {span.context.trace_id for span in told.values()} == {trace_id(ident)}
    assert told["payment"].context.span_id == root_span_id(ident) == told["alipay pay"].parent.span_id
    assert told["payment"].end_time - told["payment"].start_time == 5020 * 10**6
    assert not told["alipay pay"].status.is_ok


def test_a_late_success_is_told_twice_and_an_open_step_not_at_all(spans: InMemorySpanExporter) -> None:
    tracer = Tracer("work", spans)
    sent = changed(new_payment(), state=State.SENT)
    tracer.moved(sent, changed(sent, state=State.UNKNOWN))
    closed = changed(sent, state=State.CLOSED, decided_ms=sent.created_ms + 60_000, decided_by=3)
    tracer.moved(sent, closed)
    tracer.moved(closed, changed(closed, state=State.PAID, captured_fen=1, late=True, decided_ms=closed.decided_ms + 1))
    tracer.close()
    assert [span.attributes["verdict"] for span in spans.get_finished_spans()] == ["not_paid", "paid"]
