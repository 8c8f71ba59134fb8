"""Small worlds for the tests of the diagnosis: a payment and its evidence from a few words."""

from dataclasses import replace
from typing import Any

from daozhang.core.evidence import Evidence, Finding, Op, Proves, answered, asked
from daozhang.core.payment import OPEN, Method, Payment, State, Undone

AT = 1_795_401_787_123  # 2026-11-23 02:43:07 UTC
ULID = "01JD8000000000000000000000"


def payment(state: str = "sent", **changes: Any) -> Payment:
    made = Payment(
        id=f"pay_{ULID}", bucket=1, merchant="mer_1", store="sto_1", till="till_1", merchant_order_no="A-1",
        amount_fen=1250, currency="CNY", method=Method.PAY_BY_CODE, channel="alipay", account="acc_1", livemode=False,
        subject="tea", code_mask="28••••8841", metadata={}, created_ms=AT, state=State(state), asked_ms=AT,
        window_end_ms=AT + 60_000,
    )  # fmt: skip
    return replace(made, **changes)


def world(given: dict[str, Any]) -> tuple[Payment, list[Evidence], int]:
    """The payment, its evidence and the time, from an example's ``given``.

    Keys: state, method (qr), doubt (hint), code, op, alarm, refusal (hint), seen, give_up, undone, orphan, age_s.
    """
    known = {
        "state",
        "method",
        "doubt",
        "code",
        "op",
        "alarm",
        "refusal",
        "seen",
        "give_up",
        "undone",
        "orphan",
        "age_s",
    }
    assert given.keys() <= known, given
    p = payment(given["state"], seen=given.get("seen", False), give_up=given.get("give_up", False))
    now = AT + given.get("age_s", 1) * 1000
    lines = [asked(p.id, 1, AT, "us", Op.PAY)]
    op = Op(given.get("op", "pay"))
    if "doubt" in given:
        finding = Finding(code=given.get("code", "SOME_CODE"), hint=given["doubt"], alarm=given.get("alarm", ""))
        doubt = {"code": finding.code, "hint": finding.hint, "op": op.value, "at_ms": AT, "alarm": finding.alarm}
        lines.append(answered(p.id, 2, AT, "alipay", op, finding))
        p = replace(p, doubt=doubt)
    elif not given.get("orphan"):
        lines.append(answered(p.id, 2, AT, "alipay", op, Finding(Proves.WAITING)))
    if "refusal" in given:
        p = replace(p, refusal={"code": given.get("code", "SOME_CODE"), "hint": given["refusal"], "text": ""})
    if given.get("give_up"):
        lines.append(Evidence(p.id, 3, AT, "act", "cashier", "reverse"))
    if given.get("method") == "qr":
        p = replace(p, method=Method.PAY_BY_QR, qr="https://qr.example/1")
    if p.state not in OPEN:
        p = replace(p, decided_ms=now, decided_by=4)
        lines.append(answered(p.id, 4, now, "alipay", Op.QUERY, Finding(Proves.CLOSED)))
    return replace(p, undone=Undone(given.get("undone", ""))), lines, now
