"""One suite for every channel that lies on the shelf, and for the template: a new folder gets its tests for nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.plug import BadNotify, Question
from daozhang.channels.shelf import HERE, Channel, Shelf
from daozhang.channels.twin import Heard, Wire
from daozhang.core.evidence import Finding, Op, Proves
from daozhang.core.faults import Fault, MaybeArrived, NotSent, Unreadable
from daozhang.core.payment import Payment
from daozhang.core.ports import AccountRow, Exchange
from daozhang.core.refund import Refund, RefundKind
from daozhang.core.resolve import asking, learn
from daozhang.diagnosis.cause import get
from daozhang.sim.every import START_MS, new_payment
from daozhang.sim.world import SeededRand

NAMES = sorted(path.parent.name for path in HERE.glob("*/manifest.toml"))
ASKED = (Op.PAY, Op.QUERY, Op.REVERSE, Op.CLOSE, Op.REFUND, Op.REFUND_QUERY)
SETTLING = {Proves.CAPTURED, Proves.REFUSED, Proves.CLOSED, Proves.RETURNED, Proves.REFUND_DONE, Proves.REFUND_REFUSED,
            Proves.UNDONE_PAID, Proves.UNDONE_UNPAID, Proves.UNDONE_ABSENT}  # fmt: skip


class Bench:
    """A channel with its twin and an opened account, without sockets."""

    def __init__(self, name: str) -> None:
        import tomllib

        table = tomllib.loads((HERE / name / "manifest.toml").read_text("utf-8"))
        self.channel = Channel(name, table)
        self.twin = self.channel.twin.make_simulated("s", SeededRand(1).bytes)
        settings, secrets = self.twin.simulated_account("s")
        settings["gateway"] = "http://127.0.0.1:9/gateway.do"
        self.row = AccountRow("acc", 0, "mer", name, False, 380, settings, secrets)
        self.account = self.channel.wire.open_account(self.row, table)
        self.payment = replace(
            new_payment(), channel=name, account="acc", asked_ms=START_MS, window_end_ms=START_MS + 60_000
        )
        self.refund = Refund(
            "rfd_01JD8000000000000000000000", 0, "mer", self.payment.id, 500, RefundKind.REFUND, "", START_MS, START_MS
        )

    def question(self, op: Op, code: str = "x", payment: Payment | None = None) -> Question:
        refund = self.refund if op in (Op.REFUND, Op.REFUND_QUERY) else None
        return Question(op, payment or self.payment, START_MS, 3000, code, refund, "http://127.0.0.1/n")

    def exchange(self, question: Question, at_ms: int = START_MS) -> Exchange:
        request = self.channel.wire.write(self.account, question)
        said = self.twin.handle(Heard(request.method, request.url, request.headers, request.body, at_ms))
        assert said.wire is Wire.WHOLE
        return Exchange(said.status, said.headers, said.body)

    def ask(self, op: Op, code: str = "x", at_ms: int = START_MS) -> Finding:
        """One question; the payment learns from the answer, as it does in the flow."""
        question = self.question(op, code)
        finding = self.channel.wire.read(self.account, question, self.exchange(question, at_ms))
        if op not in (Op.REFUND, Op.REFUND_QUERY):
            asked = self.payment if op is Op.PAY and self.payment.sends else asking(self.payment, op, self.channel.manners, at_ms)
            self.payment = learn(asked, op, finding, self.channel.manners, at_ms)
        return finding

    def only_accepts(self) -> bool:
        """The reply to a payment or a refund says that it was taken; queries and notifies tell how it went."""
        return not self.channel.manifest.get("reply_settles", True)

    def undo(self) -> Proves:
        """Undo as early as the manners allow."""
        return self.ask(Op.REVERSE, at_ms=START_MS + self.channel.manners.undo_after_ms).proves


@pytest.fixture(params=NAMES)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_a_payment_from_beginning_to_end(bench: Bench) -> None:
    code = bench.twin.code("pays", START_MS)["code"]
    assert bench.channel.takes_code(code)
    paid = bench.ask(Op.PAY, code)
    if bench.only_accepts():
        assert (paid.proves, paid.amount_fen) == (Proves.WAITING, 0)
        paid = bench.ask(Op.QUERY)
    assert (paid.proves, paid.amount_fen) == (Proves.CAPTURED, bench.payment.amount_fen)
    assert bench.ask(Op.QUERY).proves is Proves.CAPTURED
    assert bench.ask(Op.REFUND).proves is (Proves.REFUND_PENDING if bench.only_accepts() else Proves.REFUND_DONE)
    assert bench.ask(Op.REFUND_QUERY).proves is Proves.REFUND_DONE
    order = bench.twin.books()["orders"][0]
    assert (order["captured_fen"], order["returned_fen"]) == (bench.payment.amount_fen, 500)


def test_an_unpaid_one_is_undone_and_the_query_decides(bench: Bench) -> None:
    code = bench.twin.code("hesitates", START_MS)["code"]
    assert bench.ask(Op.PAY, code).proves is Proves.WAITING
    assert bench.ask(Op.QUERY).proves is Proves.WAITING
    undone = bench.undo()
    assert undone is (Proves.UNDONE_UNPAID if bench.channel.manners.undo_tells else Proves.UNDONE)
    assert bench.ask(Op.QUERY).proves is (Proves.CLOSED if bench.channel.manners.undo_tells else Proves.REVOKED)


def test_a_paid_one_is_undone_and_given_back(bench: Bench) -> None:
    code = bench.twin.code("pays", START_MS)["code"]
    bench.ask(Op.PAY, code)
    assert bench.undo() is (Proves.UNDONE_PAID if bench.channel.manners.undo_tells else Proves.UNDONE)
    assert bench.ask(Op.QUERY).proves is (Proves.RETURNED if bench.channel.manners.undo_tells else Proves.REVOKED)
    order = bench.twin.books()["orders"][0]
    assert order["captured_fen"] == order["returned_fen"] == bench.payment.amount_fen


def test_not_found_is_not_a_proof(bench: Bench) -> None:
    assert bench.ask(Op.QUERY).proves is Proves.ABSENT
    tells = bench.channel.manners.undo_tells
    assert bench.undo() in ({Proves.UNDONE_ABSENT} if tells else {Proves.UNDONE, Proves.UNDONE_ABSENT})


@pytest.mark.parametrize("op", ASKED)
def test_faults_of_the_network_prove_nothing(bench: Bench, op: Op) -> None:
    for fault in (MaybeArrived("READ_TIMEOUT"), Unreadable("HTTP_BODY_TRUNCATED")):
        assert (
            bench.channel.wire.read(bench.account, bench.question(op), Exchange(fault=fault)).proves is Proves.NOTHING
        )
    never = bench.channel.wire.read(bench.account, bench.question(op), Exchange(fault=NotSent("DNS_FAILURE")))
    assert never.proves is Proves.NOT_SENT


@pytest.mark.parametrize("op", ASKED)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"<html>", b"\xff" * 50, b"[" * 50_000, b'{"code":"ok"}'])
@pytest.mark.parametrize("status", [200, 202, 302, 404, 500, 503])
def test_what_was_not_signed_proves_nothing(bench: Bench, op: Op, body: bytes, status: int) -> None:
    assert (
        bench.channel.wire.read(bench.account, bench.question(op), Exchange(status, (), body)).proves is Proves.NOTHING
    )


@pytest.mark.parametrize("op", ASKED)
def test_any_changed_byte_of_a_reply_proves_nothing_new(bench: Bench, op: Op) -> None:
    """A changed reply may at most say the same: it never settles what the true one did not."""
    code = bench.twin.code("pays", START_MS)["code"]
    if op is not Op.PAY:
        bench.ask(Op.PAY, code)
        bench.ask(Op.QUERY)  # some channels give their number only here
    question = bench.question(op, code)
    exchange = bench.exchange(question)
    true = bench.channel.wire.read(bench.account, question, exchange)
    for place in range(len(exchange.body)):
        body = bytearray(exchange.body)
        body[place] ^= 0x01
        found = bench.channel.wire.read(bench.account, question, replace(exchange, body=bytes(body)))
        assert found.proves in (Proves.NOTHING, true.proves)
        if found.proves is Proves.CAPTURED:
            assert found.amount_fen == bench.payment.amount_fen


@pytest.mark.parametrize("op", ASKED)
def test_a_code_that_nobody_has_seen_is_unknown(bench: Bench, op: Op) -> None:
    codes = {row["code"] for row in bench.channel.codes() if row["op"] == op.value}
    assert "NEVER_SEEN" not in codes
    table = bench.channel._module("verdict")
    found = table.look_up(op.value, "NEVER_SEEN")
    assert Proves.NOTHING in (found[0], getattr(found[1], "proves", None))


def test_an_answer_about_another_order_proves_nothing(bench: Bench) -> None:
    code = bench.twin.code("pays", START_MS)["code"]
    exchange = bench.exchange(bench.question(Op.PAY, code))
    other = bench.question(Op.PAY, code, replace(bench.payment, id="pay_01JD8000000000000000000009"))
    assert bench.channel.wire.read(bench.account, other, exchange).proves is Proves.NOTHING
    more = bench.question(Op.PAY, code, replace(bench.payment, amount_fen=9_999))
    assert bench.channel.wire.read(bench.account, more, exchange).proves is Proves.NOTHING


def test_the_twin_refuses_a_changed_request(bench: Bench) -> None:
    code = bench.twin.code("pays", START_MS)["code"]
    request = bench.channel.wire.write(bench.account, bench.question(Op.PAY, code))
    body = request.body.replace(str(bench.payment.amount_fen).encode(), b"1").replace(b"12.50", b"00.01")
    assert body != request.body
    bench.twin.handle(Heard(request.method, request.url, request.headers, body, START_MS))
    assert bench.twin.books()["orders"] == []


def test_the_payers_code_is_never_shown(bench: Bench) -> None:
    question = bench.question(Op.PAY, "284444555566667777")
    assert "284444555566667777" not in repr(question)
    assert not any(
        secret in repr(bench.row) + repr(bench.account) for secret in bench.row.secrets.values() if len(secret) > 3
    )


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"{}", b"a=1&a=1", b"[" * 9_999])
def test_a_notify_that_cannot_be_read_is_refused(bench: Bench, body: bytes) -> None:
    with pytest.raises(BadNotify):
        bench.channel.wire.hear("", "", body)


def test_sandbox_and_live_never_meet(bench: Bench) -> None:
    for livemode, gateway in ((True, "http://127.0.0.1:1/x"), (False, bench.channel.manifest["hosts"]["live"][0])):
        row = replace(bench.row, livemode=livemode, settings={**bench.row.settings, "gateway": gateway})
        with pytest.raises(Fault):
            bench.channel.wire.open_account(row, bench.channel.manifest)


def test_the_table_speaks_both_languages_and_known_causes(bench: Bench) -> None:
    for row in bench.channel.codes():
        assert row["zh"] and row["en"] and Proves(row["proves"]) in Proves
        assert not row["hint"] or get(row["hint"]) is not None, row
        if row["op"] in ("query", "reverse", "close"):
            assert row["proves"] != "refused"


def test_samples_can_be_described(bench: Bench) -> None:
    samples = sorted((HERE / bench.channel.name / "samples").iterdir())
    assert samples
    told: list[Any] = [bench.channel.wire.describe(sample.read_bytes()) for sample in samples]
    assert any(one is not None for one in told)
    assert bench.channel.wire.describe(b"hello") is None


def test_manners_hold_together(bench: Bench) -> None:
    """The least gap of each channel's documents (1-product section 5), and who is undone when."""
    least = {"alipay": 3000, "wechatpay": 5000}.get(bench.channel.name, 1000)
    assert bench.channel.manners.query_gap_ms >= least
    assert bench.channel.manners.undo_after_ms >= {"wechatpay": 15_000}.get(bench.channel.name, 0)


def test_a_copy_of_the_template_is_a_channel_and_touches_nothing_else(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from daozhang.cli.new import new

    shelf = tmp_path / "channels"
    shutil.copytree(HERE / "template", shelf / "template")
    before = {path: path.read_bytes() for path in shelf.rglob("*") if path.is_file()}
    done = CliRunner().invoke(new, ["channel", "mynew", "--into", str(shelf), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["channel"] == "mynew"
    assert {path: path.read_bytes() for path in before} == before
    found = Shelf.look(shelf)
    assert [channel.name for channel in found] == ["mynew"]
