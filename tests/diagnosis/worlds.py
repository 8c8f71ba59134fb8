"""Small worlds for the tests of the diagnosis: a payment and its evidence from a few words."""

from dataclasses import replace
from typing import Any

from daozhang.core.evidence import Evidence, Finding, Op, Proves, answered, asked
from daozhang.core.fleet import Announcement
from daozhang.core.payment import OPEN, Method, Payment, State, Undone
from daozhang.diagnosis.facts import Around, Crowd, Notice, Terminal
from daozhang.diagnosis.signs import Signs
from daozhang.diagnosis.standing import Account, Plate, Receiver, of_account, of_plate, of_receiver
from daozhang.diagnosis.window import place_fits, share_of

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


KNOWN = frozenset({
    "state", "method", "doubt", "code", "op", "alarm", "refusal", "seen", "give_up", "undone", "orphan", "age_s", "later",
    "terminal", "speaker", "crowd", "missing_bank", "notice", "probe", "release_s", "by_query", "notified_s", "quick", "slow",
    "amount_fen",
})  # fmt: skip


def world(given: dict[str, Any]) -> tuple[Payment, list[Evidence], int, Around]:
    """The payment, its evidence, the time, and what is known around it, from an example's ``given``.

    Keys: state, method (qr, plate), amount_fen, doubt (hint), code, op, alarm, refusal (hint), seen, give_up, undone, orphan, age_s, quick
    (decided at once), later (what became of queries afterwards), slow (ms to the first byte), by_query, notified_s; and
    those of `around`.
    """
    assert given.keys() <= KNOWN, given
    p = payment(given["state"], seen=given.get("seen", False), give_up=given.get("give_up", False),
                amount_fen=given.get("amount_fen", 1250))  # fmt: skip
    now = AT + given.get("age_s", 1) * 1000
    lines = [asked(p.id, 1, AT, "us", Op.PAY)]
    op = Op(given.get("op", "pay"))
    if "doubt" in given:
        code = given.get("code", "SOME_CODE")
        trail = {"sent_body": 1.0, "failed": 5000.0, "fault": code} if code in ("READ_TIMEOUT", "DNS_FAILURE") else {}
        finding = Finding(code=code, hint=given["doubt"], alarm=given.get("alarm", ""), trail=trail)
        doubt = {"code": finding.code, "hint": finding.hint, "op": op.value, "at_ms": AT, "alarm": finding.alarm}
        lines.append(answered(p.id, 2, AT, "alipay", op, finding))
        p = replace(p, doubt=doubt)
    elif not given.get("orphan"):
        proves = Proves.SHOWN if given.get("method") == "qr" else Proves.WAITING
        lines.append(answered(p.id, 2, AT, "alipay", op, Finding(proves)))
    for at, word in enumerate(given.get("later", ())):
        trail = {"fault": "READ_TIMEOUT"} if word == "silent" else {"sent_body": 1.0, "first_byte": given.get("slow", 40.0)}
        found = Finding(trail=trail) if word == "silent" else Finding(Proves.WAITING, trail=trail)
        lines += [asked(p.id, 10 + 2 * at, AT, "us", Op.QUERY), answered(p.id, 11 + 2 * at, AT, "alipay", Op.QUERY, found)]
    if given.get("by_query"):
        lines += [asked(p.id, 30, now, "us", Op.QUERY), answered(p.id, 31, now, "alipay", Op.QUERY, Finding(Proves.CAPTURED))]
    if "notified_s" in given:
        lines.append(answered(p.id, 32, AT + given["notified_s"] * 1000, "alipay", Op.NOTIFY, Finding(Proves.CAPTURED)))
    if "refusal" in given:
        p = replace(p, refusal={"code": given.get("code", "SOME_CODE"), "hint": given["refusal"], "text": ""})
    if given.get("give_up"):
        lines.append(Evidence(p.id, 3, AT, "act", "cashier", "reverse"))
    if given.get("method") in ("qr", "plate"):
        p = replace(p, method=Method.PAY_BY_QR if given["method"] == "qr" else Method.PLATE, qr="https://qr.example/1")
    if p.state not in OPEN:
        p = replace(p, decided_ms=AT + 500 if given.get("quick") else now, decided_by=4)
        lines.append(answered(p.id, 4, now, "alipay", Op.QUERY, Finding(Proves.CLOSED)))
    if given.get("speaker"):
        lines = [asked(p.id, 1, AT, "us", Op.PAY), answered(p.id, 4, AT, "alipay", Op.PAY, Finding(Proves.CAPTURED))]
    return replace(p, undone=Undone(given.get("undone", ""))), lines, now, around(given, now)


