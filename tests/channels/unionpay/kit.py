"""What the tests of UnionPay share: the captured vectors, an account over the vectors' keys, and replies signed by others."""

import base64
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from daozhang.channels.plug import Question
from daozhang.channels.shelf import Shelf
from daozhang.channels.unionpay import wire
from daozhang.core.evidence import Finding, Op
from daozhang.core.ids import out_request_no, out_trade_no
from daozhang.core.payment import Method, Payment, Undone
from daozhang.core.ports import AccountRow, Exchange
from daozhang.core.refund import Refund, RefundKind
from daozhang.sim.every import START_MS, new_payment

VECTORS = Path(__file__).parents[2] / "vectors"
KEYS = VECTORS / "keys"
REQUESTS = [next(VECTORS.glob(f"{number}-*.json")) for number in ("42", "44", "46")]
MER_ID, CERT_ID = "777290058110048", "68759663125"
UNIONPAY = Shelf.look().get("unionpay")
assert UNIONPAY is not None
MANIFEST = UNIONPAY.manifest
TIME = "20260921221320"  # START_MS in Beijing


def pem(name: str) -> str:
    return (KEYS / f"up_{name}.pem").read_text("utf-8")


def vector(number: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(VECTORS.glob(f"{number}-*.json")).read_text("utf-8"))
    return found


def fields_of(told: dict[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(told["request"]["body_utf8"], keep_blank_values=True))


def row(livemode: bool = False, secrets: dict[str, str] | None = None, **settings: str) -> AccountRow:
    pfx = base64.b64encode((KEYS / "up_merchant.pfx").read_bytes()).decode()
    held = {"merchant_pfx_base64": pfx, "pfx_password": "000000", "root_certificate": pem("root_cert"),
            "middle_certificate": pem("middle_cert"), **(secrets or {})}  # fmt: skip
    given = {"mer_id": MER_ID, "gateway": "http://127.0.0.1:9", **settings}
    return AccountRow("acc", 0, "mer", "unionpay", livemode, 380, given, held)


ACCOUNT = wire.open_account(row(), MANIFEST)


def refund(kind: RefundKind = RefundKind.REFUND, amount: int = 500) -> Refund:
    return Refund("rfd_01JD8000000000000000000000", 0, "m", new_payment().id, amount, kind, "", START_MS, START_MS)


def ask(op: Op, payment: Payment | None = None, *, back: Refund | None = None, now_ms: int = START_MS) -> Question:
    given = payment or replace(new_payment(), asked_ms=START_MS, window_end_ms=START_MS + 90_000, trade_no="4" * 21)
    about = (back or refund()) if op in (Op.REFUND, Op.REFUND_QUERY) else None
    return Question(op, given, now_ms, 3000, "6226359577513731196", about, "http://127.0.0.1/notify")


def signed(fields: dict[str, str], key: str = "sign_private_pkcs8", certificate: str = "sign_cert") -> str:
    """A reply as another author would sign it (the standard library's hash, another joining)."""
    said = {**fields, "signPubKeyCert": pem(certificate)}
    text = "&".join("=".join(pair) for pair in sorted(said.items()) if pair[1])
    private = serialization.load_pem_private_key(pem(key).encode(), None)
    raw = private.sign(sha256(text.encode()).hexdigest().encode(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    return "&".join("=".join(pair) for pair in [*said.items(), ("signature", base64.b64encode(raw).decode())])


_KINDS = {Op.PAY: ("01", "06"), Op.QUERY: ("00", "00"), Op.REVERSE: ("99", "01"), Op.CLOSE: ("99", "01"),
          Op.REFUND: ("04", "00"), Op.REFUND_QUERY: ("00", "00")}  # fmt: skip


def reply(op: Op, **told: str) -> dict[str, str]:
    """The fields of a true reply, with others over them; an empty one is left away."""
    number = out_request_no(refund().id) if op in (Op.REFUND, Op.REFUND_QUERY) else out_trade_no(new_payment().id)
    kind, sub = _KINDS[op]
    fields = {
        "accessType": "0", "bizType": "000000", "encoding": "UTF-8", "merId": MER_ID, "orderId": number, "txnTime": TIME,
        "txnType": kind, "txnSubType": sub, "version": "5.1.0", "signMethod": "01", "respCode": "00", "respMsg": "成功[0000000]",
        "queryId": "442609212146400000018", **told,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value}


def read(op: Op, body: str, payment: Payment | None = None, **more: Any) -> Finding:
    return wire.read(ACCOUNT, ask(op, payment, **more), Exchange(200, (), body.encode()))


def seen(method: Method = Method.PAY_BY_CODE, undone: Undone = Undone.NO) -> Payment:
    """A payment that the channel has shown, perhaps with an accepted reversal."""
    known = replace(new_payment(method), asked_ms=START_MS, window_end_ms=START_MS + 90_000, trade_no="4" * 21)
    return replace(known, seen=True, undone=undone)
