"""Our side and the twin, without sockets, in every way that the two can speak to each other."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from daozhang.channels.alipay import twin as twins
from daozhang.channels.alipay import wire
from daozhang.channels.alipay.twin.alipay import AlipayTwin
from daozhang.channels.plug import Question
from daozhang.channels.shelf import Shelf
from daozhang.channels.twin import Heard, Push
from daozhang.core.evidence import Finding, Op
from daozhang.core.payment import Method, Payment
from daozhang.core.ports import AccountRow, Exchange, HttpRequest
from daozhang.core.refund import Refund, RefundKind
from daozhang.sim.every import START_MS, new_payment

ALIPAY = Shelf.look().get("alipay")
assert ALIPAY is not None
BASE = "http://127.0.0.1:7801"
MODES = {
    "v2": {}, "v2-certificate": {"key_mode": "certificate"}, "v3": {"wire": "v3"},
    "v3-certificate": {"wire": "v3", "key_mode": "certificate"},
}  # fmt: skip


@cache
def held() -> dict[str, Any]:
    return twins.new_keys(os.urandom)


@cache
def first() -> AlipayTwin:
    """Made once: reading keys costs more than everything that is done with them here."""
    return twins.make(held(), os.urandom, lambda record: None)


def another() -> AlipayTwin:
    """A twin with the same keys and empty books."""
    one = first()
    return AlipayTwin(one._app_id, one._seller_id, one._keys, os.urandom, pems=one._pems, papers=one.gate._papers, partner=one._partner)


@cache
def opened(mode: str, partner: bool) -> wire.Account:
    return wire.open_account(row(first(), mode, partner), ALIPAY.manifest)


def row(twin: AlipayTwin, mode: str, partner: bool = False) -> AccountRow:
    told = twin.credentials(BASE)
    secrets = {name: told[name] for name in ("app_certificate", "alipay_certificate", "alipay_root_certificate", "alipay_public_key")}
    secrets["app_private_key"] = told["app_private_key_pkcs8"]
    given = {name: str(told[name]) for name in ("app_id", "seller_id", "gateway")} | MODES[mode]
    if partner:
        given |= {"app_id": told["partner_app_id"], "auth_app_id": told["app_id"]}
        secrets["app_auth_token"] = told["app_auth_token"]
    return AccountRow("acc", 0, "mer", "alipay", False, 380, given, secrets)


class Bench:
    """One order between an account of some mode and a twin."""

    def __init__(self, mode: str = "v2", partner: bool = False) -> None:
        self.twin, self.account = another(), opened(mode, partner)
        self.payment = replace(new_payment(), account="acc", asked_ms=START_MS, window_end_ms=START_MS + 60_000)
        self.refund = Refund("rfd_01JD8000000000000000000000", 0, "mer", self.payment.id, 500, RefundKind.REFUND, "", START_MS, START_MS)

    def question(self, op: Op, at_ms: int = START_MS, code: str = "x", payer: str = "", payment: Payment | None = None) -> Question:
        refund = self.refund if op in (Op.REFUND, Op.REFUND_QUERY) else None
        return Question(op, payment or self.payment, at_ms, 3000, code, refund, "http://127.0.0.1/n", payer)

    def send(self, request: HttpRequest, at_ms: int = START_MS) -> Exchange:
        said = self.twin.handle(Heard(request.method, request.url, (*request.headers, ("Host", BASE[7:])), request.body, at_ms))
        return Exchange(said.status, said.headers, said.body)

    def ask(self, op: Op, at_ms: int = START_MS, code: str = "x", payer: str = "") -> Finding:
        question = self.question(op, at_ms, code, payer)
        return wire.read(self.account, question, self.send(wire.write(self.account, question), at_ms))

    def by_qr(self) -> None:
        self.payment = replace(self.payment, method=Method.PAY_BY_QR)

    def notifies(self, at_ms: int) -> list[Push]:
        return self.twin.tick(at_ms)

    def judged(self, push: Push) -> wire.Judged:
        kind = {name.lower(): value for name, value in push.headers}["content-type"]
        return wire.judge(self.account, wire.hear(kind, "", push.body), self.payment)


def changed(request: HttpRequest, headers: Mapping[str, str] | None = None, **parts: Any) -> HttpRequest:
    """The request with some headers (None: taken away) and parts changed."""
    kept = [(name, value) for name, value in request.headers if name.lower() not in {n.lower() for n in headers or {}}]
    more = [(name, value) for name, value in (headers or {}).items() if value is not None]
    return replace(request, headers=(*kept, *more), **parts)