def around(given: dict[str, Any], now: int) -> Around:
    """Keys: terminal (what it reports; online, heard_s, offline_s, standing), speaker (what became of the sentence), crowd
    (kind of place -> others [dark, fine]), missing_bank, notice (platform, bank, none), probe, release_s."""
    notices = [Notice("platform", "wechatpay", 0, 1)] if "notice" in given else []
    if given.get("notice") in ("platform", "bank"):
        notices.append(Notice(given["notice"], "alipay", AT - 1, AT + 600_000))
    terminals = (terminal(given.get("terminal", {}), now),) if "terminal" in given else ()
    told, speakers = _speaker(given.get("speaker", ""), now)
    return Around(
        (*terminals, *speakers), told, tuple(notices), crowd(given), given.get("probe"),
        AT - given["release_s"] * 1000 if "release_s" in given else 0,
    )  # fmt: skip


def crowd(given: dict[str, Any]) -> Crowd | None:
    bank = given.get("missing_bank", "")
    if "crowd" not in given and not bank:
        return None
    default = {"channel": (12, 28), "all": (12, 88)} if bank else {}
    counts = {name: (dark, fine) for name, (dark, fine) in given.get("crowd", default).items()}
    fits = place_fits(counts, bank, 12.0 if bank else 0.0, 0.3)
    best = max(counts, key=lambda name: fits[name])
    return Crowd(fits, counts, {}, share_of(counts, best), bank)


def terminal(said: dict[str, Any], now: int, **changes: Any) -> Terminal:
    said = dict(said)
    online, heard = said.pop("online", True), now - said.pop("heard_s", 1) * 1000
    offline = now - said.pop("offline_s") * 1000 if "offline_s" in said else 0
    why, standing = said.pop("why", "keepalive" if offline else ""), said.pop("standing", "active")
    return Terminal("dev_1", "pos", False, standing, online, heard, offline, why, said, "till_1", **changes)


def standing(question: str, given: dict[str, Any]) -> Signs:
    """Of an account (keys of `Account`; pending_since_s ago, closed_today), a webhook endpoint, or a code plate."""
    given = dict(given)
    if question == "receiver":
        return of_receiver(Receiver(**given))
    if question == "plate":
        return of_plate(Plate(**given))
    if "pending_since_s" in given:
        given["pending_since_ms"] = AT - given.pop("pending_since_s") * 1000
    if "closed_today" in given:
        given["closed_days"] = ("2026-11-23",) if given.pop("closed_today") else ("2026-10-01",)
    return of_account(Account(**given), AT)


def _speaker(word: str, now: int) -> tuple[tuple[Announcement, ...], tuple[Terminal, ...]]:
    if not word:
        return (), ()
    away = word == "offline"
    box = Terminal("dev_2", "speaker", True, "active", not away, now - (60_000 if away else 1_000), now - 60_000 if away else 0,
                   "keepalive" if away else "", {"battery": 90}, "till_2" if word == "unbound" else "till_1")  # fmt: skip
    if word == "unbound":
        return (), (box,)
    played = AT + 900 if word == "played" else 0
    one = Announcement("ann_1", 1, "mer_1", "dev_2", "pay_1", "paid", 1250, "alipay", AT, played_ms=played,
                       why="muted" if word == "muted" else "")  # fmt: skip
    return (one,), (box,)
